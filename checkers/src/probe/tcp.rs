//! `TCP_CHECK`, and the connection that other probes begin with.
//!
//! A check costs few system calls: socket, SO_LINGER, connect, one epoll registration and its end, close, and a share of an
//! epoll_wait. That the connection stands is read off the readiness event; SO_ERROR is asked for only when it does not.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use socket2::{Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout_at;

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

/// Opens a connection and closes it again.
pub(super) async fn run(
    target: Target,
    connection: &Connection,
    now: Option<Instant>,
) -> Result<Weight, Miss> {
    let within = connection.timeout;
    let now = now.map_or_else(tokio::time::Instant::now, tokio::time::Instant::from_std);
    match timeout_at(now + within, connect(target, connection, Close::Reset)).await {
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
        Err(error) => return Err(refusal("connect", &error)),
    }
    let stream = TcpStream::from_std(socket.into()).map_err(|error| fault("epoll", &error))?;
    let ready = stream.ready(Interest::WRITABLE).await.map_err(|error| fault("epoll", &error))?;
    if ready.is_write_closed() {
        return Err(match stream.take_error() {
            Ok(Some(error)) | Err(error) => refusal("connect", &error),
            Ok(None) => Failure::Closed { bytes: 0 }.into(),
        });
    }
    Ok(stream)
}

fn prepare(target: Target, connection: &Connection, close: Close) -> Result<Socket, Miss> {
    let socket = socket::open(target, connection, (Type::STREAM, Protocol::TCP))?;
    if close == Close::Reset {
        let linger = socket.set_linger(Some(Duration::ZERO));
        linger.map_err(|error| fault("SO_LINGER", &error))?;
    }
    Ok(socket)
}
