//! The director goes on as the program that is installed now: the same supervisor process, other workers, and nobody
//! notices.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::pair::{Pace, Pair, VIP};
use crate::daemon::Kind::Evenkeel;
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::alone("upgrade_of_the_master_is_not_noticed", 90, |keeper| {
        of_the_master(keeper, Pace::Second);
    }),
    Scenario::alone("upgrade_of_the_master_at_100_ms_is_not_noticed", 90, |keeper| {
        of_the_master(keeper, Pace::Tenth);
    }),
    Scenario::alone("upgrade_of_the_master_at_10_ms_is_not_noticed", 90, |keeper| {
        of_the_master(keeper, Pace::Hundredth);
    }),
    Scenario::together("upgrade_refused_by_a_mistake_changes_nothing", 60, refused),
];

const WORKERS: [&str; 3] = ["lvs", "vrrp", "ops"];

/// Twice, since the second one is done by a program that has inherited everything itself.
fn of_the_master(keeper: &Arc<Keeper>, pace: Pace) {
    let pair = Pair::start(keeper, [Evenkeel; 2], pace);
    let director = &pair.directors[0];
    let rules = kernel_view::rules(pair.d1());
    let turns = pair.adverts_of(pair.d2()).len();
    let client = pair.load();
    for _ in 0..2 {
        let before = WORKERS.map(|role| director.worker(role));
        let said = director.command("upgrade").expect("the upgrade begins");
        assert!(said.contains("the new program runs") && said.contains("lvs, vrrp, ops"), "{said}");
        let took = wait_for(Duration::from_secs(60), "all workers to be others", || {
            let now = WORKERS.map(|role| director.worker(role));
            let is_other =
                |(now, before): (&Option<i32>, &Option<i32>)| now.is_some() && now != before;
            now.iter().zip(&before).all(is_other) && director.command("status").is_ok()
        });
        keeper.figure(&format!("all workers replaced after {took:?}"));
        assert!(director.is_running(), "the supervisor is the same process");
        assert_eq!(kernel_view::rules(pair.d1()), rules);
        thread::sleep(Duration::from_secs(4));
    }
    let adverts = pair.adverts_of(pair.d1());
    let gaps = adverts.windows(2).map(|two| two[1].at.saturating_sub(two[0].at));
    keeper.figure(&format!("longest silence of the master {:?}", gaps.max().unwrap_or_default()));
    let report = client.stop();
    keeper.figure(&report.to_string());
    assert_eq!(pair.adverts_of(pair.d2()).len(), turns, "the backup never spoke");
    assert_eq!(report.failed(), 0, "{report:?}");
    assert!(kernel_view::holds(pair.d1(), VIP) && !kernel_view::holds(pair.d2(), VIP));
    // It is a whole director: it reads its configuration again, and it stops as one does.
    director.command("reload").expect("a reload");
    director.stop();
    assert!(!kernel_view::holds(pair.d1(), VIP));
    assert_eq!(kernel_view::rules(pair.d1()), [""; 0]);
}

/// What the new program would refuse leaves the old one running.
fn refused(keeper: &Arc<Keeper>) {
    let pair = Pair::start(keeper, [Evenkeel; 2], Pace::Tenth);
    let director = &pair.directors[0];
    let before = WORKERS.map(|role| director.worker(role));
    std::fs::write(
        &director.config,
        "vrrp_instance web {\n interface eth0\n virtual_router_id 300\n}\n",
    )
    .unwrap();
    let refusal = director.command("upgrade").expect_err("a refusal");
    keeper.figure(refusal.lines().next().unwrap_or_default());
    assert_eq!(WORKERS.map(|role| director.worker(role)), before);
    assert_eq!(pair.who_advertises(Duration::from_secs(1)), ["d1"]);
    assert!(director.is_running());
}
