//! keepalived and evenkeel elect rightly in every form of the protocol that both speak, in both roles: what is not in
//! `interop`, which has version 2 with a password and version 3 over IPv4.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::capture::{Capture, Saying};
use crate::daemon::Daemon;
use crate::daemon::Kind::{self, Evenkeel, Keepalived};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::{Plan, Topology};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("interop_every_form_evenkeel_over_keepalived", 90, |keeper| {
        every_form(keeper, [Evenkeel, Keepalived]);
    }),
    Scenario::together("interop_every_form_keepalived_over_evenkeel", 90, |keeper| {
        every_form(keeper, [Keepalived, Evenkeel]);
    }),
    Scenario::together("interop_sync_group_moves_as_one", 90, sync_group),
    Scenario::together("interop_nopreempt_and_a_priority_changed_by_script", 90, preemption),
];

/// Number, words of the instance on the first and second director, its addresses, the one to look for.
type Form = (u8, [&'static str; 2], &'static str, &'static str);

const SEALED: &str = "version 2\nauthentication {\n    auth_type AH\n    auth_pass s3cret\n}";

const FORMS: &[Form] = &[
    (1, ["version 2"; 2], "10.0.0.101", "10.0.0.101"),
    (
        2,
        [
            "version 2\nunicast_src_ip 10.0.0.1\nunicast_peer {\n    10.0.0.2\n}",
            "version 2\nunicast_src_ip 10.0.0.2\nunicast_peer {\n    10.0.0.1\n}",
        ],
        "10.0.0.102",
        "10.0.0.102",
    ),
    // keepalived 2.2 has no `v3_checksum_as_v2`: what it sends, and takes, has the pseudo-header.
    (3, ["version 3\nadvert_int 0.2"; 2], "10.0.0.103", "10.0.0.103"),
    (4, ["version 3\nadvert_int 0.2"; 2], "fe80::104/64\n    fd00::104", "fd00::104"),
    (
        5,
        [
            "version 3\nadvert_int 0.2\nunicast_src_ip 10.0.0.1\nunicast_peer {\n    10.0.0.2\n}",
            "version 3\nadvert_int 0.2\nunicast_src_ip 10.0.0.2\nunicast_peer {\n    10.0.0.1\n}",
        ],
        "10.0.0.105",
        "10.0.0.105",
    ),
    (
        6,
        [
            "version 3\nadvert_int 0.2\nunicast_src_ip fd00::1\nunicast_peer {\n    fd00::2\n}",
            "version 3\nadvert_int 0.2\nunicast_src_ip fd00::2\nunicast_peer {\n    fd00::1\n}",
        ],
        "fe80::106/64\n    fd00::106",
        "fd00::106",
    ),
    (7, [SEALED; 2], "10.0.0.107", "10.0.0.107"),
    (
        8,
        [
            "version 2\nauthentication {\n    auth_type AH\n    auth_pass s3cret\n}\n\
             unicast_src_ip 10.0.0.1\nunicast_peer {\n    10.0.0.2\n}",
            "version 2\nauthentication {\n    auth_type AH\n    auth_pass s3cret\n}\n\
             unicast_src_ip 10.0.0.2\nunicast_peer {\n    10.0.0.1\n}",
        ],
        "10.0.0.108",
        "10.0.0.108",
    ),
];

fn instance(number: u8, priority: u8, words: &str, addresses: &str) -> String {
    format!(
        "vrrp_instance v{number} {{\nstate BACKUP\ninterface eth0\nvirtual_router_id {number}\n\
         priority {priority}\n{words}\nvirtual_ipaddress {{\n    {addresses}\n}}\n}}\n"
    )
}

/// One pair of daemons with a router of every form: the first holds all, stops, loses all, returns and takes all.
fn every_form(keeper: &Arc<Keeper>, kinds: [Kind; 2]) {
    let net = Plan::new().directors(2).clients(1).build(keeper);
    let config = |at: usize, priority: u8| -> String {
        let one = |form: &Form| instance(form.0, priority, form.1[at], form.2);
        FORMS.iter().map(one).collect()
    };
    let (d1, d2) = (net.host("d1"), net.host("d2"));
    let mut first = Daemon::start(kinds[0], d1, &config(0, 150));
    let second = Daemon::start(kinds[1], d2, &config(1, 100));
    all_on(d1, d2, "after the election");
    thread::sleep(Duration::from_secs(2));
    all_on(d1, d2, "and still");
    first.stop();
    all_on(d2, d1, "after the stop");
    first.start_again();
    all_on(d1, d2, "after the return");
    for daemon in [&first, &second] {
        let log = daemon.logged().to_lowercase();
        for word in ["invalid", "mismatch", "refused advertisement", "dropped", "checksum form"] {
            assert!(!log.contains(word), "{} complains: {word}", daemon.kind.name());
        }
    }
}

fn all_on(host: &Host, other: &Host, when: &str) {
    wait_for(Duration::from_secs(20), &format!("every address on {host} alone {when}"), || {
        let held =
            |address| kernel_view::holds(host, address) && !kernel_view::holds(other, address);
        FORMS.iter().all(|form| held(form.3))
    });
}

fn pair(net: &Topology, kinds: [Kind; 2], configs: [String; 2]) -> [Daemon; 2] {
    let [first, second] = configs;
    [
        Daemon::start(kinds[0], net.host("d1"), &first),
        Daemon::start(kinds[1], net.host("d2"), &second),
    ]
}

/// A fault of one member moves both, under either daemon.
fn sync_group(keeper: &Arc<Keeper>) {
    for kinds in [[Evenkeel, Keepalived], [Keepalived, Evenkeel]] {
        let net = Plan::new().directors(2).build(keeper);
        let (d1, d2) = (net.host("d1"), net.host("d2"));
        for host in [d1, d2] {
            host.ip("link add dummy0 type dummy\nlink set dummy0 up\n");
        }
        let config = |priority: u8, more: &str| {
            let words = format!("version 3\nadvert_int 0.2\n{more}");
            "vrrp_sync_group G {\ngroup {\n    v1\n    v2\n}\n}\n".to_owned()
                + &instance(1, priority, &words, "10.0.0.101")
                + &instance(2, priority, "version 3\nadvert_int 0.2", "10.0.0.102")
        };
        let tracked = "track_interface {\n    dummy0\n}";
        let daemons = pair(&net, kinds, [config(150, tracked), config(100, "")]);
        let both = |host: &Host, other: &Host| {
            ["10.0.0.101", "10.0.0.102"].iter().all(|address| {
                kernel_view::holds(host, address) && !kernel_view::holds(other, address)
            })
        };
        wait_for(Duration::from_secs(10), "both on d1", || both(d1, d2));
        d1.ip("link set dummy0 down\n");
        wait_for(Duration::from_secs(10), "both on d2", || both(d2, d1));
        d1.ip("link set dummy0 up\n");
        wait_for(Duration::from_secs(10), "both on d1 again", || both(d1, d2));
        drop(daemons);
        keeper.end();
    }
}

/// With nopreempt a returning router of higher priority waits; a script that fails lowers a priority, and that moves the
/// addresses where preemption is on.
fn preemption(keeper: &Arc<Keeper>) {
    for kinds in [[Evenkeel, Keepalived], [Keepalived, Evenkeel]] {
        let net = Plan::new().directors(2).clients(1).build(keeper);
        let (d1, d2) = (net.host("d1"), net.host("d2"));
        let sick = keeper.folder().join(format!("sick-{}", kinds[0].name()));
        let script = format!(
            "global_defs {{\nscript_user root\n}}\nvrrp_script well {{\nscript \"/usr/bin/test ! -e {}\"\n\
             interval 1\nweight -60\n}}\n",
            sick.display()
        );
        let fast = "version 3\nadvert_int 0.2";
        let config = |priority: u8, tracks: &str| {
            instance(1, priority, &format!("{fast}\nnopreempt"), "10.0.0.101")
                + &instance(2, priority, &format!("{fast}\n{tracks}"), "10.0.0.102")
        };
        let capture = Capture::start(net.host("c1"));
        let tracks = "track_script {\n    well\n}";
        let mut daemons = pair(&net, kinds, [script + &config(150, tracks), config(100, "")]);
        let on = |host: &Host, other: &Host, address: &str| {
            kernel_view::holds(host, address) && !kernel_view::holds(other, address)
        };
        let wait = |what: &str, question: &dyn Fn() -> bool| {
            wait_for(Duration::from_secs(10), &format!("{what} {kinds:?}"), question);
        };
        wait("the second on d1", &|| on(d1, d2, "10.0.0.102"));
        fs::write(&sick, "").unwrap();
        wait("the second on d2", &|| on(d2, d1, "10.0.0.102"));
        let lowered = capture.adverts(2).into_iter().any(|packet| {
            matches!(packet.saying, Saying::Advert { priority: 90, .. })
                && packet.source == std::net::IpAddr::V4(d1.address)
        });
        assert!(lowered || kinds[0] == Keepalived, "it said so first");
        fs::remove_file(&sick).unwrap();
        wait("the second on d1 again", &|| on(d1, d2, "10.0.0.102"));
        daemons[0].stop();
        wait("the first on d2", &|| on(d2, d1, "10.0.0.101"));
        daemons[0].start_again();
        wait("the second taken back", &|| on(d1, d2, "10.0.0.102"));
        thread::sleep(Duration::from_secs(2));
        assert!(on(d2, d1, "10.0.0.101"), "the first is left where it is: {kinds:?}");
        drop(daemons);
        keeper.end();
    }
}
