//! Checkers: `TCP_CHECK` and `MISC_CHECK`, what all of them share, and what the levels around give them.

use std::mem;
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use checkers::spec::{Command as ScriptCommand, Host, ScriptSpec, User};
use checkers::{CheckSpec, Connection, ProbeKind, Target};
use ipvs::Forwarding;

use super::agent::AgentDraft;
use super::dns::DnsDraft;
use super::dr::DrDraft;
use super::file::{self, FileDraft};
use super::grpc::GrpcDraft;
use super::http::HttpDraft;
use super::idle::IdleDraft;
use super::pace::{Pace, Paced};
use super::ping::PingDraft;
use super::smtp::SmtpDraft;
use super::tls::TlsCheckDraft;
use super::udp::UdpDraft;
use super::{At, Decoder, Keyword, Keywords, acts, bfd};
use crate::config::diagnostic::Diagnostic;
use crate::config::landmarks::Subject;
use crate::config::model::{Checker, Command};
use crate::config::source::Span;
use crate::config::tree::Directive;

/// keepalived's delay_before_retry where no level says anything: 1 s, HTTP 3 s (check_api.c, check_http.c).
pub(super) const DELAY_BEFORE_RETRY: Duration = Duration::from_secs(1);
const HTTP_DELAY_BEFORE_RETRY: Duration = Duration::from_secs(3);

/// What the levels around a checker give it.
pub(super) struct Levels {
    pub(super) pace: Pace,
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) virtualhost: Option<Host>,
    /// `delay_loop` of the virtual server: the default of `misc_timeout`.
    pub(super) script_timeout: Option<Duration>,
    /// Address and port of the virtual server, if it has one.
    pub(super) vip: Option<(IpAddr, u16)>,
    pub(super) forwarding: Forwarding,
}

/// A checker as far as it was read.
#[derive(Debug)]
pub(super) struct Draft {
    keyword: Span,
    pace: Pace,
    connect: ConnectDraft,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp,
    Http(HttpDraft),
    Misc(MiscDraft),
    Smtp(SmtpDraft),
    Dns(DnsDraft),
    Udp(UdpDraft),
    Ping,
    Tls(TlsCheckDraft),
    Agent(AgentDraft),
    Grpc(GrpcDraft),
    Idle,
    File(FileDraft),
    Bfd(At<String>),
    Dr(DrDraft),
}

/// Where and from where to connect.
#[derive(Debug, Clone, Default)]
pub(super) struct ConnectDraft {
    ip: Option<IpAddr>,
    port: Option<NonZeroU16>,
    bind_to: Option<At<IpAddr>>,
    bind_port: Option<NonZeroU16>,
    bind_if: Option<vrrp::IfName>,
    fwmark: Option<NonZeroU32>,
}

/// A checker that connects.
pub(super) trait Connects: Paced {
    /// Where it connects.
    fn connect(&mut self) -> &mut ConnectDraft;

    /// The keywords of any of them.
    const CONNECT: [Keyword<Self>; 6] = [
        acts("connect_ip", "ADDRESS", |decoder, directive, draft| {
            draft.connect().ip = decoder.address_of(directive);
        }),
        acts("connect_port", "1..65535", |decoder, directive, draft| {
            draft.connect().port = decoder.number(directive, NonZeroU16::MIN..=NonZeroU16::MAX);
        }),
        acts("bindto", "ADDRESS", |decoder, directive, draft| {
            let span = directive.head();
            let address = decoder.address_of(directive);
            if let Some(address) = address {
                decoder.diagnostics.landmarks_mut().mark(Subject::Bind(address), span);
            }
            draft.connect().bind_to = address.map(|value| At { value, span });
        }),
        acts("bind_port", "1..65535", |decoder, directive, draft| {
            draft.connect().bind_port =
                decoder.number(directive, NonZeroU16::MIN..=NonZeroU16::MAX);
        }),
        acts("bind_if", "INTERFACE", |decoder, directive, draft| {
            draft.connect().bind_if =
                decoder.word(directive).and_then(|word| decoder.interface(word));
        }),
        acts("fwmark", "MARK", |decoder, directive, draft| {
            draft.connect().fwmark =
                decoder.number(directive, 0..=u32::MAX).and_then(NonZeroU32::new);
        }),
    ];
}

