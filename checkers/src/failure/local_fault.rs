//! What went wrong on our side, which is no failure of the real server.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text;

/// We could not ask: short of descriptors, ports, memory or processes, or a source that is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalFault {
    /// The step that failed, as `socket`, `bind 10.0.0.1` or `fork`.
    pub step: String,
    /// The error number, 0 if the probe itself broke.
    pub errno: i32,
}

impl fmt::Display for LocalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errno {
            0 => f.write_str(&self.step),
            errno => write!(f, "{}: {}", self.step, text(errno)),
        }
    }
}
