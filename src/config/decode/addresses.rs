//! Lines of `virtual_ipaddress`: an address with its prefix and where it goes.

use std::net::{IpAddr, Ipv4Addr};

use vrrp::{AddressOptions, Family};

use super::options::{OptionWord, alone, value};
use super::route::SCOPES;
use super::{At, Decoder};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{Broadcast, VirtualAddress};
use crate::config::tree::{Directive, Form, Word};

/// One address as far as it was given.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) address: At<IpAddr>,
    pub(super) prefix: u8,
    dev: Option<vrrp::IfName>,
    broadcast: Broadcast,
    label: Option<String>,
    scope: u8,
    noprefixroute: bool,
    options: AddressOptions,
    use_vmac: bool,
    no_track: bool,
    pub(super) track_group: Option<At<String>>,
}

impl Draft {
    /// Whether its network does not hold another address of the same interface.
    pub(super) fn is_apart_from(&self, other: IpAddr, interface: Option<vrrp::IfName>) -> bool {
        let same_link = self.dev.is_none() || self.dev == interface;
        let apart = match (self.address.value, other) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or_default();
                self.prefix < 32 && (one.to_bits() ^ other.to_bits()) & mask != 0
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or_default();
                // Link-local addresses and others share a link without sharing a network.
                let mixed = one.is_unicast_link_local() != other.is_unicast_link_local();
                self.prefix < 128 && !mixed && (one.to_bits() ^ other.to_bits()) & mask != 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        };
        same_link && apart
    }

    /// Where it goes, if that was said.
    pub(super) fn interface(&self) -> Option<vrrp::IfName> {
        self.dev
    }

    /// One that belongs to no instance.
    fn finish_static(self, interface: vrrp::IfName) -> VirtualAddress {
        let family = Family::of(self.address.value);
        VirtualAddress { use_vmac: false, ..self.finish(interface, family, false) }
    }

    /// With the instance's interface where none is named. `use_vmac_addr` concerns what is of another interface or family
    /// than its instance.
    pub(super) fn finish(
        self,
        interface: vrrp::IfName,
        family: Family,
        use_vmac_addr: bool,
    ) -> VirtualAddress {
        let is_elsewhere = self.dev.is_some_and(|dev| dev != interface)
            || Family::of(self.address.value) != family;
        VirtualAddress {
            address: self.address.value,
            prefix: self.prefix,
            dev: self.dev.unwrap_or(interface),
            broadcast: self.broadcast,
            label: self.label,
            scope: self.scope,
            noprefixroute: self.noprefixroute,
            options: self.options,
            use_vmac: self.use_vmac || use_vmac_addr && is_elsewhere,
            no_track: self.no_track,
        }
    }
}

/// Longest label: IFNAMSIZ less the closing NUL.
const LABEL: usize = 15;

const OPTIONS: &[OptionWord<Draft>] = &[
    value("dev", |decoder, word, draft| draft.dev = decoder.interface(word)),
    value("brd", broadcast),
    value("broadcast", broadcast),
    value("label", |decoder, word, draft| match word.text.len() {
        1..=LABEL => draft.label = Some(word.text.to_string()),
        _ => decoder.bad(word, format_args!("at most {LABEL} characters, as in `eth0:1`,")),
    }),
    value("scope", |decoder, word, draft| {
        let scope = word.text.parse().ok().or_else(|| decoder.choice(word, &SCOPES));
        draft.scope = scope.unwrap_or_default();
    }),
    alone("-nodad", |draft| draft.options.detects_duplicates = true),
    alone("nodad", |draft| draft.options.detects_duplicates = false),
    alone("noprefixroute", |draft| draft.noprefixroute = true),
    alone("no_track", |draft| draft.no_track = true),
    value("peer", peer),
    alone("home", |draft| draft.options.home = true),
    alone("mngtmpaddr", |draft| draft.options.makes_temporary = true),
    alone("autojoin", |draft| draft.options.joins = true),
    value("preferred_lft", |decoder, word, draft| {
        draft.options.preferred = match &*word.text {
            "forever" => Some(u32::MAX),
            _ => decoder.number_in(word, 0..=u32::MAX),
        };
    }),
    value("track_group", |_, word, draft| {
        draft.track_group = Some(At { value: word.text.to_string(), span: word.span });
    }),
    alone("use_vmac", |draft| draft.use_vmac = true),
];

/// The other end, and the prefix around it: `10.0.0.1 peer 10.0.0.2/24`.
fn peer(decoder: &mut Decoder<'_>, word: &Word, draft: &mut Draft) {
    let (address, length) = match word.text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (&*word.text, None),
    };
    let most = if draft.address.value.is_ipv4() { 32 } else { 128 };
    let address = address.parse::<IpAddr>().ok();
    let address = address.filter(|it| it.is_ipv4() == draft.address.value.is_ipv4());
    let length = match length.map(str::parse) {
        None => Some(most),
        Some(length) => length.ok().filter(|length| *length <= most),
    };
    match (address, length) {
        (Some(address), Some(length)) => {
            (draft.options.peer, draft.prefix) = (Some(address), length);
        }
        _ => decoder.bad(word, "an address of the same family, with a prefix length or without,"),
    }
}

