//! Each kind of probe against real servers on the loopback, good ones and sick ones: what it says, word by word.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(
    clippy::disallowed_methods,
    reason = "servers in tasks, and a clock to see that deadlines hold"
)]

mod agent;
mod bfd;
mod dns;
mod grpc;
mod http;
mod idle;
mod ping;
mod script;
mod smtp;
mod tcp;
mod tls;
mod udp;

use std::sync::Arc;
use std::time::{Duration, Instant};

use checkers::{Cadence, CheckSpec, Connection, Outcome, ProbeKind, RunId, Runner, Step, Target};
use tokio::net::{TcpListener, TcpStream};

/// Deadline of probes that are meant to miss it.
const SHORT: Duration = Duration::from_millis(200);

/// Deadline of probes that are not.
const AMPLE: Duration = Duration::from_secs(20);

fn connection(timeout: Duration) -> Connection {
    Connection { timeout, ..Connection::default() }
}

fn check(kind: ProbeKind) -> Arc<CheckSpec> {
    Arc::new(CheckSpec { kind, cadence: Cadence::default() })
}

async fn ask_step(target: Target, kind: ProbeKind, step: u16) -> Outcome {
    let mut runner = Runner::new();
    runner.start(RunId(7), target, check(kind), Step(step));
    let (run, outcome) = runner.next().await;
    assert_eq!((run, runner.in_flight()), (RunId(7), 0));
    outcome
}

async fn ask(target: Target, kind: ProbeKind) -> Outcome {
    ask_step(target, kind, 0).await
}

/// The failure's reason and text.
#[track_caller]
fn failure(outcome: Outcome) -> (&'static str, String) {
    match outcome {
        Outcome::Failed(failure) => (failure.reason(), failure.to_string()),
        Outcome::Passed(_) | Outcome::PassedWith(..) | Outcome::NotAsked(_) => {
            panic!("no failure but {outcome:?}")
        }
    }
}

/// A failure at the deadline, and not long after it.
async fn failure_in_time(target: Target, kind: ProbeKind) -> (&'static str, String) {
    let began = Instant::now();
    let failure = failure(ask(target, kind).await);
    let took = began.elapsed();
    assert!((SHORT..SHORT + Duration::from_secs(1)).contains(&took), "took {took:?}");
    failure
}

/// Listens on the loopback and hands each connection to `behave`.
async fn serve<F, B>(behave: B) -> Target
where
    B: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap().into();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(behave(stream));
        }
    });
    target
}

/// A port where nobody listens.
async fn nobody() -> Target {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().into()
}

/// Leaves a connection open and silent.
async fn hold(stream: TcpStream) {
    tokio::time::sleep(AMPLE).await;
    drop(stream);
}
