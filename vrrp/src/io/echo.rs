//! A frame to ourselves, through the loopback interface: when it is back, the kernel has handed over what came in before
//! it.
//!
//! A kernel that has much to do leaves what came in to an ordinary thread, `ksoftirqd`, which waits behind whatever else
//! is busy, while a real-time thread runs on time and hears nothing. That silence is none, and this tells. What a network
//! card brings on another processor it does not tell of.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};
use sys::batch::Inbox;
use sys::link::{frame_destination, interface_address};

use super::error::{self, Error};
use super::link::Link;
use super::timer::Clock;

/// IEEE Std 802 - Local Experimental Ethertype 1 (linux/if_ether.h has none for this). It passes no firewall, whose rules
/// are about IP.
const ETHER_TYPE: u16 = 0x88b5;
const HEADER: usize = 14;
const FRAME: usize = HEADER + 4 + 8;
/// One that takes longer does not come back: a queue was full, or this interface leads nowhere. Longer than a silence with
/// all that puts its end off, at intervals of a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// A packet socket on the loopback interface.
#[derive(Debug)]
pub struct Echo {
    socket: Socket,
    to: SockAddr,
    clock: Clock,
    /// This process, asked for once: reading frames is on the way to a takeover.
    pid: u32,
    answers: Answers,
}

/// What is out and what is back.
#[derive(Debug, Default)]
struct Answers {
    /// When the latest was sent.
    asked: Option<Instant>,
    /// When the latest that is back was sent.
    heard: Option<Instant>,
    /// When the first that is not back was sent.
    unanswered: Option<Instant>,
}

impl Answers {
    fn ask(&mut self, now: Instant) {
        self.asked = Some(now);
        self.unanswered.get_or_insert(now);
    }

    fn hear(&mut self, sent: Option<Instant>) {
        self.heard = self.heard.max(sent);
        if self.unanswered <= self.heard {
            // Those after it count from the latest on.
            self.unanswered = self.asked.filter(|asked| Some(*asked) > self.heard);
        }
    }

    fn unheard_since(&mut self, now: Instant) -> Option<Instant> {
        if self.unanswered? + PATIENCE < now {
            *self = Self::default();
        }
        self.heard
    }
}

impl Echo {
    /// Opens it on `loopback`. Needs CAP_NET_RAW.
    pub fn open(loopback: &Link, clock: Clock) -> Result<Self, Error> {
        let open = || {
            let kind = Type::RAW.nonblocking().cloexec();
            let socket = Socket::new(Domain::PACKET, kind, None)?;
            socket.bind(&interface_address(loopback.index, ETHER_TYPE))?;
            Ok(socket)
        };
        let what = format!("echo on {}", loopback.name);
        let socket = open().map_err(error::socket(what, "open", "CAP_NET_RAW"))?;
        let to = frame_destination(loopback.index, ETHER_TYPE, [0; 6]);
        Ok(Self { socket, to, clock, pid: std::process::id(), answers: Answers::default() })
    }

    /// Sends one. Where that does not work (the interface is down) nothing is known.
    pub fn ask(&mut self, now: Instant) {
        match self.socket.send_to(&frame(self.pid, self.clock.nanoseconds(now)), &self.to) {
            Ok(_) => self.answers.ask(now),
            Err(_) => self.answers = Answers::default(),
        }
    }

    /// Since when what came in may not have been handed over to the sockets, from where the rest is to be read after this.
    /// `None`: nothing is in doubt, for all frames are back; or it cannot be told, for none has ever been.
    pub fn unheard_since(&mut self, inbox: &mut Inbox, now: Instant) -> Option<Instant> {
        match inbox.receive(&self.socket) {
            Ok(_) => {
                let sent = inbox.datagrams().filter_map(|it| sent_at(self.pid, it.bytes));
                let latest = sent.map(|at| self.clock.instant(at)).filter(|at| *at <= now).max();
                self.answers.hear(latest);
            }
            Err(cause) if cause.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.answers = Answers::default(),
        }
        self.answers.unheard_since(now)
    }
}

/// From nowhere to nowhere: whose it is, and when it was sent.
fn frame(pid: u32, sent: u64) -> [u8; FRAME] {
    let mut frame = [0; FRAME];
    let (header, ours) = frame.split_at_mut(HEADER);
    header[12..].copy_from_slice(&ETHER_TYPE.to_be_bytes());
    ours[..4].copy_from_slice(&pid.to_be_bytes());
    ours[4..].copy_from_slice(&sent.to_be_bytes());
    frame
}

/// When it was sent, if it is ours.
fn sent_at(pid: u32, bytes: &[u8]) -> Option<u64> {
    let bytes: &[u8; FRAME] = bytes.try_into().ok()?;
    let sent = u64::from_be_bytes(*bytes.last_chunk()?);
    (*bytes == frame(pid, sent)).then_some(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning")]
    fn what_is_not_back_is_in_doubt_if_any_ever_was() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        // (sent at; back are those sent until then; asked at; in doubt since)
        type Row = (&'static [u64], Option<u64>, u64, Option<u64>);
        let table: [Row; 8] = [
            (&[], None, 5, None),
            (&[0], None, 5, None),
            (&[0], Some(0), 5000, None),
            (&[0, 10, 20], Some(0), 25, Some(0)),
            (&[0, 10, 20], Some(10), 25, Some(10)),
            (&[0, 10, 20], Some(20), 25, None),
            (&[0, 10, 20], Some(0), 10_000, Some(0)),
            (&[0, 10, 20], Some(0), 10_011, None),
        ];
        for (sent, back, now, since) in table {
            let mut answers = Answers::default();
            for (number, sent) in sent.iter().enumerate() {
                answers.ask(at(*sent));
                if number == 0 && back.is_some() {
                    answers.hear(Some(at(*sent)));
                }
            }
            answers.hear(back.map(at));
            assert_eq!(answers.unheard_since(at(now)), since.map(at), "{sent:?} {back:?} {now}");
        }
    }

    #[test]
    fn only_what_we_sent_is_an_answer() {
        const PID: u32 = 0x0102_0304;
        let ours = frame(PID, 7);
        assert_eq!(sent_at(PID, &ours), Some(7));
        for at in 0..FRAME - 8 {
            let mut other = ours;
            other[at] ^= 1;
            assert_eq!(sent_at(PID, &other), None, "octet {at}");
        }
        assert_eq!(sent_at(PID, &ours[1..]), None);
        assert_eq!(sent_at(PID, &[]), None);
    }
}
