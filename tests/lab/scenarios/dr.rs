//! Direct routing proven by the path that production takes, and who on the link answers for a VIP; each mistake made on
//! purpose.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use super::checks::resident_kib;
use crate::daemon::Kind::Evenkeel;
use crate::daemon::{Daemon, evenkeel};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::tool::responder::Mode;
use crate::topology::{Forwarding, Plan};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("dr_check_tells_apart_what_is_wrong", 120, |k| check(k, &V4)),
    Scenario::together("dr_check_tells_apart_what_is_wrong_over_ipv6", 120, |k| check(k, &V6)),
    Scenario::together("dr_page_is_asked_for_by_the_path_of_production", 120, |k| page(k, &V4)),
    Scenario::together("dr_page_is_asked_for_by_the_path_of_production_over_ipv6", 120, |k| {
        page(k, &V6);
    }),
    Scenario::together("dr_doctor_names_who_should_be_silent", 60, doctor),
];

/// The same in both families.
struct Family {
    vip: &'static str,
    vip_prefix: &'static str,
    service: &'static str,
    real: [&'static str; 2],
    /// The answer that tells the link apart.
    protocol: &'static str,
}

const V4: Family = Family {
    vip: "10.0.0.100",
    vip_prefix: "10.0.0.100/32",
    service: "-t 10.0.0.100:80",
    real: ["10.0.0.11", "10.0.0.12"],
    protocol: "ARP",
};

const V6: Family = Family {
    vip: "fd00::100",
    vip_prefix: "fd00::100/128",
    service: "-t [fd00::100]:80",
    real: ["fd00::b", "fd00::c"],
    protocol: "neighbour discovery",
};

impl Family {
    /// `more` stands in each `DR_CHECK`.
    fn config(&self, more: &str) -> String {
        let server = |real: &str| {
            format!(
                "real_server {real} 80 {{\n DR_CHECK {{\n  connect_timeout 2\n  retry 0\n{more} }}\n}}\n"
            )
        };
        let (first, second) = (server(self.real[0]), server(self.real[1]));
        format!(
            "virtual_server {} 80 {{\ndelay_loop 1\nwarmup 0\nlb_kind DR\nprotocol TCP\n{first}{second}}}\n",
            self.vip
        )
    }
}

/// While the director itself holds the VIP, as a master does, and while it does not.
fn check(keeper: &Arc<Keeper>, family: &Family) {
    let plan = Plan::new().directors(1).servers(2, Forwarding::Direct).vips(&[family.vip]);
    let net = plan.build(keeper);
    let (d1, r1) = (net.host("d1"), net.host("r1"));
    let servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let vip = family.vip_prefix;
    d1.ip(&format!("addr add {vip} dev eth0{}\n", nodad(family)));
    let daemon = Daemon::start(Evenkeel, d1, &family.config(""));
    let stands = |count: usize| kernel_view::weights(d1, family.service).len() == count;
    let passed = || status(&daemon).matches("DR_CHECK UP").count() == 2 && probed(&daemon) > 4;
    wait_for(Duration::from_secs(15), "both to pass while the director holds the VIP", passed);
    assert!(stands(2));
    let fails = |why: &str| {
        wait_for(Duration::from_secs(10), why, || stands(1) && status(&daemon).contains(why));
    };
    let recovers = || wait_for(Duration::from_secs(10), "its recovery", || stands(2));

    servers[0].switch(Mode::Refuse);
    fails(&format!("service down: {} resets the connection", family.vip));
    servers[0].switch(Mode::Fine);
    recovers();

    r1.ip(&format!("addr del {vip} dev lo\n"));
    fails(&format!("VIP not configured on the real server: no answer for {}", family.vip));
    r1.ip(&format!("addr add {vip} dev lo{}\n", nodad(family)));
    recovers();

    net.blackhole("r1");
    fails(&format!(
        "no answer by this path: nobody answers {} for {}",
        family.protocol, family.real[0]
    ));
    net.restore("r1");
    recovers();

    d1.ip(&format!("addr del {vip} dev eth0\n"));
    let before = probed(&daemon);
    wait_for(Duration::from_secs(10), "probes of a director without the VIP", || {
        probed(&daemon) > before + 4
    });
    assert!(stands(2), "without the VIP it is the same");
    // Nothing that was opened stays open.
    let open = r1.run("ss -Htan state established state syn-recv sport = :80");
    assert_eq!(open.trim(), "", "what was opened was taken back");
    daemon.stop();
}

/// A page over the same path: the status counts, whatever else is wrong is named.
fn page(keeper: &Arc<Keeper>, family: &Family) {
    let plan = Plan::new().directors(1).servers(2, Forwarding::Direct).vips(&[family.vip]);
    let net = plan.build(keeper);
    let (d1, r1) = (net.host("d1"), net.host("r1"));
    let servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let vip = family.vip_prefix;
    d1.ip(&format!("addr add {vip} dev eth0{}\n", nodad(family)));
    let url = "url {\n path /health\n status_code 200\n }\n";
    let daemon = Daemon::start(Evenkeel, d1, &family.config(url));
    let stands = |count: usize| kernel_view::weights(d1, family.service).len() == count;
    let passed = || status(&daemon).matches("DR_CHECK UP").count() == 2 && probed(&daemon) > 4;
    wait_for(Duration::from_secs(30), "both to pass while the director holds the VIP", passed);
    for (mode, why) in [
        (Mode::Status(503), "503"),
        (Mode::Garbage, "not HTTP"),
        (Mode::Silent, "no answer"),
        (Mode::Drip, "answer unfinished within 2s"),
        (Mode::Close, "closed after 0 bytes"),
        (Mode::Refuse, "service down"),
    ] {
        servers[0].switch(mode);
        wait_for(Duration::from_secs(30), why, || stands(1) && status(&daemon).contains(why));
        servers[0].switch(Mode::Fine);
        wait_for(Duration::from_secs(30), "its recovery", || stands(2));
    }
    // What never ends is not read to its end: the first line decides.
    let worker = daemon.worker("lvs").unwrap();
    let memory = resident_kib(worker);
    servers[0].switch(Mode::Endless);
    let before = probed(&daemon);
    wait_for(Duration::from_secs(30), "probes of what never ends", || probed(&daemon) > before + 8);
    assert!(stands(2), "its status is good");
    assert!(resident_kib(worker) < memory + 2 * 1024, "memory does not grow");
    servers[0].switch(Mode::Fine);
    d1.ip(&format!("addr del {vip} dev eth0\n"));
    let before = probed(&daemon);
    wait_for(Duration::from_secs(30), "probes of a director without the VIP", || {
        probed(&daemon) > before + 4
    });
    assert!(stands(2), "without the VIP it is the same");
    daemon.stop();
    // The reset of the last one may be on its way.
    wait_for(Duration::from_secs(10), "nothing to stay open", || {
        r1.run("ss -Htan state established sport = :80").trim().is_empty()
    });
}

fn nodad(family: &Family) -> &'static str {
    if family.vip.contains(':') { " nodad" } else { "" }
}

