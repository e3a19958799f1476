//! `DNS_CHECK`.

use std::time::Duration;

use checkers::spec::{DnsName, DnsRecord, DnsSpec};
use checkers::{Outcome, ProbeKind, Target, Weight};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::{AMPLE, SHORT, ask, connection, failure, failure_in_time, hold};

const PASSED: Outcome = Outcome::Passed(Weight::Configured);

fn dns(timeout: Duration) -> ProbeKind {
    ProbeKind::Dns(DnsSpec {
        connection: connection(timeout),
        record: DnsRecord::A,
        name: "www.example.org".parse().unwrap(),
    })
}

/// What an answer says, after the identifier: flags, counts, question, one A record (RFC 1035 section 4.1).
fn answer(question: &[u8], flags: [u8; 2]) -> Vec<u8> {
    let mut answer = question.to_vec();
    answer[2..4].copy_from_slice(&flags);
    answer[7] = 1;
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    answer
}

/// Response, recursion desired and available, no error.
const GOOD: [u8; 2] = [0x81, 0x80];
/// The same, cut off.
const CUT_OFF: [u8; 2] = [0x83, 0x80];

/// Answers each datagram with the datagrams that `answers` makes of it.
async fn server(answers: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> (Target, TcpListener) {
    // The same port over TCP: found by trying, as others use ports meanwhile.
    let (socket, listener) = loop {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(listener) = TcpListener::bind(socket.local_addr().unwrap()).await {
            break (socket, listener);
        }
    };
    let target = socket.local_addr().unwrap().into();
    tokio::spawn(async move {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question).await {
            for answer in answers(&question[..length]) {
                socket.send_to(&answer, from).await.unwrap_or_default();
            }
        }
    });
    (target, listener)
}

