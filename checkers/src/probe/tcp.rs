//! `TCP_CHECK`, and the connection that other probes begin with.
//!
//! A check costs few system calls: socket, SO_LINGER, connect, one epoll registration and its end, close, and a share of an
//! epoll_wait. That the connection stands is read off the readiness event; SO_ERROR is asked for only when it does not.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Miss, PASSED};
use crate::failure::{Failure, LocalFault, Stage, Unreachable};
use crate::outcome::Weight;
use crate::spec::{Connection, Target};

/// How a connection ends when it is dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// By a reset: no TIME_WAIT keeps a port of ours busy.
    Reset,
    /// In good order, for those that send something and let the server close.
    Orderly,
}

/// Opens a connection and closes it again.
pub(super) async fn run(target: Target, connection: &Connection) -> Result<Weight, Miss> {
    let within = connection.timeout;
    match timeout(within, connect(target, connection, Close::Reset)).await {
        Ok(Ok(_stream)) => PASSED,
        Ok(Err(miss)) => Err(miss),
        Err(_elapsed) => Err(Failure::NoAnswer { within, after: Stage::Connect }.into()),
    }
}

/// Opens a connection. The deadline is the caller's.
pub(super) async fn connect(
    target: Target,
    connection: &Connection,
    close: Close,
) -> Result<TcpStream, Miss> {
    let socket = prepare(target, connection, close)?;
    match socket.connect(&SocketAddr::from(target).into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(Errno::EINPROGRESS as i32) => {}
        Err(error) => return Err(refusal(&error)),
    }
    let stream = TcpStream::from_std(socket.into()).map_err(|error| fault("epoll", &error))?;
    let ready = stream.ready(Interest::WRITABLE).await.map_err(|error| fault("epoll", &error))?;
    if ready.is_write_closed() {
        return Err(match stream.take_error() {
            Ok(Some(error)) | Err(error) => refusal(&error),
            Ok(None) => Failure::Closed { bytes: 0 }.into(),
        });
    }
    Ok(stream)
}

fn prepare(target: Target, connection: &Connection, close: Close) -> Result<Socket, Miss> {
    let Connection { bind_to, bind_port, bind_if, fwmark, timeout: _ } = connection;
    let domain = Domain::for_address(target.into());
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))
        .map_err(|error| fault("socket", &error))?;
    if close == Close::Reset {
        let linger = socket.set_linger(Some(Duration::ZERO));
        linger.map_err(|error| fault("SO_LINGER", &error))?;
    }
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

/// What the kernel said of the connection. Whatever is not the target's or the network's doing is ours: keepalived
/// draws the same line.
fn refusal(error: &io::Error) -> Miss {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ECONNREFUSED) => Failure::Refused.into(),
        Some(Errno::EHOSTUNREACH) => Failure::Unreachable(Unreachable::Host).into(),
        Some(Errno::ENETUNREACH) => Failure::Unreachable(Unreachable::Network).into(),
        Some(Errno::EHOSTDOWN | Errno::ENETDOWN) => Failure::Unreachable(Unreachable::Down).into(),
        Some(Errno::ECONNRESET) => Failure::Reset { bytes: 0 }.into(),
        Some(errno @ (Errno::ECONNABORTED | Errno::ETIMEDOUT)) => {
            Failure::Io { errno: errno as i32 }.into()
        }
        Some(_) | None => fault("connect", error),
    }
}

fn fault(step: &str, error: &io::Error) -> Miss {
    LocalFault { step: step.to_owned(), errno: error.raw_os_error().unwrap_or(0) }.into()
}
