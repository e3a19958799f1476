//! What to ask, of whom, and when: the parameters of a check, with defaults filled in and names resolved.
//!
//! A value that exists is one that can run: what could be refused (a path, a host name) has a type that refuses it.
//! Knows nothing of where the parameters were written down.

mod agent;
mod cadence;
mod connection;
mod dns;
mod dr;
mod file;
mod grpc;
mod http;
mod pattern;
mod script;
mod smtp;
mod tls;
mod udp;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::agent::{AgentSend, AgentSendError, AgentSpec};
pub use self::cadence::{Cadence, First};
pub use self::connection::Connection;
pub use self::dns::{DnsName, DnsRecord, DnsSpec, DnsSpecError};
pub use self::dr::{DrSpec, DrUrl};
pub use self::file::FileSpec;
pub use self::grpc::{GrpcSpec, ServiceName, ServiceNameError};
pub use self::http::{Digest, Host, HttpSpec, HttpVersion, StatusRange, Statuses, Url, UrlPath};
pub use self::pattern::{
    BodySearch, Foreign, Pattern, PatternError, PatternOption, PatternOptions, foreign,
};
pub use self::script::{Command, ScriptSpec, User};
pub use self::smtp::{HeloName, HeloNameError, SmtpSpec};
pub use self::tls::{Sni, TlsCheckSpec, TlsSpec, Trust};
pub use self::udp::{HexError, Payload, Reply, ReplyPattern, UdpSpec};

/// Who is asked: the real server's address and port, or `connect_ip` and `connect_port` where they are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// Address to connect to. Unspecified where nobody is asked (`FILE_CHECK`), so that all who watch a file share one probe.
    pub addr: IpAddr,
    /// Port to connect to, in host order. Means nothing to a script.
    pub port: u16,
}

/// One way of asking and its timing. Real servers with equal options share one copy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CheckSpec {
    /// What is asked.
    pub kind: ProbeKind,
    /// When, how often, and how many answers it takes to change one's mind.
    pub cadence: Cadence,
}

/// What is asked: one variant for each kind of checker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProbeKind {
    /// `TCP_CHECK`: the connection opens.
    Tcp(Connection),
    /// `HTTP_GET` and, with `tls`, `SSL_GET`: each url answers with an accepted status and body.
    Http(HttpSpec),
    /// `MISC_CHECK`: a program ends with exit code 0.
    Script(ScriptSpec),
    /// `SMTP_CHECK`: greeting and HELO are answered as they should.
    Smtp(SmtpSpec),
    /// `DNS_CHECK`: a question is answered without error.
    Dns(DnsSpec),
    /// `UDP_CHECK`: a datagram brings no ICMP error or, where one is required, a reply.
    Udp(UdpSpec),
    /// `PING_CHECK`: an echo request is answered. `bind_port` is its identifier.
    Ping(Connection),
    /// `TLS_CHECK`: the handshake succeeds.
    Tls(TlsCheckSpec),
    /// `AGENT_CHECK`: an agent says how much the real server can take.
    Agent(AgentSpec),
    /// `GRPC_CHECK`: the health service answers SERVING.
    Grpc(GrpcSpec),
    /// `IDLE_CHECK`: a connection stands, and goes on standing.
    Idle(Connection),
    /// `FILE_CHECK`: the number in a file says so.
    File(FileSpec),
    /// `BFD_CHECK`: the session of this name is up, as [`crate::Runner::tell`] was told.
    Bfd(Box<str>),
    /// `DR_CHECK`: the virtual address answers by way of the real server.
    Dr(DrSpec),
}

/// Identity of a probe, by value: equal keys are asked once, however many want to know.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProbeKey {
    /// Who is asked.
    pub target: Target,
    /// How.
    pub spec: Arc<CheckSpec>,
}

/// Which question of a check with several: the url's index in [`HttpSpec::urls`], 0 for every other kind.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Step(pub u16);

impl ProbeKind {
    /// The checker's name as configurations and logs write it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "TCP_CHECK",
            Self::Http(http) if http.tls.is_some() => "SSL_GET",
            Self::Http(_) => "HTTP_GET",
            Self::Script(_) => "MISC_CHECK",
            Self::Smtp(_) => "SMTP_CHECK",
            Self::Dns(_) => "DNS_CHECK",
            Self::Udp(_) => "UDP_CHECK",
            Self::Ping(_) => "PING_CHECK",
            Self::Tls(_) => "TLS_CHECK",
            Self::Agent(_) => "AGENT_CHECK",
            Self::Grpc(_) => "GRPC_CHECK",
            Self::Idle(_) => "IDLE_CHECK",
            Self::File(_) => "FILE_CHECK",
            Self::Bfd(_) => "BFD_CHECK",
            Self::Dr(_) => "DR_CHECK",
        }
    }

    /// How many questions make one full round, at least 1: the urls of an HTTP check, else 1.
    #[must_use]
    pub fn steps(&self) -> u16 {
        let urls = self.http().map_or(1, |http| http.urls.len());
        u16::try_from(urls).unwrap_or(u16::MAX).max(1)
    }

    /// Whether a round that is needed to come up is asked without waiting for `delay_loop` in between.
    #[must_use]
    pub fn hurries(&self) -> bool {
        self.http().is_some_and(|http| http.fast_recovery)
    }

    /// Whether asking means a child process: these have a bound of their own.
    #[must_use]
    pub fn forks(&self) -> bool {
        matches!(self, Self::Script(_))
    }

    /// Whether a good answer lasts until the probe itself reports its end, so that it need not be asked again.
    #[must_use]
    pub fn holds(&self) -> bool {
        matches!(self, Self::Idle(_) | Self::Bfd(_))
    }

    /// Whether the target's port means something.
    #[must_use]
    pub fn has_port(&self) -> bool {
        !matches!(self, Self::Script(_) | Self::Ping(_) | Self::File(_) | Self::Bfd(_))
    }

    /// How long one probe may take before it counts as failed.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        match self {
            Self::Tcp(connection) | Self::Ping(connection) | Self::Idle(connection) => {
                connection.timeout
            }
            Self::Http(http) => http.connection.timeout,
            Self::Script(script) => script.timeout,
            Self::Smtp(smtp) => smtp.connection.timeout,
            Self::Dns(dns) => dns.connection.timeout,
            Self::Udp(udp) => udp.connection.timeout,
            Self::Tls(tls) => tls.connection.timeout,
            Self::Agent(agent) => agent.connection.timeout,
            Self::Grpc(grpc) => grpc.connection.timeout,
            Self::Dr(dr) => dr.connection.timeout,
            Self::File(_) => Duration::ZERO,
            // It has no deadline that could be set.
            Self::Bfd(_) => Duration::ZERO,
        }
    }

    fn http(&self) -> Option<&HttpSpec> {
        match self {
            Self::Http(http) => Some(http),
            _ => None,
        }
    }
}

impl From<SocketAddr> for Target {
    fn from(addr: SocketAddr) -> Self {
        Self { addr: addr.ip(), port: addr.port() }
    }
}

impl From<Target> for SocketAddr {
    fn from(target: Target) -> Self {
        Self::new(target.addr, target.port)
    }
}

/// As `10.0.0.3:80` or `[2001:db8::3]:80`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::from(*self).fmt(f)
    }
}
