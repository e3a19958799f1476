//! `IDLE_CHECK`: a connection that is held, so that its end is known at once.
//!
//! While it stands it costs a socket and a small task: no timer of ours, no packet but the kernel's keepalive probes, which
//! find a host that has died without a word.

use std::io;
use std::time::Duration;

use nix::errno::Errno;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Miss, socket, tcp};
use crate::failure::{Failure, Stage};
use crate::spec::{Cadence, Connection, Target};

/// A connection that stands for so long has been taken for good; a server without an application behind it closes at once.
const SETTLE: Duration = Duration::from_secs(1);

/// Greetings and pings of the application are thrown away; more than this is no idle connection.
const LIMIT: u64 = 64 * 1024;

/// A connection that stands.
#[derive(Debug)]
pub(crate) struct Held {
    stream: TcpStream,
    received: u64,
}

impl Held {
    /// Connects, and waits a moment whether it stands.
    pub(super) async fn open(
        target: Target,
        connection: &Connection,
        cadence: &Cadence,
    ) -> Result<Self, Miss> {
        let within = connection.timeout;
        let overdue = Failure::NoAnswer { within, after: Stage::Connect };
        let connect = tcp::connect(target, connection, tcp::Close::Reset);
        let stream = timeout(within, connect).await.map_err(|_elapsed| overdue)??;
        let set = SockRef::from(&stream).set_tcp_keepalive(&keepalive(cadence));
        set.map_err(|error| socket::fault("SO_KEEPALIVE", &error))?;
        let mut held = Self { stream, received: 0 };
        let settled = Instant::now() + SETTLE.min(within);
        match timeout_at(settled, held.end()).await {
            Ok(ended) => Err(ended.into()),
            Err(_elapsed) => Ok(held),
        }
    }

    /// Waits for its end. May be dropped at any point.
    pub(super) async fn end(&mut self) -> Failure {
        loop {
            let failure = match self.stream.readable().await {
                Ok(()) => self.read(),
                Err(error) => Some(self.broken(&error)),
            };
            if let Some(failure) = failure {
                return failure;
            }
        }
    }

    /// Throws away what is there.
    fn read(&mut self) -> Option<Failure> {
        let mut buffer = [0; 1024];
        loop {
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return Some(Failure::Closed { bytes: self.received }),
                Ok(read) => self.received += read as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) => return Some(self.broken(&error)),
            }
            if self.received > LIMIT {
                return Some(Failure::Unasked { limit: LIMIT });
            }
        }
    }

    fn broken(&self, error: &io::Error) -> Failure {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ECONNRESET) => Failure::Reset { bytes: self.received },
            _ => match socket::refusal("read", error) {
                Miss::Failed(failure) => failure,
                Miss::NotAsked(fault) => Failure::Io { errno: fault.errno },
            },
        }
    }
}

/// The kernel asks as often and as patiently as the check would: after `delay_loop`, then every `delay_before_retry`, until
/// as many have failed as take a real server down. It counts in whole seconds, up to 32,767, and up to 127.
fn keepalive(cadence: &Cadence) -> TcpKeepalive {
    let seconds = |time: Duration| time.clamp(Duration::from_secs(1), Duration::from_secs(32_767));
    TcpKeepalive::new()
        .with_time(seconds(cadence.delay_loop))
        .with_interval(seconds(cadence.delay_before_retry))
        .with_retries(cadence.failures_to_fall().clamp(1, 127))
}
