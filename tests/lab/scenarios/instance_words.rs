//! Words of an instance that change what is on the wire or who is believed, each beside keepalived with the same file or
//! against a packet that tells with from without.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use super::pair::{PRIORITIES, Pace, VIP, VRID, instance};
use crate::capture::Capture;
use crate::daemon::Daemon;
use crate::daemon::Kind::{self, Evenkeel, Keepalived};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::tool::forger;
use crate::topology::Plan;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("instance_words_source_and_group_evenkeel_first", 120, |keeper| {
        source_and_group(keeper, [Evenkeel, Keepalived]);
    }),
    Scenario::together("instance_words_source_and_group_keepalived_first", 120, |keeper| {
        source_and_group(keeper, [Keepalived, Evenkeel]);
    }),
    Scenario::together("instance_words_announce_as_often_as_keepalived", 120, announcements),
    Scenario::together("instance_words_put_the_start_off_as_keepalived", 120, late_start),
    Scenario::together("instance_words_say_which_unicast_is_believed", 120, believed),
    Scenario::together("instance_words_tell_of_lesser_masters_and_removal", 120, told),
    Scenario::together("instance_words_scripts_that_hang_hold_nobody_up", 120, hanging),
];

const PATIENCE: Duration = Duration::from_secs(40);

/// Another instance beside the first, with the address 10.0.0.102.
pub(super) fn second_instance(name: &str, priority: u8, words: &str) -> String {
    instance(Pace::Tenth, priority, words)
        .replace("vrrp_instance web", &format!("vrrp_instance {name}"))
        .replace(&format!("virtual_router_id {VRID}"), "virtual_router_id 52")
        .replace(VIP, "10.0.0.102")
}

fn holds(host: &Host) -> bool {
    kernel_view::holds(host, VIP)
}

/// `mcast_src_ip`, `mcast_dst_ip`, `track_src_ip`: another source to another group, and a fault while it is not there.
fn source_and_group(keeper: &Arc<Keeper>, kinds: [Kind; 2]) {
    const SOURCES: [&str; 2] = ["10.0.0.21", "10.0.0.22"];
    let net = Plan::new().directors(2).clients(1).build(keeper);
    let hosts = ["d1", "d2"].map(|name| net.host(name));
    for at in [0, 1] {
        hosts[at].ip(&format!("addr add {}/24 dev eth0\n", SOURCES[at]));
    }
    let capture = Capture::of(net.host("c1"), "ip proto 112 and dst host 224.0.0.199");
    let _directors = [0, 1].map(|at| {
        let words = format!("mcast_src_ip {}\nmcast_dst_ip 224.0.0.199\ntrack_src_ip", SOURCES[at]);
        Daemon::start(kinds[at], hosts[at], &instance(Pace::Tenth, PRIORITIES[at], &words))
    });
    let only = |at: usize| holds(hosts[at]) && !holds(hosts[1 - at]);
    let speaks = |at: usize| {
        let before = capture.adverts(VRID).len();
        thread::sleep(Duration::from_secs(1));
        let heard: BTreeSet<IpAddr> =
            capture.adverts(VRID).split_off(before).into_iter().map(|it| it.source).collect();
        heard == BTreeSet::from([SOURCES[at].parse().unwrap()])
    };
    wait_for(PATIENCE, "the first, from its source to the group", || only(0) && speaks(0));
    if kinds[0] == Keepalived {
        // It goes on without a source that is not its interface's first address.
        return;
    }
    hosts[0].run(&format!("ip addr del {}/24 dev eth0", SOURCES[0]));
    wait_for(PATIENCE, "the second, while the first has no source", || only(1) && speaks(1));
    hosts[0].ip(&format!("addr add {}/24 dev eth0\n", SOURCES[0]));
    wait_for(PATIENCE, "the first again", || only(0) && speaks(0));
}

/// `garp_master_*`: how many claims, and in how many bursts.
fn announcements(keeper: &Arc<Keeper>) {
    const WATCHED: Duration = Duration::from_secs(7);
    let globally = "global_defs {\nvrrp_garp_master_delay 1\nvrrp_garp_master_repeat 4\n\
                    vrrp_garp_master_refresh 2\nvrrp_garp_master_refresh_repeat 3\n}\n";
    let own = "garp_master_delay 2\ngarp_master_repeat 2\ngarp_master_refresh 3\n\
               garp_master_refresh_repeat 1";
    for (words, before) in [("", ""), ("", globally), (own, globally)] {
        let bursts = [Keepalived, Evenkeel].map(|kind| {
            let net = Plan::new().directors(1).clients(1).build(keeper);
            let capture = Capture::start(net.host("c1"));
            let text = before.to_owned() + &instance(Pace::Tenth, 150, words);
            let daemon = Daemon::start(kind, net.host("d1"), &text);
            wait_for(PATIENCE, "a claim", || !capture.claims(VIP).is_empty());
            let begun = capture.claims(VIP)[0].at;
            thread::sleep(WATCHED + Duration::from_secs(1));
            let mut claims = capture.claims(VIP);
            // A burst that falls on the edge counts for neither.
            claims.retain(|packet| packet.at < begun + WATCHED - Duration::from_millis(500));
            daemon.stop();
            keeper.end();
            let mut bursts: Vec<usize> = Vec::new();
            let mut last: Option<Duration> = None;
            for packet in claims {
                match bursts.last_mut() {
                    Some(count) if last.is_some_and(|last| packet.at < last + GAP) => *count += 1,
                    _ => bursts.push(1),
                }
                last = Some(packet.at);
            }
            bursts
        });
        keeper.figure(&format!(
            "claims in a burst: keepalived {:?}, ours {:?}",
            bursts[0], bursts[1]
        ));
        assert_eq!(bursts[1], bursts[0], "{words} {before}");
    }
}

