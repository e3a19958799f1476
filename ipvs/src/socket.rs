//! A generic netlink socket that asks the kernel and gathers its answers; it knows nothing of IPVS.
//!
//! It blocks in `send`, and may: there the kernel carries out the requests (1 to 20 us each), and queues
//! their answers before `send` returns; each further part of a dump is queued while the part before it is
//! read. So reading never waits, and an answer that is not there will never come: it was lost for want of
//! room, or the kernel was interrupted (`EINTR`), which netlink does not tell.
//!
//! Each answer is a message of its own. So of several requests in one `send` only the last asks to be acknowledged: the
//! kernel takes them in order and tells every refusal unasked, and what was not refused before the last one was answered is
//! done. And all that is there is read in one call, a part of a dump and the word of its end alike.

use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd;

use netlink_packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkMessage,
    NetlinkPayload, NetlinkSerializable,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};
use nix::libc;
use nix::sys::socket::{MsgFlags, MultiHeaders, NetlinkAddr, recvmmsg, setsockopt, sockopt};

use crate::error::Error;
use crate::window::{Answer, Window};

/// Room for answers. The default (208 KiB) holds some 256 acknowledgements; this holds thousands, so that
/// a batch of [`BATCH`] never loses one.
const RECEIVE_BUFFER: usize = 1 << 20;

/// The kernel never puts more than 32 KiB into one part of a dump.
const READ_BUFFER: usize = 1 << 16;

/// Messages in one read of a dump, with all of [`READ_BUFFER`] between them: mostly one part, and its end.
const PARTS: usize = 2;

/// Room for an answer among many: a service with its counters takes some 400 bytes, a refusal less.
const ANSWER: usize = READ_BUFFER / (BATCH + 1);

/// Requests in one `send`. More gain nothing: the kernel's own work prevails.
pub(crate) const BATCH: usize = 64;

/// How often a socket may say in one exchange that it lost something. The kernel says it once and goes on with what it has.
const OVERRUNS: u32 = 16;

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The socket had no room.
    Overrun,
    /// Nothing came.
    NoAnswer,
    /// More bytes came than there was room for.
    Truncated(usize),
}

/// How what comes is laid into the buffer.
#[derive(Clone, Copy)]
struct Slots {
    count: usize,
    length: usize,
}

impl Slots {
    /// For the answers to so many requests, and the acknowledgement of the last.
    fn of_answers(requests: usize) -> Slots {
        let count = (requests + 1).clamp(PARTS, BATCH + 1);
        Slots { count, length: if count > PARTS { ANSWER } else { READ_BUFFER / PARTS } }
    }
}

/// How an exchange went for one request.
pub(crate) type Outcome = Result<Answer, Lost>;

/// A socket to the kernel of the network namespace that it was opened in.
pub(crate) struct Conversation {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
    /// Answers may still come that nobody waits for, or a dump is half read: begin anew.
    spoiled: Option<Lost>,
}

impl Conversation {
    pub(crate) fn open() -> Result<Conversation, Error> {
        Ok(Conversation {
            socket: open()?,
            sequence: 0,
            buffer: vec![0; READ_BUFFER],
            spoiled: None,
        })
    }

    /// Carries out requests, at most [`BATCH`] in one go; contents go to `each` with the request's index.
    pub(crate) fn ask<M>(
        &mut self,
        requests: Vec<M>,
        each: impl FnMut(usize, Result<M, DecodeError>),
    ) -> Result<Vec<Outcome>, Error>
    where
        M: NetlinkSerializable + NetlinkDeserializable,
    {
        self.exchange(requests, NLM_F_ACK, each)
    }

    /// Reads a list. One that lost a part is lost as a whole.
    pub(crate) fn dump<M>(
        &mut self,
        request: M,
        mut each: impl FnMut(Result<M, DecodeError>),
    ) -> Result<Outcome, Error>
    where
        M: NetlinkSerializable + NetlinkDeserializable,
    {
        let outcomes = self.exchange(vec![request], NLM_F_DUMP, |_, content| each(content))?;
        if let Some(lost) = self.spoiled {
            return Ok(Err(lost));
        }
        Ok(outcomes.into_iter().next().unwrap_or(Err(Lost::NoAnswer)))
    }

