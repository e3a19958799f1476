//! `garp_group`: interfaces that share the pause between announcements.

use std::time::Duration;

use super::{Decoder, Keyword, Keywords, acts, many};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::GarpGroup;
use crate::config::tree::Directive;

/// The longest pause, as keepalived's.
const LONGEST: Duration = Duration::from_secs(60);

impl Keywords for GarpGroup {
    const BLOCK: &'static str = "garp_group";
    const TABLES: &'static [&'static [Keyword<Self>]] = &[&[
        acts("garp_interval", "SECONDS", |decoder, directive, group| {
            group.arp = decoder.time(directive, Duration::ZERO..=LONGEST);
        }),
        acts("gna_interval", "SECONDS", |decoder, directive, group| {
            group.neighbour = decoder.time(directive, Duration::ZERO..=LONGEST);
        }),
        many("interface", "INTERFACE", |decoder, directive, group| {
            let Some(word) = decoder.word(directive) else { return };
            group.interfaces.extend(decoder.interface(word));
        }),
        many("interfaces", "{ INTERFACE ... }", |decoder, directive, group| {
            let words = decoder.list(directive);
            group.interfaces.extend(words.into_iter().filter_map(|word| decoder.interface(word)));
        }),
    ]];
}

impl Decoder<'_> {
    /// Reads one `garp_group`.
    pub(super) fn garp_group(&mut self, directive: &Directive) -> Option<GarpGroup> {
        let mut group = GarpGroup::default();
        self.block(directive, &mut group);
        let lacks = match (group.interfaces.is_empty(), group.arp.or(group.neighbour)) {
            (true, _) => "interface",
            (false, None) => "pause",
            (false, Some(_)) => return Some(group),
        };
        let message = format!("garp_group without {lacks} is left out");
        let help = "write: garp_group { garp_interval 0.01 interfaces { eth0 eth1 } }";
        self.report(Diagnostic::warning("missing-keyword", directive.head(), message).help(help));
        None
    }
}
