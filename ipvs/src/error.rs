//! What can go wrong between us and the kernel, each with what an operator can do about it.

use std::fmt;
use std::io;

use netlink_packet_core::DecodeError;

use crate::op::Op;
use crate::request::MaskMismatch;

/// Linux error numbers that mean something here (`asm-generic/errno-base.h`; these are the same on every
/// architecture).
#[cfg(feature = "io")]
const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const ESRCH: i32 = 3;
const EEXIST: i32 = 17;
const ENODEV: i32 = 19;
const EINVAL: i32 = 22;
const ERANGE: i32 = 34;

/// A request that did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel knows no family `IPVS`.
    #[error(
        "this kernel has no IPVS: load it with `modprobe ip_vs`, and name ip_vs in \
         /etc/modules-load.d to have it at every boot"
    )]
    Unavailable,
    /// The kernel answers IPVS requests, reads too, only with `CAP_NET_ADMIN`.
    #[error(
        "no permission for IPVS: run as root, or with CAP_NET_ADMIN in the user namespace that owns \
         this network namespace"
    )]
    NoPermission,
    /// The kernel answered with an error.
    #[error("{request}: {}", refusal(request, *errno, said.as_deref()))]
    Refused {
        /// What was asked.
        request: Request,
        /// Error number, positive.
        errno: i32,
        /// The kernel's own words (extended acknowledgement), where it has any.
        said: Option<Box<str>>,
    },
    /// A change that is not sent, because the kernel would take it and mean something else.
    #[error(transparent)]
    Mask(#[from] MaskMismatch),
    /// Answers were lost for want of room in the socket. What was asked may be done: read again.
    #[error("{0}: answers of the kernel were lost (ENOBUFS); read the table again")]
    Overrun(Request),
    /// The kernel gave no answer, as when it was interrupted. What was asked may be done: read again.
    #[error("{0}: the kernel gave no answer; read the table again")]
    NoAnswer(Request),
    /// An answer larger than our buffer.
    #[error("{0}: an answer of {1} bytes was cut short")]
    Truncated(Request, usize),
    /// An answer that is no message of this family.
    #[error("{0}: the kernel's answer makes no sense: {1}")]
    Malformed(Request, #[source] DecodeError),
    /// Not sent, because an earlier request of the same batch met a broken socket.
    #[error("{0}: not sent, since the netlink socket failed before it")]
    NotSent(Request),
    /// A system call on the netlink socket failed.
    #[error("netlink socket: cannot {step}: {source}")]
    Socket {
        /// Which call.
        step: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// Whether the entry to be added was there: read the service again to see what it is.
    pub fn is_already_there(&self) -> bool {
        matches!(self, Error::Refused { errno: EEXIST, .. })
    }

    /// Whether the entry that was to be edited or read, or its service, is not there.
    pub fn is_missing(&self) -> bool {
        match self {
            Error::Refused { errno: ESRCH, .. } => true,
            Error::Refused { request: Request::Change(op), errno: ENOENT, .. } => {
                matches!(**op, Op::SetDest { .. } | Op::DelDest { .. })
            }
            _ => false,
        }
    }
}

/// What the socket makes of answers.
#[cfg(feature = "io")]
impl Error {
    /// An error number in an answer; `errno` is positive.
    pub(crate) fn refused(request: Request, errno: i32, said: Option<Box<str>>) -> Error {
        match (errno, &request) {
            (EPERM, _) => Error::NoPermission,
            // No question about the table is answered so by IPVS itself: the family is gone.
            (ENOENT, Request::Question(_)) => Error::Unavailable,
            _ => Error::Refused { request, errno, said },
        }
    }

    /// Whether `op` wanted away what was gone: then all is well.
    pub(crate) fn is_already_gone(&self, op: &Op) -> bool {
        matches!(op, Op::DelService { .. } | Op::DelDest { .. }) && self.is_missing()
    }

    /// Whether the socket is to blame, so that what comes after is not worth sending.
    pub(crate) fn is_of_socket(&self) -> bool {
        matches!(self, Error::NotSent(_) | Error::Socket { .. })
    }
}

/// What was asked of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A change of the table.
    Change(Box<Op>),
    /// A question about the table or the kernel, or a command on all of it.
    Question(&'static str),
    /// A command on the sync daemons.
    Daemon(&'static str),
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Change(op) => op.fmt(f),
            Request::Question(what) | Request::Daemon(what) => f.write_str(what),
        }
    }
}

/// Why the kernel refused, in its words and in ours.
fn refusal(request: &Request, errno: i32, said: Option<&str>) -> String {
    let mut text = io::Error::from_raw_os_error(errno).to_string();
    // The standard library adds "(os error 17)" to the C library's words.
    text.truncate(text.find(" (os error").unwrap_or(text.len()));
    for more in [said, hint(request, errno)].into_iter().flatten() {
        text.push_str("; ");
        text.push_str(more);
    }
    text
}

/// What an error number of IPVS means for a request (`net/netfilter/ipvs/ip_vs_ctl.c`).
fn hint(request: &Request, errno: i32) -> Option<&'static str> {
    match request {
        Request::Change(op) => match (&**op, errno) {
            (_, ESRCH) => Some("no such service"),
            (Op::NewService { .. }, EEXIST) => Some("the service is there already"),
            (Op::NewService { .. } | Op::SetService { .. }, ENOENT) => Some(
                "the kernel has no such scheduler (module ip_vs_NAME) or persistence engine (ip_vs_pe_NAME)",
            ),
            (Op::NewDest { .. }, EEXIST) => Some("the destination is there already"),
            (Op::SetDest { .. } | Op::DelDest { .. }, ENOENT) => Some("no such destination"),
            (Op::NewDest { .. } | Op::SetDest { .. }, ERANGE) => {
                Some("the lower threshold is above the upper one")
            }
            (Op::NewDest { .. } | Op::SetDest { .. }, EINVAL) => Some(
                "the address must be unicast (none is where no interface is up); one of the other family needs a \
                 tunnel, and no sync daemon may run beside it",
            ),
            _ => None,
        },
        Request::Daemon(_) => match errno {
            EEXIST => Some("a sync daemon of this role runs already"),
            ENODEV => Some("no such interface, or it is down"),
            EINVAL => {
                Some("a sync daemon cannot run beside real servers of the other address family")
            }
            _ => None,
        },
        Request::Question(_) => None,
    }
}