/// `TCP_CHECK`.
#[derive(Debug, Default)]
pub(super) struct TcpDraft {
    pace: Pace,
    connect: ConnectDraft,
}

impl Paced for TcpDraft {
    fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }
}

impl Connects for TcpDraft {
    fn connect(&mut self) -> &mut ConnectDraft {
        &mut self.connect
    }
}

impl Keywords for TcpDraft {
    const BLOCK: &'static str = "TCP_CHECK";
    const TABLES: &'static [&'static [Keyword<Self>]] =
        &[&Self::CONNECT_TIMEOUT, &Self::PACE, &Self::LOG, &Self::CONNECT];
}

/// `MISC_CHECK`.
#[derive(Debug, Default)]
pub(super) struct MiscDraft {
    pace: Pace,
    command: Option<At<Command>>,
    timeout: Option<Duration>,
    dynamic: bool,
    user: super::command::Account,
}

impl Paced for MiscDraft {
    fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }
}

impl Keywords for MiscDraft {
    const BLOCK: &'static str = "MISC_CHECK";
    const TABLES: &'static [&'static [Keyword<Self>]] = &[
        &Self::PACE,
        &Self::LOG,
        &[
            acts("misc_path", "COMMAND", |decoder, directive, draft| {
                draft.command = decoder.command(directive);
            }),
            acts("misc_timeout", "SECONDS", |decoder, directive, draft| {
                let least = Duration::from_millis(1);
                draft.timeout = decoder.time(directive, least..=Duration::from_secs(86_400));
            }),
            acts("misc_dynamic", "", |decoder, directive, draft| {
                draft.dynamic = decoder.flag(directive);
            }),
            acts("user", "USER [GROUP]", |decoder, directive, draft| {
                draft.user = decoder.script_account(directive);
            }),
        ],
    ];
}

