//! The same file gives the same table: keepalived and then evenkeel run a configuration on the same director, and what
//! ipvsadm and ip say is compared line by line: at rest, with a failed server, with it back, after the stop.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::daemon::{Daemon, Kind};
use crate::host::{holds_within, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view::View;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::tool::responder::Mode;
use crate::topology::{Forwarding, Plan, Topology};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("table_direct_routing_as_keepalived", 120, |keeper| {
        compare(keeper, &DIRECT)
    }),
    Scenario::together("table_sorry_server_as_keepalived", 120, |keeper| compare(keeper, &SORRY)),
    Scenario::together("table_inhibit_on_failure_as_keepalived", 120, |keeper| {
        compare(keeper, &INHIBIT)
    }),
    Scenario::together("table_quorum_as_keepalived", 120, |keeper| compare(keeper, &QUORUM)),
    Scenario::together("table_nat_as_keepalived", 120, |keeper| compare(keeper, &NAT)),
    Scenario::together("table_tunnel_as_keepalived", 120, |keeper| compare(keeper, &TUNNEL)),
    Scenario::together("table_fwmark_and_udp_as_keepalived", 120, |keeper| {
        compare(keeper, &FWMARK)
    }),
    Scenario::together("table_ipv6_as_keepalived", 120, |keeper| compare(keeper, &IPV6)),
    Scenario::together("table_check_scripts_as_keepalived", 120, |keeper| compare(keeper, &SCRIPT)),
];

/// Where the servers listen; 81 and 8080 because both daemons correct a port that DR cannot translate.
const PORTS: &[&str] = &["0.0.0.0:80", "[::]:80", "0.0.0.0:81", "0.0.0.0:8080"];

/// One configuration, and how its first server fails.
pub(super) struct Case {
    pub(super) config: &'static str,
    pub(super) forwarding: Forwarding,
    /// Where the servers listen.
    pub(super) ports: &'static [&'static str],
    /// Addresses that the hosts have besides their own.
    pub(super) addresses: &'static [(&'static str, &'static str)],
    /// An address that is there once the director is master.
    pub(super) vip: Option<&'static str>,
    pub(super) fault: fn(&Setting, bool),
}

pub(super) const DIRECT: Case = Case {
    config: include_str!("../tables/direct.conf"),
    forwarding: Forwarding::Direct,
    ports: PORTS,
    addresses: &[],
    vip: Some("10.0.0.100"),
    fault: Setting::refuse,
};
const SORRY: Case = Case { config: include_str!("../tables/sorry.conf"), ..DIRECT };
const INHIBIT: Case = Case { config: include_str!("../tables/inhibit.conf"), ..DIRECT };
const QUORUM: Case = Case { config: include_str!("../tables/quorum.conf"), ..DIRECT };
const NAT: Case = Case {
    config: include_str!("../tables/nat.conf"),
    forwarding: Forwarding::Nat,
    fault: Setting::answer_503,
    ..DIRECT
};
const TUNNEL: Case = Case {
    config: include_str!("../tables/tunnel.conf"),
    forwarding: Forwarding::Tunnel,
    ..DIRECT
};
const FWMARK: Case = Case { config: include_str!("../tables/fwmark.conf"), vip: None, ..DIRECT };
const IPV6: Case =
    Case { config: include_str!("../tables/ipv6.conf"), vip: Some("fd00::100"), ..DIRECT };
const SCRIPT: Case =
    Case { config: include_str!("../tables/script.conf"), fault: Setting::fail_script, ..DIRECT };

/// A director and its servers.
pub(super) struct Setting {
    net: Topology,
    servers: Vec<Responder>,
    keeper: Arc<Keeper>,
}

impl Setting {
    fn refuse(&self, is_broken: bool) {
        self.servers[0].switch(if is_broken { Mode::Refuse } else { Mode::Fine });
    }

