//! `IDLE_CHECK`.

use std::time::{Duration, Instant};

use checkers::{Failure, Outcome, ProbeKind, RunId, Runner, Step, Target, Weight};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::{AMPLE, SHORT, ask, check, connection, failure, hold, nobody, serve};

const PASSED: Outcome = Outcome::Passed(Weight::Configured);

fn idle(timeout: Duration) -> ProbeKind {
    ProbeKind::Idle(connection(timeout))
}

fn start(target: Target) -> Runner {
    let mut runner = Runner::new();
    runner.start(RunId(1), target, check(idle(SHORT)), Step(0));
    runner
}

/// Greets, and does `last` when it is told to.
async fn until_told<F, B>(last: B) -> (Target, watch::Sender<bool>)
where
    B: Fn(TcpStream) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (tell, told) = watch::channel(false);
    let target = serve(move |mut stream| {
        let (mut told, last) = (told.clone(), last.clone());
        async move {
            stream.write_all(b"hello").await.unwrap();
            told.wait_for(|told| *told).await.unwrap();
            last(stream).await;
        }
    })
    .await;
    (target, tell)
}

#[tokio::test]
async fn a_connection_that_ends_is_told_at_once() {
    let (target, end) = until_told(|stream| async { drop(stream) }).await;
    let mut runner = start(target);
    assert_eq!(runner.next().await, (RunId(1), PASSED));
    assert_eq!((runner.in_flight(), runner.try_next()), (1, None));
    let began = Instant::now();
    end.send(true).unwrap();
    let ended = Outcome::Failed(Failure::Closed { bytes: 5 });
    assert_eq!(runner.next().await, (RunId(1), ended));
    assert!(began.elapsed() < Duration::from_millis(150), "{:?}", began.elapsed());
    assert_eq!(runner.in_flight(), 0);
}

#[tokio::test]
async fn a_connection_that_is_reset_says_so() {
    let (target, end) = until_told(|stream| async move {
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    })
    .await;
    let mut runner = start(target);
    assert_eq!(runner.next().await, (RunId(1), PASSED));
    end.send(true).unwrap();
    let ended = Outcome::Failed(Failure::Reset { bytes: 5 });
    assert_eq!(runner.next().await, (RunId(1), ended));
}

#[tokio::test]
async fn what_is_said_is_thrown_away_up_to_a_limit() {
    let (target, end) = until_told(|mut stream| async move {
        stream.write_all(&[0; 60_000]).await.unwrap();
        tokio::time::sleep(SHORT).await;
        while stream.write_all(&[0; 1000]).await.is_ok() {}
    })
    .await;
    let mut runner = start(target);
    assert_eq!(runner.next().await, (RunId(1), PASSED));
    end.send(true).unwrap();
    let ended = Outcome::Failed(Failure::Unasked { limit: 65_536 });
    assert_eq!(runner.next().await, (RunId(1), ended));
}

#[tokio::test]
async fn a_connection_that_does_not_stand_has_never_passed() {
    let target = serve(|stream| async { drop(stream) }).await;
    let seen = failure(ask(target, idle(AMPLE)).await);
    assert_eq!(seen, ("closed", "closed after 0 bytes".to_owned()));
    let seen = failure(ask(nobody().await, idle(AMPLE)).await);
    assert_eq!(seen, ("refused", "connect refused".to_owned()));
}

#[tokio::test]
async fn a_held_connection_that_is_cancelled_closes_and_says_nothing_more() {
    let (tell, mut told) = tokio::sync::mpsc::channel(1);
    let target = serve(move |mut stream| {
        let tell = tell.clone();
        async move {
            // Reset, as it is closed with SO_LINGER 0.
            stream.read(&mut [0]).await.unwrap_err();
            tell.send(()).await.unwrap();
        }
    })
    .await;
    let mut runner = start(target);
    assert_eq!(runner.next().await, (RunId(1), PASSED));
    runner.cancel(RunId(1));
    tokio::select! {
        seen = runner.next() => panic!("{seen:?}"),
        closed = told.recv() => assert_eq!(closed, Some(())),
    }
}

#[tokio::test]
async fn a_host_that_dies_without_a_word_is_found_by_the_kernel() {
    // The kernel's own table says which timer runs: keepalive, 60 s for the defaults of a check.
    let target = serve(hold).await;
    let mut runner = start(target);
    assert_eq!(runner.next().await, (RunId(1), PASSED));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = format!(":{:04X}", target.port);
    let line = table.lines().find(|line| line.split_whitespace().nth(2).unwrap().ends_with(&port));
    let timer = line.unwrap().split_whitespace().nth(5).unwrap();
    // 02: keepalive; then what is left of it in hundredths of a second.
    let (kind, left) = timer.split_once(':').unwrap();
    let left = u64::from_str_radix(left, 16).unwrap();
    assert!(kind == "02" && (5_000..=6_000).contains(&left), "{timer}");
}
