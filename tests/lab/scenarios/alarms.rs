//! Each alarm about a pair stands in four places while its cause lasts: in the log, among the events, in the metrics and in
//! `status`; and is over everywhere when the cause is gone.

use std::sync::Arc;
use std::time::Duration;

use crate::daemon::{Daemon, Kind};
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::tool::forger;
use crate::topology::Plan;

pub(super) const SCENARIOS: &[Scenario] =
    &[Scenario::together("alarms_stand_in_log_events_metrics_and_status", 150, everywhere)];

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
    for (alarm, subject) in odds.chain([lost]) {
        let json = || {
            if alarm == "duplicate_owner" {
                // keepalived steps back at once; one that does not goes on for as long as it is looked for.
                forger::advertise(third, 69, 255, "10.0.0.169", "224.0.0.18", 255);
            }
            daemon.command("status --json").unwrap_or_default()
        };
        let in_status = || {
            let status: serde_json::Value = serde_json::from_str(&json()).unwrap_or_default();
            let alarms = status["vrrp"]["alarms"].as_array().cloned().unwrap_or_default();
            alarms.iter().any(|it| {
                it["alarm"] == alarm
                    && it["subject"].as_str().is_some_and(|it| it.contains(&subject))
            })
        };
        wait_for(PATIENCE, &format!("{alarm} of {subject} in status"), in_status);
        let metrics = || {
            drop(json());
            d1.try_run("curl -s http://127.0.0.1:9650/metrics").unwrap_or_default()
        };
        let of = |text: &str, words: &[&str]| {
            text.lines()
                .any(|line| line.contains(&subject) && words.iter().all(|word| line.contains(word)))
        };
        wait_for(PATIENCE, &format!("{alarm} of {subject} in the metrics"), || {
            let label = format!("alarm=\"{alarm}\"");
            of(&metrics(), &["evenkeel_vrrp_alarm{", &label, " 1"])
        });
        assert!(of(&daemon.logged(), &["ALARM", alarm]), "{}", daemon.logged());
        let events = daemon.command("events").unwrap_or_else(|error| panic!("{error}"));
        assert!(of(&events, &[&format!("alarm_{alarm}")]), "{alarm} of {subject}\n{events}");
    }
    // A pair that agrees on all of it.
    other.stop();
    let agreed =
        |priority| config(|odd| (priority, odd.ours.1, "")).replace("\nv3_checksum_as_v2", "");
    daemon.reload(&agreed(120));
    let _other = Daemon::start(Kind::Keepalived, d2, &agreed(90));
    wait_for(PATIENCE, "every alarm to be over", || {
        let text = daemon.command("status --json").unwrap_or_default();
        let status: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        status["vrrp"]["alarms"].as_array().is_some_and(Vec::is_empty)
    });
    let events = daemon.command("events").unwrap_or_else(|error| panic!("{error}"));
    for odd in ODDS {
        assert!(events.contains(&format!("{} is over", odd.alarm)), "{}\n{events}", odd.alarm);
    }
}