    /// `last_flags` go with the last request, whose answer ends the exchange.
    fn exchange<M>(
        &mut self,
        requests: Vec<M>,
        last_flags: u16,
        mut each: impl FnMut(usize, Result<M, DecodeError>),
    ) -> Result<Vec<Outcome>, Error>
    where
        M: NetlinkSerializable + NetlinkDeserializable,
    {
        if self.spoiled.is_some() {
            self.socket = open()?;
            self.spoiled = None;
        }
        let mut window = Window::new(self.sequence.wrapping_add(1), requests.len());
        let slots = Slots::of_answers(requests.len());
        self.send(requests, last_flags)?;
        let (mut lost, mut overruns) = (None, 0);
        while window.is_open() {
            match self.receive(slots) {
                Ok(lengths) => {
                    for (slot, length) in self.buffer.chunks(slots.length).zip(lengths) {
                        match slot.get(..length) {
                            None => lost = Some(Lost::Truncated(length)),
                            Some(bytes) => {
                                if window.handle(bytes, &mut each).is_err() {
                                    lost = lost.or(Some(Lost::NoAnswer));
                                }
                            }
                        }
                    }
                }
                Err(error) => match error.raw_os_error() {
                    Some(libc::ENOBUFS) => {
                        lost = Some(Lost::Overrun);
                        overruns += 1;
                        if overruns > OVERRUNS {
                            break;
                        }
                    }
                    Some(libc::EAGAIN) => {
                        lost = lost.or(Some(Lost::NoAnswer));
                        break;
                    }
                    _ => {
                        self.spoiled = Some(Lost::NoAnswer);
                        return Err(Error::Socket { step: "receive", source: error });
                    }
                },
            }
        }
        self.spoiled = lost;
        let unrefused = lost.map_or(Ok(Answer::Done), Err);
        let outcome = |answer: Option<Answer>| answer.map_or(unrefused.clone(), Ok);
        Ok(window.into_answers().into_iter().map(outcome).collect())
    }

    fn send<M: NetlinkSerializable>(
        &mut self,
        requests: Vec<M>,
        last_flags: u16,
    ) -> Result<(), Error> {
        let mut bytes = Vec::new();
        let last = requests.len().saturating_sub(1);
        for (index, request) in requests.into_iter().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            let mut message = NetlinkMessage::new(
                netlink_packet_core::NetlinkHeader::default(),
                NetlinkPayload::InnerMessage(request),
            );
            message.header.flags = NLM_F_REQUEST | if index == last { last_flags } else { 0 };
            message.header.sequence_number = self.sequence;
            message.finalize();
            // Attributes are padded to 4 bytes, so the next header begins where this message ends.
            let start = bytes.len();
            bytes.resize(start + message.buffer_len(), 0);
            message.serialize(&mut bytes[start..]);
        }
        retry(|| self.socket.send(&bytes, 0))
            .map(drop)
            .map_err(|source| Error::Socket { step: "send", source })
    }

    /// Reads what there is, once, and returns the length of what stands in each slot.
    fn receive(&mut self, slots: Slots) -> io::Result<Vec<usize>> {
        let flags = MsgFlags::MSG_TRUNC | MsgFlags::MSG_DONTWAIT;
        let socket = self.socket.as_raw_fd();
        retry(|| {
            let mut headers = MultiHeaders::<NetlinkAddr>::preallocate(slots.count, None);
            let room = self.buffer.chunks_mut(slots.length).take(slots.count);
            let mut room: Vec<_> = room.map(|slot| [IoSliceMut::new(slot)]).collect();
            let read = recvmmsg(socket, &mut headers, room.iter_mut(), flags, None)?;
            // Port 0 is the kernel. Another process may write to us too; its words count for nothing.
            let is_kernel = |from: Option<NetlinkAddr>| from.is_some_and(|from| from.pid() == 0);
            let length = |one: nix::sys::socket::RecvMsg<'_, '_, NetlinkAddr>| {
                if is_kernel(one.address) { one.bytes } else { 0 }
            };
            Ok(read.map(length).collect())
        })
    }
}

fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn open() -> Result<Socket, Error> {
    let failed = |step| move |source| Error::Socket { step, source };
    let mut socket = Socket::new(NETLINK_GENERIC).map_err(failed("open"))?;
    socket.bind_auto().map_err(failed("bind"))?;
    socket.connect(&SocketAddr::new(0, 0)).map_err(failed("connect to the kernel"))?;
    socket.set_cap_ack(true).map_err(failed("ask for short acknowledgements"))?;
    socket.set_ext_ack(true).map_err(failed("ask for error texts"))?;
    // Beyond net.core.rmem_max with CAP_NET_ADMIN, which IPVS wants anyway; else as far as it goes.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)
            .map_err(|errno| failed("size the receive buffer")(errno.into()))?;
    }
    Ok(socket)
}

/// These run on any Linux: `nlctrl`, the family of families, answers everyone.
#[cfg(test)]
mod tests {
    use netlink_packet_generic::GenlMessage;
    use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
    use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};

    use super::*;

    fn find(family: &str) -> GenlMessage<GenlCtrl> {
        GenlMessage::from_payload(GenlCtrl {
            cmd: GenlCtrlCmd::GetFamily,
            nlas: vec![GenlCtrlAttrs::FamilyName(family.to_owned())],
        })
    }

    fn ask(conversation: &mut Conversation, families: &[&str]) -> (Vec<Outcome>, Vec<usize>) {
        let mut contents = Vec::new();
        let requests = families.iter().map(|family| find(family)).collect();
        let outcomes = conversation
            .ask(requests, |index, content| {
                assert!(content.is_ok());
                contents.push(index);
            })
            .unwrap();
        (outcomes, contents)
    }

    #[test]
    fn each_of_a_batch_gets_its_own_answer() {
        let mut conversation = Conversation::open().unwrap();
        let mut families = ["nlctrl"; BATCH];
        families[7] = "no such family";
        for _ in 0..3 {
            let (outcomes, contents) = ask(&mut conversation, &families);
            assert_eq!(contents, (0..BATCH).filter(|&index| index != 7).collect::<Vec<_>>());
            for (index, outcome) in outcomes.into_iter().enumerate() {
                let refused = matches!(outcome, Ok(Answer::Refused { errno: libc::ENOENT, .. }));
                assert_eq!(refused, index == 7, "{outcome:?}");
            }
        }
    }

    #[test]
    fn a_dump_comes_whole() {
        let mut conversation = Conversation::open().unwrap();
        let request = GenlCtrl { cmd: GenlCtrlCmd::GetFamily, nlas: Vec::new() };
        let mut families = 0;
        let outcome = conversation
            .dump(GenlMessage::from_payload(request), |content| families += content.iter().len());
        assert_eq!(outcome.unwrap(), Ok(Answer::Done));
        assert!(families > 0);
    }

    #[test]
    fn lost_answers_are_told_and_what_follows_goes_well() {
        let mut conversation = Conversation::open().unwrap();
        // The kernel rounds up to its least, which holds a few answers.
        setsockopt(&conversation.socket, sockopt::RcvBuf, &1).unwrap();
        let (outcomes, _) = ask(&mut conversation, &["nlctrl"; BATCH]);
        assert_eq!(outcomes.len(), BATCH);
        let lost = outcomes.iter().filter(|outcome| **outcome == Err(Lost::Overrun)).count();
        let done = outcomes.iter().filter(|outcome| **outcome == Ok(Answer::Done)).count();
        assert!(lost > 0 && lost + done == BATCH, "{outcomes:?}");

        let (outcomes, contents) = ask(&mut conversation, &["nlctrl"; BATCH]);
        assert_eq!(outcomes, vec![Ok(Answer::Done); BATCH]);
        assert_eq!(contents.len(), BATCH);
    }
}
