//! The project's own commands, one file each: `cargo xtask NAME`.
//!
//! They install what Debian packages are missing, build, and start; what they start decides by itself.

mod bench;
mod demo;
mod dist;
mod fuzz;
mod packages;
mod simulate;
mod step;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// evenkeel's project commands
#[derive(Parser)]
#[command(name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure one thing and print it as a table: `bench config`
    Bench(bench::Options),
    /// Show a pair of directors at work on a real kernel, each step measured (some 5 minutes the first time)
    Demo(demo::Options),
    /// Feed a parser with bytes that grow out of what it has not seen yet: `fuzz keepalived 600`
    Fuzz(fuzz::Options),
    /// Run every check that a change must pass: format, lints, docs, unit, property and lab tests
    Test(test::Options),
    /// Build the release and pack it as a Debian package
    Dist(dist::Options),
    /// Run random schedules of simulated VRRP networks, 100,000 unless told otherwise
    Simulate(simulate::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Bench(options) => bench::run(&options),
        Command::Demo(options) => demo::run(&options),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Dist(options) => dist::run(&options),
        Command::Simulate(options) => simulate::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
