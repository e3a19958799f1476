//! `evenkeel status`: one screen, once or again and again; the whole answer as JSON. The director writes it; here it is
//! passed on as it comes, cut to the terminal.
#![expect(clippy::disallowed_methods, reason = "the edge: --watch looks again after a while")]

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::client::{self, ClientError};
use crate::ops::refusal::Code;

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

impl Options {
    fn path(&self) -> String {
        let form = if self.json { "json" } else { "text" };
        let of = self.target.iter().map(|target| format!("&of={}", client::quoted(target)));
        format!("/v1/status?as={form}{}", of.collect::<String>())
    }
}

/// Exit status 0 when a director answered.
pub(super) fn run(runtime_dir: &Path, options: &Options) -> ExitCode {
    match options.watch {
        None => once(runtime_dir, options),
        Some(pause) => again(runtime_dir, options, pause),
    }
}

fn once(runtime_dir: &Path, options: &Options) -> ExitCode {
    let mut out = io::stdout().lock();
    let width = width().filter(|_| !options.json);
    let mut cut = Cut { width, unfinished: Vec::new() };
    let mut written = Ok(());
    let asked = client::read(runtime_dir, &options.path(), |piece| {
        written = out.write_all(&cut.lines(piece));
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    match (asked, written.and_then(|()| out.flush())) {
        (Ok(()), Ok(())) => ExitCode::SUCCESS,
        // Its reader has gone: `| head`.
        (Ok(()), Err(gone)) if gone.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        (Ok(()), Err(cause)) => ClientError::Local(cause).fail(),
        (Err(cause), _) => cause.fail(),
    }
}

fn again(runtime_dir: &Path, options: &Options, pause: Duration) -> ExitCode {
    loop {
        let text = match client::get(runtime_dir, &options.path()) {
            Ok(body) => String::from_utf8_lossy(&body).into_owned(),
            Err(ClientError::Refused(refusal)) if refusal.code == Code::NoSuchTarget => {
                return ClientError::Refused(refusal).fail();
            }
            // It may be on its way back.
            Err(cause) => format!("{cause}\n"),
        };
        let mut out = io::stdout();
        let (clear, lines) = match crossterm::terminal::size() {
            Ok((_, lines)) if out.is_terminal() => {
                ("\x1b[H\x1b[J", usize::from(lines).saturating_sub(1))
            }
            Ok(_) | Err(_) => ("", usize::MAX),
        };
        let mut cut = Cut { width: width(), unfinished: Vec::new() };
        let text: String = text.split_inclusive('\n').take(lines).collect();
        let written = out
            .write_all(clear.as_bytes())
            .and_then(|()| out.write_all(&cut.lines(text.as_bytes())))
            .and_then(|()| out.flush());
        if written.is_err() {
            return ExitCode::SUCCESS;
        }
        std::thread::sleep(pause.max(Duration::from_millis(100)));
    }
}

/// Of the terminal, if it goes to one.
fn width() -> Option<usize> {
    let size = io::stdout().is_terminal().then(|| crossterm::terminal::size().ok()).flatten();
    size.map(|(width, _)| usize::from(width).max(20))
}

/// Text that is cut to a width while it comes; a page ends with a whole line.
struct Cut {
    width: Option<usize>,
    unfinished: Vec<u8>,
}

impl Cut {
    /// As much as is known to be whole lines.
    fn lines<'a>(&mut self, piece: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(width) = self.width else { return piece.into() };
        self.unfinished.extend_from_slice(piece);
        let end = self.unfinished.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let whole: Vec<u8> = self.unfinished.drain(..end).collect();
        let cut = |line: &str| line.chars().take(width).chain(['\n']).collect::<String>();
        let lines: String = String::from_utf8_lossy(&whole).lines().map(cut).collect();
        lines.into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_the_terminal_does_however_they_come() {
        let text = "-> 10.0.0.3:80 UP\nçédille\n".as_bytes();
        for at in 0..text.len() {
            let mut cut = Cut { width: Some(4), unfinished: Vec::new() };
            let (one, two) = text.split_at(at);
            let lines = [cut.lines(one), cut.lines(two)].concat();
            assert_eq!(String::from_utf8(lines).unwrap(), "-> 1\nçédi\n", "cut at {at}");
        }
        let mut whole = Cut { width: None, unfinished: Vec::new() };
        assert_eq!(*whole.lines(text), *text);
    }

    #[test]
    fn a_target_is_quoted() {
        let options = Options { target: Some("FWM 1".into()), watch: None, json: true };
        assert_eq!(options.path(), "/v1/status?as=json&of=FWM%201");
    }
}
