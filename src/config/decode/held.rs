//! Which addresses an instance advertises and holds: one family, no repetition, no more than an advertisement has room
//! for.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use vrrp::{Family, Version};

use super::addresses;
use super::instance::Draft;
use super::{At, Decoder};
use crate::config::diagnostic::Diagnostic;
use crate::config::source::Span;

/// Most IPv6 addresses in one advertisement on an MTU of 1500; the count field would allow 255.
const MOST_V6: usize = (1500 - 40 - 8) / 16;
/// Most IPv4 addresses: the count field has 8 bits (RFC 9568 section 5.2.5).
const MOST_V4: usize = 255;

impl Decoder<'_> {
    /// That of the first address; of the others, only the excluded ones may differ.
    pub(super) fn family(&mut self, draft: &mut Draft) -> Family {
        let first = draft.virtual_addresses.first().or(draft.excluded_addresses.first());
        let first = first.map(|address| address.address.value);
        let peer = draft.unicast_peers.first().map(|(peer, _)| peer.address);
        let source = draft.source.map(|source| source.value);
        let own = draft.ipvlan.as_ref().and_then(|ipvlan| ipvlan.value.address.as_ref());
        let own = own.map(|address| address.address.value);
        let family = first.or(peer).or(source).or(own).map_or(Family::V4, Family::of);
        let mut held = std::mem::take(&mut draft.virtual_addresses);
        held.retain(|address| {
            let At { value, span } = address.address;
            let fits = Family::of(value) == family;
            if !fits {
                self.passed_over(
                    Diagnostic::warning(
                        "family",
                        span,
                        format!("{value} is not {family} like the first address, and is left out"),
                    )
                    .help("put it into virtual_ipaddress_excluded, or into an instance of its own"),
                );
            }
            fits
        });
        draft.virtual_addresses = held;
        family
    }

    /// What is advertised and what is only held, told where they cannot be as they were given.
    pub(super) fn held_addresses(
        &mut self,
        draft: &mut Draft,
        family: Family,
        version: Version,
        strict: bool,
        keyword: Span,
    ) {
        self.drop_repeated(&mut draft.virtual_addresses);
        self.drop_repeated(&mut draft.excluded_addresses);
        if let Some(first) = draft.virtual_addresses.first() {
            let At { value, span } = first.address;
            let link_local = match value {
                IpAddr::V4(_) => true,
                IpAddr::V6(address) => is_link_local(address),
            };
            if !link_local {
                let message = "the first IPv6 address must be link-local, as in fe80::100 (RFC 9568 section 5.2.9)";
                let help = "put one before it, the same on all of its routers: hosts take it for their gateway";
                self.report(Diagnostic::warning("link-local", span, message).help(help));
            }
        } else if !(draft.said_addresses && self.diagnostics.has_errors()) {
            // Addresses that are wrong were told, and are not missing too.
            self.holds_nothing(draft, version, strict, keyword);
        }
        let most = if family == Family::V4 { MOST_V4 } else { MOST_V6 };
        if draft.virtual_addresses.len() > most {
            let rest = draft.virtual_addresses.split_off(most);
            let message = format!(
                "an advertisement has room for {most} addresses: {} more are held without being advertised",
                rest.len()
            );
            self.adjusted(rest[0].address.span, message);
            draft.excluded_addresses.extend(rest);
        }
    }

    /// An address whose own network does not have the router's address on that interface: neighbours there do not
    /// look for it. An address without a prefix says nothing of networks.
    pub(super) fn subnets(&mut self, draft: &Draft) {
        let Some(source) = draft.source else { return };
        for held in &draft.virtual_addresses {
            let At { value, span } = held.address;
            if !held.is_apart_from(source.value, draft.interface.map(|interface| interface.value)) {
                continue;
            }
            let message = format!(
                "{value}/{} is in another network than {}, this router's own address on the interface",
                held.prefix, source.value
            );
            self.report(
                Diagnostic::warning("subnet", span, message)
                    .related(source.span, "its own address")
                    .with(draft.interface.map(|interface| interface.span), "the interface")
                    .help("mend the address or its prefix, or name its interface: dev NAME"),
            );
        }
    }

    fn holds_nothing(&mut self, draft: &Draft, version: Version, strict: bool, keyword: Span) {
        let name = &draft.name;
        let help = "add: virtual_ipaddress { ADDRESS/PREFIX }";
        let diagnostic = if strict {
            let message =
                format!("vrrp_instance `{name}` has no virtual address, and strict mode wants one");
            Diagnostic::error("missing-keyword", keyword, message)
                .with(self.strict_at, "strict mode")
                .help(help)
        } else if draft.no_virtual_ipaddress {
            return;
        } else if version == Version::V3 {
            let message =
                format!("vrrp_instance `{name}` has no virtual address, and version 3 wants one");
            let help = format!("{help}, or say no_virtual_ipaddress");
            Diagnostic::error("missing-keyword", keyword, message).help(help)
        } else if draft.excluded_addresses.is_empty() {
            let message = format!("vrrp_instance `{name}` holds no address");
            Diagnostic::warning("missing-keyword", keyword, message).help(help)
        } else {
            return;
        };
        self.report(diagnostic);
    }

    fn drop_repeated(&mut self, addresses: &mut Vec<addresses::Draft>) {
        let mut seen: HashMap<IpAddr, Span> = HashMap::new();
        addresses.retain(|address| {
            let At { value, span } = address.address;
            let first = *seen.entry(value).or_insert(span);
            if first != span {
                let message = format!("{value} stands here a second time and is left out");
                self.report(
                    Diagnostic::warning("twice", span, message).related(first, "the first"),
                );
            }
            first == span
        });
    }
}

fn is_link_local(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfe80
}
