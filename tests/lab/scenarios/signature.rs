//! Signed advertisements (`auth_hmac`) between two directors: heard with the key, over both families and versions, multicast
//! and unicast; told as a mismatch without it; a key is changed and a network moved to signatures while it serves.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::pair::{PRIORITIES, VIP};
use crate::daemon::{Daemon, Kind::Evenkeel};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::{Plan, Topology};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("signature_every_form_has_one_master", 120, every_form),
    Scenario::together("signature_of_another_key_is_an_alarm", 120, mismatch),
    Scenario::together("signature_and_key_come_without_a_transition", 120, moved),
];

const PATIENCE: Duration = Duration::from_secs(40);
const KEY: &str = "hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const OTHER: &str = "a_phrase_of_more_than_thirty_two_bytes";

fn signed(words: &str) -> String {
    format!("auth_hmac {{\nkey 1 {KEY}\nactive_key 1\n{words}\n}}\n")
}

fn instance(vrid: u8, priority: u8, words: &str, addresses: &str) -> String {
    format!(
        "vrrp_instance v{vrid} {{\ninterface eth0\nvirtual_router_id {vrid}\npriority {priority}\n{words}\n\
         virtual_ipaddress {{\n{addresses}\n}}\n}}\n"
    )
}

/// One instance, version 3 at 100 ms.
fn one(priority: u8, words: &str) -> String {
    instance(51, priority, &format!("version 3\nadvert_int 0.1\n{words}"), VIP)
}

fn status(daemon: &Daemon) -> Value {
    let json = daemon.command("status --json").unwrap_or_default();
    serde_json::from_str::<Value>(&json).unwrap_or_default()["vrrp"].clone()
}

fn holds(net: &Topology, addresses: &[&str]) -> [Vec<bool>; 2] {
    ["d1", "d2"].map(|name| {
        addresses.iter().map(|address| kernel_view::holds(net.host(name), address)).collect()
    })
}

/// Refused advertisements of all instances, by reason.
fn refused(daemon: &Daemon, reason: &str) -> u64 {
    let status = status(daemon);
    let instances = status["instances"].as_array().cloned().unwrap_or_default();
    instances.iter().filter_map(|it| it["counters"]["refused"][reason].as_u64()).sum()
}

fn every_form(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).build(keeper);
    let text = |priority: u8, peer: u8| {
        let sign = signed("");
        let unicast = format!("unicast_peer {{\n10.0.0.{peer}\n}}\n");
        instance(51, priority, &format!("version 3\nadvert_int 0.2\n{sign}"), "10.0.0.101")
            + &instance(
                52,
                priority,
                &format!("version 3\nadvert_int 0.2\n{sign}"),
                "fe80::102/64\nfd00::102",
            )
            + &instance(
                53,
                priority,
                &format!("version 3\nadvert_int 0.2\n{unicast}{sign}"),
                "10.0.0.103",
            )
            + &instance(54, priority, &format!("version 2\nadvert_int 1\n{sign}"), "10.0.0.104")
            + &instance(
                55,
                priority,
                &format!("version 3\nadvert_int 0.2\nv3_checksum_as_v2\n{sign}"),
                "10.0.0.105",
            )
    };
    let start = |at: usize, name: &str, peer| {
        Daemon::start(Evenkeel, net.host(name), &text(PRIORITIES[at], peer))
    };
    let directors = [start(0, "d1", 2), start(1, "d2", 1)];
    let all = ["10.0.0.101", "fd00::102", "10.0.0.103", "10.0.0.104", "10.0.0.105"];
    let wanted = [vec![true; all.len()], vec![false; all.len()]];
    wait_for(PATIENCE, "the first director to hold all, the second none", || {
        holds(&net, &all) == wanted
    });
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(holds(&net, &all), wanted, "and it stays so");
    for director in &directors {
        for reason in ["auth_data", "stale", "checksum", "length", "replay"] {
            assert_eq!(refused(director, reason), 0, "{reason}");
        }
    }
    directors[0].stop();
    wait_for(PATIENCE, "the second director to hold all", || {
        holds(&net, &all) == [vec![false; all.len()], vec![true; all.len()]]
    });
}

/// Who has the alarm, as `status` shows it.
fn has_alarm(daemon: &Daemon) -> bool {
    let status = status(daemon);
    let alarms = status["alarms"].as_array().cloned().unwrap_or_default();
    alarms.iter().any(|alarm| alarm["alarm"] == "authentication_mismatch")
}

fn mismatch(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).build(keeper);
    let ours = Daemon::start(Evenkeel, net.host("d1"), &one(150, &signed("")));
    wait_for(PATIENCE, "the VIP", || kernel_view::holds(net.host("d1"), VIP));
    // The better one has another key: both are Master, and both say why.
    let other = one(200, &signed("")).replace(KEY, OTHER);
    let theirs = Daemon::start(Evenkeel, net.host("d2"), &other);
    wait_for(PATIENCE, "the alarm on both", || has_alarm(&ours) && has_alarm(&theirs));
    assert!(refused(&ours, "auth_data") > 0);
    assert!(
        kernel_view::holds(net.host("d1"), VIP),
        "what is not signed with our key moves nothing"
    );
    let told = ours.command("status").unwrap();
    assert!(told.contains("ALARM authentication_mismatch"), "{told}");
    // Without a signature it is no better.
    theirs.reload(&one(200, ""));
    let before = refused(&ours, "auth_data");
    wait_for(PATIENCE, "more that is refused", || refused(&ours, "auth_data") > before + 5);
    assert!(refused(&theirs, "length") > 0, "who knows no signature finds ours too long");
    theirs.reload(&one(200, &signed("")));
    wait_for(PATIENCE, "one master", || holds(&net, &[VIP]) == [[false], [true]]);
}

/// As the manual says: receive-only on both, permissive on both, enforce on both; then the second key. Nothing moves.
fn moved(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).build(keeper);
    let start =
        |at: usize, name: &str| Daemon::start(Evenkeel, net.host(name), &one(PRIORITIES[at], ""));
    let directors = [start(0, "d1"), start(1, "d2")];
    wait_for(PATIENCE, "one master", || holds(&net, &[VIP]) == [[true], [false]]);
    let both =
        |active: u8| format!("auth_hmac {{\nkey 1 {KEY}\nkey 2 {OTHER}\nactive_key {active}\n}}\n");
    let steps = [
        signed("mode receive-only"),
        signed("mode permissive"),
        signed("mode enforce\ntime_window 20"),
        both(1),
        both(2),
    ];
    let begun = |host: &Host| host.run("date +%s.%N");
    let at = begun(net.host("d1"));
    for step in &steps {
        for (director, priority) in directors.iter().zip(PRIORITIES) {
            let seen = director.logged().matches("configuration in force").count();
            director.reload(&one(priority, step));
            wait_for(PATIENCE, "the reload", || {
                director.logged().matches("configuration in force").count() > seen
            });
            // Between the two reloads, and after them, each hears the other.
            std::thread::sleep(Duration::from_millis(700));
            assert_eq!(holds(&net, &[VIP]), [[true], [false]], "since {at}: {step}");
        }
    }
    for director in &directors {
        let log = director.logged();
        assert!(log.matches("to=MASTER").count() <= 1, "{log}");
        assert_eq!(refused(director, "auth_data"), 0, "{log}");
    }
}
