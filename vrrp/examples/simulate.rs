//! Random schedules of two to five routers on a virtual clock, as many as asked for: loss, delay, duplication,
//! partitions, restarts, tracking. All processors share the work. Prints the trace of the first schedule that breaks a
//! rule, and the seed of each.
//!
//! `cargo xtask simulate 100000`, or with a first seed: `cargo xtask simulate 1 --seed 4711`
#![expect(
    clippy::disallowed_methods,
    reason = "it says how long it took; the simulation has a clock of its own"
)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use vrrp::simulation::{Broken, Summary, simulate};

/// Seeds that are taken at once: so few that no processor is left alone at the end, so many that taking costs nothing.
const BATCH: u64 = 64;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let (Some(Ok(schedules)), Some(Ok(first))) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: simulate SCHEDULES FIRST_SEED");
        return ExitCode::from(2);
    };
    let start = Instant::now();
    let workers = thread::available_parallelism().map_or(1, |number| number.get());
    let found = run(first, schedules, workers, start);
    if let Some(Broken { seed, .. }) = found.broken.first() {
        // Once more, aloud: the same seed makes the same run.
        let mut trace = |at, what| println!("{at:>12.3?} {what}");
        let _ = simulate(*seed, start, Some(&mut trace));
    }
    for broken in &found.broken {
        println!("{broken}");
    }
    let Found { broken, changes, packets, lasted } = &found;
    println!(
        "{schedules} schedules from seed {first} in {:.1?} on {workers} processors: {changes} changes of state, \
         {packets} packets, {} hours of virtual time, {} rules broken",
        start.elapsed(),
        lasted.as_secs() / 3600,
        broken.len()
    );
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What came of many schedules.
#[derive(Default)]
struct Found {
    /// In order of their seeds.
    broken: Vec<Broken>,
    changes: u64,
    packets: u64,
    lasted: Duration,
}

impl Found {
    fn take(&mut self, outcome: Result<Summary, Broken>) {
        match outcome {
            Ok(summary) => {
                self.changes += summary.changes;
                self.packets += summary.packets;
                self.lasted += summary.lasted;
            }
            Err(broken) => self.broken.push(broken),
        }
    }

    fn add(&mut self, Self { broken, changes, packets, lasted }: Self) {
        self.broken.extend(broken);
        self.changes += changes;
        self.packets += packets;
        self.lasted += lasted;
    }
}

fn run(first: u64, schedules: u64, workers: usize, start: Instant) -> Found {
    let (next, end) = (AtomicU64::new(first), first.saturating_add(schedules));
    let work = || {
        let mut found = Found::default();
        loop {
            let from = next.fetch_add(BATCH, Ordering::Relaxed);
            if from >= end {
                return found;
            }
            let seeds = from..from.saturating_add(BATCH).min(end);
            seeds.for_each(|seed| found.take(simulate(seed, start, None)));
        }
    };
    let mut found = Found::default();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            found.add(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
    });
    found.broken.sort_by_key(|broken| broken.seed);
    found
}
