//! Lines of `virtual_rules` and `static_rules`: the words of `ip rule add`, as keepalived takes them.

use vrrp::route::VRRP_PROTOCOL;
use vrrp::{Family, IfName, Prefix, Rule, RuleAction};

use super::Decoder;
use super::options::{OptionWord, alone, later, value};
use crate::config::diagnostic::Diagnostic;
use crate::config::source::Span;
use crate::config::tree::{Directive, Form, Word};

/// Where the priorities of rules without one begin, as keepalived counts them.
pub(super) const FIRST_PRIORITY: u32 = 16_384;

/// A rule as far as it was given.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    span: Span,
    family: Option<Family>,
    inverted: bool,
    from: Option<Prefix>,
    to: Option<Prefix>,
    priority: Option<u32>,
    tos: u8,
    mark: Option<(u32, u32)>,
    input: Option<IfName>,
    output: Option<IfName>,
    suppress_prefix_length: Option<u32>,
    suppress_interface_group: Option<u32>,
    users: Option<(u32, u32)>,
    ip_protocol: Option<u8>,
    source_ports: Option<(u16, u16)>,
    destination_ports: Option<(u16, u16)>,
    protocol: u8,
    action: Option<RuleAction>,
    untracked: bool,
}

const OPTIONS: &[OptionWord<Draft>] = &[
    alone("inet", |draft| draft.family = Some(Family::V4)),
    alone("inet6", |draft| draft.family = Some(Family::V6)),
    alone("not", |draft| draft.inverted = true),
    value("from", |decoder, word, draft| draft.from = decoder.rule_prefix(word)),
    value("to", |decoder, word, draft| draft.to = decoder.rule_prefix(word)),
    value("table", lookup),
    value("lookup", lookup),
    value("preference", priority),
    value("pref", priority),
    value("order", priority),
    value("priority", priority),
    value("tos", tos),
    value("dsfield", tos),
    value("fwmark", |decoder, word, draft| {
        let (mark, mask) = match word.text.split_once('/') {
            Some((mark, mask)) => (number(mark), number(mask)),
            None => (number(&word.text), Some(u32::MAX)),
        };
        draft.mark = mark.zip(mask);
        if draft.mark.is_none() {
            decoder.bad(word, "a mark, or MARK/MASK as in 0x10/0xff");
        }
    }),
    value("iif", input),
    value("dev", input),
    value("oif", |decoder, word, draft| draft.output = decoder.interface(word)),
    value("suppress_prefixlength", |decoder, word, draft| {
        draft.suppress_prefix_length = decoder.number_in(word, 0..=128);
    }),
    value("suppress_ifgroup", |decoder, word, draft| {
        draft.suppress_interface_group = decoder.number_in(word, 0..=u32::MAX);
    }),
    value("uidrange", |decoder, word, draft| {
        let range = word.text.split_once('-').map(|(a, b)| (a.parse().ok(), b.parse().ok()));
        draft.users = range.and_then(|(from, to)| from.zip(to)).filter(|(from, to)| from <= to);
        if draft.users.is_none() {
            decoder.bad(word, "a range of user ids as in 1000-1999");
        }
    }),
    alone("l3mdev", |draft| draft.action = Some(RuleAction::LookupVrf)),
    value("protocol", |decoder, word, draft| {
        draft.protocol = decoder.number_in(word, 0..=255).unwrap_or(VRRP_PROTOCOL);
    }),
    value("ipproto", |decoder, word, draft| {
        const NAMES: [(&str, u8); 6] =
            [("icmp", 1), ("tcp", 6), ("udp", 17), ("icmpv6", 58), ("vrrp", 112), ("sctp", 132)];
        let number = word.text.parse().ok().or_else(|| decoder.choice(word, &NAMES));
        draft.ip_protocol = number;
    }),
    value("sport", |decoder, word, draft| draft.source_ports = decoder.port_range(word)),
    value("dport", |decoder, word, draft| draft.destination_ports = decoder.port_range(word)),
    value("type", |decoder, word, draft| {
        const TYPES: [(&str, RuleAction); 3] = [
            ("blackhole", RuleAction::Blackhole),
            ("unreachable", RuleAction::Unreachable),
            ("prohibit", RuleAction::Prohibit),
        ];
        draft.action = decoder.choice(word, &TYPES);
    }),
    alone("blackhole", |draft| draft.action = Some(RuleAction::Blackhole)),
    alone("unreachable", |draft| draft.action = Some(RuleAction::Unreachable)),
    alone("prohibit", |draft| draft.action = Some(RuleAction::Prohibit)),
    value("goto", |decoder, word, draft| {
        draft.action = decoder.number_in(word, 1..=u32::MAX).map(RuleAction::Goto);
    }),
    alone("nop", |draft| draft.action = Some(RuleAction::Nop)),
    alone("no_track", |draft| draft.untracked = true),
    later("realms", 1, "the rule has none"),
    later("tunnel-id", 1, "tunnels are not told apart"),
    later("track_group", 1, "its loss concerns its own instance"),
];

