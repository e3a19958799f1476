//! A pair under burden: busy loops and thousands of checks beside advertisements every 10 ms, 255 instances that move at
//! once, a flood of packets that are not what they should be.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::failover::{Cell, Family, Pace, VRID, millis, number};
use crate::boot;
use crate::capture::{Capture, Saying};
use crate::crowd::Crowd;
use crate::daemon::{Daemon, Kind};
use crate::host::{Host, Process, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::tool;
use crate::topology::{Forwarding, Plan, Topology};

use Kind::{Evenkeel, Keepalived};

pub(super) const BENCHES: &[Scenario] = &[
    Scenario::alone("bench_failover_false_evenkeel", 1100, |keeper| {
        false_takeovers(keeper, Evenkeel, "", "");
    }),
    Scenario::alone("bench_failover_false_keepalived_default", 1100, |keeper| {
        false_takeovers(keeper, Keepalived, "", "");
    }),
    Scenario::alone("bench_failover_false_keepalived_rt", 1100, |keeper| {
        let global = "global_defs {\nvrrp_rt_priority 50\n}\n";
        false_takeovers(keeper, Keepalived, global, " with vrrp_rt_priority 50");
    }),
    Scenario::alone("bench_failover_many_evenkeel", 600, |keeper| many(keeper, Evenkeel)),
    Scenario::alone("bench_failover_many_keepalived", 600, |keeper| many(keeper, Keepalived)),
    Scenario::alone("bench_failover_flood_evenkeel", 300, |keeper| flood(keeper, Evenkeel)),
    Scenario::alone("bench_failover_flood_keepalived", 300, |keeper| flood(keeper, Keepalived)),
];

/// Programs that do nothing, as fast as they can.
const BUSY: usize = 4;
const CROWD: Crowd = Crowd { instances: 255, vips_each: 20 };

fn prefix(kind: Kind) -> &'static str {
    if kind == Keepalived { "keepalived " } else { "" }
}

/// Real servers behind r1, which swallows what it is to forward: each check waits for an answer that never comes.
fn swallowed_servers(count: u32) -> String {
    let mut text = String::from(
        "virtual_server 10.0.0.101 80 {\ndelay_loop 1\nlb_algo rr\nlb_kind DR\nprotocol TCP\n",
    );
    for at in 0..count {
        let _ = writeln!(
            text,
            "real_server 10.9.{}.{} 80 {{\nTCP_CHECK {{\nconnect_timeout 5\nretry 0\n}}\n}}",
            at / 250,
            1 + at % 250
        );
    }
    text + "}\n"
}

/// Who advertised while nobody should have taken over: turns of the second director on the wire.
fn turns(capture: &Capture, priority: u8, since: usize) -> usize {
    let packets = capture.packets();
    let mut turns = 0;
    let mut last: Option<Duration> = None;
    for packet in &packets[since.min(packets.len())..] {
        let is_wanted = matches!(packet.saying, Saying::Advert { vrid: VRID, priority: seen, .. }
            if seen == priority);
        if is_wanted {
            let apart =
                last.is_none_or(|at| packet.at.saturating_sub(at) > Duration::from_millis(40));
            turns += usize::from(apart);
            last = Some(packet.at);
        }
    }
    turns
}

