//! `lvs_sysctl`, evenkeel's own: settings of the kernel's IPVS (`/proc/sys/net/ipv4/vs`) that go with the configuration.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::{Decoder, Keyword, Keywords, acts};
use crate::config::tree::Directive;

/// The block as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) wanted: BTreeMap<String, u32>,
}

impl Draft {
    /// A number; where it is a switch, the word alone means 1.
    fn take(
        &mut self,
        decoder: &mut Decoder<'_>,
        directive: &Directive,
        name: &str,
        range: RangeInclusive<u32>,
    ) {
        let is_switch = range == (0..=1);
        let value = match decoder.word_or_nothing(directive) {
            None if is_switch => Some(1),
            None => return decoder.missing(directive.name.span),
            Some(word) if is_switch && word.is("on") => Some(1),
            Some(word) if is_switch && word.is("off") => Some(0),
            Some(word) => decoder.number_in(word, range),
        };
        self.wanted.extend(value.map(|value| (name.to_owned(), value)));
    }
}

/// A row: the name is the kernel's, the range what it takes (Documentation/networking/ipvs-sysctl.rst).
macro_rules! row {
    ($name:literal) => {
        row!($name, "[0 | 1]", 0..=1)
    };
    ($name:literal, $form:literal, $range:expr) => {
        acts($name, $form, |decoder, directive, draft| {
            draft.take(decoder, directive, $name, $range);
        })
    };
}

impl Keywords for Draft {
    const BLOCK: &'static str = "lvs_sysctl";
    const TABLES: &'static [&'static [Keyword<Self>]] = &[&[
        row!("backup_only"),
        row!("cache_bypass"),
        row!("conn_reuse_mode", "0..2", 0..=2),
        row!("conntrack"),
        row!("drop_entry", "0..3", 0..=3),
        row!("drop_packet", "0..3", 0..=3),
        row!("expire_nodest_conn"),
        row!("expire_quiescent_template"),
        row!("ignore_tunneled"),
        row!("nat_icmp_send"),
        row!("pmtu_disc"),
        row!("run_estimation"),
        row!("schedule_icmp"),
        row!("secure_tcp", "0..3", 0..=3),
        row!("sloppy_sctp"),
        row!("sloppy_tcp"),
        row!("snat_reroute"),
        row!("sync_persist_mode"),
        row!("sync_ports", "1..64", 1..=64),
        row!("sync_qlen_max", "MESSAGES", 1..=u32::MAX >> 1),
        row!("sync_refresh_period", "SECONDS", 0..=86_400),
        row!("sync_retries", "0..3", 0..=3),
        row!("sync_sock_size", "BYTES", 0..=u32::MAX >> 1),
        row!("sync_version"),
    ]];
}
