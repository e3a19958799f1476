//! How far a probe had come: what its deadline, or a wrong line, was an answer to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The last thing that a probe had done when its deadline came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// The first packet of the connection went out.
    Connect,
    /// The connection stands, TLS began.
    Handshake,
    /// The connection stands, the server is to speak first.
    Greeting,
    /// The request went out.
    Request,
}

/// What a line of SMTP was an answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SmtpStep {
    /// The connection.
    Greeting,
    /// HELO.
    Helo,
}

impl SmtpStep {
    /// The code of a good answer.
    #[must_use]
    pub fn wanted(self) -> u16 {
        match self {
            Self::Greeting => 220,
            Self::Helo => 250,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect started",
            Self::Handshake => "TLS started",
            Self::Greeting => "connect",
            Self::Request => "request sent",
        })
    }
}

impl fmt::Display for SmtpStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "as greeting",
            Self::Helo => "to HELO",
        })
    }
}
