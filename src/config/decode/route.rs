//! Lines of `virtual_routes` and `static_routes`: the words of `ip route add`, as keepalived takes them.

use std::fs;
use std::net::IpAddr;

use vrrp::route::{LOCAL_TABLE, MAIN_TABLE, VRRP_PROTOCOL};
use vrrp::{Family, Hop, IfName, Metric, Prefix, Route, RouteKind};

use super::options::{OptionWord, alone, later, value};
use super::{At, Decoder};
use crate::config::diagnostic::Diagnostic;
use crate::config::source::Span;
use crate::config::tree::{Directive, Form, Word};

/// Where iproute2 gives tables their names.
const TABLE_NAMES: [&str; 2] = ["/etc/iproute2/rt_tables", "/usr/share/iproute2/rt_tables"];
/// Names of tables that every host knows.
const TABLES: [(&str, u32); 3] = [("default", 253), ("main", MAIN_TABLE), ("local", LOCAL_TABLE)];
/// rt_protos of iproute2.
const PROTOCOLS: [(&str, u8); 8] = [
    ("redirect", 1),
    ("kernel", 2),
    ("boot", 3),
    ("static", 4),
    ("ra", 9),
    ("dhcp", 16),
    ("keepalived", VRRP_PROTOCOL),
    ("bird", 12),
];
/// rt_scopes of iproute2.
pub(super) const SCOPES: [(&str, u8); 5] =
    [("global", 0), ("site", 200), ("link", 253), ("host", 254), ("nowhere", 255)];

/// A route as far as it was given.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    span: Span,
    kind: RouteKind,
    destination: Option<At<Option<Prefix>>>,
    source: Option<IpAddr>,
    hop: Option<Hop>,
    more: Vec<Hop>,
    table: Option<u32>,
    protocol: u8,
    scope: Option<u8>,
    metric: Option<u32>,
    tos: u8,
    metrics: Vec<(Metric, u32)>,
    locked_mtu: bool,
    untracked: bool,
}

const OPTIONS: &[OptionWord<Draft>] = &[
    value("to", destination),
    value("src", |decoder, word, draft| draft.source = decoder.address(word)),
    value("via", gateway),
    value("gw", gateway),
    value("dev", interface),
    value("oif", interface),
    value("or", |decoder, word, draft| {
        let Some(via) = decoder.address(word) else { return };
        draft.more.push(Hop { via: Some(via), ..plain_hop() });
    }),
    value("table", table),
    value("tos", tos),
    value("dsfield", tos),
    value("tc", tos),
    value("protocol", |decoder, word, draft| {
        let number = word.text.parse().ok().or_else(|| decoder.choice(word, &PROTOCOLS));
        draft.protocol = number.unwrap_or(VRRP_PROTOCOL);
    }),
    value("scope", |decoder, word, draft| {
        draft.scope = word.text.parse().ok().or_else(|| decoder.choice(word, &SCOPES));
    }),
    value("metric", metric),
    value("priority", metric),
    value("preference", metric),
    alone("onlink", |draft| draft.hop.get_or_insert_with(plain_hop).onlink = true),
    value("mtu", |decoder, word, draft| carry(decoder, word, draft, Metric::Mtu)),
    value("hoplimit", |decoder, word, draft| carry(decoder, word, draft, Metric::HopLimit)),
    value("advmss", |decoder, word, draft| carry(decoder, word, draft, Metric::AdvertisedSegment)),
    value("rtt", |decoder, word, draft| carry(decoder, word, draft, Metric::Rtt)),
    value("rttvar", |decoder, word, draft| carry(decoder, word, draft, Metric::RttVar)),
    value("reordering", |decoder, word, draft| carry(decoder, word, draft, Metric::Reordering)),
    value("window", |decoder, word, draft| carry(decoder, word, draft, Metric::Window)),
    value("cwnd", |decoder, word, draft| carry(decoder, word, draft, Metric::CongestionWindow)),
    value("ssthresh", |decoder, word, draft| {
        carry(decoder, word, draft, Metric::SlowStartThreshold);
    }),
    value("rto_min", |decoder, word, draft| carry(decoder, word, draft, Metric::LeastTimeout)),
    value("initcwnd", |decoder, word, draft| {
        carry(decoder, word, draft, Metric::InitialCongestionWindow);
    }),
    value("initrwnd", |decoder, word, draft| {
        carry(decoder, word, draft, Metric::InitialReceiveWindow);
    }),
    value("quickack", |decoder, word, draft| carry(decoder, word, draft, Metric::QuickAck)),
    value("fastopen_no_cookie", |decoder, word, draft| {
        carry(decoder, word, draft, Metric::FastOpenWithoutCookie);
    }),
    alone("no_track", |draft| draft.untracked = true),
    later("realms", 1, "the route has none"),
    later("expires", 1, "the route stays as long as it is wanted"),
    later("features", 1, "the route has none"),
    later("congctl", 1, "the host's congestion control holds"),
    later("pref", 1, "the route has the middle preference"),
    later("encap", 2, "nothing is encapsulated"),
    later("track_group", 1, "its loss concerns its own instance"),
    later("vrf", 1, "say the table of the VRF"),
    later("add", 0, "it comes before an equal one of somebody else's"),
    later("append", 0, "it comes before an equal one of somebody else's"),
    alone("prepend", |_| {}),
];

