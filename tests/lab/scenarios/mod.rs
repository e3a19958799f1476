//! The tests, a file per theme. Each scenario is a promise; its name says which.

mod failover;
mod interop;
mod lab;
mod pair;
mod table;

use crate::runner::Scenario;

/// Every scenario there is.
pub(crate) fn all() -> Vec<Scenario> {
    [lab::SCENARIOS, table::SCENARIOS, interop::SCENARIOS, failover::SCENARIOS]
        .into_iter()
        .flatten()
        .copied()
        .collect()
}