fn false_takeovers(keeper: &Arc<Keeper>, kind: Kind, global: &str, more: &str) {
    let checks = number("EVENKEEL_BENCH_CHECKS", 5000);
    let span = Duration::from_secs(number("EVENKEEL_BENCH_SECONDS", 600).into());
    let net = Plan::new().directors(2).servers(1, Forwarding::Direct).clients(1).build(keeper);
    net.host("r1").sysctl(&["net.ipv4.ip_forward=0"]);
    for name in ["d1", "d2"] {
        net.host(name).ip("route add 10.9.0.0/16 via 10.0.0.11\n");
    }
    let capture = Capture::start(net.host("c1"));
    let cell = Cell { kind, pace: Pace::Hundredth, family: Family::V4 };
    let config = |priority| global.to_owned() + &cell.config(priority) + &swallowed_servers(checks);
    // Thousands of SYNs repeated at once would push advertisements out of it.
    widen_the_wire();
    if std::env::var("EVENKEEL_BENCH_SOFTIRQ").is_ok() {
        // The thread that brings packets when there are many of them: an ordinary one, beside four busy loops.
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            if name.starts_with("ksoftirqd") {
                let pid = entry.file_name().into_string().unwrap();
                net.host("d1").run(&format!("chrt -r -p 5 {pid}"));
            }
        }
    }
    let directors = [
        Daemon::start(kind, net.host("d1"), &config(150)),
        Daemon::start(kind, net.host("d2"), &config(100)),
    ];
    wait_for(Duration::from_secs(60), "the VIP on d1 alone", || {
        let holds = |name| kernel_view::holds(net.host(name), "10.0.0.100");
        holds("d1") && !holds("d2")
    });
    thread::sleep(Duration::from_secs(5));
    let log = keeper.log("busy loops");
    let words = ["sh", "-c", "while :; do :; done"].map(str::to_owned);
    let busy: Vec<Process> = (0..BUSY).map(|_| net.host("r1").spawn(&words, &log)).collect();
    thread::sleep(Duration::from_secs(1));
    let begun = capture.packets().len();
    let lost = wire_losses();
    thread::sleep(span);
    let lost = wire_losses() - lost;
    let count = turns(&capture, 100, begun);
    let silence = longest_silence(&capture, 150, begun);
    drop(busy);
    keeper.figure(&format!(
        "{}packets that the lab's own wire lost meanwhile{more} = {lost}",
        prefix(kind)
    ));
    if kind == Evenkeel {
        for (director, name) in directors.iter().zip(["master", "backup"]) {
            let late = director.command("status --json").unwrap_or_default();
            let value: serde_json::Value = serde_json::from_str(&late).unwrap_or_default();
            let told = |word: &str| value["vrrp"]["counters"][word].to_string();
            keeper.figure(&format!(
                "{name}: stalls, silences put off, latest = {}, {}, {} us",
                told("stalls"),
                told("held_back"),
                told("latest_us")
            ));
        }
    }
    keeper.figure(&format!(
        "{}false takeovers in {} s at 10 ms, {BUSY} busy loops, {checks} checks{more} = {count}",
        prefix(kind),
        span.as_secs()
    ));
    keeper.figure(&format!(
        "{}longest silence of the master meanwhile{more}, ms = {:.1}",
        prefix(kind),
        millis(silence)
    ));
}

fn longest_silence(capture: &Capture, priority: u8, since: usize) -> Duration {
    let packets = capture.packets();
    let of_master = |saying: &Saying| matches!(saying, Saying::Advert { vrid: VRID, priority: seen, .. } if *seen == priority);
    let adverts: Vec<Duration> = packets[since.min(packets.len())..]
        .iter()
        .filter(|packet| of_master(&packet.saying))
        .map(|packet| packet.at)
        .collect();
    adverts.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap_or_default()
}

fn many(keeper: &Arc<Keeper>, kind: Kind) {
    let all = CROWD.vips();
    let net = Plan::new().directors(2).clients(1).build(keeper);
    let _directors = [
        Daemon::start(kind, net.host("d1"), &CROWD.config(150)),
        Daemon::start(kind, net.host("d2"), &CROWD.config(100)),
    ];
    wait_for(Duration::from_secs(120), "all VIPs on d1 alone", || {
        CROWD.held(net.host("d1")) == all && CROWD.held(net.host("d2")) == 0
    });
    // Repeated announcements of the beginning come to an end.
    thread::sleep(Duration::from_secs(12));
    let mut took = Vec::new();
    for _ in 0..number("EVENKEEL_BENCH_RUNS", 20).min(5) {
        let capture = Capture::start(net.host("c1"));
        net.blackhole("d1");
        wait_for(Duration::from_secs(60), "all VIPs on d2", || CROWD.held(net.host("d2")) == all);
        thread::sleep(Duration::from_secs(2));
        let (span, seen) = span_of_claims(&capture);
        took.push(millis(span));
        keeper.figure(&format!(
            "{}one run: {seen} of {all} VIPs claimed within {:.0?}",
            prefix(kind),
            span
        ));
        drop(capture);
        net.restore("d1");
        wait_for(Duration::from_secs(60), "all VIPs on d1 alone", || {
            CROWD.held(net.host("d1")) == all && CROWD.held(net.host("d2")) == 0
        });
        thread::sleep(Duration::from_secs(12));
    }
    took.sort_by(f64::total_cmp);
    let Crowd { instances, vips_each } = CROWD;
    keeper.figure(&format!(
        "{}{instances} instances with {vips_each} VIPs: first to last VIP claimed, ms = {:.0} ({:.0}-{:.0})",
        prefix(kind),
        took[took.len() / 2],
        took[0],
        took[took.len() - 1]
    ));
}

