//! A client of the admin API: one request over the Unix socket in the runtime directory.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::UnixStream;

/// Longer than the API itself waits for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why there is no answer.
#[derive(Debug, Error)]
pub(super) enum ClientError {
    /// Nobody listens.
    #[error(
        "no director answers on {path} ({cause}); is it running? (--runtime-dir names where it keeps its socket)"
    )]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// May not connect.
    #[error("not permitted to use {0}: become root, or a member of the group that owns it")]
    NotPermitted(PathBuf),
    /// The connection broke.
    #[error("the director broke off: {0}")]
    BrokenOff(#[from] hyper::Error),
    /// The connection ended before the answer.
    #[error("the director closed the connection without an answer")]
    Closed,
    /// It took too long.
    #[error("the director did not answer within {} s", PATIENCE.as_secs())]
    TooLate,
    /// The local side failed.
    #[error("{0}")]
    Local(#[from] io::Error),
    /// The answer is not what this version expects.
    #[error("the answer cannot be read (is the director of another version?): {0}")]
    Unreadable(serde_json::Error),
}

/// GET; the body.
pub(super) fn get(runtime_dir: &Path, path: &str) -> Result<Vec<u8>, ClientError> {
    ask(runtime_dir, Method::GET, path)
}

/// POST without a body; the body of the answer.
pub(super) fn post(runtime_dir: &Path, path: &str) -> Result<Vec<u8>, ClientError> {
    ask(runtime_dir, Method::POST, path)
}

fn ask(runtime_dir: &Path, method: Method, path: &str) -> Result<Vec<u8>, ClientError> {
    let socket = runtime_dir.join("admin.sock");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let asked = tokio::time::timeout(PATIENCE, exchange(&socket, method, path));
        asked.await.map_err(|_| ClientError::TooLate)?
    })
}

async fn exchange(socket: &Path, method: Method, path: &str) -> Result<Vec<u8>, ClientError> {
    let stream = UnixStream::connect(socket).await.map_err(|cause| match cause.kind() {
        io::ErrorKind::PermissionDenied => ClientError::NotPermitted(socket.into()),
        _ => ClientError::NotRunning { path: socket.into(), cause },
    })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "evenkeel")
        .body(Empty::<Bytes>::new())
        .map_err(|cause| ClientError::Local(io::Error::other(cause)))?;
    let answer = async {
        let response = sender.send_request(request).await?;
        Ok::<_, hyper::Error>(response.into_body().collect().await?.to_bytes())
    };
    // Polled side by side: the connection moves the bytes, and ends with or after the answer.
    tokio::pin!(connection);
    tokio::select! {
        biased;
        body = answer => Ok(body?.to_vec()),
        ended = &mut connection => match ended {
            Ok(()) => Err(ClientError::Closed),
            Err(cause) => Err(cause.into()),
        },
    }
}
