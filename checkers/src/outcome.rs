//! What one probe saw, and what is held of a real server because of it.

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, LocalFault};

/// What one probe saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The real server answered as it should.
    Passed(Weight),
    /// Likewise, over TLS whose certificate was looked at (`tls_min_days`).
    PassedWith(Weight, Certificate),
    /// It did not.
    Failed(Failure),
    /// The question could not be asked, through no fault of the real server: asked again later, nothing else changes.
    NotAsked(LocalFault),
}

/// The certificate that a real server showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Certificate {
    /// When it expires, in seconds since 1970 (RFC 5280 section 4.1.2.5).
    pub expires: u64,
    /// That is within `tls_min_days`, or past: warn.
    pub soon: bool,
}

/// What a check holds of a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// Fit to serve.
    Up {
        /// The weight that the check asks for.
        weight: Weight,
    },
    /// Not fit to serve.
    Down,
}

/// The weight that a check asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Weight {
    /// What the configuration says.
    #[default]
    Configured,
    /// This one instead (`misc_dynamic`: 0 to 253).
    Exactly(u32),
    /// So many hundredths of what the configuration says, at least 1 unless they are 0 (`AGENT_CHECK`).
    Percent(u16),
    /// What the configuration says and so much more, or less (`FILE_CHECK`).
    Plus(i32),
}

impl Verdict {
    /// Up, with the configured weight.
    pub const UP: Self = Self::Up { weight: Weight::Configured };

    /// Whether the real server is fit to serve.
    #[must_use]
    pub fn is_up(self) -> bool {
        match self {
            Self::Up { .. } => true,
            Self::Down => false,
        }
    }
}
