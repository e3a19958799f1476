//! `virtual_server ADDRESS [PORT] | fwmark MARK`: what it says. What follows from that is `service`'s.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use ipvs::{
    Family, Forwarding, Netmask, Persistence, PersistenceEngine, Protocol, Scheduler, ServiceFlags,
    ServiceKey, Weight,
};

use super::group::Group;
use super::options::{OptionWord, alone, value};
use super::pace::{Pace, Paced};
use super::{At, Decoder, Keyword, Keywords, acts, many, no_effect, real_server};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{MinInPool, Script, SlowStart};
use crate::config::source::Span;
use crate::config::tree::{Directive, Word};

/// keepalived's timeout where persistence is asked for without one (IP_VS_TEMPLATE_TIMEOUT), in seconds.
pub(super) const PERSISTENCE: u32 = 360;

/// The block as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) pace: Pace,
    pub(super) scheduler: Option<At<Scheduler>>,
    pub(super) flags: Vec<(Flag, Span)>,
    pub(super) forwarding: Option<At<Forwarding>>,
    pub(super) protocol: Option<At<Protocol>>,
    pub(super) persistence_timeout: Option<u32>,
    pub(super) granularity: Option<At<Netmask>>,
    pub(super) engine: Option<PersistenceEngine>,
    pub(super) ip_family: Option<At<Family>>,
    pub(super) omega: bool,
    pub(super) ha_suspend: bool,
    pub(super) quorum: Option<At<u32>>,
    pub(super) hysteresis: Option<At<u32>>,
    pub(super) quorum_up: Option<Script>,
    pub(super) quorum_down: Option<Script>,
    pub(super) sorry_server: Option<At<(IpAddr, Option<u16>)>>,
    pub(super) sorry_inhibit: bool,
    pub(super) sorry_forwarding: Option<Forwarding>,
    pub(super) min_in_pool: Option<At<MinInPool>>,
    pub(super) slow_start: Option<At<SlowStart>>,
    pub(super) weight: Option<Weight>,
    pub(super) inhibit_on_failure: Option<bool>,
    pub(super) smtp_alert: Option<bool>,
    pub(super) virtualhost: Option<checkers::spec::Host>,
    pub(super) real_servers: Vec<real_server::Draft>,
    /// `persistence_timeout 0`, which is none.
    pub(super) no_persistence: Option<Span>,
    /// Whether these were given, rightly or wrongly.
    pub(super) said_persistence: bool,
    pub(super) said_protocol: bool,
    pub(super) said_method: bool,
    /// Whether a `real_server` was refused: then there is one, for all that.
    pub(super) refused: bool,
}

/// A service flag as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
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
        let upper = Word { text: word.text.to_uppercase(), ..word.clone() };
        const CHOICES: [(&str, Protocol); 3] =
            [("TCP", Protocol::Tcp), ("UDP", Protocol::Udp), ("SCTP", Protocol::Sctp)];
        let protocol = decoder.choice(&upper, &CHOICES);
        draft.said_protocol = protocol.is_some();
        draft.protocol = protocol.map(|value| At { value, span: directive.head() });
    }),
    acts("persistence_timeout", "[SECONDS]", |decoder, directive, draft| {
        draft.persistence_timeout = match decoder.word_or_nothing(directive) {
            None => Some(PERSISTENCE),
            Some(word) if word.is("0") => {
                draft.no_persistence = Some(directive.head());
                None
            }
            Some(word) => decoder.number_in(word, 1..=Persistence::MAX_TIMEOUT),
        };
        draft.said_persistence = true;
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
    acts("min_in_pool", "COUNT | PERCENT%", |decoder, directive, draft| {
        draft.min_in_pool = decoder.min_in_pool(directive);
    }),
    acts("slow_start", "SECONDS [FLOOR%]", |decoder, directive, draft| {
        draft.slow_start = decoder.slow_start(directive);
    }),
    acts("omega", "", |decoder, directive, draft| draft.omega = decoder.flag(directive)),
    acts("ha_suspend", "", |decoder, directive, draft| {
        draft.ha_suspend = decoder.flag(directive);
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
    acts("smtp_alert", "[BOOL]", |decoder, directive, draft| {
        draft.smtp_alert = decoder.switch(directive);
    }),
    acts("virtualhost", "NAME", |decoder, directive, draft| {
        draft.virtualhost = decoder.word(directive).and_then(|word| decoder.parsed(word));
    }),
    no_effect("snmp_name", "NAME", "there is no SNMP agent"),
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
    draft.said_method = forwarding.is_some();
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

    /// Reads one `virtual_server`: a service, or one for each entry of its group.
    pub(super) fn virtual_server(
        &mut self,
        directive: &Directive,
        groups: &mut [Group],
    ) -> Vec<At<ServiceKey>> {
        let targets = self.targets(directive, groups);
        let is_group = directive.arguments.first().is_some_and(|word| word.is("group"));
        let Some(targets) = targets else {
            // What is wrong in the block is told all the same.
            self.virtual_server_block(directive);
            return Vec::new();
        };
        let mut servers = Vec::with_capacity(targets.len());
        for At { value: target, span } in targets {
            // What is wrong is told once, however often it is read.
            let mut draft = self.virtual_server_block(directive);
            if is_group && matches!(target, Target::Mark(_)) {
                // `protocol` is for the addresses beside it.
                draft.protocol = None;
            }
            let server = self.finish_virtual_server(&target, draft, directive.head());
            servers.extend(server.map(|server| {
                let key = server.key;
                (self.take)(server);
                At { value: key, span }
            }));
        }
        servers
    }

    fn virtual_server_block(&mut self, directive: &Directive) -> Draft {
        let mut draft = Draft {
            said_protocol: directive.has("protocol"),
            said_method: directive.has("lb_kind") || directive.has("lvs_method"),
            ..Draft::default()
        };
        self.block(directive, &mut draft);
        draft
    }

    fn targets(&mut self, directive: &Directive, groups: &mut [Group]) -> Option<Vec<At<Target>>> {
        let span = directive.head();
        match &directive.arguments[..] {
            [first, name, ..] if first.is("group") => {
                self.surplus(directive, 2);
                self.group_named(name, groups, span)
            }
            _ => self.target(directive).map(|value| vec![At { value, span }]),
        }
    }

    fn target(&mut self, directive: &Directive) -> Option<Target> {
        let Some(first) = directive.arguments.first() else {
            self.missing(directive.name.span);
            return None;
        };
        self.surplus(directive, 2);
        if first.is("group") {
            self.missing(first.span);
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
}

/// What a virtual server is known by, as it was written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    Address(IpAddr, u16),
    Mark(NonZeroU32),
}
