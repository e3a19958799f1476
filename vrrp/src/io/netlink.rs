//! Blocking requests to rtnetlink: many messages per send, each answer matched to its request by sequence
//! number, and dumps. It knows nothing of what the messages ask for.
//!
//! The kernel works a request off inside the send call, so the answers wait when it returns; the receive
//! timeout guards against answers that were lost (a full receive buffer), not against a slow kernel.

use std::io;
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use super::error::Error;

/// Messages per send. Measured on generic netlink: the gain ends at 64, and the default receive buffer loses
/// answers beyond 256.
const BATCH: usize = 64;
/// Receive buffer of a request socket, for answers and dumps.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Largest part that the kernel sends of a dump is 32 KiB; an answer may echo its request.
const READ_SIZE: usize = 64 * 1024;
/// Longest wait for an answer that should be there already.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// A socket for requests and their answers.
#[derive(Debug)]
pub struct Requests {
    socket: Socket,
    port: u32,
    sequence: u32,
    buffer: Vec<u8>,
}

/// A message and the flags it is sent with, besides REQUEST and ACK.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) message: RouteNetlinkMessage,
    pub(super) flags: u16,
}

impl Requests {
    /// Opens the socket. Reading needs no capability; changes need CAP_NET_ADMIN, which the kernel checks per
    /// request.
    pub fn open() -> Result<Self, Error> {
        let broken = |step| move |cause| Error::Netlink { step, cause };
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(broken("socket"))?;
        let port = socket.bind_auto().map_err(broken("bind"))?.port_number();
        socket.connect(&SocketAddr::new(0, 0)).map_err(broken("connect"))?;
        // Both only save bytes; a kernel without them answers all the same.
        let _ = socket.set_cap_ack(true);
        let _ = socket.set_netlink_get_strict_chk(true);
        // A refused size leaves the default, which holds the answers of a batch.
        let _ = socket.set_rx_buf_sz(RECEIVE_BUFFER);
        let timeout = TimeVal::milliseconds(ANSWER_TIMEOUT.as_millis() as i64);
        setsockopt(&socket, sockopt::ReceiveTimeout, &timeout)
            .map_err(|errno| broken("receive timeout")(errno.into()))?;
        Ok(Self { socket, port, sequence: 0, buffer: Vec::with_capacity(READ_SIZE) })
    }

    /// The number by which the kernel names this socket in notifications of what it did for it.
    pub(super) fn port(&self) -> u32 {
        self.port
    }

