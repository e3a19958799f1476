//! `evenkeel events`: what happened, from the director's own history, and what happens.

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::client::{self, ClientError};
use super::clock;
use crate::ops::severity::Severity;

/// An event as the API tells it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Told {
    pub(super) id: u64,
    pub(super) at_ms: u64,
    pub(super) severity: Severity,
    pub(super) name: String,
    pub(super) subject: String,
    pub(super) cause: String,
}

/// Which events, and how they are shown.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Options {
    /// Go on with what happens from now on
    #[arg(short, long)]
    follow: bool,
    /// Only what happened in this last time (90, 10m, 2h)
    #[arg(long, value_name = "TIME", value_parser = super::parse_time)]
    since: Option<Duration>,
    /// Only the newest so many
    #[arg(short = 'n', long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Exit status 0 when a director answered.
pub(super) fn run(runtime_dir: &Path, options: &Options) -> ExitCode {
    let query = query(options);
    let shown = if options.follow {
        let path = format!("/v1/events/follow?{query}");
        client::follow(runtime_dir, &path, |name, data| match name {
            "missed" => {
                eprintln!("evenkeel: too slow: {data} events were not shown");
                ControlFlow::Continue(())
            }
            _ => show(data, options.json),
        })
    } else {
        list(runtime_dir, &query, options.json)
    };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => cause.fail(),
    }
}

fn list(runtime_dir: &Path, query: &str, json: bool) -> Result<(), ClientError> {
    let body = client::get(runtime_dir, &format!("/v1/events?{query}"))?;
    let events: Vec<Box<serde_json::value::RawValue>> =
        serde_json::from_slice(&body).map_err(ClientError::Unreadable)?;
    for event in events {
        if show(event.get(), json).is_break() {
            break;
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the edge: a time counted back from now")]
fn query(options: &Options) -> String {
    let mut parts = Vec::new();
    if let Some(since) = options.since {
        let from = SystemTime::now().checked_sub(since).unwrap_or(UNIX_EPOCH);
        let passed = from.duration_since(UNIX_EPOCH).unwrap_or_default();
        parts.push(format!("since_ms={}", passed.as_millis()));
    }
    if let Some(limit) = options.limit {
        parts.push(format!("limit={limit}"));
    }
    parts.join("&")
}

/// Breaks when nobody reads any more.
fn show(data: &str, json: bool) -> ControlFlow<()> {
    let mut out = std::io::stdout();
    let line = match serde_json::from_str::<Told>(data) {
        Ok(told) if !json => line(&told, out.is_terminal()),
        _ => data.to_owned(),
    };
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}

/// `2026-01-02 03:04:05.678 warning real_server_down 10.0.0.3:80 of TCP 10.0.0.100:80: cause`.
pub(super) fn line(told: &Told, colour: bool) -> String {
    let Told { at_ms, severity, name, subject, cause, id: _ } = told;
    let (on, off) = match severity {
        _ if !colour => ("", ""),
        Severity::Info => ("", ""),
        Severity::Warning => ("\x1b[33m", "\x1b[0m"),
        Severity::Critical => ("\x1b[31m", "\x1b[0m"),
    };
    let colon = if cause.is_empty() { "" } else { ": " };
    let (when, severity) = (clock::local(*at_ms), severity.word());
    format!("{when} {on}{severity:<8}{off} {name} {subject}{colon}{cause}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_when_how_bad_what_and_why() {
        let told: Told = serde_json::from_str(
            r#"{"id":5,"severity":"critical","at_ms":0,"name":"virtual_server_down","subject":"TCP 10.0.0.100:80",
                "cause":"live weight 0, quorum 1"}"#,
        )
        .unwrap();
        let text = line(&told, false);
        let wanted = " critical virtual_server_down TCP 10.0.0.100:80: live weight 0, quorum 1";
        assert_eq!(text.strip_prefix(&clock::local(0)), Some(wanted));
        assert!(line(&told, true).contains("\x1b[31mcritical"));
    }
}
