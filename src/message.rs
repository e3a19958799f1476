//! What the supervisor and the workers say to each other: typed messages in versioned frames over
//! sequenced-packet socket pairs. Routing reads the four header bytes only; the supervisor forwards what is not
//! addressed to it without opening it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::model::LogFormat;
use crate::lvs::overrides::Order;
use crate::lvs::selector::Selector;
use crate::router::heartbeat::Digests;
use crate::router::pair_order::PairOrder;

/// Version of the frame layout and of [`Message`]. A frame of another version is refused.
pub const FRAME_VERSION: u8 = 1;

/// Largest frame, header included. Fits the default send buffer of a Unix socket several times over.
pub const FRAME_MAX: usize = 60 * 1024;

/// How many bytes of an answer travel in one [`Message::Answer`].
pub const ANSWER_PART: usize = 48 * 1024;

const HEADER: usize = 4;

/// A process of the director.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// The parent.
    Supervisor,
    /// `worker vrrp`.
    Vrrp,
    /// `worker lvs`.
    Lvs,
    /// `worker ops`.
    Ops,
}

impl Role {
    /// The three that the supervisor starts.
    pub const WORKERS: [Self; 3] = [Self::Lvs, Self::Vrrp, Self::Ops];

    /// The word in command lines, logs and status.
    pub fn name(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::Vrrp => "vrrp",
            Self::Lvs => "lvs",
            Self::Ops => "ops",
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Supervisor => 0,
            Self::Vrrp => 1,
            Self::Lvs => 2,
            Self::Ops => 3,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Supervisor),
            1 => Some(Self::Vrrp),
            2 => Some(Self::Lvs),
            3 => Some(Self::Ops),
            _ => None,
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Supervisor to worker: still there? A worker answers from the loop that does its work.
    Ping(u64),
    /// The answer, with the same number.
    Pong(u64),
    /// Supervisor to worker, always the first message and once more at each reload: here is the configuration. The
    /// sealed memfd (see [`crate::spec_file`]) comes along as a descriptor.
    Configure(Configure),
    /// Worker to supervisor: the configuration is in force (or, at a reload, why not; then the old one still is).
    Configured {
        /// One line of what changed.
        summary: Result<String, String>,
    },
    /// Supervisor to ops: the listening admin socket comes along as a descriptor.
    Listen,
    /// Supervisor to ops: a listening socket for `web` comes along as a descriptor.
    ListenWeb(SocketAddr),
    /// Supervisor to ops: write this into the file that comes along, then say [`Command::Dumped`].
    Dump(Dump),
    /// Supervisor to worker: how to log from now on.
    Log {
        /// How lines look.
        format: LogFormat,
        /// Which are written, as [`crate::log::set_levels`] reads it; empty: as at the start.
        levels: String,
    },
    /// Supervisor to worker: hand over, remove what is ours, exit with status 0.
    Stop,
    /// Ops to supervisor: an operator wants this.
    Command {
        /// Comes back in [`Message::CommandDone`].
        id: u64,
        /// What.
        command: Command,
    },
    /// Supervisor to ops: how the command went.
    CommandDone {
        /// Which command.
        id: u64,
        /// One line for success, a full report for failure.
        outcome: Result<String, String>,
    },
    /// Ops to a worker or the supervisor: tell me your status.
    Query {
        /// Comes back in each part of the answer.
        id: u64,
    },
    /// A part of the JSON text that answers a query, in order.
    Answer {
        /// Which query.
        id: u64,
        /// No more parts follow.
        last: bool,
        /// At most [`ANSWER_PART`] bytes of the text.
        json: Vec<u8>,
    },
    /// Ops to lvs: an operator wants this; vrrp to lvs: one on the other director. Answered with
    /// [`Message::CommandDone`].
    Order {
        /// Comes back in the answer.
        id: u64,
        /// What.
        order: Order,
        /// The other director, where its operator wants it.
        peer: Option<IpAddr>,
    },
    /// Ops to vrrp: have the other director carry this out; without an order, whether there is a way to it. Answered with
    /// [`Message::CommandDone`].
    Pair {
        /// Comes back in the answer.
        id: u64,
        /// What.
        order: Option<PairOrder>,
    },
    /// Ops to lvs: what does the kernel count? Answered like a query, with [`crate::lvs::counters::Counters`].
    Count {
        /// Comes back in each part of the answer.
        id: u64,
        /// Of these real servers; `None`: of all.
        servers: Option<Selector>,
    },
    /// Vrrp to lvs: an interface of ours works again. What was found down meanwhile may not be.
    LinkRecovered,
    /// Lvs to vrrp: say with [`Message::Instances`] what all instances are.
    TellInstances,
    /// Vrrp to lvs: names of instances, and whether each is master. All when asked, one whenever it changes.
    Instances(Vec<(String, bool)>),
    /// Ops to vrrp: an operator wants this of its routers. Answered by [`Message::CommandDone`].
    Operate {
        /// Comes back in the answer.
        id: u64,
        /// What.
        order: RouterOrder,
    },
    /// Vrrp to lvs: say with [`Message::Quorums`] how these virtual servers stand, now and at each change. Replaces what
    /// was asked before.
    TellQuorums(Vec<ipvs::ServiceKey>),
    /// Lvs to vrrp: which virtual servers have their quorum. One that is not configured is left out.
    Quorums(Vec<(ipvs::ServiceKey, bool)>),
    /// Lvs to vrrp: say with [`Message::Paths`] how the BFD sessions stand.
    TellPaths,
    /// Vrrp to lvs: BFD sessions that checkers may follow, by name, and whether they are up. Told at each change too.
    Paths(Vec<(String, bool)>),
    /// Vrrp to lvs: say with [`Message::Digests`] what the table comes to.
    TellDigests,
    /// Lvs to vrrp: what the pair compares.
    Digests(Digests),
    /// Worker to ops: something changed. Dropped and counted when ops cannot keep up.
    Event(Event),
    /// Vrrp to lvs: say with [`Message::Connections`] how many connections the kernel's table has.
    TellConnections,
    /// Lvs to vrrp: active and inactive ones, of all real servers.
    Connections(u64),
    /// Supervisor to vrrp: you are about to be replaced. Answered by [`Message::Pausing`].
    Pause,
    /// Vrrp to supervisor: the other routers have been asked to wait, and all that a successor needs is written.
    Pausing,
    /// Ops to lvs: the status of virtual servers, written as it is sent. Answered like a query; where nothing has that
    /// name, with `null` or no text.
    Show {
        /// Comes back in each part of the answer.
        id: u64,
        /// Only this one: key, address and port, or address.
        of: Option<String>,
        /// What is written.
        form: Form,
    },
}

