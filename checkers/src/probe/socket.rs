//! A probe's socket: its options, and whose fault it is when something goes wrong with it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;

use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::Miss;
use crate::failure::{Failure, LocalFault, Unreachable};
use crate::spec::{Connection, Target};

/// A socket with the options common to all checkers, bound if it is to be, not connected.
pub(super) fn open(
    target: Target,
    connection: &Connection,
    (kind, protocol): (Type, Protocol),
) -> Result<Socket, Miss> {
    let Connection { bind_to, bind_port, bind_if, fwmark, timeout: _ } = connection;
    let domain = Domain::for_address(target.into());
    let socket = Socket::new(domain, kind.nonblocking(), Some(protocol))
        .map_err(|error| fault("socket", &error))?;
    if let Some(mark) = fwmark {
        socket.set_mark(mark.get()).map_err(|error| fault("SO_MARK", &error))?;
    }
    if let Some(interface) = bind_if {
        let bound = socket.bind_device(Some(interface.as_bytes()));
        bound.map_err(|error| fault(&format!("bind to {interface}"), &error))?;
    }
    if bind_to.is_some() || bind_port.is_some() {
        let source = bind_to.unwrap_or(match target.addr {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        });
        let source = SocketAddr::new(source, bind_port.map_or(0, NonZeroU16::get));
        let bound = socket.bind(&source.into());
        bound.map_err(|error| fault(&format!("bind {source}"), &error))?;
    }
    Ok(socket)
}

/// What the kernel said at `step`. Whatever is not the target's or the network's doing is ours: keepalived draws the
/// same line.
pub(super) fn refusal(step: &str, error: &io::Error) -> Miss {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ECONNREFUSED) => Failure::Refused.into(),
        Some(Errno::EHOSTUNREACH) => Failure::Unreachable(Unreachable::Host).into(),
        Some(Errno::ENETUNREACH) => Failure::Unreachable(Unreachable::Network).into(),
        Some(Errno::EHOSTDOWN | Errno::ENETDOWN) => Failure::Unreachable(Unreachable::Down).into(),
        Some(Errno::ECONNRESET) => Failure::Reset { bytes: 0 }.into(),
        Some(errno @ (Errno::ECONNABORTED | Errno::ETIMEDOUT)) => {
            Failure::Io { errno: errno as i32 }.into()
        }
        Some(_) | None => fault(step, error),
    }
}

/// The step failed for want of something here.
pub(super) fn fault(step: &str, error: &io::Error) -> Miss {
    LocalFault { step: step.to_owned(), errno: error.raw_os_error().unwrap_or(0) }.into()
}
