//! `startup_script` and `shutdown_script`: one script before the first worker starts, one after the last has ended.
//!
//! As keepalived's: what fails or takes too long is told, and everything goes on; a reload runs neither.
#![expect(clippy::disallowed_methods, reason = "the edge: a script has a deadline")]

use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tracing::{info, warn};

use super::Supervisor;
use crate::config::model::Errand;
use crate::notify;

/// From SIGTERM to SIGKILL, as keepalived does.
const GRACE: Duration = Duration::from_secs(2);
/// How often to look whether it has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

impl Supervisor {
    /// `startup_script`: nothing of ours runs yet.
    pub(super) fn prepare(&mut self) {
        let errand = self.spec.daemon.startup.clone();
        self.run_errand("startup_script", &errand);
    }

    /// `shutdown_script`: nothing of ours runs any more.
    pub(super) fn clean_up(&mut self) {
        let errand = self.spec.daemon.shutdown.clone();
        self.run_errand("shutdown_script", &errand);
    }

    /// Who only looks on changes nothing, and a script is there to change something.
    fn run_errand(&mut self, keyword: &str, errand: &Errand) {
        let Some(script) = errand.script.as_ref().filter(|_| !self.options.observe) else { return };
        let Some(process) = notify::process(script, &[]) else { return };
        let script = notify::name(script);
        self.service_manager.busy_for(errand.within + GRACE);
        info!(script, "{keyword} runs");
        let within_s = errand.within.as_secs();
        match process.into_std().spawn() {
            Err(cause) => warn!(script, "{keyword} cannot run: {cause}; going on without"),
            Ok(child) => match wait(child, errand.within) {
                Some(status) if status.success() => info!(script, "{keyword} has ended"),
                Some(status) => warn!(script, %status, "{keyword} failed; going on"),
                None => warn!(script, within_s, "{keyword} took too long and was ended; going on"),
            },
        }
    }
}

/// Its end; `None` when it had to be brought about.
fn wait(mut child: Child, within: Duration) -> Option<ExitStatus> {
    if let Some(status) = ends(&mut child, within) {
        return Some(status);
    }
    let group = i32::try_from(child.id()).ok().map(Pid::from_raw);
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        // The group is gone when all its processes have ended already.
        group.map(|group| killpg(group, signal));
        if ends(&mut child, GRACE).is_some() {
            break;
        }
    }
    None
}

fn ends(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + within;
    loop {
        // One that cannot be waited for any more has ended.
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Err(_) => return Some(ExitStatus::default()),
            Ok(None) if Instant::now() >= deadline => return None,
            Ok(None) => std::thread::sleep(LOOK_AGAIN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{Command, Script};

    fn run(line: &str, within: Duration) -> Option<Option<i32>> {
        let script = Script { command: Command::Shell(line.to_owned()), user: None };
        let process = notify::process(&script, &[]).unwrap();
        // Made with tokio's type, started without its runtime.
        let child = process.into_std().spawn().unwrap();
        wait(child, within).map(|status| status.code())
    }

    #[test]
    fn the_end_is_waited_for_and_brought_about_when_late() {
        let minute = Duration::from_secs(60);
        assert_eq!(run("exit 0", minute), Some(Some(0)));
        assert_eq!(run("exit 7", minute), Some(Some(7)));
        let begin = Instant::now();
        assert_eq!(run("sleep 600", Duration::from_millis(20)), None);
        // One that ignores SIGTERM, with a child of its own.
        assert_eq!(run("trap '' TERM; sleep 600 & wait", Duration::from_millis(20)), None);
        assert!(begin.elapsed() < minute, "{:?}", begin.elapsed());
    }
}
