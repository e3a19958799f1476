//! `AGENT_CHECK`.

use std::time::Duration;

use checkers::spec::AgentSpec;
use checkers::{Outcome, ProbeKind, Target, Weight};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{AMPLE, SHORT, ask, connection, failure, failure_in_time, hold, nobody, serve};

fn agent(timeout: Duration, send: &str) -> ProbeKind {
    ProbeKind::Agent(AgentSpec { connection: connection(timeout), send: send.parse().unwrap() })
}

async fn saying(line: &'static str) -> Target {
    serve(move |mut stream| async move {
        stream.write_all(line.as_bytes()).await.unwrap_or_default();
    })
    .await
}

#[tokio::test]
async fn a_line_gives_a_weight() {
    for (line, weight) in [
        ("75%\n", Weight::Percent(75)),
        ("up 20%\r\nand more\r\n", Weight::Percent(20)),
        ("drain", Weight::Exactly(0)),
        ("ready up\n", Weight::Configured),
    ] {
        assert_eq!(ask(saying(line).await, agent(AMPLE, "")).await, Outcome::Passed(weight));
    }
}

#[tokio::test]
async fn an_agent_that_wants_to_be_asked_is() {
    let target = serve(|mut stream| async move {
        let mut asked = [0; 10];
        stream.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"state web\n");
        stream.write_all(b"50%\n").await.unwrap();
        hold(stream).await;
    })
    .await;
    let outcome = ask(target, agent(AMPLE, "state web\\n")).await;
    assert_eq!(outcome, Outcome::Passed(Weight::Percent(50)));
}

#[tokio::test]
async fn an_agent_that_says_no_is_believed() {
    for (line, text) in [
        ("down\n", "the agent says down"),
        ("maint # until noon\n", "the agent says maint: \"until noon\""),
    ] {
        let seen = failure(ask(saying(line).await, agent(AMPLE, "")).await);
        assert_eq!(seen, ("agent", text.to_owned()));
    }
}

#[tokio::test]
async fn what_is_no_agent_says_so() {
    let long: &'static str = "u".repeat(5000).leak();
    for (line, reason, text) in [
        ("", "closed", "closed after 0 bytes"),
        ("\n", "not-agent", "not an agent: \"\""),
        ("220 mail.example\n", "not-agent", "not an agent: \"220 mail.example\""),
        (long, "answer-over-limit", "answer over 1024 bytes"),
    ] {
        let seen = failure(ask(saying(line).await, agent(AMPLE, "")).await);
        assert_eq!(seen, (reason, text.to_owned()));
    }
    let seen = failure(ask(nobody().await, agent(AMPLE, "")).await);
    assert_eq!(seen, ("refused", "connect refused".to_owned()));
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let target = serve(hold).await;
    assert_eq!(
        failure_in_time(target, agent(SHORT, "")).await,
        ("greeting-timeout", "no answer within 200ms after connect".to_owned())
    );
    assert_eq!(
        failure_in_time(target, agent(SHORT, "x")).await,
        ("answer-timeout", "no answer within 200ms after request sent".to_owned())
    );
    let target = serve(|mut stream| async move {
        stream.write_all(b"up").await.unwrap();
        hold(stream).await;
    })
    .await;
    assert_eq!(
        failure_in_time(target, agent(SHORT, "")).await,
        ("unfinished", "answer unfinished within 200ms, 2 bytes so far".to_owned())
    );
}
