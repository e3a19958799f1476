//! `HTTP_GET` and `SSL_GET`: one request, its answer read to the end of the connection, as keepalived reads it.
//!
//! Memory is bounded by hyper's buffer: the body is digested as it comes, and
//! searched through a window. Redirects are answers, not
//! invitations. The connection is polled beside the request in the probe's own task, so dropping the probe closes it.

use std::error::Error as _;
use std::io;
use std::pin::pin;

use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{Method, Request, Response, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use md5::{Digest as _, Md5};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::timeout;

use super::progress::{Progress, Watched, broken};
use super::search::Searcher;
use super::{Miss, PASSED, tcp, tls};
use crate::failure::{Failure, LocalFault, Stage};
use crate::outcome::{Certificate, Weight};
use crate::spec::{Digest, HttpSpec, HttpVersion, Step, Target, Url};

/// Status line and headers together, and the most of a body that is in memory at once.
const BUFFER: usize = 16 * 1024;

/// hyper's own bound on header lines; a larger one would be allocated for each request.
const HEADER_LINES: usize = 100;

/// As keepalived calls itself: real servers filter their logs by it.
const AGENT: &str = "KeepAliveClient";

/// Asks for the url of `step`.
pub(super) async fn run(
    target: Target,
    spec: &HttpSpec,
    step: Step,
    certificate: &mut Option<Certificate>,
) -> Result<Weight, Miss> {
    let within = spec.connection.timeout;
    let progress = Progress::default();
    match timeout(within, ask(target, spec, step, &progress, certificate)).await {
        Ok(asked) => asked,
        Err(_elapsed) => Err(progress.overdue(within).into()),
    }
}

async fn ask(
    target: Target,
    spec: &HttpSpec,
    step: Step,
    progress: &Progress,
    certificate: &mut Option<Certificate>,
) -> Result<Weight, Miss> {
    let url = spec.urls.get(usize::from(step.0));
    let stream = tcp::connect(target, &spec.connection, tcp::Close::Orderly).await?;
    match (&spec.tls, url) {
        (None, None) => {}
        (None, Some(url)) => exchange(target, spec, url, stream, progress).await?,
        (Some(tls), url) => {
            progress.enter(Stage::Handshake);
            let virtualhost = url.and_then(|url| url.virtualhost.as_ref());
            let peer = tls::Peer { target, virtualhost, http2: false };
            // Boxed, for each function that it passes through holds a place for it.
            let stream = Box::new(tls::handshake(peer, tls, stream).await?);
            *certificate = tls::certificate(tls, &stream)?;
            if let Some(url) = url {
                exchange(target, spec, url, stream, progress).await?;
                if url.tls_compliant && progress.hung_up() {
                    let cause = "closed without close_notify".to_owned();
                    return Err(Failure::Tls { cause }.into());
                }
            }
        }
    }
    PASSED
}

/// Request and answer on a connection that stands.
pub(super) async fn exchange<T>(
    target: Target,
    spec: &HttpSpec,
    url: &Url,
    stream: T,
    progress: &Progress,
) -> Result<(), Miss>
where
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    let request = request(target, spec.version, url)?;
    progress.enter(Stage::Request);
    let io = TokioIo::new(Watched { stream, progress });
    let (mut sender, connection) =
        client().handshake(io).await.map_err(|error| failure(&error, progress))?;
    let mut connection = pin!(connection.without_shutdown());
    let mut answer = pin!(async move {
        let answer = sender.send_request(request).await.map_err(|e| failure(&e, progress))?;
        judge(answer, spec, url, progress).await
    });
    let parts = tokio::select! {
        biased;
        judged = &mut answer => {
            judged?;
            connection.await
        }
        parts = &mut connection => {
            answer.await?;
            parts
        }
    };
    match parts {
        Ok(parts) => drain(parts.io.into_inner(), progress).await,
        // The answer was whole; how the connection ended after it is the server's affair.
        Err(_) => Ok(()),
    }
}