    fn answer_503(&self, is_broken: bool) {
        self.servers[0].switch(if is_broken { Mode::Status(503) } else { Mode::Fine });
    }

    /// The first server's script asks for another weight, the second one's fails.
    fn fail_script(&self, is_broken: bool) {
        let folder = self.keeper.folder();
        fs::write(folder.join("code"), if is_broken { "5" } else { "0" }).unwrap();
        let mark = folder.join("broken");
        let _ = if is_broken { fs::write(mark, "") } else { fs::remove_file(mark) };
    }
}

/// What the kernel showed at each stage.
struct Stages {
    at_rest: View,
    failed: View,
    back: View,
    stopped: View,
}

pub(super) fn compare(keeper: &Arc<Keeper>, case: &Case) {
    let plan = Plan::new().directors(1).servers(3, case.forwarding);
    let net = plan.build(keeper);
    for (host, address) in case.addresses {
        net.host(host).run(&format!("ip addr add {address} dev eth0"));
    }
    let listen = |name| Responder::listening(net.host(name), case.ports);
    let servers = ["r1", "r2", "r3"].map(listen).into();
    let setting = Setting { net, servers, keeper: Arc::clone(keeper) };
    (case.fault)(&setting, false);
    let bare = View::of(setting.net.host("d1"));

    let theirs = stages(&setting, case, Kind::Keepalived);
    assert_eq!(theirs.stopped, bare, "keepalived leaves nothing");
    assert_ne!(theirs.at_rest, theirs.failed, "the failure shows in the table");
    let ours = stages(&setting, case, Kind::Evenkeel);
    assert_eq!(ours.at_rest, theirs.at_rest, "at rest (ours, theirs)");
    assert_eq!(ours.failed, theirs.failed, "with a failed server (ours, theirs)");
    assert_eq!(ours.back, theirs.back, "with the server back (ours, theirs)");
    assert_eq!(ours.stopped, theirs.stopped, "after the stop (ours, theirs)");
}

fn stages(setting: &Setting, case: &Case, kind: Kind) -> Stages {
    let d1 = setting.net.host("d1");
    let config =
        hasten(case.config).replace("{folder}", &setting.keeper.folder().display().to_string());
    let daemon = Daemon::start(kind, d1, &config);
    wait_for(Duration::from_secs(10), &format!("{} to be up", kind.name()), || {
        let view = View::of(d1);
        let has_vip = |vip: &str| view.addresses.iter().any(|line| line.contains(vip));
        !view.rules.is_empty() && case.vip.is_none_or(has_vip)
    });
    let at_rest = settled(setting);
    (case.fault)(setting, true);
    wait_for(Duration::from_secs(15), "the failure to show", || View::of(d1) != at_rest);
    let failed = settled(setting);
    (case.fault)(setting, false);
    wait_for(Duration::from_secs(15), "the recovery to show", || View::of(d1) != failed);
    let back = settled(setting);
    daemon.stop();
    Stages { at_rest, failed, back, stopped: View::of(d1) }
}

/// The same with checks every second and one retry after a second.
fn hasten(config: &str) -> String {
    let quick = |line: &str| {
        let word = line.split_whitespace().next().unwrap_or("");
        let is_pace = ["delay_loop", "retry", "delay_before_retry"].contains(&word);
        if is_pace { format!("{word} 1\n") } else { format!("{line}\n") }
    };
    config.lines().map(quick).collect()
}

/// The view once it has been the same for three seconds: longer than a check's interval and its retry.
fn settled(setting: &Setting) -> View {
    let d1 = setting.net.host("d1");
    let mut last = View::of(d1);
    let mut same = 0;
    let is_settled = holds_within(Duration::from_secs(20), Duration::ZERO, || {
        thread::sleep(Duration::from_millis(500));
        let now = View::of(d1);
        same = if now == last { same + 1 } else { 0 };
        last = now;
        same == 6
    });
    assert!(is_settled, "the table does not come to rest");
    last
}
