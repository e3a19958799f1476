//! The admin API: HTTP/1.1 with JSON on the Unix socket. Every command of `evenkeel` is a client of it, and nothing else
//! can change what the director does. `docs/admin-api.md` describes it.

use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use hyper::body::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::access::Right;
use super::desk::{Ask, Asks, Errand};
use super::door::RightOf;
use super::refusal::{Code, Refusal};
use super::{shown, steer, stream};
use crate::lvs::selector::Selector;
use crate::message::{Command, Role};

/// How long a process may take to say how it is. A hung one is shown as `null`.
pub(super) const STATUS_WITHIN: Duration = Duration::from_secs(3);
/// Longer than the supervisor waits for the load child and the workers together.
const COMMAND_WITHIN: Duration = Duration::from_secs(100);

/// How a command went: `{"done":"..."}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// One line.
    pub done: String,
}

/// What the routes share.
pub(super) type Desk = State<Asks>;

/// What the Unix socket serves.
pub(super) fn router(asks: Asks) -> Router {
    let control = Router::new()
        .route("/v1/specs", get(specs))
        .route("/v1/reload", post(reload))
        .route("/v1/stop", post(stop))
        .route("/v1/upgrade", post(upgrade))
        .route("/v1/log", post(log))
        .merge(steer::routes())
        .layer(middleware::from_fn(control_only));
    Router::new()
        .route("/v1/status", get(shown::status))
        .route("/v1/counters", get(counters))
        .route("/v1/events", get(stream::events))
        .route("/v1/events/follow", get(stream::follow))
        .merge(control)
        .fallback(no_such_path)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(asks)
}

pub(super) async fn no_such_path() -> Refusal {
    Refusal::new(Code::NoSuchPath, "there is no such path")
}

pub(super) async fn method_not_allowed() -> Refusal {
    Refusal::new(Code::MethodNotAllowed, "this path has other methods")
}

/// Steering is for those who may, and never for a page in a browser that somebody led to this socket.
async fn control_only(
    Extension(RightOf(right)): Extension<RightOf>,
    request: Request,
    next: Next,
) -> Response {
    if request.headers().contains_key(ORIGIN) {
        let message = "this request was made by a web page; no web page may steer the director";
        return Refusal::new(Code::ForeignRequest, message).into_response();
    }
    match right {
        Right::Control => next.run(request).await,
        Right::Read => {
            let message = "you may read but not control: become root or a member of the group \
                evenkeel-admin";
            Refusal::new(Code::NotPermitted, message).into_response()
        }
    }
}

/// A query string that says nothing wrong.
pub(super) fn read<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Refusal> {
    let told = |rejected: QueryRejection| Refusal::new(Code::BadRequest, rejected.body_text());
    query.map(|Query(query)| query).map_err(told)
}

// --- reading ---

/// Of which real servers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CountersQuery {
    /// As in `10.0.0.3:80` or `10.0.0.100:80/10.0.0.3`.
    servers: Option<Selector>,
}

/// What the kernel counts now.
pub(super) async fn counters(
    asks: Desk,
    query: Result<Query<CountersQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let body = counted(&asks, read(query)?.servers, Duration::ZERO).await?;
    Ok(json(body))
}

/// The same as bytes.
pub(super) async fn counted(
    asks: &Asks,
    servers: Option<Selector>,
    max_age: Duration,
) -> Result<Bytes, Refusal> {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        asks.send(Ask::Count { servers, max_age, reply }).await.ok()?;
        answer.await.ok()
    };
    match timeout(COMMAND_WITHIN, asked).await {
        Ok(Some(body)) if *body != b"null"[..] => Ok(body),
        Ok(_) => Err(Refusal::new(Code::Unavailable, "no virtual servers are served")),
        Err(_) => Err(Refusal::new(Code::Timeout, "the lvs worker did not answer in time")),
    }
}

