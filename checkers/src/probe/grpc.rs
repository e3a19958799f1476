//! `GRPC_CHECK`: one unary call of grpc.health.v1.Health/Check.
//!
//! The crate h2 speaks HTTP/2; the two messages have one field each, so they are written and read here. The connection is
//! polled beside the call in the probe's own task, so dropping the probe closes it.

use std::pin::pin;

use h2::RecvStream;
use h2::client::{Builder, SendRequest};
use http::header::{CONTENT_TYPE, HeaderMap, TE, USER_AGENT};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::progress::{Progress, Watched, broken};
use super::{Miss, PASSED, tcp, tls};
use crate::failure::{Failure, LocalFault, Stage};
use crate::outcome::{Certificate, Weight};
use crate::spec::{GrpcSpec, Target};

/// All that an answer needs is 7 bytes.
const MESSAGE: usize = 1024;

/// Of headers, and of trailers.
const HEADERS: u32 = 16 * 1024;

/// So much of a message or a preface is told.
const SHOWN: usize = 120;

/// Calls once.
pub(super) async fn run(
    target: Target,
    spec: &GrpcSpec,
    certificate: &mut Option<Certificate>,
) -> Result<Weight, Miss> {
    let within = spec.connection.timeout;
    let progress = Progress::default();
    match timeout(within, ask(target, spec, &progress, certificate)).await {
        Ok(asked) => asked,
        Err(_elapsed) => Err(progress.overdue(within).into()),
    }
}

async fn ask(
    target: Target,
    spec: &GrpcSpec,
    progress: &Progress,
    certificate: &mut Option<Certificate>,
) -> Result<Weight, Miss> {
    let stream = tcp::connect(target, &spec.connection, tcp::Close::Orderly).await?;
    match &spec.tls {
        None => call(target, spec, stream, progress).await?,
        Some(tls) => {
            progress.enter(Stage::Handshake);
            let peer = tls::Peer { target, virtualhost: spec.virtualhost.as_ref(), http2: true };
            let stream = Box::new(tls::handshake(peer, tls, stream).await?);
            *certificate = tls::certificate(tls, &stream)?;
            if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                let cause = "HTTP/2 was not agreed on in the handshake".to_owned();
                return Err(Failure::NotGrpc { cause }.into());
            }
            call(target, spec, stream, progress).await?;
        }
    }
    PASSED
}

/// The call on a connection that stands.
pub(super) async fn call<T>(
    target: Target,
    spec: &GrpcSpec,
    stream: T,
    progress: &Progress,
) -> Result<(), Miss>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let request = request(target, spec)?;
    progress.enter(Stage::Request);
    let io = Watched { stream, progress };
    let connected = client().handshake::<_, Bytes>(io).await;
    let (sender, connection) = connected.map_err(|error| failure(&error, progress))?;
    let mut connection = pin!(connection);
    let mut answer = pin!(exchange(sender, request, message(spec.service.as_str()), progress));
    tokio::select! {
        biased;
        answered = &mut answer => Ok(answered?),
        ended = &mut connection => match ended {
            // What had come before the end is still to be read.
            Ok(()) => Ok(answer.await?),
            Err(error) => Err(failure(&error, progress).into()),
        },
    }
}

/// Bounds on what a peer may make us hold: no pushes, one answer at a time.
fn client() -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .max_concurrent_streams(1)
        .initial_window_size(u32::from(u16::MAX))
        .initial_connection_window_size(u32::from(u16::MAX))
        .max_header_list_size(HEADERS)
        .max_send_buffer_size(16 * 1024);
    builder
}

fn request(target: Target, spec: &GrpcSpec) -> Result<Request<()>, LocalFault> {
    let authority = match &spec.virtualhost {
        Some(host) => host.as_str().to_owned(),
        None => target.to_string(),
    };
    let fault = |error: http::Error| LocalFault { step: format!("request: {error}"), errno: 0 };
    let uri = Uri::builder()
        .scheme(if spec.tls.is_some() { "https" } else { "http" })
        .authority(authority)
        .path_and_query("/grpc.health.v1.Health/Check")
        .build()
        .map_err(fault)?;
    Request::builder()
        .method(Method::POST)
        .uri(uri)
        .version(Version::HTTP_2)
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .header(USER_AGENT, concat!("evenkeel/", env!("CARGO_PKG_VERSION")))
        .body(())
        .map_err(fault)
}

/// Not compressed, its length, and HealthCheckRequest: field 1, a string.
fn message(service: &str) -> Bytes {
    let mut request = Vec::new();
    if !service.is_empty() {
        request.push(0x0a);
        // At most 255: two groups of seven bits.
        let length = u8::try_from(service.len()).unwrap_or(u8::MAX);
        if length >= 0x80 {
            request.extend([length | 0x80, 1]);
        } else {
            request.push(length);
        }
        request.extend(service.as_bytes());
    }
    let length = u32::try_from(request.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[0], &length[..], &request].concat().into()
}

async fn exchange(
    sender: SendRequest<Bytes>,
    request: Request<()>,
    message: Bytes,
    progress: &Progress,
) -> Result<(), Failure> {
    let failed = |error: h2::Error| failure(&error, progress);
    let mut sender = sender.ready().await.map_err(failed)?;
    let (answer, mut body) = sender.send_request(request, false).map_err(failed)?;
    body.send_data(message, true).map_err(failed)?;
    let answer = answer.await.map_err(failed)?;
    // Without a body the headers are the trailers.
    check(&answer)?;
    let mut body = answer.into_body();
    let answer = read(&mut body, progress).await?;
    let trailers = body.trailers().await.map_err(failed)?;
    let trailers = trailers.ok_or_else(|| not_grpc("no grpc-status"))?;
    status(&trailers)?.ok_or_else(|| not_grpc("no grpc-status"))?;
    serving(&answer)
}

