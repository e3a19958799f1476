//! `use_vmac` and `use_ipvlan`: the interface of a virtual router, its name, and its MAC address or its address.

use std::net::IpAddr;

use vrrp::io::virtual_link::Peering;
use vrrp::{Family, IfName, Vrid};

use super::complete::Finished;
use super::{At, Decoder, addresses, instance, route};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{OwnLink, OwnLinkKind};
use crate::config::tree::{Directive, Word};

/// What was given of a `use_vmac`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Vmac {
    name: Option<IfName>,
    mac: Option<Mac>,
    group: u32,
}

/// What was given of a `use_ipvlan`.
#[derive(Debug, Clone, Default)]
pub(super) struct Ipvlan {
    name: Option<IfName>,
    pub(super) address: Option<addresses::Draft>,
    peering: Option<Peering>,
    group: u32,
}

/// A MAC address as written.
#[derive(Debug, Clone, Copy)]
enum Mac {
    Whole([u8; 6]),
    /// The virtual router id is the last byte.
    Beginning([u8; 5]),
}

const PEERINGS: [(&str, Peering); 3] =
    [("bridge", Peering::Bridge), ("private", Peering::Private), ("vepa", Peering::Vepa)];

/// Where iproute2 gives groups of interfaces their names.
const GROUP_NAMES: [&str; 2] = ["/etc/iproute2/group", "/usr/share/iproute2/group"];

