//! What the gRPC health service is asked.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Connection, Host, TlsSpec};

/// `GRPC_CHECK`: grpc.health.v1.Health/Check answers SERVING.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GrpcSpec {
    /// The socket, and the deadline of the whole call.
    pub connection: Connection,
    /// TLS with HTTP/2 negotiated; without it HTTP/2 is spoken at once (RFC 9113 section 3.3).
    pub tls: Option<TlsSpec>,
    /// The service that is asked about (`grpc_service`); empty: the server as a whole.
    pub service: ServiceName,
    /// The authority of the call (`virtualhost`); without it the target's `address:port`.
    pub virtualhost: Option<Host>,
}

/// A service's name: up to 255 bytes of UTF-8.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ServiceName(Box<str>);

/// Why a service's name is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a service's name has at most 255 bytes, found {0}")]
pub struct ServiceNameError(usize);

impl ServiceName {
    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceName {
    type Err = ServiceNameError;

    fn from_str(text: &str) -> Result<Self, ServiceNameError> {
        if text.len() > 255 { Err(ServiceNameError(text.len())) } else { Ok(Self(text.into())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_at_most_255_bytes() {
        assert_eq!("my.Service".parse::<ServiceName>().unwrap().as_str(), "my.Service");
        assert_eq!("a".repeat(256).parse::<ServiceName>(), Err(ServiceNameError(256)));
    }
}
