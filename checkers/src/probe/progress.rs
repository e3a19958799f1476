//! How far a probe got: so that its deadline, or the end of the connection, can say what was seen until then.

use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::tls;
use crate::failure::{Failure, Stage};

/// Enough of an answer to recognise what speaks there.
const SEEN: usize = 40;

/// Stage and bytes of one probe. Atomic only to let the probe be moved between polls.
#[derive(Debug, Default)]
pub(super) struct Progress {
    stage: AtomicU8,
    received: AtomicU64,
    seen: OnceLock<Box<[u8]>>,
    hung_up: AtomicBool,
}

impl Progress {
    /// The probe now does this.
    pub(super) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// Bytes of the answer so far.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// The first bytes of the answer, escaped.
    pub(super) fn seen(&self) -> String {
        self.seen.get().map(|bytes| bytes.escape_ascii().to_string()).unwrap_or_default()
    }

    /// The TLS session ended without close_notify.
    pub(super) fn hung_up(&self) -> bool {
        self.hung_up.load(Ordering::Relaxed)
    }

    /// The deadline came.
    pub(super) fn overdue(&self, within: Duration) -> Failure {
        let after = match self.stage.load(Ordering::Relaxed) {
            stage if stage == Stage::Request as u8 => Stage::Request,
            stage if stage == Stage::Handshake as u8 => Stage::Handshake,
            stage if stage == Stage::Greeting as u8 => Stage::Greeting,
            _ => Stage::Connect,
        };
        match self.received() {
            0 => Failure::NoAnswer { within, after },
            bytes => Failure::Unfinished { within, bytes },
        }
    }

    fn record(&self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            self.seen.get_or_init(|| bytes[..bytes.len().min(SEEN)].into());
        }
    }
}

/// The connection broke in the middle of an answer.
pub(super) fn broken(error: &io::Error, progress: &Progress) -> Failure {
    let bytes = progress.received();
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe, _) => Failure::Reset { bytes },
        (_, Some(errno)) => Failure::Io { errno },
        (_, None) => tls::failure(error),
    }
}

/// A stream whose reading is recorded. A TLS peer that hangs up without close_notify has ended its answer, as keepalived
/// takes it: the length and the digest tell whether it was whole.
#[derive(Debug)]
pub(super) struct Watched<'a, T> {
    pub(super) stream: T,
    pub(super) progress: &'a Progress,
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<'_, T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut this.stream).poll_read(cx, buf));
        this.progress.record(&buf.filled()[before..]);
        Poll::Ready(match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                this.progress.hung_up.store(true, Ordering::Relaxed);
                Ok(())
            }
            Ok(()) | Err(_) => read,
        })
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<'_, T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