fn broadcast(decoder: &mut Decoder<'_>, word: &Word, draft: &mut Draft) {
    draft.broadcast = match (&*word.text, draft.address.value) {
        (_, IpAddr::V6(_)) => {
            let message = "IPv6 has no broadcast address";
            return decoder.wrong(Diagnostic::error("bad-value", word.span, message));
        }
        ("+", IpAddr::V4(_)) => Broadcast::Auto,
        ("-", IpAddr::V4(_)) => Broadcast::None,
        (_, IpAddr::V4(_)) => match word.text.parse::<Ipv4Addr>() {
            Ok(address) => Broadcast::Address(address),
            Err(_) => return decoder.bad(word, "an IPv4 address, + or -"),
        },
    };
}

impl Decoder<'_> {
    /// Those of `static_ipaddress`.
    pub(super) fn finish_static(
        &mut self,
        drafts: Vec<Draft>,
        default_interface: Option<vrrp::IfName>,
    ) -> Vec<VirtualAddress> {
        for draft in drafts.iter().filter(|draft| draft.use_vmac) {
            let message = "`use_vmac` is of addresses that an instance holds: left out";
            self.adjusted(draft.address.span, message);
        }
        let finished =
            drafts.into_iter().map(|draft| Some(draft.finish_static(default_interface?)));
        finished.flatten().collect()
    }

    /// The addresses of a block, one a line; in KDL they may stand as arguments too.
    pub(super) fn virtual_addresses(&mut self, directive: &Directive) -> Vec<Draft> {
        let mut addresses = Vec::new();
        for word in &directive.arguments {
            let Some(mut draft) = self.virtual_address(word) else { continue };
            self.options(&[], &directive.properties, OPTIONS, &mut draft);
            addresses.push(draft);
        }
        for line in directive.children() {
            if line.name.form == Form::Other {
                continue;
            }
            let address = self.entry(line, |decoder| decoder.address_line(line));
            addresses.extend(address.flatten());
        }
        if directive.arguments.is_empty() && directive.children().is_empty() {
            self.empty(directive);
        }
        addresses
    }

    fn address_line(&mut self, line: &Directive) -> Option<Draft> {
        let mut draft = self.virtual_address(&line.name)?;
        if line.block.is_some() {
            let message = "an address takes no block";
            self.report(Diagnostic::error("surplus-block", line.head(), message));
        }
        let own = self.own_options(line);
        self.options(&line.arguments[..own], &line.properties, OPTIONS, &mut draft);
        Some(draft)
    }

    /// An address with or without its prefix length.
    pub(super) fn virtual_address(&mut self, word: &Word) -> Option<Draft> {
        let (address, length) = match word.text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (&*word.text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            self.no_address(word);
            return None;
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match length.map(str::parse) {
            None => Some(most),
            Some(Ok(length)) if length <= most => Some(length),
            Some(_) => None,
        };
        let prefix = match prefix {
            Some(prefix) => prefix,
            None => {
                let found = super::value::shown(word);
                let message = format!(
                    "`{found}`: a prefix length from 0 to {most} is wanted after the slash"
                );
                let told = Diagnostic::error("bad-value", word.span, message);
                self.instead(word, format!("{address}/{most}"), told)?;
                most
            }
        };
        Some(Draft {
            address: At { value: address, span: word.span },
            prefix,
            dev: None,
            broadcast: Broadcast::None,
            label: None,
            scope: 0,
            noprefixroute: false,
            options: AddressOptions::default(),
            use_vmac: false,
            no_track: false,
            track_group: None,
        })
    }

    fn no_address(&mut self, word: &Word) {
        let found = super::value::shown(word);
        let message = format!("`{found}` is no IP address");
        let diagnostic = Diagnostic::error("bad-value", word.span, message)
            .help("one address a line: 10.0.0.100/24 dev eth0 label eth0:1");
        self.wrong(diagnostic);
    }

    /// How many of a line's words are options of its address: a second address on the line is an unknown option to
    /// keepalived, and not held.
    fn own_options(&mut self, line: &Directive) -> usize {
        let is_address = |word: &Word| {
            let address = word.text.split('/').next().unwrap_or_default();
            address.parse::<IpAddr>().is_ok()
        };
        let after_value = |at: usize| {
            at > 0
                && ["brd", "broadcast", "peer"].iter().any(|name| line.arguments[at - 1].is(name))
        };
        let second = (0..line.arguments.len())
            .find(|&at| is_address(&line.arguments[at]) && !after_value(at));
        let Some(second) = second else { return line.arguments.len() };
        for word in &line.arguments[second..] {
            let message = format!(
                "`{}` stands behind another address on its line and will not be held",
                word.text
            );
            self.passed_over(
                Diagnostic::warning("surplus-word", word.span, message)
                    .help("write one address a line"),
            );
        }
        second
    }
}
