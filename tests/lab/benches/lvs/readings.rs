//! What the bench reads off a running director: its table, its memory, and the moment when something is in the table.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::ChildStdout;

use crate::host::{Host, Process};
use crate::tool;

/// A process that says when it has seen something in a table.
pub(super) struct Sight {
    lines: Lines<BufReader<ChildStdout>>,
    _process: Process,
}

impl Sight {
    /// Starts it, and waits until it looks.
    pub(super) fn start(director: &Host, words: &[&str], log: &Path) -> Self {
        let (process, _, output) = director.spawn_piped(&tool::command(words), log);
        let mut sight = Self { lines: BufReader::new(output).lines(), _process: process };
        assert_eq!(sight.line(), "ready");
        sight
    }

    /// Seconds since the epoch when it saw it.
    pub(super) fn next(&mut self) -> f64 {
        self.line().parse().unwrap()
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("a sight of the table").unwrap()
    }
}

/// Weight by real server, from /proc: cheaper than a process, and the same for whoever runs.
pub(super) fn rows(pid: i32) -> BTreeMap<String, u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/net/ip_vs")).unwrap_or_default();
    let row = |line: &str| {
        let mut words = line.trim_start().strip_prefix("-> ")?.split_whitespace();
        Some((words.next()?.to_owned(), words.nth(1)?.parse().ok()?))
    };
    text.lines().filter_map(row).collect()
}

/// A process's share of memory, KiB: all of it, and what of it no file stands behind.
pub(super) fn pss_kib(pid: i32) -> (u32, u32) {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    (number("Pss:"), number("Pss_Anon:"))
}

/// Wall clock, as tcpdump stamps its packets.
pub(super) fn clock() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
