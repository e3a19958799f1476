//! What an agent is asked.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Connection;

/// `AGENT_CHECK`: a program on the real server says in one line how much it can take, in HAProxy's words
/// (configuration manual, `agent-check`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AgentSpec {
    /// The socket, and the deadline of the whole answer.
    pub connection: Connection,
    /// Sent first (`agent_send`); many agents want nothing.
    pub send: AgentSend,
}

/// Up to 255 bytes. In writing, `\n`, `\r`, `\t` and `\\` stand for what they stand for elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AgentSend(Box<str>);

/// Why a text to be sent is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AgentSendError {
    /// An unknown escape.
    #[error("after a backslash n, r, t or a backslash is wanted, found {0:?}")]
    Escape(Option<char>),
    /// Too long.
    #[error("at most 255 bytes are sent, found {0}")]
    Long(usize),
}

impl AgentSend {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for AgentSend {
    type Err = AgentSendError;

    fn from_str(text: &str) -> Result<Self, AgentSendError> {
        let mut sent = String::with_capacity(text.len());
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            sent.push(match letter {
                '\\' => match letters.next() {
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    Some('\\') => '\\',
                    other => return Err(AgentSendError::Escape(other)),
                },
                letter => letter,
            });
        }
        if sent.len() > 255 {
            return Err(AgentSendError::Long(sent.len()));
        }
        Ok(Self(sent.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stand_for_bytes() {
        let sent = |text: &str| text.parse::<AgentSend>().map(|send| send.0.into_string());
        assert_eq!(sent("state web\\r\\n"), Ok("state web\r\n".to_owned()));
        assert_eq!(sent("a\\\\n\\t\n"), Ok("a\\n\t\n".to_owned()));
        assert_eq!(sent("a\\"), Err(AgentSendError::Escape(None)));
        assert_eq!(sent("\\x"), Err(AgentSendError::Escape(Some('x'))));
        assert_eq!(sent(&"a".repeat(256)), Err(AgentSendError::Long(256)));
        assert!(AgentSend::default().as_bytes().is_empty());
    }
}
