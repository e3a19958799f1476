//! `MISC_CHECK`: a program in a process group of its own, without input or output.
//!
//! At its deadline the group gets TERM, a short grace, then KILL, and the program is reaped before the probe ends, so that
//! probes never pile up processes. If the probe is dropped instead, the group is killed. What a program that ended in time
//! left running in the background is its own affair.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command as Process};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::Miss;
use crate::failure::{Failure, LocalFault};
use crate::outcome::Weight;
use crate::spec::{Command, ScriptSpec, User};

/// From TERM to KILL, at most.
const GRACE: Duration = Duration::from_secs(1);

/// Waited for a killed process. One that cannot die (a dead disk or NFS server) is left to the runtime's reaper.
const REAP: Duration = Duration::from_secs(1);

/// Runs the script to its end, its deadline or its cancellation.
pub(super) async fn run(
    spec: &ScriptSpec,
    cancelled: oneshot::Receiver<()>,
) -> Result<Weight, Miss> {
    let (program, mut process) = process(spec);
    let mut child = process.spawn().map_err(|error| not_run(&program, &error))?;
    let group = Group::of(&child);
    tokio::select! {
        biased;
        status = child.wait() => {
            group.leave();
            judge(status, spec.dynamic)
        }
        () = sleep(spec.timeout) => {
            group.end(&mut child, spec.timeout.min(GRACE)).await;
            Err(Failure::TimedOut { after: spec.timeout }.into())
        }
        _ = cancelled => {
            group.end(&mut child, GRACE).await;
            Err(LocalFault { step: "cancelled".to_owned(), errno: 0 }.into())
        }
    }
}

fn process(spec: &ScriptSpec) -> (String, Process) {
    let (program, mut process) = match &spec.command {
        Command::Argv(words) => {
            let (program, arguments) =
                words.split_first().map_or(("", [].as_slice()), |(p, a)| (p.as_str(), a));
            let mut process = Process::new(program);
            process.args(arguments);
            (program, process)
        }
        Command::Shell(line) => {
            let mut process = Process::new("/bin/sh");
            process.arg("-c").arg(line);
            ("/bin/sh", process)
        }
    };
    process.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(User { uid, gid }) = spec.user {
        process.uid(uid).gid(gid);
    }
    (program.to_owned(), process)
}

/// What the exit says (`misc_dynamic`: 0 good, 1 failure, 2 to 255 good with weight code - 2).
fn judge(status: io::Result<ExitStatus>, dynamic: bool) -> Result<Weight, Miss> {
    let status = status.map_err(|error| fault("wait", &error))?;
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(Weight::Configured),
        (Some(code @ 2..=255), _) if dynamic => Ok(Weight::Exactly(code.unsigned_abs() - 2)),
        (Some(code), _) => Err(Failure::Exit { code: code.to_le_bytes()[0] }.into()),
        (None, Some(signal)) => Err(Failure::Killed { signal }.into()),
        (None, None) => Err(LocalFault { step: format!("wait: {status}"), errno: 0 }.into()),
    }
}

/// Shortage is ours, and so is a script just being written; a script that is not there or not executable is the check's.
fn not_run(program: &str, error: &io::Error) -> Miss {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE | Errno::ETXTBSY)
        | None => fault("start", error),
        Some(errno) => Failure::NotRun { program: program.to_owned(), errno: errno as i32 }.into(),
    }
}

fn fault(step: &str, error: &io::Error) -> Miss {
    LocalFault { step: step.to_owned(), errno: error.raw_os_error().unwrap_or(0) }.into()
}

/// The process group of a running script; killed on drop.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }

    /// The leader ended by itself.
    fn leave(mut self) {
        self.0 = None;
    }

    async fn end(self, child: &mut Child, grace: Duration) {
        self.signal(Signal::SIGTERM);
        let ended = timeout(grace, child.wait()).await.is_ok();
        drop(self);
        if !ended {
            let reaped = timeout(REAP, child.wait()).await;
            if reaped.is_err() {
                tracing::debug!("a killed script does not end");
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // ESRCH is what we want; EPERM leaves a set-user-id program running, which then is beyond our reach.
            killpg(group, signal).ok();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}
