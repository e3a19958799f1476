//! Why the API refused a request: a stable word for programs, a sentence for people, an HTTP status for both.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// The stable words. `docs/admin-api.md` lists them with the exit status that a command makes of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A parameter is missing or cannot be read.
    BadRequest,
    /// Whoever asks may read but not control.
    NotPermitted,
    /// Asked for by a page of another site, or under a name that is not this host's.
    ForeignRequest,
    /// There is no such path.
    NoSuchPath,
    /// No real server, virtual server or instance of that name.
    NoSuchTarget,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The director will not do it now: the message says why.
    Refused,
    /// Too many clients at once.
    Busy,
    /// The process that would answer does not run or has no work.
    Unavailable,
    /// The process that would answer did not in time.
    Timeout,
}

impl Code {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::BadRequest,
        Self::NotPermitted,
        Self::ForeignRequest,
        Self::NoSuchPath,
        Self::NoSuchTarget,
        Self::MethodNotAllowed,
        Self::Refused,
        Self::Busy,
        Self::Unavailable,
        Self::Timeout,
    ];

    /// The word, as in the answer.
    pub fn word(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::NotPermitted => "not_permitted",
            Self::ForeignRequest => "foreign_request",
            Self::NoSuchPath => "no_such_path",
            Self::NoSuchTarget => "no_such_target",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Refused => "refused",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
        }
    }

    /// The HTTP status of the answer.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::NotPermitted | Self::ForeignRequest => 403,
            Self::NoSuchPath | Self::NoSuchTarget => 404,
            Self::MethodNotAllowed => 405,
            Self::Refused => 409,
            Self::Busy | Self::Unavailable => 503,
            Self::Timeout => 504,
        }
    }

    /// The exit status that a command makes of it.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::BadRequest => 2,
            Self::NotPermitted | Self::ForeignRequest => 4,
            Self::NoSuchTarget => 5,
            Self::Timeout => 6,
            Self::NoSuchPath
            | Self::MethodNotAllowed
            | Self::Refused
            | Self::Busy
            | Self::Unavailable => 1,
        }
    }
}

/// A refusal as the API sends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// For programs.
    pub code: Code,
    /// For people.
    pub message: String,
}

impl Refusal {
    /// One.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// How the answer reads: `{"error":{"code":"...","message":"..."}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The refusal.
    pub error: Refusal,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = serde_json::to_vec(&ErrorBody { error: self }).unwrap_or_default();
        body.push(b'\n');
        (code, [(CONTENT_TYPE, "application/json")], body).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_what_travels() {
        for code in Code::ALL {
            let text = serde_json::to_string(&code).unwrap();
            assert_eq!(text, format!("\"{}\"", code.word()));
            assert_eq!(serde_json::from_str::<Code>(&text).unwrap(), code);
            assert!((400..600).contains(&code.status()));
            assert_ne!(code.exit_status(), 0, "{code:?}");
        }
    }

    #[test]
    fn the_page_lists_every_code_and_every_event() {
        let page = include_str!("../../docs/admin-api.md");
        for code in Code::ALL {
            let (word, status, exit) = (code.word(), code.status(), code.exit_status());
            let row = format!("| `{word}` | {status} | {exit} |");
            assert!(page.contains(&row), "{row}");
        }
        for (name, severity, meaning) in crate::ops::severity::EVENTS {
            let row = format!("| `{name}` | {} | {meaning} |", severity.word());
            assert!(page.contains(&row), "{row}");
        }
    }
}
