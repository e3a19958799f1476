//! What the kernel refuses, what is flushed, and what the lvs worker may do at all.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::pair::{SERVICE, service};
use crate::daemon::{Daemon, Kind};
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::tool::responder::Mode;
use crate::topology::{Forwarding, Plan};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::alone("refused_scheduler_is_named_and_the_others_go_on", 90, scheduler),
    Scenario::alone("refused_calls_are_named_and_what_they_kept_back_follows", 150, calls),
    Scenario::together("refused_is_what_the_lvs_worker_has_no_need_of", 60, rights),
    Scenario::together("flush_at_start_and_at_the_stop_as_keepalived", 120, flush),
];

const SOON: Duration = Duration::from_secs(30);

/// A scheduler that no other scenario has, so that its module can be taken away.
fn scheduler(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).build(keeper);
    let _servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let d1 = net.host("d1");
    d1.run("modprobe -r ip_vs_ovf");
    // What the kernel runs to load a module: nothing is found meanwhile.
    let loader = "/proc/sys/kernel/modprobe";
    let usual = fs::read_to_string(loader).unwrap();
    fs::write(loader, "/nonexistent").unwrap();
    let ovf = service(81, [1, 1]).replace("lb_algo wrr", "lb_algo ovf");
    let daemon = Daemon::start(Kind::Evenkeel, d1, &(service(80, [3, 4]) + &ovf));
    wait_for(SOON, "the other service", || kernel_view::weights(d1, SERVICE).len() == 2);
    let lagging = || {
        let json = daemon.command("status --json").unwrap_or_default();
        let status: Value = serde_json::from_str(&json).unwrap_or_default();
        let servers = status["lvs"]["virtual_servers"].as_array().cloned().unwrap_or_default();
        servers.iter().map(|server| server["lagging"].clone()).collect::<Vec<_>>()
    };
    wait_for(SOON, "what is refused", || lagging().iter().any(Value::is_string));
    let seen = lagging();
    keeper.figure(&format!("{seen:?}"));
    let [first, second] = &seen[..] else { panic!("{seen:?}") };
    assert!(first.is_null() && second.to_string().contains("ovf"), "{seen:?}");
    assert!(!kernel_view::has_service(d1, "-t 10.0.0.100:81"));
    // It is tried again, and what has been mended stands.
    fs::write(loader, usual.trim()).unwrap();
    wait_for(SOON * 2, "the service that was refused", || {
        kernel_view::weights(d1, "-t 10.0.0.100:81").len() == 2
    });
    wait_for(SOON, "nothing to lag", || lagging().iter().all(Value::is_null));
}

/// Calls of the lvs worker to the kernel's table fail for a while: `status` says why, checks go on, and what was kept back
/// follows as soon as they work again.
fn calls(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).build(keeper);
    let servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let d1 = net.host("d1");
    let daemon = Daemon::start(Kind::Evenkeel, d1, &service(80, [1, 2]));
    let rows = || kernel_view::weights(d1, SERVICE).len();
    wait_for(SOON, "the table", || rows() == 2);
    let lagging = || {
        let json = daemon.command("status --json").unwrap_or_default();
        let status: Value = serde_json::from_str(&json).unwrap_or_default();
        status["lvs"]["virtual_servers"][0]["lagging"].clone()
    };
    let worker = daemon.worker("lvs").unwrap();
    for (call, error, words) in [
        ("sendto", "ENOBUFS", "No buffer space available"),
        ("sendto", "EPERM", "Operation not permitted"),
        ("recvmmsg", "ENOBUFS", "answers of the kernel were lost"),
    ] {
        let line = format!(
            "strace -f -q -o /dev/null -e trace={call} -e inject={call}:error={error} -p {worker}"
        );
        let log = keeper.log("strace");
        let strace = d1.spawn(&shell_words::split(&line).unwrap(), &log);
        let is_traced = || {
            let status = fs::read_to_string(format!("/proc/{worker}/status")).unwrap();
            status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
        };
        wait_for(SOON, "strace", is_traced);
        servers[0].switch(Mode::Refuse);
        wait_for(SOON, "the cause", || lagging().as_str().is_some_and(|why| why.contains(words)));
        keeper.figure(&format!("{call} {error}: {}", lagging()));
        let asked = servers[1].count().connections;
        wait_for(SOON, "checks to go on", || servers[1].count().connections > asked + 1);
        if call == "sendto" {
            assert_eq!(rows(), 2, "{error}: nothing can be changed");
        }
        strace.signal(Signal::SIGTERM);
        assert!(strace.ends_within(SOON), "strace does not end");
        wait_for(SOON * 2, "the row to go", || rows() == 1);
        wait_for(SOON, "nothing to lag", || lagging().is_null());
        servers[0].switch(Mode::Fine);
        wait_for(SOON, "the row to be back", || rows() == 2);
    }
    assert_eq!(daemon.worker("lvs"), Some(worker), "it lives through all of it");
}

