//! A changed file takes effect without a client noticing; a bad one changes nothing and says why.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::pair::{PRIORITIES, Pace, Pair, SERVICE, VIP, instance, service};
use crate::daemon::Daemon;
use crate::daemon::Kind::{Evenkeel, Keepalived};
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::alone("reload_changes_weights_under_load", 60, weights),
    Scenario::together("reload_adds_and_removes_services_and_addresses", 60, services),
    Scenario::together("reload_of_a_bad_file_changes_nothing", 60, bad_file),
    Scenario::together("reload_and_stop_by_command", 60, by_command),
    Scenario::together("reload_takes_a_kdl_twin_for_the_same", 90, twins),
];

fn with_weights(weights: [u32; 2]) -> String {
    instance(Pace::Tenth, PRIORITIES[0], "") + &service(80, weights)
}

fn has_weights(pair: &Pair, wanted: [u32; 2]) -> bool {
    kernel_view::weights(pair.d1(), SERVICE).into_values().collect::<Vec<_>>() == wanted
}

fn weights(keeper: &Arc<Keeper>) {
    let pair = Pair::start(keeper, [Evenkeel; 2], Pace::Tenth);
    let spoke = pair.adverts_of(pair.d2()).len(); // at the start, before it had heard the first
    let client = pair.load();
    for weights in [[7, 1], [1, 7], [0, 1], [2, 3]] {
        pair.directors[0].reload(&with_weights(weights));
        let took =
            wait_for(Duration::from_secs(5), "the new weights", || has_weights(&pair, weights));
        keeper.figure(&format!("weights {weights:?} after {took:.1?}"));
        thread::sleep(Duration::from_millis(700));
    }
    let report = client.stop();
    keeper.figure(&report.to_string());
    assert_eq!(report.failed(), 0, "{report:?}");
    assert_eq!(pair.adverts_of(pair.d2()).len(), spoke, "a reload is no reason to speak");
}

fn services(keeper: &Arc<Keeper>) {
    let pair = Pair::start(keeper, [Evenkeel; 2], Pace::Tenth);
    let d1 = pair.d1();
    let wide = with_weights([1, 1])
        .replace("    10.0.0.100/32\n", "    10.0.0.100/32\n    10.0.0.101/32\n");
    pair.directors[0].reload(&(wide + &service(81, [4, 4])));
    wait_for(Duration::from_secs(5), "the added service and address", || {
        kernel_view::weights(d1, "-t 10.0.0.100:81").len() == 2
            && kernel_view::holds(d1, "10.0.0.101")
    });
    assert!(has_weights(&pair, [1, 1]) && kernel_view::holds(d1, VIP));
    pair.directors[0].reload(&with_weights([1, 1]));
    wait_for(Duration::from_secs(5), "the removed service and address", || {
        !kernel_view::has_service(d1, "-t 10.0.0.100:81") && !kernel_view::holds(d1, "10.0.0.101")
    });
    assert!(has_weights(&pair, [1, 1]) && kernel_view::holds(d1, VIP));
    assert_eq!(pair.who_advertises(Duration::from_millis(500)), ["d1"]);
}

fn bad_file(keeper: &Arc<Keeper>) {
    let pair = Pair::start(keeper, [Evenkeel; 2], Pace::Tenth);
    let daemon = &pair.directors[0];
    let before = kernel_view::rules(pair.d1());
    // keepalived ends with it, at a start too.
    let bad = with_weights([9, 9]).replace("virtual_router_id ", "virtual_router_id 15");
    let line = 1 + bad.lines().position(|line| line.contains("virtual_router_id")).unwrap();
    let wrong = bad.lines().nth(line - 1).and_then(|line| line.split_whitespace().last());
    let wrong = wrong.unwrap().to_owned();
    fs::write(&daemon.config, &bad).unwrap();
    let said = daemon.command("reload").expect_err("a bad file is refused");
    assert!(said.contains(&wrong), "quotes the text: {said}");
    assert!(said.contains(&format!("director.conf:{line}:")), "names line {line}: {said}");
    daemon.hang_up();
    assert!(daemon.logs_within(Duration::from_secs(3), &wrong), "the log says it on SIGHUP too");
    thread::sleep(Duration::from_secs(1));
    assert_eq!(kernel_view::rules(pair.d1()), before);
    assert!(kernel_view::holds(pair.d1(), VIP));

    // A start would pass over this one; at a reload it is a slip of the pen.
    fs::write(&daemon.config, with_weights([9, 9]).replace("10.0.0.12 80", "10.0.0.1222 80"))
        .unwrap();
    let said = daemon.command("reload").expect_err("a new wrong value is refused");
    assert!(said.contains("10.0.0.1222") && said.contains("Not taken"), "{said}");
    assert_eq!(kernel_view::rules(pair.d1()), before);

    fs::write(&daemon.config, with_weights([9, 9])).unwrap();
    daemon.command("reload").unwrap();
    wait_for(Duration::from_secs(5), "the good file", || has_weights(&pair, [9, 9]));
}

fn by_command(keeper: &Arc<Keeper>) {
    let pair = Pair::start(keeper, [Evenkeel; 2], Pace::Tenth);
    let daemon = &pair.directors[0];
    let page = daemon.command("status").unwrap();
    for word in ["10.0.0.100", "10.0.0.11:80", "10.0.0.12:80", "web"] {
        assert!(page.contains(word), "status names {word}:\n{page}");
    }
    let json = daemon.command("status --json").unwrap();
    let status: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(status["lvs"]["virtual_servers"].is_array(), "{json}");
    daemon.command("stop").unwrap();
    assert!(!daemon.is_running(), "stop returns when the director is gone");
    assert_eq!(kernel_view::rules(pair.d1()), [""; 0]);
    pair.wait_for_master("d2");
    let said = daemon.command("status").expect_err("nobody answers any more");
    assert!(!said.trim().is_empty());
}

/// `convert` makes KDL of a keepalived.conf, and that file gives the same table and addresses.
fn twins(keeper: &Arc<Keeper>) {
    let pair = Pair::start(keeper, [Evenkeel, Keepalived], Pace::Tenth);
    let before = kernel_view::View::of(pair.d1());
    let first = &pair.directors[0];
    let kdl =
        pair.d1().run(&format!("{} convert {}", crate::daemon::evenkeel(), first.config.display()));
    assert!(kdl.contains("virtual_server"), "{kdl}");
    first.stop();
    let second = Daemon::start_kdl(pair.d1(), &kdl);
    pair.wait_for_master("d1");
    wait_for(Duration::from_secs(5), "the same view", || {
        kernel_view::View::of(pair.d1()) == before
    });
    assert!(second.is_running());
}
