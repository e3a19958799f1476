//! `run`, `reload` and `stop`.
#![expect(clippy::disallowed_methods, reason = "the edge: `stop` waits for the director's end")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{fs, io};

use serde::Deserialize;

use super::{client, plan};
use crate::change::changes;
use crate::supervisor::status::DirectorStatus;
use crate::supervisor::{self, Options};

/// How long `stop` waits: longer than the supervisor lets its workers take.
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// `evenkeel run`.
pub(super) fn run(options: Options) -> ExitCode {
    // Absolute, so that a reload means the same file whatever happens to the working directory.
    let config = std::path::absolute(&options.config).unwrap_or(options.config);
    let runtime_dir = std::path::absolute(&options.runtime_dir).unwrap_or(options.runtime_dir);
    supervisor::run(Options { config, runtime_dir, ..options })
}

/// `evenkeel reload`: exit status 0 when it is in force, 1 when nothing changed because of what is printed. With `ask`
/// the changes are shown first and nothing is done without a yes.
pub(super) fn reload(runtime_dir: &Path, drain: Option<Duration>, ask: bool) -> ExitCode {
    if ask {
        match confirmed(runtime_dir) {
            Ok(true) => {}
            Ok(false) => return ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("evenkeel: {why}");
                return ExitCode::FAILURE;
            }
        }
    }
    let path = match drain {
        None => "/v1/reload".to_owned(),
        Some(drain) => format!("/v1/reload?drain_ms={}", drain.as_millis()),
    };
    command(runtime_dir, &path, "reloaded")
}

/// Shows what a reload would change; true when the operator agrees.
fn confirmed(runtime_dir: &Path) -> Result<bool, String> {
    let status = client::get(runtime_dir, "/v1/status").map_err(|cause| cause.to_string())?;
    let status: Running = serde_json::from_slice(&status).map_err(|cause| cause.to_string())?;
    let file = PathBuf::from(status.director.config);
    let old = plan::running(runtime_dir).map_err(|cause| cause.to_string())?;
    let new = plan::read(&file, status.director.config_id.as_deref())
        .ok_or("the configuration has mistakes; nothing changed")?;
    let changes = changes(&old, &new);
    plan::show(&changes, false);
    if changes.is_empty() {
        return Ok(false);
    }
    eprint!("apply? [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|cause| cause.to_string())?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The part of the status that names the configuration file.
#[derive(Deserialize)]
struct Running {
    director: DirectorStatus,
}

/// `evenkeel upgrade`: returns when the new program has read the configuration and runs.
pub(super) fn upgrade(runtime_dir: &Path) -> ExitCode {
    command(runtime_dir, "/v1/upgrade", "upgrade")
}

/// `evenkeel stop`: returns when the director has handed over and its process has ended.
pub(super) fn stop(runtime_dir: &Path) -> ExitCode {
    let pid = fs::read_to_string(runtime_dir.join("evenkeel.pid")).unwrap_or_default();
    let code = command(runtime_dir, "/v1/stop", "stop");
    let deadline = Instant::now() + STOP_WITHIN;
    while code == ExitCode::SUCCESS && is_alive(pid.trim()) {
        if Instant::now() > deadline {
            eprintln!("evenkeel: still stopping after {} s", STOP_WITHIN.as_secs());
            return ExitCode::FAILURE;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    code
}

/// Whether a process still runs; one that has ended and only waits for its parent does not.
fn is_alive(pid: &str) -> bool {
    let Ok(pid) = pid.parse::<u32>() else { return false };
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The name stands in parentheses and may hold anything; the state is the word after it.
    let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

fn command(runtime_dir: &Path, path: &str, done: &str) -> ExitCode {
    match client::post(runtime_dir, path) {
        Ok(line) => {
            sayln!("{done}: {line}");
            ExitCode::SUCCESS
        }
        Err(cause) => cause.fail(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_ended_is_not_alive_though_nobody_waited_for_it() {
        assert!(is_alive(&std::process::id().to_string()));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id().to_string();
        let deadline = Instant::now() + Duration::from_secs(20);
        while is_alive(&pid) && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert!(!is_alive(&pid));
        child.wait().unwrap();
        assert!(!is_alive(&pid));
        assert!(!is_alive(""));
    }
}
