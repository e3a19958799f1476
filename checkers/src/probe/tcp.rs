//! `TCP_CHECK`, and the connection that other probes begin with.
//!
//! A check costs few system calls: socket, connect, one epoll registration, SO_LINGER once it stands, close, and a share of two
//! epoll_waits ([`super::opening`]). That the connection stands is read off the readiness event; SO_ERROR is asked for only when
//! it does not.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;
use socket2::{Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::opening::Opening;
use super::socket::{self, fault, refusal};
use super::{Miss, PASSED};
use crate::failure::{Failure, Stage};
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

/// Opens a connection and closes it again; with `opening`, at a system call less.
pub(super) async fn run(
    target: Target,
    connection: &Connection,
    opening: Option<&Opening>,
    now: Option<Instant>,
) -> Result<Weight, Miss> {
    let within = connection.timeout;
    let now = now.map_or_else(tokio::time::Instant::now, tokio::time::Instant::from_std);
    let until = now + within;
    let stands = match opening {
        Some(opening) => stands(target, connection, opening, until).await?,
        None => match timeout_at(until, connect(target, connection, Close::Reset)).await {
            Ok(stream) => stream.map(|_closed| true)?,
            Err(_elapsed) => false,
        },
    };
    if stands { PASSED } else { Err(Failure::NoAnswer { within, after: Stage::Connect }.into()) }
}

/// Opens a connection. The deadline is the caller's.
pub(super) async fn connect(
    target: Target,
    connection: &Connection,
    close: Close,
) -> Result<TcpStream, Miss> {
    let socket = begin(target, connection)?;
    let stream = TcpStream::from_std(socket.into()).map_err(|error| fault("epoll", &error))?;
    let ready = stream.ready(Interest::WRITABLE).await.map_err(|error| fault("epoll", &error))?;
    if ready.is_write_closed() {
        return Err(failed(stream.take_error()));
    }
    if close == Close::Reset {
        reset(SockRef::from(&stream))?;
    }
    Ok(stream)
}

/// Opens a connection that is not used; `false` where it does not come to anything in time.
async fn stands(
    target: Target,
    connection: &Connection,
    opening: &Opening,
    until: tokio::time::Instant,
) -> Result<bool, Miss> {
    let socket = begin(target, connection)?;
    let mut told = opening.add(&socket).map_err(|error| fault("epoll", &error))?;
    let flags = match timeout_at(until, &mut told).await {
        Ok(flags) => flags,
        Err(_elapsed) => match told.at_last() {
            Some(flags) => flags,
            None => return Ok(false),
        },
    };
    if flags.intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP) {
        return Err(failed(socket.take_error()));
    }
    reset(SockRef::from(&socket)).map(|()| true)
}

/// A socket on its way.
fn begin(target: Target, connection: &Connection) -> Result<Socket, Miss> {
    let socket = socket::open(target, connection, (Type::STREAM, Protocol::TCP))?;
    match socket.connect(&SocketAddr::from(target).into()) {
        Ok(()) => Ok(socket),
        Err(error) if error.raw_os_error() == Some(Errno::EINPROGRESS as i32) => Ok(socket),
        Err(error) => Err(refusal("connect", &error)),
    }
}

/// What SO_ERROR says of a connection that does not stand.
fn failed(error: io::Result<Option<io::Error>>) -> Miss {
    match error {
        Ok(Some(error)) | Err(error) => refusal("connect", &error),
        Ok(None) => Failure::Closed { bytes: 0 }.into(),
    }
}

/// Makes it end by a reset. One that never stood ends by none.
fn reset(socket: SockRef<'_>) -> Result<(), Miss> {
    let linger = socket.set_linger(Some(Duration::ZERO));
    linger.map_err(|error| fault("SO_LINGER", &error))
}
