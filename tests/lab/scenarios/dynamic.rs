//! Interfaces that are not there yet, go, and come back (`dynamic_interfaces`): the router is in FAULT without its
//! interface and Master with it, whatever becomes of the others.

use std::sync::Arc;
use std::time::Duration;

use crate::daemon::{Daemon, Kind};
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::Plan;

pub(super) const SCENARIOS: &[Scenario] =
    &[Scenario::together("dynamic_interface_is_waited_for_and_taken_back", 90, waited_for)];

const PATIENCE: Duration = Duration::from_secs(30);

fn waited_for(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).build(keeper);
    let d1 = net.host("d1");
    let one = |vrid: u8, interface: &str, vip: &str, words: &str| {
        format!(
            "vrrp_instance v{vrid} {{\ninterface {interface}\nvirtual_router_id {vrid}\npriority 150\n\
             version 3\nadvert_int 0.1\n{words}\nvirtual_ipaddress {{\n    {vip}/24\n}}\n}}\n"
        )
    };
    let config = format!(
        "global_defs {{\ndynamic_interfaces\n}}\n{}{}{}",
        one(51, "eth0", "10.0.0.100", ""),
        one(52, "late0", "10.7.0.100", ""),
        one(53, "late0", "10.7.0.101", "use_vmac"),
    );
    let daemon = Daemon::start(Kind::Evenkeel, d1, &config);
    wait_for(PATIENCE, "the one whose interface is there", || kernel_view::holds(d1, "10.0.0.100"));
    let state = || daemon.command("status").unwrap_or_default();
    assert!(state().contains("FAULT"), "{}", state());
    let both = || ["10.7.0.100", "10.7.0.101"].map(|vip| kernel_view::holds(d1, vip));
    for round in 0..2 {
        d1.ip("link add late0 type dummy\naddr add 10.7.0.1/24 dev late0\nlink set late0 up");
        wait_for(PATIENCE, "the addresses on the new interface", || both() == [true; 2]);
        assert!(d1.try_run("ip link show vrrp.53").is_ok(), "round {round}");
        d1.ip("link del late0");
        wait_for(PATIENCE, "a fault", || state().contains("FAULT"));
        assert!(kernel_view::holds(d1, "10.0.0.100"), "the other goes on");
    }
    daemon.stop();
}
