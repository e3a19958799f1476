//! `virtual_server ADDRESS [PORT] | fwmark MARK`: what the kernel's service should be, and what its real servers
//! inherit. The rules are keepalived's (check_data.c, validate_check_config()).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use ipvs::{
    DestinationKey, Family, Forwarding, Netmask, Persistence, PersistenceEngine, Protocol,
    Scheduler, ServiceFlags, ServiceKey, Weight,
};

use super::global::NO_MAIL;
use super::options::{OptionWord, alone, value};
use super::pace::{Pace, Paced};
use super::{At, Decoder, Keyword, Keywords, acts, kept, many, no_effect, not_yet, real_server};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{RealServer, Script, SorryServer, VirtualServer};
use crate::config::source::Span;
use crate::config::tree::{Directive, Word};

/// keepalived's timeout where persistence is asked for without one (IP_VS_TEMPLATE_TIMEOUT), in seconds.
const PERSISTENCE: u32 = 360;

/// The block as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) pace: Pace,
    scheduler: Option<At<Scheduler>>,
    flags: Vec<(Flag, Span)>,
    pub(super) forwarding: Option<At<Forwarding>>,
    pub(super) protocol: Option<At<Protocol>>,
    persistence_timeout: Option<u32>,
    granularity: Option<At<Netmask>>,
    engine: Option<PersistenceEngine>,
    ip_family: Option<At<Family>>,
    omega: bool,
    ha_suspend: bool,
    quorum: Option<At<u32>>,
    hysteresis: Option<At<u32>>,
    quorum_up: Option<Script>,
    quorum_down: Option<Script>,
    sorry_server: Option<At<(IpAddr, Option<u16>)>>,
    sorry_inhibit: bool,
    sorry_forwarding: Option<Forwarding>,
    pub(super) weight: Option<Weight>,
    pub(super) inhibit_on_failure: Option<bool>,
    smtp_alert: Option<bool>,
    pub(super) virtualhost: Option<checkers::spec::Host>,
    real_servers: Vec<real_server::Draft>,
    /// Whether these were given, rightly or wrongly.
    said_protocol: bool,
    said_method: bool,
    /// Whether a `real_server` was refused: then there is one, for all that.
    refused: bool,
}

/// A service flag as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flag {
    OnePacket,
    Plain(ServiceFlags),
    /// Flags that one scheduler knows.
    Of(&'static str, ServiceFlags),
}

impl Paced for Draft {
    fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }
}

impl Keywords for Draft {
    const BLOCK: &'static str = "virtual_server";
    const TABLES: &'static [&'static [Keyword<Self>]] =
        &[SERVICE, FLAGS, QUORUM, DEFAULTS, &Self::PACE, &Self::CONNECT_TIMEOUT];
}

const METHOD: &str = "NAT | DR | TUN [type ipip | gue port PORT | gre] [nocsum | csum | remcsum]";

const SERVICE: &[Keyword<Draft>] = &[
    many("real_server", "ADDRESS [PORT] { ... }", |decoder, directive, draft| {
        let server = decoder.real_server(directive);
        draft.refused |= server.is_none();
        draft.real_servers.extend(server);
    }),
    acts("lvs_sched", "rr | wrr | lc | wlc | sh | mh | ...", scheduler),
    acts("lb_algo", "rr | wrr | lc | wlc | sh | mh | ...", scheduler),
    acts("lvs_method", METHOD, method),
    acts("lb_kind", METHOD, method),
    acts("protocol", "TCP | UDP | SCTP", |decoder, directive, draft| {
        let Some(word) = decoder.word(directive) else { return };
        let upper = Word { text: word.text.to_uppercase().into(), ..word.clone() };
        const CHOICES: [(&str, Protocol); 3] =
            [("TCP", Protocol::Tcp), ("UDP", Protocol::Udp), ("SCTP", Protocol::Sctp)];
        let protocol = decoder.choice(&upper, &CHOICES);
        draft.protocol = protocol.map(|value| At { value, span: directive.head() });
    }),
    acts("persistence_timeout", "[SECONDS]", |decoder, directive, draft| {
        draft.persistence_timeout = match decoder.word_or_nothing(directive) {
            None => Some(PERSISTENCE),
            Some(word) => decoder.number_in(word, 1..=Persistence::MAX_TIMEOUT),
        };
    }),
    acts("persistence_granularity", "NETMASK | PREFIX", |decoder, directive, draft| {
        let Some(word) = decoder.word(directive) else { return };
        let mask = decoder.granularity(word);
        draft.granularity = mask.map(|value| At { value, span: word.span });
    }),
    acts("persistence_engine", "NAME", |decoder, directive, draft| {
        draft.engine = decoder.word(directive).and_then(|word| decoder.parsed(word));
    }),
    acts("ip_family", "inet | inet6", |decoder, directive, draft| {
        let Some(word) = decoder.word(directive) else { return };
        const CHOICES: [(&str, Family); 2] = [("inet", Family::V4), ("inet6", Family::V6)];
        let family = decoder.choice(word, &CHOICES);
        draft.ip_family = family.map(|value| At { value, span: directive.head() });
    }),
];