#[tokio::test]
async fn the_question_is_the_one_configured() {
    let wanted =
        [&[0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x03www\x07example\x03org\0\0\x01\0\x01"]
            .concat();
    let (target, _tcp) = server(move |question| {
        assert_eq!(question[2..], wanted);
        vec![answer(question, GOOD)]
    })
    .await;
    assert_eq!(ask(target, dns(AMPLE)).await, PASSED);
}

#[tokio::test]
async fn the_root_and_its_authority_are_asked_for_by_default() {
    let (target, _tcp) = server(|question| {
        assert_eq!(question[12..], [0, 0, 6, 0, 1]);
        let mut empty = question.to_vec();
        empty[2] = 0x81;
        vec![empty]
    })
    .await;
    let spec = DnsSpec {
        connection: connection(AMPLE),
        record: DnsRecord::default(),
        name: DnsName::default(),
    };
    assert_eq!(ask(target, ProbeKind::Dns(spec)).await, PASSED);
}

#[tokio::test]
async fn names_of_another_case_are_the_same() {
    let (target, _tcp) = server(|question| {
        let mut answer = answer(question, GOOD);
        answer[13] = b'W';
        vec![answer]
    })
    .await;
    assert_eq!(ask(target, dns(AMPLE)).await, PASSED);
}

#[tokio::test]
async fn response_codes_fail_with_their_names() {
    for (code, text) in [
        (2, "DNS: response code 2 (Server Failure)"),
        (3, "DNS: response code 3 (Non-Existent Domain)"),
        (5, "DNS: response code 5 (Query Refused)"),
    ] {
        let (target, _tcp) =
            server(move |question| vec![answer(question, [0x81, 0x80 | code])]).await;
        assert_eq!(failure(ask(target, dns(AMPLE)).await), ("dns-code", text.to_owned()));
    }
    // Without the question, as servers do that could not read it.
    let (target, _tcp) =
        server(|question| vec![vec![question[0], question[1], 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0]])
            .await;
    let wanted = "DNS: response code 1 (Form Error)";
    assert_eq!(failure(ask(target, dns(AMPLE)).await), ("dns-code", wanted.to_owned()));
}

type Forge = fn(&[u8]) -> Vec<u8>;

const FORGERIES: [(Forge, &str, &str); 6] = [
    (
        |question| {
            let mut other = answer(question, GOOD);
            other[0] ^= 1;
            other
        },
        "dns-other-id",
        "DNS: answer with another identifier",
    ),
    (<[u8]>::to_vec, "dns-no-answer", "DNS: a question instead of an answer"),
    (
        |question| {
            let mut other = answer(question, GOOD);
            other[13] = b'x';
            other
        },
        "dns-other-question",
        "DNS: answer to another question: xww.example.org. IN A",
    ),
    (
        |question| {
            let mut other = answer(question, GOOD);
            other[30] = 28;
            other
        },
        "dns-other-question",
        "DNS: answer to another question: www.example.org. IN AAAA",
    ),
    (
        |question| answer(question, GOOD)[..40].to_vec(),
        "dns-malformed",
        "DNS: 40 bytes that are no whole message",
    ),
    (|_| Vec::new(), "dns-malformed", "DNS: 0 bytes that are no whole message"),
];

#[tokio::test]
async fn what_may_be_forged_is_told_at_the_deadline() {
    for (forge, reason, text) in FORGERIES {
        let (target, _tcp) = server(move |question| vec![forge(question)]).await;
        assert_eq!(failure_in_time(target, dns(SHORT)).await, (reason, text.to_owned()));
    }
}

#[tokio::test]
async fn a_true_answer_after_forged_ones_passes() {
    let (target, _tcp) = server(|question| {
        let forged = FORGERIES.iter().map(|(forge, ..)| forge(question));
        forged.chain([answer(question, GOOD)]).collect()
    })
    .await;
    assert_eq!(ask(target, dns(AMPLE)).await, PASSED);
}

/// Reads a question over TCP.
async fn question(stream: &mut TcpStream) -> Vec<u8> {
    let mut question = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut question).await.unwrap();
    question
}

#[tokio::test]
async fn a_cut_off_answer_is_asked_for_again_over_tcp() {
    for (flags, wanted) in [
        (GOOD, None),
        (CUT_OFF, Some(("dns-cut-off", "DNS: answer cut off, over TCP too"))),
        ([0x81, 0x82], Some(("dns-code", "DNS: response code 2 (Server Failure)"))),
    ] {
        let (target, tcp) = server(|question| vec![answer(question, CUT_OFF)]).await;
        tokio::spawn(async move {
            let (mut stream, _) = tcp.accept().await.unwrap();
            let answer = answer(&question(&mut stream).await, flags);
            stream.write_u16(answer.len().try_into().unwrap()).await.unwrap();
            stream.write_all(&answer).await.unwrap();
            hold(stream).await;
        });
        let outcome = ask(target, dns(AMPLE)).await;
        match wanted {
            None => assert_eq!(outcome, PASSED),
            Some((reason, text)) => assert_eq!(failure(outcome), (reason, text.to_owned())),
        }
    }
}

#[tokio::test]
async fn a_server_that_breaks_off_over_tcp_says_so() {
    let (target, tcp) = server(|question| vec![answer(question, CUT_OFF)]).await;
    tokio::spawn(async move {
        let (mut stream, _) = tcp.accept().await.unwrap();
        question(&mut stream).await;
        stream.write_all(&[0, 50, 1, 2, 3]).await.unwrap();
    });
    let seen = failure(ask(target, dns(AMPLE)).await);
    assert_eq!(seen, ("closed", "closed after 5 bytes".to_owned()));
    let (target, tcp) = server(|question| vec![answer(question, CUT_OFF)]).await;
    drop(tcp);
    let seen = failure(ask(target, dns(AMPLE)).await);
    assert_eq!(seen, ("refused", "connect refused".to_owned()));
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let (target, _tcp) = server(|_| Vec::new()).await;
    assert_eq!(
        failure_in_time(target, dns(SHORT)).await,
        ("answer-timeout", "no answer within 200ms after request sent".to_owned())
    );
    let (target, _tcp) = server(|question| vec![answer(question, CUT_OFF)]).await;
    assert_eq!(
        failure_in_time(target, dns(SHORT)).await,
        ("answer-timeout", "no answer within 200ms after request sent".to_owned())
    );
}

#[tokio::test]
async fn an_icmp_error_fails_at_once() {
    let target = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().into();
    let seen = failure(ask(target, dns(AMPLE)).await);
    assert_eq!(seen, ("refused", "connect refused".to_owned()));
}
