//! A client that misses nothing: it opens overlapping connections at a fixed pace, whatever became of the earlier ones.
//!
//! A connection that took more than half a second needed a retransmission (a SYN is repeated after 1 s), so it
//! counts as failed and does not end a gap; else the repeated SYN would hide the hole. Closing is by reset, so that no
//! port stays behind in TIME_WAIT.
//!
//! Source ports go round once in two minutes. Left to the kernel, a port whose connection was refused is taken again
//! within a second; IPVS still has that connection's entry, with a server that may have been removed since, and without
//! `net.ipv4.vs.expire_nodest_conn` it drops such a packet without a word: no fault of the director's.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant, SystemTime};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::time::TimeSpec;
use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, Type};

/// A slower connection needed a retransmission.
pub(crate) const LATE: Duration = Duration::from_millis(500);
/// After this a connection is given up.
const GIVE_UP: Duration = Duration::from_secs(3);
/// How long the last connections may take once we were told to stop.
const DRAIN: Duration = Duration::from_millis(900);

/// What a client has seen in one phase.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Connections that came to an end in this phase.
    pub(crate) total: u64,
    pub(crate) ok: u64,
    /// Refused: a reset in answer to our SYN.
    pub(crate) refused: u64,
    /// Reset, or closed without a whole answer, after the connect.
    pub(crate) reset: u64,
    /// Ended well, but only after [`LATE`].
    pub(crate) late: u64,
    /// No end within 3 s.
    pub(crate) unanswered: u64,
    /// Refused by the network: no route, host unreachable.
    pub(crate) unreachable: u64,
    /// Answered with something other than status 200.
    pub(crate) wrong: u64,
    /// Those of the failures that came after the connect.
    pub(crate) after_connect: u64,
    /// Longest time between two successes, also from the phase's begin and to its end.
    pub(crate) gap: Duration,
    /// When that gap began, since the epoch.
    pub(crate) gap_began: Duration,
    /// Longest time that the client itself was held up; a gap is wrong by as much.
    pub(crate) stall: Duration,
    /// Answers by the name in the body.
    pub(crate) servers: BTreeMap<String, u64>,
}

impl Report {
    /// Everything that a user would have noticed.
    pub(crate) fn failed(&self) -> u64 {
        let Self { refused, reset, late, unanswered, unreachable, wrong, .. } = self;
        refused + reset + late + unanswered + unreachable + wrong
    }

    /// New connections that were refused, reset or late: what happened before the connect, and everything late.
    pub(crate) fn failed_new(&self) -> u64 {
        self.failed() - self.after_connect
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { total, gap, stall, .. } = self;
        write!(f, "{} of {total} connections failed", self.failed())?;
        let kinds = [
            (self.refused, "refused"),
            (self.reset, "reset"),
            (self.late, "late"),
            (self.unanswered, "unanswered"),
            (self.unreachable, "unreachable"),
            (self.wrong, "answered wrongly"),
            (self.after_connect, "after the connect"),
        ];
        let seen = kinds.iter().filter(|(count, _)| *count > 0);
        let seen: Vec<String> = seen.map(|(count, what)| format!("{count} {what}")).collect();
        if !seen.is_empty() {
            write!(f, " ({})", seen.join(", "))?;
        }
        write!(f, ", longest gap {gap:.1?}, the client itself was held up {stall:.1?}")
    }
}

/// What every connection does after the connect.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Errand {
    Connect,
    Request,
}

/// How a connection ended.
enum Outcome {
    Answered(String),
    Refused,
    Reset,
    Unanswered,
    Unreachable,
    Wrong,
}

struct Attempt {
    socket: TcpStream,
    since: Instant,
    is_connected: bool,
    answer: Vec<u8>,
}

