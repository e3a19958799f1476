//! `evenkeel probe`: what a client sees of a virtual server. It opens a connection every few milliseconds, whatever became
//! of the earlier ones, and says the longest time without a good one. `drill` runs it where clients are.
#![expect(clippy::disallowed_methods, reason = "the edge: it connects and looks at the clock")]

use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::error::Elapsed;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// A connection that took longer needed a retransmission (a SYN is repeated after 1 s): it counts as failed, else the
/// repeated SYN would hide the hole.
const LATE: Duration = Duration::from_millis(500);
/// Connections under way at the most; beyond that some are left out, and counted.
const AT_ONCE: usize = 1000;

/// What is asked, and how often.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// Address and port of the virtual server
    #[arg(value_name = "VIP:PORT")]
    target: SocketAddr,
    /// How often
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = super::parse_time)]
    every: Duration,
    /// For how long; without it until standard input ends
    #[arg(long = "for", value_name = "TIME", value_parser = super::parse_time)]
    lasts: Option<Duration>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Accepted in time.
    Good,
    /// Accepted, and reset before it was used.
    InFlight,
    /// Refused, or not accepted in time.
    Failed,
}

impl End {
    /// A reset that answers the first packet reads as refused; one that reads as reset came after the handshake.
    fn of<T>(connected: &Result<io::Result<T>, Elapsed>) -> Self {
        match connected {
            Ok(Ok(_)) => Self::Good,
            Ok(Err(cause)) if cause.kind() == ErrorKind::ConnectionReset => Self::InFlight,
            Ok(Err(_)) | Err(_) => Self::Failed,
        }
    }
}

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Report {
    /// Connections that came to an end.
    pub(super) total: u64,
    /// Those that were refused, reset, or took more than half a second.
    pub(super) failed: u64,
    /// Those of them that had been accepted and were reset then: in flight when an address moved.
    #[serde(default)]
    pub(super) in_flight: u64,
    /// Longest time between two good ones, also from the start and to the end, microseconds.
    pub(super) gap_us: u64,
    /// When that gap began, microseconds from the start.
    pub(super) gap_at_us: u64,
    /// Longest time that the prober itself was held up, microseconds: a gap is wrong by as much.
    pub(super) stall_us: u64,
    /// Left out because too many were under way.
    pub(super) skipped: u64,
    /// The last good one ended so many microseconds from the start.
    #[serde(skip)]
    last_us: u64,
}

impl Report {
    /// A connection ended at this time.
    fn take(&mut self, ended: Duration, end: End) {
        self.count(end);
        if end == End::Good {
            self.until(ended);
            self.last_us = self.last_us.max(micros(ended));
        }
    }

    fn count(&mut self, end: End) {
        self.total += 1;
        self.failed += u64::from(end != End::Good);
        self.in_flight += u64::from(end == End::InFlight);
    }

    /// The time since the last good one is a gap, if none was longer.
    fn until(&mut self, now: Duration) {
        let gap = micros(now).saturating_sub(self.last_us);
        if gap > self.gap_us {
            (self.gap_us, self.gap_at_us) = (gap, self.last_us);
        }
    }

    /// In words.
    pub(super) fn line(&self) -> String {
        let Self { total, failed, in_flight, gap_us, stall_us, .. } = self;
        let (gap, stall) = (gap_us.div_ceil(1000), stall_us.div_ceil(1000));
        let which = match in_flight {
            0 => String::new(),
            _ => format!(", {in_flight} of them after they had been accepted"),
        };
        format!(
            "{failed} of {total} connections failed{which}; longest time without a good one: {gap} ms (the prober itself was \
             held up for {stall} ms at most)"
        )
    }
}

/// Exit status 0 when no connection failed, 1 when some did.
pub(super) fn run(options: &Options) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => return super::client::ClientError::Local(cause).fail(),
    };
    let report = runtime.block_on(probe(options));
    let text = match options.json {
        true => serde_json::to_string(&report).unwrap_or_default(),
        false => report.line(),
    };
    // Nobody is left to tell where the reader of standard output went.
    let _ = writeln!(io::stdout(), "{text}");
    ExitCode::from(u8::from(report.failed > 0))
}

