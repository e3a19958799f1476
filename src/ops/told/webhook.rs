//! One POST to one webhook: JSON, signed with HMAC-SHA256 over exactly the bytes of the body.

use std::fmt::Write;
use std::io;
use std::sync::Arc;

use futures_util::future::{Either, select};
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::uri::Scheme;
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ring::hmac;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::courier::Undelivered;
use super::queue::Batch;
use super::spec::WebhookSpec;
use crate::ops::events::Kept;

/// The header that carries the signature: `sha256=` and the MAC in hexadecimal.
const SIGNATURE: &str = "x-evenkeel-signature";

/// The events as a JSON text.
pub(super) fn body(director: &str, batch: &Batch<Arc<Kept>>) -> Bytes {
    let events: Vec<&Kept> = batch.events.iter().map(AsRef::as_ref).collect();
    let value = json!({ "director": director, "lost": batch.lost, "events": events });
    serde_json::to_vec(&value).unwrap_or_default().into()
}

/// An address without its path, which is a password with some services, and without a user and password before the host.
pub(super) fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_at(url.find("://").map_or(0, |at| at + 3));
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match path.len() {
        0 | 1 => format!("{scheme}{host}{path}"),
        _ => format!("{scheme}{host}/…"),
    }
}

/// Delivered (any 2xx), or why not.
pub(super) async fn post(spec: Arc<WebhookSpec>, body: Bytes) -> Result<(), Undelivered> {
    match tokio::time::timeout(spec.timeout, exchange(&spec, body)).await {
        Ok(Ok(status)) if status.is_success() => Ok(()),
        Ok(Ok(status)) => {
            let is_busy =
                matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
            Err(Undelivered {
                why: format!("answered {}", status.as_u16()),
                is_final: status.is_client_error() && !is_busy,
            })
        }
        Ok(Err(cause)) => Err(Undelivered { why: cause.to_string(), is_final: false }),
        Err(_) => {
            let why = format!("no answer within {:?}", spec.timeout);
            Err(Undelivered { why, is_final: false })
        }
    }
}

/// One connection, one request, the status of its answer.
async fn exchange(spec: &WebhookSpec, body: Bytes) -> io::Result<StatusCode> {
    let uri: Uri = spec.url.parse().map_err(io::Error::other)?;
    let host = uri.host().ok_or_else(|| io::Error::other("no host in the address"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let request = request(spec, &uri, body)?;
    let stream = TcpStream::connect((host, port)).await?;
    if is_tls {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(trusting()?).connect(name, stream).await?;
        ask(stream, request).await
    } else {
        ask(stream, request).await
    }
}

fn request(spec: &WebhookSpec, uri: &Uri, body: Bytes) -> io::Result<Request<Full<Bytes>>> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let mut request = Request::post(path)
        .header(HOST, authority.rsplit('@').next().unwrap_or(authority))
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("evenkeel/", env!("CARGO_PKG_VERSION")));
    if let Some(secret) = &spec.secret {
        request = request.header(SIGNATURE, signature(&secret.0, &body));
    }
    request.body(Full::new(body)).map_err(io::Error::other)
}

/// `sha256=0a1b…`.
fn signature(secret: &str, body: &[u8]) -> String {
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body);
    mac.as_ref().iter().fold("sha256=".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The authorities of this host; read for each delivery, since they are rare and stores change.
fn trusting() -> io::Result<Arc<ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

async fn ask<S>(stream: S, request: Request<Full<Bytes>>) -> io::Result<StatusCode>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let answered = std::pin::pin!(sender.send_request(request));
    let connection = std::pin::pin!(connection);
    match select(answered, connection).await {
        Either::Left((answer, _)) => Ok(answer.map_err(io::Error::other)?.status()),
        // The connection has ended; if an answer came before, it is there.
        Either::Right((ended, answered)) => match answered.await {
            Ok(answer) => Ok(answer.status()),
            Err(_) => Err(match ended {
                Ok(()) => io::Error::other("the connection was closed without an answer"),
                Err(cause) => io::Error::other(cause),
            }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_password_is_not_shown() {
        assert_eq!(shown("https://hooks.example/T1/secret"), "https://hooks.example/…");
        assert_eq!(shown("http://h:8080?token=x"), "http://h:8080/…");
        assert_eq!(shown("http://h:8080/"), "http://h:8080/");
        assert_eq!(shown("http://h"), "http://h");
        assert_eq!(shown("https://lb:p@ss@h/x"), "https://h/…");
    }

    #[test]
    fn the_signature_is_that_of_rfc_4231() {
        // Test case 2.
        let wanted = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature("Jefe", b"what do ya want for nothing?"), wanted);
    }
}
