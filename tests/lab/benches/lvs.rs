//! `cargo xtask bench lvs`: a table of many real servers, all checked, under evenkeel and keepalived alike.
//!
//! One responder answers for all of them (a network of addresses that are local to it). Marks of [`boot::CPU_MARK`] ask
//! for the CPU time of the whole booted machine, which xtask turns into CPU per check.

mod readings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use self::readings::{Sight, clock, pss_kib, rows};
use crate::boot;
use crate::daemon::{Daemon, Kind};
use crate::host::Host;
use crate::keeper::Keeper;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::tool;
use crate::tool::responder::Mode;
use crate::topology::{Forwarding, Plan};

pub(super) const BENCHES: &[Scenario] = &[
    Scenario::alone("bench_lvs_tcp_1000_evenkeel", 900, |k| run(k, Kind::Evenkeel, TCP, 1_000)),
    Scenario::alone("bench_lvs_tcp_5000_evenkeel", 900, |k| run(k, Kind::Evenkeel, TCP, 5_000)),
    Scenario::alone("bench_lvs_tcp_20000_evenkeel", 900, |k| run(k, Kind::Evenkeel, TCP, 20_000)),
    Scenario::alone("bench_lvs_http_1000_evenkeel", 900, |k| run(k, Kind::Evenkeel, HTTP, 1_000)),
    Scenario::alone("bench_lvs_http_5000_evenkeel", 900, |k| run(k, Kind::Evenkeel, HTTP, 5_000)),
    Scenario::alone("bench_lvs_http_20000_evenkeel", 900, |k| run(k, Kind::Evenkeel, HTTP, 20_000)),
    Scenario::alone("bench_lvs_tcp_1000_keepalived", 900, |k| run(k, Kind::Keepalived, TCP, 1_000)),
    Scenario::alone("bench_lvs_tcp_5000_keepalived", 900, |k| run(k, Kind::Keepalived, TCP, 5_000)),
    Scenario::alone("bench_lvs_tcp_20000_keepalived", 900, |k| {
        run(k, Kind::Keepalived, TCP, 20_000);
    }),
    Scenario::alone("bench_lvs_http_1000_keepalived", 900, |k| {
        run(k, Kind::Keepalived, HTTP, 1_000);
    }),
    Scenario::alone("bench_lvs_http_5000_keepalived", 900, |k| {
        run(k, Kind::Keepalived, HTTP, 5_000);
    }),
    Scenario::alone("bench_lvs_http_20000_keepalived", 900, |k| {
        run(k, Kind::Keepalived, HTTP, 20_000);
    }),
];

const TCP: &str = "tcp";
const HTTP: &str = "http";
/// Starts, each on a host of its own: for two minutes the kernel goes through the destinations that it has lost with every
/// one that is added. An even number, as the first does not count.
const STARTS: u8 = 4;
/// Seconds between two questions to one real server.
const DELAY_LOOP: u32 = 10;
/// What a process takes to start does not belong to its window.
const PROBER_STARTS: Duration = Duration::from_secs(2);
/// A drift is found at the next look at the table: every 5 s unless told otherwise.
const DRIFT_LIMIT: Duration = Duration::from_secs(15);

/// What is measured, and for how long; from the variables that xtask sets.
struct Wanted {
    parts: Option<String>,
    window: Duration,
    runs: u32,
    /// No part begins after this.
    until: Option<Instant>,
}

