//! Random schedules of two to five routers on a virtual clock, as many as asked for: loss, delay, duplication,
//! partitions, restarts, tracking. Prints the seed of a schedule that breaks a rule, and its trace.
//!
//! `cargo xtask simulate 100000`, or with a first seed: `cargo xtask simulate 1 --seed 4711`
#![expect(
    clippy::disallowed_methods,
    reason = "it says how long it took; the simulation has a clock of its own"
)]

use std::process::ExitCode;
use std::time::Instant;

use vrrp::simulation::simulate;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let (Some(Ok(schedules)), Some(Ok(first))) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: simulate SCHEDULES FIRST_SEED");
        return ExitCode::from(2);
    };
    let start = Instant::now();
    for seed in first..first.saturating_add(schedules) {
        if simulate(seed, start, None).is_err() {
            // Once more, aloud: the same seed makes the same run.
            let mut trace = |at, what| println!("{at:>12.3?} {what}");
            let broken = simulate(seed, start, Some(&mut trace));
            println!("seed {seed} breaks a rule: {broken:?}");
            return ExitCode::FAILURE;
        }
    }
    let took = start.elapsed();
    println!("{schedules} schedules from seed {first} in {took:.1?}: no rule broken");
    ExitCode::SUCCESS
}
