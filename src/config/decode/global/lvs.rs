//! `global_defs`: the table as a whole, and how checks are paced.

use std::num::NonZeroU32;
use std::time::Duration;

use super::sync_daemon::sync_daemon;
use super::{DAY, Draft};
use crate::config::decode::options::{OptionWord, value};
use crate::config::decode::{Decoder, Keyword, acts, lvs_sysctl, many, no_effect};
use crate::config::model::{DriftPolicy, FlushOnStop, LvsTimeouts};
use crate::config::tree::{Directive, Word};

/// Of `nftables_ipvs` and its kin, by which keepalived marks what is for a group.
const GROUPS: &str =
    "each address of a virtual_server_group is a service of its own, without firewall rules";
/// Each probe in flight holds a descriptor; more of them than this no kernel grants a process.
const MOST_PROBES: NonZeroU32 = NonZeroU32::new(1_000_000).unwrap();

pub(super) const LVS: &[Keyword<Draft>] = &[
    acts(
        "lvs_timeouts",
        "[tcp SECONDS] [tcpfin SECONDS] [udp SECONDS]",
        |decoder, directive, draft| {
            let mut timeouts = LvsTimeouts { tcp: 0, tcp_fin: 0, udp: 0 };
            decoder.options(&directive.arguments, &directive.properties, TIMEOUTS, &mut timeouts);
            draft.global.lvs_timeouts = Some(timeouts);
        },
    ),
    acts("lvs_flush", "", |decoder, directive, draft| {
        draft.global.lvs_flush = decoder.flag(directive);
    }),
    acts("lvs_flush_on_stop", "[VS]", flush_on_stop),
    many("lvs_flush_onstop", "[VS]", |decoder, directive, draft| {
        decoder.old_name(directive, "lvs_flush_on_stop");
        flush_on_stop(decoder, directive, draft);
    }),
    acts(
        "lvs_sync_daemon",
        "INTERFACE [[inst] INSTANCE] [id 0..255] [maxlen BYTES] [port PORT] [ttl 1..255] [group ADDRESS]",
        sync_daemon,
    ),
    acts("lvs_sync_wait", "SECONDS", |decoder, directive, draft| {
        let time = decoder.time(directive, Duration::ZERO..=DAY);
        draft.global.lvs_sync_wait = time.unwrap_or_default();
    }),
    acts("lvs_resync", "SECONDS [repair | observe]", |decoder, directive, draft| {
        decoder.surplus(directive, 2);
        let Some(word) = directive.arguments.first() else {
            return decoder.missing(directive.name.span);
        };
        let time = decoder.time_in(word, Duration::ZERO..=DAY);
        draft.global.lvs_resync = time.unwrap_or(draft.global.lvs_resync);
        const CHOICES: [(&str, DriftPolicy); 2] =
            [("repair", DriftPolicy::Repair), ("observe", DriftPolicy::Observe)];
        if let Some(word) = directive.arguments.get(1) {
            draft.global.lvs_drift = decoder.choice(word, &CHOICES).unwrap_or_default();
        }
    }),
    acts("lvs_sysctl", "{ ... }", |decoder, directive, draft| {
        let mut wanted = lvs_sysctl::Draft::default();
        decoder.block(directive, &mut wanted);
        draft.global.lvs_sysctl = wanted.wanted;
    }),
    acts("checker_log_all_failures", "[BOOL]", |decoder, directive, draft| {
        draft.global.checker_log_all_failures = decoder.switch(directive).unwrap_or_default();
    }),
    acts("checker_max_in_flight", "1..1000000", |decoder, directive, draft| {
        let most = decoder.number(directive, NonZeroU32::MIN..=MOST_PROBES);
        draft.global.checker_max_in_flight = most;
    }),
    acts("checker_max_per_second", "1..1000000", |decoder, directive, draft| {
        let most = decoder.number(directive, NonZeroU32::MIN..=MOST_PROBES);
        draft.global.checker_max_per_second = most;
    }),
    acts("rs_init_notifies", "[BOOL]", |decoder, directive, draft| {
        draft.global.rs_init_notifies = decoder.switch(directive).unwrap_or_default();
    }),
    no_effect("nftables_ipvs", "[TABLE]", GROUPS),
    no_effect("nftables_ipvs_priority", "NUMBER", GROUPS),
    no_effect("nftables_ipvs_start_fwmark", "NUMBER", GROUPS),
];

const TIMEOUTS: &[OptionWord<LvsTimeouts>] = &[
    value("tcp", |decoder, word, draft| draft.tcp = decoder.seconds_of_31_days(word)),
    value("tcpfin", |decoder, word, draft| draft.tcp_fin = decoder.seconds_of_31_days(word)),
    value("udp", |decoder, word, draft| draft.udp = decoder.seconds_of_31_days(word)),
];

fn flush_on_stop(decoder: &mut Decoder<'_>, directive: &Directive, draft: &mut Draft) {
    const CHOICES: [(&str, FlushOnStop); 1] = [("VS", FlushOnStop::VirtualServers)];
    draft.global.lvs_flush_on_stop = match decoder.word_or_nothing(directive) {
        None => FlushOnStop::All,
        Some(word) => decoder.choice(word, &CHOICES).unwrap_or_default(),
    };
}

impl Decoder<'_> {
    fn seconds_of_31_days(&mut self, word: &Word) -> u32 {
        self.number_in(word, 0..=ipvs::Persistence::MAX_TIMEOUT).unwrap_or_default()
    }
}
