//! Each alarm about a pair stands in four places while its cause lasts: in the log, among the events, in the metrics and in
//! `status`; and is over everywhere when the cause is gone.

use std::sync::Arc;
use std::time::Duration;

use super::pair::{Pace, director};
use crate::daemon::{Daemon, Kind};
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::tool::forger;
use crate::topology::{Forwarding, Plan};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("alarms_stand_in_log_events_metrics_and_status", 150, everywhere),
    Scenario::together("alarms_tell_of_a_peer_that_sees_other_servers_up", 150, other_verdicts),
];

const PATIENCE: Duration = Duration::from_secs(45);

/// One virtual router at odds with keepalived's: the alarm, our priority and words, theirs.
struct Odd {
    alarm: &'static str,
    ours: (u8, &'static str),
    theirs: (u8, &'static str),
    /// Theirs has its address elsewhere: a whole line of `virtual_ipaddress` instead of the address.
    their_address: &'static str,
}

const V3: &str = "version 3\nadvert_int 0.2";

const ODDS: &[Odd] = &[
    // Its advertisements go to somebody else: both are masters, and hear nothing of each other.
    Odd {
        alarm: "two_masters",
        ours: (150, V3),
        theirs: (100, "version 3\nadvert_int 0.2\nunicast_peer {\n10.0.0.77\n}"),
        their_address: "",
    },
    Odd {
        alarm: "nobody_holds",
        ours: (100, V3),
        theirs: (150, V3),
        their_address: "10.0.0.162/32 dev lo",
    },
    Odd { alarm: "same_priority", ours: (100, V3), theirs: (100, V3), their_address: "" },
    Odd {
        alarm: "vrid_clash",
        // keepalived says nothing while it hears another version more often than it would speak.
        ours: (100, "version 3\nadvert_int 3"),
        theirs: (150, "version 2\nadvert_int 1"),
        their_address: "",
    },
    Odd {
        alarm: "interval_mismatch",
        ours: (100, V3),
        theirs: (150, "version 3\nadvert_int 0.3"),
        their_address: "",
    },
    Odd {
        alarm: "address_list_mismatch",
        ours: (100, V3),
        theirs: (150, V3),
        their_address: "10.0.0.199/32",
    },
    Odd {
        alarm: "checksum_form_mismatch",
        ours: (100, "version 3\nadvert_int 0.2\nv3_checksum_as_v2"),
        theirs: (150, V3),
        their_address: "",
    },
    Odd {
        alarm: "authentication_mismatch",
        ours: (100, "version 2\nadvert_int 3\nauthentication {\nauth_type PASS\nauth_pass ours\n}"),
        theirs: (
            150,
            "version 2\nadvert_int 1\nauthentication {\nauth_type PASS\nauth_pass theirs\n}",
        ),
        their_address: "",
    },
    Odd {
        alarm: "duplicate_owner",
        ours: (255, "state MASTER\nversion 3\nadvert_int 0.2"),
        theirs: (255, "state MASTER\nversion 3\nadvert_int 0.2"),
        their_address: "",
    },
];

/// Instances `odd61`, `odd62` ... with the addresses 10.0.0.161, 10.0.0.162 ...
fn config(side: impl Fn(&Odd) -> (u8, &'static str, &'static str)) -> String {
    let instance = |(at, odd): (usize, &Odd)| {
        let vrid = 61 + at;
        let (priority, words, address) = side(odd);
        let own = format!("10.0.0.{}/32", 100 + vrid);
        let address = if address.is_empty() { &own } else { address };
        format!(
            "vrrp_instance odd{vrid} {{\ninterface eth0\nvirtual_router_id {vrid}\npriority {priority}\n\
             {words}\nvirtual_ipaddress {{\n{address}\n}}\n}}\n"
        )
    };
    ODDS.iter().enumerate().map(instance).collect()
}

fn line_of(text: &str, words: &[&str]) -> bool {
    text.lines().any(|line| words.iter().all(|word| line.contains(word)))
}

fn status(daemon: &Daemon) -> serde_json::Value {
    let text = daemon.command("status --json").unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn is_at_peace(daemon: &Daemon) -> bool {
    status(daemon)["vrrp"]["alarms"].as_array().is_some_and(Vec::is_empty)
}

/// Looks for an alarm in all four places; `provoke` is done before each look.
fn stands(daemon: &Daemon, alarm: &str, subject: &str, provoke: impl Fn()) {
    let what = format!("{alarm} of {subject}");
    wait_for(PATIENCE, &format!("{what} in status"), || {
        provoke();
        let status = status(daemon);
        let alarms = status["vrrp"]["alarms"].as_array();
        alarms.into_iter().flatten().any(|it| {
            it["alarm"] == alarm && it["subject"].as_str().is_some_and(|it| it.contains(subject))
        })
    });
    wait_for(PATIENCE, &format!("{what} in the metrics"), || {
        provoke();
        let page = daemon.host.try_run("curl -s http://127.0.0.1:9650/metrics").unwrap_or_default();
        line_of(&page, &["evenkeel_vrrp_alarm{", &format!("alarm=\"{alarm}\""), subject, " 1"])
    });
    assert!(line_of(&daemon.logged(), &["ALARM", alarm, subject]), "{what}\n{}", daemon.logged());
    let events = daemon.command("events").unwrap_or_else(|error| panic!("{error}"));
    assert!(line_of(&events, &[&format!("alarm_{alarm}"), subject]), "{what}\n{events}");
}

/// One director's way to a real server is blocked: both say so, and what it is about.
fn other_verdicts(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).servers(2, Forwarding::Direct).build(keeper);
    let _servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let text = |peer: u8, priority| {
        format!(
            "web {{\nlisten 127.0.0.1:9650\n}}\nheartbeat {{\npeer 10.0.0.{peer}\nkey \"a key that both have\"\n}}\n{}",
            director(Pace::Tenth, priority)
        )
    };
    let d2 = net.host("d2");
    let daemons = [
        Daemon::start(Kind::Evenkeel, net.host("d1"), &text(2, 150)),
        Daemon::start(Kind::Evenkeel, d2, &text(1, 100)),
    ];
    let differences = |daemon: &Daemon| {
        let peer = &status(daemon)["vrrp"]["peer"];
        if peer["heard"] == true {
            peer["differences"].to_string()
        } else {
            "none heard".to_owned()
        }
    };
    wait_for(PATIENCE, "a pair that agrees", || {
        daemons.iter().all(|it| differences(it) == "[]" && is_at_peace(it))
    });
    d2.run("iptables-legacy -A INPUT -p tcp -s 10.0.0.11 -j DROP");
    for (daemon, peer) in daemons.iter().zip(["10.0.0.2", "10.0.0.1"]) {
        wait_for(PATIENCE, "the difference", || {
            differences(daemon).contains("other real servers up")
        });
        stands(daemon, "peer_differs", peer, || {});
    }
    d2.run("iptables-legacy -D INPUT -p tcp -s 10.0.0.11 -j DROP");
    wait_for(PATIENCE, "a pair that agrees again", || {
        daemons.iter().all(|it| differences(it) == "[]" && is_at_peace(it))
    });
}

fn everywhere(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).clients(1).build(keeper);
    let third = net.host("c1");
    let [d1, d2] = ["d1", "d2"].map(|name| net.host(name));
    d2.sysctl(&["net.ipv4.conf.all.arp_ignore=1"]);
    let theirs = config(|odd| (odd.theirs.0, odd.theirs.1, odd.their_address));
    let other = Daemon::start(Kind::Keepalived, d2, &theirs);
    wait_for(PATIENCE, "keepalived as master of all", || {
        ["161", "163", "164", "199", "169"]
            .iter()
            .all(|last| kernel_view::holds(d2, &format!("10.0.0.{last}")))
    });
    let ours = "web {\nlisten 127.0.0.1:9650\n}\nheartbeat {\npeer 10.0.0.2\nkey \"a key of ours alone\"\n}\n"
        .to_owned()
        + &config(|odd| (odd.ours.0, odd.ours.1, ""));
    let daemon = Daemon::start(Kind::Evenkeel, d1, &ours);

    let odds = ODDS.iter().enumerate().map(|(at, odd)| (odd.alarm, format!("odd{}", 61 + at)));
    let lost = ("heartbeat_lost", "10.0.0.2".to_owned());
    // As keepalived, which steps back once it has heard us: one word as an owner is enough.
    let is_owner = || kernel_view::holds(d1, "10.0.0.169");
    wait_for(PATIENCE, "our own owner", is_owner);
    for priority in [255, 254] {
        forger::advertise(third, 69, priority, "10.0.0.169", "224.0.0.18", 255);
    }
    wait_for(PATIENCE, "an owner for a moment only", || {
        line_of(&daemon.logged(), &["ALARM", "duplicate_owner", "odd69"])
    });
    for (alarm, subject) in odds.chain([lost]) {
        stands(&daemon, alarm, &subject, || {
            if alarm == "duplicate_owner" {
                // One that does not step back, for as long as it is looked for.
                forger::advertise(third, 69, 255, "10.0.0.169", "224.0.0.18", 255);
            }
        });
    }
    // A pair that agrees on all of it.
    other.stop();
    let agreed =
        |priority| config(|odd| (priority, odd.ours.1, "")).replace("\nv3_checksum_as_v2", "");
    daemon.reload(&agreed(120));
    let _other = Daemon::start(Kind::Keepalived, d2, &agreed(90));
    wait_for(PATIENCE, "every alarm to be over", || is_at_peace(&daemon));
    let events = daemon.command("events").unwrap_or_else(|error| panic!("{error}"));
    for odd in ODDS {
        assert!(events.contains(&format!("{} is over", odd.alarm)), "{}\n{events}", odd.alarm);
    }
}