/// From the first claim of any VIP to the first claim of the last one, and how many were claimed.
fn span_of_claims(capture: &Capture) -> (Duration, usize) {
    let mut first: BTreeMap<IpAddr, Duration> = BTreeMap::new();
    for packet in capture.packets() {
        if let Saying::Claim(address) = packet.saying {
            first.entry(address).or_insert(packet.at);
        }
    }
    let least = first.values().min().copied().unwrap_or_default();
    let most = first.values().max().copied().unwrap_or_default();
    (most.saturating_sub(least), first.len())
}

fn start_flood(net: &Topology, keeper: &Keeper, seconds: u64) -> Process {
    let log = keeper.log("flood");
    let words = ["flood", "10.0.0.11", "224.0.0.18", &seconds.to_string()];
    net.host("r1").spawn(&tool::command(&words), &log)
}

fn flood(keeper: &Arc<Keeper>, kind: Kind) {
    let seconds = u64::from(number("EVENKEEL_BENCH_FLOOD_SECONDS", 20));
    let net = Plan::new().directors(2).servers(1, Forwarding::Direct).clients(1).build(keeper);
    let cell = Cell { kind, pace: Pace::Tenth, family: Family::V4 };
    let _directors = [
        Daemon::start(kind, net.host("d1"), &cell.config(150)),
        Daemon::start(kind, net.host("d2"), &cell.config(100)),
    ];
    wait_for(Duration::from_secs(20), "the VIP on d1 alone", || {
        let holds = |name| kernel_view::holds(net.host(name), "10.0.0.100");
        holds("d1") && !holds("d2")
    });
    widen_the_wire();
    // The flood's own packets would drown the capture.
    let capture = Capture::of(net.host("c1"), "proto 112 and not src host 10.0.0.11");
    thread::sleep(Duration::from_secs(2));
    let quiet = longest_silence(&capture, 150, 0);
    let begun = capture.packets().len();
    let received = || packets_received(net.host("d1"));
    let before = (Instant::now(), received());
    let lost = wire_losses();
    let flood = start_flood(&net, keeper, seconds);
    thread::sleep(Duration::from_secs(seconds));
    let rate = (received() - before.1) as f64 / before.0.elapsed().as_secs_f64();
    let silence = longest_silence(&capture, 150, begun);
    let count = turns(&capture, 100, begun);
    let lost = wire_losses() - lost;
    drop(flood);
    let prefix = prefix(kind);
    keeper.figure(&format!("{prefix}flood of wrong packets at the master, per second = {rate:.0}"));
    keeper.figure(&format!(
        "{prefix}flood: packets that the lab's own wire lost, whoever sent them = {lost}"
    ));
    keeper.figure(&format!("{prefix}flood: transitions of the backup = {count}"));
    keeper.figure(&format!(
        "{prefix}flood: longest between two advertisements at 100 ms (before it), ms = {:.1} ({:.1})",
        millis(silence),
        millis(quiet)
    ));
}

/// What leaves one device waits in this queue for the next one, whoever sent it: on a real wire a flood does not push our
/// advertisements out. Only in a machine of our own: the setting is the whole kernel's.
fn widen_the_wire() {
    if boot::is_inside() {
        std::fs::write("/proc/sys/net/core/netdev_max_backlog", "100000").unwrap();
    }
}

/// Packets that found the kernel's queue between two devices full (`netdev_max_backlog`): second column of softnet_stat, a
/// line for each processor.
fn wire_losses() -> u64 {
    let text = std::fs::read_to_string("/proc/net/softnet_stat").unwrap_or_default();
    let second = |line: &str| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok();
    text.lines().filter_map(second).sum()
}

fn packets_received(host: &Host) -> u64 {
    let text = host.run("cat /sys/class/net/eth0/statistics/rx_packets");
    text.trim().parse().unwrap_or_default()
}
