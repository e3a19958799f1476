//! The command line: one file per subcommand.

#[macro_use]
mod say;

mod check;
mod check_now;
mod client;
mod clock;
mod convert;
mod digest;
mod director;
mod doctor;
mod drain;
mod drill;
mod events;
mod explain;
mod habits;
mod instances;
mod keywords;
mod load;
mod manual;
mod operate;
mod pairing;
mod plan;
mod probe;
mod sse;
mod started;
mod status;
mod steer;
mod system;
mod table;
mod top;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use self::started::Started;
use crate::config::model::LogFormat;
use crate::log;
use crate::message::Role;
use crate::supervisor;

/// Where evenkeel keeps what it writes while it runs.
const RUNTIME_DIR: &str = "/run/evenkeel";

/// An LVS director: health checks, the kernel's IPVS table and VRRP.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the director in the foreground; SIGHUP reloads, SIGTERM stops
    Run {
        /// Configuration, KDL or keepalived.conf; keepalived's -f and --use-file mean it too (its -c is another option)
        #[arg(
            short,
            long,
            visible_short_alias = 'f',
            visible_alias = "use-file",
            value_name = "FILE"
        )]
        config: PathBuf,
        #[command(flatten)]
        id: ConfigId,
        #[command(flatten)]
        runtime: Runtime,
        /// How log lines look, whatever the configuration says
        #[arg(long, value_name = "FORMAT", value_parser = parse_log_format)]
        log_format: Option<LogFormat>,
        /// Write nothing, send no advertisement: compare what this director would do with what another one does
        #[arg(long)]
        observe: bool,
        #[command(flatten)]
        habits: habits::Habits,
    },
    /// Print the number of a signal: STOP, RELOAD, DATA, STATS, JSON (as keepalived --signum)
    Signum {
        /// Its name
        #[arg(value_parser = ["STOP", "RELOAD", "DATA", "STATS", "JSON"])]
        name: String,
    },
    /// Check a configuration; exit status 0 clean, 1 warnings, 2 it would not run
    Check {
        /// Configuration, KDL or keepalived.conf
        file: PathBuf,
        #[command(flatten)]
        id: ConfigId,
        /// How mistakes are told
        #[arg(long, value_enum, default_value_t = check::Format::Text)]
        format: check::Format,
        /// Also what this host lacks: modules, sysctls, addresses, permissions; each with what mends it
        #[arg(long)]
        against_system: bool,
        /// The other director's configuration: what does not go together with it
        #[arg(long, value_name = "FILE")]
        peer: Option<PathBuf>,
    },
    /// Explain a keyword: what follows it, in which blocks, and what it does here; without one, list them all
    Keywords {
        /// The keyword
        word: Option<String>,
    },
    /// Print a configuration as KDL; what differs is reported on standard error
    Convert {
        /// Configuration, usually a keepalived.conf
        file: PathBuf,
        #[command(flatten)]
        id: ConfigId,
    },
    /// Show what a configuration would change; exit status 0 nothing, 3 something
    Plan {
        /// Configuration, KDL or keepalived.conf
        file: PathBuf,
        #[command(flatten)]
        id: ConfigId,
        /// Compare with this file instead of the running director
        #[arg(long, value_name = "OLDFILE")]
        from: Option<PathBuf>,
        #[command(flatten)]
        runtime: Runtime,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask this host and the network around it what no configuration can tell
    Doctor {
        #[command(subcommand)]
        part: doctor::Part,
    },
    /// Show how the running director is
    Status {
        #[command(flatten)]
        runtime: Runtime,
        #[command(flatten)]
        options: status::Options,
    },
    #[command(flatten)]
    Director(director::Director),
    /// Read the configuration again; on a mistake nothing changes and it is said
    Reload {
        #[command(flatten)]
        runtime: Runtime,
        /// Let real servers that are no longer configured keep their connections for so long (seconds, or 250ms, 2m)
        #[arg(long, value_name = "TIME", value_parser = parse_time)]
        drain: Option<Duration>,
        /// Show what would change, and ask
        #[arg(long)]
        plan: bool,
    },
    /// Go on as the program that is installed now: no address moves, no connection is lost
    Upgrade {
        #[command(flatten)]
        runtime: Runtime,
    },
    /// Hand over and stop the running director
    Stop {
        #[command(flatten)]
        runtime: Runtime,
    },
    /// Print the MD5 of what a server answers, for `digest` in a configuration; options as genhash
    Digest {
        #[command(flatten)]
        options: digest::Options,
    },
    /// Print the completions of a shell: `evenkeel completions bash > /etc/bash_completion.d/evenkeel`
    Completions {
        /// Which
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder
    Manual {
        /// The folder
        folder: PathBuf,
    },
}

#[derive(Debug, Clone, Args)]
struct ConfigId {
    /// The director that `@ID` lines are read for; without it, this host's name up to its first dot
    #[arg(short = 'i', long = "config-id", value_name = "ID")]
    config_id: Option<String>,
}

#[derive(Debug, Clone, Args)]
struct Runtime {
    /// Where pid file, sockets and state live: one for each director on a host
    #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
    runtime_dir: PathBuf,
}

/// Runs what the command line says.
pub fn main() -> ExitCode {
    if let Some(started) = Started::of(std::env::args_os().skip(1)) {
        return started.run();
    }
    match Arguments::parse().command {
        Command::Run { config, id, habits, .. } if habits.config_test => {
            check::run(&config, id.config_id.as_deref(), check::Format::Text, false, None)
        }
        Command::Run { config, id, runtime, log_format, observe, habits } => {
            log::start(Role::Supervisor);
            log::set_format(log_format.unwrap_or_default());
            habits.begin();
            // It lives as long as this process.
            let _pid = match habits.write_pid() {
                Ok(file) => file,
                Err(cause) => {
                    tracing::error!("-p: {cause}");
                    return ExitCode::FAILURE;
                }
            };
            operate::run(supervisor::Options {
                config,
                config_id: id.config_id,
                runtime_dir: runtime.runtime_dir,
                log_format,
                observe,
                only: habits.only(),
                worker_pids: habits.worker_pids(),
                namespace: habits.namespace(),
            })
        }
        Command::Check { file, id, format, against_system, peer } => {
            let (id, peer) = (id.config_id.as_deref(), peer.as_deref());
            check::run(&file, id, format, against_system, peer)
        }
        Command::Signum { name } => {
            sayln!("{}", supervisor::signal_number(&name));
            ExitCode::SUCCESS
        }
        Command::Keywords { word } => keywords::run(word.as_deref()),
        Command::Convert { file, id } => convert::run(&file, id.config_id.as_deref()),
        Command::Doctor { part } => doctor::run(part),
        Command::Status { runtime, options } => status::run(&runtime.runtime_dir, &options),
        Command::Director(command) => director::run(command),
        Command::Reload { runtime, drain, plan } => {
            operate::reload(&runtime.runtime_dir, drain, plan)
        }
        Command::Plan { file, id, from, runtime, json } => {
            let (id, from) = (id.config_id.as_deref(), from.as_deref());
            plan::run(&file, id, from, &runtime.runtime_dir, json)
        }
        Command::Upgrade { runtime } => operate::upgrade(&runtime.runtime_dir),
        Command::Stop { runtime } => operate::stop(&runtime.runtime_dir),
        Command::Digest { options } => digest::run(&options),
        Command::Completions { shell } => manual::completions(shell),
        Command::Manual { folder } => manual::manual(&folder),
    }
}

fn parse_log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("text or json is wanted".to_owned()),
    }
}