/// Within a burst.
const GAP: Duration = Duration::from_millis(500);

/// `vrrp_startup_delay`: nothing is said or held before.
fn late_start(keeper: &Arc<Keeper>) {
    const DELAY: Duration = Duration::from_secs(4);
    for kind in [Keepalived, Evenkeel] {
        let net = Plan::new().directors(1).clients(1).build(keeper);
        let capture = Capture::start(net.host("c1"));
        let text = format!("global_defs {{\nvrrp_startup_delay {}\n}}\n", DELAY.as_secs())
            + &instance(Pace::Tenth, 150, "");
        let begun = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let daemon = Daemon::start(kind, net.host("d1"), &text);
        wait_for(PATIENCE, "the VIP", || holds(net.host("d1")));
        let first = capture.adverts(VRID)[0].at;
        assert!(first >= begun + DELAY, "{kind:?} spoke after {:?}", first.saturating_sub(begun));
        daemon.stop();
        keeper.end();
    }
}

/// Sends a sound advertisement of the first instance with this priority.
fn advertise(host: &Host, priority: u8, target: &str, ttl: u8) {
    forger::advertise(host, VRID, priority, VIP, target, ttl);
}

/// `unicast_peer` with `min_ttl` and `max_ttl`, `check_unicast_src`: whoever is not believed changes nothing, whoever is
/// moves the router.
fn believed(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).clients(1).build(keeper);
    let [d1, d2] = ["d1", "d2"].map(|name| net.host(name));
    let stranger = net.host("c1");
    let peer = |limits: &str, words: &str| {
        let words = format!("unicast_peer {{\n{} {limits}\n}}\n{words}", d2.address);
        instance(Pace::Tenth, 150, &words)
    };
    let daemon = Daemon::start(Evenkeel, d1, &peer("min_ttl 255", "check_unicast_src"));
    wait_for(PATIENCE, "the VIP", || holds(d1));
    let left = || daemon.logged().matches("from=MASTER").count();
    let masters = || daemon.logged().matches("to=MASTER").count();
    let in_force = || daemon.logged().matches("configuration in force").count();
    let refused = || {
        let text = daemon.command("status --json").unwrap();
        let status: serde_json::Value = serde_json::from_str(&text).unwrap();
        let refused = &status["vrrp"]["instances"][0]["counters"]["refused"];
        ["source", "ttl"].map(|reason| refused[reason].as_u64().unwrap())
    };
    let at_d1 = d1.address.to_string();
    for (who, ttl) in [(stranger, 255), (d2, 254)] {
        for _ in 0..5 {
            advertise(who, 254, &at_d1, ttl);
        }
    }
    wait_for(PATIENCE, "them to be counted", || refused() == [5, 5]);
    thread::sleep(Duration::from_secs(1));
    assert_eq!(left(), 0, "neither is believed: {}", daemon.logged());
    advertise(d2, 254, &at_d1, 255);
    wait_for(PATIENCE, "the peer to be believed", || left() == 1);
    wait_for(PATIENCE, "the VIP again", || holds(d1) && masters() == 2);
    // Between two hop counts, both among them.
    daemon.reload(&peer("min_ttl 200 max_ttl 250", "check_unicast_src"));
    wait_for(PATIENCE, "the reload", || in_force() == 2);
    let ([_, before], so_far) = (refused(), left());
    for ttl in [255, 251, 199] {
        for _ in 0..3 {
            advertise(d2, 254, &at_d1, ttl);
        }
    }
    wait_for(PATIENCE, "them to be counted", || refused()[1] == before + 9);
    thread::sleep(Duration::from_secs(1));
    assert_eq!(left(), so_far, "none is believed: {}", daemon.logged());
    for (at, ttl) in [(1, 250), (2, 200)] {
        advertise(d2, 254, &at_d1, ttl);
        wait_for(PATIENCE, "the peer to be believed", || left() == so_far + at);
        wait_for(PATIENCE, "the VIP again", || masters() == so_far + at + 1);
    }
    // Without the word strangers are believed too, as in keepalived.
    daemon.reload(&peer("", ""));
    thread::sleep(Duration::from_secs(2));
    let before = left();
    wait_for(PATIENCE, "a stranger to be believed", || {
        advertise(stranger, 254, &at_d1, 64);
        thread::sleep(Duration::from_millis(300));
        left() > before
    });
}

