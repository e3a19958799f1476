//! `GRPC_CHECK`.

use std::sync::Arc;
use std::time::Duration;

use checkers::spec::{GrpcSpec, TlsSpec};
use checkers::{Outcome, ProbeKind, Target, Weight};
use http::{HeaderMap, Response};
use hyper::body::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::{AMPLE, SHORT, ask, connection, failure, failure_in_time, hold, nobody, serve, tls};

const PASSED: Outcome = Outcome::Passed(Weight::Configured);

fn spec(timeout: Duration, service: &str) -> GrpcSpec {
    GrpcSpec {
        connection: connection(timeout),
        tls: None,
        service: service.parse().unwrap(),
        virtualhost: None,
    }
}

fn grpc(timeout: Duration) -> ProbeKind {
    ProbeKind::Grpc(spec(timeout, ""))
}

/// What a server answers: headers, body, trailers.
#[derive(Clone)]
struct Answer {
    http: u16,
    headers: &'static [(&'static str, &'static str)],
    body: Option<Vec<u8>>,
    trailers: Option<&'static [(&'static str, &'static str)]>,
}

const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc+proto")];
const OK: Option<&[(&str, &str)]> = Some(&[("grpc-status", "0")]);

fn answer(body: &[u8]) -> Answer {
    Answer { http: 200, headers: GRPC, body: Some(body.to_vec()), trailers: OK }
}

/// Serves one call with `answer`; tells the path, the authority and the message.
async fn call<T>(stream: T, answer: Answer, tell: mpsc::Sender<(String, Vec<u8>)>)
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let uri = request.uri().to_string();
        let mut body = request.into_body();
        let serve = async {
            let mut message = Vec::new();
            while let Some(Ok(bytes)) = body.data().await {
                message.extend_from_slice(&bytes);
            }
            tell.send((uri, message)).await.unwrap_or_default();
            let mut head = Response::builder().status(answer.http);
            for &(name, value) in answer.headers {
                head = head.header(name, value);
            }
            let ends = answer.body.is_none() && answer.trailers.is_none();
            let mut send = respond.send_response(head.body(()).unwrap(), ends).unwrap();
            if let Some(body) = &answer.body {
                let last = answer.trailers.is_none();
                send.send_data(Bytes::from(body.clone()), last).unwrap();
            }
            if let Some(fields) = answer.trailers {
                let fields = fields.iter().map(|&(name, value)| {
                    (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())
                });
                send.send_trailers(HeaderMap::from_iter(fields)).unwrap();
            }
        };
        serve.await;
    }
}

async fn server(answer: Answer) -> (Target, mpsc::Receiver<(String, Vec<u8>)>) {
    let (tell, told) = mpsc::channel(4);
    let target = serve(move |stream| call(stream, answer.clone(), tell.clone())).await;
    (target, told)
}

#[tokio::test]
async fn a_service_that_serves_passes() {
    let (target, mut told) = server(answer(&[0, 0, 0, 0, 2, 8, 1])).await;
    assert_eq!(ask(target, grpc(AMPLE)).await, PASSED);
    let path = "/grpc.health.v1.Health/Check";
    assert_eq!(told.recv().await.unwrap(), (format!("http://{target}{path}"), vec![0; 5]));
    let mut named = spec(AMPLE, "a.B");
    named.virtualhost = Some("health.example:99".parse().unwrap());
    assert_eq!(ask(target, ProbeKind::Grpc(named)).await, PASSED);
    let wanted = (format!("http://health.example:99{path}"), b"\0\0\0\0\x05\x0a\x03a.B".to_vec());
    assert_eq!(told.recv().await.unwrap(), wanted);
}

