//! The demo: where it runs, and which of its two forms. The story is in `story`, the prompt in `prompt`.

mod prompt;
mod story;

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::boot::{self, End, Job};
use crate::daemon::Kind;
use crate::kernel;

/// `--demo` tells the story, `--demo-shell` leaves it at a prompt; `keepalived` behind it puts Debian's daemon into
/// the director's role, to see how the same story goes there.
pub(crate) fn main(args: &[String]) -> ExitCode {
    let has = |word: &str| args.iter().any(|arg| arg == word);
    let is_shell = has("--demo-shell");
    if has("--inside") || kernel::is_enough() {
        let kind = if has("keepalived") { Kind::Keepalived } else { Kind::Evenkeel };
        return match kernel::prepare() {
            Ok(()) if is_shell => prompt::run(kind),
            Ok(()) => story::run(kind),
            Err(message) => complain(&message),
        };
    }
    if let Err(message) = boot::check_packages() {
        return complain(&message);
    }
    let args = args.iter().cloned().chain(["--inside".to_owned()]).collect();
    boot_and_relay(args, is_shell)
}

fn boot_and_relay(args: Vec<String>, is_shell: bool) -> ExitCode {
    let limit = Duration::from_secs(if is_shell { 24 * 3600 } else { 300 });
    let job = Job { args, limit, wire: None };
    print!("This kernel has no IPVS for us; booting one that has it ... ");
    let _ = std::io::stdout().flush();
    let start = Instant::now();
    if is_shell {
        println!();
        return boot::interactive(&job).map_or_else(|e| complain(&e), |_| ExitCode::SUCCESS);
    }
    let mut is_up = false;
    let end = boot::run(&job, |line| {
        if !std::mem::replace(&mut is_up, true) {
            println!("up after {:.1?}", start.elapsed());
        }
        println!("{line}");
    });
    match end {
        Ok(End::Status(0)) => ExitCode::SUCCESS,
        Ok(End::Status(_)) => ExitCode::FAILURE,
        Ok(End::Crashed(words)) => complain(&format!("the booted kernel went away:\n{words}")),
        Ok(End::TooLong(limit)) => complain(&format!("not over after {limit:?}")),
        Err(message) => complain(&message),
    }
}

fn complain(message: &str) -> ExitCode {
    eprintln!("demo: {message}");
    ExitCode::FAILURE
}
