//! `MISC_CHECK`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use checkers::spec::{Command, ScriptSpec, User};
use checkers::{Outcome, ProbeKind, RunId, Runner, Step, Target, Weight};

use super::{AMPLE, SHORT, ask, check, failure, failure_in_time};

fn target() -> Target {
    Target { addr: "192.0.2.1".parse().unwrap(), port: 80 }
}

fn script(timeout: Duration, command: Command) -> ScriptSpec {
    ScriptSpec { command, timeout, user: None, dynamic: false }
}

fn shell(timeout: Duration, line: &str) -> ProbeKind {
    ProbeKind::Script(script(timeout, Command::Shell(line.to_owned())))
}

fn argv(words: &[&str]) -> ProbeKind {
    let words = words.iter().map(|&word| word.to_owned()).collect();
    ProbeKind::Script(script(AMPLE, Command::Argv(words)))
}

fn dynamic(line: &str) -> ProbeKind {
    let command = Command::Shell(line.to_owned());
    ProbeKind::Script(ScriptSpec { dynamic: true, ..script(AMPLE, command) })
}

fn timed_out() -> (&'static str, String) {
    ("timed-out", "timed out after 200ms".to_owned())
}

/// Whether a process runs; one that is dead and waits to be reaped by its new parent does not.
fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

async fn until_gone(pid: &str) -> bool {
    for _ in 0..100 {
        if !is_running(pid) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn exit_codes_decide() {
    assert_eq!(ask(target(), argv(&["true"])).await, Outcome::Passed(Weight::Configured));
    let outcome = ask(target(), argv(&["/bin/sh", "-c", "exit 3"])).await;
    assert_eq!(failure(outcome), ("exit", "exit 3".to_owned()));
    let outcome = ask(target(), shell(AMPLE, "exit 255")).await;
    assert_eq!(failure(outcome), ("exit", "exit 255".to_owned()));
}

#[tokio::test]
async fn exit_codes_set_the_weight_where_dynamic() {
    let passed = |weight| Outcome::Passed(weight);
    assert_eq!(ask(target(), dynamic("exit 0")).await, passed(Weight::Configured));
    assert_eq!(failure(ask(target(), dynamic("exit 1")).await), ("exit", "exit 1".to_owned()));
    assert_eq!(ask(target(), dynamic("exit 2")).await, passed(Weight::Exactly(0)));
    assert_eq!(ask(target(), dynamic("exit 255")).await, passed(Weight::Exactly(253)));
}

#[tokio::test]
async fn a_script_killed_by_someone_else_says_so() {
    let outcome = ask(target(), shell(AMPLE, "kill -9 $$")).await;
    assert_eq!(failure(outcome), ("killed", "killed by signal 9".to_owned()));
}

#[tokio::test]
async fn a_hanging_script_ends_at_its_deadline() {
    assert_eq!(failure_in_time(target(), shell(SHORT, "exec sleep 60")).await, timed_out());
}

#[tokio::test]
async fn the_whole_process_group_ends_even_if_it_ignores_term() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    let line = format!(
        "trap '' TERM; sleep 60 & echo $! >{0}.new; echo $$ >>{0}.new; mv {0}.new {0}; \
         while :; do sleep 1; done",
        pids.display()
    );
    assert_eq!(failure_in_time(target(), shell(SHORT, &line)).await, timed_out());
    for pid in std::fs::read_to_string(pids).unwrap().lines() {
        assert!(until_gone(pid).await, "process {pid} still runs");
    }
}

#[tokio::test]
async fn a_script_that_forks_is_judged_by_its_own_end() {
    let began = Instant::now();
    let outcome = ask(target(), shell(AMPLE, "sleep 2 & exit 4")).await;
    assert_eq!(failure(outcome), ("exit", "exit 4".to_owned()));
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn megabytes_of_output_block_nobody() {
    let line = "head -c 50000000 /dev/zero; head -c 50000000 /dev/zero >&2";
    assert_eq!(ask(target(), shell(AMPLE, line)).await, Outcome::Passed(Weight::Configured));
}

#[tokio::test]
async fn a_script_reads_nothing() {
    assert_eq!(ask(target(), argv(&["cat"])).await, Outcome::Passed(Weight::Configured));
}

#[tokio::test]
async fn a_missing_script_is_a_failure() {
    let outcome = ask(target(), argv(&["/no/such/check", "10.0.0.1"])).await;
    let wanted = "cannot run /no/such/check: No such file or directory (os error 2)";
    assert_eq!(failure(outcome), ("not-run", wanted.to_owned()));
}

#[tokio::test]
async fn a_script_that_is_not_executable_is_a_failure() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_permissions(PermissionsExt::from_mode(0o600)).unwrap();
    let path = file.path().to_str().unwrap();
    let wanted = format!("cannot run {path}: Permission denied (os error 13)");
    assert_eq!(failure(ask(target(), argv(&[path])).await), ("not-run", wanted));
}

#[tokio::test]
async fn a_script_runs_as_its_user() {
    let this = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    let (uid, gid) = if this.0 == 0 { (12345, 23456) } else { this };
    let command = Command::Shell(format!("test $(id -u):$(id -g) = {uid}:{gid}"));
    let user = Some(User { uid, gid });
    let kind = ProbeKind::Script(ScriptSpec { user, ..script(AMPLE, command) });
    assert_eq!(ask(target(), kind).await, Outcome::Passed(Weight::Configured));
}

#[tokio::test]
async fn a_cancelled_script_is_ended_and_says_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let line = format!("echo $$ >{0}.new; mv {0}.new {0}; exec sleep 60", pid.display());
    let mut runner = Runner::new();
    runner.start(RunId(1), target(), check(shell(AMPLE, &line)), Step(0));
    while !pid.exists() {
        let outcome = tokio::time::timeout(Duration::from_millis(10), runner.next()).await;
        assert!(outcome.is_err(), "{outcome:?}");
    }
    runner.cancel(RunId(1));
    runner.start(RunId(2), target(), check(argv(&["true"])), Step(0));
    assert_eq!(runner.next().await, (RunId(2), Outcome::Passed(Weight::Configured)));
    runner.shutdown().await;
    assert!(!is_running(&std::fs::read_to_string(pid).unwrap()));
}

#[tokio::test]
async fn a_dropped_runner_leaves_no_script_behind() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let line = format!("echo $$ >{0}.new; mv {0}.new {0}; sleep 60", pid.display());
    let mut runner = Runner::new();
    runner.start(RunId(1), target(), check(shell(AMPLE, &line)), Step(0));
    while !pid.exists() {
        tokio::time::timeout(Duration::from_millis(10), runner.next()).await.unwrap_err();
    }
    drop(runner);
    assert!(until_gone(&std::fs::read_to_string(pid).unwrap()).await);
}
