//! Make before break where nobody stops anything: tracking that is lost and found again moves a sync group there and back
//! as one, and no new connection fails.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::instance_words::second_instance;
use super::pair::{PRIORITIES, Pace, Pair, VIP, instance, service};
use crate::daemon::Kind::Evenkeel;
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario::alone(
    "handover_of_a_group_that_lost_its_tracking_and_back_without_a_gap",
    120,
    tracking,
)];

const PATIENCE: Duration = Duration::from_secs(40);
const OTHER: &str = "10.0.0.102";

fn tracking(keeper: &Arc<Keeper>) {
    let flag = keeper.folder().join("well");
    fs::write(&flag, "").unwrap();
    let script = format!(
        "global_defs {{\nscript_user root\n}}\nvrrp_script well {{\nscript \"/usr/bin/test -e {}\"\ninterval 1\n\
         weight -60\nfall 1\nrise 1\n}}\n",
        flag.display()
    );
    let config = |at: usize| {
        // Both directors see the same file here; only the first one tracks it.
        let (script, tracked) =
            if at == 0 { (&*script, "track_script {\nwell\n}\n") } else { ("", "") };
        let group = format!("vrrp_sync_group both {{\ngroup {{\nweb\nother\n}}\n{tracked}}}\n");
        let first = instance(Pace::Tenth, PRIORITIES[at], "");
        let second = second_instance("other", PRIORITIES[at], "");
        format!("{script}{group}{first}{second}{}", service(80, [1, 1]))
    };
    let pair = Pair::start_with(keeper, [Evenkeel; 2], [config(0), config(1)]);
    let both = |name: &str| kernel_view::holds(pair.net.host(name), OTHER);
    wait_for(PATIENCE, "the other address beside it", || both("d1") && !both("d2"));

    for (round, name) in ["d2", "d1"].into_iter().enumerate() {
        let client = pair.load();
        thread::sleep(Duration::from_secs(1));
        let seen = [VIP, OTHER].map(|address| pair.capture.claims(address).len());
        match round {
            0 => fs::remove_file(&flag).unwrap(),
            _ => fs::write(&flag, "").unwrap(),
        }
        pair.wait_for_master(name);
        wait_for(PATIENCE, "the whole group", || both(name));
        thread::sleep(Duration::from_secs(1));
        let report = client.stop();
        keeper.figure(&format!("to {name}: {report}"));
        assert_eq!(report.failed_new(), 0, "no new connection fails: {report:?}");
        assert!(report.ok > 500, "{report:?}");
        let first = [(VIP, seen[0]), (OTHER, seen[1])]
            .map(|(address, seen)| pair.capture.claims(address)[seen].at);
        let apart = first[0].max(first[1]) - first[0].min(first[1]);
        keeper.figure(&format!("claims of the two members {apart:.1?} apart"));
        assert!(apart < Pace::Tenth.interval(), "within one interval: {apart:?}");
    }
}