impl Wanted {
    fn read() -> Self {
        let number = |name: &str, default: u64| {
            std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
        };
        Self {
            parts: std::env::var("EVENKEEL_BENCH_PARTS").ok(),
            window: Duration::from_secs(number("EVENKEEL_BENCH_SECONDS", 10)),
            runs: u32::try_from(number("EVENKEEL_BENCH_RUNS", 3)).unwrap(),
            until: std::env::var("EVENKEEL_BENCH_WITHIN")
                .ok()
                .and_then(|text| text.parse().ok())
                .and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds))),
        }
    }

    fn has(&self, part: &str) -> bool {
        self.parts.as_ref().is_none_or(|parts| parts.split(',').any(|one| one == part))
    }

    /// Whether it is wanted and there is time for it; said where there is none.
    fn begins(&self, part: &str, keeper: &Keeper) -> bool {
        let is_late = self.until.is_some_and(|until| Instant::now() >= until);
        if self.has(part) && is_late {
            keeper.figure(&format!("left out = {part}"));
        }
        self.has(part) && !is_late
    }
}

fn run(keeper: &Arc<Keeper>, kind: Kind, check: &'static str, servers: u32) {
    let wanted = Wanted::read();
    let net = Plan::new().directors(STARTS).servers(1, Forwarding::Direct).build(keeper);
    let directors: Vec<String> = (1..=STARTS).rev().map(|at| format!("d{at}")).collect();
    let (d1, r1) = (net.host("d1"), net.host("r1"));
    r1.run("ip route add local 10.2.0.0/16 dev lo");
    r1.sysctl(&["net.ipv4.tcp_max_syn_backlog=65536", "net.core.somaxconn=65536"]);
    for director in &directors {
        net.host(director).run("ip route add 10.2.0.0/16 via 10.0.0.11");
    }
    let responder = Responder::start(r1);
    let bench = Bench { keeper, d1, responder, check, servers, wanted };
    let has_floor = bench.begins("cpu");
    if has_floor {
        bench.floor();
    }
    let text = bench.config(1);
    let mut times = Vec::new();
    let mut last: Option<Daemon> = None;
    for director in &directors {
        if let Some(before) = last.take() {
            before.stop();
        }
        let (daemon, took) = bench.start(kind, net.host(director), &text);
        times.push(took);
        last = Some(daemon);
    }
    // The booted kernel reads programs from the host's disk once: the first start is none of those that count.
    times.remove(0);
    times.sort_by(f64::total_cmp);
    bench.figure("full table", "s", times[times.len() / 2]);
    let daemon = last.expect("several starts");
    let pid = daemon.pids()[0];
    // The first round is over, and whatever was loaded for the start has been given back.
    thread::sleep(Duration::from_secs(u64::from(DELAY_LOOP) + 4));
    if bench.begins("memory") {
        bench.memory(&daemon);
    }
    if has_floor && bench.begins("cpu") {
        bench.cpu();
    }
    if bench.begins("syscalls") {
        bench.syscalls(&daemon);
    }
    if bench.begins("reload") {
        bench.reload(&daemon);
    }
    if kind == Kind::Evenkeel && bench.begins("drift") {
        bench.drift(pid);
    }
    if bench.begins("death") {
        bench.death(pid);
    }
    if bench.begins("idle") {
        bench.responder.switch(Mode::Fine);
        bench.idle(&daemon);
    }
    assert!(daemon.is_running());
}

struct Bench<'a> {
    keeper: &'a Arc<Keeper>,
    d1: &'a Host,
    responder: Responder,
    check: &'static str,
    servers: u32,
    wanted: Wanted,
}

/// Address of real server `at`; 250 in each /24.
fn address(at: u32) -> String {
    format!("10.2.{}.{}", at / 250, 1 + at % 250)
}