/// How the status of virtual servers is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// [`crate::lvs::status::LvsStatus`] as JSON.
    Json,
    /// As `evenkeel status` shows it.
    Page,
    /// The status without virtual servers, then each of them: as `ops::facts` reads them.
    Facts,
    /// [`crate::lvs::counters::VirtualServerCounters`] of each, likewise.
    Counts,
}

/// What a worker needs besides the specs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configure {
    /// True for every configuration but the first that this process gets.
    pub reload: bool,
    /// Set when this process replaces one that died: `CLOCK_MONOTONIC` in nanoseconds at which the supervisor
    /// learned of the death.
    pub died_at: Option<u64>,
    /// At a reload: real servers that are no longer configured keep their connections for this long.
    pub drain: Option<Duration>,
    /// Nothing is to be written: another director owns the table (`run --observe`).
    pub observe: bool,
}

/// What an operator can ask of the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Read the configuration file again.
    Reload {
        /// Let removed real servers keep their connections for this long.
        drain: Option<Duration>,
    },
    /// Hand over and stop.
    Stop,
    /// Go on as the program that is installed now.
    Upgrade,
    /// What [`Message::Dump`] asked for is in its file.
    Dumped(Dump),
    /// Log these levels from now on, in all processes.
    Log {
        /// As [`crate::log::set_levels`] reads it.
        levels: String,
    },
}

/// What an operator can ask of the routers. An instance's whole sync group goes with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouterOrder {
    /// Hand an instance that is Master over to its peer without a gap; refused where it is not Master. Afterwards it
    /// is as one that resigned.
    Failover {
        /// Name of the `vrrp_instance`, or of the sync group.
        instance: String,
    },
    /// Hand over whatever is Master, and take nothing from a Master until told to rejoin or until there is none. Where
    /// no peer takes over, the addresses stay and the router goes on as Master.
    Resign {
        /// One instance or sync group; without one all of them.
        instance: Option<String>,
    },
    /// End a resignation: preempt again as configured.
    Rejoin {
        /// One instance or sync group; without one all of them.
        instance: Option<String>,
    },
}

/// What a signal leaves in a file, as keepalived does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dump {
    /// SIGUSR1: everything.
    Data,
    /// SIGUSR2: what the VRRP instances have counted.
    Stats,
    /// SIGRTMIN+2: the VRRP instances as JSON.
    Json,
}

