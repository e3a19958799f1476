//! Routes, rules and addresses that go with a router or stand for good: the same as keepalived makes of the same file,
//! put back when somebody takes them away, changed one by one at a reload, gone after a stop and no sooner after a crash.

use std::sync::Arc;
use std::time::Duration;

use crate::daemon::{Daemon, Kind};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::{Plan, Topology};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("routes_and_rules_are_those_that_keepalived_sets", 90, same),
    Scenario::together("routes_and_rules_come_and_go_with_the_master", 90, come_and_go),
];

const PATIENCE: Duration = Duration::from_secs(30);

const STANDING: &str = "static_ipaddress {
    10.0.0.50/32 dev eth0
}
static_routes {
    10.77.0.0/24 via 10.0.0.11 dev eth0
    blackhole 10.78.0.0/16
}
static_rules {
    from 10.0.0.50 table 77 priority 1077
}
";

const ROUTES: &str = "    10.88.0.0/16 via 10.0.0.11 dev eth0 src 10.0.0.100 metric 5 mtu 1400
    default via 10.0.0.12 dev eth0 table 88
    unreachable 10.99.0.0/16
    10.66.0.0/24 nexthop via 10.0.0.11 dev eth0 weight 2 nexthop via 10.0.0.12 dev eth0 weight 1
    src 10.0.0.100 to 10.55.0.0/24 dev eth0
    2001:db8:55::/48 via fd00::11 dev eth0 metric 7
";

const RULES: &str = "    from 10.0.0.100 table 88
    to 10.99.0.0/16 table 88 priority 500
    fwmark 0x10/0xff iif eth0 table 88 priority 501
    from 10.44.0.0/16 prohibit priority 502
";

fn config(routes: &str, rules: &str) -> String {
    format!(
        "{STANDING}vrrp_instance web {{
interface eth0
virtual_router_id 51
priority 150
version 3
advert_int 0.1
promote_secondaries
virtual_ipaddress {{
    10.0.0.100/32
}}
virtual_routes {{
{routes}}}
virtual_rules {{
{rules}}}
}}
"
    )
}

fn lone(keeper: &Arc<Keeper>) -> Topology {
    Plan::new().directors(1).build(keeper)
}

/// Every route and rule that VRRP put there, a line each.
fn paths(host: &Host) -> Vec<String> {
    let mut all = Vec::new();
    for list in ["ip -4 route show table all proto 18", "ip -6 route show table all proto 18"] {
        let text = host.run(list).replace("\n\t", " ");
        all.extend(text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    let rules = host.run("ip rule");
    let ours = |line: &&str| !["local", "main", "default"].iter().any(|it| line.ends_with(it));
    let plain = |line: &str| line.replace(" proto keepalived", "").replace(" proto 18", "");
    all.extend(rules.lines().map(str::trim).filter(ours).map(plain));
    all.sort();
    all
}

fn promotes(host: &Host) -> String {
    host.run("cat /proc/sys/net/ipv4/conf/eth0/promote_secondaries").trim().to_owned()
}

fn same(keeper: &Arc<Keeper>) {
    let net = lone(keeper);
    let d1 = net.host("d1");
    let empty = paths(d1);
    let found = [Kind::Keepalived, Kind::Evenkeel].map(|kind| {
        let daemon = Daemon::start(kind, d1, &config(ROUTES, RULES));
        wait_for(PATIENCE, "all routes and rules", || paths(d1).len() >= empty.len() + 13);
        let there = (paths(d1), kernel_view::holds(d1, "10.0.0.50"), promotes(d1));
        daemon.stop();
        wait_for(PATIENCE, "everything to go", || paths(d1) == empty);
        assert!(!kernel_view::holds(d1, "10.0.0.50"), "{}", kind.name());
        assert_eq!(promotes(d1), "0", "{}", kind.name());
        there
    });
    let [keepalived, evenkeel] = found;
    assert_eq!(evenkeel, keepalived);
}

fn come_and_go(keeper: &Arc<Keeper>) {
    let net = lone(keeper);
    let d1 = net.host("d1");
    let mut daemon = Daemon::start(Kind::Evenkeel, d1, &config(ROUTES, RULES));
    let has = |needle: &str| paths(d1).iter().any(|line| line.contains(needle));
    wait_for(PATIENCE, "the last rule", || has("502:") && has("1077:"));
    let all = paths(d1);

    // By hand: put back, one of a router and one that stands.
    d1.run("ip route del 10.88.0.0/16");
    d1.run("ip route del 10.77.0.0/24");
    d1.run("ip rule del priority 500");
    wait_for(PATIENCE, "what was taken away", || paths(d1) == all);
    wait_for(PATIENCE, "a word about it", || daemon.logged().contains("missing, put back"));

    // A crash leaves them, and the next process knows them for its own.
    daemon.kill_all();
    assert_eq!(paths(d1), all);
    daemon.start_again();
    wait_for(PATIENCE, "the next process", || daemon.command("status").is_ok());
    assert_eq!(paths(d1), all);
    let fewer =
        ROUTES.replace("    unreachable 10.99.0.0/16\n", "    10.98.0.0/16 dev eth0 no_track\n");
    daemon.reload(&config(&fewer, RULES));
    wait_for(PATIENCE, "the reload", || has("10.98.0.0/16") && !has("unreachable 10.99.0.0/16"));
    wait_for(PATIENCE, "the others", || paths(d1).len() == all.len());

    // Untracked: what is taken away stays away until the router is Master the next time.
    d1.run("ip route del 10.98.0.0/16");
    d1.run("ip route del 10.88.0.0/16");
    wait_for(PATIENCE, "the tracked one", || has("10.88.0.0/16"));
    assert!(!has("10.98.0.0/16"), "no_track");

    net.cut("d1");
    wait_for(PATIENCE, "a fault without routes", || !has("10.88.0.0/16") && !has("502:"));
    net.mend("d1");
    wait_for(PATIENCE, "both again", || has("10.88.0.0/16") && has("10.98.0.0/16"));
    wait_for(PATIENCE, "what stands for good", || has("10.77.0.0/24") && has("1077:"));
    daemon.stop();
    assert!(!has("proto"), "{:?}", paths(d1));
}
