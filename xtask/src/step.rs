//! One step of a longer command: announced, run with its output in sight, timed, remembered.
#![expect(clippy::disallowed_methods, reason = "steps are timed")]

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// Steps that have run, in order.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(String, bool, Duration)>,
}

impl Steps {
    /// Runs cargo as a step; a failure is kept for the end, so that one run shows them all.
    pub(crate) fn cargo(&mut self, name: &str, arguments: &[&str]) {
        self.cargo_with(name, arguments, &[]);
    }

    /// Runs cargo with variables set.
    pub(crate) fn cargo_with(
        &mut self,
        name: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) {
        println!("\n== {name}: cargo {}", arguments.join(" "));
        let start = Instant::now();
        let is_good = cargo(arguments, variables);
        let took = start.elapsed();
        println!("== {name}: {} in {:.1} s", word(is_good), took.as_secs_f64());
        self.done.push((name.to_owned(), is_good, took));
    }

    /// A line per step, and whether all were good.
    pub(crate) fn finish(self) -> Result<(), String> {
        println!();
        let mut total = Duration::ZERO;
        for (name, is_good, took) in &self.done {
            println!("{:8} {:7.1} s  {name}", word(*is_good), took.as_secs_f64());
            total += *took;
        }
        println!("{:8} {:7.1} s  all", "", total.as_secs_f64());
        let good = self.done.iter().filter(|step| step.1).count();
        println!("steps: {good} passed, {} failed", self.done.len() - good);
        let failed: Vec<&str> =
            self.done.iter().filter(|step| !step.1).map(|step| step.0.as_str()).collect();
        if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
    }
}

fn word(is_good: bool) -> &'static str {
    if is_good { "ok" } else { "FAILED" }
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target");
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| default.into(), PathBuf::from)
}

/// Runs cargo from the workspace's root; true when it ended well.
pub(crate) fn cargo(arguments: &[&str], variables: &[(&str, &str)]) -> bool {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(arguments).envs(variables.iter().copied());
    command.status().is_ok_and(|status| status.success())
}
