//! `global_defs`: what all routers have in common.

use std::net::IpAddr;
use std::time::Duration;

use super::{DAY, Draft};
use crate::config::decode::announce;
use crate::config::decode::{Decoder, Keyword, acts, no_effect};
use crate::config::tree::Directive;

pub(super) const VRRP: &[Keyword<Draft>] = &[
    acts("vrrp_version", "2 | 3", |decoder, directive, draft| {
        if let Some(version) = decoder.version(directive) {
            draft.global.vrrp_version = version;
            decoder.version_at = Some(directive.head());
        }
    }),
    acts("vrrp_mcast_group4", "ADDRESS", |decoder, directive, draft| {
        if let Some(IpAddr::V4(group)) = decoder.multicast_group(directive, false) {
            draft.global.vrrp_mcast_group4 = group;
        }
    }),
    acts("vrrp_mcast_group6", "ADDRESS", |decoder, directive, draft| {
        if let Some(IpAddr::V6(group)) = decoder.multicast_group(directive, true) {
            draft.global.vrrp_mcast_group6 = group;
        }
    }),
    acts("vrrp_strict", "[BOOL]", |decoder, directive, draft| {
        draft.global.vrrp_strict = decoder.switch(directive).unwrap_or_default();
        decoder.strict_at = Some(directive.head());
    }),
    acts("vrrp_skip_check_adv_addr", "[BOOL]", |decoder, directive, draft| {
        draft.global.vrrp_skip_check_adv_addr = decoder.switch(directive).unwrap_or_default();
    }),
    acts("vrrp_check_unicast_src", "", |decoder, directive, draft| {
        draft.global.vrrp_check_unicast_src = decoder.flag(directive);
    }),
    acts("vrrp_garp_interval", "SECONDS", |decoder, directive, draft| {
        let time = decoder.time(directive, Duration::ZERO..=Duration::from_secs(60));
        draft.global.vrrp_garp_interval = time.unwrap_or_default();
    }),
    acts("vrrp_gna_interval", "SECONDS", |decoder, directive, draft| {
        let time = decoder.time(directive, Duration::ZERO..=Duration::from_secs(60));
        draft.global.vrrp_gna_interval = time.unwrap_or_default();
    }),
    acts("vrrp_garp_master_delay", "SECONDS", announce::delay),
    acts("vrrp_garp_master_repeat", "TIMES", announce::repeat),
    acts("vrrp_garp_master_refresh", "SECONDS", announce::refresh),
    acts("vrrp_garp_master_refresh_repeat", "TIMES", announce::refresh_repeat),
    acts("vrrp_garp_lower_prio_delay", "SECONDS", announce::lower_prio_delay),
    acts("vrrp_garp_lower_prio_repeat", "TIMES", announce::lower_prio_repeat),
    acts("vrrp_min_garp", "[BOOL]", |decoder, directive, draft| {
        draft.announce.min = decoder.switch(directive);
    }),
    acts("vrrp_down_timer_adverts", "1..100", |decoder, directive, draft| {
        let adverts = decoder.number(directive, 1..=100);
        draft.global.vrrp_down_timer_adverts =
            adverts.unwrap_or(draft.global.vrrp_down_timer_adverts);
    }),
    acts("vrrp_lower_prio_no_advert", "[BOOL]", |decoder, directive, draft| {
        draft.global.vrrp_lower_prio_no_advert = decoder.switch(directive).unwrap_or_default();
    }),
    acts("vrrp_higher_prio_send_advert", "[BOOL]", |decoder, directive, draft| {
        draft.global.vrrp_higher_prio_send_advert = decoder.switch(directive).unwrap_or_default();
    }),
    acts("vrrp_startup_delay", "SECONDS", |decoder, directive, draft| {
        let time = decoder.time(directive, Duration::ZERO..=DAY);
        draft.global.vrrp_startup_delay = time.unwrap_or_default();
    }),
    acts("vrrp_rt_priority", "1..99", |decoder, directive, draft| {
        draft.global.vrrp_rt_priority = decoder.real_time(directive);
    }),
    acts("vrrp_hand_over", "[BOOL]", |decoder, directive, draft| {
        draft.global.vrrp_hand_over = decoder.switch(directive).unwrap_or(true);
    }),
    acts("vrrp_watch_holders", "[BOOL]", |decoder, directive, draft| {
        draft.global.vrrp_watch_holders = decoder.switch(directive).unwrap_or(true);
    }),
    acts("vrrp_delay_after_boot", "SECONDS", |decoder, directive, draft| {
        let time = decoder.time(directive, Duration::ZERO..=DAY);
        draft.global.vrrp_delay_after_boot = time.unwrap_or_default();
    }),
    acts("vrrp_garp_extra_if", "[all] SECONDS", |decoder, directive, draft| {
        draft.announce.extra = decoder.extra_interfaces(directive);
    }),
    acts("vrrp_vmac_garp_intvl", "[all] SECONDS", |decoder, directive, draft| {
        draft.announce.extra = decoder.extra_interfaces(directive);
    }),
    acts("vrrp_owner_ignore_adverts", "[BOOL]", |decoder, directive, draft| {
        draft.global.vrrp_owner_ignore_adverts = decoder.switch(directive).unwrap_or_default();
    }),
    acts("vrrp_notify_priority_changes", "[BOOL]", |decoder, directive, draft| {
        let on = decoder.switch(directive).unwrap_or_default();
        draft.global.vrrp_notify_priority_changes = on;
    }),
    acts("vmac_prefix", "NAME", |decoder, directive, draft| {
        // `6.255` is the longest that follows.
        if let Some(prefix) = link_prefix(decoder, directive, "6.255", 10) {
            draft.global.vmac_prefix = prefix;
        }
    }),
    acts("vmac_addr_prefix", "NAME", |decoder, directive, draft| {
        // `99.255`, where there are as many.
        draft.global.vmac_addr_prefix = link_prefix(decoder, directive, "99.255", 9);
    }),
    acts("dynamic_interfaces", "[allow_if_changes]", |decoder, directive, draft| {
        draft.global.dynamic_interfaces = true;
        let Some(word) = directive.arguments.first() else { return };
        match word.is("false") {
            true => draft.global.dynamic_interfaces = false,
            // An interface that comes back is taken as it is, of whatever kind.
            false if word.is("allow_if_changes") || word.is("true") => {}
            false => decoder.bad(word, "`allow_if_changes` or nothing"),
        }
        decoder.surplus(directive, 1);
    }),
    acts("default_interface", "INTERFACE", |decoder, directive, draft| {
        let Some(word) = decoder.word(directive) else { return };
        draft.global.default_interface = decoder.interface(word);
    }),
    acts("disable_local_igmp", "", |decoder, directive, draft| {
        draft.global.disable_local_igmp = decoder.flag(directive);
    }),
    acts("log_unknown_vrids", "", |decoder, directive, draft| {
        draft.global.log_unknown_vrids = decoder.flag(directive);
    }),
    no_effect(
        "vrrp_rx_bufs_policy",
        "MTU | ADVERT | BYTES",
        "the receive buffer fits any advertisement",
    ),
    no_effect("vrrp_rx_bufs_multiplier", "NUMBER", "the receive buffer fits any advertisement"),
];

