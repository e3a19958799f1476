//! `UDP_CHECK`.

use std::time::{Duration, Instant};

use checkers::spec::{Payload, Reply, UdpSpec};
use checkers::{Outcome, ProbeKind, Target, Weight};
use tokio::net::UdpSocket;

use super::{AMPLE, SHORT, ask, connection, failure, failure_in_time};

const PASSED: Outcome = Outcome::Passed(Weight::Configured);

fn udp(timeout: Duration, reply: Option<Reply>) -> ProbeKind {
    let payload = "0102".parse().unwrap();
    ProbeKind::Udp(UdpSpec { connection: connection(timeout), payload, reply })
}

fn reply(pattern: &str, min: u16, max: u16) -> Option<Reply> {
    Some(Reply { pattern: pattern.parse().unwrap(), min, max })
}

/// Answers each datagram with these bytes, if any, and holds that each is the payload.
async fn server(payload: &'static [u8], answer: Option<Vec<u8>>) -> Target {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let target = socket.local_addr().unwrap().into();
    tokio::spawn(async move {
        let mut seen = [0; 100];
        while let Ok((length, from)) = socket.recv_from(&mut seen).await {
            assert_eq!(&seen[..length], payload);
            if let Some(answer) = &answer {
                socket.send_to(answer, from).await.unwrap();
            }
        }
    });
    target
}

/// An address where nobody listens.
fn nobody() -> Target {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().into()
}

#[tokio::test]
async fn silence_passes_at_the_deadline_unless_a_reply_is_required() {
    let target = server(&[1, 2], None).await;
    let began = Instant::now();
    assert_eq!(ask(target, udp(SHORT, None)).await, PASSED);
    assert!(began.elapsed() >= SHORT);
    assert_eq!(
        failure_in_time(target, udp(SHORT, Some(Reply::default()))).await,
        ("answer-timeout", "no answer within 200ms after request sent".to_owned())
    );
}

#[tokio::test]
async fn any_reply_passes_at_once() {
    for answer in [vec![], vec![7; 300]] {
        let target = server(&[1, 2], Some(answer)).await;
        assert_eq!(ask(target, udp(AMPLE, None)).await, PASSED);
    }
    let target = server(Payload::default().as_bytes().to_vec().leak(), Some(vec![])).await;
    let spec = UdpSpec { connection: connection(AMPLE), payload: Payload::default(), reply: None };
    assert_eq!(ask(target, ProbeKind::Udp(spec)).await, PASSED);
}

#[tokio::test]
async fn a_required_reply_is_judged() {
    let target = server(&[1, 2], Some(vec![0xab, 0xcd, 0xef])).await;
    for good in [reply("", 0, 255), reply("abcd", 3, 3), reply("xB Cx ef", 0, 3)] {
        assert_eq!(ask(target, udp(AMPLE, good)).await, PASSED);
    }
    for (bad, reason, text) in [
        (reply("", 4, 255), "reply-length", "reply under 4 bytes"),
        (reply("", 0, 2), "reply-length", "reply over 2 bytes"),
        (reply("abce", 0, 255), "reply", "reply abcdef, wanted abce"),
        (reply("abcdefxx", 0, 255), "reply", "reply abcdef, wanted abcdefxx"),
    ] {
        assert_eq!(failure(ask(target, udp(AMPLE, bad)).await), (reason, text.to_owned()));
    }
}

#[tokio::test]
async fn an_icmp_error_fails_at_once() {
    for reply in [None, Some(Reply::default())] {
        let seen = failure(ask(nobody(), udp(AMPLE, reply)).await);
        assert_eq!(seen, ("refused", "connect refused".to_owned()));
    }
}

#[tokio::test]
async fn a_datagram_that_cannot_be_sent_is_a_fault_of_ours() {
    let target = server(&[], None).await;
    let mut connection = connection(AMPLE);
    connection.bind_to = Some("192.0.2.77".parse().unwrap());
    let spec = UdpSpec { connection, payload: Payload::default(), reply: None };
    let Outcome::NotAsked(fault) = ask(target, ProbeKind::Udp(spec)).await else { panic!() };
    let wanted = "bind 192.0.2.77:0: Cannot assign requested address (os error 99)";
    assert_eq!(fault.to_string(), wanted);
}