/// `notify_master_rx_lower_pri` and `notify_deleted`: the same calls as keepalived's.
fn told(keeper: &Arc<Keeper>) {
    let calls = [Keepalived, Evenkeel].map(|kind| {
        let net = Plan::new().directors(1).clients(1).build(keeper);
        let (d1, client) = (net.host("d1"), net.host("c1"));
        let calls = keeper.folder().join(format!("told-{}", kind.name()));
        let script = keeper.folder().join(format!("hear-{}", kind.name()));
        fs::write(&script, format!("#!/bin/sh\necho \"$@\" >> {}\n", calls.display())).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let tell = script.display();
        let global = "global_defs {\nscript_user root\n}\n";
        let words = format!(
            "notify_master_rx_lower_pri \"{tell} lesser\"\nnotify_deleted \"{tell} deleted\""
        );
        let other = second_instance("stays", 150, "");
        let both = format!("{global}{other}{}", instance(Pace::Tenth, 150, &words));
        let daemon = Daemon::start(kind, d1, &both);
        wait_for(PATIENCE, "the VIP", || holds(d1));
        let said = || fs::read_to_string(&calls).unwrap_or_default();
        assert_eq!(said(), "");
        advertise(client, 50, "224.0.0.18", 255);
        wait_for(PATIENCE, "a word of the lesser master", || said() == "lesser\n");
        daemon.reload(&format!("{global}{other}"));
        wait_for(PATIENCE, "a word of the removal", || said().lines().count() == 2);
        wait_for(PATIENCE, "the address to go", || !holds(d1));
        assert!(kernel_view::holds(d1, "10.0.0.102"), "the other stays");
        daemon.stop();
        let all = said();
        keeper.end();
        all
    });
    assert_eq!(calls[1], calls[0]);
}

/// A notify script that does not end: the address moves there and back, and another instance's scripts run as ever.
fn hanging(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).clients(1).build(keeper);
    let [d1, d2] = ["d1", "d2"].map(|name| net.host(name));
    let calls = keeper.folder().join("calls");
    let script = keeper.folder().join("tell");
    fs::write(&script, format!("#!/bin/sh\necho \"$@\" >> {}\n", calls.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let tell = format!("notify \"{}\"", script.display());
    let hang = "notify_master \"/bin/sleep 7613\"\nnotify_backup \"/bin/sleep 7613\"";
    let both = |priority, slow: &str, quick: &str| {
        let global = "global_defs {\nscript_user root\n}\n";
        let slow = instance(Pace::Tenth, priority, slow);
        format!("{global}{slow}{}", second_instance("quick", priority, quick))
    };
    let mut first = Daemon::start(Evenkeel, d1, &both(150, "", ""));
    wait_for(PATIENCE, "the VIP", || holds(d1) && kernel_view::holds(d1, "10.0.0.102"));
    let second = Daemon::start(Evenkeel, d2, &both(100, hang, &tell));
    let said = || fs::read_to_string(&calls).unwrap_or_default();
    wait_for(PATIENCE, "the quick one's first word", || said().lines().count() == 1);
    for round in 1..=3 {
        first.stop();
        wait_for(PATIENCE, "the second", || holds(d2) && !holds(d1));
        first.start_again();
        wait_for(PATIENCE, "the first", || holds(d1) && !holds(d2));
        wait_for(PATIENCE, "the quick one's words", || said().lines().count() == 1 + 2 * round);
    }
    let words: Vec<String> = said()
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2).map(str::to_owned))
        .collect();
    assert_eq!(words, ["BACKUP", "MASTER", "BACKUP", "MASTER", "BACKUP", "MASTER", "BACKUP"]);
    let asleep = || d2.try_run("pgrep -f '^/bin/sleep 7613'").unwrap_or_default();
    let running = asleep();
    assert_eq!(running.lines().count(), 1, "one at a time for the instance that hangs: {running}");
    // proc(5): the policy is the forty-first field, 0 the ordinary one, whatever the worker's is.
    let stat = fs::read_to_string(format!("/proc/{}/stat", running.trim())).unwrap();
    let policy = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(38);
    assert_eq!(policy, Some("0"), "no script runs in real time: {stat}");
    // Who is in the middle of it may end it, as with keepalived: the unit's own limit is systemd's.
    second.stop();
    d2.run("pkill -f '^/bin/sleep 7613'");
}