/// The sets of a process, as /proc shows them.
fn sets(pid: i32) -> [u64; 3] {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    ["CapInh:", "CapPrm:", "CapEff:"].map(|word| {
        let line = text.lines().find_map(|line| line.strip_prefix(word)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    })
}

fn rights(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).build(keeper);
    let servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let d1 = net.host("d1");
    let calls = keeper.folder().join("calls");
    fs::write(&calls, "").unwrap();
    d1.run(&format!("chmod 666 {}", calls.display()));
    d1.run(&format!("chmod 755 {}", keeper.folder().display()));
    let note = keeper.folder().join("note");
    let text =
        format!("#!/bin/sh\n(id -u; grep CapEff /proc/self/status) >> {}\n", calls.display());
    fs::write(&note, text).unwrap();
    d1.run(&format!("chmod 755 {}", note.display()));
    let told = |user: &str| format!("weight 1\nnotify_down {} {user}", note.display());
    let config = service(80, [1, 2]).replace("weight 1", &told("nobody"));
    let config = config.replace("weight 2", &told("root").replace("weight 1", "weight 2"));
    let daemon = Daemon::start(Kind::Evenkeel, d1, &config);
    wait_for(SOON, "the table", || kernel_view::weights(d1, SERVICE).len() == 2);
    // KILL, SETGID, SETUID, DAC_READ_SEARCH; NET_BIND_SERVICE, NET_ADMIN, NET_RAW, IPC_LOCK; SYS_NICE, SYS_RESOURCE.
    let kept = [2, 5, 6, 7, 10, 12, 13, 14, 23, 24].iter().fold(0_u64, |set, bit| set | 1 << bit);
    assert_eq!(sets(daemon.worker("lvs").unwrap()), [0, kept, kept]);
    wait_for(SOON, "the ops worker without any", || {
        daemon.worker("ops").is_some_and(|pid| sets(pid) == [0, 0, 0])
    });
    // Scripts run as their users: one without any right, one with root's.
    servers[0].switch(Mode::Refuse);
    let said = || fs::read_to_string(&calls).unwrap();
    wait_for(SOON, "nobody's script", || said().contains("65534\nCapEff:\t0000000000000000"));
    servers[1].switch(Mode::Refuse);
    let root = format!("0\nCapEff:\t{:016x}", sets(daemon.pids()[0])[2]);
    wait_for(SOON, "root's script", || said().contains(&root));
}

/// A service of somebody else's stands beside ours.
fn flush(keeper: &Arc<Keeper>) {
    const FOREIGN: &str = "-t 10.9.9.9:99";
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).build(keeper);
    let _servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let d1 = net.host("d1");
    let has = |service| kernel_view::has_service(d1, service);
    for (words, stays_at_start, stays_after) in [
        ("", true, true),
        ("lvs_flush", false, true),
        ("lvs_flush_on_stop", true, false),
        ("lvs_flush_on_stop VS", true, true),
    ] {
        let text = format!("global_defs {{\n{words}\n}}\n") + &service(80, [1, 2]);
        let seen = [Kind::Keepalived, Kind::Evenkeel].map(|kind| {
            d1.run("ipvsadm -C");
            d1.run(&format!("ipvsadm -A {FOREIGN} -s rr"));
            let daemon = Daemon::start(kind, d1, &text);
            wait_for(SOON, "the table", || kernel_view::weights(d1, SERVICE).len() == 2);
            let at_start = has(FOREIGN);
            if !at_start {
                d1.run(&format!("ipvsadm -A {FOREIGN} -s rr"));
            }
            daemon.stop();
            assert!(!has(SERVICE), "{words}: {} leaves its own", kind.name());
            (at_start, has(FOREIGN))
        });
        assert_eq!(seen[0], seen[1], "{words} (keepalived, evenkeel)");
        assert_eq!(seen[1], (stays_at_start, stays_after), "{words}");
    }
}