impl Decoder<'_> {
    /// `use_vmac [NAME] [MAC] [group GROUP]`, in any order.
    pub(super) fn vmac(&mut self, directive: &Directive) -> Option<At<Vmac>> {
        let mut draft = Vmac::default();
        let mut words = directive.arguments.iter();
        while let Some(word) = words.next() {
            if word.is("netlink_notify_msg") || word.is("true") {
                continue;
            }
            if word.is("false") {
                return None;
            }
            if word.is("group") {
                draft.group = self.link_group(word, words.next());
                continue;
            }
            if word.text.contains(':') {
                draft.mac = mac(&word.text);
                if draft.mac.is_none() {
                    self.bad(word, "a MAC address of 6 bytes, or its first 5, that is no group's,");
                }
            } else if draft.name.is_none() {
                draft.name = self.parsed(word);
            } else {
                self.surplus_word(word.span);
            }
        }
        Some(At { value: draft, span: directive.head() })
    }

    /// What follows `group`: a number, or the name that iproute2 has for it.
    fn link_group(&mut self, keyword: &Word, word: Option<&Word>) -> u32 {
        let Some(word) = word else {
            self.surplus_word(keyword.span);
            return 0;
        };
        if let Ok(number) = word.text.parse() {
            return number;
        }
        // Of another host: any number stands for it.
        if word.is("default") || !self.host.counts() {
            return 0;
        }
        let found = route::numbered(GROUP_NAMES, &word.text);
        if found.is_none() {
            self.bad(word, "a number, default or a name of /etc/iproute2/group");
        }
        found.unwrap_or_default()
    }

    /// `use_ipvlan [NAME] [ADDRESS] [bridge | private | vepa] [group GROUP]`, in any order. Later versions of keepalived
    /// write `name NAME`.
    pub(super) fn ipvlan(&mut self, directive: &Directive) -> Option<At<Ipvlan>> {
        let mut draft = Ipvlan::default();
        let mut words = directive.arguments.iter();
        while let Some(mut word) = words.next() {
            if word.is("true") {
                continue;
            }
            if word.is("false") {
                return None;
            }
            if let Some((_, peering)) = PEERINGS.iter().find(|(name, _)| word.is(name)) {
                match draft.peering {
                    None => draft.peering = Some(*peering),
                    Some(_) => self.surplus_word(word.span),
                }
                continue;
            }
            if word.is("group") {
                draft.group = self.link_group(word, words.next());
                continue;
            }
            let begins = word.text.split('/').next().unwrap_or_default();
            if begins.parse::<IpAddr>().is_ok() {
                match draft.address {
                    None => draft.address = self.virtual_address(word),
                    Some(_) => self.surplus_word(word.span),
                }
                continue;
            }
            if word.is("name")
                && let Some(name) = words.next()
            {
                word = name;
            }
            match draft.name {
                None => draft.name = self.parsed(word),
                Some(_) => self.surplus_word(word.span),
            }
        }
        Some(At { value: draft, span: directive.head() })
    }

    /// What follows from either, and what of the instance makes no sense without it.
    pub(super) fn finish_own_link(
        &mut self,
        draft: &instance::Draft,
        family: Family,
        vrid: Vrid,
        prefix: &str,
    ) -> Option<OwnLink> {
        if let (Some(vmac), Some(ipvlan)) = (&draft.vmac, &draft.ipvlan) {
            let message =
                "`use_ipvlan` beside `use_vmac`: an instance has one interface of its own";
            self.report(
                Diagnostic::error("twice", ipvlan.span, message)
                    .related(vmac.span, "the other")
                    .help("take one of them out"),
            );
        }
        if let Some(span) = draft.vmac_xmit_base
            && draft.vmac.is_none()
        {
            self.adjusted(span, "`vmac_xmit_base` without `use_vmac` is left out");
        }
        let (at, name, group, keyword) = match (&draft.vmac, &draft.ipvlan) {
            (Some(At { value, span }), _) => (*span, value.name, value.group, "use_vmac"),
            (None, Some(At { value, span })) => (*span, value.name, value.group, "use_ipvlan"),
            (None, None) => {
                if let Some(vrf) = draft.vrf {
                    self.adjusted(
                        vrf.span,
                        "`vrf` without `use_vmac` or `use_ipvlan` is left out: the interface stays in its own",
                    );
                }
                return None;
            }
        };
        let six = if family == Family::V6 { "6" } else { "" };
        let name = name.or_else(|| format!("{prefix}{six}.{vrid}").parse().ok())?;
        if draft.interface.is_some_and(|interface| interface.value == name) {
            let message = format!("`{name}` is the interface that it is to stand on");
            self.report(
                Diagnostic::error("bad-value", at, message)
                    .help(format!("name another, or none: {keyword}")),
            );
        }
        let kind = match (&draft.vmac, &draft.ipvlan) {
            (None, Some(ipvlan)) => self.finish_ipvlan(ipvlan, draft, family, name),
            (vmac, _) => {
                OwnLinkKind::Vmac(vmac.and_then(|vmac| vmac.value.mac).map(|mac| match mac {
                    Mac::Whole(mac) => mac,
                    Mac::Beginning([a, b, c, d, e]) => [a, b, c, d, e, vrid.into()],
                }))
            }
        };
        Some(OwnLink { name, kind, group })
    }

    /// A virtual interface has one router, and those of one base are of one sort: the kernel has either macvlans or
    /// ipvlans on it, and one mode for all of these.
    pub(super) fn one_virtual_link_each(&mut self, instances: &[Finished], finished: &Finished) {
        let instance = &finished.instance;
        let Some(link) = &instance.own_link else { return };
        let mut before = instances.iter().take_while(|other| !std::ptr::eq(*other, finished));
        let has_name = |other: &&Finished| {
            other.instance.own_link.as_ref().is_some_and(|it| it.name == link.name)
        };
        let is_other =
            |other: &&Finished| other.instance.has_other_sort_on(instance.interface, &link.kind);
        let clashes = [
            before.clone().find(has_name).map(|first| {
                let what = format!("both have the interface {}", link.name);
                let keyword = link.kind.keyword();
                let mend = format!("give one of them a name of its own: {keyword} NAME");
                ("twice", first, what, mend)
            }),
            before.find(is_other).map(|first| {
                let base = instance.interface;
                let what = format!(
                    "have interfaces of different sorts on {base}, which the kernel does not do"
                );
                let mend =
                    "use_vmac on all of one interface, or use_ipvlan with the same mode on all";
                ("mixed-links", first, what, mend.to_owned())
            }),
        ];
        for (code, first, what, mend) in clashes.into_iter().flatten() {
            let message = format!("`{}` and `{}` {what}", first.instance.name, instance.name);
            let clash = Diagnostic::error(code, finished.vrid, message);
            self.report(clash.related(first.vrid, "the first").help(mend));
        }
    }

    fn finish_ipvlan(
        &mut self,
        At { value, span }: &At<Ipvlan>,
        draft: &instance::Draft,
        family: Family,
        name: IfName,
    ) -> OwnLinkKind {
        match &value.address {
            Some(address) if Family::of(address.address.value) != family => {
                let At { value, span } = address.address;
                let message =
                    format!("{value} is no {family} address, as the virtual addresses are");
                self.report(Diagnostic::error("family", span, message));
            }
            None if family == Family::V4 && draft.source.is_none() => {
                let message =
                    "`use_ipvlan` without an address: an IPv4 router has none to send from";
                self.report(
                    Diagnostic::error("missing-value", *span, message)
                        .help("write `use_ipvlan ADDRESS`, one that no other host has"),
                );
            }
            Some(_) | None => {}
        }
        let address = value.address.clone().map(|address| address.finish(name, family, false));
        OwnLinkKind::Ipvlan { peering: value.peering.unwrap_or_default(), address }
    }
}

