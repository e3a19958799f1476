//! PURE: which packets to and from virtual addresses are dropped (`no_accept`, strict mode; RFC 9568 section 6.4.3 item
//! 650), as text for the programs that make the rules: `nft`, or `iptables-restore` where nftables is not to be had.
//!
//! The rules stand as long as their router is configured, Master or not (section 6.4.2 wants them of a Backup too), so
//! that no takeover waits for a program and no address is ever there before its rule. Neighbour discovery always passes
//! (section 6.1, Accept_Mode).

pub(super) mod program;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use vrrp::{Family, IfName};

use super::spec::RouterWork;
use crate::config::model::Firewall;

/// The chains of ours that those of iptables lead to.
const CHAIN_IN: &str = "evenkeel-in";
const CHAIN_OUT: &str = "evenkeel-out";

/// What is dropped, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallSpec {
    /// Addresses that nothing reaches, each once.
    pub closed: BTreeSet<Closed>,
    /// Where the rules are to be.
    pub form: Firewall,
}

/// An address that takes no packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Closed {
    /// The address.
    pub address: IpAddr,
    /// Where it is, for one that is link-local and means nothing without.
    pub interface: Option<IfName>,
}

impl FirewallSpec {
    /// Of all routers that neither own their addresses nor accept for them.
    pub(super) fn of(works: &[RouterWork], form: &Firewall) -> Self {
        let closing = works.iter().filter(|work| !work.accept);
        let closed = closing.flat_map(|work| &work.addresses).map(|vip| Closed {
            address: vip.address,
            interface: is_link_local(vip.address).then_some(vip.interface),
        });
        Self { closed: closed.collect(), form: form.clone() }
    }

    /// The families that have something to drop.
    pub(super) fn families(&self) -> BTreeSet<Family> {
        self.closed.iter().map(|closed| Family::of(closed.address)).collect()
    }

    fn of_family(&self, family: Family) -> impl Iterator<Item = &Closed> {
        self.closed.iter().filter(move |closed| Family::of(closed.address) == family)
    }

    /// One transaction for `nft -f -`: whatever stood in our tables of these families is replaced.
    pub(super) fn nft(&self, standing: &BTreeSet<Family>) -> String {
        let mut text = nft_without(&self.form.table, &(standing | &self.families()));
        for family in self.families() {
            self.nft_table(family, &mut text);
        }
        text
    }

    fn nft_table(&self, family: Family, text: &mut String) {
        let Firewall { table, priority, counters, iptables: _ } = &self.form;
        let (here, kind) = match family {
            Family::V4 => ("ip", "ipv4_addr"),
            Family::V6 => ("ip6", "ipv6_addr"),
        };
        let everywhere = self.of_family(family).filter(|closed| closed.interface.is_none());
        let everywhere = everywhere.map(|closed| closed.address.to_string());
        let everywhere: Vec<_> = everywhere.collect();
        let local = self.of_family(family).filter_map(|closed| Some((closed, closed.interface?)));
        let local = local.map(|(closed, at)| format!("{} . \"{at}\"", closed.address));
        let local: Vec<_> = local.collect();
        let drop = if *counters { "counter drop" } else { "drop" };
        // A String takes everything that is written to it.
        let _ = writeln!(text, "table {here} {table} {{");
        for (name, kind, elements) in [
            ("vips", kind.to_owned(), &everywhere),
            ("local_vips", format!("{kind} . ifname"), &local),
        ] {
            if !elements.is_empty() {
                let elements = elements.join(", ");
                let _ = writeln!(text, " set {name} {{\n  type {kind}");
                let _ = writeln!(text, "  elements = {{ {elements} }}\n }}");
            }
        }
        for (chain, hook, side, interface) in
            [("in", "input", "daddr", "iifname"), ("out", "output", "saddr", "oifname")]
        {
            let _ = writeln!(text, " chain {chain} {{");
            let _ = writeln!(text, "  type filter hook {hook} priority {priority};");
            if family == Family::V6 {
                let passing = "nd-neighbor-solicit, nd-neighbor-advert";
                let _ = writeln!(text, "  icmpv6 type {{ {passing} }} accept");
            }
            if !everywhere.is_empty() {
                let _ = writeln!(text, "  {here} {side} @vips {drop}");
            }
            if !local.is_empty() {
                let _ = writeln!(text, "  {here} {side} . {interface} @local_vips {drop}");
            }
            text.push_str(" }\n");
        }
        text.push_str("}\n");
    }

    /// For `iptables-restore --noflush` (or ip6tables'): our chains anew, everything else as it is.
    pub(super) fn iptables(&self, family: Family) -> String {
        let mut text = format!("*filter\n:{CHAIN_IN} - [0:0]\n:{CHAIN_OUT} - [0:0]\n");
        for (chain, side, interface) in [(CHAIN_IN, "-d", "-i"), (CHAIN_OUT, "-s", "-o")] {
            if family == Family::V6 {
                for kind in ["neighbour-solicitation", "neighbour-advertisement"] {
                    let _ = writeln!(text, "-A {chain} -p icmpv6 --icmpv6-type {kind} -j RETURN");
                }
            }
            for closed in self.of_family(family) {
                let at =
                    closed.interface.map_or_else(String::new, |at| format!(" {interface} {at}"));
                let _ = writeln!(text, "-A {chain} {side} {}{at} -j DROP", closed.address);
            }
        }
        text + "COMMIT\n"
    }
}