fn lookup(decoder: &mut Decoder<'_>, word: &Word, draft: &mut Draft) {
    draft.action = decoder.route_table(word).map(RuleAction::Lookup);
}

fn priority(decoder: &mut Decoder<'_>, word: &Word, draft: &mut Draft) {
    draft.priority = decoder.number_in(word, 1..=u32::MAX);
}

fn tos(decoder: &mut Decoder<'_>, word: &Word, draft: &mut Draft) {
    draft.tos = decoder.type_of_service(word).unwrap_or_default();
}

fn input(decoder: &mut Decoder<'_>, word: &Word, draft: &mut Draft) {
    draft.input = decoder.interface(word);
}

/// Decimal, or hexadecimal after 0x.
fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

impl Draft {
    fn new(span: Span) -> Self {
        Self {
            span,
            family: None,
            inverted: false,
            from: None,
            to: None,
            priority: None,
            tos: 0,
            mark: None,
            input: None,
            output: None,
            suppress_prefix_length: None,
            suppress_interface_group: None,
            users: None,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            protocol: VRRP_PROTOCOL,
            action: None,
            untracked: false,
        }
    }
}

impl Decoder<'_> {
    /// The rules of a block, one a line.
    pub(super) fn rule_lines(&mut self, directive: &Directive) -> Vec<Draft> {
        let lines = directive.children().iter().filter(|line| line.name.form != Form::Other);
        let mut drafts = Vec::new();
        for line in lines {
            let mut draft = Draft::new(line.head());
            let words: Vec<Word> =
                std::iter::once(&line.name).chain(&line.arguments).cloned().collect();
            let read = self.entry(line, |decoder| {
                decoder.options(&words, &line.properties, OPTIONS, &mut draft);
            });
            drafts.extend(read.map(|()| draft));
        }
        if directive.children().is_empty() {
            self.empty(directive);
        }
        drafts
    }

    /// What follows from a draft in an instance of `family`.
    pub(super) fn finish_rule(&mut self, draft: Draft, family: Family) -> Option<Rule> {
        let Some(action) = draft.action else {
            let message = "the rule does not say what to do";
            self.report(
                Diagnostic::error("missing-value", draft.span, message)
                    .help("one rule a line: from 10.0.0.100 table 1000"),
            );
            return None;
        };
        let said = draft.from.or(draft.to).map(|prefix| Family::of(prefix.address));
        let family = draft.family.or(said).unwrap_or(family);
        let prefixes = [draft.from, draft.to].into_iter().flatten();
        if prefixes.map(|prefix| Family::of(prefix.address)).any(|other| other != family) {
            let message = "a rule has addresses of one family";
            self.report(Diagnostic::error("family", draft.span, message));
            return None;
        }
        let priority = draft.priority.unwrap_or_else(|| {
            let next = self.next_rule;
            self.next_rule = next.saturating_add(1);
            next
        });
        Some(Rule {
            family,
            inverted: draft.inverted,
            from: draft.from,
            to: draft.to,
            priority,
            tos: draft.tos,
            mark: draft.mark,
            input: draft.input,
            output: draft.output,
            suppress_prefix_length: draft.suppress_prefix_length,
            suppress_interface_group: draft.suppress_interface_group,
            users: draft.users,
            ip_protocol: draft.ip_protocol,
            source_ports: draft.source_ports,
            destination_ports: draft.destination_ports,
            protocol: draft.protocol,
            action,
            untracked: draft.untracked,
        })
    }

    /// A network; `None` for all of them, and for what is none, which is told.
    fn rule_prefix(&mut self, word: &Word) -> Option<Prefix> {
        let prefix = super::route::prefix(word);
        if prefix.is_none() {
            self.bad(word, "a network as in 10.9.0.0/16, or `all`,");
        }
        prefix.flatten()
    }

    fn port_range(&mut self, word: &Word) -> Option<(u16, u16)> {
        let range = match word.text.split_once('-') {
            Some((first, last)) => first.parse().ok().zip(last.parse().ok()),
            None => word.text.parse().ok().map(|port| (port, port)),
        };
        let range = range.filter(|(first, last)| *first > 0 && first <= last);
        if range.is_none() {
            self.bad(word, "a port, or a range as in 8000-8099");
        }
        range
    }
}
