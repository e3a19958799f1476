//! `cargo xtask simulate N`: long runs of the simulated VRRP networks that `test` runs a thousand of.

use crate::step;

/// Words on the command line.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many random schedules
    #[arg(default_value_t = 100_000)]
    schedules: u64,
    /// Seed of the first; each next one has the next seed. From 4294967296 on kernels hold packets back too
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

pub(crate) fn run(options: &Options) -> Result<(), String> {
    let (schedules, seed) = (options.schedules.to_string(), options.seed.to_string());
    // Optimised enough, and built in seconds.
    let build =
        ["run", "--quiet", "--profile", "lab", "--package", "vrrp", "--no-default-features"];
    let program = ["--features", "simulation", "--example", "simulate", "--", &schedules, &seed];
    let is_good = step::cargo(&[&build[..], &program].concat(), &[]);
    if is_good { Ok(()) } else { Err("a rule was broken; the seed is above".to_owned()) }
}
