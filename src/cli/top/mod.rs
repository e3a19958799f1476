//! `evenkeel top`: the whole director live on a terminal. A client of the admin API like every other command: it looks
//! once a second, follows the events, and orders what the operator has confirmed.
//!
//! | file | noun |
//! |---|---|
//! | `state` | PURE: what is known and where the cursor stands: inputs in, orders out |
//! | `rows` | PURE: the lines of the list: instances, virtual servers, real servers |
//! | `rates` | PURE: connections per second and their history, from two readings of the counters |
//! | `draw`, `columns` | PURE: the screen |
//!
//! The threads that ask, follow and read keys wait in system calls and end with the process, which ends with the screen:
//! none of them holds anything that would have to be given back.
#![expect(
    clippy::disallowed_methods,
    reason = "the edge: threads that wait for the director and for keys"
)]

mod columns;
mod draw;
mod rates;
mod rows;
mod state;
#[cfg(test)]
mod tests;

use std::io::{IsTerminal, stdin, stdout};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use crossterm::event::{Event, KeyEventKind, read};
use tokio::signal::unix::{SignalKind, signal};

use self::draw::Paint;
use self::state::{Effect, Input, Look, Top};
use super::client::{self, ClientError};
use super::events::Told;

/// Inputs that wait for the screen. Whoever has more waits: keys, events and looks come again.
const INPUTS: usize = 64;
/// Events that are asked for at the start.
const EVENTS: usize = 100;
/// How long to wait before a lost director is looked for again.
const AGAIN: Duration = Duration::from_secs(1);

/// How it looks.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// How often to look
    #[arg(long, value_name = "TIME", default_value = "1", value_parser = super::parse_time)]
    every: Duration,
}

/// Exit status 0 when the operator ended it, 1 without a terminal, 3 and 4 where no director answers at the start.
pub(super) fn run(runtime_dir: &Path, options: &Options) -> ExitCode {
    if !stdin().is_terminal() || !stdout().is_terminal() {
        eprintln!("evenkeel: top needs a terminal; `evenkeel status --watch` does not");
        return ExitCode::FAILURE;
    }
    let first = match look(runtime_dir) {
        Ok(look) => look,
        Err(cause) => return cause.fail(),
    };
    let (to, inputs) = sync_channel(INPUTS);
    start(&to, runtime_dir, options.every.max(Duration::from_millis(100)));
    // Restores the terminal on a panic too.
    let mut terminal = match ratatui::try_init() {
        Ok(terminal) => terminal,
        Err(cause) => return ClientError::Local(cause).fail(),
    };
    let mut top = Top::new(Paint::of_environment(std::env::var_os("NO_COLOR").is_some()));
    top.handle(Input::Looked(Box::new(first)));
    let shown = show(&mut terminal, &mut top, &inputs, &to, runtime_dir);
    ratatui::restore();
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => ClientError::Local(cause).fail(),
    }
}

fn show(
    terminal: &mut ratatui::DefaultTerminal,
    top: &mut Top,
    inputs: &Receiver<Input>,
    to: &SyncSender<Input>,
    runtime_dir: &Path,
) -> std::io::Result<()> {
    loop {
        terminal.draw(|frame| draw::draw(top, frame))?;
        // Everything that has come is taken in before the next picture.
        let Ok(first) = inputs.recv() else { return Ok(()) };
        for input in std::iter::once(first).chain(inputs.try_iter()) {
            match top.handle(input) {
                Effect::None => {}
                Effect::Quit => return Ok(()),
                Effect::Order(path) => {
                    let (to, dir) = (to.clone(), runtime_dir.to_owned());
                    thread::spawn(move || {
                        let done = client::post(&dir, &path).map_err(|cause| cause.to_string());
                        let _ = to.send(Input::Done(done));
                    });
                }
            }
        }
    }
}

fn start(to: &SyncSender<Input>, runtime_dir: &Path, every: Duration) {
    let (keys, looks, events, signals) = (to.clone(), to.clone(), to.clone(), to.clone());
    let (here, there) = (runtime_dir.to_owned(), runtime_dir.to_owned());
    thread::spawn(move || read_keys(&keys));
    thread::spawn(move || look_again(&looks, &here, every));
    thread::spawn(move || follow(&events, &there));
    thread::spawn(move || wait_for_the_end(&signals));
}

/// Until the terminal is gone.
fn read_keys(to: &SyncSender<Input>) {
    loop {
        let input = match read() {
            Ok(Event::Key(key)) if key.kind == KeyEventKind::Press => Input::Key(key),
            Ok(Event::Resize(..)) => Input::Resized,
            Ok(_) => continue,
            Err(_) => Input::End,
        };
        let is_end = matches!(input, Input::End);
        if to.send(input).is_err() || is_end {
            return;
        }
    }
}

fn look_again(to: &SyncSender<Input>, runtime_dir: &Path, every: Duration) {
    loop {
        thread::sleep(every);
        let input = match look(runtime_dir) {
            Ok(look) => Input::Looked(Box::new(look)),
            Err(cause) => Input::Lost(cause.to_string()),
        };
        if to.send(input).is_err() {
            return;
        }
    }
}

fn look(runtime_dir: &Path) -> Result<Look, ClientError> {
    let status = client::get(runtime_dir, "/v1/status")?;
    let status = serde_json::from_slice(&status).map_err(ClientError::Unreadable)?;
    // A director without virtual servers has none.
    let counters = client::get(runtime_dir, "/v1/counters").ok();
    let counters = counters.and_then(|body| serde_json::from_slice(&body).ok());
    Ok(Look { at: Instant::now(), status, counters: counters.unwrap_or_default() })
}

/// A director that comes back is followed from where it was left.
fn follow(to: &SyncSender<Input>, runtime_dir: &Path) {
    let mut since = 0;
    loop {
        let path = format!("/v1/events/follow?since={since}&limit={EVENTS}");
        // How it ended is told by the looks.
        let _ = client::follow(runtime_dir, &path, |name, data| {
            let input = match name {
                "missed" => Some(Input::Missed(data.parse().unwrap_or(0))),
                _ => serde_json::from_str::<Told>(data).ok().map(|told| {
                    since = told.id;
                    Input::Event(told)
                }),
            };
            match input.map(|input| to.send(input)) {
                None | Some(Ok(())) => ControlFlow::Continue(()),
                Some(Err(_)) => ControlFlow::Break(()),
            }
        });
        thread::sleep(AGAIN);
    }
}

/// SIGTERM and SIGHUP end it like `q`, so that the terminal is left as it was.
fn wait_for_the_end(to: &SyncSender<Input>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return;
    };
    runtime.block_on(async {
        let both = (signal(SignalKind::terminate()), signal(SignalKind::hangup()));
        let (Ok(mut terminate), Ok(mut hangup)) = both else { return };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    });
    let _ = to.send(Input::End);
}