/// Tool: `client TARGET EVERY_US connect|request`. A line on standard input ends a phase: its report is printed. The
/// input's end ends the last one.
pub(super) fn serve(target: &str, every: &str, errand: &str) -> Result<(), Box<dyn Error>> {
    let target: SocketAddr = target.parse()?;
    let every = Duration::from_micros(every.parse()?);
    let errand = if errand == "request" { Errand::Request } else { Errand::Connect };
    setrlimit(Resource::RLIMIT_NOFILE, 8192, 8192)?;
    let mut load = Load::new(target, every, errand);
    loop {
        match load.turn()? {
            Told::Nothing => {}
            Told::Phase => load.end_phase()?,
            Told::Stop => break,
        }
    }
    load.drain()?;
    Ok(load.end_phase()?)
}

/// What standard input says.
enum Told {
    Nothing,
    Phase,
    Stop,
}

struct Load {
    target: SocketAddr,
    every: Duration,
    errand: Errand,
    /// Source port of the last connection.
    port: u16,
    open: Vec<Attempt>,
    next: Instant,
    last_ok: Instant,
    report: Report,
}

impl Load {
    fn new(target: SocketAddr, every: Duration, errand: Errand) -> Self {
        let now = Instant::now();
        Self {
            target,
            every,
            errand,
            port: first_port(every),
            open: Vec::new(),
            next: now,
            last_ok: now,
            report: Report::default(),
        }
    }

    /// Starts what is due, waits for the next thing to happen, deals with it.
    fn turn(&mut self) -> io::Result<Told> {
        let now = Instant::now();
        self.report.stall = self.report.stall.max(now.saturating_duration_since(self.next));
        while self.next <= now {
            self.start();
            self.next += self.every;
        }
        self.wait(self.next, true)
    }

    fn start(&mut self) {
        self.port = if self.port == u16::MAX { FIRST_PORT } else { self.port + 1 };
        match connect(self.target, self.port) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => self.start(),
            Ok(socket) => {
                let since = Instant::now();
                self.open.push(Attempt { socket, since, is_connected: false, answer: Vec::new() });
            }
            Err(error) => {
                self.report.total += 1;
                count(&mut self.report, &of_error(&error, false), false);
            }
        }
    }

    fn wait(&mut self, until: Instant, listen: bool) -> io::Result<Told> {
        let stdin = io::stdin();
        let errand = self.errand;
        let wanted = |attempt: &Attempt| {
            if attempt.is_connected && errand == Errand::Request {
                PollFlags::POLLIN
            } else {
                PollFlags::POLLOUT
            }
        };
        let mut polled: Vec<PollFd<'_>> =
            self.open.iter().map(|a| PollFd::new(a.socket.as_fd(), wanted(a))).collect();
        if listen {
            polled.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN)); // at its end it is always ready
        }
        let rest = until.saturating_duration_since(Instant::now());
        ppoll(&mut polled, Some(TimeSpec::from_duration(rest)), None)?;
        let ready: Vec<bool> = polled.iter().map(|p| p.any().unwrap_or(true)).collect();
        self.settle(&ready);
        if listen && ready.last() == Some(&true) { told() } else { Ok(Told::Nothing) }
    }

    /// Goes through the open connections and counts those that have come to an end.
    fn settle(&mut self, ready: &[bool]) {
        let now = Instant::now();
        let mut at = 0;
        let errand = self.errand;
        let (report, last_ok) = (&mut self.report, &mut self.last_ok);
        self.open.retain_mut(|attempt| {
            let is_ready = ready.get(at) == Some(&true);
            at += 1;
            let outcome = if is_ready { attempt.advance(errand) } else { None };
            let has_expired = now.duration_since(attempt.since) > GIVE_UP;
            let Some(outcome) = outcome.or(has_expired.then_some(Outcome::Unanswered)) else {
                return true;
            };
            report.total += 1;
            let took = Instant::now().duration_since(attempt.since);
            match outcome {
                Outcome::Answered(name) if took <= LATE => {
                    report.ok += 1;
                    *report.servers.entry(name).or_default() += 1;
                    end_gap(report, last_ok, Instant::now());
                }
                Outcome::Answered(_) => report.late += 1,
                failure => count(report, &failure, attempt.is_connected),
            }
            false
        });
    }

    fn drain(&mut self) -> io::Result<()> {
        let end = Instant::now();
        while !self.open.is_empty() && end.elapsed() < DRAIN {
            self.wait(Instant::now() + Duration::from_millis(5), false)?;
        }
        // Those still open are older than LATE or never got an answer at all.
        let left = self.open.len() as u64;
        self.report.total += left;
        self.report.unanswered += left;
        self.open.clear();
        self.last_ok = self.last_ok.max(end);
        Ok(())
    }

    fn end_phase(&mut self) -> io::Result<()> {
        let now = Instant::now();
        end_gap(&mut self.report, &mut self.last_ok, now);
        let report = std::mem::take(&mut self.report);
        let mut out = io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
        out.flush()
    }
}

