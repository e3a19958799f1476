//! What the kernel tells of processes as they begin, change their program and end: its process connector
//! (CONFIG_PROC_EVENTS; linux/cn_proc.h). It tells in the first namespaces only, and who has CAP_NET_ADMIN. How a
//! message is read is PURE; the socket is at the end.

use std::io;
use std::time::Duration;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_CONNECTOR};
use thiserror::Error;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

/// What a message is about (linux/connector.h, CN_IDX_PROC and CN_VAL_PROC), and the group that hears of it.
const PROCESSES: (u32, u32) = (1, 1);
/// PROC_CN_MCAST_LISTEN.
const LISTEN: u32 = 1;
/// Netlink's header, the connector's behind it, and of an event what comes before its data.
const NETLINK: usize = 16;
const CONNECTOR: usize = 20;
const EVENT: usize = 16;
/// Kinds of events. The others are of no concern here.
const NONE: u32 = 0;
const FORK: u32 = 1;
const EXEC: u32 = 2;
const COMM: u32 = 0x200;
const EXIT: u32 = 0x8000_0000;
/// Room for the events of a busy host: some 10,000.
const RECEIVE_BUFFER: usize = 1 << 20;
/// The kernel answers within the system call; one that does not never will.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);
/// Events of one reading.
const LARGEST: usize = 64 * 1024;

/// Something happened to a process. Threads are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProcessEvent {
    /// The kernel answers that it tells from now on.
    Listening,
    /// A process begot another one, which is as it is.
    Forked { parent: u32, child: u32 },
    /// It runs another program, or has another name.
    Changed(u32),
    /// It ended.
    Ended(u32),
}

/// Why nothing is told here.
#[derive(Debug, Error)]
pub(super) enum Silent {
    /// No such socket, or it may not be used.
    #[error("{step}: {cause}")]
    Refused { step: &'static str, cause: io::Error },
    /// As in a container's namespaces.
    #[error("the kernel does not answer, as in namespaces that are not the first")]
    NoAnswer,
}

/// The events in one datagram. What is cut off or of another kind is passed over.
pub(super) fn events(datagram: &[u8]) -> Vec<ProcessEvent> {
    let mut events = Vec::new();
    let mut rest = datagram;
    while let Some(length) = word(rest, 0) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some(message) = rest.get(..length).filter(|_| length >= NETLINK) else { break };
        events.extend(event(&message[NETLINK..]));
        // Messages begin at multiples of four.
        let Some(next) = rest.get(length.next_multiple_of(4)..) else { break };
        rest = next;
    }
    events
}

fn event(message: &[u8]) -> Option<ProcessEvent> {
    if (word(message, 0)?, word(message, 4)?) != PROCESSES {
        return None;
    }
    let event = message.get(CONNECTOR..)?;
    let data = event.get(EVENT..)?;
    // Of each process first the thread and then the process that it belongs to.
    let process = |at: usize| {
        let (thread, process) = (word(data, at)?, word(data, at + 4)?);
        (thread == process).then_some(process)
    };
    match word(event, 0)? {
        NONE => (word(data, 0)? == 0).then_some(ProcessEvent::Listening),
        // Whichever thread of the parent's it was.
        FORK => Some(ProcessEvent::Forked { parent: word(data, 4)?, child: process(8)? }),
        EXEC | COMM => Some(ProcessEvent::Changed(process(0)?)),
        EXIT => Some(ProcessEvent::Ended(process(0)?)),
        _ => None,
    }
}

/// In the machine's own byte order, as the kernel writes them.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

/// Asks to be told.
fn request() -> Vec<u8> {
    let (idx, val) = PROCESSES;
    let total = (NETLINK + CONNECTOR + 4) as u32;
    let mut message: Vec<u8> = total.to_ne_bytes().to_vec();
    // NLMSG_DONE without flags, as the connector has it.
    message.extend([3_u16, 0].into_iter().flat_map(u16::to_ne_bytes));
    message.extend([0, 0, idx, val, 0, 0].into_iter().flat_map(u32::to_ne_bytes));
    // So many bytes follow; no flags.
    message.extend([4_u16, 0].into_iter().flat_map(u16::to_ne_bytes));
    message.extend(LISTEN.to_ne_bytes());
    message
}

/// A socket that hears of processes.
pub(super) struct Events {
    socket: AsyncFd<Socket>,
    buffer: Vec<u8>,
}

