//! A client of the admin API: requests over the Unix socket in the runtime directory.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::UnixStream;

use super::sse;
use crate::ops::api::Done;
use crate::ops::refusal::{ErrorBody, Refusal};

/// Longer than the API itself waits for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why there is no answer. Each has an exit status; `docs/admin-api.md` lists them.
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
    /// The director said no.
    #[error("{}", .0.message)]
    Refused(Refusal),
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

impl ClientError {
    /// Says why on standard error; the exit status that goes with it.
    pub(super) fn fail(&self) -> ExitCode {
        eprintln!("evenkeel: {self}");
        ExitCode::from(match self {
            Self::NotRunning { .. } => 3,
            Self::NotPermitted(_) => 4,
            Self::Refused(refusal) => refusal.code.exit_status(),
            Self::TooLate => 6,
            Self::BrokenOff(_) | Self::Closed | Self::Local(_) | Self::Unreadable(_) => 1,
        })
    }
}

/// GET; the body.
pub(super) fn get(runtime_dir: &Path, path: &str) -> Result<Vec<u8>, ClientError> {
    ask(runtime_dir, Method::GET, path)
}

/// POST without a body; the line that says how it went.
pub(super) fn post(runtime_dir: &Path, path: &str) -> Result<String, ClientError> {
    let body = ask(runtime_dir, Method::POST, path)?;
    let Done { done } = serde_json::from_slice(&body).map_err(ClientError::Unreadable)?;
    Ok(done)
}

/// GET of an event stream: `each` gets the name and the data of every event until it breaks or the director closes.
pub(super) fn follow(
    runtime_dir: &Path,
    path: &str,
    mut each: impl FnMut(&str, &str) -> ControlFlow<()>,
) -> Result<(), ClientError> {
    let mut lines = sse::Lines::default();
    on_runtime(pieces(runtime_dir, path, |bytes| {
        lines.feed(bytes).into_iter().try_for_each(|event| each(&event.name, &event.data))
    }))
}

/// GET of a long answer: `each` gets every piece as it comes, until it breaks.
pub(super) fn read(
    runtime_dir: &Path,
    path: &str,
    each: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<(), ClientError> {
    on_runtime(async {
        let read = tokio::time::timeout(PATIENCE, pieces(runtime_dir, path, each));
        read.await.map_err(|_| ClientError::TooLate)?
    })
}

async fn pieces(
    runtime_dir: &Path,
    path: &str,
    mut each: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<(), ClientError> {
    exchange(&runtime_dir.join("admin.sock"), Method::GET, path, async |response| {
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            let Ok(bytes) = frame?.into_data() else { continue };
            if each(&bytes).is_break() {
                return Ok(());
            }
        }
        Ok(())
    })
    .await
}

/// Text for a query string.
pub(super) fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

fn ask(runtime_dir: &Path, method: Method, path: &str) -> Result<Vec<u8>, ClientError> {
    on_runtime(async {
        let socket = runtime_dir.join("admin.sock");
        let asked = exchange(&socket, method, path, async |response| {
            // Without a copy: answers of 20,000 real servers have some 9 MB.
            Ok(response.into_body().collect().await?.to_bytes().into())
        });
        tokio::time::timeout(PATIENCE, asked).await.map_err(|_| ClientError::TooLate)?
    })
}

fn on_runtime<T>(work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

async fn exchange<T>(
    socket: &Path,
    method: Method,
    path: &str,
    read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, hyper::Error>,
) -> Result<T, ClientError> {
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
        if response.status().is_success() {
            return Ok(read(response).await?);
        }
        let body = response.into_body().collect().await?.to_bytes();
        let ErrorBody { error } = serde_json::from_slice(&body).map_err(ClientError::Unreadable)?;
        Err(ClientError::Refused(error))
    };
    // Polled side by side: the connection moves the bytes, and ends with or after the answer.
    tokio::pin!(connection);
    tokio::select! {
        biased;
        answer = answer => answer,
        ended = &mut connection => match ended {
            Ok(()) => Err(ClientError::Closed),
            Err(cause) => Err(cause.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_plain_is_quoted() {
        assert_eq!(quoted("[fd00::1]:80 a&b"), "%5Bfd00::1%5D:80%20a%26b");
    }
}
