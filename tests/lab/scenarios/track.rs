//! What an instance watches and whom it tells: scripts, its interface, priorities, notify scripts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::pair::{PRIORITIES, Pace, Pair, VIP, instance, service};
use crate::daemon::Daemon;
use crate::daemon::Kind::{self, Evenkeel, Keepalived};
use crate::host::{holds_within, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::Plan;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("track_script_weight_moves_the_vip", 60, script_with_weight),
    Scenario::together("track_script_without_weight_is_a_fault", 60, script_without_weight),
    Scenario::together("track_nopreempt_leaves_the_vip_where_it_is", 60, nopreempt),
    Scenario::together("track_unicast_peers_elect", 60, unicast),
    Scenario::together("track_ipv6_pair_elects", 60, ipv6),
    Scenario::together("track_dual_master_each_holds_its_own", 60, dual_master),
    Scenario::together("track_notify_scripts_as_keepalived", 120, notify),
];

fn configs(before: &str, more: &str) -> [String; 2] {
    PRIORITIES.map(|priority| {
        format!("{before}\n{}{}", instance(Pace::Tenth, priority, more), service(80, [1, 1]))
    })
}

/// The process that a script looks for goes, the first loses more priority than it is ahead, the VIP moves, and back.
fn script_with_weight(keeper: &Arc<Keeper>) {
    // A process under a name of its own, as `killall -0 nginx` is used.
    let name = format!("web{}", std::process::id() % 10_000);
    let program = keeper.folder().join(&name);
    fs::copy("/usr/bin/sleep", &program).unwrap();
    let before = format!(
        "global_defs {{\nscript_user root\n}}\nvrrp_script web {{\nscript \"/usr/bin/killall -0 {name}\"\n\
         interval 1\nweight -60\nfall 2\nrise 2\n}}"
    );
    let net_configs = configs(&before, "track_script {\n    web\n}");
    // Both directors see the same processes here; only the first one tracks.
    let second = configs("", "")[1].clone();
    let process = || keeper.keep_child(Command::new(&program).arg("1000").spawn().unwrap());
    let watched = process();
    let pair = Pair::start_with(keeper, [Evenkeel; 2], [net_configs[0].clone(), second]);
    {
        let mut watched = watched.lock().unwrap();
        watched.kill().unwrap();
        watched.wait().unwrap();
    }
    pair.wait_for_master("d2");
    process();
    pair.wait_for_master("d1");
}

fn script_without_weight(keeper: &Arc<Keeper>) {
    let mark = keeper.folder().join("sick");
    let before = format!(
        "global_defs {{\nscript_user root\n}}\nvrrp_script well {{\nscript \"/usr/bin/test ! -e {}\"\ninterval 1\n\
         fall 1\nrise 1\n}}",
        mark.display()
    );
    let first = configs(&before, "track_script {\n    well\n}")[0].clone();
    let pair = Pair::start_with(keeper, [Evenkeel; 2], [first, configs("", "")[1].clone()]);
    fs::write(&mark, "").unwrap();
    pair.wait_for_master("d2");
    let status = pair.directors[0].command("status").unwrap();
    assert!(status.to_uppercase().contains("FAULT"), "{status}");
    fs::remove_file(&mark).unwrap();
    pair.wait_for_master("d1");
}

fn nopreempt(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).clients(1).build(keeper);
    let (d1, d2) = (net.host("d1"), net.host("d2"));
    let configs = configs("", "nopreempt");
    // One after the other: whoever is first stays master, also at the start.
    let _first = Daemon::start(Evenkeel, d1, &configs[0]);
    wait_for(Duration::from_secs(10), "the VIP on d1", || kernel_view::holds(d1, VIP));
    let _second = Daemon::start(Evenkeel, d2, &configs[1]);
    thread::sleep(Duration::from_secs(2));
    net.cut("d1");
    let is_moved = || kernel_view::holds(d2, VIP) && !kernel_view::holds(d1, VIP);
    wait_for(Duration::from_secs(10), "the VIP on d2 alone", is_moved);
    net.mend("d1");
    for _ in 0..8 {
        thread::sleep(Duration::from_millis(500));
        assert!(is_moved(), "the higher priority alone takes nothing away");
    }
}

fn unicast(keeper: &Arc<Keeper>) {
    let words = |own: u8, peer: u8| {
        format!("unicast_src_ip 10.0.0.{own}\nunicast_peer {{\n    10.0.0.{peer}\n}}")
    };
    let configs = [configs("", &words(1, 2))[0].clone(), configs("", &words(2, 1))[1].clone()];
    for kinds in [[Evenkeel, Evenkeel], [Evenkeel, Keepalived], [Keepalived, Evenkeel]] {
        let pair = Pair::start_with(keeper, kinds, configs.clone());
        let multicast = pair.capture.adverts(super::pair::VRID);
        assert_eq!(multicast, [], "a third host hears nothing: {kinds:?}");
        pair.directors[0].stop();
        pair.wait_for_master("d2");
        drop(pair);
        keeper.end(); // the next pair takes the same names
    }
}

