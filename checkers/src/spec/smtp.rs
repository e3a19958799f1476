//! What an SMTP check says of itself.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Connection;

/// `SMTP_CHECK`: greeted with 220, HELO answered with 250, then QUIT.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SmtpSpec {
    /// The socket, and the deadline of the whole dialogue.
    pub connection: Connection,
    /// The name after HELO (`helo_name`).
    pub helo: HeloName,
}

/// What may stand after HELO: 1 to 255 visible ASCII characters (RFC 5321 section 4.1.1.1 wants a domain or an address
/// in brackets; servers take more).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HeloName(Box<str>);

/// Why a name after HELO is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a name after HELO is 1 to 255 visible ASCII characters, found {0:?}")]
pub struct HeloNameError(String);

impl HeloName {
    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// keepalived's.
impl Default for HeloName {
    fn default() -> Self {
        Self("smtpchecker.keepalived.org".into())
    }
}

impl TryFrom<String> for HeloName {
    type Error = HeloNameError;

    fn try_from(text: String) -> Result<Self, HeloNameError> {
        let fits = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text.into())) } else { Err(HeloNameError(text)) }
    }
}

impl FromStr for HeloName {
    type Err = HeloNameError;

    fn from_str(text: &str) -> Result<Self, HeloNameError> {
        Self::try_from(text.to_owned())
    }
}

impl From<HeloName> for String {
    fn from(name: HeloName) -> Self {
        name.0.into()
    }
}

impl fmt::Display for HeloName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_break_the_command_is_refused() {
        assert_eq!(HeloName::default().as_str(), "smtpchecker.keepalived.org");
        assert_eq!("[192.0.2.1]".parse::<HeloName>().unwrap().to_string(), "[192.0.2.1]");
        for wrong in ["", "a b", "a\r\nDATA", "ä", &"a".repeat(256)] {
            assert!(wrong.parse::<HeloName>().is_err(), "{wrong:?}");
        }
    }
}
