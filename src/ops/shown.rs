//! `/v1/status` on the Unix socket: written to the client while the lvs worker writes it, as JSON or as the page that
//! `evenkeel status` prints.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};
use hyper::body::Bytes;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::api::{STATUS_WITHIN, read, status_of, told};
use super::desk::{Ask, Asks, Piece, pieces};
use super::refusal::{Code, Refusal};
use crate::message::{Form, Role};
use crate::status::{Status, page};

/// What is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Only this virtual server, and nothing else.
    of: Option<String>,
    /// Without it JSON.
    #[serde(default, rename = "as")]
    form: Written,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Written {
    #[default]
    Json,
    Text,
}

/// `GET /v1/status`.
pub(super) async fn status(
    State(asks): State<Asks>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Wanted { of, form } = read(query)?;
    let before = match (&of, form) {
        (None, Written::Json) => json_before(&asks).await,
        (None, Written::Text) => page_before(&asks).await,
        (Some(_), Written::Json) => r#"{"director":null,"vrrp":null,"lvs":"#.into(),
        (Some(_), Written::Text) => Bytes::new(),
    };
    let after = match (&of, form) {
        (None, Written::Json) => [b",\"told\":", told(&asks).await.as_slice(), b"}\n"].concat(),
        (Some(_), Written::Json) => b",\"told\":[]}\n".to_vec(),
        (_, Written::Text) => Vec::new(),
    };
    let mut shown = Shown::ask(&asks, of.clone(), form).await;
    let first = match shown.next(STATUS_WITHIN).await {
        Some(Piece::Text(text)) => Some(text),
        // It does not answer.
        Some(Piece::End) | None => None,
    };
    let is_there = first.as_ref().is_some_and(|text| **text != *form.nothing());
    let body = match (first, of) {
        (_, Some(target)) if !is_there => {
            let message =
                format!("no virtual server {target} here; `evenkeel status` lists them all");
            return Err(Refusal::new(Code::NoSuchTarget, message));
        }
        (None, _) => Body::from([&before, form.nothing(), &after].concat()),
        (Some(first), _) => {
            let begun = stream::iter([before, first].map(Ok));
            Body::from_stream(begun.chain(shown.rest(Bytes::from(after))))
        }
    };
    Ok((StatusCode::OK, [(CONTENT_TYPE, form.content_type())], body).into_response())
}

impl Written {
    fn form(self) -> Form {
        match self {
            Self::Json => Form::Json,
            Self::Text => Form::Page,
        }
    }

    /// What stands for virtual servers that are not there.
    fn nothing(self) -> &'static [u8] {
        match self {
            Self::Json => b"null",
            Self::Text => b"",
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
        }
    }
}

async fn json_before(asks: &Asks) -> Bytes {
    let (director, vrrp) = processes(asks).await;
    let parts: [&[u8]; 5] = [b"{\"director\":", &director, b",\"vrrp\":", &vrrp, b",\"lvs\":"];
    parts.concat().into()
}

async fn page_before(asks: &Asks) -> Bytes {
    let ((director, vrrp), told) = tokio::join!(processes(asks), told(asks));
    let status = Status {
        director: serde_json::from_slice(&director).unwrap_or_default(),
        vrrp: serde_json::from_slice(&vrrp).unwrap_or_default(),
        lvs: None,
        told: serde_json::from_slice(&told).unwrap_or_default(),
    };
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = page::head(&mut text, &status);
    text.into()
}

/// The supervisor and the vrrp worker.
async fn processes(asks: &Asks) -> (Bytes, Bytes) {
    let fresh = Duration::ZERO;
    tokio::join!(status_of(asks, Role::Supervisor, fresh), status_of(asks, Role::Vrrp, fresh))
}

/// What the lvs worker writes.
struct Shown(mpsc::Receiver<Piece>);

impl Shown {
    async fn ask(asks: &Asks, of: Option<String>, form: Written) -> Self {
        let (to, shown) = pieces();
        // Fails only when the director stops; then nothing comes.
        let _ = asks.send(Ask::Show { of, form: form.form(), pieces: to }).await;
        Self(shown)
    }

    /// `None` when it is cut off.
    async fn next(&mut self, within: Duration) -> Option<Piece> {
        timeout(within, self.0.recv()).await.ok().flatten()
    }

    /// Everything that comes, and `after` behind it. One that is cut off breaks the connection, so that nobody takes a part
    /// for the whole.
    fn rest(self, after: Bytes) -> impl Stream<Item = io::Result<Bytes>> {
        stream::unfold(Some((self, after)), |state| async {
            let (mut shown, after) = state?;
            match shown.next(STATUS_WITHIN).await {
                Some(Piece::Text(text)) => Some((Ok(text), Some((shown, after)))),
                Some(Piece::End) => Some((Ok(after), None)),
                None => Some((Err(io::Error::other("the lvs worker broke off")), None)),
            }
        })
    }
}
