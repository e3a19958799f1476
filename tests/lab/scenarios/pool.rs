//! What decides on a row besides the verdict: operators, ramps, minima, our own interfaces, the VIP's place; and what goes
//! with the table: connection synchronisation.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::pair::{PRIORITIES, Pace, Pair, SERVICE, VIP, director, instance, service};
use crate::daemon::Daemon;
use crate::daemon::Kind::{self, Evenkeel, Keepalived, Observer};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::tool::responder::Mode;
use crate::topology::{Forwarding, Plan, Topology};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("pool_sync_daemon_follows_the_instance", 90, sync_daemon),
    Scenario::together("pool_checks_rest_where_the_address_is_not", 60, suspended),
    Scenario::together("pool_verdicts_hold_while_our_own_link_is_down", 60, own_link),
    Scenario::together("pool_first_state_is_notified_as_keepalived_does", 60, first_state),
    Scenario::together("pool_observer_beside_keepalived_writes_nothing", 60, observer),
    Scenario::together("pool_slow_start_and_min_in_pool", 60, ramp_and_minimum),
];

const WITHIN: Duration = Duration::from_secs(30);

/// The lvs part of the status.
fn lvs(daemon: &Daemon) -> Value {
    let json = daemon.command("status --json").unwrap();
    serde_json::from_str::<Value>(&json).unwrap()["lvs"].clone()
}

/// The checks of the first virtual server's real servers.
fn checks(daemon: &Daemon) -> Vec<Value> {
    let lvs = lvs(daemon);
    let servers = lvs["virtual_servers"][0]["real_servers"].as_array().unwrap();
    servers.iter().map(|server| server["checks"][0].clone()).collect()
}

/// A director alone in front of web servers.
fn alone(keeper: &Arc<Keeper>, servers: usize) -> (Topology, Vec<Responder>) {
    let net = Plan::new().directors(1).servers(servers, Forwarding::Direct).build(keeper);
    let start = |at: usize| Responder::start(net.host(&format!("r{at}")));
    let servers = (1..=servers).map(start).collect();
    (net, servers)
}

/// Master sends, backup takes in; a failover turns both; connections of one are known to the other.
fn sync_daemon(keeper: &Arc<Keeper>) {
    let sync = "global_defs {
    lvs_sync_daemon eth0 web maxlen 1400 port 8849 ttl 3 group 224.0.0.90
}
";
    let configs = PRIORITIES.map(|priority| sync.to_owned() + &director(Pace::Tenth, priority));
    let pair = Pair::start_with(keeper, [Evenkeel; 2], configs);
    let runs = |host: &Host, role: &str| {
        let daemons = host.run("ipvsadm -L --daemon");
        let of_role = |role: &str| daemons.contains(&format!("{role} sync daemon"));
        let other = if role == "master" { "backup" } else { "master" };
        // The id is that of the instance, where none is given.
        of_role(role) && !of_role(other) && daemons.contains("mcast=eth0, syncid=51")
    };
    wait_for(WITHIN, "a sync daemon of each role", || {
        runs(pair.d1(), "master") && runs(pair.d2(), "backup")
    });
    let client = pair.load();
    thread::sleep(Duration::from_secs(1));
    assert_eq!(client.stop().failed(), 0);
    let known = |host: &Host| host.run("ipvsadm -Lnc").lines().count().saturating_sub(2);
    wait_for(WITHIN, "d1's connections on d2", || known(pair.d2()) > 0);
    keeper.figure(&format!("d1 has {} connections, d2 {}", known(pair.d1()), known(pair.d2())));
    let told = lvs(&pair.directors[0])["sync_daemon"].clone();
    assert_eq!(told["running"][0], "master on eth0, id 51", "{told}");
    assert_eq!((&told["missing"], &told["repairs"]), (&serde_json::json!([]), &0.into()), "{told}");
    pair.d1().run("ipvsadm --stop-daemon master");
    wait_for(Duration::from_secs(30), "the stopped daemon to run again", || {
        runs(pair.d1(), "master") && lvs(&pair.directors[0])["sync_daemon"]["repairs"] == 1
    });

    pair.directors[0].stop();
    wait_for(WITHIN, "d2 to send", || runs(pair.d2(), "master"));
    assert_eq!(pair.d1().run("ipvsadm -L --daemon").trim(), "", "a stop ends ours");
}

