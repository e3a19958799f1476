//! `PING_CHECK`. It needs what the probe itself needs: CAP_NET_RAW, or a group within net.ipv4.ping_group_range.

use std::num::NonZeroU16;
use std::time::Duration;

use checkers::{Connection, Outcome, ProbeKind, Target, Weight};

use super::{AMPLE, ask, connection};

const PASSED: Outcome = Outcome::Passed(Weight::Configured);

fn target(addr: &str) -> Target {
    Target { addr: addr.parse().unwrap(), port: 0 }
}

/// `None` where this process may open neither kind of socket: then the outcome must say that, and no failure.
async fn ping(addr: &str, connection: Connection) -> Option<Outcome> {
    match ask(target(addr), ProbeKind::Ping(connection)).await {
        Outcome::NotAsked(fault) if fault.errno == 1 || fault.errno == 13 => {
            assert_eq!(fault.step, "ICMP socket");
            None
        }
        outcome => Some(outcome),
    }
}

#[tokio::test]
async fn the_loopback_answers_over_both_families() {
    for addr in ["127.0.0.1", "127.9.9.9", "::1"] {
        let seen = ping(addr, connection(AMPLE)).await;
        assert!(seen.is_none_or(|seen| seen == PASSED), "{addr}");
    }
}

#[tokio::test]
async fn requests_at_the_same_time_are_told_apart() {
    let ask = |at: u8| async move { ping(&format!("127.0.0.{at}"), connection(AMPLE)).await };
    let asked: Vec<_> = (1..=50).map(|at| tokio::spawn(ask(at))).collect();
    for asked in asked {
        assert!(asked.await.unwrap().is_none_or(|seen| seen == PASSED));
    }
}

#[tokio::test]
async fn an_identifier_can_be_chosen() {
    let connection = Connection { bind_port: NonZeroU16::new(0x4242), ..connection(AMPLE) };
    assert!(ping("127.0.0.1", connection).await.is_none_or(|seen| seen == PASSED));
}

#[tokio::test]
async fn no_answer_ends_at_the_deadline_or_as_unreachable() {
    // A broadcast to the loopback is answered by nobody; a host without any route says so at once.
    let short = connection(Duration::from_millis(200));
    if let Some(Outcome::Failed(failure)) = ping("192.0.2.1", short).await {
        let texts = [
            "no answer within 200ms after request sent",
            "network unreachable",
            "host unreachable",
        ];
        assert!(texts.contains(&&*failure.to_string()), "{failure}");
    }
}