#[tokio::test]
async fn a_service_passes_over_tls_if_http2_is_agreed_on() {
    for (alpn, wanted) in
        [(Some("h2"), None), (None, Some("not gRPC: HTTP/2 was not agreed on in the handshake"))]
    {
        let signed = rcgen::generate_simple_self_signed(["x.example".to_owned()]).unwrap();
        let mut config = tls::config(rustls::ALL_VERSIONS, &signed.cert, &signed.signing_key);
        config.alpn_protocols = alpn.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (tell, _told) = mpsc::channel(4);
        let target = serve(move |stream| {
            let (acceptor, tell) = (acceptor.clone(), tell.clone());
            async move {
                let stream = acceptor.accept(stream).await.unwrap();
                if stream.get_ref().1.alpn_protocol().is_some() {
                    call(stream, answer(&[0, 0, 0, 0, 2, 8, 1]), tell).await;
                }
            }
        })
        .await;
        let mut spec = spec(AMPLE, "");
        spec.tls = Some(TlsSpec::default());
        let outcome = ask(target, ProbeKind::Grpc(spec)).await;
        match wanted {
            None => assert_eq!(outcome, PASSED),
            Some(text) => assert_eq!(failure(outcome), ("not-grpc", text.to_owned())),
        }
    }
}

#[tokio::test]
async fn what_is_not_serving_is_told() {
    let plain = answer(&[]);
    for (answer, reason, text) in [
        (answer(&[0, 0, 0, 0, 2, 8, 2]), "not-serving", "health NOT_SERVING, wanted SERVING"),
        (answer(&[0, 0, 0, 0, 0]), "not-serving", "health UNKNOWN, wanted SERVING"),
        (
            Answer {
                headers: &[
                    ("content-type", "application/grpc"),
                    ("grpc-status", "12"),
                    ("grpc-message", "unknown service grpc.health.v1.Health"),
                ],
                body: None,
                trailers: None,
                ..plain.clone()
            },
            "grpc",
            "grpc-status 12: \"unknown service grpc.health.v1.Health\"",
        ),
        (
            Answer { trailers: Some(&[("grpc-status", "5")]), ..plain.clone() },
            "grpc",
            "grpc-status 5: \"\"",
        ),
        (Answer { http: 404, ..plain.clone() }, "not-grpc", "not gRPC: HTTP status 404"),
        (
            Answer { headers: &[("content-type", "text/html")], ..plain.clone() },
            "not-grpc",
            "not gRPC: content type \"text/html\"",
        ),
        (Answer { trailers: None, ..plain.clone() }, "not-grpc", "not gRPC: no grpc-status"),
        (
            Answer { trailers: Some(&[("grpc-status", "x")]), ..plain.clone() },
            "not-grpc",
            "not gRPC: a grpc-status that is no number",
        ),
        (plain, "not-grpc", "not gRPC: an answer without a message"),
        (answer(&[7; 2000]), "answer-over-limit", "answer over 1024 bytes"),
    ] {
        let (target, _told) = server(answer).await;
        assert_eq!(failure(ask(target, grpc(AMPLE)).await), (reason, text.to_owned()));
    }
}

#[tokio::test]
async fn what_speaks_something_else_says_so() {
    let target = serve(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        hold(stream).await;
    })
    .await;
    let seen = failure(ask(target, grpc(AMPLE)).await);
    let wanted = "not gRPC: it began with \"HTTP/1.1 400 Bad Request\\r\\n\\r\\n\"";
    assert_eq!(seen, ("not-grpc", wanted.to_owned()));
    let seen = failure(ask(nobody().await, grpc(AMPLE)).await);
    assert_eq!(seen, ("refused", "connect refused".to_owned()));
}

#[tokio::test]
async fn a_server_that_hangs_up_says_so() {
    let target = serve(|stream| async move {
        stream.readable().await.unwrap();
        stream.try_read(&mut [0; 4096]).unwrap();
    })
    .await;
    let (reason, text) = failure(ask(target, grpc(AMPLE)).await);
    assert!(["closed", "reset"].contains(&reason), "{reason}: {text}");
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let target = serve(hold).await;
    assert_eq!(
        failure_in_time(target, grpc(SHORT)).await,
        ("answer-timeout", "no answer within 200ms after request sent".to_owned())
    );
}
