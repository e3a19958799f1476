//! What the kernel says about a host: the IPVS table by ipvsadm, the addresses by ip.
//! Text from those tools goes in, plain values come out; nothing of evenkeel is asked here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

use crate::host::Host;

/// Rules in ipvsadm's own words (`-A -t 10.0.0.100:80 -s wrr`), sorted: two equal tables give equal lists.
pub(crate) fn rules(host: &Host) -> Vec<String> {
    let mut rules: Vec<String> =
        host.run("ipvsadm -Sn").lines().map(|l| l.trim().to_owned()).collect();
    rules.sort();
    rules
}

/// Weight by server of one service, named as in the rules: `-t 10.0.0.100:80`; nothing when it is absent.
pub(crate) fn weights(host: &Host, service: &str) -> BTreeMap<String, u32> {
    let prefix = format!("-a {service} ");
    rules(host).iter().filter_map(|rule| destination(rule.strip_prefix(&prefix)?)).collect()
}

/// True when the table has a service of this name.
pub(crate) fn has_service(host: &Host, service: &str) -> bool {
    let prefix = format!("-A {service} ");
    rules(host).iter().any(|rule| format!("{rule} ").starts_with(&prefix))
}

/// Reads `-r 10.0.0.11:80 -g -w 1`.
fn destination(words: &str) -> Option<(String, u32)> {
    let words: Vec<&str> = words.split_whitespace().collect();
    let after = |flag: &str| words.iter().position(|w| *w == flag).and_then(|at| words.get(at + 1));
    Some(((*after("-r")?).to_owned(), after("-w")?.parse().ok()?))
}

/// Connections that each server was given, from `ipvsadm -Ln --stats`, by address and port.
pub(crate) fn connections(host: &Host) -> BTreeMap<String, u64> {
    let text = host.run("ipvsadm -Ln --stats --exact");
    let row = |line: &str| {
        let mut words = line.trim().strip_prefix("-> ")?.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
    };
    text.lines().filter_map(row).collect()
}

/// One address as `ip -j addr` shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Address {
    pub(crate) local: String,
    pub(crate) prefixlen: u8,
    #[serde(default)]
    pub(crate) label: String,
    #[serde(default)]
    pub(crate) scope: String,
    #[serde(default)]
    pub(crate) protocol: String,
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    addr_info: Vec<Address>,
}

/// All addresses on a device, without the link-local ones that the kernel makes by itself.
pub(crate) fn addresses(host: &Host, device: &str) -> BTreeSet<Address> {
    let text = host.run(&format!("ip -j addr show dev {device}"));
    let links: Vec<Link> = serde_json::from_str(&text).unwrap();
    let all = links.into_iter().flat_map(|link| link.addr_info);
    all.filter(|address| !address.local.starts_with("fe80:")).collect()
}

/// True when an interface of the host carries this address, a virtual one too, but not loopback.
pub(crate) fn holds(host: &Host, address: &str) -> bool {
    let text = host.run("ip -o addr show");
    let mut lines = text.lines().filter(|line| !line.contains(" lo "));
    lines.any(|line| line.contains(&format!(" {address}/")))
}

/// All that the kernel shows of a director's work, for comparison: rules and addresses, a line each.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) rules: Vec<String>,
    pub(crate) addresses: Vec<String>,
}

impl View {
    pub(crate) fn of(host: &Host) -> Self {
        let text = host.run("ip -o addr show");
        let is_steady = |line: &&str| !line.contains(" fe80:") || line.contains(" fe80::1");
        let mut addresses: Vec<String> = text.lines().filter(is_steady).map(plain).collect();
        addresses.sort();
        Self { rules: rules(host), addresses }
    }
}

/// Lines, so that a failed comparison is read like a diff.
impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.rules.iter().chain(&self.addresses);
        lines.into_iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// An address line without what may differ: the interface's index, the mark of its owner (ours carry protocol 18).
fn plain(line: &str) -> String {
    let text = line.split_once(": ").map_or(line, |(_, rest)| rest).replace('\\', "");
    text.replace("proto keepalived ", "").split_whitespace().collect::<Vec<_>>().join(" ")
}