impl Attempt {
    /// Takes the connection as far as it goes without waiting; how it ended, if it did.
    fn advance(&mut self, errand: Errand) -> Option<Outcome> {
        if !self.is_connected {
            if let Some(error) = self.socket.take_error().ok()? {
                // A reset that answers a SYN reads as refused: this one came when our kernel had finished the handshake.
                self.is_connected = error.kind() == ErrorKind::ConnectionReset;
                return Some(of_error(&error, self.is_connected));
            }
            self.is_connected = true;
            if errand == Errand::Connect {
                return Some(Outcome::Answered(String::new()));
            }
            let sent = self.socket.write_all(b"GET / HTTP/1.0\r\n\r\n");
            return sent.err().map(|error| of_error(&error, true));
        }
        let mut buffer = [0; 2048];
        match self.socket.read(&mut buffer) {
            Ok(0) => Some(understand(&self.answer)),
            Ok(count) => {
                self.answer.extend(&buffer[..count]);
                None
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => Some(of_error(&error, true)),
        }
    }
}

/// Where the round of source ports begins.
const FIRST_PORT: u16 = 1024;

/// Goes on about where an earlier client of the same pace has stopped: ports follow the clock.
fn first_port(every: Duration) -> u16 {
    let epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let steps = epoch.as_micros() / every.as_micros().max(1);
    FIRST_PORT + u16::try_from(steps % u128::from(u16::MAX - FIRST_PORT)).unwrap_or(0)
}

fn connect(target: SocketAddr, port: u16) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, None)?;
    let any: IpAddr = match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    socket.bind(&SocketAddr::new(any, port).into())?;
    socket.set_nonblocking(true)?;
    socket.set_linger(Some(Duration::ZERO))?;
    match socket.connect(&target.into()) {
        Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => Err(error),
        _ => Ok(socket.into()),
    }
}

fn of_error(error: &io::Error, is_connected: bool) -> Outcome {
    match error.kind() {
        ErrorKind::ConnectionRefused if !is_connected => Outcome::Refused,
        ErrorKind::TimedOut => Outcome::Unanswered,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Outcome::Unreachable,
        _ if is_connected => Outcome::Reset,
        _ => Outcome::Unreachable,
    }
}

fn understand(answer: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(answer);
    match text.split_once("\r\n\r\n") {
        Some((head, body)) if head.split(' ').nth(1) == Some("200") => {
            Outcome::Answered(body.trim().to_owned())
        }
        Some(_) => Outcome::Wrong,
        None => Outcome::Reset,
    }
}

fn count(report: &mut Report, failure: &Outcome, is_connected: bool) {
    let counter = match failure {
        Outcome::Answered(_) => return,
        Outcome::Refused => &mut report.refused,
        Outcome::Reset => &mut report.reset,
        Outcome::Unanswered => &mut report.unanswered,
        Outcome::Unreachable => &mut report.unreachable,
        Outcome::Wrong => &mut report.wrong,
    };
    *counter += 1;
    report.after_connect += u64::from(is_connected);
}

fn end_gap(report: &mut Report, last_ok: &mut Instant, now: Instant) {
    let gap = now.saturating_duration_since(*last_ok);
    if gap > report.gap {
        report.gap = gap;
        let epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        report.gap_began = epoch.saturating_sub(gap);
    }
    *last_ok = now;
}

fn told() -> io::Result<Told> {
    let mut byte = [0; 1];
    Ok(if io::stdin().read(&mut byte)? == 0 { Told::Stop } else { Told::Phase })
}
