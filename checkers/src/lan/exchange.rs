//! PURE: one small question over a connection that stands, and the beginning of its answer: as much of TCP as that takes
//! (RFC 9293 section 3.10.7.4). The question goes in one segment; what comes out of order comes again.

use super::segment::Call;

/// More of an answer is not wanted.
const HEARD_MAX: usize = 4096;

/// How the other side ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It has nothing more to say.
    Closed,
    /// The connection is no more.
    Reset,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Exchange {
    call: Call,
    question: Vec<u8>,
    /// Sequence number of what has not come yet.
    next: u32,
    heard: Vec<u8>,
    end: Option<End>,
}

impl Exchange {
    /// After the connection was accepted with their sequence number `theirs`.
    pub(crate) fn new(call: Call, theirs: u32, question: Vec<u8>) -> Self {
        Self { call, question, next: theirs.wrapping_add(1), heard: Vec::new(), end: None }
    }

    /// The question, to be sent again where nothing comes.
    pub(crate) fn ask(&self) -> Option<Vec<u8>> {
        self.call.say(&self.question, self.next)
    }

    /// Takes in a frame, and gives what is to be sent then.
    pub(crate) fn handle(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let heard = self.call.heard(frame)?;
        if heard.sequence != self.next {
            // What came before, because our word of it was lost, or what comes too early.
            return (!heard.bytes.is_empty()).then(|| self.acknowledge())?;
        }
        if heard.is_reset {
            self.end = Some(End::Reset);
            return None;
        }
        let room = HEARD_MAX.saturating_sub(self.heard.len());
        self.heard.extend(heard.bytes.iter().take(room));
        // A segment is less than 64 KiB.
        let length = u32::try_from(heard.bytes.len()).unwrap_or_default();
        self.next = self.next.wrapping_add(length).wrapping_add(heard.is_end.into());
        if heard.is_end {
            self.end = Some(End::Closed);
        }
        (length > 0 || heard.is_end).then(|| self.acknowledge())?
    }

    /// The beginning of the answer, and how the other side ended it, if it did.
    pub(crate) fn heard(&self) -> (&[u8], Option<End>) {
        (&self.heard, self.end)
    }

    /// Its first line is there, or none will come.
    pub(crate) fn is_over(&self) -> bool {
        self.end.is_some() || self.heard.len() == HEARD_MAX || self.heard.contains(&b'\n')
    }

    /// Takes the connection back, whether the question has arrived or not.
    pub(crate) fn resets(&self) -> impl Iterator<Item = Vec<u8>> {
        [self.sent(), 0].into_iter().filter_map(|sent| self.call.reset(sent))
    }

    fn acknowledge(&self) -> Option<Vec<u8>> {
        self.call.acknowledge(self.sent(), self.next)
    }

    fn sent(&self) -> u32 {
        u32::try_from(self.question.len()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lan::Mac;
    use crate::lan::frame::Us;

    /// Both ends of a connection: ours, and the host's with everything the other way round.
    fn ends() -> (Call, Call) {
        let us = Us { mac: Mac([2, 0, 0, 0, 0, 1]), address: [10, 0, 0, 1].into() };
        let them = Us { mac: Mac([2, 0, 0, 0, 0, 2]), address: [10, 0, 0, 100].into() };
        let call = |us: Us, port, them: Us, vip_port, sequence| Call {
            us,
            port,
            host: them.mac,
            vip: them.address,
            vip_port,
            sequence,
        };
        (call(us, 40_000, them, 80, 9), call(them, 80, us, 40_000, u32::MAX - 3))
    }

    fn begun() -> (Exchange, Call) {
        let (call, back) = ends();
        (Exchange::new(call, back.sequence, b"GET / HTTP/1.0\r\n\r\n".to_vec()), back)
    }

    /// Frames shorter than 60 bytes are filled up on the wire.
    fn filled(mut frame: Vec<u8>) -> Vec<u8> {
        frame.resize(frame.len().max(60), 0);
        frame
    }

    #[test]
    fn a_status_line_in_two_segments_is_put_together_over_the_wrap() {
        let (mut exchange, back) = begun();
        let asked = exchange.ask().unwrap();
        let heard = back.heard(&asked).unwrap();
        assert_eq!((heard.sequence, heard.bytes), (10, &b"GET / HTTP/1.0\r\n\r\n"[..]));
        let first = filled(back.say(b"HTTP/1.1 2", 10).unwrap());
        let later = Call { sequence: back.sequence.wrapping_add(10), ..back };
        let second = filled(later.say(b"00 OK\r\n", 10).unwrap());
        assert!(exchange.handle(&second).is_some(), "too early: what is wanted is said again");
        assert_eq!(exchange.heard(), (&b""[..], None));
        assert!(exchange.handle(&first).is_some());
        assert!(exchange.handle(&first).is_some(), "again, as our word of it was lost");
        assert!(!exchange.is_over());
        assert!(exchange.handle(&second).is_some());
        assert_eq!(exchange.heard(), (&b"HTTP/1.1 200 OK\r\n"[..], None));
        assert!(exchange.is_over());
        assert_eq!(exchange.resets().count(), 2);
    }

    #[test]
    fn a_reset_and_an_end_count_where_they_belong() {
        let (mut exchange, back) = begun();
        let elsewhere = back.reset(5).unwrap();
        assert_eq!((exchange.handle(&elsewhere), exchange.is_over()), (None, false));
        let other = Call { port: 81, ..back };
        assert_eq!(exchange.handle(&other.say(b"HTTP/1.0 200\n", 10).unwrap()), None);
        assert_eq!(exchange.handle(&back.acknowledge(0, 10).unwrap()), None);
        assert_eq!(exchange.heard(), (&b""[..], None));
        exchange.handle(&back.reset(0).unwrap());
        assert_eq!(exchange.heard().1, Some(End::Reset));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        #[test]
        fn damaged_frames_never_panic_and_never_make_it_longer_than_its_bound(
            at in 0_usize..80,
            byte in any::<u8>(),
            bytes in proptest::collection::vec(any::<u8>(), 0..6000),
        ) {
            let (mut exchange, back) = begun();
            let mut frame = back.say(&bytes, 10).unwrap_or_default();
            if let Some(place) = frame.get_mut(at) {
                *place = byte;
            }
            let _ = exchange.handle(&frame);
            let _ = exchange.handle(&frame[..frame.len().min(at)]);
            prop_assert!(exchange.heard().0.len() <= HEARD_MAX);
        }
    }
}