impl Dump {
    /// Name of its file in the runtime directory.
    pub fn file(self) -> &'static str {
        match self {
            Self::Data => "evenkeel.data",
            Self::Stats => "evenkeel.stats",
            Self::Json => "evenkeel.json",
        }
    }
}

/// Something that changed, as the event log keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since the epoch.
    pub at_ms: u64,
    /// A stable name: `real_server_down`, `instance_master` ...
    pub name: String,
    /// What it happened to, in users' words.
    pub subject: String,
    /// Why.
    pub cause: String,
}

/// Why a frame was refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// Shorter than a header.
    #[error("frame of {0} bytes is shorter than its header")]
    Short(usize),
    /// Another version.
    #[error("frame version {0}, this process speaks {FRAME_VERSION}")]
    Version(u8),
    /// An address that is not a [`Role`].
    #[error("no such role: {0}")]
    Role(u8),
    /// The body is not a [`Message`].
    #[error("body: {0}")]
    Body(#[from] postcard::Error),
    /// Longer than [`FRAME_MAX`].
    #[error("message of {0} bytes does not fit a frame")]
    TooLong(usize),
}

/// Where a frame comes from and goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// Sender.
    pub from: Role,
    /// Receiver.
    pub to: Role,
}

/// A message as bytes.
pub fn encode(address: Address, message: &Message) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![FRAME_VERSION, address.from.code(), address.to.code(), 0];
    frame = postcard::to_extend(message, frame)?;
    if frame.len() > FRAME_MAX {
        return Err(FrameError::TooLong(frame.len()));
    }
    Ok(frame)
}

/// The header alone: all that forwarding needs.
pub fn address(frame: &[u8]) -> Result<Address, FrameError> {
    let &[version, from, to, _] =
        frame.first_chunk::<HEADER>().ok_or(FrameError::Short(frame.len()))?;
    if version != FRAME_VERSION {
        return Err(FrameError::Version(version));
    }
    let role = |code| Role::from_code(code).ok_or(FrameError::Role(code));
    Ok(Address { from: role(from)?, to: role(to)? })
}

/// Header and body.
pub fn decode(frame: &[u8]) -> Result<(Address, Message), FrameError> {
    let address = address(frame)?;
    let message = postcard::from_bytes(&frame[HEADER..])?;
    Ok((address, message))
}

/// The parts of a JSON text, ready to send.
pub fn answer(id: u64, json: &[u8]) -> Vec<Message> {
    let mut parts: Vec<&[u8]> = json.chunks(ANSWER_PART).collect();
    if parts.is_empty() {
        parts.push(&[]);
    }
    let last = parts.len() - 1;
    let part = |(at, bytes): (usize, &[u8])| Message::Answer {
        id,
        last: at == last,
        json: bytes.to_vec(),
    };
    parts.into_iter().enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Address = Address { from: Role::Lvs, to: Role::Ops };

    #[test]
    fn a_message_comes_back_from_its_frame() {
        let message = Message::CommandDone { id: 7, outcome: Err("no such file".into()) };
        let frame = encode(HERE, &message).unwrap();
        assert_eq!(decode(&frame), Ok((HERE, message)));
    }

    #[test]
    fn frames_of_another_version_or_shape_are_refused() {
        let mut frame = encode(HERE, &Message::Ping(1)).unwrap();
        assert_eq!(address(&frame[..3]), Err(FrameError::Short(3)));
        frame[1] = 9;
        assert_eq!(address(&frame), Err(FrameError::Role(9)));
        frame[0] = FRAME_VERSION + 1;
        assert_eq!(address(&frame), Err(FrameError::Version(FRAME_VERSION + 1)));
        assert!(matches!(decode(&[FRAME_VERSION, 0, 0, 0, 255]), Err(FrameError::Body(_))));
    }

    #[test]
    fn long_answers_travel_in_parts_that_fit_a_frame() {
        let text = vec![b'x'; ANSWER_PART * 2 + 1];
        let parts = answer(3, &text);
        assert_eq!(parts.len(), 3);
        let mut joined = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            assert!(encode(HERE, part).unwrap().len() <= FRAME_MAX);
            let Message::Answer { id: 3, last, json } = part else { panic!("{part:?}") };
            assert_eq!(*last, at == 2);
            joined.extend_from_slice(json);
        }
        assert_eq!(joined, text);
        assert_eq!(answer(3, b"").len(), 1);
    }
}
