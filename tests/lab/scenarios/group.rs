//! Sync groups of which each director is better in some member: after a parted network one of them has both addresses.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::daemon::{Daemon, Kind::Evenkeel, Kind::Keepalived};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::Plan;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario::together(
    "group_of_which_each_is_better_in_a_member_has_one_master",
    180,
    disagree,
)];

const PATIENCE: Duration = Duration::from_secs(40);
const ADDRESSES: [&str; 2] = ["10.0.0.101", "10.0.0.102"];

fn config(priorities: [u8; 2]) -> String {
    let instance = |number: usize, priority: u8| {
        format!(
            "vrrp_instance v{number} {{\nstate BACKUP\ninterface eth0\nvirtual_router_id {number}\n\
             priority {priority}\nversion 3\nadvert_int 0.2\nvirtual_ipaddress {{\n    {}\n}}\n}}\n",
            ADDRESSES[number - 1]
        )
    };
    "vrrp_sync_group G {\ngroup {\n    v1\n    v2\n}\n}\n".to_owned()
        + &instance(1, priorities[0])
        + &instance(2, priorities[1])
}

fn holds_both(host: &Host) -> bool {
    ADDRESSES.iter().all(|address| kernel_view::holds(host, address))
}

fn holds_any(host: &Host) -> bool {
    ADDRESSES.iter().any(|address| kernel_view::holds(host, address))
}

/// Both become Master while they do not hear each other, and both speak at once when they do. The first director is the
/// better one for the member that decides: it stays, beside either daemon. keepalived yields for any member, so that as
/// the first director it may be the one that yields: then the other stays.
fn disagree(keeper: &Arc<Keeper>) {
    for kinds in [[Evenkeel; 2], [Evenkeel, Keepalived], [Keepalived, Evenkeel]] {
        let net = Plan::new().directors(2).build(keeper);
        let (d1, d2) = (net.host("d1"), net.host("d2"));
        net.blackhole("d2");
        let first = Daemon::start(kinds[0], d1, &config([150, 100]));
        let second = Daemon::start(kinds[1], d2, &config([100, 150]));
        let wait = |what: &str, question: &dyn Fn() -> bool| {
            wait_for(PATIENCE, &format!("{what}: {kinds:?}"), question);
        };
        for _ in 0..2 {
            wait("both to be Master", &|| holds_both(d1) && holds_both(d2));
            net.restore("d2");
            let is_one = |one: &Host, other: &Host| holds_both(one) && !holds_any(other);
            let first_stays = kinds[0] == Evenkeel;
            wait("one of them to stay", &|| is_one(d1, d2) || !first_stays && is_one(d2, d1));
            thread::sleep(Duration::from_secs(2));
            assert!(is_one(d1, d2) || !first_stays && is_one(d2, d1), "and still: {kinds:?}");
            net.blackhole("d2");
        }
        // What the next one in the same place would go on with.
        first.stop();
        second.stop();
        keeper.end();
    }
}