/// `ha_suspend`: the backup asks nothing until it has the address.
fn suspended(keeper: &Arc<Keeper>) {
    let config = |priority| {
        director(Pace::Tenth, priority).replace("delay_loop 1", "delay_loop 1\nha_suspend")
    };
    let pair = Pair::start_with(keeper, [Evenkeel; 2], PRIORITIES.map(config));
    let [first, second] = &pair.directors;
    let resting = |daemon| checks(daemon).iter().all(|check| check["suspended"] == true);
    wait_for(WITHIN, "the backup's checks to rest", || resting(second));
    assert!(!resting(first));
    let asked =
        |daemon| checks(daemon).iter().map(|check| check["probes"].as_u64().unwrap()).sum::<u64>();
    let before = [asked(first), asked(second)];
    thread::sleep(Duration::from_millis(2500));
    let after = [asked(first), asked(second)];
    assert!(after[0] > before[0], "{before:?} {after:?}");
    assert_eq!(after[1], before[1]);
    assert_eq!(kernel_view::weights(pair.d2(), SERVICE).len(), 2, "its table stays whole");

    first.stop();
    pair.wait_for_master("d2");
    wait_for(WITHIN, "the new master to check", || !resting(second) && asked(second) > after[1]);
    pair.servers[0].switch(Mode::Refuse);
    wait_for(WITHIN, "the failed server to go", || {
        kernel_view::weights(pair.d2(), SERVICE).len() == 1
    });
}

/// A director that is cut off knows nothing of its real servers: it says so, and has its table whole when it is back.
fn own_link(keeper: &Arc<Keeper>) {
    let pair = Pair::start(keeper, [Evenkeel; 2], Pace::Tenth);
    let full = kernel_view::rules(pair.d1());
    for cut in [Duration::from_millis(1500), Duration::from_secs(6)] {
        pair.net.cut("d1");
        pair.wait_for_master("d2");
        thread::sleep(cut);
        assert_eq!(kernel_view::rules(pair.d1()), full, "cut for {cut:?}");
        let lvs = lvs(&pair.directors[0]);
        assert_eq!(lvs["interfaces_down"][0], "eth0", "{lvs}");
        let held = checks(&pair.directors[0]);
        let is_held = |check: &Value| check["unasked"] == true && check["up"] == true;
        assert!(cut < Duration::from_secs(2) || held.iter().all(is_held), "{held:?}");
        pair.net.mend("d1");
        pair.wait_for_master("d1");
        assert_eq!(kernel_view::rules(pair.d1()), full, "back after {cut:?}");
    }
    assert!(!pair.directors[0].logged().contains("is DOWN"));

    // It still tells a server that has failed; and one that fails while we are cut off is found when we are back.
    pair.net.cut("d1");
    pair.wait_for_master("d2");
    pair.servers[0].switch(Mode::Refuse);
    thread::sleep(Duration::from_secs(2));
    assert_eq!(kernel_view::rules(pair.d1()), full);
    pair.net.mend("d1");
    wait_for(WITHIN, "the failed server to go", || {
        kernel_view::weights(pair.d1(), SERVICE).len() == 1
    });
}

/// `rs_init_notifies`: the same calls under both, and none without it but for what changes.
fn first_state(keeper: &Arc<Keeper>) {
    let (net, servers) = alone(keeper, 2);
    let d1 = net.host("d1");
    let calls = |kind: Kind, global: &str| {
        let log = keeper.folder().join("calls");
        let _ = std::fs::remove_file(&log);
        let script = keeper.folder().join("note");
        let text = format!("#!/bin/sh\necho $1 >> {}\n", log.display());
        std::fs::write(&script, text).unwrap();
        d1.run(&format!("chmod 755 {}", script.display()));
        let notify = |at: usize| {
            let path = script.display();
            format!("weight {at}\nnotify_up \"{path} up{at}\"\nnotify_down \"{path} down{at}\"")
        };
        let config =
            service(80, [1, 2]).replace("weight 1", &notify(1)).replace("weight 2", &notify(2));
        let config = format!("global_defs {{\nscript_user root\n{global}\n}}\n{config}");
        servers[0].switch(Mode::Fine);
        let daemon = Daemon::start(kind, d1, &config);
        wait_for(WITHIN, "the table", || kernel_view::weights(d1, SERVICE).len() == 2);
        thread::sleep(Duration::from_millis(2500));
        servers[0].switch(Mode::Refuse);
        wait_for(WITHIN, "the failure", || kernel_view::weights(d1, SERVICE).len() == 1);
        thread::sleep(Duration::from_millis(500));
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        daemon.stop();
        let mut calls: Vec<String> = text.lines().map(str::to_owned).collect();
        calls.sort();
        calls
    };
    for (global, wanted) in [("rs_init_notifies", &["down1", "up1", "up2"][..]), ("", &["down1"])] {
        let both = [Keepalived, Evenkeel].map(|kind| calls(kind, global));
        assert_eq!(both[1], both[0], "{global}");
        assert_eq!(both[1], wanted, "{global}");
    }
}