fn status(daemon: &Daemon) -> String {
    daemon.command("status").unwrap_or_default()
}

/// Probes so far, of all checks.
fn probed(daemon: &Daemon) -> u64 {
    let json = daemon.command("status --json").unwrap_or_default();
    let count = |text: &str| text.split(&[',', '}', '\n'][..]).next()?.trim().parse::<u64>().ok();
    json.match_indices("\"probes\":").filter_map(|(at, key)| count(&json[at + key.len()..])).sum()
}

/// A forgotten arp_ignore, and a VIP on the wrong interface under IPv6.
fn doctor(keeper: &Arc<Keeper>) {
    let vips = [V4.vip, V6.vip];
    let net = Plan::new().directors(2).servers(2, Forwarding::Direct).vips(&vips).build(keeper);
    let (d1, d2, r1) = (net.host("d1"), net.host("d2"), net.host("r1"));
    let file = keeper.folder().join("doctor.conf");
    fs::write(&file, V4.config("") + &V6.config("")).unwrap();
    let line = format!("{} doctor dr {} --wait 600ms", evenkeel(), file.display());
    let ask = |host: &Host| host.try_run(&line);

    let said = ask(d1).expect("all are silent");
    assert_eq!(said.matches("nobody answers; 2 real servers are silent").count(), 2, "{said}");

    r1.sysctl(&["net.ipv4.conf.all.arp_ignore=0"]);
    let mac = r1.run("cat /sys/class/net/eth0/address");
    let mac = mac.trim();
    let said = ask(d1).expect_err("r1 answers for the VIP");
    assert!(said.contains("exit status: 1"), "{said}");
    let named = format!("{mac} should be silent: it is real server {}", V4.real[0]);
    assert!(said.contains(&named) && said.contains("arp_ignore=1"), "{said}");
    assert_eq!(said.matches("should be silent").count(), 1, "{said}");
    r1.sysctl(&["net.ipv4.conf.all.arp_ignore=1"]);

    r1.ip(&format!("addr add {} dev eth0 nodad\n", V6.vip_prefix));
    let said = ask(d1).expect_err("r1 answers for the IPv6 VIP");
    let named = format!("{mac} should be silent: it is real server {}", V6.real[0]);
    assert!(said.contains(&named) && said.contains("on lo"), "{said}");
    r1.ip(&format!("addr del {} dev eth0\n", V6.vip_prefix));

    // The other director may answer: it is the master. Unless we are.
    d2.ip(&format!("addr add {} dev eth0\n", V4.vip_prefix));
    let said = ask(d1).expect("a master is no mistake");
    assert!(said.contains("the director that holds the address"), "{said}");
    d1.ip(&format!("addr add {} dev eth0\n", V4.vip_prefix));
    let said = ask(d1).expect_err("two directors hold the VIP");
    assert!(said.contains("one director at a time"), "{said}");
}