const HOP: &[OptionWord<Hop>] = &[
    value("via", |decoder, word, hop| hop.via = decoder.address(word)),
    value("gw", |decoder, word, hop| hop.via = decoder.address(word)),
    value("dev", |decoder, word, hop| hop.interface = decoder.interface(word)),
    value("oif", |decoder, word, hop| hop.interface = decoder.interface(word)),
    value("weight", |decoder, word, hop| {
        hop.weight = decoder.number_in(word, 1..=256).unwrap_or(1);
    }),
    alone("onlink", |hop| hop.onlink = true),
    later("realms", 1, "the way has none"),
    later("encap", 2, "nothing is encapsulated"),
];

const fn plain_hop() -> Hop {
    Hop { via: None, interface: None, weight: 1, onlink: false }
}

fn destination(decoder: &mut Decoder<'_>, word: &Word, draft: &mut Draft) {
    match prefix(word) {
        Some(value) => draft.destination = Some(At { value, span: word.span }),
        None => decoder.bad(word, "a network as in 10.9.0.0/16, or `default`,"),
    }
}

fn gateway(decoder: &mut Decoder<'_>, word: &Word, draft: &mut Draft) {
    draft.hop.get_or_insert_with(plain_hop).via = decoder.address(word);
}

fn interface(decoder: &mut Decoder<'_>, word: &Word, draft: &mut Draft) {
    draft.hop.get_or_insert_with(plain_hop).interface = decoder.interface(word);
}

fn table(decoder: &mut Decoder<'_>, word: &Word, draft: &mut Draft) {
    draft.table = decoder.route_table(word);
}

fn tos(decoder: &mut Decoder<'_>, word: &Word, draft: &mut Draft) {
    draft.tos = decoder.type_of_service(word).unwrap_or_default();
}

fn metric(decoder: &mut Decoder<'_>, word: &Word, draft: &mut Draft) {
    draft.metric = decoder.number_in(word, 0..=u32::MAX);
}

fn carry(decoder: &mut Decoder<'_>, word: &Word, draft: &mut Draft, metric: Metric) {
    let Some(number) = decoder.number_in(word, 0..=u32::MAX) else { return };
    draft.metrics.retain(|(known, _)| *known != metric);
    draft.metrics.push((metric, number));
}

/// A network; within, `None` where it is all addresses. `None` where the text is neither.
pub(super) fn prefix(word: &Word) -> Option<Option<Prefix>> {
    if ["default", "any", "all"].iter().any(|name| word.is(name)) {
        return Some(None);
    }
    let (address, length) = match word.text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (&*word.text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        Some(length) => length.parse().ok().filter(|length| *length <= most)?,
        None => most,
    };
    Some(Some(Prefix::new(address, length)))
}

impl Draft {
    fn new(span: Span) -> Self {
        Self {
            span,
            kind: RouteKind::Unicast,
            destination: None,
            source: None,
            hop: None,
            more: Vec::new(),
            table: None,
            protocol: VRRP_PROTOCOL,
            scope: None,
            metric: None,
            tos: 0,
            metrics: Vec::new(),
            locked_mtu: false,
            untracked: false,
        }
    }
}

