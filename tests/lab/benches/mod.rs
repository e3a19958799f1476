//! Measurements that need a kernel with IPVS, a file per bench of `cargo xtask bench`. Each figure is a line
//! `WHAT = VALUE` told by [`crate::keeper::Keeper::figure`], which xtask puts into its table; a WHAT that begins with
//! `keepalived ` is the peer's.

mod burden;
mod config;
mod failover;
mod lvs;
mod ops;

use crate::runner::Scenario;

/// Every bench there is.
pub(crate) fn all() -> Vec<Scenario> {
    [
        config::BENCHES,
        failover::CUTS,
        failover::STOPS,
        failover::ORDERS,
        burden::BENCHES,
        lvs::BENCHES,
        ops::BENCHES,
    ]
    .into_iter()
    .flatten()
    .copied()
    .collect()
}