const FLAGS: &[Keyword<Draft>] = &[
    acts("ops", "", |decoder, directive, draft| draft.flag(decoder, directive, Flag::OnePacket)),
    acts("flag-1", "", |decoder, directive, draft| {
        draft.flag(decoder, directive, Flag::Plain(ServiceFlags::SCHED1));
    }),
    acts("flag-2", "", |decoder, directive, draft| {
        draft.flag(decoder, directive, Flag::Plain(ServiceFlags::SCHED2));
    }),
    acts("flag-3", "", |decoder, directive, draft| {
        draft.flag(decoder, directive, Flag::Plain(ServiceFlags::SCHED3));
    }),
    acts("sh-fallback", "", |decoder, directive, draft| {
        draft.flag(decoder, directive, Flag::Of("sh", ServiceFlags::SCHED1));
    }),
    acts("sh-port", "", |decoder, directive, draft| {
        draft.flag(decoder, directive, Flag::Of("sh", ServiceFlags::SCHED2));
    }),
    acts("mh-fallback", "", |decoder, directive, draft| {
        draft.flag(decoder, directive, Flag::Of("mh", ServiceFlags::SCHED1));
    }),
    acts("mh-port", "", |decoder, directive, draft| {
        draft.flag(decoder, directive, Flag::Of("mh", ServiceFlags::SCHED2));
    }),
    no_effect("hashed", "", "the kernel sets this flag by itself"),
];

const QUORUM: &[Keyword<Draft>] = &[
    acts("quorum", "1..", |decoder, directive, draft| {
        let quorum = decoder.number(directive, 1..=u32::MAX);
        draft.quorum = quorum.map(|value| At { value, span: directive.head() });
    }),
    acts("hysteresis", "0..", |decoder, directive, draft| {
        let hysteresis = decoder.number(directive, 0..=u32::MAX);
        draft.hysteresis = hysteresis.map(|value| At { value, span: directive.head() });
    }),
    acts("quorum_up", "COMMAND [USER [GROUP]]", |decoder, directive, draft| {
        draft.quorum_up = decoder.script(directive);
    }),
    acts("quorum_down", "COMMAND [USER [GROUP]]", |decoder, directive, draft| {
        draft.quorum_down = decoder.script(directive);
    }),
    acts("sorry_server", "ADDRESS [PORT]", |decoder, directive, draft| {
        decoder.surplus(directive, 2);
        let endpoint = decoder.endpoint(directive);
        draft.sorry_server = endpoint.map(|value| At { value, span: directive.head() });
    }),
    acts("sorry_server_inhibit", "", |decoder, directive, draft| {
        draft.sorry_inhibit = decoder.flag(directive);
    }),
    acts("sorry_server_lvs_method", METHOD, |decoder, directive, draft| {
        draft.sorry_forwarding = decoder.forwarding(directive);
    }),
    acts("omega", "", |decoder, directive, draft| draft.omega = decoder.flag(directive)),
    kept("ha_suspend", "", "checks run all the time", |decoder, directive, draft| {
        draft.ha_suspend = decoder.flag(directive)
    }),
];

