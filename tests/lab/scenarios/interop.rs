//! A pair of one keepalived and one evenkeel elects rightly, whichever of them has the higher priority.

use std::sync::Arc;
use std::time::Duration;

use super::pair::{PRIORITIES, Pace, Pair, director};
use crate::daemon::Kind::{self, Evenkeel, Keepalived};
use crate::keeper::Keeper;
use crate::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("interop_v2_pass_evenkeel_over_keepalived", 90, |keeper| {
        swaps(keeper, [Evenkeel, Keepalived], Pace::Second);
    }),
    Scenario::together("interop_v2_pass_keepalived_over_evenkeel", 90, |keeper| {
        swaps(keeper, [Keepalived, Evenkeel], Pace::Second);
    }),
    Scenario::together("interop_v3_evenkeel_over_keepalived", 90, |keeper| {
        swaps(keeper, [Evenkeel, Keepalived], Pace::Tenth);
    }),
    Scenario::together("interop_v3_keepalived_over_evenkeel", 90, |keeper| {
        swaps(keeper, [Keepalived, Evenkeel], Pace::Tenth);
    }),
    Scenario::together("interop_wrong_password_is_refused", 60, wrong_password),
];

/// The first wins the election, dies, loses the VIP to the second, comes back and takes it again.
fn swaps(keeper: &Arc<Keeper>, kinds: [Kind; 2], pace: Pace) {
    let mut pair = Pair::start(keeper, kinds, pace);
    let listen = 4 * pace.interval() + Duration::from_millis(500);
    assert_eq!(pair.who_advertises(listen), ["d1"], "after the election");

    pair.directors[0].kill_all();
    pair.net.blackhole("d1"); // a killed daemon leaves its VIP behind; a dead machine does not answer for it
    std::thread::sleep(pace.master_down() + Duration::from_secs(1));
    assert!(crate::kernel_view::holds(pair.d2(), super::pair::VIP), "d2 takes over");
    assert_eq!(pair.who_advertises(listen), ["d2"], "after the master's death");
    let report = {
        let client = pair.load();
        std::thread::sleep(Duration::from_secs(1));
        client.stop()
    };
    assert_eq!(report.failed(), 0, "d2 serves: {report:?}");

    pair.net.restore("d1");
    pair.directors[0].start_again();
    pair.wait_for_master("d1");
    assert_eq!(pair.who_advertises(listen), ["d1"], "after its return");
    for daemon in &pair.directors {
        let log = daemon.logged().to_lowercase();
        for word in ["invalid", "mismatch", "refused advertisement", "dropped"] {
            assert!(!log.contains(word), "{} complains: {word}", daemon.kind.name());
        }
    }
}

/// Two passwords are two islands: each side holds the VIP, as RFC 2338 section 5.3.6.2 and keepalived have it.
fn wrong_password(keeper: &Arc<Keeper>) {
    let pair = Pair::start(keeper, [Keepalived, Evenkeel], Pace::Second);
    let wrong = director(Pace::Second, PRIORITIES[1]).replace("k@l4ve", "0ther");
    pair.directors[1].reload(&wrong);
    crate::host::wait_for(Duration::from_secs(15), "d2 to stop listening to d1", || {
        pair.who_advertises(Duration::from_millis(2500)).contains(&"d2".to_owned())
    });
    let [ours, theirs] = [&pair.directors[1], &pair.directors[0]];
    assert!(ours.logged().contains("is silent"), "a wrong password is no advertisement");
    assert!(theirs.logged().contains("invalid passwd"), "nor for keepalived");
    assert!(crate::kernel_view::holds(pair.d1(), super::pair::VIP), "which goes on");
}
