//! `smtp_server`.

use serde::{Deserialize, Serialize};

/// `smtp_server`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmtpServer {
    /// Address or name.
    pub host: String,
    /// TCP port, 25.
    pub port: u16,
}
