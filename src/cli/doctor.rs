//! `evenkeel doctor`: questions to this host and the network around it, which no configuration can answer.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;

mod dr;
mod host;

/// What is asked.
#[derive(Debug, Subcommand)]
pub(super) enum Part {
    /// Examine this host: modules, sysctls, ARP and reverse path settings, subnets of VIPs, capabilities, multicast
    ///
    /// Also asks the director that runs here, if one does. Exit status 0 nothing found, 1 findings, each with what mends
    /// it, 2 the configuration cannot be read.
    Host(host::Options),
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
        Part::Host(options) => host::run(&options),
        Part::Dr { file, id, wait } => dr::run(&file, id.config_id.as_deref(), wait),
    }
}
