//! Real servers on this machine's loopback receive, hang and refuse; time is the real one, so bounds are wide.
#![expect(clippy::disallowed_methods, reason = "test servers are tasks of the test")]

use std::time::Instant;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

mod tls;

use super::spec::{Login, MailRules, MailSpec, Secret, Security, WebhookSpec};
use super::*;
use crate::message::Event;
use crate::ops::severity::Severity;

const SOON: Duration = Duration::from_secs(10);

fn kept(name: &str, severity: Severity) -> Arc<Kept> {
    let subject = "10.0.0.3:80 of TCP 10.0.0.100:80".to_owned();
    let event = Event { at_ms: 1, name: name.into(), subject, cause: "refused".into() };
    Arc::new(Kept { id: 1, severity, event })
}

fn down() -> Arc<Kept> {
    kept("real_server_down", Severity::Warning)
}

fn mail(port: u16) -> ToldSpec {
    let mail = MailSpec {
        host: "127.0.0.1".into(),
        port,
        timeout: Duration::from_millis(300),
        helo: Some("lb1.example.com".into()),
        from: Some("lb1@example.com".into()),
        to: vec!["ops@example.com".into(), "Night Shift <night@example.com>".into()],
        security: Security::None,
        login: None,
        rules: MailRules { real_servers: true, ..MailRules::default() },
    };
    ToldSpec { director: Some("lb1".into()), mail: Some(mail), webhooks: Vec::new() }
}

fn webhook(port: u16, severity: Severity) -> ToldSpec {
    let url = format!("http://127.0.0.1:{port}/hook/T0KEN?x=1");
    let secret = Some(Secret("Jefe".into()));
    let hook = WebhookSpec { url, secret, severity, timeout: Duration::from_millis(300) };
    ToldSpec { director: Some("lb1".into()), mail: None, webhooks: vec![hook] }
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// One conversation as a relay has it; what was said to it. `refuses` answers a word with a code.
async fn relay(mut stream: TcpStream, refuses: Option<(&str, &str)>) -> String {
    stream.write_all(b"220 relay\r\n").await.unwrap();
    converse(stream, refuses).await
}

/// The same after the greeting.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    refuses: Option<(&str, &str)>,
) -> String {
    let mut stream = BufReader::new(stream);
    let mut heard = String::new();
    let mut line = String::new();
    let mut is_text = false;
    while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
        heard += &line;
        let word = line.split_whitespace().next().unwrap_or_default().to_owned();
        let answer = match (refuses, word.as_str(), is_text) {
            (_, ".", true) => Some("250 taken\r\n".to_owned()),
            (_, _, true) => None,
            (Some((refused, code)), word, _) if word == refused => Some(format!("{code} no\r\n")),
            (_, "EHLO", _) => Some("250-relay\r\n250 AUTH PLAIN\r\n".to_owned()),
            (_, "AUTH", _) => Some("235 welcome\r\n".to_owned()),
            (_, "DATA", _) => Some("354 go on\r\n".to_owned()),
            (_, "QUIT", _) => Some("221 bye\r\n".to_owned()),
            _ => Some("250 fine\r\n".to_owned()),
        };
        is_text = (is_text || word == "DATA" && answer.as_deref() == Some("354 go on\r\n"))
            && word != ".";
        line.clear();
        if let Some(answer) = answer
            && stream.write_all(answer.as_bytes()).await.is_err()
        {
            break;
        }
    }
    heard
}

/// Reads a request whole and answers it.
async fn hook(mut stream: TcpStream, answer: &str) -> String {
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&heard).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_lowercase();
            let length = length.split("content-length: ").nth(1).unwrap();
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            if body.len() >= length {
                stream.write_all(answer.as_bytes()).await.unwrap();
                return text;
            }
        }
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "broken off: {text}");
        heard.extend_from_slice(&buffer[..read]);
    }
}