/// The status of all processes, none older than `max_age`.
pub(super) async fn whole_status(asks: &Asks, max_age: Duration) -> Vec<u8> {
    let (director, vrrp, lvs, told) = tokio::join!(
        status_of(asks, Role::Supervisor, max_age),
        status_of(asks, Role::Vrrp, max_age),
        status_of(asks, Role::Lvs, max_age),
        told(asks),
    );
    // Each part is JSON already; parsing it here would only cost.
    let mut body = Vec::with_capacity(director.len() + vrrp.len() + lvs.len() + 64);
    let parts = [("{\"director\":", director), (",\"vrrp\":", vrrp), (",\"lvs\":", lvs)];
    for (name, part) in parts {
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(&part);
    }
    body.extend_from_slice(b",\"told\":");
    body.extend_from_slice(&told);
    body.extend_from_slice(b"}\n");
    body
}

/// How it goes with those who are told of events, as JSON.
pub(super) async fn told(asks: &Asks) -> Vec<u8> {
    let (reply, answer) = oneshot::channel();
    let told = match asks.send(Ask::Told(reply)).await {
        Ok(()) => answer.await.unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    serde_json::to_vec(&told).unwrap_or_default()
}

/// The status of one process as JSON; `null` where it has no work or does not answer.
pub(super) async fn status_of(asks: &Asks, role: Role, max_age: Duration) -> Bytes {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        asks.send(Ask::Status { role, max_age, reply }).await.ok()?;
        answer.await.ok()
    };
    let answered = timeout(STATUS_WITHIN, asked).await.ok().flatten();
    answered.unwrap_or_else(|| Bytes::from_static(b"null"))
}

/// For `evenkeel plan`: readable by the same version only. Holds passwords, as the configuration file does, so it is for
/// those who control.
async fn specs(asks: Desk) -> Response {
    let (reply, answer) = oneshot::channel();
    let asked = asks.send(Ask::Specs(reply)).await;
    match (asked, answer.await) {
        (Ok(()), Ok(bytes)) if !bytes.is_empty() => {
            (StatusCode::OK, [(CONTENT_TYPE, "application/octet-stream")], bytes).into_response()
        }
        _ => Refusal::new(Code::Unavailable, "no configuration is in force yet").into_response(),
    }
}

// --- steering ---

/// What a reload may be asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReloadQuery {
    /// Milliseconds that removed real servers keep their connections.
    drain_ms: Option<u64>,
}

async fn reload(
    asks: Desk,
    query: Result<Query<ReloadQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let drain = read(query)?.drain_ms.map(Duration::from_millis);
    command(&asks, Errand::Director(Command::Reload { drain })).await
}

/// Which lines are written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogQuery {
    #[serde(default)]
    levels: String,
}

async fn log(
    asks: Desk,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let levels = read(query)?.levels;
    command(&asks, Errand::Director(Command::Log { levels })).await
}

async fn stop(asks: Desk) -> Result<Response, Refusal> {
    command(&asks, Errand::Director(Command::Stop)).await
}

async fn upgrade(asks: Desk) -> Result<Response, Refusal> {
    command(&asks, Errand::Director(Command::Upgrade)).await
}

/// Has a command done, and waits for how it went.
pub(super) async fn command(asks: &Asks, errand: Errand) -> Result<Response, Refusal> {
    outcome(asks, errand).await.map(said)
}

/// `{"done":"..."}`.
pub(super) fn said(done: String) -> Response {
    json(serde_json::to_vec(&Done { done }).unwrap_or_default())
}

/// How a command went, in a line.
pub(super) async fn outcome(asks: &Asks, errand: Errand) -> Result<String, Refusal> {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        asks.send(Ask::Command(errand, reply)).await.ok()?;
        answer.await.ok()
    };
    match timeout(COMMAND_WITHIN, asked).await {
        Ok(Some(Ok(done))) => Ok(done),
        Ok(Some(Err(why))) => Err(Refusal::new(Code::Refused, why)),
        Ok(None) => Err(Refusal::new(Code::Unavailable, "the director is stopping")),
        Err(_) => Err(Refusal::new(Code::Timeout, "no answer in time; look at the log")),
    }
}

/// A JSON answer.
pub(super) fn json(body: impl Into<Bytes>) -> Response {
    (StatusCode::OK, [(CONTENT_TYPE, "application/json")], body.into()).into_response()
}
