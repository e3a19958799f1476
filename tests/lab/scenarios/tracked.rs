//! What an instance follows besides scripts and interfaces: numbers in files, processes, the quorum of a virtual server.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::pair::{PRIORITIES, Pace, Pair, instance, service};
use crate::daemon::Daemon;
use crate::daemon::Kind::{self, Evenkeel, Keepalived};
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::runner::Scenario;
use crate::topology::Plan;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("tracked_file_moves_the_vip_as_in_keepalived", 90, file),
    Scenario::together("tracked_process_moves_the_vip", 90, process),
    Scenario::together("tracked_interface_that_flaps_counts_as_it_was", 60, flap),
    Scenario::together("tracked_virtual_server_without_quorum_gives_the_vip_away", 60, quorum),
];

fn configs(before: &str, more: &str) -> [String; 2] {
    let with = |before: &str, priority, more: &str| {
        format!("{before}\n{}{}", instance(Pace::Tenth, priority, more), service(80, [1, 1]))
    };
    [with(before, PRIORITIES[0], more), with("", PRIORITIES[1], "")]
}

/// The effective priority that d1 advertises last.
fn priority(pair: &Pair) -> Option<u8> {
    let last = pair.adverts_of(pair.d1()).pop()?;
    match last.saying {
        crate::capture::Saying::Advert { priority, .. } => Some(priority),
        crate::capture::Saying::Claim(_) => None,
    }
}

fn file(keeper: &Arc<Keeper>) {
    for kind in [Keepalived, Evenkeel] {
        let path = keeper.folder().join(format!("number-{}", kind.name()));
        let before =
            format!("vrrp_track_file load {{\nfile {}\nweight 2\ninit_file 0\n}}", path.display());
        let pair = start(keeper, kind, configs(&before, "track_file {\n    load\n}"));
        assert_eq!(fs::read_to_string(&path).unwrap().trim(), "0", "init_file");
        fs::write(&path, "10\n").unwrap();
        wait_for(Duration::from_secs(5), "priority 170", || priority(&pair) == Some(170));
        fs::write(&path, "-30\n").unwrap();
        pair.wait_for_master("d2");
        fs::write(&path, "0\n").unwrap();
        pair.wait_for_master("d1");
        // -254 and less is a fault.
        fs::write(&path, "-127\n").unwrap();
        pair.wait_for_master("d2");
        assert!(pair.directors[0].logged().to_uppercase().contains("FAULT"), "{kind:?}");
        drop(pair);
        keeper.end();
    }
}

/// Evenkeel alone: keepalived needs the kernel's process events, which this kernel does not have.
fn process(keeper: &Arc<Keeper>) {
    let name = "watchedproc";
    let program = keeper.folder().join(name);
    fs::copy("/usr/bin/sleep", &program).unwrap();
    let run = || keeper.keep_child(Command::new(&program).arg("1000").spawn().unwrap());
    let before =
        format!("vrrp_track_process web {{\nprocess {name}\nquorum 2\nweight -60\ndelay 0.2\n}}");
    let both = [run(), run()];
    let pair = start(keeper, Evenkeel, configs(&before, "track_process {\n    web\n}"));
    wait_for(Duration::from_secs(30), "priority 150", || priority(&pair) == Some(150));
    // Either way is told; the kernel of the lab has no process events, and a namespace would not hear of them.
    let log = pair.directors[0].logged();
    assert!(log.contains("processes are counted "), "{log}");
    {
        let mut one = both[0].lock().unwrap();
        one.kill().unwrap();
        one.wait().unwrap();
    }
    pair.wait_for_master("d2");
    run();
    pair.wait_for_master("d1");
}

fn start(keeper: &Arc<Keeper>, kind: Kind, configs: [String; 2]) -> Pair {
    Pair::start_with(keeper, [kind, Evenkeel], configs)
}

/// A director whose servers are gone, by a path that only it has, leaves the address to the one that can serve.
fn quorum(keeper: &Arc<Keeper>) {
    let more = "track_virtual_server {\n    10.0.0.100:80 weight -60\n}";
    let pair = Pair::start_with(keeper, [Evenkeel; 2], configs("", more));
    for server in ["10.0.0.11", "10.0.0.12"] {
        pair.d1().ip(&format!("route add unreachable {server}/32\n"));
    }
    pair.wait_for_master("d2");
    let status = pair.directors[0].command("status --json").unwrap();
    assert!(status.contains("has lost its quorum"), "{status}");
    for server in ["10.0.0.11", "10.0.0.12"] {
        pair.d1().ip(&format!("route del unreachable {server}/32\n"));
    }
    pair.wait_for_master("d1");
}

/// `interface_up_down_delays`: a flap is nothing, and what lasts counts.
fn flap(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).build(keeper);
    let d1 = net.host("d1");
    d1.ip("link add dummy0 type dummy\nlink set dummy0 up\n");
    let config = "interface_up_down_delays {\n    dummy0 2\n}\n".to_owned()
        + &instance(Pace::Tenth, 150, "track_interface {\n    dummy0\n}");
    let daemon = Daemon::start(Evenkeel, d1, &config);
    let holds = || crate::kernel_view::holds(d1, super::pair::VIP);
    wait_for(Duration::from_secs(10), "the VIP", holds);
    d1.ip("link set dummy0 down\n");
    std::thread::sleep(Duration::from_secs(1));
    d1.ip("link set dummy0 up\n");
    std::thread::sleep(Duration::from_secs(2));
    assert!(!daemon.logged().contains("FAULT"), "a flap of a second");
    d1.ip("link set dummy0 down\n");
    let waited = wait_for(Duration::from_secs(6), "no VIP", || !holds());
    assert!(waited > Duration::from_millis(1500), "{waited:?}");
    d1.ip("link set dummy0 up\n");
    wait_for(Duration::from_secs(5), "the VIP again", holds);
}
