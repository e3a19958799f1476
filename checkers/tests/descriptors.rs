//! Out of file descriptors: a fault of ours, which no real server pays for. Alone in its process, as the limit is the
//! process's.

use std::sync::Arc;
use std::time::Duration;

use checkers::spec::{Command, ScriptSpec};
use checkers::{Cadence, CheckSpec, Connection, Outcome, ProbeKind, RunId, Runner, Step, Target};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

#[tokio::test]
async fn out_of_descriptors_is_no_failure_of_the_real_server() {
    let target = Target { addr: "127.0.0.1".parse().unwrap(), port: 1 };
    let script = ScriptSpec {
        command: Command::Argv(vec!["true".to_owned()]),
        timeout: Duration::from_secs(5),
        user: None,
        dynamic: false,
    };
    let kinds = [ProbeKind::Tcp(Connection::default()), ProbeKind::Script(script)];
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let mut runner = Runner::new();
    setrlimit(Resource::RLIMIT_NOFILE, 3, hard).unwrap();
    for (run, kind) in (0..).map(RunId).zip(kinds) {
        let spec = CheckSpec { kind, cadence: Cadence::default() };
        runner.start(run, target, Arc::new(spec), Step(0));
    }
    let mut seen = [runner.next().await, runner.next().await];
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    seen.sort_by_key(|(run, _)| *run);
    let words = seen.map(|(_, outcome)| match outcome {
        Outcome::NotAsked(fault) => fault.to_string(),
        Outcome::Passed(_) | Outcome::PassedWith(..) | Outcome::Failed(_) => panic!("{outcome:?}"),
    });
    let full = "Too many open files (os error 24)";
    assert_eq!(words, [format!("socket: {full}"), format!("start: {full}")]);
}
