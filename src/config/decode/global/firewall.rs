//! `global_defs`: how packets to addresses under `no_accept` are dropped.

use super::Draft;
use crate::config::decode::{Decoder, Keyword, acts, no_effect};
use crate::config::model::Chains;
use crate::config::tree::Word;

/// Longest name of a table of nftables, chosen as that of a chain of iptables: nothing longer is needed.
const NAME: usize = 28;

pub(super) const FIREWALL: &[Keyword<Draft>] = &[
    acts("vrrp_iptables", "[IN [OUT]]", |decoder, directive, draft| {
        decoder.surplus(directive, 2);
        let mut chains = Chains::default();
        let mut words = directive.arguments.iter();
        if let Some(word) = words.next() {
            let output = words.next().and_then(|word| decoder.chain(word));
            chains = Chains { input: decoder.chain(word).unwrap_or_default(), output };
        }
        draft.global.firewall.iptables = Some(chains);
    }),
    no_effect("vrrp_ipsets", "[NAME ...]", "each address has a rule of its own"),
    acts("nftables", "[TABLE]", |decoder, directive, draft| {
        decoder.surplus(directive, 1);
        if let Some(word) = directive.arguments.first()
            && let Some(table) = decoder.chain(word)
        {
            draft.global.firewall.table = table;
        }
    }),
    acts("nftables_priority", "NUMBER", |decoder, directive, draft| {
        let priority = decoder.number(directive, -2000..=2000);
        draft.global.firewall.priority = priority.unwrap_or(draft.global.firewall.priority);
    }),
    no_effect("nftables_ifindex", "", "interfaces are matched by name, which outlives an index"),
    acts("nftables_counters", "", |decoder, directive, draft| {
        draft.global.firewall.counters = decoder.flag(directive);
    }),
];

impl Decoder<'_> {
    /// The name of a chain or table: what both programs take without quotes.
    fn chain(&mut self, word: &Word) -> Option<String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let is_name = (1..=NAME).contains(&word.text.len())
            && word.text.chars().all(fits)
            && word.text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !is_name {
            self.bad(word, format_args!("a name of at most {NAME} letters, digits, `_`, `-`, `.`"));
        }
        is_name.then(|| word.text.to_string())
    }
}
