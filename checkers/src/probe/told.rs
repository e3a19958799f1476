//! `BFD_CHECK`: what a BFD session says, which others watch and tell [`crate::Runner::tell`]. Nothing is sent.
//!
//! While the session is up the probe holds, and its end is known at once. While it is down, or nothing has been told, the
//! probe waits a while for it to come up.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::{Ended, Held};
use crate::failure::Failure;
use crate::outcome::Outcome;

/// A session that has just begun needs up to two seconds to come up (RFC 5880 section 6.8.3).
const WAIT: Duration = Duration::from_secs(3);

/// Whether a session is up; `None`: not told yet.
pub(crate) type Signal = watch::Receiver<Option<bool>>;

/// Waits until the session is up.
pub(crate) async fn run(mut signal: Signal) -> Ended {
    let outcome = timeout(WAIT, async { signal.wait_for(|up| *up == Some(true)).await.map(drop) });
    match outcome.await {
        Ok(Ok(())) => Ended::Held(Held::Told(signal)),
        // The other end is the runner's, and goes with it.
        Ok(Err(_)) | Err(_) => Ended::With(Outcome::Failed(Failure::SessionDown)),
    }
}

/// Waits until it is not.
pub(super) async fn end(signal: &mut Signal) -> Failure {
    // An error: the runner is gone, and nobody asks.
    let _ = signal.wait_for(|up| *up != Some(true)).await;
    Failure::SessionDown
}
