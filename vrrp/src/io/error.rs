//! What can go wrong between this crate and the kernel, each with what to do about it.

use std::io;

use thiserror::Error;

/// A step that the kernel refused.
#[derive(Debug, Error)]
pub enum Error {
    /// The process lacks a capability.
    #[error("{what}: permission denied; run as root or grant {capability}")]
    Permission {
        /// What was tried.
        what: String,
        /// Name of the capability that allows it.
        capability: &'static str,
    },
    /// No interface of that name.
    #[error("no interface {name:?} on this host; there is {}", list(existing))]
    UnknownInterface {
        /// Name as configured.
        name: String,
        /// Names that exist, in order of index.
        existing: Vec<String>,
    },
    /// The interface carries no address that advertisements could be sent from.
    #[error("{interface} has no {family} address to send from; add one, or wait for it")]
    NoSource {
        /// Interface name.
        interface: String,
        /// "IPv4" or "IPv6 link-local".
        family: &'static str,
    },
    /// A socket could not be opened or set up.
    #[error("{what}: {step}: {cause}")]
    Socket {
        /// Which socket.
        what: String,
        /// The call that failed.
        step: &'static str,
        /// The kernel's answer.
        cause: io::Error,
    },
    /// The conversation with the kernel over rtnetlink broke, not a single request.
    #[error("rtnetlink: {step}: {cause}")]
    Netlink {
        /// The call that failed.
        step: &'static str,
        /// The kernel's answer.
        cause: io::Error,
    },
}

/// What a failed send or receive means for the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// This packet is lost, the socket is good: a full queue, no route or link at the moment.
    Transient,
    /// The interface went away: close the socket, open it again when a link event brings the name back.
    InterfaceGone,
    /// The socket is of no use any more: pause, then rebuild it.
    Fatal,
}

impl Severity {
    /// Reads the kernel's answer.
    pub fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc_errno::ENODEV | libc_errno::ENXIO) => Self::InterfaceGone,
            Some(
                libc_errno::EAGAIN
                | libc_errno::EINTR
                | libc_errno::ENOBUFS
                | libc_errno::ENOMEM
                | libc_errno::ENETDOWN
                | libc_errno::ENETUNREACH
                | libc_errno::EHOSTUNREACH
                | libc_errno::EHOSTDOWN
                | libc_errno::ECONNREFUSED
                | libc_errno::EMSGSIZE
                | libc_errno::EPERM
                | libc_errno::EINVAL
                | libc_errno::EADDRNOTAVAIL,
            ) => Self::Transient,
            _ => Self::Fatal,
        }
    }
}

/// Error numbers as plain constants, which patterns can use.
mod libc_errno {
    use nix::errno::Errno;

    pub(super) const EAGAIN: i32 = Errno::EAGAIN as i32;
    pub(super) const EINTR: i32 = Errno::EINTR as i32;
    pub(super) const ENOBUFS: i32 = Errno::ENOBUFS as i32;
    pub(super) const ENOMEM: i32 = Errno::ENOMEM as i32;
    pub(super) const ENETDOWN: i32 = Errno::ENETDOWN as i32;
    pub(super) const ENETUNREACH: i32 = Errno::ENETUNREACH as i32;
    pub(super) const EHOSTUNREACH: i32 = Errno::EHOSTUNREACH as i32;
    pub(super) const EHOSTDOWN: i32 = Errno::EHOSTDOWN as i32;
    pub(super) const ECONNREFUSED: i32 = Errno::ECONNREFUSED as i32;
    pub(super) const EMSGSIZE: i32 = Errno::EMSGSIZE as i32;
    pub(super) const EPERM: i32 = Errno::EPERM as i32;
    pub(super) const EINVAL: i32 = Errno::EINVAL as i32;
    pub(super) const EADDRNOTAVAIL: i32 = Errno::EADDRNOTAVAIL as i32;
    pub(super) const ENODEV: i32 = Errno::ENODEV as i32;
    pub(super) const ENXIO: i32 = Errno::ENXIO as i32;
}

/// Turns a refusal at `step` of setting up `what` into an error that names the missing capability where that
/// is the reason.
pub(super) fn socket(
    what: impl Into<String>,
    step: &'static str,
    capability: &'static str,
) -> impl FnOnce(io::Error) -> Error {
    let what = what.into();
    move |cause| match cause.kind() {
        io::ErrorKind::PermissionDenied => Error::Permission { what, capability },
        _ => Error::Socket { what, step, cause },
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none at all".into() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_to_do() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = socket("VRRP socket on eth0", "socket", "CAP_NET_RAW")(denied);
        assert_eq!(
            error.to_string(),
            "VRRP socket on eth0: permission denied; run as root or grant CAP_NET_RAW"
        );
        let error = Error::UnknownInterface {
            name: "eth7".into(),
            existing: vec!["lo".into(), "eth0".into()],
        };
        assert_eq!(error.to_string(), "no interface \"eth7\" on this host; there is lo, eth0");
    }

    #[test]
    fn a_vanished_interface_is_told_from_a_passing_fault() {
        let of = |errno| Severity::of(&io::Error::from(errno));
        assert_eq!(of(nix::errno::Errno::ENODEV), Severity::InterfaceGone);
        assert_eq!(of(nix::errno::Errno::ENETDOWN), Severity::Transient);
        assert_eq!(of(nix::errno::Errno::EBADF), Severity::Fatal);
    }
}
