//! `global_defs`: how the workers' processes run. What evenkeel does by itself needs no word; what it has nothing of says so.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::global::Draft;
use super::{Decoder, Keyword, acts, no_effect};
use crate::config::diagnostic::Diagnostic;
use crate::config::tree::Directive;
use crate::process::{NAME_MAX, Process};

const NICE: RangeInclusive<i8> = -20..=19;
const MICROSECONDS: RangeInclusive<u64> = 1_000..=10_000_000;
const PROCESSORS: RangeInclusive<u16> = 0..=1023;

const NO_BFD: &str = "BFD runs in the vrrp worker, with what is said of that";
const OWN_BUFFERS: &str = "netlink buffers have a size that fits";
const LOCKED: &str = "memory is locked where a late answer would matter";
const LATE: RangeInclusive<u64> = 1..=10_000_000;
pub(super) const PROCESS: &[Keyword<Draft>] = &[
    acts("max_auto_priority", "[-1..99]", |decoder, directive, draft| {
        // -1 keeps keepalived from recommending it, 0 is off.
        let most: Option<i8> = match directive.arguments.is_empty() {
            true => Some(99),
            false => decoder.number(directive, -1..=99),
        };
        draft.auto_most = most.and_then(|most| u8::try_from(most).ok()).filter(|most| *most > 0);
    }),
    acts("min_auto_priority_delay", "MICROSECONDS", |decoder, directive, draft| {
        draft.auto_delay = decoder.number(directive, LATE).map(Duration::from_micros);
    }),
    acts("vrrp_priority", "-20..19", |decoder, directive, draft| {
        draft.global_mut().vrrp_process.nice = decoder.number(directive, NICE);
    }),
    acts("checker_priority", "-20..19", |decoder, directive, draft| {
        draft.global_mut().checker_process.nice = decoder.number(directive, NICE);
    }),
    no_effect("bfd_priority", "-20..19", NO_BFD),
    no_effect("vrrp_no_swap", "", LOCKED),
    acts("checker_no_swap", "", |decoder, directive, draft| {
        draft.global_mut().checker_process.locked = decoder.flag(directive);
    }),
    no_effect("bfd_no_swap", "", LOCKED),
    acts("checker_rt_priority", "1..99", |decoder, directive, draft| {
        draft.global_mut().checker_process.real_time = decoder.real_time(directive);
    }),
    no_effect("bfd_rt_priority", "1..99", NO_BFD),
    acts("vrrp_cpu_affinity", "CPU ...", |decoder, directive, draft| {
        draft.global_mut().vrrp_process.processors = decoder.processors(directive);
    }),
    acts("checker_cpu_affinity", "CPU ...", |decoder, directive, draft| {
        draft.global_mut().checker_process.processors = decoder.processors(directive);
    }),
    no_effect("bfd_cpu_affinity", "CPU ...", NO_BFD),
    acts("vrrp_rlimit_rttime", "MICROSECONDS", |decoder, directive, draft| {
        draft.global_mut().vrrp_process.real_time_limit = decoder.fuse(directive);
    }),
    acts("checker_rlimit_rttime", "MICROSECONDS", |decoder, directive, draft| {
        draft.global_mut().checker_process.real_time_limit = decoder.fuse(directive);
    }),
    no_effect("bfd_rlimit_rttime", "MICROSECONDS", NO_BFD),
    acts("vrrp_rlimit_rtime", "MICROSECONDS", |decoder, directive, draft| {
        draft.global_mut().vrrp_process.real_time_limit = decoder.fuse(directive);
    }),
    acts("checker_rlimit_rtime", "MICROSECONDS", |decoder, directive, draft| {
        draft.global_mut().checker_process.real_time_limit = decoder.fuse(directive);
    }),
    no_effect("bfd_rlimit_rtime", "MICROSECONDS", NO_BFD),
    acts("process_names", "", |decoder, directive, draft| {
        if decoder.flag(directive) {
            name_if_new(&mut draft.global_mut().vrrp_process, "evenkeel_vrrp");
            name_if_new(&mut draft.global_mut().checker_process, "evenkeel_lvs");
        }
    }),
    no_effect("process_name", "NAME", "the parent is called evenkeel"),
    acts("vrrp_process_name", "NAME", |decoder, directive, draft| {
        draft.global_mut().vrrp_process.name = decoder.process_name(directive);
    }),
    acts("checker_process_name", "NAME", |decoder, directive, draft| {
        draft.global_mut().checker_process.name = decoder.process_name(directive);
    }),
    acts("lvs_process_name", "NAME", |decoder, directive, draft| {
        draft.global_mut().checker_process.name = decoder.process_name(directive);
    }),
    no_effect("bfd_process_name", "NAME", NO_BFD),
    no_effect("vrrp_netlink_cmd_rcv_bufs", "BYTES", OWN_BUFFERS),
    no_effect("vrrp_netlink_monitor_rcv_bufs", "BYTES", OWN_BUFFERS),
    no_effect("lvs_netlink_cmd_rcv_bufs", "BYTES", OWN_BUFFERS),
    no_effect("lvs_netlink_monitor_rcv_bufs", "BYTES", OWN_BUFFERS),
    no_effect("process_monitor_rcv_bufs", "BYTES", OWN_BUFFERS),
    no_effect("vrrp_netlink_cmd_rcv_bufs_force", "[BOOL]", OWN_BUFFERS),
    no_effect("vrrp_netlink_monitor_rcv_bufs_force", "[BOOL]", OWN_BUFFERS),
    no_effect("lvs_netlink_cmd_rcv_bufs_force", "[BOOL]", OWN_BUFFERS),
    no_effect("lvs_netlink_monitor_rcv_bufs_force", "[BOOL]", OWN_BUFFERS),
    no_effect("process_monitor_rcv_bufs_force", "[BOOL]", OWN_BUFFERS),
    acts("umask", "MODE", |decoder, directive, draft| {
        let mask = decoder.mask(directive);
        draft.global_mut().vrrp_process.umask = mask;
        draft.global_mut().checker_process.umask = mask;
    }),
    no_effect("random_seed", "NUMBER", "it serves keepalived's own tests"),
];

fn name_if_new(process: &mut Process, name: &str) {
    process.name.get_or_insert_with(|| name.to_owned());
}

impl Decoder<'_> {
    fn processors(&mut self, directive: &Directive) -> Vec<u16> {
        let words = self.list(directive);
        if words.is_empty() {
            self.missing(directive.name.span);
        }
        words.into_iter().filter_map(|word| self.number_in(word, PROCESSORS)).collect()
    }

    /// Microseconds, as RLIMIT_RTTIME has them.
    fn fuse(&mut self, directive: &Directive) -> Option<Duration> {
        self.number(directive, MICROSECONDS).map(Duration::from_micros)
    }

    fn process_name(&mut self, directive: &Directive) -> Option<String> {
        let word = self.word(directive)?;
        if word.text.len() > NAME_MAX {
            let message = format!("the kernel cuts a process name after {NAME_MAX} bytes");
            self.report(Diagnostic::warning("cut-name", word.span, message));
        }
        Some(word.text.to_string())
    }

    /// Octal, as umask(1) takes it.
    fn mask(&mut self, directive: &Directive) -> Option<u16> {
        let word = self.word(directive)?;
        let mask = u16::from_str_radix(&word.text, 8).ok().filter(|mask| *mask <= 0o777);
        if mask.is_none() {
            self.bad(word, "an octal number up to 0777");
        }
        mask
    }
}
