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
    open: usize,
}

impl Window {
    /// `len` requests, the first of them with sequence number `first`.
    pub(crate) fn new(first: u32, len: usize) -> Window {
        Window { first, answers: vec![None; len], open: len }
    }

    /// Whether answers are missing.
    pub(crate) fn is_open(&self) -> bool {
        self.open > 0
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
            self.open -= 1;
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