impl Decoder<'_> {
    /// Reads a `TCP_CHECK`.
    pub(super) fn tcp_check(&mut self, directive: &Directive) -> Draft {
        self.connecting(directive, |_: TcpDraft| Kind::Tcp)
    }

    /// Reads an `HTTP_GET` or `SSL_GET`.
    pub(super) fn http_get(&mut self, directive: &Directive, secured: bool) -> Draft {
        let mut http = HttpDraft { secured, ..HttpDraft::default() };
        self.block(directive, &mut http);
        let (pace, connect) = (http.pace.clone(), http.connect.clone());
        Draft { keyword: directive.head(), pace, connect, kind: Kind::Http(http) }
    }

    /// Reads an `SMTP_CHECK`.
    pub(super) fn smtp_check(&mut self, directive: &Directive) -> Draft {
        self.connecting(directive, Kind::Smtp)
    }

    /// Reads a `DNS_CHECK`.
    pub(super) fn dns_check(&mut self, directive: &Directive) -> Draft {
        self.connecting(directive, Kind::Dns)
    }

    /// Reads a `UDP_CHECK`.
    pub(super) fn udp_check(&mut self, directive: &Directive) -> Draft {
        self.connecting(directive, Kind::Udp)
    }

    /// Reads a `PING_CHECK`.
    pub(super) fn ping_check(&mut self, directive: &Directive) -> Draft {
        self.connecting(directive, |_: PingDraft| Kind::Ping)
    }

    /// Reads a `TLS_CHECK`.
    pub(super) fn tls_check(&mut self, directive: &Directive) -> Draft {
        self.connecting(directive, Kind::Tls)
    }

    /// Reads an `AGENT_CHECK`.
    pub(super) fn agent_check(&mut self, directive: &Directive) -> Draft {
        self.connecting(directive, Kind::Agent)
    }

    /// Reads a `GRPC_CHECK`.
    pub(super) fn grpc_check(&mut self, directive: &Directive) -> Draft {
        self.connecting(directive, Kind::Grpc)
    }

    /// Reads an `IDLE_CHECK`.
    pub(super) fn idle_check(&mut self, directive: &Directive) -> Draft {
        self.connecting(directive, |_: IdleDraft| Kind::Idle)
    }

    /// Reads a `DR_CHECK`.
    pub(super) fn dr_check(&mut self, directive: &Directive) -> Draft {
        self.connecting(directive, Kind::Dr)
    }

    /// Reads a `FILE_CHECK`.
    pub(super) fn file_check(&mut self, directive: &Directive) -> Draft {
        let mut file = FileDraft::default();
        self.block(directive, &mut file);
        let pace = mem::take(file.pace());
        let connect = ConnectDraft::default();
        Draft { keyword: directive.head(), pace, connect, kind: Kind::File(file) }
    }

    /// Reads a `BFD_CHECK`.
    pub(super) fn bfd_check(&mut self, directive: &Directive) -> Option<Draft> {
        let mut draft = bfd::CheckDraft::default();
        self.block(directive, &mut draft);
        let Some(name) = draft.name else {
            self.missing(directive.name.span);
            return None;
        };
        let pace = Pace { alpha: draft.alpha, ..Pace::default() };
        let connect = ConnectDraft::default();
        Some(Draft { keyword: directive.head(), pace, connect, kind: Kind::Bfd(name) })
    }

    /// One whose options all have defaults, so that it needs no block.
    fn connecting<T>(&mut self, directive: &Directive, kind: impl FnOnce(T) -> Kind) -> Draft
    where
        T: Connects + Keywords + Default,
    {
        let mut draft = T::default();
        if directive.block.is_some() || !directive.properties.is_empty() {
            self.block(directive, &mut draft);
        }
        let (pace, connect) = (mem::take(draft.pace()), mem::take(draft.connect()));
        Draft { keyword: directive.head(), pace, connect, kind: kind(draft) }
    }

    /// Reads a `MISC_CHECK`.
    pub(super) fn misc_check(&mut self, directive: &Directive) -> Draft {
        let mut misc = MiscDraft::default();
        self.block(directive, &mut misc);
        let (pace, connect) = (misc.pace.clone(), ConnectDraft::default());
        Draft { keyword: directive.head(), pace, connect, kind: Kind::Misc(misc) }
    }

    /// With what it inherits. `None` where keepalived would leave it out, which has been told.
    pub(super) fn finish_checker(&mut self, draft: Draft, levels: &Levels) -> Option<Checker> {
        let Draft { keyword, pace, connect, kind } = draft;
        let own = pace.delay_loop;
        let pace = Pace {
            log_failures: pace.log_failures.or(Some(self.log_failures)),
            ..pace.or(&levels.pace)
        };
        let mut target = Target {
            addr: connect.ip.unwrap_or(levels.address),
            port: connect.port.map_or(levels.port, NonZeroU16::get),
        };
        let connection = self.connection(&connect, &pace, target);
        let (kind, cadence) = match kind {
            Kind::Tcp => (ProbeKind::Tcp(connection), pace.cadence(1, DELAY_BEFORE_RETRY)),
            Kind::Http(http) => {
                let kind = ProbeKind::Http(self.http_spec(http, connection, levels, keyword)?);
                (kind, pace.cadence(1, HTTP_DELAY_BEFORE_RETRY))
            }
            Kind::Misc(misc) => {
                let cadence = pace.cadence(0, DELAY_BEFORE_RETRY);
                let timeout = misc.timeout.or(levels.script_timeout).unwrap_or(cadence.delay_loop);
                (ProbeKind::Script(self.script_spec(misc, timeout, keyword)?), cadence)
            }
            Kind::Smtp(smtp) => {
                (ProbeKind::Smtp(smtp.spec(connection)), pace.cadence(1, DELAY_BEFORE_RETRY))
            }
            Kind::Dns(dns) => (ProbeKind::Dns(dns.spec(connection)), DnsDraft::cadence(&pace)),
            Kind::Udp(udp) => {
                let spec = udp.spec(self, connection, keyword);
                (ProbeKind::Udp(spec), pace.cadence(1, DELAY_BEFORE_RETRY))
            }
            Kind::Tls(tls) => {
                let spec = tls.spec(self, connection, levels.virtualhost.as_ref());
                (ProbeKind::Tls(spec), pace.cadence(1, DELAY_BEFORE_RETRY))
            }
            Kind::Agent(agent) => {
                (ProbeKind::Agent(agent.spec(connection)), AgentDraft::cadence(&pace))
            }
            Kind::Grpc(grpc) => {
                let spec = grpc.spec(self, connection, levels.virtualhost.as_ref());
                (ProbeKind::Grpc(spec), pace.cadence(1, DELAY_BEFORE_RETRY))
            }
            Kind::Bfd(name) => {
                let kind = ProbeKind::Bfd(name.value.as_str().into());
                self.followed.push(name);
                (kind, bfd::CheckDraft::cadence(&pace))
            }
            Kind::Idle => (ProbeKind::Idle(connection), IdleDraft::cadence(&pace)),
            Kind::Dr(dr) => {
                let (spec, port) = dr.spec(self, connection, levels, keyword)?;
                target = Target { addr: levels.address, port };
                (ProbeKind::Dr(spec), pace.cadence(1, DELAY_BEFORE_RETRY))
            }
            Kind::File(file) => {
                target = file::TARGET;
                (ProbeKind::File(file.spec(self, keyword)?), FileDraft::cadence(&pace, own))
            }
            Kind::Ping => (ProbeKind::Ping(connection), pace.cadence(1, DELAY_BEFORE_RETRY)),
        };
        if target.port == 0 && kind.has_port() {
            self.report(
                Diagnostic::error(
                    "missing-keyword",
                    keyword,
                    format!("{} has no port to connect to", kind.name()),
                )
                .help("the real server has none either; add: connect_port 80"),
            );
        }
        let spec = self.shared(CheckSpec { kind, cadence });
        Some(Checker { target, spec })
    }

    /// Thousands of real servers have equal checkers: one value serves them all.
    fn shared(&mut self, spec: CheckSpec) -> Arc<CheckSpec> {
        if let Some(known) = self.specs.get(&spec) {
            return known.clone();
        }
        let spec = Arc::new(spec);
        self.specs.insert(spec.clone());
        spec
    }

    fn connection(&mut self, connect: &ConnectDraft, pace: &Pace, target: Target) -> Connection {
        let mut bind_to = connect.bind_to.map(|address| address.value);
        if let Some(At { value, span }) = connect.bind_to
            && value.is_ipv4() != target.addr.is_ipv4()
        {
            let message = format!(
                "{} cannot be asked from {value}: another family; `bindto` is left out",
                target.addr
            );
            self.passed_over(Diagnostic::warning("family", span, message));
            bind_to = None;
        }
        let default = Connection::default();
        Connection {
            bind_to,
            bind_port: connect.bind_port,
            bind_if: connect.bind_if.map(|name| name.as_str().into()),
            fwmark: connect.fwmark,
            timeout: pace.connect_timeout.unwrap_or(default.timeout),
        }
    }

    fn script_spec(
        &mut self,
        misc: MiscDraft,
        timeout: Duration,
        keyword: Span,
    ) -> Option<ScriptSpec> {
        let Some(command) = misc.command else {
            let message = "no `misc_path` in this checker: it is left out, and the real server not checked by it";
            self.passed_over(
                Diagnostic::warning("missing-keyword", keyword, message)
                    .help("add: misc_path \"/usr/local/bin/check 10.0.0.3\""),
            );
            return None;
        };
        let user = self.secured(misc.user, command.span);
        let script = self.runnable(command, user, keyword)?;
        let command = match script.command {
            Command::Words(words) => ScriptCommand::Argv(words),
            Command::Shell(line) => ScriptCommand::Shell(line),
        };
        let user = script.user.map(|user| User { uid: user.uid, gid: user.gid });
        Some(ScriptSpec { command, timeout, user, dynamic: misc.dynamic })
    }
}
