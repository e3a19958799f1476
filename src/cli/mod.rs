//! The command line: one file per subcommand.

mod check;
mod client;
mod convert;
mod load;
mod log;
mod operate;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::message::Role;

/// Where evenkeel keeps what it writes while it runs.
const RUNTIME_DIR: &str = "/run/evenkeel";

/// An LVS director: health checks, the kernel's IPVS table and VRRP.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the director in the foreground; SIGHUP reloads, SIGTERM stops
    Run {
        /// Configuration, KDL or keepalived.conf
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
        #[command(flatten)]
        runtime: Runtime,
    },
    /// Check a configuration; exit status 0 clean, 1 warnings, 2 it would not run
    Check {
        /// Configuration, KDL or keepalived.conf
        file: PathBuf,
    },
    /// Print a configuration as KDL; what differs is reported on standard error
    Convert {
        /// Configuration, usually a keepalived.conf
        file: PathBuf,
    },
    /// Show how the running director is
    Status {
        #[command(flatten)]
        runtime: Runtime,
        /// The whole answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Read the configuration again; on a mistake nothing changes and it is said
    Reload {
        #[command(flatten)]
        runtime: Runtime,
    },
    /// Hand over and stop the running director
    Stop {
        #[command(flatten)]
        runtime: Runtime,
    },
    /// Read a configuration and leave specs on standard output (started by `run`)
    #[command(hide = true)]
    Load {
        /// Configuration
        file: PathBuf,
    },
    /// A worker process (started by `run`)
    #[command(hide = true)]
    Worker {
        #[command(subcommand)]
        worker: Worker,
    },
}

#[derive(Debug, Subcommand)]
enum Worker {
    /// VRRP and addresses
    Vrrp {
        #[command(flatten)]
        runtime: Runtime,
    },
    /// Checks and table
    Lvs {
        #[command(flatten)]
        runtime: Runtime,
    },
    /// Admin API
    Ops {
        #[command(flatten)]
        runtime: Runtime,
    },
}

#[derive(Debug, Args)]
struct Runtime {
    /// Where pid file, sockets and state live: one for each director on a host
    #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
    runtime_dir: PathBuf,
}

/// Runs what the command line says.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { config, runtime } => {
            log::start(Role::Supervisor);
            operate::run(config, runtime.runtime_dir)
        }
        Command::Check { file } => check::run(&file),
        Command::Convert { file } => convert::run(&file),
        Command::Status { runtime, json } => status::run(&runtime.runtime_dir, json),
        Command::Reload { runtime } => operate::reload(&runtime.runtime_dir),
        Command::Stop { runtime } => operate::stop(&runtime.runtime_dir),
        Command::Load { file } => load::run(&file),
        Command::Worker { worker } => run_worker(worker),
    }
}

fn run_worker(worker: Worker) -> ExitCode {
    match worker {
        Worker::Vrrp { runtime } => {
            log::start(Role::Vrrp);
            crate::router::run(&runtime.runtime_dir)
        }
        Worker::Lvs { runtime } => {
            log::start(Role::Lvs);
            crate::lvs::run(&runtime.runtime_dir)
        }
        Worker::Ops { runtime } => {
            log::start(Role::Ops);
            drop(runtime);
            crate::ops::run()
        }
    }
}