impl Decoder<'_> {
    /// `vrrp_version` and `version`.
    pub(in crate::config::decode) fn version(
        &mut self,
        directive: &Directive,
    ) -> Option<vrrp::Version> {
        const CHOICES: [(&str, vrrp::Version); 2] =
            [("2", vrrp::Version::V2), ("3", vrrp::Version::V3)];
        let word = self.word(directive)?;
        self.choice(word, &CHOICES)
    }

    /// A multicast address of one family.
    pub(in crate::config::decode) fn multicast_group(
        &mut self,
        directive: &Directive,
        v6: bool,
    ) -> Option<IpAddr> {
        let word = self.word(directive)?;
        let group = word
            .text
            .parse()
            .ok()
            .filter(|group: &IpAddr| group.is_multicast() && group.is_ipv6() == v6);
        if group.is_none() {
            self.bad(
                word,
                if v6 { "an IPv6 multicast address" } else { "an IPv4 multicast address" },
            );
        }
        group
    }
}

/// How names of interfaces begin that end so.
fn link_prefix(
    decoder: &mut Decoder<'_>,
    directive: &Directive,
    longest_end: &str,
    most: usize,
) -> Option<String> {
    let word = decoder.word(directive)?;
    if format!("{}{longest_end}", word.text).parse::<vrrp::IfName>().is_err() {
        decoder.bad(word, format_args!("the beginning of an interface name, 1 to {most} bytes,"));
        return None;
    }
    Some(word.text.to_string())
}