/// `30`, `2.5`, `250ms`, `30s`, `2m`, `1h`.
fn parse_time(text: &str) -> Result<Duration, String> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let scale = match &text[unit..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        other => return Err(format!("no such unit: {other}; ms, s, m, h and d are known")),
    };
    let number: f64 =
        text[..unit].parse().map_err(|_| format!("not a number: {}", &text[..unit]))?;
    Duration::try_from_secs_f64(number * scale).map_err(|_| "out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_carry_a_unit() {
        let millis = |text| parse_time(text).map(|time| time.as_millis());
        assert_eq!(millis("30"), Ok(30_000));
        assert_eq!(millis("2.5"), Ok(2_500));
        assert_eq!(millis("250ms"), Ok(250));
        assert_eq!(millis("2m"), Ok(120_000));
        assert!(millis("5 parsecs").is_err());
        assert!(millis("-1").is_err());
    }

    #[test]
    fn a_command_line_for_keepalived_runs_the_director() {
        let line = "evenkeel run -n -l -D -G -f /etc/keepalived/keepalived.conf -p /run/k.pid -r /run/v.pid -b /run/b.pid -C";
        let Command::Run { config, habits, .. } =
            Arguments::parse_from(line.split_whitespace()).command
        else {
            panic!("{line}");
        };
        assert_eq!(config, PathBuf::from("/etc/keepalived/keepalived.conf"));
        assert_eq!(habits.only(), Some(Role::Lvs));
        let pids = ["/run/v.pid", "/run/b.pid"].map(|path| (Role::Vrrp, PathBuf::from(path)));
        assert_eq!(habits.worker_pids(), pids);
        let line = "evenkeel run -f k.conf -s blue -u 027 -e -V -I -R -X -B -d -a -S 3 -x -A /run/a -m -M core";
        let Command::Run { habits, .. } = Arguments::parse_from(line.split_whitespace()).command
        else {
            panic!("{line}");
        };
        assert_eq!(habits.namespace().as_deref(), Some("blue"));
        assert!(
            Arguments::try_parse_from("evenkeel run -f k.conf -u 999".split_whitespace()).is_err()
        );
        // keepalived's -c names a pid file; ours the configuration: together they are refused, never mistaken.
        let both = "evenkeel run -f k.conf -c checkers.pid".split_whitespace();
        assert!(Arguments::try_parse_from(both).is_err());
        let neither = "evenkeel run -f k.conf -P -C".split_whitespace();
        assert!(Arguments::try_parse_from(neither).is_err());
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
