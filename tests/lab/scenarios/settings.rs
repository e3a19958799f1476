//! Keywords that set something in the kernel, put off the start or say more: each seen from outside.

use std::sync::Arc;
use std::time::Duration;

use crate::daemon::{Daemon, Kind};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::Plan;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("settings_socket_buffer_and_igmp_reports", 60, buffer_and_igmp),
    Scenario::together("settings_stranger_is_told_of_once", 60, stranger),
    Scenario::together("settings_start_waits_until_so_long_after_boot", 60, after_boot),
    Scenario::together("settings_garp_group_shares_its_pause", 60, shared_pause),
];

const PATIENCE: Duration = Duration::from_secs(30);

fn instance(vrid: u8, interface: &str, addresses: &[String]) -> String {
    format!(
        "vrrp_instance v{vrid} {{\ninterface {interface}\nvirtual_router_id {vrid}\npriority 150\n\
         version 3\nadvert_int 0.1\nvirtual_ipaddress {{\n{}\n}}\n}}\n",
        addresses.join("\n")
    )
}

fn one(vrid: u8, address: &str) -> String {
    instance(vrid, "eth0", &[address.to_owned()])
}

/// `rb` of the raw sockets of protocol 112: what the kernel allows for, which is twice what was asked for (socket(7)).
fn raw_buffers(host: &Host) -> Vec<u64> {
    let told = host.run("ss -H -w -a -n -m -O");
    let lines = told.lines().filter(|line| line.contains(":112") || line.contains(":vrrp"));
    let buffer = |line: &str| line.split(",rb").nth(1)?.split(',').next()?.parse().ok();
    lines.filter_map(buffer).collect()
}

fn buffer_and_igmp(keeper: &Arc<Keeper>) {
    const BYTES: u64 = 77_777;
    let reports = |host: &Host| {
        host.run("sysctl -n net.ipv4.igmp_link_local_mcast_reports").trim().to_owned()
    };
    let net = Plan::new().directors(1).build(keeper);
    let d1 = net.host("d1");
    assert_eq!(reports(d1), "1", "the kernel's own");
    let text = one(51, "10.0.0.100");
    let asked = text.replace("priority 150", &format!("priority 150\nkernel_rx_buf_size {BYTES}"));
    let daemon = Daemon::start(
        Kind::Evenkeel,
        d1,
        &format!("global_defs {{\ndisable_local_igmp\n}}\n{asked}"),
    );
    wait_for(PATIENCE, "the VIP", || kernel_view::holds(d1, "10.0.0.100"));
    let buffers = raw_buffers(d1);
    assert!(buffers.contains(&(2 * BYTES)), "{buffers:?}");
    assert_eq!(reports(d1), "0", "while it is wanted");
    daemon.reload(&text);
    wait_for(PATIENCE, "reports again", || reports(d1) == "1");
    daemon.stop();
}

/// Another router of the same network advertises what is not configured here.
fn stranger(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).build(keeper);
    let words = "global_defs {\nlog_unknown_vrids\n}\n";
    let ours =
        Daemon::start(Kind::Evenkeel, net.host("d1"), &(words.to_owned() + &one(51, "10.0.0.100")));
    let quiet = "10.0.0.2 advertises virtual router ";
    let theirs = one(98, "10.0.0.98") + &one(99, "10.0.0.99");
    let _theirs = Daemon::start(Kind::Evenkeel, net.host("d2"), &theirs);
    wait_for(PATIENCE, "a word about both", || ours.logged().matches(quiet).count() >= 2);
    // Ten more advertisements of each are no news.
    std::thread::sleep(Duration::from_secs(1));
    let log = ours.logged();
    for vrid in ["98", "99"] {
        let told = log.lines().filter(|line| line.contains(quiet) && line.contains(vrid));
        assert_eq!(told.count(), 1, "{vrid}: {log}");
    }
}

/// A director that is started before the kernel is so old takes no part until it is.
fn after_boot(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).build(keeper);
    let d1 = net.host("d1");
    let uptime = || -> f64 {
        let text = std::fs::read_to_string("/proc/uptime").unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    };
    let until = uptime().ceil() + 12.0;
    let words = format!("global_defs {{\nvrrp_delay_after_boot {until}\n}}\n");
    let daemon = Daemon::start(Kind::Evenkeel, d1, &(words + &one(51, "10.0.0.100")));
    wait_for(PATIENCE, "a director that runs", || daemon.logged().contains("ready"));
    let started = uptime();
    assert!(started < until, "it took {started} s to start: this shows nothing");
    wait_for(Duration::from_secs(45), "the VIP", || kernel_view::holds(d1, "10.0.0.100"));
    let now = uptime();
    keeper.figure(&format!("ready at {started} s, the VIP at {now} s, asked for {until} s"));
    assert!(now >= until, "{now} s, asked for {until} s");
}

/// Two interfaces in one group: what both announce leaves one after the other, the pause between.
fn shared_pause(keeper: &Arc<Keeper>) {
    const PAUSE: f64 = 0.3;
    let net = Plan::new().directors(1).build(keeper);
    let d1 = net.host("d1");
    d1.ip("link add eth9 type dummy\naddr add 10.9.0.1/24 dev eth9\nlink set eth9 up");
    let log = keeper.log("claims");
    let words = "tcpdump -i any -n -tt -l -Z root arp";
    let _capture = d1.spawn(&words.split(' ').map(str::to_owned).collect::<Vec<_>>(), &log);
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    wait_for(PATIENCE, "tcpdump to listen", || said().contains("listening on"));

    let addresses =
        |net: u8| (100..104).map(|last| format!("10.{net}.0.{last}")).collect::<Vec<_>>();
    let group =
        format!("garp_group {{\ngarp_interval {PAUSE}\ninterfaces {{\neth0\neth9\n}}\n}}\n");
    let quiet = "global_defs {\nvrrp_garp_master_repeat 1\nvrrp_garp_master_delay 0\n}\n";
    let instances = instance(51, "eth0", &addresses(0)) + &instance(52, "eth9", &addresses(9));
    let _daemon = Daemon::start(Kind::Evenkeel, d1, &format!("{quiet}{group}{instances}"));
    // 1700000000.123456 eth0  Out ARP, Request who-has 10.0.0.100 (ff:ff:ff:ff:ff:ff) tell 10.0.0.100, length 28
    let claims = || {
        let claim = |line: &str| {
            let address = line.split("who-has ").nth(1)?.split(' ').next()?.to_owned();
            let is_claim = line.contains(&format!("tell {address},"));
            let at: f64 = line.split(' ').next()?.parse().ok()?;
            is_claim.then_some((at, address))
        };
        said().lines().filter_map(claim).collect::<Vec<_>>()
    };
    wait_for(PATIENCE, "every address to be claimed", || claims().len() >= 8);
    let claims = claims();
    let mut seen: Vec<&str> = claims.iter().map(|(_, address)| address.as_str()).collect();
    let pauses: Vec<f64> = claims.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    keeper.figure(&format!("pauses between claims on two interfaces: {pauses:.3?}"));
    // The kernel notes when a packet passes the capture, which may be later for one than for the next.
    assert!(pauses.iter().all(|pause| *pause > PAUSE * 0.8), "{claims:?}");
    seen.sort_unstable();
    assert_eq!(seen, [addresses(0), addresses(9)].concat());
}
