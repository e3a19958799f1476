//! The commands with which operators look at the director and steer it; each is a client of the admin API.

use std::process::ExitCode;

use clap::Subcommand;

use super::{
    Runtime, check_now, client, drain, drill, events, explain, instances, pairing, probe, steer,
    table, top,
};

/// One of them.
#[derive(Debug, Subcommand)]
pub(super) enum Director {
    /// Why a real server, a virtual server or an instance is as it is
    Explain {
        /// ADDRESS, ADDRESS:PORT, VIRTUAL_SERVER/REAL_SERVER or the name of an instance
        target: String,
        /// As JSON: a list of kind, name and reasons
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        runtime: Runtime,
    },
    /// Print the kernel's table as `ipvsadm -Ln` does; needs root and no director
    Table {
        #[command(flatten)]
        options: table::Options,
    },
    /// Show what happened: verdicts, takeovers, repairs
    Events {
        #[command(flatten)]
        runtime: Runtime,
        #[command(flatten)]
        options: events::Options,
    },
    /// Show everything live: instances, virtual and real servers with rates, events; with keys to drain and enable
    Top {
        #[command(flatten)]
        runtime: Runtime,
        #[command(flatten)]
        options: top::Options,
    },
    /// No new connections for a real server; it keeps those that it has
    Drain {
        #[command(flatten)]
        target: steer::Target,
        #[command(flatten)]
        pair: pairing::Pair,
        #[command(flatten)]
        options: drain::Options,
        #[command(flatten)]
        runtime: Runtime,
    },
    /// Take a real server out of the pool at once
    Disable {
        #[command(flatten)]
        target: steer::Target,
        #[command(flatten)]
        pair: pairing::Pair,
        #[command(flatten)]
        runtime: Runtime,
    },
    /// Give a real server another weight: a number, or a share of the weight that it would have
    Weight {
        #[command(flatten)]
        target: steer::Target,
        #[command(flatten)]
        pair: pairing::Pair,
        /// N or N%
        #[arg(value_name = "WEIGHT", value_parser = steer::parse_weight)]
        weight: String,
        #[command(flatten)]
        runtime: Runtime,
    },
    /// End what was ordered of a real server: its checks decide again
    Enable {
        /// ADDRESS, ADDRESS:PORT or VIRTUAL_SERVER/REAL_SERVER
        #[arg(value_name = "RS")]
        servers: String,
        #[command(flatten)]
        pair: pairing::Pair,
        #[command(flatten)]
        runtime: Runtime,
    },
    /// List what is ordered of real servers
    Overrides {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        runtime: Runtime,
    },
    /// Hand an instance that is Master over to its peer, and wait for the end; exit status 0 handed over, 1 not
    Failover {
        /// Name of a vrrp_instance or a sync group
        instance: String,
        #[command(flatten)]
        runtime: Runtime,
    },
    /// Hand over on purpose and measure the gap that a client sees; exit status 0 within the limit, 7 longer
    Drill {
        #[command(flatten)]
        options: drill::Options,
        #[command(flatten)]
        runtime: Runtime,
    },
    /// Connect to a virtual server again and again as a client does, and say the longest gap
    Probe {
        #[command(flatten)]
        options: probe::Options,
    },
    /// Hand over what is Master, and take nothing from a master until `rejoin`
    Resign {
        /// Name of a vrrp_instance or a sync group; without one all
        instance: Option<String>,
        #[command(flatten)]
        runtime: Runtime,
    },
    /// End a resignation: preempt again as configured
    Rejoin {
        /// Name of a vrrp_instance or a sync group; without one all
        instance: Option<String>,
        #[command(flatten)]
        runtime: Runtime,
    },
    /// Log more or less, in all processes, until the director ends: debug, vrrp=debug,checkers=trace
    Log {
        /// LEVEL or PART=LEVEL, several with commas; without any: info
        #[arg(default_value = "info")]
        levels: String,
        #[command(flatten)]
        runtime: Runtime,
    },
    /// Ask a real server's checks at once; exit status 0 all passed, 1 one failed, 6 one did not answer
    CheckNow {
        /// ADDRESS, ADDRESS:PORT or VIRTUAL_SERVER/REAL_SERVER
        #[arg(value_name = "RS")]
        servers: String,
        #[command(flatten)]
        runtime: Runtime,
    },
}

/// Runs it.
pub(super) fn run(command: Director) -> ExitCode {
    match command {
        Director::Explain { target, json, runtime } => {
            explain::run(&runtime.runtime_dir, &target, json)
        }
        Director::Table { options } => table::run(&options),
        Director::Events { runtime, options } => events::run(&runtime.runtime_dir, &options),
        Director::Top { runtime, options } => top::run(&runtime.runtime_dir, &options),
        Director::Drain { target, pair, options, runtime } => {
            steer::drain(&runtime.runtime_dir, &target, &options, &pair)
        }
        Director::Disable { target, pair, runtime } => {
            steer::disable(&runtime.runtime_dir, &target, &pair)
        }
        Director::Weight { target, pair, weight, runtime } => {
            steer::weight(&runtime.runtime_dir, &target, &weight, &pair)
        }
        Director::Enable { servers, pair, runtime } => {
            steer::enable(&runtime.runtime_dir, &servers, &pair)
        }
        Director::Overrides { json, runtime } => steer::overrides(&runtime.runtime_dir, json),
        Director::Failover { instance, runtime } => {
            instances::failover(&runtime.runtime_dir, &instance)
        }
        Director::Drill { options, runtime } => drill::run(&runtime.runtime_dir, &options),
        Director::Probe { options } => probe::run(&options),
        Director::Resign { instance, runtime } => {
            instances::order(&runtime.runtime_dir, "resign", instance.as_deref())
        }
        Director::Rejoin { instance, runtime } => {
            instances::order(&runtime.runtime_dir, "rejoin", instance.as_deref())
        }
        Director::Log { levels, runtime } => {
            let path = format!("/v1/log?levels={}", client::quoted(&levels));
            steer::order(&runtime.runtime_dir, &path)
        }
        Director::CheckNow { servers, runtime } => check_now::run(&runtime.runtime_dir, &servers),
    }
}
