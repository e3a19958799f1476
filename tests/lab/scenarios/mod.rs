//! The tests, a file per theme. Each scenario is a promise; its name says which.

mod address_options;
mod alarms;
mod bfd;
mod burden;
mod checks;
mod conformance;
mod connections;
mod dr;
mod drill;
mod dynamic;
mod election_words;
mod errand;
mod events;
mod failover;
mod firewall;
mod group;
mod guide;
mod handover;
mod hostile;
mod ill;
mod instance_words;
mod interop;
mod interop_forms;
mod ipvlan;
mod lab;
mod live;
mod namespace;
mod ops;
mod options;
mod package;
mod pair;
mod pair_orders;
mod paths;
mod pool;
mod process;
mod refusal;
mod reload;
mod reload_address;
mod reload_loop;
mod reload_time;
mod resilience;
mod sample;
mod secrets;
mod settings;
mod signature;
mod split_brain;
mod steer;
mod steps;
mod table;
mod told;
mod track;
mod tracked;
mod upgrade;
mod versions;
mod vmac;
mod vmac_addresses;
mod weather;

use crate::runner::Scenario;

/// Every scenario there is.
pub(crate) fn all() -> Vec<Scenario> {
    let themes = [
        lab::SCENARIOS,
        errand::SCENARIOS,
        bfd::SCENARIOS,
        split_brain::SCENARIOS,
        versions::SCENARIOS,
        alarms::SCENARIOS,
        instance_words::SCENARIOS,
        election_words::SCENARIOS,
        handover::SCENARIOS,
        ipvlan::SCENARIOS,
        vmac::SCENARIOS,
        weather::SCENARIOS,
        table::SCENARIOS,
        pool::SCENARIOS,
        paths::SCENARIOS,
        address_options::SCENARIOS,
        steps::SCENARIOS,
        refusal::SCENARIOS,
        sample::SCENARIOS,
        settings::SCENARIOS,
        interop::SCENARIOS,
        failover::SCENARIOS,
        firewall::SCENARIOS,
        resilience::SCENARIOS,
        process::SCENARIOS,
        reload::SCENARIOS,
        reload_address::SCENARIOS,
        reload_loop::SCENARIOS,
        reload_time::SCENARIOS,
        namespace::SCENARIOS,
        told::SCENARIOS,
        track::SCENARIOS,
        tracked::SCENARIOS,
        events::SCENARIOS,
        dynamic::SCENARIOS,
        steer::SCENARIOS,
        live::SCENARIOS,
        drill::SCENARIOS,
        pair_orders::SCENARIOS,
        group::SCENARIOS,
        interop_forms::SCENARIOS,
        conformance::SCENARIOS,
        connections::SCENARIOS,
        ops::SCENARIOS,
        secrets::SCENARIOS,
        ill::SCENARIOS,
        checks::SCENARIOS,
        hostile::SCENARIOS,
        options::SCENARIOS,
        dr::SCENARIOS,
        package::SCENARIOS,
        guide::SCENARIOS,
        upgrade::SCENARIOS,
        burden::SCENARIOS,
        signature::SCENARIOS,
        vmac_addresses::SCENARIOS,
    ];
    themes.into_iter().flatten().copied().collect()
}