    /// Sends the requests and gives the kernel's answer to each, in order.
    pub(super) fn transact(
        &mut self,
        requests: Vec<Request>,
    ) -> Result<Vec<Result<(), io::Error>>, Error> {
        let mut answers = Vec::with_capacity(requests.len());
        let mut rest = requests.into_iter();
        loop {
            let batch: Vec<_> = rest.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return Ok(answers);
            }
            answers.extend(self.transact_batch(batch)?);
        }
    }

    /// Asks for all objects and calls `each` with every message of the answer. True if the kernel says that
    /// something changed meanwhile, so that the answer may be incomplete.
    pub(super) fn dump(
        &mut self,
        message: RouteNetlinkMessage,
        mut each: impl FnMut(RouteNetlinkMessage),
    ) -> Result<bool, Error> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let mut bytes = Vec::new();
        append(&mut bytes, message, NLM_F_REQUEST | NLM_F_DUMP, sequence);
        self.send(&bytes)?;
        let mut interrupted = false;
        loop {
            for (header, payload) in self.read()? {
                if header.sequence_number != sequence {
                    continue;
                }
                interrupted |= header.flags & netlink_packet_core::NLM_F_DUMP_INTR != 0;
                match payload {
                    NetlinkPayload::InnerMessage(message) => each(message),
                    NetlinkPayload::Done(_) => return Ok(interrupted),
                    NetlinkPayload::Error(error) => {
                        return Err(Error::Netlink { step: "dump", cause: error.to_io() });
                    }
                    _ => {}
                }
            }
        }
    }

    fn transact_batch(&mut self, batch: Vec<Request>) -> Result<Vec<Result<(), io::Error>>, Error> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        let mut answers: Vec<Option<Result<(), io::Error>>> = Vec::new();
        for request in batch {
            self.sequence = self.sequence.wrapping_add(1);
            let flags = NLM_F_REQUEST | NLM_F_ACK | request.flags;
            append(&mut bytes, request.message, flags, self.sequence);
            answers.push(None);
        }
        self.send(&bytes)?;
        while answers.iter().any(Option::is_none) {
            for (header, payload) in self.read()? {
                let NetlinkPayload::Error(answer) = payload else { continue };
                let position = header.sequence_number.wrapping_sub(first) as usize;
                if let Some(slot) = answers.get_mut(position) {
                    *slot = Some(match answer.code {
                        None => Ok(()),
                        Some(_) => Err(answer.to_io()),
                    });
                }
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Error> {
        let sent = self.socket.send(bytes, 0);
        sent.map(drop).map_err(|cause| Error::Netlink { step: "send", cause })
    }

    fn read(&mut self) -> Result<Vec<(NetlinkHeader, NetlinkPayload<RouteNetlinkMessage>)>, Error> {
        self.buffer.clear();
        let received = self.socket.recv(&mut self.buffer, 0);
        received.map_err(|cause| Error::Netlink { step: "receive", cause })?;
        Ok(messages(&self.buffer).0)
    }
}

/// The messages in one read, and how many of them could not be decoded: attributes of a newer kernel, which
/// must not hide the other messages.
pub(super) fn messages(
    mut bytes: &[u8],
) -> (Vec<(NetlinkHeader, NetlinkPayload<RouteNetlinkMessage>)>, usize) {
    let mut found = Vec::new();
    let mut undecodable = 0;
    while let Some(length) = bytes.first_chunk::<4>().map(|word| u32::from_ne_bytes(*word)) {
        // nlmsghdr is 16 bytes, and messages start at multiples of 4.
        let length = length as usize;
        let Some(message) = bytes.get(..length).filter(|_| length >= 16) else { break };
        match NetlinkMessage::<RouteNetlinkMessage>::deserialize(message) {
            Ok(message) => found.push(message.into_parts()),
            Err(_) => undecodable += 1,
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    (found, undecodable)
}

fn append(bytes: &mut Vec<u8>, message: RouteNetlinkMessage, flags: u16, sequence: u32) {
    let mut message = NetlinkMessage::from(message);
    message.header.flags = flags;
    message.header.sequence_number = sequence;
    message.finalize();
    let start = bytes.len();
    bytes.resize((start + message.buffer_len()).next_multiple_of(4), 0);
    message.serialize(&mut bytes[start..]);
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::link::LinkMessage;

    use super::*;

    #[test]
    fn several_messages_in_one_read_are_told_apart() {
        let mut bytes = Vec::new();
        for sequence in [7, 8] {
            append(&mut bytes, RouteNetlinkMessage::GetLink(LinkMessage::default()), 0, sequence);
        }
        let (found, undecodable) = messages(&bytes);
        let sequences: Vec<_> = found.iter().map(|(header, _)| header.sequence_number).collect();
        assert_eq!((sequences, undecodable), (vec![7, 8], 0));
    }

    #[test]
    fn cut_and_lying_lengths_end_the_read() {
        let mut bytes = Vec::new();
        append(&mut bytes, RouteNetlinkMessage::GetLink(LinkMessage::default()), 0, 1);
        assert_eq!(messages(&bytes[..bytes.len() - 1]).0.len(), 0);
        assert_eq!(messages(&[0, 0, 0, 0, 1, 2, 3]).0.len(), 0);
        assert_eq!(messages(&[1]).0.len(), 0);
    }

    #[test]
    fn a_refused_request_is_answered_beside_the_others() {
        let mut requests = Requests::open().unwrap();
        let missing = || {
            let mut link = LinkMessage::default();
            link.header.index = 0x7fff_fff0;
            Request { message: RouteNetlinkMessage::SetLink(link), flags: 0 }
        };
        let answers = requests.transact(vec![missing(), missing(), missing()]).unwrap();
        assert_eq!(answers.len(), 3);
        assert!(answers.iter().all(Result::is_err), "{answers:?}");
    }
}
