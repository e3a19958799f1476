//! The admin API: HTTP/1.1 with JSON on the Unix socket. Every command of `evenkeel` is a client of it.
//!
//! Who may connect is who may write to the socket: mode 0660, owner root, group `evenkeel` where that exists.

use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::error;

use super::desk::Ask;
use crate::message::{Command, Role};

/// How long a process may take to say how it is. A hung one is shown as `null`.
const STATUS_WITHIN: Duration = Duration::from_secs(3);
/// Longer than the supervisor waits for the load child and the workers together.
const COMMAND_WITHIN: Duration = Duration::from_secs(100);

/// How a command went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done: one line.
    Done(String),
    /// Not done: why.
    Refused(String),
}

type Asks = State<mpsc::Sender<Ask>>;

pub(super) async fn serve(listener: UnixListener, ask: mpsc::Sender<Ask>) {
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/events", get(events))
        .route("/v1/specs", get(specs))
        .route("/v1/reload", post(reload))
        .route("/v1/stop", post(stop))
        .with_state(ask);
    if let Err(cause) = axum::serve(listener, router).await {
        error!("the admin socket stopped serving: {cause}");
    }
}

async fn status(asks: Asks) -> Response {
    let (director, vrrp, lvs) = tokio::join!(
        ask_status(&asks, Role::Supervisor),
        ask_status(&asks, Role::Vrrp),
        ask_status(&asks, Role::Lvs),
    );
    // Each part is JSON already; parsing it here would only cost.
    let mut body = Vec::with_capacity(director.len() + vrrp.len() + lvs.len() + 64);
    let parts = [("{\"director\":", director), (",\"vrrp\":", vrrp), (",\"lvs\":", lvs)];
    for (name, part) in parts {
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(&part);
    }
    body.extend_from_slice(b"}\n");
    json(StatusCode::OK, body)
}

async fn ask_status(asks: &Asks, role: Role) -> Vec<u8> {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        asks.send(Ask::Status(role, reply)).await.ok()?;
        answer.await.ok()
    };
    let answered = timeout(STATUS_WITHIN, asked).await.ok().flatten();
    answered.unwrap_or_else(|| b"null".to_vec())
}

async fn events(asks: Asks) -> Response {
    let (reply, answer) = oneshot::channel();
    let asked = asks.send(Ask::Events(reply)).await;
    match (asked, answer.await) {
        (Ok(()), Ok(text)) => json(StatusCode::OK, text.into_bytes()),
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// For `evenkeel plan`: readable by the same version only. Holds passwords, as the configuration file does; whoever may
/// use this socket may stop the director.
async fn specs(asks: Asks) -> Response {
    let (reply, answer) = oneshot::channel();
    let asked = asks.send(Ask::Specs(reply)).await;
    match (asked, answer.await) {
        (Ok(()), Ok(bytes)) if !bytes.is_empty() => {
            (StatusCode::OK, [(CONTENT_TYPE, "application/octet-stream")], bytes).into_response()
        }
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// What a reload may be asked for.
#[derive(Debug, Deserialize)]
struct ReloadQuery {
    /// Milliseconds that removed real servers keep their connections.
    drain_ms: Option<u64>,
}

async fn reload(asks: Asks, Query(query): Query<ReloadQuery>) -> Response {
    let drain = query.drain_ms.map(Duration::from_millis);
    command(asks, Command::Reload { drain }).await
}

async fn stop(asks: Asks) -> Response {
    command(asks, Command::Stop).await
}

async fn command(asks: Asks, command: Command) -> Response {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        asks.send(Ask::Command(command, reply)).await.ok()?;
        answer.await.ok()
    };
    let outcome = timeout(COMMAND_WITHIN, asked)
        .await
        .ok()
        .flatten()
        .unwrap_or_else(|| Err("the supervisor did not answer".to_owned()));
    let (code, outcome) = match outcome {
        Ok(line) => (StatusCode::OK, Outcome::Done(line)),
        Err(why) => (StatusCode::CONFLICT, Outcome::Refused(why)),
    };
    json(code, serde_json::to_vec(&outcome).unwrap_or_default())
}

fn json(code: StatusCode, body: Vec<u8>) -> Response {
    (code, [(CONTENT_TYPE, "application/json")], body).into_response()
}