impl Bench<'_> {
    fn begins(&self, part: &str) -> bool {
        self.wanted.begins(part, self.keeper)
    }

    fn figure(&self, what: &str, unit: &str, value: f64) {
        self.keeper.figure(&format!("{what} = {value:.4} {unit}"));
    }

    /// Ten real servers in each virtual server; the first one of the middle has this weight.
    fn config(&self, weight: u32) -> String {
        let checker = match self.check {
            HTTP => "HTTP_GET {\n   url {\n    path /health\n    status_code 200\n   }\n",
            _ => "TCP_CHECK {\n",
        };
        let check = format!("  {checker}   connect_timeout 3\n   retry 0\n  }}\n");
        self.config_of(&check, weight)
    }

    /// With this check of each real server.
    fn config_of(&self, check: &str, weight: u32) -> String {
        let mut text = String::new();
        for service in 0..self.servers / 10 {
            let vip = vip(service);
            let _ = writeln!(text, "virtual_server {vip} 80 {{\n delay_loop {DELAY_LOOP}");
            text.push_str(" lb_algo wlc\n lb_kind DR\n protocol TCP\n");
            for at in service * 10..service * 10 + 10 {
                let weight = if at == self.servers / 2 { weight } else { 1 };
                let _ = writeln!(text, " real_server {} 80 {{\n  weight {weight}", address(at));
                let _ = writeln!(text, "{check} }}");
            }
            text.push_str("}\n");
        }
        text
    }

    /// From a start to a full table, in seconds.
    fn start(&self, kind: Kind, director: &Host, text: &str) -> (Daemon, f64) {
        let (last, count) = (vip(self.servers / 10 - 1), self.servers.to_string());
        let mut filled = self.sight(director, &["filled", &last, "10", &count]);
        let start = clock();
        let daemon = Daemon::start(kind, director, text);
        let took = filled.next() - start;
        (daemon, took)
    }

    /// A process that says when something is seen in a director's table.
    fn sight(&self, director: &Host, words: &[&str]) -> Sight {
        Sight::start(director, words, &self.keeper.log("sight"))
    }

    /// Asks for the machine's CPU time around `during`, and tells how many questions were answered meanwhile.
    fn window(&self, label: &str, during: impl FnOnce()) {
        let before = self.responder.count().connections;
        println!("{}{label} begin", boot::CPU_MARK);
        during();
        println!("{}{label} end", boot::CPU_MARK);
        let asked = self.responder.count().connections - before;
        self.keeper.figure(&format!("{label} checks = {asked}"));
    }

    /// The idle machine, and the smallest prober that asks as many questions.
    fn floor(&self) {
        for run in 0..self.wanted.runs {
            self.window(&format!("idle {run}"), || thread::sleep(self.wanted.window));
            let seconds = (self.wanted.window + PROBER_STARTS * 2).as_secs().to_string();
            let (count, period) = (self.servers.to_string(), DELAY_LOOP.to_string());
            let words = ["prober", "10.2.0.1", &count, &period, &seconds, self.check];
            let log = self.keeper.log("prober");
            let prober = self.d1.spawn(&tool::command(&words), &log);
            thread::sleep(PROBER_STARTS);
            self.window(&format!("prober {run}"), || thread::sleep(self.wanted.window));
            assert!(prober.ends_within(PROBER_STARTS * 10), "the prober does not end");
            let answered = fs::read_to_string(&log).unwrap();
            assert!(answered.trim().parse::<u32>().is_ok_and(|n| n > 0), "{answered:?}");
        }
    }

    fn cpu(&self) {
        for run in 0..self.wanted.runs {
            // Another phase of the director's own periods each time.
            let phase = std::process::id().wrapping_mul(7919).wrapping_add(run * 1237) % 1000;
            thread::sleep(Duration::from_millis(phase.into()));
            self.window(&format!("daemon {run}"), || thread::sleep(self.wanted.window));
        }
    }

    fn memory(&self, daemon: &Daemon) {
        let mut total = 0;
        for pid in daemon.pids() {
            let (pss, anonymous) = pss_kib(pid);
            total += pss;
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let name = line.split(" --").next().unwrap_or("").rsplit('/').next().unwrap_or("");
            self.keeper.figure(&format!("  {pss} KiB, anonymous {anonymous}: {name}"));
        }
        self.figure("PSS of all processes", "MB", f64::from(total) / 1000.0 * 1.024);
    }

    /// What all processes call in a window, by `strace -c -f`, the most frequent first.
    fn calls(&self, daemon: &Daemon) -> Vec<(String, u64)> {
        let report = self.keeper.folder().join("strace");
        let pids: Vec<String> = daemon.pids().iter().map(|pid| format!("-p {pid}")).collect();
        let line = format!(
            "timeout -s INT {} strace -c -f -o {} {}",
            self.wanted.window.as_secs(),
            report.display(),
            pids.join(" ")
        );
        // `timeout` ends it, and says so by its status.
        let _ = self.d1.try_run(&line);
        let text = fs::read_to_string(&report).expect("a report of strace");
        let call = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Some((words.last()?.to_string(), words.get(3)?.parse::<u64>().ok()?))
        };
        let mut calls: Vec<(String, u64)> =
            text.lines().filter_map(call).filter(|(name, _)| name != "total").collect();
        calls.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        calls
    }

    /// The calls of a window divided by a number, and which they are.
    fn figure_calls(&self, what: &str, calls: &[(String, u64)], by: f64) {
        let each = |(name, count): &(String, u64)| format!("{name} {:.2}", *count as f64 / by);
        let most: Vec<String> = calls.iter().take(12).map(each).collect();
        self.keeper.figure(&format!("  {}", most.join(", ")));
        let total: u64 = calls.iter().map(|(_, count)| count).sum();
        self.figure(what, "", total as f64 / by);
    }

    /// A check connects once: so many were asked while strace was there, whatever it took to come and go.
    fn syscalls(&self, daemon: &Daemon) {
        let mut calls = self.calls(daemon);
        let asked = calls.iter().find(|(name, _)| name == "connect").map_or(0, |(_, count)| *count);
        assert!(asked > 0, "no check was asked: {calls:?}");
        self.figure_calls("system calls per check", &calls, asked as f64);
        calls.retain(|(name, _)| name != "clock_gettime");
        self.figure_calls("system calls per check, the clock apart", &calls, asked as f64);
    }

    /// The same table without checks, and not read again: what is left is the director's own. Reading the clock is a system
    /// call in this kernel and on no real machine: it is left out.
    fn idle(&self, daemon: &Daemon) {
        let global = match daemon.kind {
            Kind::Keepalived => "",
            Kind::Evenkeel | Kind::Observer => "global_defs {\n lvs_resync 0\n}\n",
        };
        fs::write(&daemon.config, global.to_owned() + &self.config_of("", 1)).unwrap();
        daemon.hang_up();
        thread::sleep(Duration::from_secs(u64::from(DELAY_LOOP)));
        let mut calls = self.calls(daemon);
        calls.retain(|(name, _)| name != "clock_gettime");
        let seconds = self.wanted.window.as_secs_f64();
        self.figure_calls("system calls a second when nothing is due", &calls, seconds);
    }

    /// Twice: who looks at all rows is in the way of what is timed.
    fn reload(&self, daemon: &Daemon) {
        let at = self.servers / 2;
        let mut changed = self.sight(self.d1, &["weighs", &vip(at / 10), &address(at), "7"]);
        fs::write(&daemon.config, self.config(7)).unwrap();
        let start = clock();
        daemon.hang_up();
        self.figure("reload of one weight", "s", changed.next() - start);
        thread::sleep(Duration::from_secs(2));
        self.rows_missing(daemon, key(at));
        thread::sleep(Duration::from_secs(2));
    }

    /// In a reload of one weight.
    fn rows_missing(&self, daemon: &Daemon, changed: String) {
        let pid = daemon.pids()[0];
        let before = rows(pid).len();
        fs::write(&daemon.config, self.config(9)).unwrap();
        let start = Instant::now();
        daemon.hang_up();
        let mut least = before;
        loop {
            let asked = Instant::now();
            let rows = rows(pid);
            least = least.min(rows.len());
            if rows.get(&changed) == Some(&9) {
                break;
            }
            assert!(start.elapsed() < Duration::from_secs(300), "no reload");
            thread::sleep(asked.elapsed().max(Duration::from_millis(10)));
        }
        self.figure("rows missing meanwhile", "", f64::from(self.servers) - least as f64);
    }

    fn drift(&self, pid: i32) {
        self.d1.run(&format!("ipvsadm -d -t {}:80 -r {}:80", vip(0), address(0)));
        let start = Instant::now();
        while !rows(pid).contains_key(&key(0)) {
            assert!(start.elapsed() < DRIFT_LIMIT, "the drift is not repaired");
            thread::sleep(Duration::from_millis(50));
        }
        self.figure("drift repaired after", "s", start.elapsed().as_secs_f64());
    }

    /// All real servers die at once: from the reset that answers the last question to the row that goes.
    fn death(&self, pid: i32) {
        let capture = self.keeper.log("resets");
        let line = "tcpdump -i eth0 -nn -tt -l -s 96 -B 8192 tcp and src port 80 and tcp[13]&4!=0";
        let words = shell_words::split(line).unwrap();
        let tcpdump = self.d1.spawn(&words, &capture);
        thread::sleep(Duration::from_secs(2));
        self.responder.switch(Mode::Refuse);
        let start = Instant::now();
        // When it stood for the last time, and when it was seen to be gone.
        let mut gone: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        let mut standing: BTreeSet<String> = rows(pid).into_keys().collect();
        let (mut looked, mut longest) = (clock(), 0.0);
        while !standing.is_empty() {
            assert!(start.elapsed() < Duration::from_secs(120), "{} left", standing.len());
            let (asked, begun) = (Instant::now(), clock());
            let rows = rows(pid);
            let now = clock();
            longest = f64::max(longest, now - looked);
            standing.retain(|row| {
                let stands = rows.contains_key(row);
                if !stands {
                    gone.insert(row.clone(), (looked, now));
                }
                stands
            });
            looked = begun;
            thread::sleep((asked.elapsed() * 2).max(Duration::from_millis(10)));
        }
        self.figure("all dead: table empty after", "s", start.elapsed().as_secs_f64());
        thread::sleep(Duration::from_millis(500));
        tcpdump.signal(nix::sys::signal::Signal::SIGTERM);
        let mut reset: BTreeMap<String, f64> = BTreeMap::new();
        for line in fs::read_to_string(&capture).unwrap_or_default().lines() {
            // "1790000000.123456 IP 10.2.0.1.80 > 10.0.0.1.41234: Flags [R.], ..."
            let mut words = line.split_whitespace();
            let (Some(at), Some(source)) = (words.next(), words.nth(1)) else { continue };
            let (Some(source), Ok(at)) = (source.strip_suffix(".80"), at.parse()) else { continue };
            if let Some(key) = source.parse().ok().map(hex) {
                reset.entry(key).or_insert(at);
            }
        }
        let lags: Vec<(f64, f64)> = gone
            .iter()
            .filter_map(|(row, (stood, at))| {
                let reset = reset.get(row)?;
                Some((stood - reset, at - reset))
            })
            .collect();
        let least = lags.iter().map(|(least, _)| *least).fold(0.0, f64::max);
        let mut lags: Vec<f64> = lags.into_iter().map(|(_, most)| most).collect();
        lags.sort_by(f64::total_cmp);
        if let (Some(most), Some(middle)) = (lags.last(), lags.get(lags.len() / 2)) {
            self.figure("all dead: last failing probe to removal, median", "s", *middle);
            self.figure("all dead: last failing probe to removal, most", "s", *most);
            self.figure("all dead: the most of them that is certain", "s", least);
            self.figure("all dead: longest between two looks at the table", "s", longest);
        }
    }
}

fn vip(service: u32) -> String {
    format!("10.1.{}.{}", service / 250, 1 + service % 250)
}

fn key(at: u32) -> String {
    hex(address(at).parse().unwrap())
}

/// As /proc/net/ip_vs has it.
fn hex(address: std::net::Ipv4Addr) -> String {
    format!("{:08X}:0050", u32::from(address))
}
