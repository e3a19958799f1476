//! `evenkeel status`: one screen, once or again and again; the whole answer as JSON.
#![expect(clippy::disallowed_methods, reason = "the edge: --watch looks again after a while")]

use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::client::{self, ClientError};
use super::status_page::render;
use crate::explain::services;
use crate::lvs::counters::Counters;
use crate::ops::refusal::{Code, Refusal};
use crate::status::Status;

/// Beyond so many real servers nobody reads each one's connections, and counting them takes the kernel a while.
const COUNTED_MAX: usize = 2000;

/// What is shown.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// Only this virtual server: ADDRESS, ADDRESS:PORT, "FWM 1"
    #[arg(value_name = "VIP:PORT")]
    target: Option<String>,
    /// Again and again, every second or after TIME
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "1",
          value_parser = super::parse_time, conflicts_with = "json")]
    watch: Option<Duration>,
    /// The whole answer as JSON
    #[arg(long)]
    json: bool,
}

/// Exit status 0 when a director answered.
pub(super) fn run(runtime_dir: &Path, options: &Options) -> ExitCode {
    let Some(pause) = options.watch else {
        return match page(runtime_dir, options) {
            Ok(text) => {
                // Nobody is left to tell where the reader of standard output went.
                let _ = std::io::stdout().write_all(fitted(&text, None).as_bytes());
                ExitCode::SUCCESS
            }
            Err(cause) => cause.fail(),
        };
    };
    loop {
        let text = match page(runtime_dir, options) {
            Ok(text) => text,
            Err(ClientError::Refused(refusal)) if refusal.code == Code::NoSuchTarget => {
                return ClientError::Refused(refusal).fail();
            }
            // It may be on its way back.
            Err(cause) => format!("{cause}\n"),
        };
        let size = crossterm::terminal::size().ok();
        let text = fitted(&text, size.map(|(_, lines)| usize::from(lines).saturating_sub(1)));
        let mut out = std::io::stdout();
        let clear = if out.is_terminal() { "\x1b[H\x1b[J" } else { "" };
        if write!(out, "{clear}{text}").and_then(|()| out.flush()).is_err() {
            return ExitCode::SUCCESS;
        }
        std::thread::sleep(pause.max(Duration::from_millis(100)));
    }
}

fn page(runtime_dir: &Path, options: &Options) -> Result<String, ClientError> {
    let body = client::get(runtime_dir, "/v1/status")?;
    if options.json && options.target.is_none() {
        return String::from_utf8(body)
            .map_err(|cause| ClientError::Local(std::io::Error::other(cause)));
    }
    let mut status: Status = serde_json::from_slice(&body).map_err(ClientError::Unreadable)?;
    if let Some(target) = &options.target {
        status = only(status, target)?;
    }
    if options.json {
        return serde_json::to_string(&status)
            .map(|text| text + "\n")
            .map_err(ClientError::Unreadable);
    }
    let services = status.lvs.iter().flat_map(|lvs| &lvs.virtual_servers);
    let servers: usize = services.map(|service| service.real_servers.len()).sum();
    let counters: Option<Counters> = (1..=COUNTED_MAX)
        .contains(&servers)
        .then(|| client::get(runtime_dir, "/v1/counters").ok())
        .flatten()
        .and_then(|body| serde_json::from_slice(&body).ok());
    Ok(render(&status, counters.as_ref()))
}

/// The virtual servers of that name and nothing else.
fn only(status: Status, target: &str) -> Result<Status, ClientError> {
    let mut lvs = status.lvs.unwrap_or_default();
    lvs.virtual_servers = services(&lvs, target).cloned().collect();
    if lvs.virtual_servers.is_empty() {
        let message = format!("no virtual server {target}");
        return Err(ClientError::Refused(Refusal::new(Code::NoSuchTarget, message)));
    }
    Ok(Status { lvs: Some(lvs), ..Status::default() })
}

/// Cut to the terminal, if it goes to one: to its width, and with `lines` to its height.
fn fitted(text: &str, lines: Option<usize>) -> Cow<'_, str> {
    let width = std::io::stdout()
        .is_terminal()
        .then(|| crossterm::terminal::size().ok())
        .flatten()
        .map(|(width, _)| usize::from(width).max(20));
    if width.is_none() && lines.is_none() {
        return text.into();
    }
    let cut = |line: &str| match width {
        Some(width) => line.chars().take(width).collect(),
        None => line.to_owned(),
    };
    let lines = lines.unwrap_or(usize::MAX);
    text.lines().take(lines).map(|line| cut(line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lvs::status::{LvsStatus, VirtualServerStatus};

    #[test]
    fn one_virtual_server_is_shown_alone() {
        let named = |key: &str| VirtualServerStatus { key: key.into(), ..Default::default() };
        let virtual_servers = vec![named("TCP 10.0.0.100:80"), named("UDP 10.0.0.100:53")];
        let lvs = LvsStatus { virtual_servers, ..LvsStatus::default() };
        let status = Status { lvs: Some(lvs), ..Status::default() };
        let shown = only(status.clone(), "10.0.0.100:53").unwrap().lvs.unwrap();
        assert_eq!(shown.virtual_servers, [named("UDP 10.0.0.100:53")]);
        assert!(matches!(only(status, "10.0.0.9"), Err(ClientError::Refused(_))));
    }

    #[test]
    fn the_screen_ends_where_the_terminal_does() {
        assert_eq!(fitted("a\nb\nc\n", Some(2)), "a\nb\n");
        assert_eq!(fitted("a\nb\n", None), "a\nb\n");
    }
}
