//! `BFD_CHECK`: what is told is what the probe says.

use std::sync::Arc;
use std::time::Duration;

use checkers::{Cadence, CheckSpec, Failure, Outcome, ProbeKind, RunId, Runner, Step, Target};
use tokio::time::{Instant, timeout};

fn start(runner: &mut Runner, run: u64, session: &str) {
    let spec = CheckSpec { kind: ProbeKind::Bfd(session.into()), cadence: Cadence::default() };
    let target = Target { addr: "192.0.2.1".parse().unwrap(), port: 0 };
    runner.start(RunId(run), target, Arc::new(spec), Step::default());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_up_holds_and_its_end_is_told_at_once() {
    let mut runner = Runner::new();
    runner.tell("to-r1", true);
    start(&mut runner, 1, "to-r1");
    let (run, outcome) = runner.next().await;
    assert!(matches!((run, outcome), (RunId(1), Outcome::Passed(_))));
    let later = timeout(Duration::from_secs(60), runner.next()).await;
    assert!(later.is_err(), "it holds");
    runner.tell("to-r1", false);
    let begun = Instant::now();
    assert_eq!(runner.next().await, (RunId(1), Outcome::Failed(Failure::SessionDown)));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_down_is_waited_for_and_then_given_up() {
    let mut runner = Runner::new();
    start(&mut runner, 1, "to-r1");
    let begun = Instant::now();
    assert_eq!(runner.next().await, (RunId(1), Outcome::Failed(Failure::SessionDown)));
    assert_eq!(begun.elapsed(), Duration::from_secs(3), "nothing has been told");
    start(&mut runner, 2, "to-r1");
    start(&mut runner, 3, "to-r2");
    assert!(timeout(Duration::from_secs(1), runner.next()).await.is_err());
    runner.tell("to-r1", true);
    let (run, outcome) = runner.next().await;
    assert!(matches!((run, outcome), (RunId(2), Outcome::Passed(_))), "its own session only");
}
