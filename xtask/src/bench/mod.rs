//! `cargo xtask bench NAME`: one measurement each, printed as a table, keepalived beside us where it can run.
//!
//! A bench is a module here. What it measures on this machine it measures itself ([`clock`]); what needs a kernel with
//! IPVS it has the lab measure ([`lab`]): a bench of the same name in `tests/lab/benches/`.

mod clock;
mod config;
mod failover;
mod lab;
mod lvs;
mod native;
mod ops;
mod table;

use clap::Subcommand;

/// Words on the command line.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Reading and reloading a configuration of 20,000 real servers
    Config(config::Options),
    /// How fast and how quietly a VIP moves
    Failover(failover::Options),
    /// Start, memory, CPU, reload and failures with thousands of real servers
    Lvs(lvs::Options),
    /// What status and metrics cost with thousands of real servers, and what the ops worker does while nobody looks
    Ops(ops::Options),
}

pub(crate) fn run(options: &Options) -> Result<(), String> {
    match &options.bench {
        Bench::Config(options) => config::run(options),
        Bench::Failover(options) => failover::run(options),
        Bench::Lvs(options) => lvs::run(options),
        Bench::Ops(options) => ops::run(options),
    }
}