const DEFAULTS: &[Keyword<Draft>] = &[
    acts("weight", "1..2147483647", |decoder, directive, draft| {
        let weight = decoder.number(directive, 1..=Weight::MAX.value());
        draft.weight = weight.and_then(|weight| Weight::try_from(weight).ok());
    }),
    acts("inhibit_on_failure", "[BOOL]", |decoder, directive, draft| {
        draft.inhibit_on_failure = decoder.switch(directive);
    }),
    kept("smtp_alert", "[BOOL]", NO_MAIL, |decoder, directive, draft| {
        draft.smtp_alert = decoder.switch(directive);
    }),
    acts("virtualhost", "NAME", |decoder, directive, draft| {
        draft.virtualhost = decoder.word(directive).and_then(|word| decoder.parsed(word));
    }),
    not_yet("snmp_name", "NAME", "there is no SNMP agent"),
];

impl Draft {
    fn flag(&mut self, decoder: &mut Decoder<'_>, directive: &Directive, flag: Flag) {
        if decoder.flag(directive) {
            self.flags.push((flag, directive.head()));
        }
    }
}

fn scheduler(decoder: &mut Decoder<'_>, directive: &Directive, draft: &mut Draft) {
    // The modules of the mainline kernel; another one's name must be spelt like a module's all the same.
    const KNOWN: [&str; 14] = [
        "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq",
        "twos",
    ];
    let Some(word) = decoder.word(directive) else { return };
    let choices = KNOWN.map(|name| (name, name));
    let Some(name) = decoder.choice(word, &choices) else { return };
    let scheduler = Scheduler::new(name).ok();
    draft.scheduler = scheduler.map(|value| At { value, span: word.span });
}

fn method(decoder: &mut Decoder<'_>, directive: &Directive, draft: &mut Draft) {
    let forwarding = decoder.forwarding(directive);
    draft.forwarding = forwarding.map(|value| At { value, span: directive.head() });
}

/// A forwarding method while its options are read.
#[derive(Default)]
struct MethodDraft {
    kind: Option<(String, Span)>,
    port: Option<std::num::NonZeroU16>,
    checksum: ipvs::Checksum,
}

const METHOD_OPTIONS: &[OptionWord<MethodDraft>] = &[
    value("type", |_, word, draft| draft.kind = Some((word.text.to_string(), word.span))),
    value("port", |decoder, word, draft| {
        let port = decoder.number_in(word, 1..=u16::MAX);
        draft.port = port.and_then(std::num::NonZeroU16::new);
    }),
    alone("nocsum", |draft| draft.checksum = ipvs::Checksum::Off),
    alone("csum", |draft| draft.checksum = ipvs::Checksum::Full),
    alone("remcsum", |draft| draft.checksum = ipvs::Checksum::Remote),
];

