//! Events, as a list or as they come: server-sent events, which `curl` prints and browsers take up again by themselves
//! after a break, from the last number they saw.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;

use super::api::{json, read};
use super::desk::{Ask, Asks};
use super::events::{Followed, Kept};
use super::refusal::{Code, Refusal};

/// A comment now and then tells both ends that the other is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Which events.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Only those after this number.
    #[serde(default)]
    since: u64,
    /// Only those at or after this time, milliseconds since the epoch.
    #[serde(default)]
    since_ms: u64,
    /// Only the newest so many.
    limit: Option<usize>,
}

impl Which {
    /// Numbers are microseconds since the epoch, made unique upwards.
    fn after(&self) -> u64 {
        self.since.max(self.since_ms.saturating_mul(1000).saturating_sub(1))
    }
}

/// `GET /v1/events`.
pub(super) async fn events(
    State(asks): State<Asks>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Refusal> {
    let which = read(query)?;
    let (kept, _) = ask(&asks, which.after(), which.limit).await?;
    Ok(json(serde_json::to_vec(&kept).unwrap_or_default()))
}

/// `GET /v1/events/follow`.
pub(super) async fn follow(
    State(asks): State<Asks>,
    headers: HeaderMap,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Refusal> {
    let which = read(query)?;
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let (kept, live) = ask(&asks, seen.unwrap_or_else(|| which.after()), which.limit).await?;
    let sent = told(kept.into(), live);
    Ok(Sse::new(sent).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

async fn ask(asks: &Asks, since: u64, limit: Option<usize>) -> Result<Followed, Refusal> {
    let (reply, answer) = oneshot::channel();
    let limit = limit.unwrap_or(usize::MAX);
    let asked = asks.send(Ask::Events { since, limit, reply }).await;
    match (asked, answer.await) {
        (Ok(()), Ok(followed)) => Ok(followed),
        _ => Err(Refusal::new(Code::Unavailable, "the director is stopping")),
    }
}

/// What is kept first, then what comes. A client that is too slow is told how many it missed.
fn told(
    kept: VecDeque<Arc<Kept>>,
    live: Receiver<Arc<Kept>>,
) -> impl Stream<Item = Result<Sent, Infallible>> {
    stream::unfold((kept, live), |(mut kept, mut live)| async move {
        let sent = match kept.pop_front() {
            Some(kept) => sent(&kept),
            None => match live.recv().await {
                Ok(kept) => sent(&kept),
                Err(RecvError::Lagged(missed)) => {
                    Sent::default().event("missed").data(missed.to_string())
                }
                Err(RecvError::Closed) => return None,
            },
        };
        Some((Ok(sent), (kept, live)))
    })
}

fn sent(kept: &Kept) -> Sent {
    let data = serde_json::to_string(kept).unwrap_or_default();
    Sent::default().event("event").id(kept.id.to_string()).data(data)
}