async fn probe(options: &Options) -> Report {
    let start = Instant::now();
    let mut ticks = interval(options.every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut report = Report::default();
    let mut under_way: JoinSet<End> = JoinSet::new();
    let mut last_turn = start;
    let mut is_told = false;
    let end = end(options.lasts);
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => break,
            Some(ended) = under_way.join_next() => {
                let ended = ended.unwrap_or(End::Failed);
                report.take(start.elapsed(), ended);
                if ended == End::Good && !is_told {
                    is_told = true;
                    // The first word that whoever started this waits for.
                    eprintln!("evenkeel: {} answers", options.target);
                }
            }
            _ = ticks.tick() => {
                let held_up = last_turn.elapsed().saturating_sub(options.every);
                report.stall_us = report.stall_us.max(micros(held_up));
                last_turn = Instant::now();
                if under_way.len() < AT_ONCE {
                    under_way.spawn(ask(options.target));
                } else {
                    report.skipped += 1;
                }
            }
        }
    }
    // What is under way still counts; no new ones begin, so the time from here on is no gap.
    report.until(start.elapsed());
    while let Some(ended) = under_way.join_next().await {
        report.count(ended.unwrap_or(End::Failed));
    }
    report
}

async fn end(lasts: Option<Duration>) {
    match lasts {
        Some(lasts) => sleep(lasts).await,
        None => {
            let (tell, told) = tokio::sync::oneshot::channel();
            // Ends with standard input or with the process.
            std::thread::spawn(move || {
                let _ = io::copy(&mut io::stdin(), &mut io::sink());
                let _ = tell.send(());
            });
            let _ = told.await;
        }
    }
}

/// How a connection ended. Closed by a reset, so that no port stays behind.
async fn ask(target: SocketAddr) -> End {
    let connected = timeout(LATE, TcpStream::connect(target)).await;
    let end = End::of(&connected);
    if let Ok(Ok(stream)) = connected
        && socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).is_err()
    {
        return End::Failed;
    }
    end
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_gap_is_the_longest_time_between_good_connections() {
        let mut report = Report::default();
        let ended = [
            (10, End::Good),
            (20, End::Good),
            (30, End::Failed),
            (40, End::InFlight),
            (70, End::Good),
            (80, End::Good),
        ];
        for (millis, end) in ended {
            report.take(at(millis), end);
        }
        assert_eq!((report.total, report.failed, report.in_flight), (6, 2, 1));
        assert_eq!((report.gap_us, report.gap_at_us), (50_000, 20_000));
        // Nothing until the end.
        report.until(at(200));
        assert_eq!((report.gap_us, report.gap_at_us), (120_000, 80_000));
        let wanted = "2 of 6 connections failed, 1 of them after they had been accepted; longest time without a good one: 120 ms (the prober itself was held up for 0 ms at most)";
        assert_eq!(report.line(), wanted);
        let json = serde_json::to_string(&report).unwrap();
        let read: Report = serde_json::from_str(&json).unwrap();
        assert_eq!(read.gap_us, 120_000);
    }

    #[test]
    fn a_reset_after_the_handshake_was_in_flight() {
        let kinds = [
            (ErrorKind::ConnectionReset, End::InFlight),
            (ErrorKind::ConnectionRefused, End::Failed),
            (ErrorKind::HostUnreachable, End::Failed),
        ];
        for (kind, end) in kinds {
            assert_eq!(End::of::<()>(&Ok(Err(kind.into()))), end, "{kind}");
        }
        assert_eq!(End::of(&Ok(Ok(()))), End::Good);
    }

    #[test]
    fn a_listener_is_good_and_a_closed_port_is_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap();
        let options = |target| Options { target, every: at(10), lasts: Some(at(200)), json: false };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let report = runtime.block_on(probe(&options(target)));
        assert!(report.total > 2 && report.failed == 0, "{report:?}");
        drop(listener);
        let report = runtime.block_on(probe(&options(target)));
        assert!(report.total > 2 && report.failed == report.total, "{report:?}");
        assert!(report.gap_us >= 200_000, "{report:?}");
    }
}
