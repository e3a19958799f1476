//! Where clients come in: accepts connections and bounds what they can cost. Each listener has so many places; whoever
//! finds none is told so and sent away, so that neither slow nor many clients reach the director.

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower_service::Service;
use tracing::{debug, warn};

use super::access::{Peer, Right, Rules};

/// Connections at once for each listener; on the Unix socket for readers and for those who control each.
const PLACES: usize = 128;
/// How long a client may take to send a request's head, and how long a connection may idle between two.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Longest life of a connection, event streams included: their clients come back by themselves.
const LIFE: Duration = Duration::from_secs(600);
/// Room for a request's head.
const HEAD_MAX: usize = 16 * 1024;
/// Header lines.
const HEADERS_MAX: usize = 64;
/// After accepting failed (no more files), before the next try.
const PAUSE: Duration = Duration::from_millis(100);

const SENT_AWAY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
    content-length: 63\r\nconnection: close\r\n\r\n\
    {\"error\":{\"code\":\"busy\",\"message\":\"too many clients at once\"}}\n";

/// Serves the admin socket until cancelled, which closes its connections.
pub(super) async fn admin(socket: OwnedFd, router: Router, rules: Rules) {
    let listener = match unix_listener(socket) {
        Ok(listener) => listener,
        Err(cause) => return warn!("the admin socket cannot be used: {cause}"),
    };
    let (readers, controllers) = (places(), places());
    let mut connections = JoinSet::new();
    loop {
        let accepted = next(&mut connections, listener.accept()).await;
        let Some((stream, _)) = accepted else { continue };
        let right = peer(&stream).map_or(Right::Read, |peer| rules.right(&peer));
        let places = match right {
            Right::Read => &readers,
            Right::Control => &controllers,
        };
        match Arc::clone(places).try_acquire_owned() {
            Ok(place) => {
                let router = router.clone();
                connections.spawn(async move {
                    serve(stream, router, right).await;
                    drop(place);
                });
            }
            // A client that does not read this has gone; either way it is over.
            Err(_) => drop(stream.try_write(SENT_AWAY)),
        }
    }
}

/// Serves one TCP listener until cancelled, which closes its connections. Everybody reads.
pub(super) async fn web(socket: OwnedFd, router: Router) {
    let listener = match tcp_listener(socket) {
        Ok(listener) => listener,
        Err(cause) => return warn!("the web socket cannot be used: {cause}"),
    };
    let places = places();
    let mut connections = JoinSet::new();
    loop {
        let accepted = next(&mut connections, listener.accept()).await;
        let Some((stream, _)) = accepted else { continue };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => {
                let router = router.clone();
                connections.spawn(async move {
                    serve(stream, router, Right::Read).await;
                    drop(place);
                });
            }
            Err(_) => drop(stream.try_write(SENT_AWAY)),
        }
    }
}

fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(PLACES))
}

/// The next connection; `None` when a finished one was swept or accepting failed this time.
async fn next<T>(
    connections: &mut JoinSet<()>,
    accept: impl Future<Output = io::Result<T>>,
) -> Option<T> {
    tokio::select! {
        Some(_) = connections.join_next() => None,
        accepted = accept => match accepted {
            Ok(accepted) => Some(accepted),
            Err(cause) => {
                warn!("cannot accept a connection: {cause}");
                tokio::time::sleep(PAUSE).await;
                None
            }
        },
    }
}

async fn serve<S>(stream: S, router: Router, right: Right)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(RightOf(right));
        let mut router = router.clone();
        async move {
            match Service::call(&mut router, request).await {
                Ok(response) => Ok::<_, Infallible>(response),
                Err(never) => match never {},
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(LIFE, connection).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(cause)) => debug!("a client broke off: {cause}"),
    }
}

/// What the client of a request may do; every request carries it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RightOf(pub(super) Right);

fn peer(stream: &UnixStream) -> io::Result<Peer> {
    let credentials = stream.peer_cred()?;
    let groups = sys::peer::groups(stream)?;
    Ok(Peer { uid: credentials.uid(), gid: credentials.gid(), groups })
}

fn unix_listener(socket: OwnedFd) -> io::Result<UnixListener> {
    let listener = std::os::unix::net::UnixListener::from(socket);
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

fn tcp_listener(socket: OwnedFd) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn started() -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(|| async { "here\n" }));
        #[expect(clippy::disallowed_methods, reason = "joined by the test")]
        let task = tokio::spawn(web(listener.into(), router));
        (address, task)
    }

    async fn ask(address: std::net::SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // Refused clients may find the connection closed already.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[test]
    fn the_refusal_of_a_full_house_is_well_formed() {
        let text = String::from_utf8(SENT_AWAY.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        let body: crate::ops::refusal::ErrorBody = serde_json::from_str(body).unwrap();
        assert_eq!(body.error.code, crate::ops::refusal::Code::Busy);
    }

    #[tokio::test]
    async fn a_full_house_sends_away_and_has_room_again_when_clients_go() {
        let (address, task) = started().await;
        let mut idle = Vec::new();
        for _ in 0..PLACES {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        assert!(ask(address, b"").await.starts_with("HTTP/1.1 503"));
        drop(idle);
        let mut answer = String::new();
        for _ in 0..50 {
            answer = ask(address, request).await;
            if answer.ends_with("here\n") {
                break;
            }
        }
        assert!(answer.ends_with("here\n"), "{answer}");
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }

    #[tokio::test]
    async fn garbage_and_endless_heads_are_refused() {
        let (address, task) = started().await;
        assert!(ask(address, b"\0\x01\x02\r\n\r\n").await.starts_with("HTTP/1.1 400"));
        let endless = [b"GET / HTTP/1.1\r\nx: ".as_slice(), &[b'a'; 3 * HEAD_MAX]].concat();
        let answer = ask(address, &endless).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
        let many = "x: y\r\n".repeat(HEADERS_MAX + 1);
        let answer = ask(address, format!("GET / HTTP/1.1\r\n{many}\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
        task.abort();
    }
}