fn ipv6(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).clients(1).build(keeper);
    let (d1, d2) = (net.host("d1"), net.host("d2"));
    let config = |priority: u8| {
        format!(
            "vrrp_instance six {{\ninterface eth0\nvirtual_router_id 61\npriority {priority}\nversion 3\n\
             advert_int 0.1\nvirtual_ipaddress {{\n    fe80::100/64\n    fd00::100/128\n}}\n}}\n"
        )
    };
    let capture = crate::capture::Capture::start(net.host("c1"));
    for kinds in [[Evenkeel, Keepalived], [Keepalived, Evenkeel]] {
        let first = Daemon::start(kinds[0], d1, &config(150));
        let second = Daemon::start(kinds[1], d2, &config(100));
        let holder = |first: bool, second: bool| {
            kernel_view::holds(d1, "fd00::100") == first
                && kernel_view::holds(d2, "fd00::100") == second
        };
        wait_for(Duration::from_secs(10), "the address on d1 alone", || holder(true, false));
        thread::sleep(Duration::from_secs(1));
        assert!(holder(true, false), "{kinds:?}");
        first.stop();
        wait_for(Duration::from_secs(10), "the address on d2 alone", || holder(false, true));
        assert!(!capture.claims("fd00::100").is_empty(), "an unsolicited neighbour advertisement");
        second.stop();
        wait_for(Duration::from_secs(10), "no address", || holder(false, false));
    }
}

fn dual_master(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).clients(1).build(keeper);
    let (d1, d2) = (net.host("d1"), net.host("d2"));
    let config = |first: u8, second: u8| {
        let other = instance(Pace::Tenth, second, "")
            .replace("vrrp_instance web", "vrrp_instance web2")
            .replace("virtual_router_id 51", "virtual_router_id 52")
            .replace("10.0.0.100/32", "10.0.0.101/32");
        instance(Pace::Tenth, first, "") + &other
    };
    let first = Daemon::start(Evenkeel, d1, &config(150, 100));
    let _second = Daemon::start(Evenkeel, d2, &config(100, 150));
    let is_split = || {
        kernel_view::holds(d1, VIP)
            && kernel_view::holds(d2, "10.0.0.101")
            && !kernel_view::holds(d1, "10.0.0.101")
            && !kernel_view::holds(d2, VIP)
    };
    wait_for(Duration::from_secs(10), "each to be master of one", is_split);
    thread::sleep(Duration::from_secs(1));
    assert!(is_split());
    first.stop();
    wait_for(Duration::from_secs(5), "d2 to hold both", || {
        kernel_view::holds(d2, VIP) && kernel_view::holds(d2, "10.0.0.101")
    });
}

/// The same life under both daemons calls the same scripts with the same arguments in the same order.
fn notify(keeper: &Arc<Keeper>) {
    let theirs = notify_calls(keeper, Keepalived);
    keeper.figure(&format!("keepalived calls {theirs:?}"));
    assert!(theirs.len() >= 8, "{theirs:?}");
    let ours = notify_calls(keeper, Evenkeel);
    assert_eq!(sorted_pairs(&ours), sorted_pairs(&theirs), "(ours, theirs)");
}

/// keepalived starts the scripts of one transition side by side, so their order within it is chance.
fn sorted_pairs(calls: &[String]) -> Vec<Vec<String>> {
    let mut pairs: Vec<Vec<String>> = calls.chunks(2).map(<[String]>::to_vec).collect();
    pairs.iter_mut().for_each(|pair| pair.sort());
    pairs
}

fn notify_calls(keeper: &Arc<Keeper>, kind: Kind) -> Vec<String> {
    let net = Plan::new().directors(1).build(keeper);
    let d1 = net.host("d1");
    let calls = keeper.folder().join(format!("calls-{}", kind.name()));
    let script = keeper.folder().join(format!("tell-{}", kind.name()));
    fs::write(&script, format!("#!/bin/sh\necho \"$@\" >> {}\n", calls.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let tell = script.display();
    let more = format!(
        "notify {tell}\nnotify_master \"{tell} master\"\nnotify_backup \"{tell} backup\"\nnotify_fault \"{tell} fault\"\n\
         notify_stop \"{tell} stop\""
    );
    let config =
        "global_defs {\nscript_user root\n}\n".to_owned() + &instance(Pace::Tenth, 150, &more);
    let daemon = Daemon::start(kind, d1, &config);
    let said = || fs::read_to_string(&calls).unwrap_or_default();
    let count = |wanted: usize| {
        let came = holds_within(Duration::from_secs(10), Duration::from_millis(50), || {
            said().lines().count() >= wanted
        });
        assert!(came, "{wanted} calls of {}: {}", kind.name(), said());
        thread::sleep(Duration::from_millis(500));
    };
    count(4); // backup, master
    net.cut("d1");
    count(6); // fault
    net.mend("d1");
    count(10); // backup, master
    daemon.stop();
    count(12); // stop
    let calls = said().lines().map(str::to_owned).collect();
    keeper.end();
    calls
}