fn mac(text: &str) -> Option<Mac> {
    let bytes = text.split(':').map(|byte| match byte.len() {
        1 | 2 => u8::from_str_radix(byte, 16).ok(),
        _ => None,
    });
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    // The lowest bit of the first byte marks a group.
    if bytes.first().is_some_and(|first| first & 1 != 0) {
        return None;
    }
    let whole = <[u8; 6]>::try_from(bytes.as_slice()).map(Mac::Whole).ok();
    whole.or_else(|| <[u8; 5]>::try_from(bytes.as_slice()).map(Mac::Beginning).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Grammar, Host, load_text};

    fn loaded(words: &str, address: &str) -> (Option<Config>, String) {
        let text = format!(
            "vrrp_instance v51 {{\ninterface eth0\nvirtual_router_id 51\nversion 3\n{words}\n\
             virtual_ipaddress {{\n{address}\n}}\n}}\n"
        );
        let loaded = load_text("v.conf", text.as_bytes(), Grammar::Keepalived, Host::Any);
        (loaded.config, format!("{:?}", loaded.diagnostics))
    }

    #[test]
    fn an_ipvlan_has_name_address_and_mode_in_any_order() {
        let link =
            |words: &str, vip: &str| loaded(words, vip).0.unwrap().instances[0].own_link.clone();
        let shown = |words: &str, vip: &str| {
            let OwnLink { name, kind, .. } = link(words, vip).unwrap();
            let OwnLinkKind::Ipvlan { peering, address } = kind else { panic!("{words}") };
            let address = address.map(|it| {
                assert_eq!(it.dev, name, "it stands there");
                format!("{}/{}", it.address, it.prefix)
            });
            (name.to_string(), address.unwrap_or_default(), peering)
        };
        let of =
            |name: &str, address: &str, peering| (name.to_owned(), address.to_owned(), peering);
        let four = "10.0.0.100";
        for (words, wanted) in [
            ("use_ipvlan 10.0.0.7", of("vrrp.51", "10.0.0.7/32", Peering::Bridge)),
            ("use_ipvlan edge0 10.0.0.7/24 private", of("edge0", "10.0.0.7/24", Peering::Private)),
            ("use_ipvlan vepa 10.0.0.7 name edge0", of("edge0", "10.0.0.7/32", Peering::Vepa)),
            ("use_ipvlan edge0\nmcast_src_ip 10.0.0.1", of("edge0", "", Peering::Bridge)),
        ] {
            assert_eq!(shown(words, four), wanted, "{words}");
        }
        assert_eq!(shown("use_ipvlan", "fe80::100"), of("vrrp6.51", "", Peering::Bridge));
        let (six, wanted) = ("use_ipvlan fe80::7", of("vrrp6.51", "fe80::7/128", Peering::Bridge));
        assert_eq!(shown(six, "fe80::100"), wanted);
        assert_eq!(link("use_ipvlan false", four), None);
    }

    #[test]
    fn an_ipvlan_that_could_not_work_is_told() {
        for (words, said) in [
            ("use_ipvlan", "an IPv4 router has none to send from"),
            ("use_ipvlan fe80::7", "is no IPv4 address"),
            ("use_ipvlan 10.0.0.7\nuse_vmac", "one interface of its own"),
            ("use_ipvlan eth0 10.0.0.7", "is the interface that it is to stand on"),
        ] {
            let (config, told) = loaded(words, "10.0.0.100");
            assert!(config.is_none() && told.contains(said), "{words}: {told}");
        }
        for (words, said) in [
            ("use_ipvlan 10.0.0.7 10.0.0.8", "10.0.0.8"),
            ("use_ipvlan 10.0.0.7 group", "group"),
            ("use_ipvlan 10.0.0.7 private bridge", "bridge"),
            ("use_ipvlan 10.0.0.7\nvmac_xmit_base", "`vmac_xmit_base` without `use_vmac`"),
        ] {
            let (config, told) = loaded(words, "10.0.0.100");
            assert!(config.is_some() && told.contains(said), "{words}: {told}");
        }
    }

    #[test]
    fn either_may_be_in_a_group_of_interfaces() {
        for (words, name, group) in [
            ("use_ipvlan 10.0.0.7", "vrrp.51", 0),
            ("use_ipvlan group 4 10.0.0.7 private", "vrrp.51", 4),
            ("use_ipvlan edge0 10.0.0.7 group default", "edge0", 0),
            ("use_vmac group 4294967295", "vrrp.51", u32::MAX),
            ("use_vmac edge0 group 7 02:00:00:00:00:33", "edge0", 7),
            ("use_vmac group 4294967296", "vrrp.51", 0),
        ] {
            let link = loaded(words, "10.0.0.100").0.unwrap().instances[0].own_link.clone();
            let link = link.unwrap();
            assert_eq!((link.name.as_str(), link.group), (name, group), "{words}");
        }
    }

    #[test]
    fn a_mac_address_has_six_bytes_or_five_and_is_no_groups() {
        assert!(matches!(mac("02:00:00:00:00:33"), Some(Mac::Whole([2, 0, 0, 0, 0, 0x33]))));
        assert!(matches!(mac("2:0:5e:0:1"), Some(Mac::Beginning([2, 0, 0x5e, 0, 1]))));
        for wrong in
            ["", ":", "02:00:00:00", "01:00:5e:00:00:12", "02:00:00:00:00:00:01", "0x:0:0:0:0"]
        {
            assert!(mac(wrong).is_none(), "{wrong}");
        }
    }
}