/// What the headers say: gRPC at all, and whether the call ended with them.
fn check(answer: &Response<RecvStream>) -> Result<(), Failure> {
    if answer.status() != StatusCode::OK {
        return Err(not_grpc(&format!("HTTP status {}", answer.status().as_u16())));
    }
    let kind = answer.headers().get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    if !kind.is_some_and(|kind| kind.starts_with(b"application/grpc")) {
        let kind = kind.unwrap_or_default();
        let shown = kind[..kind.len().min(SHOWN)].escape_ascii();
        return Err(not_grpc(&format!("content type \"{shown}\"")));
    }
    status(answer.headers()).map(drop)
}

async fn read(body: &mut RecvStream, progress: &Progress) -> Result<Vec<u8>, Failure> {
    let mut answer = Vec::new();
    while let Some(bytes) = body.data().await {
        let bytes = bytes.map_err(|error| failure(&error, progress))?;
        if answer.len() + bytes.len() > MESSAGE {
            return Err(Failure::AnswerOverLimit { limit: MESSAGE as u64 });
        }
        answer.extend_from_slice(&bytes);
        // An error means that the stream has ended.
        body.flow_control().release_capacity(bytes.len()).unwrap_or_default();
    }
    Ok(answer)
}

/// `grpc-status` where there is one: 0 is good.
fn status(headers: &HeaderMap) -> Result<Option<()>, Failure> {
    let Some(code) = headers.get("grpc-status") else { return Ok(None) };
    let code = code.to_str().ok().and_then(|code| code.parse().ok());
    match code {
        Some(0) => Ok(Some(())),
        Some(code) => {
            let message = headers.get("grpc-message").map(http::HeaderValue::as_bytes);
            let message = message.unwrap_or_default();
            let message = message[..message.len().min(SHOWN)].escape_ascii().to_string();
            Err(Failure::Grpc { code, message })
        }
        None => Err(not_grpc("a grpc-status that is no number")),
    }
}

/// HealthCheckResponse: field 1, a number, 1 is SERVING; a number that is 0 is left out.
fn serving(answer: &[u8]) -> Result<(), Failure> {
    let Some(([0, length @ ..], message)) = answer.split_first_chunk::<5>() else {
        return Err(not_grpc("an answer without a message"));
    };
    if usize::try_from(u32::from_be_bytes(*length)) != Ok(message.len()) {
        return Err(not_grpc("a message of another length than announced"));
    }
    match health(message) {
        Some(1) => Ok(()),
        Some(status) => Err(Failure::NotServing { status }),
        None => Err(not_grpc("a message that is no health answer")),
    }
}

/// The last number of field 1; other fields are passed over.
fn health(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        let tag = number(&mut message)?;
        match tag & 7 {
            0 => {
                let value = number(&mut message)?;
                if tag >> 3 == 1 {
                    status = value;
                }
            }
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(number(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

/// Groups of seven bits, lowest first, at most ten.
fn number(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn not_grpc(cause: &str) -> Failure {
    Failure::NotGrpc { cause: cause.to_owned() }
}

fn failure(error: &h2::Error, progress: &Progress) -> Failure {
    if let Some(io) = error.get_io() {
        return match io.kind() {
            std::io::ErrorKind::UnexpectedEof => Failure::Closed { bytes: progress.received() },
            _ => broken(io, progress),
        };
    }
    // A server of HTTP/1 answers in its own words.
    let seen = progress.seen();
    if seen.starts_with("HTTP/") {
        return not_grpc(&format!("it began with \"{seen}\""));
    }
    not_grpc(&error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_what_protoc_makes_of_it() {
        assert_eq!(message("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(message("a.B")[..], [0, 0, 0, 0, 5, 0x0a, 3, b'a', b'.', b'B']);
        let long = message(&"x".repeat(200));
        assert_eq!(long[..8], [0, 0, 0, 0, 203, 0x0a, 0xc8, 1]);
    }

    #[test]
    fn an_answer_is_read_with_fields_that_are_unknown() {
        let serving = |message: &[u8]| {
            let length = u8::try_from(message.len()).unwrap();
            serving(&[&[0, 0, 0, 0, length], message].concat()).map_err(|error| error.to_string())
        };
        assert_eq!(serving(&[8, 1]), Ok(()));
        assert_eq!(serving(&[0x12, 2, 9, 9, 8, 2, 0x1d, 1, 2, 3, 4, 8, 1]), Ok(()));
        assert_eq!(serving(&[8, 0x81, 0]), Ok(()));
        assert_eq!(serving(&[]), Err("health UNKNOWN, wanted SERVING".to_owned()));
        assert_eq!(serving(&[8, 2]), Err("health NOT_SERVING, wanted SERVING".to_owned()));
        for wrong in [&[8][..], &[0x0b], &[0x12, 9, 1], &[8, 0xff, 0xff], &[0xff; 20], &[9, 1]] {
            let wanted = Err("not gRPC: a message that is no health answer".to_owned());
            assert_eq!(serving(wrong), wanted, "{wrong:?}");
        }
        for wrong in [&[][..], &[0, 0, 0], &[1, 0, 0, 0, 0], &[0, 0, 0, 0, 9, 8, 1]] {
            assert_eq!(super::serving(wrong).unwrap_err().reason(), "not-grpc");
        }
    }
}
