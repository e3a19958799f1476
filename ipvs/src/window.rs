//! Requests that are on their way, and the answers that came to them, matched by sequence number.
//!
//! Pure: bytes of the kernel in, answers out. It knows of netlink's envelope (acknowledgements, ends of
//! dumps, extended acknowledgements) and nothing of IPVS.

use netlink_packet_core::{
    DecodeError, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_ALIGNTO, NetlinkBuffer, NetlinkDeserializable,
    NetlinkMessage, NetlinkPayload, NlasIterator,
};

/// `NLMSGERR_ATTR_MSG`: the kernel's words on an error.
const ATTR_MSG: u16 = 1;
/// Length of `struct nlmsghdr`.
const HEADER_LEN: usize = 16;

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Done.
    Done,
    /// Refused, with a positive error number and the kernel's words.
    Refused { errno: i32, said: Option<Box<str>> },
}

/// Requests with sequence numbers that follow each other.
#[derive(Debug)]
pub(crate) struct Window {
    first: u32,
    answers: Vec<Option<Answer>>,
}

impl Window {
    /// `len` requests, the first of them with sequence number `first`.
    pub(crate) fn new(first: u32, len: usize) -> Window {
        Window { first, answers: vec![None; len] }
    }

    /// Whether the last request, after which the kernel says nothing more, has no answer yet.
    pub(crate) fn is_open(&self) -> bool {
        self.answers.last().is_some_and(Option::is_none)
    }

    /// What each request got, `None` where nothing came.
    pub(crate) fn into_answers(self) -> Vec<Option<Answer>> {
        self.answers
    }

    /// Takes in what one read brought. Messages that are content go to `each` with the index of their
    /// request; leftovers of earlier windows are passed over.
    ///
    /// An error says that the rest of the bytes is no sequence of messages.
    pub(crate) fn handle<M: NetlinkDeserializable>(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(usize, Result<M, DecodeError>),
    ) -> Result<(), DecodeError> {
        while !bytes.is_empty() {
            let buffer = NetlinkBuffer::new_checked(bytes)?;
            // `new_checked` has proven that the length is within the bytes and no less than a header.
            let (message, rest) = bytes.split_at(buffer.length() as usize);
            let padding = message.len().next_multiple_of(NLMSG_ALIGNTO.into()) - message.len();
            bytes = rest.get(padding..).unwrap_or_default();
            if let Some(index) = self.index(buffer.sequence_number()) {
                self.handle_message(index, buffer.flags(), message, &mut each);
            }
        }
        Ok(())
    }

    fn index(&self, sequence: u32) -> Option<usize> {
        let index = sequence.wrapping_sub(self.first) as usize;
        (index < self.answers.len()).then_some(index)
    }

    fn handle_message<M: NetlinkDeserializable>(
        &mut self,
        index: usize,
        flags: u16,
        bytes: &[u8],
        each: &mut impl FnMut(usize, Result<M, DecodeError>),
    ) {
        let message = match NetlinkMessage::<M>::deserialize(bytes) {
            Ok(message) => message,
            Err(error) => return each(index, Err(error)),
        };
        match message.payload {
            NetlinkPayload::InnerMessage(content) => each(index, Ok(content)),
            NetlinkPayload::Error(error) => {
                let answer = answer(error.raw_code(), || said(flags, &error.header));
                self.close(index, answer);
            }
            NetlinkPayload::Done(done) => {
                let answer = answer(done.code, || message_attribute(&done.extended_ack));
                self.close(index, answer);
            }
            // An overrun is told by the socket too; the others carry nothing.
            _ => {}
        }
    }

    fn close(&mut self, index: usize, answer: Answer) {
        if let Some(slot @ None) = self.answers.get_mut(index) {
            *slot = Some(answer);
        }
    }
}

/// Error numbers come negative; 0 is an acknowledgement.
fn answer(code: i32, said: impl FnOnce() -> Option<Box<str>>) -> Answer {
    if code < 0 {
        Answer::Refused { errno: code.saturating_neg(), said: said() }
    } else {
        Answer::Done
    }
}

/// The kernel's words in an error: they follow our own header, or our whole request where the
/// acknowledgement is not capped.
fn said(flags: u16, echoed: &[u8]) -> Option<Box<str>> {
    if flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let request_len = if flags & NLM_F_CAPPED != 0 {
        HEADER_LEN
    } else {
        let len: [u8; 4] = echoed.get(..4)?.try_into().ok()?;
        (u32::from_ne_bytes(len) as usize).checked_next_multiple_of(NLMSG_ALIGNTO.into())?
    };
    message_attribute(echoed.get(request_len..)?)
}

