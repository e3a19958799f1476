//! Runs tracked scripts: each in a task of its own, at its interval, with a deadline for every run.
//!
//! A run that is due while the one before is still active is skipped. Aborting the task ends the script's process
//! group at once.

use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::priority::{Condition, RiseFall};
use super::spec::ScriptSpec;
use crate::notify;

/// From SIGTERM to SIGKILL, as in keepalived.
const GRACE: Duration = Duration::from_secs(2);

/// How a script's run ended, and what its runs amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The script's name.
    pub name: String,
    /// What its results amount to.
    pub condition: Condition,
    /// This run succeeded.
    pub success: bool,
    /// How it ended, in words.
    pub outcome: String,
    /// Runs that were due while this one was active.
    pub skipped: u64,
}

/// Starts to run a script from now on; verdicts go to `verdicts`, which the script waits for.
pub(super) fn start(
    tasks: &mut JoinSet<()>,
    spec: ScriptSpec,
    counter: RiseFall,
    verdicts: mpsc::Sender<Verdict>,
) -> AbortHandle {
    tasks.spawn(run(spec, counter, verdicts))
}

async fn run(spec: ScriptSpec, mut counter: RiseFall, verdicts: mpsc::Sender<Verdict>) {
    let mut due = interval(spec.interval.max(Duration::from_millis(1)));
    due.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        due.tick().await;
        let began = Instant::now();
        let mut ran = Run::start(&spec);
        let ended = ran.result(spec.timeout).await;
        let (success, outcome) = (ended.is_ok(), ended.unwrap_or_else(|failure| failure));
        let condition = counter.record(success);
        let intervals = began.elapsed().as_nanos() / spec.interval.as_nanos().max(1);
        let verdict = Verdict {
            name: spec.name.clone(),
            condition,
            success,
            outcome,
            skipped: u64::try_from(intervals).unwrap_or(u64::MAX),
        };
        if verdicts.send(verdict).await.is_err() {
            return;
        }
        // After the verdict: a script that does not end must not hold back the news of it.
        ran.end().await;
    }
}

/// One run. Dropping it kills what is left of the process group.
struct Run {
    child: Result<Child, String>,
    group: Option<Pid>,
}

impl Run {
    fn start(spec: &ScriptSpec) -> Self {
        let Some(mut process) = notify::process(&spec.script, &[]) else {
            return Self { child: Err("nothing to run".into()), group: None };
        };
        process.stderr(std::process::Stdio::null());
        sys::child::dies_with_parent(process.as_std_mut(), Signal::SIGTERM);
        match process.spawn() {
            Ok(child) => {
                let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
                Self { child: Ok(child), group }
            }
            Err(cause) => Self { child: Err(format!("cannot be run: {cause}")), group: None },
        }
    }

    /// How it ended: in words, `Ok` for exit status 0.
    async fn result(&mut self, within: Duration) -> Result<String, String> {
        let child = self.child.as_mut().map_err(|cause| cause.clone())?;
        match timeout(within, child.wait()).await {
            Ok(Ok(status)) => {
                self.group = None;
                if status.success() { Ok(words(status)) } else { Err(words(status)) }
            }
            Ok(Err(cause)) => Err(format!("cannot be waited for: {cause}")),
            Err(_) => Err(format!("no exit within {} ms; ended", within.as_millis())),
        }
    }

    /// Ends what did not end by itself.
    async fn end(&mut self) {
        let (Ok(child), Some(group)) = (&mut self.child, self.group) else { return };
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            // Fails when the whole group has ended already.
            let _ = killpg(group, signal);
            if timeout(GRACE, child.wait()).await.is_ok() {
                self.group = None;
                return;
            }
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // Fails when the whole group has ended already.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

fn words(status: ExitStatus) -> String {
    match status.code() {
        // What sh says of a command that it cannot find or run.
        Some(127) => "exit status 127 (command not found)".to_owned(),
        Some(126) => "exit status 126 (not executable)".to_owned(),
        Some(code) => format!("exit status {code}"),
        None => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{Command, Script};

    fn script(line: &str, timeout: Duration) -> ScriptSpec {
        ScriptSpec {
            name: "check".into(),
            script: Script { command: Command::Shell(line.into()), user: None },
            interval: Duration::from_millis(20),
            timeout,
            rise: 1,
            fall: 2,
            starts_failed: false,
        }
    }

    async fn verdicts(spec: ScriptSpec, count: usize) -> Vec<Verdict> {
        let mut tasks = JoinSet::new();
        let (sender, mut receiver) = mpsc::channel(4);
        let counter = RiseFall::new(spec.rise, spec.fall, spec.starts_failed);
        start(&mut tasks, spec, counter, sender);
        let mut seen = Vec::new();
        while seen.len() < count {
            seen.push(receiver.recv().await.unwrap());
        }
        tasks.shutdown().await;
        seen
    }

    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_script_is_good_while_it_exits_with_zero() {
        let seen = verdicts(script("exit 0", LONG), 2).await;
        let first = (seen[0].condition, seen[0].success, seen[0].outcome.as_str());
        assert_eq!(first, (Condition::Good, true, "exit status 0"));
        let dir = tempfile::tempdir().unwrap();
        let line = format!(
            "test ! -e {0}/b && {{ test -e {0}/a && touch {0}/b; touch {0}/a; }}",
            dir.path().display()
        );
        let seen = verdicts(script(&line, LONG), 4).await;
        let conditions: Vec<_> = seen.iter().map(|verdict| verdict.condition).collect();
        let expected = [Condition::Good, Condition::Good, Condition::Good, Condition::Bad];
        assert_eq!(conditions, expected, "two failures in a row make it bad");
    }

    #[tokio::test]
    async fn a_script_that_hangs_fails_at_its_deadline_and_its_group_ends() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        let line = format!("sleep 1000 & echo $! > {}; wait", pid.display());
        let seen = verdicts(script(&line, Duration::from_millis(200)), 2).await;
        assert_eq!(seen[0].outcome, "no exit within 200 ms; ended");
        assert_eq!(seen[0].condition, Condition::Bad, "the first failure counts at once");
        assert!(seen[0].skipped >= 9, "{}", seen[0].skipped);
        // The second run has begun, so the first one's group has been ended.
        let first = std::fs::read_to_string(pid).unwrap();
        assert!(!first.is_empty());
    }

    #[tokio::test]
    async fn a_script_that_cannot_be_run_says_why() {
        let words = Command::Words(vec!["/nowhere/check".into()]);
        let spec = ScriptSpec { script: Script { command: words, user: None }, ..script("", LONG) };
        let seen = verdicts(spec, 1).await;
        assert!(seen[0].outcome.starts_with("cannot be run: No such file"), "{}", seen[0].outcome);
        let seen = verdicts(script("nowhere-check", LONG), 1).await;
        assert_eq!(seen[0].outcome, "exit status 127 (command not found)");
    }
}