impl Decoder<'_> {
    /// `lvs_method` at any level.
    pub(super) fn forwarding(&mut self, directive: &Directive) -> Option<Forwarding> {
        let Some((word, options)) = directive.arguments.split_first() else {
            self.missing(directive.name.span);
            return None;
        };
        const CHOICES: [(&str, Forwarding); 3] = [
            ("NAT", Forwarding::Masquerade),
            ("DR", Forwarding::Route),
            ("TUN", Forwarding::Tunnel(ipvs::Tunnel::Ipip)),
        ];
        let method = self.choice(word, &CHOICES)?;
        let mut draft = MethodDraft::default();
        self.options(options, &directive.properties, METHOD_OPTIONS, &mut draft);
        let MethodDraft { kind, port, checksum } = draft;
        let Forwarding::Tunnel(_) = method else {
            if let Some((_, span)) = kind {
                let message = format!("`type` goes with TUN alone, not with {}", word.text);
                self.report(Diagnostic::error("bad-value", span, message));
            }
            return Some(method);
        };
        let tunnel = match (kind.as_ref().map(|(kind, span)| (kind.as_str(), *span)), port) {
            (None | Some(("ipip", _)), _) => ipvs::Tunnel::Ipip,
            (Some(("gre", _)), _) => ipvs::Tunnel::Gre { checksum },
            (Some(("gue", _)), Some(port)) => ipvs::Tunnel::Gue { port, checksum },
            (Some(("gue", span)), None) => {
                let message = "a GUE tunnel needs its UDP port";
                self.report(
                    Diagnostic::error("missing-value", span, message).help("type gue port 6080"),
                );
                return None;
            }
            (Some((other, span)), _) => {
                let message = format!("`{other}` for `type`: one of ipip, gue, gre is wanted");
                self.report(Diagnostic::error("bad-value", span, message));
                return None;
            }
        };
        Some(Forwarding::Tunnel(tunnel))
    }

    /// `ADDRESS [PORT]` of a directive.
    pub(super) fn endpoint(&mut self, directive: &Directive) -> Option<(IpAddr, Option<u16>)> {
        let Some(word) = directive.arguments.first() else {
            self.missing(directive.name.span);
            return None;
        };
        let address = self.address(word);
        let port = match directive.arguments.get(1) {
            None => Some(None),
            Some(port) => self.number_in(port, 0..=u16::MAX).map(Some),
        };
        Some((address?, port?))
    }

    fn granularity(&mut self, word: &Word) -> Option<Netmask> {
        if let Ok(mask) = word.text.parse::<Ipv4Addr>() {
            return Some(Netmask::V4(mask));
        }
        match word.text.parse() {
            Ok(prefix @ 1..=128) => Some(Netmask::V6(prefix)),
            Ok(_) | Err(_) => {
                self.bad(word, "a netmask such as 255.255.255.0, or an IPv6 prefix length");
                None
            }
        }
    }

    /// Reads one `virtual_server`.
    pub(super) fn virtual_server(&mut self, directive: &Directive) -> Option<At<VirtualServer>> {
        let target = self.target(directive);
        let mut draft = Draft {
            said_protocol: directive.has("protocol"),
            said_method: directive.has("lb_kind") || directive.has("lvs_method"),
            ..Draft::default()
        };
        self.block(directive, &mut draft);
        let target = target?;
        let span = directive.head();
        let server = self.finish_virtual_server(&target, draft, span)?;
        Some(At { value: server, span })
    }

    fn target(&mut self, directive: &Directive) -> Option<Target> {
        let Some(first) = directive.arguments.first() else {
            self.missing(directive.name.span);
            return None;
        };
        self.surplus(directive, 2);
        if first.is("group") {
            let message = "virtual server groups are not supported by this version";
            self.report(
                Diagnostic::error("not-yet", directive.head(), message)
                    .help("write one virtual_server for each address and port of the group"),
            );
            return None;
        }
        if !first.is("fwmark") {
            let (address, port) = self.endpoint(directive)?;
            return Some(Target::Address(address, port.unwrap_or_default()));
        }
        let Some(mark) = directive.arguments.get(1) else {
            self.missing(first.span);
            return None;
        };
        let mark = self.number_in(mark, NonZeroU32::MIN..=NonZeroU32::MAX)?;
        Some(Target::Mark(mark))
    }

    fn finish_virtual_server(
        &mut self,
        target: &Target,
        mut draft: Draft,
        keyword: Span,
    ) -> Option<VirtualServer> {
        let drafts = std::mem::take(&mut draft.real_servers);
        if drafts.is_empty() && draft.refused {
            return None;
        }
        if drafts.is_empty() {
            let message = "this virtual server has no real server and is left out";
            self.report(
                Diagnostic::warning("empty", keyword, message)
                    .help("add: real_server ADDRESS PORT { weight 1 }"),
            );
            return None;
        }
        let key = self.service_key(target, &draft, &drafts, keyword);
        let forwarding = draft.forwarding.map_or(Forwarding::Masquerade, |method| method.value);
        if draft.forwarding.is_none()
            && !draft.said_method
            && drafts.iter().any(|one| one.forwarding.is_none())
        {
            self.report(
                Diagnostic::warning("default", keyword, "no `lb_kind`: NAT is taken")
                    .help("say which: lb_kind NAT, DR or TUN"),
            );
        }
        let scheduler =
            draft.scheduler.map(|scheduler| scheduler.value).or(Scheduler::new("wlc").ok())?;
        let flags = self.service_flags(&draft, &key, scheduler);
        let persistence = self.persistence(&draft, target, key.family(), keyword);
        let real_servers = self.real_servers(drafts, &draft, &key, forwarding);
        let sorry_server = self.sorry_server(&draft, &key, forwarding);
        let (quorum, hysteresis) = self.quorum(&draft, &real_servers);
        Some(VirtualServer {
            key,
            scheduler,
            flags,
            forwarding,
            persistence,
            persistence_engine: draft.engine,
            alpha: draft.pace.alpha.unwrap_or_default(),
            omega: draft.omega,
            quorum,
            hysteresis,
            quorum_up: draft.quorum_up,
            quorum_down: draft.quorum_down,
            sorry_server,
            ha_suspend: draft.ha_suspend,
            smtp_alert: draft.smtp_alert,
            real_servers,
        })
    }

    fn service_key(
        &mut self,
        target: &Target,
        draft: &Draft,
        servers: &[real_server::Draft],
        keyword: Span,
    ) -> ServiceKey {
        match *target {
            Target::Address(address, port) => {
                if draft.protocol.is_none() && !draft.said_protocol {
                    let message = "no `protocol`: UDP is taken, as keepalived does";
                    self.report(
                        Diagnostic::warning("default", keyword, message).help("add: protocol TCP"),
                    );
                }
                let protocol = draft.protocol.map_or(Protocol::Udp, |protocol| protocol.value);
                if let Some(At { value, span }) = draft.ip_family
                    && value != Family::of(address)
                {
                    self.report(Diagnostic::error(
                        "family",
                        span,
                        format!("{address} is of the other family"),
                    ));
                }
                ServiceKey::address(protocol, address, port)
            }
            Target::Mark(mark) => {
                if let Some(At { span, .. }) = draft.protocol {
                    self.report(Diagnostic::warning(
                        "no-effect",
                        span,
                        "a firewall mark stands for any protocol: `protocol` is left out",
                    ));
                }
                let first = servers.first().map_or(Family::V4, |one| Family::of(one.address));
                let family = draft.ip_family.map_or(first, |family| family.value);
                ServiceKey::fwmark(mark, family)
            }
        }
    }

    fn service_flags(
        &mut self,
        draft: &Draft,
        key: &ServiceKey,
        scheduler: Scheduler,
    ) -> ServiceFlags {
        let is_udp =
            !matches!(key, ServiceKey::Address { protocol: Protocol::Tcp | Protocol::Sctp, .. });
        let mut flags = ServiceFlags::empty();
        for (flag, span) in &draft.flags {
            match flag {
                Flag::OnePacket if is_udp => flags |= ServiceFlags::ONEPACKET,
                Flag::OnePacket => {
                    self.report(Diagnostic::warning(
                        "adjusted",
                        *span,
                        "`ops` goes with UDP alone: it is left out",
                    ));
                }
                Flag::Plain(plain) => flags |= *plain,
                Flag::Of(wanted, own) if scheduler.as_str() == *wanted => flags |= *own,
                Flag::Of(wanted, _) => {
                    let message = format!(
                        "this flag goes with the scheduler {wanted}, not with {scheduler}: it is left out"
                    );
                    self.report(
                        Diagnostic::warning("adjusted", *span, message)
                            .help(format!("write `lb_algo {wanted}`, or leave the flag out")),
                    );
                }
            }
        }
        flags
    }

    fn persistence(
        &mut self,
        draft: &Draft,
        target: &Target,
        family: Family,
        keyword: Span,
    ) -> Option<Persistence> {
        let every_port = matches!(target, Target::Address(_, 0));
        let implied = draft.granularity.is_some() || every_port;
        if every_port && draft.persistence_timeout.is_none() && draft.granularity.is_none() {
            let message = format!(
                "a service of all ports must be persistent: persistence_timeout {PERSISTENCE} is taken"
            );
            self.report(
                Diagnostic::warning("default", keyword, message)
                    .help("write the port after the address, or say persistence_timeout"),
            );
        }
        let timeout = draft.persistence_timeout.or(implied.then_some(PERSISTENCE))?;
        let netmask = match draft.granularity {
            None => Netmask::single(family),
            Some(At { value, .. }) if value.family() == family => value,
            Some(At { span, .. }) => {
                let wanted = if family == Family::V4 {
                    "a netmask such as 255.255.255.0"
                } else {
                    "a prefix length from 1 to 128"
                };
                let message =
                    format!("`persistence_granularity`: {wanted} is wanted for this family");
                self.report(Diagnostic::error("bad-value", span, message));
                Netmask::single(family)
            }
        };
        Some(Persistence { timeout, netmask })
    }

    fn real_servers(
        &mut self,
        drafts: Vec<real_server::Draft>,
        outer: &Draft,
        key: &ServiceKey,
        forwarding: Forwarding,
    ) -> Vec<RealServer> {
        let mut servers = Vec::with_capacity(drafts.len());
        let mut seen: HashMap<DestinationKey, Span> = HashMap::with_capacity(drafts.len());
        for draft in drafts {
            let span = draft.keyword;
            let Some(server) = self.finish_real_server(draft, outer, key, forwarding) else {
                continue;
            };
            if let Some(first) = seen.get(&server.key) {
                let message = format!("{} stands here a second time and is left out", server.key);
                self.passed_over(
                    Diagnostic::warning("twice", span, message).related(*first, "the first"),
                );
                continue;
            }
            seen.insert(server.key, span);
            servers.push(server);
        }
        servers
    }

    fn sorry_server(
        &mut self,
        draft: &Draft,
        key: &ServiceKey,
        forwarding: Forwarding,
    ) -> Option<SorryServer> {
        let At { value: (address, port), span } = draft.sorry_server?;
        let forwarding = draft.sorry_forwarding.unwrap_or(forwarding);
        if Family::of(address) != key.family() && !matches!(forwarding, Forwarding::Tunnel(_)) {
            let message = format!(
                "{address} is of another family than the virtual server: only TUN reaches it"
            );
            self.report(Diagnostic::error("family", span, message));
            return None;
        }
        let port = self.real_port(port, key, forwarding, span);
        let key = DestinationKey::new(address, port);
        Some(SorryServer { key, forwarding, inhibit: draft.sorry_inhibit })
    }

    /// The port that the kernel is told: packets that are not rewritten keep theirs.
    pub(super) fn real_port(
        &mut self,
        given: Option<u16>,
        key: &ServiceKey,
        forwarding: Forwarding,
        span: Span,
    ) -> u16 {
        let rewritten = forwarding == Forwarding::Masquerade;
        let kept = match key {
            ServiceKey::Address { port, .. } => *port,
            ServiceKey::Fwmark { .. } => 0,
        };
        match given {
            Some(port) if rewritten => port,
            Some(port) if port != kept && port != 0 => {
                let message = match key {
                    ServiceKey::Address { .. } => format!(
                        "DR and TUN keep the port: {port} becomes {kept}, that of the virtual server"
                    ),
                    ServiceKey::Fwmark { .. } => format!(
                        "DR and TUN keep the port of each packet: {port} is used by checkers alone"
                    ),
                };
                let help = "lb_kind NAT rewrites ports; a checker has connect_port";
                self.report(Diagnostic::warning("adjusted", span, message).help(help));
                kept
            }
            Some(_) | None => kept,
        }
    }

    fn quorum(&mut self, draft: &Draft, servers: &[RealServer]) -> (u32, u32) {
        let total = servers.iter().map(|server| u64::from(server.weight.value())).sum::<u64>();
        let total = u32::try_from(total).unwrap_or(u32::MAX).max(1);
        let mut quorum = draft.quorum.map_or(1, |quorum| quorum.value);
        if let Some(At { value, span }) = draft.quorum
            && value > total
        {
            let message =
                format!("quorum {value} is more than all weights together: {total} is taken");
            self.report(Diagnostic::warning("adjusted", span, message));
            quorum = total;
        }
        let mut hysteresis = draft.hysteresis.map_or(0, |hysteresis| hysteresis.value);
        if let Some(At { value, span }) = draft.hysteresis
            && value >= quorum
        {
            hysteresis = quorum - 1;
            let message = format!(
                "hysteresis {value} must be less than the quorum {quorum}: {hysteresis} is taken"
            );
            self.report(Diagnostic::warning("adjusted", span, message));
        }
        (quorum, hysteresis)
    }
}

/// What a virtual server is known by, as it was written.
enum Target {
    Address(IpAddr, u16),
    Mark(NonZeroU32),
}
