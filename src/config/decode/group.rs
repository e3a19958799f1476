//! `virtual_server_group NAME`: addresses, ranges, prefixes and firewall marks that share one `virtual_server group
//! NAME`. The kernel knows no groups: each entry becomes a service of its own, as in keepalived.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

use super::virtual_server::Target;
use super::{At, Decoder};
use crate::config::diagnostic::Diagnostic;
use crate::config::source::Span;
use crate::config::tree::{Directive, Form, Word};

/// Most entries of one group: a service each in the kernel.
const MOST: u128 = 65_536;

/// A group as it was written.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: At<String>,
    pub(super) entries: Vec<At<Target>>,
    /// Whether an entry was refused: then there is one, for all that.
    pub(super) refused: bool,
    /// Whether a `virtual_server` has it.
    pub(super) used: bool,
}

impl Decoder<'_> {
    /// Reads one group.
    pub(super) fn virtual_server_group(&mut self, directive: &Directive) -> Option<Group> {
        let name = self.word(directive)?;
        let name = At { value: name.text.to_string(), span: directive.head() };
        let mut group = Group { name, entries: Vec::new(), refused: false, used: false };
        for child in directive.children().iter().filter(|child| child.name.form != Form::Other) {
            let span = child.head();
            match self.entry(child, |decoder| decoder.group_entry(child)).flatten() {
                Some(targets) => {
                    group.entries.extend(targets.into_iter().map(|value| At { value, span }));
                }
                None => group.refused = true,
            }
        }
        if group.entries.is_empty() && !group.refused {
            self.empty(directive);
        }
        Some(group)
    }

    /// `ADDRESS PORT`, `10.0.0.1-9 PORT`, `10.0.0.0/28 PORT`, `fwmark MARK`.
    fn group_entry(&mut self, line: &Directive) -> Option<Vec<Target>> {
        self.surplus(line, 1);
        if line.name.is("fwmark") {
            let Some(mark) = line.arguments.first() else {
                self.missing(line.name.span);
                return None;
            };
            let outer = std::mem::replace(&mut self.keyword, ("fwmark", "MARK"));
            let mark = self.number_in(mark, NonZeroU32::MIN..=NonZeroU32::MAX);
            self.keyword = outer;
            return mark.map(|mark| vec![Target::Mark(mark)]);
        }
        let addresses = self.addresses_of(&line.name);
        let port = match line.arguments.first() {
            None => Some(0),
            Some(port) => self.number_in(port, 0..=u16::MAX),
        };
        let (addresses, port) = (addresses?, port?);
        Some(addresses.into_iter().map(|address| Target::Address(address, port)).collect())
    }

    fn addresses_of(&mut self, word: &Word) -> Option<Vec<IpAddr>> {
        let text = &*word.text;
        let range = match (text.split_once('-'), text.split_once('/')) {
            (Some((first, last)), None) => range(first, last),
            (None, Some((address, length))) => prefix(address, length),
            _ => return self.address(word).map(|address| vec![address]),
        };
        let Some((first, count)) = range else {
            self.bad(
                word,
                "an address, a range such as 10.0.0.1-9, or a prefix such as 10.0.0.0/28",
            );
            return None;
        };
        if count > MOST {
            let message = format!("{count} addresses: at most {MOST} are taken");
            let help = "mark the packets to so many and balance the mark: fwmark MARK";
            self.report(Diagnostic::error("bad-value", word.span, message).help(help));
            return None;
        }
        Some((0..count).map(|step| after(first, step)).collect())
    }

    /// The entries of a group that a `virtual_server` names.
    pub(super) fn group_named(
        &mut self,
        name: &Word,
        groups: &mut [Group],
        span: Span,
    ) -> Option<Vec<At<Target>>> {
        match groups.iter_mut().find(|group| group.name.value == *name.text) {
            Some(group) => {
                group.used = true;
                Some(group.entries.clone())
            }
            None => {
                let message = format!(
                    "there is no virtual_server_group `{}`: the virtual server is left out",
                    name.text
                );
                let names = groups.iter().map(|group| group.name.value.as_str());
                let near = crate::config::suggest::nearest(&name.text, names);
                let mut told = Diagnostic::warning("unresolved", span, message);
                told.help = near.map(|near| format!("did you mean `{near}`?"));
                self.passed_over(told);
                None
            }
        }
    }
}

/// The last number of an address counts up to another: decimal in IPv4, hexadecimal in IPv6.
fn range(first: &str, last: &str) -> Option<(IpAddr, u128)> {
    let first: IpAddr = first.parse().ok()?;
    let (from, to) = match first {
        IpAddr::V4(address) => (u16::from(address.octets()[3]), last.parse::<u8>().ok()?.into()),
        IpAddr::V6(address) => (address.segments()[7], u16::from_str_radix(last, 16).ok()?),
    };
    Some((first, u128::from(to.checked_sub(from)?) + 1))
}

/// All addresses of a prefix. The address must be its first.
fn prefix(address: &str, length: &str) -> Option<(IpAddr, u128)> {
    let (address, length): (IpAddr, u32) = (address.parse().ok()?, length.parse().ok()?);
    let (bits, width) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32_u32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let count = 1_u128.checked_shl(width.checked_sub(length)?)?;
    (bits % count == 0).then_some((address, count))
}

fn after(first: IpAddr, step: u128) -> IpAddr {
    match first {
        // Steps are below 65,536, and the range was seen to end inside the family.
        IpAddr::V4(address) => {
            Ipv4Addr::from_bits(address.to_bits().wrapping_add(step as u32)).into()
        }
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits().wrapping_add(step)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_prefixes_count_their_addresses() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(range("10.0.0.3", "10"), Some((address("10.0.0.3"), 8)));
        assert_eq!(range("fd00::1", "a"), Some((address("fd00::1"), 10)));
        assert_eq!(range("10.0.0.3", "2"), None);
        assert_eq!(range("10.0.0.3", "256"), None);
        assert_eq!(prefix("10.0.0.0", "28"), Some((address("10.0.0.0"), 16)));
        assert_eq!(prefix("10.0.0.1", "28"), None);
        assert_eq!(prefix("10.0.0.1", "33"), None);
        assert_eq!(prefix("10.0.0.1", "32"), Some((address("10.0.0.1"), 1)));
        assert_eq!(prefix("fd00::", "0"), None);
        assert_eq!(prefix("fd00::", "112"), Some((address("fd00::"), 65_536)));
        assert_eq!(after(address("10.0.0.3"), 7), address("10.0.0.10"));
    }
}
