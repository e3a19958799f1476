//! Questions that other processes have not answered yet, and what becomes of the parts of their answers.

use hyper::body::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::message::{ANSWER_PART, Message, Role};

/// An answer that grows beyond this is not one of ours.
pub(super) const ANSWER_MAX: usize = 256 * 1024 * 1024;

/// A question whose answer serves everybody who asks the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question {
    /// How is this process?
    Status(Role),
    /// What does the kernel count?
    Count,
}

impl Question {
    pub(super) fn message(self, id: u64) -> (Role, Message) {
        match self {
            Self::Status(role) => (role, Message::Query { id }),
            Self::Count => (Role::Lvs, Message::Count { id, servers: None }),
        }
    }
}

/// A piece of an answer that is passed on as it comes. A sender that goes without the end means that the answer is cut off.
#[derive(Debug)]
pub(in crate::ops) enum Piece {
    /// More of the text.
    Text(Bytes),
    /// That was all.
    End,
}

/// For the pieces of one answer: what a slow reader has not taken waits in it. There is room for the longest answer, which is
/// what a reader of the whole would hold; the channel takes memory for what waits, not for what could.
pub(in crate::ops) fn pieces() -> (mpsc::Sender<Piece>, mpsc::Receiver<Piece>) {
    mpsc::channel(ANSWER_MAX / ANSWER_PART + 2)
}

/// A question that a process has not answered yet.
#[derive(Debug)]
pub(super) enum Query {
    /// Its answer is put together first.
    Whole {
        /// What was asked and when, where the answer serves others too.
        shared: Option<(Question, Instant)>,
        text: Vec<u8>,
        replies: Vec<oneshot::Sender<Bytes>>,
    },
    /// Its answer goes on as it comes, so many bytes until now.
    Pieces(usize, mpsc::Sender<Piece>),
}

impl Query {
    /// Somebody still waits.
    pub(super) fn is_wanted(&self) -> bool {
        match self {
            Self::Whole { replies, .. } => replies.iter().any(|reply| !reply.is_closed()),
            Self::Pieces(_, pieces) => !pieces.is_closed(),
        }
    }
}
