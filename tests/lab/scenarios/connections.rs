//! Connections that are open while the address moves: copied by the kernel's synchronisation, or found anew by a scheduler
//! that both directors answer alike.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::pair::{PRIORITIES, Pace, Pair, director};
use crate::daemon::Daemon;
use crate::daemon::Kind::Evenkeel;
use crate::host::{Host, Process, wait_for};
use crate::keeper::Keeper;
use crate::runner::Scenario;
use crate::tool::responder::Mode;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("connections_survive_there_and_back_with_sync_wait", 150, there_and_back),
    Scenario::together("connections_in_flight_survive_with_mh_and_sloppy_tcp", 150, in_flight),
];

const WITHIN: Duration = Duration::from_secs(40);
/// Downloads that last longer than the scenario: a byte a second.
const LONG: usize = 12;
/// Of the heartbeat path.
const KEY: &str = "a key that both of them know";
/// Planned stops, each with requests in flight.
const STOPS: usize = 3;

/// Entries of IPVS that are established.
fn known(host: &Host) -> usize {
    host.run("ipvsadm -Lnc").lines().filter(|line| line.contains("ESTABLISHED")).count()
}

/// What `status` says of the wait for connections.
fn sync_wait(director: &Daemon) -> serde_json::Value {
    let json = director.command("status --json").unwrap_or_default();
    let status: serde_json::Value = serde_json::from_str(&json).unwrap_or_default();
    status["vrrp"]["sync_wait"].clone()
}

fn alive(downloads: &[Process]) -> usize {
    downloads.iter().filter(|download| download.is_running()).count()
}

/// The first director stops and comes back; it takes the address when the connections of the other one have arrived.
fn there_and_back(keeper: &Arc<Keeper>) {
    let sync = "global_defs {\nlvs_sync_daemon eth0 web\nlvs_sync_wait 60\n}\n";
    let config = |peer: u8, priority| {
        let heartbeat = format!("heartbeat {{\npeer 10.0.0.{peer}\nkey \"{KEY}\"\n}}\n");
        sync.to_owned() + &heartbeat + &director(Pace::Tenth, priority)
    };
    let configs = [config(2, PRIORITIES[0]), config(1, PRIORITIES[1])];
    let mut pair = Pair::start_with(keeper, [Evenkeel; 2], configs);
    for host in [pair.d1(), pair.d2()] {
        // A copy at every second packet: these connections have one a second.
        host.run("sysctl -qw 'net.ipv4.vs.sync_threshold=1 2'");
    }
    pair.servers.iter().for_each(|server| server.switch(Mode::Drip));
    let words = ["curl", "-s", "--no-buffer", "http://10.0.0.100/"].map(str::to_owned);
    let client = pair.net.host("c1");
    let log = keeper.log("downloads");
    let downloads: Vec<Process> = (0..LONG).map(|_| client.spawn(&words, &log)).collect();
    wait_for(WITHIN, "every connection on the second director", || known(pair.d2()) >= LONG);

    pair.directors[0].stop();
    pair.wait_for_master("d2");
    thread::sleep(Duration::from_secs(3));
    assert_eq!(alive(&downloads), LONG, "they went over");

    pair.directors[0].start_again();
    // Until it takes the address back, it says what it waits for; the peer tells how many there are.
    let mut told = serde_json::Value::Null;
    wait_for(WITHIN, "a wait that knows both counts", || {
        let wait = sync_wait(&pair.directors[0]);
        if wait["peer_connections"].as_u64() >= Some(LONG as u64) && wait["state"] == "waiting" {
            told = wait;
        }
        !told.is_null()
    });
    assert_eq!(told["instances"], serde_json::json!(["web"]), "{told}");
    assert!(told["ends_in_ms"].as_u64().is_some_and(|left| left < 60_000), "{told}");
    let page = pair.directors[0].command("status").unwrap();
    assert!(page.contains("lvs_sync_wait: web: waits for connections for "), "{page}");
    let why = pair.directors[0].command("explain web").unwrap();
    assert!(why.contains("waits for the other director's connections"), "{why}");
    wait_for(WITHIN, "the first director to be back", || {
        let log = pair.directors[0].logged();
        log.matches("to=MASTER").count() >= 2
    });
    let there = known(pair.d1());
    keeper.figure(&format!("{there} of {LONG} connections there when it took the address back"));
    let log = pair.directors[0].logged();
    let after = log.rsplit("waits for connections of the other director").next().unwrap();
    let settled = after.find("connections are here").expect("the wait ended by itself");
    let took = after.find("to=MASTER").expect("it is master");
    assert!(settled < took, "{after}");
    pair.wait_for_master("d1");
    let wait = sync_wait(&pair.directors[0]);
    assert_eq!((&wait["state"], &wait["ends_in_ms"]), (&"settled".into(), &().into()), "{wait}");
    assert!(wait["took_ms"].as_u64() >= Some(6_000), "{wait}");
    assert!(wait["connections"].as_u64() >= Some(LONG as u64), "{wait}");
    thread::sleep(Duration::from_secs(3));
    assert_eq!(alive(&downloads), LONG, "and came back");
}

/// Requests that need 40 ms each while the director is stopped as planned: resets with rr, none with mh and sloppy_tcp, since
/// the next director gives a packet in the middle of a connection to the same server.
fn in_flight(keeper: &Arc<Keeper>) {
    let config = |scheduler: &str, global: &str, priority| {
        let text = director(Pace::Tenth, priority);
        global.to_owned() + &text.replace("lb_algo wrr", &format!("lb_algo {scheduler}"))
    };
    let configs = PRIORITIES.map(|priority| config("rr", "", priority));
    let mut pair = Pair::start_with(keeper, [Evenkeel; 2], configs);
    ["r1", "r2"].iter().for_each(|server| pair.net.netem(server, "delay 20ms"));
    let with_rr = lost(keeper, &mut pair, "rr");
    assert!(with_rr > 0, "nothing was in flight: this shows nothing");

    let sloppy = "global_defs {\nlvs_sysctl {\nsloppy_tcp 1\n}\n}\n";
    for (director, priority) in pair.directors.iter().zip(PRIORITIES) {
        director.reload(&config("mh", sloppy, priority));
    }
    wait_for(WITHIN, "both directors to work by it", || {
        [pair.d1(), pair.d2()].iter().all(|host| {
            host.run("ipvsadm -Ln").contains("10.0.0.100:80 mh")
                && host.run("sysctl -n net.ipv4.vs.sloppy_tcp").trim() == "1"
        })
    });
    assert_eq!(lost(keeper, &mut pair, "mh and sloppy_tcp"), 0);
}

/// Requests that were lost after their connect at some planned stops. None may be refused.
fn lost(keeper: &Arc<Keeper>, pair: &mut Pair, what: &str) -> u64 {
    let (mut lost, mut total) = (0, 0);
    for _ in 0..STOPS {
        let client = pair.load();
        thread::sleep(Duration::from_secs(1));
        pair.directors[0].stop();
        pair.wait_for_master("d2");
        thread::sleep(Duration::from_secs(1));
        let report = client.stop();
        lost += report.after_connect;
        total += report.total;
        assert_eq!(report.refused, 0, "{what}: {report}");
        pair.directors[0].start_again();
        pair.wait_for_master("d1");
        thread::sleep(Duration::from_secs(2));
    }
    keeper.figure(&format!(
        "{what}: {lost} of {total} requests in flight lost at {STOPS} planned stops"
    ));
    lost
}