fn message_attribute(attributes: &[u8]) -> Option<Box<str>> {
    let nla = NlasIterator::new(attributes).flatten().find(|nla| nla.kind() == ATTR_MSG)?;
    let text = nla.value();
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    Some(String::from_utf8_lossy(text).into())
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{NLM_F_MULTIPART, NLMSG_DONE, NLMSG_ERROR};
    use netlink_packet_generic::GenlMessage;
    use proptest::prelude::*;

    use super::*;
    use crate::message::{Command, Message};

    type Content = GenlMessage<Message>;

    /// A message of the kernel: header in host order, then the payload, padded to four bytes.
    fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(HEADER_LEN + payload.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// An answer to the request `sequence`, with its header echoed as `cap_ack` has it.
    fn answer(sequence: u32, code: i32) -> Vec<u8> {
        let mut payload = code.to_ne_bytes().to_vec();
        payload.extend(message(32, 5, sequence, &[]));
        message(NLMSG_ERROR, NLM_F_CAPPED, sequence, &payload)
    }

    fn answers(window: &mut Window, bytes: &[u8]) -> Vec<(usize, bool)> {
        let mut contents = Vec::new();
        window
            .handle::<Content>(bytes, |index, content| contents.push((index, content.is_ok())))
            .unwrap();
        contents
    }

    fn refused(errno: i32) -> Option<Answer> {
        Some(Answer::Refused { errno, said: None })
    }

    #[test]
    fn each_answer_finds_its_request_whatever_the_order() {
        let mut window = Window::new(u32::MAX, 3);
        let bytes = [answer(1, -17), answer(u32::MAX, 0), answer(0, -2)].concat();
        assert_eq!(answers(&mut window, &bytes), []);
        assert!(!window.is_open());
        assert_eq!(window.into_answers(), [Some(Answer::Done), refused(2), refused(17)]);
    }

    #[test]
    fn answers_to_earlier_requests_are_passed_over() {
        let mut window = Window::new(10, 3);
        answers(
            &mut window,
            &[answer(9, -1), answer(13, -1), answer(11, 0), answer(11, -5)].concat(),
        );
        assert!(window.is_open());
        assert_eq!(window.into_answers(), [None, Some(Answer::Done), None]);
    }

    #[test]
    fn the_last_answer_is_the_end() {
        let mut window = Window::new(1, 3);
        answers(&mut window, &answer(2, -5));
        assert!(window.is_open());
        answers(&mut window, &answer(3, 0));
        assert!(!window.is_open());
        assert_eq!(window.into_answers(), [None, refused(5), Some(Answer::Done)]);
    }

    #[test]
    fn a_dump_is_open_until_its_end() {
        let mut window = Window::new(1, 1);
        // GET_INFO has no attributes, so its generic header is a whole content.
        let content = message(32, NLM_F_MULTIPART, 1, &[Command::GetInfo as u8, 1, 0, 0]);
        assert_eq!(answers(&mut window, &content), [(0, true)]);
        assert!(window.is_open());
        let nonsense = message(32, NLM_F_MULTIPART, 1, &[99, 1, 0, 0]);
        assert_eq!(answers(&mut window, &nonsense), [(0, false)]);
        answers(&mut window, &message(NLMSG_DONE, NLM_F_MULTIPART, 1, &0_i32.to_ne_bytes()));
        assert_eq!(window.into_answers(), [Some(Answer::Done)]);
    }

    #[test]
    fn a_dump_that_the_kernel_breaks_off_is_refused() {
        let mut window = Window::new(1, 1);
        answers(&mut window, &message(NLMSG_DONE, NLM_F_MULTIPART, 1, &(-16_i32).to_ne_bytes()));
        assert_eq!(window.into_answers(), [refused(16)]);
    }

    #[test]
    fn the_words_of_the_kernel_are_kept() {
        let said = [&[12, 0, 1, 0][..], b"too bad\0"].concat();
        let request = message(32, 5, 1, &[1, 1, 0, 0]);
        let words = Some(Answer::Refused { errno: 22, said: Some("too bad".into()) });
        for (flags, echoed) in [(NLM_F_CAPPED, &request[..HEADER_LEN]), (0, &request[..])] {
            let payload = [&(-22_i32).to_ne_bytes()[..], echoed, &said].concat();
            let mut window = Window::new(1, 1);
            answers(&mut window, &message(NLMSG_ERROR, flags | NLM_F_ACK_TLVS, 1, &payload));
            assert_eq!(window.into_answers(), std::slice::from_ref(&words));
        }
    }

    #[test]
    fn bytes_that_are_no_messages_are_refused() {
        let mut window = Window::new(1, 1);
        let mut cut = answer(1, 0);
        cut.truncate(30);
        for bytes in [&[0; 16][..], &[1, 2, 3], &cut] {
            assert!(window.handle::<Content>(bytes, |_, _| {}).is_err());
        }
        assert_eq!(window.into_answers(), [None]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

        #[test]
        fn random_answers_never_panic(
            kind in 0_u16..5,
            flags in any::<u16>(),
            sequence in 0_u32..4,
            payload in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let mut window = Window::new(1, 2);
            let bytes = message(kind, flags, sequence, &payload);
            let handled = window.handle::<Content>(&bytes, |_, _| ());
            prop_assert!(handled.is_ok());
            let _ = window.handle::<Content>(&payload, |_, _| ());
            prop_assert!(window.into_answers().len() == 2);
        }
    }
}