async fn status_where(told: &Told, wanted: impl Fn(&ReceiverStatus) -> bool) -> ReceiverStatus {
    let start = Instant::now();
    loop {
        let status = told.status().pop().unwrap();
        if wanted(&status) {
            return status;
        }
        assert!(start.elapsed() < SOON, "{status:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_mail_arrives_with_keepalived_s_subject() {
    let (listener, port) = listener().await;
    let mut told = Told::default();
    told.configure(mail(port));
    told.push(&down());
    told.push(&kept("table_drift", Severity::Warning));
    let heard = relay(listener.accept().await.unwrap().0, None).await;
    for line in [
        "EHLO lb1.example.com\r\n",
        "MAIL FROM:<lb1@example.com>",
        "RCPT TO:<ops@example.com>",
        "RCPT TO:<night@example.com>",
        "Subject: [lb1] Realserver [10.0.0.3]:tcp:80 of virtual server\r\n [10.0.0.100]:tcp:80 - DOWN\r\n",
        "    refused\r\n",
    ] {
        assert!(heard.contains(line), "{line:?} in {heard}");
    }
    let status = status_where(&told, |status| status.delivered == 1).await;
    let to = format!("mail by 127.0.0.1:{port}");
    assert_eq!(status, ReceiverStatus { to, delivered: 1, ..ReceiverStatus::default() });
}

#[tokio::test]
async fn a_login_is_made_where_one_is_given() {
    let (listener, port) = listener().await;
    let mut spec = mail(port);
    let login = Login { user: "lb".into(), password: Secret("pass".into()) };
    spec.mail.as_mut().unwrap().login = Some(login);
    assert!(!format!("{spec:?}").contains("pass\""), "{spec:?}");
    let mut told = Told::default();
    told.configure(spec);
    told.push(&down());
    let heard = relay(listener.accept().await.unwrap().0, None).await;
    assert!(heard.contains("AUTH PLAIN AGxiAHBhc3M="), "{heard}");
}

#[tokio::test]
async fn a_relay_that_lacks_starttls_gets_nothing_when_it_is_asked_for() {
    let (listener, port) = listener().await;
    let mut spec = mail(port);
    spec.mail.as_mut().unwrap().security = Security::StartTls { authority: None };
    let mut told = Told::default();
    told.configure(spec);
    told.push(&down());
    let heard = relay(listener.accept().await.unwrap().0, None).await;
    assert!(!heard.contains("MAIL FROM"), "{heard}");
    let status = status_where(&told, |status| status.error.is_some()).await;
    assert_eq!(status.delivered, 0);
}

#[tokio::test]
async fn a_relay_that_hangs_or_refuses_is_tried_again_and_told_and_what_it_refuses_for_good_is_not()
{
    let (listener, port) = listener().await;
    let mut told = Told::default();
    told.configure(mail(port));
    told.push(&down());
    // Accepts and says nothing.
    let (hanging, _) = listener.accept().await.unwrap();
    let status = status_where(&told, |status| status.failures == 1).await;
    assert_eq!(status.waiting, 1);
    drop(hanging);
    // Another configuration ends the pause; what waits is still there.
    told.configure(mail(port));
    relay(listener.accept().await.unwrap().0, Some(("MAIL", "451"))).await;
    let status = status_where(&told, |status| status.failures == 2).await;
    assert!(status.error.unwrap().contains("451") || status.waiting == 1);
    told.configure(mail(port));
    relay(listener.accept().await.unwrap().0, Some(("RCPT", "550"))).await;
    let status = status_where(&told, |status| status.refused == 1).await;
    assert_eq!((status.waiting, status.delivered), (0, 0));
    assert!(status.error.is_some());
    // The next one is tried at once.
    told.push(&down());
    relay(listener.accept().await.unwrap().0, None).await;
    let status = status_where(&told, |status| status.delivered == 1).await;
    assert_eq!(status.error, None);
}

#[tokio::test]
async fn a_webhook_gets_signed_json_of_what_is_bad_enough() {
    let (listener, port) = listener().await;
    let mut told = Told::default();
    told.configure(webhook(port, Severity::Warning));
    told.push(&kept("real_server_up", Severity::Info));
    told.push(&down());
    let stream = listener.accept().await.unwrap().0;
    let heard = hook(stream, "HTTP/1.1 204 No Content\r\n\r\n").await;
    let (head, body) = heard.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hook/T0KEN?x=1 HTTP/1.1\r\n"), "{head}");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"Jefe");
    let signed = head.split("x-evenkeel-signature: sha256=").nth(1).unwrap();
    let signed = signed.split("\r\n").next().unwrap();
    let bytes = (0..signed.len()).step_by(2).map(|at| u8::from_str_radix(&signed[at..at + 2], 16));
    let bytes: Vec<u8> = bytes.map(Result::unwrap).collect();
    ring::hmac::verify(&key, body.as_bytes(), &bytes).unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["director"], "lb1");
    assert_eq!(body["events"].as_array().unwrap().len(), 1);
    assert_eq!(body["events"][0]["name"], "real_server_down");
    assert_eq!(body["events"][0]["severity"], "warning");
    let status = status_where(&told, |status| status.delivered == 1).await;
    assert_eq!(status.to, format!("http://127.0.0.1:{port}/…"), "the path may be a password");
}

#[tokio::test]
async fn a_webhook_that_hangs_fails_or_is_gone_is_tried_again() {
    let (listener, port) = listener().await;
    let mut told = Told::default();
    told.configure(webhook(port, Severity::Info));
    told.push(&down());
    let (hanging, _) = listener.accept().await.unwrap();
    let status = status_where(&told, |status| status.failures == 1).await;
    assert_eq!(status.error.as_deref(), Some("no answer within 300ms"));
    drop(hanging);
    told.configure(webhook(port, Severity::Info));
    let stream = listener.accept().await.unwrap().0;
    hook(stream, "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n").await;
    status_where(&told, |status| status.error.as_deref() == Some("answered 500")).await;
    drop(listener);
    told.configure(webhook(port, Severity::Info));
    let status = status_where(&told, |status| status.failures == 3).await;
    assert!(status.error.unwrap().contains("refused"));
    assert_eq!(status.waiting, 1);
}

#[tokio::test]
async fn what_waits_goes_out_at_the_end_and_a_dead_receiver_does_not_hold_up_the_end() {
    let (listener, port) = listener().await;
    let mut told = Told::default();
    told.configure(webhook(port, Severity::Info));
    told.push(&down());
    let served = async {
        let stream = listener.accept().await.unwrap().0;
        hook(stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await
    };
    let (heard, ()) = tokio::join!(served, told.close());
    assert!(heard.contains("real_server_down"));

    let mut told = Told::default();
    let mut spec = webhook(port, Severity::Info);
    spec.webhooks[0].timeout = Duration::from_secs(60);
    told.configure(spec);
    told.push(&down());
    let (_hanging, _) = listener.accept().await.unwrap();
    let start = Instant::now();
    told.close().await;
    assert!(start.elapsed() < FAREWELL + Duration::from_secs(2));
}

#[tokio::test]
async fn a_storm_neither_grows_nor_waits() {
    let (_listener, port) = listener().await;
    let mut told = Told::default();
    told.configure(mail(port));
    let start = Instant::now();
    for _ in 0..20_000 {
        told.push(&down());
        if start.elapsed() > SOON {
            break;
        }
        // As the desk does between messages.
        tokio::task::yield_now().await;
    }
    assert!(start.elapsed() < SOON);
    let status = status_where(&told, |status| status.lost > 0).await;
    assert!(status.waiting <= 2000, "{status:?}");
    assert_eq!(status.waiting as u64 + status.lost, 20_000);
}
