//! Client load on a host, from the test's side: begin it, cut it into phases, read the reports.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout};
use std::time::Duration;

use crate::host::{Host, Process};
use crate::tool;
pub(crate) use crate::tool::client::Report;

/// The pace that the acceptance of failover is stated for.
pub(crate) const PACE: Duration = Duration::from_millis(2);

/// Running load.
pub(crate) struct Client {
    orders: ChildStdin,
    reports: BufReader<ChildStdout>,
    _process: Process,
}

impl Client {
    /// Connects to the target at this pace, and asks for `/` on each connection.
    pub(crate) fn asking(host: &Host, target: &str, every: Duration) -> Self {
        Self::start(host, target, every, "request")
    }

    /// Connects to the target at this pace, and no more.
    pub(crate) fn connecting(host: &Host, target: &str, every: Duration) -> Self {
        Self::start(host, target, every, "connect")
    }

    fn start(host: &Host, target: &str, every: Duration, errand: &str) -> Self {
        let log = host.keeper.log(&format!("client on {host}"));
        let every = every.as_micros().to_string();
        let words = tool::command(&["client", target, &every, errand]);
        let (process, orders, output) = host.spawn_piped(&words, &log);
        Self { orders, reports: BufReader::new(output), _process: process }
    }

    /// Ends a phase and begins the next; what was seen in the one that ended.
    pub(crate) fn phase(&mut self) -> Report {
        self.orders.write_all(b"\n").unwrap();
        self.report()
    }

    /// Stops; what was seen since the last phase, with the last connections waited for.
    pub(crate) fn stop(self) -> Report {
        let Self { orders, mut reports, _process } = self;
        drop(orders);
        read_report(&mut reports)
    }

    fn report(&mut self) -> Report {
        read_report(&mut self.reports)
    }
}

fn read_report(reports: &mut impl BufRead) -> Report {
    let mut line = String::new();
    reports.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|e| panic!("client said {line:?}: {e}"))
}