/// A transaction that takes our tables of these families away, whether they are there or not.
pub(super) fn nft_without(table: &str, families: &BTreeSet<Family>) -> String {
    let mut text = String::new();
    for family in families {
        let here = nft_family(*family);
        // Deleting alone would fail where there is none.
        let _ = writeln!(text, "table {here} {table} {{ }}\ndelete table {here} {table}");
    }
    text
}

/// nft's word for a family.
pub(super) fn nft_family(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

/// From a chain of iptables to ours, as `iptables -C`, `-I` and `-D` take it.
pub(super) fn jumps(form: &Firewall) -> Vec<[String; 3]> {
    let chains = form.iptables.clone().unwrap_or_default();
    let output = chains.output.map(|chain| (chain, CHAIN_OUT));
    let jumps = [(chains.input, CHAIN_IN)].into_iter().chain(output);
    jumps.map(|(from, to)| [from, "-j".to_owned(), to.to_owned()]).collect()
}

/// The chains of ours in iptables.
pub(super) const CHAINS: [&str; 2] = [CHAIN_IN, CHAIN_OUT];

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Chains;

    fn spec() -> FirewallSpec {
        let closed = |address: &str, at: Option<&str>| Closed {
            address: address.parse().unwrap(),
            interface: at.map(|at| at.parse().unwrap()),
        };
        let closed = [
            closed("10.0.0.100", None),
            closed("10.0.0.101", None),
            closed("fe80::100", Some("eth0")),
            closed("fd00::100", None),
        ];
        FirewallSpec { closed: closed.into(), form: Firewall::default() }
    }

    #[test]
    fn a_transaction_replaces_what_stood() {
        let expected = "table ip evenkeel { }
delete table ip evenkeel
table ip6 evenkeel { }
delete table ip6 evenkeel
table ip evenkeel {
 set vips {
  type ipv4_addr
  elements = { 10.0.0.100, 10.0.0.101 }
 }
 chain in {
  type filter hook input priority -1;
  ip daddr @vips drop
 }
 chain out {
  type filter hook output priority -1;
  ip saddr @vips drop
 }
}
table ip6 evenkeel {
 set vips {
  type ipv6_addr
  elements = { fd00::100 }
 }
 set local_vips {
  type ipv6_addr . ifname
  elements = { fe80::100 . \"eth0\" }
 }
 chain in {
  type filter hook input priority -1;
  icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
  ip6 daddr @vips drop
  ip6 daddr . iifname @local_vips drop
 }
 chain out {
  type filter hook output priority -1;
  icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
  ip6 saddr @vips drop
  ip6 saddr . oifname @local_vips drop
 }
}
";
        assert_eq!(spec().nft(&BTreeSet::new()), expected);
    }

    #[test]
    fn a_family_that_has_nothing_left_loses_its_table() {
        let mut spec = spec();
        spec.closed.retain(|closed| closed.address.is_ipv4());
        spec.form.counters = true;
        let text = spec.nft(&[Family::V6].into());
        assert!(text.contains("delete table ip6 evenkeel\n"), "{text}");
        assert!(!text.contains("set local_vips") && text.contains("@vips counter drop"), "{text}");
        assert_eq!(nft_without("x", &BTreeSet::new()), "");
    }

    #[test]
    fn chains_of_iptables_let_neighbour_discovery_pass() {
        let expected = "*filter
:evenkeel-in - [0:0]
:evenkeel-out - [0:0]
-A evenkeel-in -p icmpv6 --icmpv6-type neighbour-solicitation -j RETURN
-A evenkeel-in -p icmpv6 --icmpv6-type neighbour-advertisement -j RETURN
-A evenkeel-in -d fd00::100 -j DROP
-A evenkeel-in -d fe80::100 -i eth0 -j DROP
-A evenkeel-out -p icmpv6 --icmpv6-type neighbour-solicitation -j RETURN
-A evenkeel-out -p icmpv6 --icmpv6-type neighbour-advertisement -j RETURN
-A evenkeel-out -s fd00::100 -j DROP
-A evenkeel-out -s fe80::100 -o eth0 -j DROP
COMMIT
";
        assert_eq!(spec().iptables(Family::V6), expected);
        let text = spec().iptables(Family::V4);
        assert!(text.contains("-A evenkeel-in -d 10.0.0.101 -j DROP\n"), "{text}");
        assert!(!text.contains("icmpv6") && !text.contains("fe80"), "{text}");
    }

    #[test]
    fn one_chain_alone_leaves_what_goes_out() {
        let mut form = Firewall::default();
        assert_eq!(jumps(&form).len(), 2);
        form.iptables = Some(Chains { input: "VIPS".into(), output: None });
        assert_eq!(jumps(&form), [["VIPS", "-j", "evenkeel-in"].map(str::to_owned)]);
    }
}