impl Events {
    /// Opens it; the kernel has answered. Inside a tokio runtime.
    #[expect(deprecated, reason = "sound here: the socket lives as long as the AsyncFd")]
    pub(super) async fn open() -> Result<Self, Silent> {
        let refused = |step| move |cause| Silent::Refused { step, cause };
        let mut socket = Socket::new(NETLINK_CONNECTOR).map_err(refused("socket"))?;
        socket.bind(&SocketAddr::new(0, PROCESSES.0)).map_err(refused("bind"))?;
        socket.set_non_blocking(true).map_err(refused("non-blocking"))?;
        // A refused size leaves the default: then everything is read again sooner.
        let _ = socket.set_rx_buf_sz(RECEIVE_BUFFER);
        socket.send_to(&request(), &SocketAddr::new(0, 0), 0).map_err(refused("send"))?;
        let socket =
            AsyncFd::with_interest(socket, Interest::READABLE).map_err(refused("register"))?;
        let mut events = Self { socket, buffer: Vec::with_capacity(LARGEST) };
        let answered = timeout(ANSWER_WITHIN, async {
            loop {
                let told = events.next().await?;
                if told.contains(&ProcessEvent::Listening) {
                    return Ok(());
                }
            }
        });
        match answered.await {
            Ok(Ok(())) => Ok(events),
            Ok(Err(cause)) => Err(Silent::Refused { step: "receive", cause }),
            Err(_) => Err(Silent::NoAnswer),
        }
    }

    /// Leaves room for a few events, so that others are lost.
    #[cfg(test)]
    pub(super) fn shrink(&mut self) {
        self.socket.get_mut().set_rx_buf_sz(1).unwrap();
    }

    /// What happened next. ENOBUFS says that events were lost, and everything is to be read again. May be dropped at any
    /// point.
    pub(super) async fn next(&mut self) -> io::Result<Vec<ProcessEvent>> {
        loop {
            let mut ready = self.socket.readable().await?;
            self.buffer.clear();
            let buffer = &mut self.buffer;
            match ready.try_io(|socket| socket.get_ref().recv_from(buffer, 0)) {
                // Others may write to the socket; the kernel's number is 0.
                Ok(Ok((_, from))) if from.port_number() == 0 => {
                    return Ok(events(&self.buffer));
                }
                Ok(Ok(_)) => {}
                Ok(Err(cause)) if cause.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(cause)) => return Err(cause),
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One message of the kernel's: an event of this kind with these words behind it.
    fn message(kind: u32, data: &[u32]) -> Vec<u8> {
        let length = u32::try_from(NETLINK + CONNECTOR + EVENT + 4 * data.len()).unwrap();
        let head = [length, 3, 0, 0, 1, 1, 0, 0, length - 36];
        let event = [kind, 0, 0, 0];
        let words = head.iter().chain(&event).chain(data);
        words.flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn processes_begin_change_and_end_and_threads_do_not_count() {
        use ProcessEvent::{Changed, Ended, Forked, Listening};
        for (kind, data, wanted) in [
            (NONE, &[0, 0, 0, 0][..], Some(Listening)),
            (NONE, &[1, 0, 0, 0], None),
            (FORK, &[70, 70, 71, 71], Some(Forked { parent: 70, child: 71 })),
            (FORK, &[72, 70, 73, 73], Some(Forked { parent: 70, child: 73 })),
            (FORK, &[70, 70, 74, 70], None),
            (EXEC, &[71, 71], Some(Changed(71))),
            (COMM, &[71, 71, 0, 0, 0, 0], Some(Changed(71))),
            (COMM, &[74, 70, 0, 0, 0, 0], None),
            (EXIT, &[71, 71, 0, 17], Some(Ended(71))),
            (EXIT, &[74, 70, 0, 17], None),
            (0x100, &[71, 71], None),
        ] {
            assert_eq!(events(&message(kind, data)), Vec::from_iter(wanted), "{kind:#x} {data:?}");
        }
        let both = [message(EXEC, &[5, 5]), message(EXIT, &[6, 6, 0, 0])].concat();
        assert_eq!(events(&both), [Changed(5), Ended(6)]);
        let mut other = message(EXEC, &[5, 5]);
        other[NETLINK] ^= 1;
        assert_eq!(events(&other), [], "of another connector");
    }

    #[test]
    fn what_is_cut_off_is_passed_over() {
        let whole = message(FORK, &[70, 70, 71, 71]);
        for length in 0..whole.len() {
            assert_eq!(events(&whole[..length]), [], "{length} bytes");
        }
    }

    #[test]
    fn the_request_is_one_message_of_forty_bytes() {
        let request = request();
        assert_eq!(request.len(), 40);
        let words = [(0, 40), (16, 1), (20, 1), (36, LISTEN)];
        assert!(
            words.iter().all(|(at, wanted)| word(&request, *at) == Some(*wanted)),
            "{request:?}"
        );
        assert_eq!(u16::from_ne_bytes([request[4], request[5]]), 3, "NLMSG_DONE");
        assert_eq!(u16::from_ne_bytes([request[32], request[33]]), 4, "bytes of data");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(events(&bytes).len() <= bytes.len() / NETLINK);
        }
    }
}