/// Lenient where keepalived is: what counts is the status, and the digest if there is one.
fn client() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .max_buf_size(BUFFER)
        .title_case_headers(true)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true);
    builder
}

fn request(
    target: Target,
    version: HttpVersion,
    url: &Url,
) -> Result<Request<Empty<Bytes>>, LocalFault> {
    let (version, close) = match version {
        HttpVersion::Http10 => (Version::HTTP_10, false),
        HttpVersion::Http10Close => (Version::HTTP_10, true),
        HttpVersion::Http11 => (Version::HTTP_11, true),
    };
    let mut request = Request::builder()
        .method(Method::GET)
        .uri(url.path.as_str())
        .version(version)
        .header(USER_AGENT, AGENT);
    if close {
        request = request.header(CONNECTION, "close");
    }
    request = match &url.virtualhost {
        Some(host) => request.header(HOST, host.as_str()),
        None => request.header(HOST, target.to_string()),
    };
    request
        .body(Empty::new())
        .map_err(|error| LocalFault { step: format!("request: {error}"), errno: 0 })
}

/// A wrong status fails at once, whatever the body would have been.
async fn judge(
    answer: Response<Incoming>,
    spec: &HttpSpec,
    url: &Url,
    progress: &Progress,
) -> Result<(), Miss> {
    let seen = answer.status().as_u16();
    if !url.statuses.contains(seen) {
        return Err(Failure::Status { seen, wanted: url.statuses.clone() }.into());
    }
    read(answer.into_body(), spec.body_limit, url, progress).await
}

/// Reads a body to its end, and judges digest and expression. A body shorter than announced ends where it ends: keepalived
/// notes that and goes on.
async fn read(
    mut body: Incoming,
    limit: Option<u64>,
    url: &Url,
    progress: &Progress,
) -> Result<(), Miss> {
    let mut md5 = url.digest.map(|wanted| (wanted, Md5::new()));
    let mut search = url.search.as_ref().map(Searcher::new).transpose()?;
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) if is_short(&error) => break,
            Err(error) => return Err(failure(&error, progress).into()),
        };
        let Some(bytes) = frame.data_ref() else { continue };
        length += bytes.len() as u64;
        if let Some(limit) = limit.filter(|&limit| length > limit) {
            return Err(Failure::BodyOverLimit { limit }.into());
        }
        if let Some((_, md5)) = &mut md5 {
            md5.update(bytes);
        }
        if let Some(search) = &mut search {
            search.push(bytes)?;
        }
    }
    if let Some((wanted, md5)) = md5 {
        let seen = Digest(md5.finalize().into());
        if seen != wanted {
            return Err(Failure::Digest { seen, wanted }.into());
        }
    }
    search.map_or(Ok(()), |search| Ok(search.finish()?))
}

/// Waits for the server to close, as keepalived does: one that keeps the connection open has not finished its answer.
async fn drain(mut stream: impl AsyncRead + Unpin, progress: &Progress) -> Result<(), Miss> {
    let mut rest = [0; 1024];
    loop {
        match stream.read(&mut rest).await {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(broken(&error, progress).into()),
        }
    }
}

fn is_short(error: &hyper::Error) -> bool {
    let eof = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
    error.is_incomplete_message() || io_cause(error).is_some_and(eof)
}

fn failure(error: &hyper::Error, progress: &Progress) -> Failure {
    if error.is_parse_too_large() {
        Failure::HeadersOverLimit { bytes: BUFFER, lines: HEADER_LINES }
    } else if error.is_parse() {
        Failure::NotHttp { seen: progress.seen() }
    } else if let Some(cause) = io_cause(error) {
        broken(cause, progress)
    } else {
        Failure::Closed { bytes: progress.received() }
    }
}

fn io_cause(error: &hyper::Error) -> Option<&io::Error> {
    error.source()?.downcast_ref()
}
