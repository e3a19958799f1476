//! A network that moves from version 2 to version 3 while it serves (RFC 9568 section 8.4.2): keepalived speaks version 2,
//! evenkeel both, and at last version 3 alone.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::pair::{Pace, VIP, VRID, instance};
use crate::capture::{Capture, Saying};
use crate::daemon::{Daemon, Kind};
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::{Plan, Topology};

use Kind::{Evenkeel, Keepalived};

pub(super) const SCENARIOS: &[Scenario] =
    &[Scenario::together("versions_2_and_3_side_by_side_for_a_live_migration", 120, migration)];

const WITHIN: Duration = Duration::from_secs(30);
const PASS: &str = "authentication {\nauth_type PASS\nauth_pass k@l4ve\n}\n";

fn on_alone(net: &Topology, name: &str, other: &str) {
    wait_for(WITHIN, &format!("the VIP on {name} alone"), || {
        kernel_view::holds(net.host(name), VIP) && !kernel_view::holds(net.host(other), VIP)
    });
}

/// Advertisements of one director by version.
fn said(net: &Topology, capture: &Capture, name: &str, since: usize) -> [usize; 2] {
    let packets = capture.packets();
    let source = std::net::IpAddr::V4(net.host(name).address);
    let of = |wanted: u8| {
        let is_wanted = |saying: &Saying| matches!(saying, Saying::Advert { version, vrid: VRID, priority: 1.. } if *version == wanted);
        let packets = &packets[since.min(packets.len())..];
        packets.iter().filter(|it| it.source == source && is_wanted(&it.saying)).count()
    };
    [of(2), of(3)]
}

fn migration(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(2).clients(1).build(keeper);
    let capture = Capture::start(net.host("c1"));
    let both = instance(Pace::Tenth, 100, &format!("also_version_2\n{PASS}"));
    let mut older = Daemon::start(Keepalived, net.host("d1"), &instance(Pace::Second, 150, ""));
    wait_for(WITHIN, "the VIP on d1", || kernel_view::holds(net.host("d1"), VIP));

    // The second director is the first that moves: it hears a better master of version 2, and leaves it alone.
    let ours = Daemon::start(Evenkeel, net.host("d2"), &both);
    thread::sleep(Duration::from_secs(5));
    assert_eq!(said(&net, &capture, "d2", 0), [0, 0], "{}", ours.logged());

    // The one of version 2 goes: the other one says everything twice.
    older.stop();
    on_alone(&net, "d2", "d1");
    let begun = capture.packets().len();
    thread::sleep(Duration::from_secs(2));
    let [second, third] = said(&net, &capture, "d2", begun);
    keeper.figure(&format!("in 2 s at 100 ms: {second} of version 2, {third} of version 3"));
    assert!(third > 5 && second.abs_diff(third) <= 1, "{second} and {third}");

    // It comes back, is the better one and is yielded to: what it says is heard, and what it hears it understands.
    older.start_again();
    on_alone(&net, "d1", "d2");
    let log = older.logged().to_lowercase();
    for word in ["invalid", "mismatch", "dropped"] {
        assert!(!log.contains(word), "keepalived complains: {word}");
    }
    older.stop();
    on_alone(&net, "d2", "d1");

    // The first director moves too, to version 3 alone; then the second no longer needs version 2.
    let newer = Daemon::start(Evenkeel, net.host("d1"), &instance(Pace::Tenth, 150, ""));
    on_alone(&net, "d1", "d2");
    let begun = capture.packets().len();
    ours.reload(&instance(Pace::Tenth, 100, ""));
    thread::sleep(Duration::from_secs(2));
    assert_eq!(said(&net, &capture, "d2", begun), [0, 0], "{}", ours.logged());
    assert_eq!(said(&net, &capture, "d1", begun)[0], 0, "version 2 is gone");
    on_alone(&net, "d1", "d2");
    newer.stop();
    on_alone(&net, "d2", "d1");
}
