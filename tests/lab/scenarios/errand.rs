//! `startup_script` and `shutdown_script`: around everything else, once each, and a bad one stops nothing.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use super::pair::{PRIORITIES, Pace, SERVICE, VIP, instance, service};
use crate::daemon::{Daemon, Kind};
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::topology::{Forwarding, Plan};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("scripts_around_start_and_stop_as_keepalived", 120, around),
    Scenario::together("startup_script_that_hangs_or_fails_stops_nothing", 90, bad),
];

const SOON: Duration = Duration::from_secs(30);

fn has_all(host: &Host) -> bool {
    kernel_view::holds(host, VIP) && kernel_view::weights(host, SERVICE).len() == 2
}

/// Both directors' scripts see neither an address nor a row, and a reload runs none.
fn around(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).vips(&[VIP]).build(keeper);
    let d1 = net.host("d1");
    let _servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let script = keeper.folder().join("tell");
    for kind in [Kind::Keepalived, Kind::Evenkeel] {
        let told = keeper.folder().join(format!("{}-told", kind.name()));
        let look = "ipvsadm -Sn | wc -l) $(ip -o address | grep -c 10.0.0.100)";
        let text = format!("#!/bin/sh\necho \"$1 $({look}\" >> {}\n", told.display());
        fs::write(&script, text).unwrap();
        d1.run(&format!("chmod 755 {}", script.display()));
        let path = script.display();
        let config = |weights| {
            format!(
                "global_defs {{\nscript_user root\nstartup_script \"{path} up\" root\n\
                 shutdown_script \"{path} down\"\n}}\n"
            ) + &instance(Pace::Tenth, PRIORITIES[0], "")
                + &service(80, weights)
        };
        let daemon = Daemon::start(kind, d1, &config([1, 1]));
        wait_for(SOON, "address and table", || has_all(d1));
        daemon.reload(&config([3, 3]));
        wait_for(SOON, "the new weight", || {
            kernel_view::weights(d1, SERVICE).into_values().all(|weight| weight == 3)
        });
        daemon.stop();
        let told = fs::read_to_string(&told).unwrap();
        assert_eq!(told, "up 0 0\ndown 0 0\n", "{}", kind.name());
    }
}

fn bad(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).vips(&[VIP]).build(keeper);
    let d1 = net.host("d1");
    let _servers = ["r1", "r2"].map(|name| Responder::start(net.host(name)));
    let rest = instance(Pace::Tenth, PRIORITIES[0], "") + &service(80, [1, 1]);
    for (script, said) in [("/bin/sleep 613", "took too long"), ("/bin/false", "failed")] {
        let config = format!(
            "global_defs {{\nscript_user root\nstartup_script \"{script}\"\nstartup_script_timeout 1\n}}\n{rest}"
        );
        let daemon = Daemon::start(Kind::Evenkeel, d1, &config);
        wait_for(SOON, "address and table", || has_all(d1));
        assert!(daemon.logged().contains(said), "{}", daemon.logged());
        let left = d1.try_run("pgrep -f ^/bin/sleep.613");
        assert!(left.is_err(), "what took too long is ended: {left:?}");
        daemon.stop();
        assert!(!kernel_view::holds(d1, VIP));
    }
}