impl Decoder<'_> {
    /// The routes of a block, one a line.
    pub(super) fn route_lines(&mut self, directive: &Directive) -> Vec<Draft> {
        let lines = directive.children().iter().filter(|line| line.name.form != Form::Other);
        let drafts =
            lines.filter_map(|line| self.entry(line, |decoder| decoder.route_line(line))).collect();
        if directive.children().is_empty() {
            self.empty(directive);
        }
        drafts
    }

    fn route_line(&mut self, line: &Directive) -> Draft {
        let mut draft = Draft::new(line.head());
        let words: Vec<Word> =
            std::iter::once(&line.name).chain(&line.arguments).cloned().collect();
        let mut parts = words.split(|word| word.is("nexthop"));
        let mut own = parts.next().unwrap_or_default().to_vec();
        if let Some(kind) = own.first().and_then(kind_of) {
            draft.kind = kind;
            own.remove(0);
        }
        if let Some(at) = bare(&own) {
            let word = own.remove(at);
            draft.destination = prefix(&word).map(|value| At { value, span: word.span });
        }
        let locks = own.iter().position(|word| word.is("lock"));
        if let Some(at) = locks.filter(|at| *at > 0 && own[at - 1].is("mtu")) {
            draft.locked_mtu = true;
            own.remove(at);
        }
        self.options(&own, &line.properties, OPTIONS, &mut draft);
        for part in parts {
            let mut hop = plain_hop();
            self.options(part, &[], HOP, &mut hop);
            draft.more.push(hop);
        }
        draft
    }

    /// What follows from a draft, in an instance of `family` on `interface` where it says nothing else.
    pub(super) fn finish_route(
        &mut self,
        draft: Draft,
        family: Family,
        default_interface: Option<IfName>,
    ) -> Option<Route> {
        let Draft { span, kind, destination, source, hop, more, table, .. } = draft;
        let Some(At { value: destination, span: place }) = destination else {
            let message = "the route says of no network where it leads";
            self.report(
                Diagnostic::error("missing-value", span, message)
                    .help("one route a line: 10.9.0.0/16 via 10.0.0.9 dev eth0"),
            );
            return None;
        };
        let mut hops: Vec<Hop> = hop.into_iter().chain(more).collect();
        let addresses = hops.iter().filter_map(|hop| hop.via).chain(source);
        let mut families =
            destination.map(|to| to.address).into_iter().chain(addresses).map(Family::of);
        let family = families.next().unwrap_or(family);
        if families.any(|other| other != family) {
            let message = "a route has addresses of one family";
            self.report(Diagnostic::error("family", place, message));
            return None;
        }
        match kind.leads_somewhere() {
            true if hops.is_empty() => {
                hops.push(Hop { interface: default_interface, ..plain_hop() });
            }
            false if !hops.is_empty() => {
                let message =
                    "a route of this kind leads nowhere: it takes neither `via` nor `dev`";
                self.report(Diagnostic::error("bad-value", place, message));
                return None;
            }
            true | false => {}
        }
        let whole = match family {
            Family::V4 => Prefix::new(std::net::Ipv4Addr::UNSPECIFIED.into(), 0),
            Family::V6 => Prefix::new(std::net::Ipv6Addr::UNSPECIFIED.into(), 0),
        };
        let is_local = matches!(kind, RouteKind::Local | RouteKind::Broadcast | RouteKind::Anycast);
        let mut metrics = draft.metrics;
        metrics.sort_unstable();
        Some(Route {
            family,
            kind,
            destination: destination.unwrap_or(whole),
            source,
            hops,
            table: table.unwrap_or(if is_local { LOCAL_TABLE } else { MAIN_TABLE }),
            protocol: draft.protocol,
            scope: draft.scope,
            metric: draft.metric,
            tos: draft.tos,
            metrics,
            locked_mtu: draft.locked_mtu,
            untracked: draft.untracked,
        })
    }

    /// A routing table by number, or by the name that iproute2 has for it.
    pub(super) fn route_table(&mut self, word: &Word) -> Option<u32> {
        if let Ok(number) = word.text.parse::<u32>() {
            if number == 0 {
                self.bad(word, "a table from 1 to 4294967295");
            }
            return (number > 0).then_some(number);
        }
        if let Some((_, number)) = TABLES.iter().find(|(name, _)| word.is(name)) {
            return Some(*number);
        }
        if !self.host.counts() {
            // Of another host: any number stands for it.
            return Some(MAIN_TABLE);
        }
        let found = numbered(TABLE_NAMES, &word.text);
        if found.is_none() {
            self.bad(word, "a number, main, local, default or a name of /etc/iproute2/rt_tables");
        }
        found
    }

    /// The byte of `tos`, decimal or after 0x.
    pub(super) fn type_of_service(&mut self, word: &Word) -> Option<u8> {
        let number = match word.text.strip_prefix("0x") {
            Some(hex) => u8::from_str_radix(hex, 16).ok(),
            None => word.text.parse().ok(),
        };
        if number.is_none() {
            self.bad(word, "a byte as in 0x10");
        }
        number
    }
}

fn kind_of(word: &Word) -> Option<RouteKind> {
    RouteKind::ALL.iter().find(|(name, _)| word.is(name)).map(|(_, kind)| *kind)
}

/// Where the destination stands that no `to` introduces.
fn bare(words: &[Word]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let option = OPTIONS.iter().find(|option| word.is(option.name));
        match option.map(|option| &option.takes) {
            None if prefix(word).is_some() => return Some(at),
            None | Some(super::options::Takes::Nothing(_)) => at += 1,
            Some(super::options::Takes::Value(_)) => at += 2,
            Some(super::options::Takes::NotYet(values, _)) => at += 1 + values,
        }
    }
    None
}

/// The number that one of these files of iproute2's gives to a name.
pub(super) fn numbered(files: [&str; 2], name: &str) -> Option<u32> {
    let texts = files.iter().filter_map(|path| fs::read_to_string(path).ok());
    texts.into_iter().find_map(|text| named(&text, name))
}

/// The number of a name in the text of such a file: `NUMBER NAME` a line.
fn named(text: &str, name: &str) -> Option<u32> {
    let line = |line: &str| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let (number, known) = (words.next()?, words.next()?);
        (known == name).then(|| number.parse().ok()).flatten()
    };
    text.lines().find_map(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_the_names_that_the_host_gives_them() {
        let text = "# reserved\n255\tlocal\n1000 edge # the edge\n#7 off\n";
        assert_eq!(named(text, "edge"), Some(1000));
        assert_eq!(named(text, "local"), Some(255));
        assert_eq!(named(text, "off"), None);
        assert_eq!(named("x edge\n", "edge"), None);
    }
}
