//! What can be wrong with a DNS message.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is wrong with a DNS message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DnsFault {
    /// It ends too early or is none at all.
    Malformed {
        /// Its length.
        bytes: usize,
    },
    /// Another identifier than the question's: forged, or of another question.
    OtherId,
    /// A question, not an answer.
    NoAnswer,
    /// An answer to something else.
    OtherQuestion {
        /// What that was.
        seen: String,
    },
    /// A response code other than 0.
    Code {
        /// The number (IANA, DNS RCODEs).
        code: u16,
        /// Its name.
        name: String,
    },
    /// Cut off, though it came over TCP.
    CutOff,
}

impl fmt::Display for DnsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { bytes } => write!(f, "{bytes} bytes that are no whole message"),
            Self::OtherId => f.write_str("answer with another identifier"),
            Self::NoAnswer => f.write_str("a question instead of an answer"),
            Self::OtherQuestion { seen } => write!(f, "answer to another question: {seen}"),
            Self::Code { code, name } => write!(f, "response code {code} ({name})"),
            Self::CutOff => f.write_str("answer cut off, over TCP too"),
        }
    }
}
