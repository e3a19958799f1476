//! What is asked of TLS, below HTTP and gRPC or alone.

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use super::{Connection, Host};

/// `TLS_CHECK`: the handshake succeeds, and the certificate is as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TlsCheckSpec {
    /// The socket, and the deadline of the handshake.
    pub connection: Connection,
    /// What is asked of it.
    pub tls: TlsSpec,
    /// The name that the certificate is to be for, where `sni_name` gives no other.
    pub virtualhost: Option<Host>,
}

/// TLS options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TlsSpec {
    /// The name sent in the handshake.
    pub sni: Sni,
    /// Whose certificates are trusted (`tls_verify`, `tls_ca`); without it any certificate passes, as in keepalived. The
    /// name verified is `sni_name`, else the virtualhost, else the address.
    pub verify: Option<Trust>,
    /// A certificate that expires within so many days passes with a warning (`tls_min_days`).
    pub min_days: Option<NonZeroU16>,
}

/// Whose certificates are trusted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Trust {
    /// The system's authorities, as they were when they were first needed.
    System,
    /// The authorities in this PEM file, read again when it changes.
    File(Box<str>),
}

/// Server name indication (RFC 6066 section 3).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sni {
    /// None is sent.
    #[default]
    Off,
    /// The virtualhost, if that is a name (`enable_sni`).
    Virtualhost,
    /// This one (`sni_name`).
    Name(Host),
}
