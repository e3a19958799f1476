//! What systemd, or who speaks its protocol, is told: that we are ready, stop, and are alive. Nobody listening is
//! ordinary; nothing here depends on it.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

/// Where it listens (sd_notify(3)): a path, or an abstract name behind `@`.
const VARIABLE: &str = "NOTIFY_SOCKET";
/// When to try again what it had no room for.
const AGAIN: Duration = Duration::from_secs(1);

/// The service manager that started us, if any.
#[derive(Debug)]
pub(super) struct ServiceManager {
    door: Option<Door>,
    /// What it has not taken yet. Never waited for: a service manager that hangs must not hang the director.
    owed: Vec<&'static str>,
    again_at: Option<Instant>,
    // Half of what it allows, as sd_watchdog_enabled(3) advises.
    every: Option<Duration>,
    next: Option<Instant>,
}

impl ServiceManager {
    /// What its variables in our environment ask for.
    pub(super) fn from_environment(now: Instant) -> Self {
        let door = std::env::var(VARIABLE).ok().and_then(|name| Door::open(&name).ok());
        Self::new(door, sd_notify::watchdog_enabled(), now)
    }

    fn new(door: Option<Door>, watchdog: Option<Duration>, now: Instant) -> Self {
        let every = watchdog.map(|limit| limit / 2).filter(|every| !every.is_zero());
        Self { door, owed: Vec::new(), again_at: None, every, next: every.map(|_| now) }
    }

    /// Every worker has its work.
    pub(super) fn ready(&mut self, now: Instant) {
        self.tell("READY=1", now);
    }

    /// The stop has begun.
    pub(super) fn stopping(&mut self, now: Instant) {
        self.tell("STOPPING=1", now);
    }

    /// Neither a start nor a stop that takes this long is a failure.
    pub(super) fn busy_for(&self, time: Duration) {
        // One that does not hear it ends us at its usual time.
        let text = format!("EXTEND_TIMEOUT_USEC={}", time.as_micros());
        self.door.iter().for_each(|door| drop(door.send(&text)));
    }

    /// When it is due to hear of us.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next.into_iter().chain(self.again_at).min()
    }

    /// Tells that the loop still turns, when that is due, and what it had no room for before.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.is_due(now) {
            self.tell("WATCHDOG=1", now);
        } else if self.again_at.is_some_and(|at| now >= at) {
            self.send(now);
        }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.next.is_some_and(|next| now >= next);
        if is_due {
            self.next = self.every.map(|every| now + every);
        }
        is_due
    }

    fn tell(&mut self, what: &'static str, now: Instant) {
        if self.door.is_some() && !self.owed.contains(&what) {
            self.owed.push(what);
        }
        self.send(now);
    }

    fn send(&mut self, now: Instant) {
        let Some(door) = &self.door else { return };
        self.again_at = None;
        while let Some(what) = self.owed.first() {
            match door.send(what) {
                Err(full) if full.kind() == io::ErrorKind::WouldBlock => {
                    self.again_at = Some(now + AGAIN);
                    return;
                }
                // Fails otherwise where nobody listens any more.
                Ok(()) | Err(_) => drop(self.owed.remove(0)),
            }
        }
    }
}

/// Its socket.
#[derive(Debug)]
struct Door {
    socket: UnixDatagram,
    to: SocketAddr,
}

impl Door {
    fn open(name: &str) -> io::Result<Self> {
        let to = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, to })
    }

    fn send(&self, what: &str) -> io::Result<()> {
        self.socket.send_to_addr(what.as_bytes(), &self.to).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_told_at_once_and_then_twice_within_its_limit() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut manager = ServiceManager::new(None, Some(Duration::from_secs(30)), start);
        assert!(manager.is_due(start));
        assert_eq!(manager.deadline(), Some(at(15)));
        assert!(!manager.is_due(at(14)));
        assert!(manager.is_due(at(16)));
        assert_eq!(manager.deadline(), Some(at(31)));
    }

    #[test]
    fn without_a_watchdog_nothing_is_ever_due() {
        let start = Instant::now();
        for none in [None, Some(Duration::ZERO), Some(Duration::from_nanos(1))] {
            let mut manager = ServiceManager::new(None, none, start);
            assert_eq!(manager.deadline(), None);
            assert!(!manager.is_due(start + Duration::from_secs(3600)));
        }
    }

    #[test]
    fn one_that_does_not_listen_holds_nobody_up_and_hears_everything_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let door = Door::open(path.to_str().unwrap()).unwrap();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut manager = ServiceManager::new(Some(door), Some(Duration::from_secs(2)), start);
        // More than a socket of this kind has room for (net.unix.max_dgram_qlen is 10, or 512).
        for second in 0..2000 {
            manager.handle_timeout(at(second));
        }
        manager.stopping(at(2000));
        assert_eq!(manager.owed, ["WATCHDOG=1", "STOPPING=1"]);
        assert!(manager.deadline().is_some_and(|next| next <= at(2001)));
        let mut buffer = [0; 64];
        while listener.recv(&mut buffer).is_ok() {}
        manager.handle_timeout(at(2001));
        let mut heard = Vec::new();
        while let Ok(length) = listener.recv(&mut buffer) {
            heard.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        assert_eq!(heard, ["WATCHDOG=1", "STOPPING=1"]);
        assert_eq!(manager.owed, [""; 0]);
    }
}
