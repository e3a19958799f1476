//! `SMTP_CHECK`.

use std::time::Duration;

use checkers::spec::SmtpSpec;
use checkers::{Outcome, ProbeKind, Target, Weight};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;

use super::{AMPLE, SHORT, ask, connection, failure, failure_in_time, hold, nobody, serve};

const PASSED: Outcome = Outcome::Passed(Weight::Configured);

fn smtp(timeout: Duration) -> ProbeKind {
    let helo = "probe.example".parse().unwrap();
    ProbeKind::Smtp(SmtpSpec { connection: connection(timeout), helo })
}

/// Greets with `greeting`, answers the first line with `answer`, tells all lines that it got.
async fn server(
    greeting: &'static str,
    answer: &'static str,
) -> (Target, mpsc::Receiver<Vec<String>>) {
    let (tell, told) = mpsc::channel(1);
    let target = serve(move |stream| {
        let tell = tell.clone();
        async move {
            let mut stream = BufReader::new(stream);
            let mut lines = vec![String::new(), String::new()];
            stream.write_all(greeting.as_bytes()).await.unwrap();
            stream.read_line(&mut lines[0]).await.unwrap_or_default();
            stream.write_all(answer.as_bytes()).await.unwrap_or_default();
            stream.read_line(&mut lines[1]).await.unwrap_or_default();
            stream.write_all(b"221 bye\r\n").await.unwrap_or_default();
            tell.send(lines).await.unwrap();
        }
    })
    .await;
    (target, told)
}

#[tokio::test]
async fn a_server_that_greets_and_answers_passes() {
    let (target, mut told) =
        server("220-one\r\n220-two\r\n220 mail.example ESMTP\r\n", "250-mail.example\r\n250\r\n")
            .await;
    assert_eq!(ask(target, smtp(AMPLE)).await, PASSED);
    assert_eq!(told.recv().await.unwrap(), ["HELO probe.example\r\n", "QUIT\r\n"]);
}

#[tokio::test]
async fn a_server_that_never_says_goodbye_passes_at_the_deadline() {
    let target = serve(|mut stream| async move {
        stream.write_all(b"220 x\r\n").await.unwrap();
        stream.read_exact(&mut [0; 20]).await.unwrap();
        stream.write_all(b"250 x\r\n").await.unwrap();
        hold(stream).await;
    })
    .await;
    assert_eq!(ask(target, smtp(SHORT)).await, PASSED);
}

#[tokio::test]
async fn other_codes_are_told() {
    for (greeting, answer, wanted) in [
        ("554 no service\r\n", "", "\"554 no service\" as greeting, wanted 220"),
        ("220-a\r\n421 late\r\n", "", "\"421 late\" as greeting, wanted 220"),
        ("SSH-2.0-OpenSSH\r\n", "", "\"SSH-2.0-OpenSSH\" as greeting, wanted 220"),
        ("220x\r\n", "", "\"220x\" as greeting, wanted 220"),
        ("\r\n", "", "\"\" as greeting, wanted 220"),
        ("\u{fe}\r\n", "", "\"\\xc3\\xbe\" as greeting, wanted 220"),
        ("220 x\r\n", "501 who?\r\n", "\"501 who?\" to HELO, wanted 250"),
        ("220 x\r\n", "220 again\r\n", "\"220 again\" to HELO, wanted 250"),
    ] {
        let (target, _told) = server(greeting, answer).await;
        let seen = failure(ask(target, smtp(AMPLE)).await);
        assert_eq!(seen, ("smtp", wanted.to_owned()));
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_says_so() {
    let target = serve(|_stream| async {}).await;
    let seen = failure(ask(target, smtp(AMPLE)).await);
    assert_eq!(seen, ("closed", "closed after 0 bytes".to_owned()));
    let target = serve(|mut stream| async move {
        stream.write_all(b"220 x\r\n").await.unwrap();
        stream.read_exact(&mut [0; 20]).await.unwrap();
    })
    .await;
    let seen = failure(ask(target, smtp(AMPLE)).await);
    assert_eq!(seen, ("closed", "closed after 7 bytes".to_owned()));
    let seen = failure(ask(nobody().await, smtp(AMPLE)).await);
    assert_eq!(seen, ("refused", "connect refused".to_owned()));
}

#[tokio::test]
async fn endless_lines_end_at_the_limit() {
    for piece in ["220-again\r\n", "220-"] {
        let target = serve(move |mut stream| async move {
            while stream.write_all(piece.as_bytes()).await.is_ok() {}
        })
        .await;
        let seen = failure(ask(target, smtp(AMPLE)).await);
        assert_eq!(seen, ("answer-over-limit", "answer over 16384 bytes".to_owned()));
    }
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let target = serve(hold).await;
    assert_eq!(
        failure_in_time(target, smtp(SHORT)).await,
        ("greeting-timeout", "no answer within 200ms after connect".to_owned())
    );
    let target = serve(|mut stream| async move {
        while stream.write_all(b"2").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    })
    .await;
    assert_eq!(
        failure_in_time(target, smtp(SHORT)).await,
        ("unfinished", "answer unfinished within 200ms, 2 bytes so far".to_owned())
    );
}