/// Beside keepalived with the same file there is nothing to tell; with another, what it would do otherwise.
fn observer(keeper: &Arc<Keeper>) {
    let (net, servers) = alone(keeper, 2);
    let d1 = net.host("d1");
    let config = |weights| instance(Pace::Second, 150, "") + &service(80, weights);
    let owner = Daemon::start(Keepalived, d1, &config([1, 2]));
    wait_for(WITHIN, "keepalived's table and address", || {
        kernel_view::weights(d1, SERVICE).len() == 2 && kernel_view::holds(d1, VIP)
    });
    let view = kernel_view::View::of(d1);
    let observer = Daemon::start(Observer, d1, &config([1, 2]));
    wait_for(WITHIN, "the observer to be there", || observer.command("status").is_ok());
    thread::sleep(Duration::from_secs(2));
    let differs = |daemon: &Daemon| lvs(daemon)["virtual_servers"][0]["differs"].clone();
    assert_eq!(differs(&observer), Value::Array(Vec::new()));
    let seen = lvs(&observer)["observed"][0].clone();
    assert_eq!((&seen["name"], &seen["state"]), (&"web".into(), &"master".into()), "{seen}");
    assert_eq!(observer.worker("vrrp"), None, "nobody who could advertise");

    observer.reload(&config([1, 7]));
    wait_for(WITHIN, "the difference", || {
        differs(&observer).to_string().contains("10.0.0.12:80 has weight 2, should have 7")
    });
    keeper.figure(&observer.command("status").unwrap());
    // Both find the failed server, and agree again.
    observer.reload(&config([1, 2]));
    servers[0].switch(Mode::Refuse);
    wait_for(WITHIN, "keepalived to remove the server", || {
        kernel_view::weights(d1, SERVICE).len() == 1
    });
    wait_for(WITHIN, "agreement", || differs(&observer) == Value::Array(Vec::new()));
    servers[0].switch(Mode::Fine);
    wait_for(WITHIN, "all back", || kernel_view::View::of(d1) == view);
    observer.stop();
    assert_eq!(kernel_view::View::of(d1), view, "it leaves all as it was");
    owner.stop();
}

/// A server that comes back begins small; when all fail, two stay and it is said.
fn ramp_and_minimum(keeper: &Arc<Keeper>) {
    let (net, servers) = alone(keeper, 2);
    let d1 = net.host("d1");
    let config = service(80, [10, 10])
        .replace("delay_loop 1", "delay_loop 1\nslow_start 5 20%\nmin_in_pool 50%");
    let daemon = Daemon::start(Evenkeel, d1, &config);
    let first = || kernel_view::weights(d1, SERVICE).get("10.0.0.11:80").copied();
    wait_for(WITHIN, "the full table at once", || kernel_view::weights(d1, SERVICE).len() == 2);
    assert_eq!(first(), Some(10), "the start is no ramp");
    servers[0].switch(Mode::Refuse);
    wait_for(WITHIN, "the failure", || first().is_none());
    servers[0].switch(Mode::Fine);
    let mut seen = Vec::new();
    wait_for(Duration::from_secs(15), "the full weight", || {
        if let Some(weight) = first()
            && seen.last() != Some(&weight)
        {
            seen.push(weight);
        }
        first() == Some(10)
    });
    keeper.figure(&format!("weights on the way back: {seen:?}"));
    assert!(seen.is_sorted() && seen.len() >= 4 && seen[0] <= 4, "{seen:?}");

    servers[0].switch(Mode::Refuse);
    wait_for(WITHIN, "the first to go", || first().is_none());
    servers[1].switch(Mode::Refuse);
    assert!(daemon.logs_within(WITHIN, "stays in the pool"));
    let left = kernel_view::weights(d1, SERVICE);
    assert_eq!(left.into_iter().collect::<Vec<_>>(), [("10.0.0.12:80".to_owned(), 10)]);
    let lvs = lvs(&daemon);
    let server = &lvs["virtual_servers"][0];
    assert_eq!((&server["kept"], &server["up"]), (&1.into(), &true.into()), "{lvs}");
    assert_eq!(server["real_servers"][1]["up"], false, "{lvs}");
}
