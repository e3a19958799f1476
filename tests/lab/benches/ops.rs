//! What looking costs: `status` for 20,000 real servers, `/metrics` for 5,000 beside advertisements every 10 ms, and the ops
//! worker while nobody looks.

use std::fmt::Write;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::capture::{Capture, Saying};
use crate::daemon::{Daemon, Kind::Evenkeel, evenkeel};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::topology::{Forwarding, Plan, Topology};

pub(super) const BENCHES: &[Scenario] = &[
    Scenario::alone("bench_ops_status", 200, status),
    Scenario::alone("bench_ops_metrics", 200, metrics),
];

/// How often each is asked.
const RUNS: usize = 9;
/// Real servers of a virtual server.
const EACH: u32 = 10;
/// How long system calls are counted.
const IDLE: u32 = 70;

/// All ask the same question, which so is asked once: what is measured is the telling, not the checks.
fn config(servers: u32, more: &str) -> String {
    let mut text = more.to_owned();
    for at in 0..servers / EACH {
        let vip = format!("10.1.{}.{}", at / 250, 1 + at % 250);
        let _ = writeln!(text, "virtual_server {vip} 80 {{\n delay_loop 5\n lb_algo wlc");
        text.push_str(" lb_kind DR\n protocol TCP\n");
        for place in at * EACH..at * EACH + EACH {
            let real =
                format!("10.{}.{}.{}", 2 + place / 62_500, place / 250 % 250, 1 + place % 250);
            let _ = writeln!(text, " real_server {real} 80 {{\n  weight 3\n  TCP_CHECK {{");
            text.push_str("   connect_ip 10.0.0.11\n   connect_timeout 3\n  }\n }\n");
        }
        text.push_str("}\n");
    }
    text
}

fn start(net: &Topology, servers: u32, more: &str) -> Daemon {
    let d1 = net.host("d1");
    let daemon = Daemon::start(Evenkeel, d1, &config(servers, more));
    let rules = (servers + servers / EACH) as usize;
    wait_for(Duration::from_secs(90), "the whole table", || kernel_view::rules(d1).len() == rules);
    thread::sleep(Duration::from_secs(3));
    daemon
}

/// Milliseconds of the middle one, with the least and the most.
fn median(mut all: Vec<Duration>) -> String {
    all.sort();
    let ms = |at: usize| all[at].as_secs_f64() * 1e3;
    format!("{:.0} ({:.0}-{:.0})", ms(all.len() / 2), ms(0), ms(all.len() - 1))
}

fn status(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(1, Forwarding::Direct).build(keeper);
    let _server = Responder::start(net.host("r1"));
    let daemon = start(&net, 20_000, "");
    let d1 = net.host("d1");
    let run = |words: &str| {
        let (program, runtime) = (evenkeel(), daemon.runtime.display());
        let line = format!("{program} {words} --runtime-dir {runtime}");
        let began = Instant::now();
        d1.run(&format!("sh -c '{line} >/dev/null'"));
        began.elapsed()
    };
    let all = |words: &str| median((0..RUNS).map(|_| run(words)).collect());
    keeper.figure(&format!("status for 20,000 real servers, ms = {}", all("status")));
    keeper.figure(&format!("status --json for 20,000 real servers, ms = {}", all("status --json")));
    keeper.figure(&format!("of these, any command at all (signum STOP), ms = {}", {
        let plain = |_| {
            let began = Instant::now();
            d1.run(&format!("sh -c '{} signum STOP >/dev/null'", evenkeel()));
            began.elapsed()
        };
        median((0..RUNS).map(plain).collect())
    }));
    keeper
        .figure(&format!("system calls of the ops worker a second, idle = {}", idle(d1, &daemon)));
}

/// Nobody is connected. The supervisor asks twice in this time.
fn idle(d1: &Host, daemon: &Daemon) -> String {
    let pid = daemon.worker("ops").unwrap();
    let report = d1.keeper.folder().join("strace");
    let report = report.display();
    // Its status is that of the one it was told to end.
    let _ = d1.try_run(&format!("timeout -s INT {IDLE} strace -c -f -o {report} -p {pid}"));
    let text = std::fs::read_to_string(d1.keeper.folder().join("strace")).unwrap();
    // "  0.00    0.000000           0         4           sendmsg". The clock is a system call in here alone: elsewhere it
    // is read without the kernel's help.
    let calls = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let name =
            words.last().filter(|name| !["clock_gettime", "total", "syscall"].contains(name));
        name.and_then(|_| words.get(3)?.parse::<f64>().ok())
    };
    let calls: f64 = text.lines().filter_map(calls).sum();
    assert!(calls > 0.0, "it answers its supervisor: {text}");
    format!("{:.2}", calls / f64::from(IDLE))
}

fn metrics(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(1, Forwarding::Direct).clients(1).build(keeper);
    let _server = Responder::start(net.host("r1"));
    let capture = Capture::start(net.host("c1"));
    let more = "vrrp_instance web {\n interface eth0\n virtual_router_id 51\n priority 150\n version 3\n advert_int 0.01\n \
                virtual_ipaddress {\n  10.0.0.100/32\n }\n}\nweb {\n listen 127.0.0.1:9650\n}\n";
    let _daemon = start(&net, 5_000, more);
    let d1 = net.host("d1");
    let quiet = capture.packets().len();
    thread::sleep(Duration::from_secs(10));
    let asked = capture.packets().len();
    let scrape = || {
        // Whoever asks within a second gets the same text.
        thread::sleep(Duration::from_millis(1100));
        let said = d1.run("curl -sf -o /dev/null -w %{time_total} http://127.0.0.1:9650/metrics");
        Duration::from_secs_f64(said.trim().parse().unwrap())
    };
    let took = median((0..RUNS).map(|_| scrape()).collect());
    let end = capture.packets().len();
    let size = d1.run("sh -c 'curl -sf http://127.0.0.1:9650/metrics | wc -c'");
    keeper.figure(&format!("/metrics for 5,000 real servers, {} bytes, ms = {took}", size.trim()));
    let silence = |from: usize, to: usize| {
        let packets = capture.packets();
        let adverts =
            packets[from..to].iter().filter(|it| matches!(it.saying, Saying::Advert { .. }));
        let at: Vec<Duration> = adverts.map(|it| it.at).collect();
        let gaps = at.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
        gaps.max().unwrap_or_default().as_secs_f64() * 1e3
    };
    keeper.figure(&format!(
        "longest time between advertisements at 10 ms, nobody asks, ms = {:.1}",
        silence(quiet, asked)
    ));
    keeper.figure(&format!("the same while /metrics is asked, ms = {:.1}", silence(asked, end)));
}
