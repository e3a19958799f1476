//! Where log lines go (journald where it is what standard error leads to, else standard error), how they look, and which
//! are written; the last two may change while a process runs.

mod limit;
mod line;

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use tracing::{Level, info};
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, reload};

use crate::config::model::LogFormat;
use crate::message::Role;

/// Which lines are written, once logging has started.
static LEVELS: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Parts of evenkeel, as operators name them, and the modules behind them.
const PARTS: [(&str, &[&str]); 7] = [
    ("supervisor", &["evenkeel::supervisor"]),
    ("vrrp", &["evenkeel::router", "vrrp"]),
    ("lvs", &["evenkeel::lvs"]),
    ("checkers", &["checkers"]),
    ("ipvs", &["ipvs"]),
    ("ops", &["evenkeel::ops"]),
    ("bfd", &["bfd"]),
];

/// Starts logging for one process. `EVENKEEL_LOG` sets levels ("debug", "vrrp=trace"); info without it.
pub fn start(role: Role) {
    let wanted = std::env::var("EVENKEEL_LOG").unwrap_or_default();
    let levels = filter(&wanted).unwrap_or_else(|_| Targets::new().with_default(Level::INFO));
    let (levels, handle) = reload::Layer::new(levels);
    // Fails only when logging was started before, whose handle then stays.
    let _ = LEVELS.set(handle);
    let registry = tracing_subscriber::registry().with(levels);
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    match journal {
        Some(journal) => {
            let identity = format!("evenkeel-{role}");
            let journal = journal.with_syslog_identifier(identity).with_field_prefix(None);
            registry.with(journal).init();
        }
        None => {
            let lines = tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_ansi(std::io::stderr().is_terminal())
                .event_format(line::Line { role, limit: std::sync::Mutex::default() });
            registry.with(lines).init();
        }
    }
}

/// `log { format }`, or `--log-format`. Journald keeps fields by itself.
pub fn set_format(format: LogFormat) {
    line::JSON.store(format == LogFormat::Json, Ordering::Relaxed);
}

/// Which lines are written from now on: `debug`, `vrrp=debug,checkers=trace`; what is not named is at info.
pub fn set_levels(wanted: &str) -> Result<String, String> {
    let levels = filter(wanted)?;
    let handle = LEVELS.get().ok_or("logging has not started")?;
    handle.reload(levels).map_err(|cause| cause.to_string())?;
    let said = if wanted.is_empty() { "info" } else { wanted };
    info!("log levels: {said}");
    Ok(format!("log levels: {said}"))
}

/// What the supervisor says to a worker. Levels come only where somebody set them; it has read them before.
pub fn follow(format: LogFormat, levels: &str) {
    set_format(format);
    if !levels.is_empty()
        && let Err(why) = set_levels(levels)
    {
        tracing::warn!("log levels {levels}: {why}");
    }
}

fn filter(wanted: &str) -> Result<Targets, String> {
    let directives = directives(wanted)?;
    directives.parse().map_err(|cause: ParseError| cause.to_string())
}

/// As `tracing` reads them. A word without `=` is the level of everything.
fn directives(wanted: &str) -> Result<String, String> {
    let mut all = vec!["info".to_owned()];
    for word in wanted.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let Some((part, level)) = word.split_once('=') else {
            check_level(word)?;
            word.clone_into(&mut all[0]);
            continue;
        };
        check_level(level)?;
        let named = PARTS.iter().find(|(name, _)| *name == part);
        match named {
            Some((_, modules)) => {
                all.extend(modules.iter().map(|module| format!("{module}={level}")));
            }
            // The path of a module, for those who read the code.
            None if part.contains("::") || part == "evenkeel" => all.push(word.to_owned()),
            None => {
                let names = PARTS.map(|(name, _)| name).join(", ");
                return Err(format!("there is no part `{part}`; there is {names}"));
            }
        }
    }
    Ok(all.join(","))
}

fn check_level(level: &str) -> Result<(), String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    if LEVELS.contains(&level) {
        return Ok(());
    }
    Err(format!("there is no level `{level}`; there is {}", LEVELS.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_as_operators_name_them() {
        assert_eq!(directives(""), Ok("info".to_owned()));
        assert_eq!(directives("debug"), Ok("debug".to_owned()));
        let vrrp = "info,evenkeel::router=debug,vrrp=debug,checkers=trace";
        assert_eq!(directives("vrrp=debug, checkers=trace"), Ok(vrrp.to_owned()));
        assert_eq!(
            directives("warn,evenkeel::lvs::applier=debug"),
            Ok("warn,evenkeel::lvs::applier=debug".to_owned())
        );
        for wrong in ["loud", "vrrp=loud", "cpu=debug", "=debug"] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
    }
}
