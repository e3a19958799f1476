//! `evenkeel doctor`: questions to the network around this host, which no configuration can answer.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;

mod dr;

/// What is asked.
#[derive(Debug, Subcommand)]
pub(super) enum Part {
    /// Ask the link who answers for each VIP under direct routing, and name those that should be silent
    ///
    /// Exit status 0 all as it should be, 1 somebody answers who should not, 2 it could not be asked. Needs CAP_NET_RAW.
    Dr {
        /// Configuration, KDL or keepalived.conf
        file: PathBuf,
        #[command(flatten)]
        id: super::ConfigId,
        /// How long to wait for answers (seconds, or 250ms)
        #[arg(long, value_name = "TIME", default_value = "1s", value_parser = super::parse_time)]
        wait: Duration,
    },
}

/// Asks.
pub(super) fn run(part: Part) -> ExitCode {
    match part {
        Part::Dr { file, id, wait } => dr::run(&file, id.config_id.as_deref(), wait),
    }
}
