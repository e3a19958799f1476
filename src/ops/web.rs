//! What is served over TCP, where `web` says so: metrics, health, and the reading half of the API. Nothing there can change
//! anything, and all readers together cost the workers one question a second.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use hyper::body::Bytes;
use tokio::sync::oneshot;

use super::api::{Desk, counted, json, method_not_allowed, no_such_path, status_of, whole_status};
use super::desk::Asks;
use super::exposition::Format;
use super::facts::CutOff;
use super::guard::Names;
use super::refusal::{Code, Refusal};
use super::scribe::Orders;
use super::{page, stream as events};
use crate::message::Role;
use crate::supervisor::status::DirectorStatus;

/// An answer that old serves as well as a new one.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// What a web listener serves. `hosts` are the configured names of this host.
pub(super) fn router(asks: Asks, hosts: &[String], metrics: Orders) -> Router {
    let own = nix::unistd::gethostname().unwrap_or_default();
    let names = Names::new(hosts, &own.to_string_lossy());
    let metrics = Router::new().route("/metrics", get(metrics_text)).with_state(metrics);
    Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .route("/api/v1/status", get(status))
        .route("/api/v1/counters", get(counters))
        .route("/api/v1/events", get(events::events))
        .route("/api/v1/events/follow", get(events::follow))
        .with_state(asks)
        .merge(metrics)
        .merge(page::routes())
        .fallback(no_such_path)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(names, guarded))
}

async fn guarded(State(names): State<Names>, request: Request, next: Next) -> Response {
    let mut response = match names.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn status(asks: Desk) -> Response {
    json(whole_status(&asks, FRESH).await)
}

/// The kernel's counters, by virtual and real server.
async fn counters(State(asks): Desk) -> Result<Response, Refusal> {
    counted(&asks, None, FRESH).await.map(json)
}

async fn metrics_text(State(orders): State<Orders>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::wanted(accept);
    let (reply, answer) = oneshot::channel();
    let ordered = orders.send((format, reply)).await;
    match (ordered, answer.await) {
        (Ok(()), Ok(Ok(text))) => {
            let pieces: Vec<Bytes> = text.to_vec();
            let body = Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)));
            (StatusCode::OK, [(CONTENT_TYPE, format.content_type())], body).into_response()
        }
        (Ok(()), Ok(Err(CutOff))) => {
            Refusal::new(Code::Unavailable, "the lvs worker broke off; ask again").into_response()
        }
        _ => Refusal::new(Code::Unavailable, "the director is stopping").into_response(),
    }
}

/// This process answers; of the others it says nothing.
async fn healthy() -> &'static str {
    "ok\n"
}

/// Every process that has work runs.
async fn ready(asks: Desk) -> Response {
    let told = status_of(&asks, Role::Supervisor, FRESH).await;
    let status: Option<DirectorStatus> = serde_json::from_slice(&told).unwrap_or_default();
    let Some(status) = status else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the supervisor does not answer\n")
            .into_response();
    };
    let runs = |state: &str| matches!(state, "running" | "idle");
    let lacking = status.workers.iter().filter(|worker| !runs(&worker.state));
    let lacking: Vec<String> =
        lacking.map(|worker| format!("worker {} is {}\n", worker.role, worker.state)).collect();
    if lacking.is_empty() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, lacking.concat()).into_response()
    }
}
