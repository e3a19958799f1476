//! Notify scripts: one queue for each subject, in order, each script with a deadline.
//!
//! keepalived forks without waiting, so scripts of successive transitions can overtake each other; here a MASTER
//! script has ended before the BACKUP script of the same instance begins. Runs on a worker's ordinary thread, never
//! on the path of a takeover. Dropping a [`Notifier`] leaves running scripts alone: they belong to the operator.

use std::collections::{BTreeMap, VecDeque};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command as Process};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::config::model::{Command, Script};

/// How long a script may take unless its job says otherwise. What takes longer belongs into the background of the
/// script itself; until then it would hold back every later one.
pub const NOTIFY_WITHIN: Duration = Duration::from_secs(60);
/// From SIGTERM to SIGKILL, as keepalived does.
const GRACE: Duration = Duration::from_secs(2);
/// Jobs that wait for one subject. When full the oldest is dropped with a warning: a subject that changes faster
/// than its scripts run is best served by the latest.
const QUEUE: usize = 32;
/// Environment that must not reach a script (keepalived/core/notify.c).
const REMOVED: [&str; 3] = ["IFS", "LD_PRELOAD", "LD_LIBRARY_PATH"];

/// A script to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What, and as whom.
    pub script: Script,
    /// Appended to its arguments.
    pub arguments: Vec<String>,
    /// When it is ended.
    pub within: Duration,
}

impl Job {
    /// Without further arguments, within [`NOTIFY_WITHIN`].
    pub fn new(script: &Script) -> Self {
        Self { script: script.clone(), arguments: Vec::new(), within: NOTIFY_WITHIN }
    }
}

/// The queues.
#[derive(Debug, Default)]
pub struct Notifier {
    waiting: BTreeMap<String, VecDeque<Job>>,
    running: JoinSet<String>,
}

impl Notifier {
    /// Runs `job` after all earlier ones of `subject`. Inside a tokio runtime.
    pub fn push(&mut self, subject: &str, job: Job) {
        match self.waiting.get_mut(subject) {
            None => {
                self.waiting.insert(subject.to_owned(), VecDeque::new());
                self.running.spawn(run(subject.to_owned(), job));
            }
            Some(queue) => {
                if queue.len() == QUEUE {
                    let dropped = queue.pop_front();
                    warn!(subject, ?dropped, "too many notify scripts wait; the oldest is dropped");
                }
                queue.push_back(job);
            }
        }
    }

    /// Nothing runs or waits.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Waits for the end of one script and starts the one after it. Never returns while nothing runs. Cancel-safe.
    pub async fn step(&mut self) {
        let Some(ended) = self.running.join_next().await else {
            return std::future::pending().await;
        };
        // A task that panicked has no subject to tell; none of ours panics.
        let Ok(subject) = ended else { return };
        match self.waiting.get_mut(&subject).and_then(VecDeque::pop_front) {
            Some(next) => drop(self.running.spawn(run(subject, next))),
            None => drop(self.waiting.remove(&subject)),
        }
    }

    /// Runs what waits, for at most `within`.
    pub async fn finish(&mut self, within: Duration) {
        let all = async {
            while !self.is_idle() {
                self.step().await;
            }
        };
        if timeout(within, all).await.is_err() {
            warn!(
                within_ms = within.as_millis(),
                "notify scripts still run at the stop; left alone"
            );
            self.running.detach_all();
        }
    }
}

/// A process for `script`: own process group, no input, a clean environment, its user.
pub fn process(script: &Script, arguments: &[String]) -> Option<Process> {
    let mut process = match &script.command {
        Command::Words(words) => {
            let (program, rest) = words.split_first()?;
            let mut process = Process::new(program);
            process.args(rest).args(arguments);
            process
        }
        Command::Shell(line) => {
            // Further arguments go to the end of the line, where keepalived puts them.
            let line = arguments
                .iter()
                .fold(line.clone(), |line, word| format!("{line} {}", shell_words::quote(word)));
            let mut process = Process::new("/bin/sh");
            process.arg("-c").arg(line);
            process
        }
    };
    process.process_group(0).stdin(Stdio::null()).stdout(Stdio::null());
    for name in REMOVED {
        process.env_remove(name);
    }
    if let Some(user) = &script.user {
        // As root, std also clears the supplementary groups.
        process.uid(user.uid).gid(user.gid);
    }
    Some(process)
}

async fn run(subject: String, job: Job) -> String {
    let Some(mut process) = process(&job.script, &job.arguments) else { return subject };
    match process.spawn() {
        Err(cause) => {
            warn!(subject, script = %name(&job.script), "cannot run the notify script: {cause}")
        }
        Ok(child) => match wait(child, job.within).await {
            Some(status) if status.success() => {
                debug!(subject, script = %name(&job.script), "notify script ended");
            }
            Some(status) => {
                warn!(subject, script = %name(&job.script), %status, "notify script failed");
            }
            None => warn!(
                subject,
                script = %name(&job.script),
                within_s = job.within.as_secs(),
                "notify script did not end in time; killed"
            ),
        },
    }
    subject
}

/// The exit status, or `None` when the script had to be ended.
async fn wait(mut child: Child, within: Duration) -> Option<ExitStatus> {
    if let Ok(ended) = timeout(within, child.wait()).await {
        return ended.ok();
    }
    let group = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        // The group is gone when all its processes have ended already.
        group.map(|group| killpg(group, signal));
        if timeout(GRACE, child.wait()).await.is_ok() {
            break;
        }
    }
    None
}

/// The script as it was written, for messages.
pub fn name(script: &Script) -> String {
    match &script.command {
        Command::Words(words) => words.join(" "),
        Command::Shell(line) => line.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(line: String) -> Job {
        Job::new(&Script { command: Command::Shell(line), user: None })
    }

    #[tokio::test]
    async fn scripts_of_one_subject_run_in_order_with_their_arguments() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let mut notifier = Notifier::default();
        for (pause, word) in [("0.2", "first"), ("0", "second one")] {
            let line = format!("sleep {pause}; sh -c 'echo \"$0\" >> {}'", out.display());
            notifier.push("VI_1", Job { arguments: vec![word.to_owned()], ..shell(line) });
        }
        notifier.finish(Duration::from_secs(20)).await;
        assert!(notifier.is_idle());
        assert_eq!(std::fs::read_to_string(out).unwrap(), "first\nsecond one\n");
    }

    #[tokio::test]
    async fn a_script_that_hangs_is_ended_and_the_next_one_runs() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let mut notifier = Notifier::default();
        let within = Duration::from_millis(50);
        notifier.push("VI_1", Job { within, ..shell("sleep 1000".to_owned()) });
        notifier.push("VI_1", shell(format!("echo next > {}", out.display())));
        notifier.push(
            "VI_2",
            Job::new(&Script { command: Command::Words(vec!["/nowhere".into()]), user: None }),
        );
        notifier.finish(Duration::from_secs(20)).await;
        assert_eq!(std::fs::read_to_string(out).unwrap(), "next\n");
    }
}
