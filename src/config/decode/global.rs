//! `global_defs`.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use super::options::{OptionWord, alone, value};
use super::process::PROCESS;
use super::{Decoder, Keyword, Keywords, acts, lvs_sysctl, mail, many, no_effect, not_yet};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{
    Announce, DriftPolicy, Fifo, FlushOnStop, Global, LogFormat, LvsTimeouts, ScriptUser,
    SyncDaemon, Web,
};
use crate::config::source::Span;
use crate::config::tree::{Directive, Word};

/// Each probe in flight holds a descriptor; more of them than this no kernel grants a process.
const MOST_PROBES: NonZeroU32 = NonZeroU32::new(1_000_000).unwrap();

/// Longest pause taken: a day.
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// `global_defs` as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) global: Global,
    announce: AnnounceDraft,
    /// Where `lvs_sync_daemon` names an instance.
    sync_instance: Option<(String, Span)>,
}

/// `garp_*` as far as they were given.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AnnounceDraft {
    pub(super) delay: Option<Duration>,
    pub(super) repeat: Option<u32>,
    pub(super) refresh: Option<Duration>,
    pub(super) refresh_repeat: Option<u32>,
    pub(super) lower_prio_delay: Option<Duration>,
    pub(super) lower_prio_repeat: Option<u32>,
    pub(super) min: Option<bool>,
}

impl AnnounceDraft {
    /// With the defaults of the level around it.
    pub(super) fn over(self, outer: Announce) -> Announce {
        Announce {
            delay: self.delay.unwrap_or(outer.delay),
            repeat: self.repeat.unwrap_or(outer.repeat),
            refresh: self.refresh.unwrap_or(outer.refresh),
            refresh_repeat: self.refresh_repeat.unwrap_or(outer.refresh_repeat),
            lower_prio_delay: self.lower_prio_delay.unwrap_or(outer.lower_prio_delay),
            lower_prio_repeat: self.lower_prio_repeat.unwrap_or(outer.lower_prio_repeat),
        }
    }

    /// At the outermost level, where the second kind of burst defaults to the first.
    fn finish(self) -> Announce {
        let mut base = Announce::default();
        if self.min == Some(true) {
            base.repeat = 1;
            base.delay = Duration::ZERO;
        }
        base.lower_prio_delay = self.delay.unwrap_or(base.delay);
        base.lower_prio_repeat = self.repeat.unwrap_or(base.repeat);
        self.over(base)
    }
}

impl Draft {
    /// The model's part, and where the sync daemon's instance is named.
    pub(super) fn finish(mut self) -> (Global, Option<(String, Span)>) {
        self.global.announce = self.announce.finish();
        (self.global, self.sync_instance)
    }

    /// For the tables of other files.
    pub(super) fn global_mut(&mut self) -> &mut Global {
        &mut self.global
    }

    /// What was read so far.
    pub(super) fn global(&self) -> &Global {
        &self.global
    }

    /// The account that scripts run as where they say nothing.
    pub(super) fn set_script_user(&mut self, user: Option<ScriptUser>) {
        self.global.script_user = user;
    }

    /// `web` stands at the outermost level.
    pub(super) fn set_web(&mut self, web: Option<Web>) {
        self.global.web = web;
    }

    /// `log` likewise.
    pub(super) fn set_log_format(&mut self, format: LogFormat) {
        self.global.log_format = format;
    }

    /// `child_wait_time` stands at the outermost level.
    pub(super) fn set_child_wait_time(&mut self, time: Option<Duration>) {
        self.global.child_wait_time = time.unwrap_or(self.global.child_wait_time);
    }
}

impl Keywords for Draft {
    const BLOCK: &'static str = "global_defs";
    const TABLES: &'static [&'static [Keyword<Self>]] =
        &[mail::MAIL, SCRIPTS, VRRP, LVS, PROCESS, SNMP, FILES];
}

const SCRIPTS: &[Keyword<Draft>] = &[
    acts("script_user", "USER [GROUP]", |decoder, directive, draft| {
        draft.global.script_user = decoder.account_of(directive);
    }),
    acts("enable_script_security", "", |decoder, directive, draft| {
        draft.global.enable_script_security = decoder.flag(directive);
    }),
    no_effect("use_symlink_paths", "[BOOL]", "a script runs by the path that is written"),
    not_yet("set_supplementary_groups", "[BOOL]", "scripts run with their user and group alone"),
    not_yet("startup_script", "SCRIPT [USER [GROUP]]", "the script is not run"),
    not_yet("startup_script_timeout", "SECONDS", "there is no startup script"),
    not_yet("shutdown_script", "SCRIPT [USER [GROUP]]", "the script is not run"),
    not_yet("shutdown_script_timeout", "SECONDS", "there is no shutdown script"),
];

const NO_FIREWALL: &str = "no firewall rules are made";
const VRRP: &[Keyword<Draft>] = &[
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
    acts("vrrp_garp_master_delay", "SECONDS", |decoder, directive, draft| {
        draft.announce.delay = decoder.time(directive, Duration::ZERO..=DAY);
    }),
    acts("vrrp_garp_master_repeat", "TIMES", |decoder, directive, draft| {
        draft.announce.repeat = decoder.bursts(directive, 1);
    }),
    acts("vrrp_garp_master_refresh", "SECONDS", |decoder, directive, draft| {
        draft.announce.refresh = decoder.time(directive, Duration::ZERO..=DAY);
    }),
    acts("vrrp_garp_master_refresh_repeat", "TIMES", |decoder, directive, draft| {
        draft.announce.refresh_repeat = decoder.bursts(directive, 1);
    }),
    acts("vrrp_garp_lower_prio_delay", "SECONDS", |decoder, directive, draft| {
        draft.announce.lower_prio_delay = decoder.time(directive, Duration::ZERO..=DAY);
    }),
    acts("vrrp_garp_lower_prio_repeat", "TIMES", |decoder, directive, draft| {
        draft.announce.lower_prio_repeat = decoder.bursts(directive, 0);
    }),
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
        draft.global.vrrp_rt_priority = decoder.number(directive, 1..=99);
    }),
    acts("vrrp_hand_over", "[BOOL]", |decoder, directive, draft| {
        draft.global.vrrp_hand_over = decoder.switch(directive).unwrap_or(true);
    }),
    acts("vrrp_watch_holders", "[BOOL]", |decoder, directive, draft| {
        draft.global.vrrp_watch_holders = decoder.switch(directive).unwrap_or(true);
    }),
    not_yet("vrrp_delay_after_boot", "SECONDS", "VRRP begins with the start of the daemon"),
    not_yet("vrrp_garp_extra_if", "[all] SECONDS", "there are no virtual MAC interfaces"),
    not_yet("vrrp_vmac_garp_intvl", "[all] SECONDS", "there are no virtual MAC interfaces"),
    not_yet("vrrp_owner_ignore_adverts", "[BOOL]", "an owner hears advertisements"),
    acts("vrrp_notify_priority_changes", "[BOOL]", |decoder, directive, draft| {
        let on = decoder.switch(directive).unwrap_or_default();
        draft.global.vrrp_notify_priority_changes = on;
    }),
    not_yet("vrrp_iptables", "[IN [OUT]]", NO_FIREWALL),
    not_yet("vrrp_ipsets", "[NAME ...]", NO_FIREWALL),
    not_yet("nftables", "[TABLE]", NO_FIREWALL),
    not_yet("nftables_priority", "NUMBER", NO_FIREWALL),
    not_yet("nftables_ifindex", "", NO_FIREWALL),
    not_yet("nftables_counters", "", NO_FIREWALL),
    not_yet("vmac_prefix", "NAME", "there are no virtual MAC interfaces"),
    not_yet("vmac_addr_prefix", "NAME", "there are no virtual MAC interfaces"),
    not_yet("dynamic_interfaces", "[allow_if_changes]", "interfaces must exist at the start"),
    not_yet("default_interface", "INTERFACE", "there are no static addresses"),
    not_yet("disable_local_igmp", "", "the kernel announces the multicast group by IGMP"),
    not_yet("log_unknown_vrids", "", "advertisements of other routers are counted, not logged"),
    no_effect(
        "vrrp_rx_bufs_policy",
        "MTU | ADVERT | BYTES",
        "the receive buffer fits any advertisement",
    ),
    no_effect("vrrp_rx_bufs_multiplier", "NUMBER", "the receive buffer fits any advertisement"),
];

const LVS: &[Keyword<Draft>] = &[
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
    not_yet("nftables_ipvs", "[TABLE]", "there are no virtual server groups"),
    not_yet("nftables_ipvs_priority", "NUMBER", "there are no virtual server groups"),
    not_yet("nftables_ipvs_start_fwmark", "NUMBER", "there are no virtual server groups"),
];

const NO_SNMP: &str = "there is no SNMP agent";
const NO_DBUS: &str = "there is no D-Bus service; the admin socket serves programs";
const SNMP: &[Keyword<Draft>] = &[
    not_yet("snmp_socket", "ADDRESS", NO_SNMP),
    not_yet("enable_traps", "", NO_SNMP),
    not_yet("enable_snmp_vrrp", "", NO_SNMP),
    not_yet("enable_snmp_checker", "", NO_SNMP),
    not_yet("enable_snmp_rfc", "", NO_SNMP),
    not_yet("enable_snmp_rfcv2", "", NO_SNMP),
    not_yet("enable_snmp_rfcv3", "", NO_SNMP),
    not_yet("enable_snmp_keepalived", "", NO_SNMP),
    not_yet("snmp_vs_stats_update_interval", "SECONDS", NO_SNMP),
    not_yet("snmp_rs_stats_update_interval", "SECONDS", NO_SNMP),
    not_yet("enable_dbus", "", NO_DBUS),
    not_yet("dbus_service_name", "NAME", NO_DBUS),
    not_yet("dbus_no_interface_name", "", NO_DBUS),
];

const RELOAD: &str = "every reload reads the whole file first, and a bad one changes nothing";
const NO_DUMP: &str = "`evenkeel status --json` gives the state";
const FILES: &[Keyword<Draft>] = &[
    acts("notify_fifo", "PATH [USER [GROUP]]", |decoder, directive, draft| {
        decoder.fifo(directive, &mut draft.global.fifo);
    }),
    acts("vrrp_notify_fifo", "PATH [USER [GROUP]]", |decoder, directive, draft| {
        decoder.fifo(directive, &mut draft.global.vrrp_fifo);
    }),
    acts("lvs_notify_fifo", "PATH [USER [GROUP]]", |decoder, directive, draft| {
        decoder.fifo(directive, &mut draft.global.lvs_fifo);
    }),
    acts("notify_fifo_script", "SCRIPT [USER [GROUP]]", |decoder, directive, draft| {
        draft.global.fifo.script = decoder.script(directive);
    }),
    acts("vrrp_notify_fifo_script", "SCRIPT [USER [GROUP]]", |decoder, directive, draft| {
        draft.global.vrrp_fifo.script = decoder.script(directive);
    }),
    acts("lvs_notify_fifo_script", "SCRIPT [USER [GROUP]]", |decoder, directive, draft| {
        draft.global.lvs_fifo.script = decoder.script(directive);
    }),
    acts("fifo_write_vrrp_states_on_reload", "", |decoder, directive, draft| {
        draft.global.fifo_states_on_reload = decoder.flag(directive);
    }),
    acts("auto_reload", "[BOOL]", |decoder, directive, draft| {
        draft.global.auto_reload = decoder.switch(directive).unwrap_or_default();
    }),
    no_effect("reload_check_config", "[LOGFILE]", RELOAD),
    not_yet(
        "reload_time_file",
        "PATH",
        "a reload is asked for by `evenkeel reload`, SIGHUP or `auto_reload`",
    ),
    not_yet(
        "reload_repeat",
        "",
        "a reload is asked for by `evenkeel reload`, SIGHUP or `auto_reload`",
    ),
    not_yet("reload_file", "[PATH]", "no file marks a reload"),
    not_yet("include_check", "FLAG ...", "a missing include is an error"),
    not_yet("config_save_dir", "DIR", "old configurations are not kept"),
    no_effect("tmp_config_directory", "DIR", "the configuration lives in sealed memory"),
    no_effect("data_use_instance", "[BOOL]", NO_DUMP),
    no_effect("json_version", "1 | 2", NO_DUMP),
    no_effect("state_dump_file", "PATH", NO_DUMP),
    no_effect("stats_dump_file", "PATH", NO_DUMP),
    no_effect("json_dump_file", "PATH", NO_DUMP),
    no_effect("iproute_usr_dir", "DIR", "names of scopes are built in"),
    no_effect("iproute_etc_dir", "DIR", "names of scopes are built in"),
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

/// `lvs_sync_daemon` while its options are read.
struct SyncDraft {
    daemon: SyncDaemon,
    instance: Option<(String, Span)>,
}

const SYNC: &[OptionWord<SyncDraft>] = &[
    value("inst", |_, word, draft| draft.instance = Some((word.text.to_string(), word.span))),
    value("id", |decoder, word, draft| draft.daemon.id = decoder.number_in(word, 0..=255)),
    value("maxlen", |decoder, word, draft| {
        draft.daemon.max_len = decoder.number_in(word, 1..=65_507);
    }),
    value("port", |decoder, word, draft| {
        draft.daemon.port = decoder.number_in(word, 1..=u16::MAX);
    }),
    value("ttl", |decoder, word, draft| draft.daemon.ttl = decoder.number_in(word, 1..=255)),
    value("group", |decoder, word, draft| {
        draft.daemon.group = decoder.address(word);
        if draft.daemon.group.is_some_and(|group| !group.is_multicast()) {
            decoder.bad(word, "a multicast address");
        }
    }),
    // Accepted and skipped by keepalived at this place.
    alone("master", |_| ()),
];

fn sync_daemon(decoder: &mut Decoder<'_>, directive: &Directive, draft: &mut Draft) {
    let Some((interface, options)) = directive.arguments.split_first() else {
        return decoder.missing(directive.name.span);
    };
    let Some(interface) = decoder.interface(interface) else { return };
    let daemon = SyncDaemon {
        interface,
        instance: None,
        id: None,
        max_len: None,
        port: None,
        ttl: None,
        group: None,
    };
    let mut sync = SyncDraft { daemon, instance: None };
    // The second word names the instance unless it is an option.
    let named = options.first().filter(|word| !SYNC.iter().any(|option| word.is(option.name)));
    let options = match named {
        Some(word) => {
            sync.instance = Some((word.text.to_string(), word.span));
            &options[1..]
        }
        None => options,
    };
    decoder.options(options, &directive.properties, SYNC, &mut sync);
    draft.sync_instance.clone_from(&sync.instance);
    let instance = sync.instance.map(|(name, _)| name);
    draft.global.lvs_sync_daemon = Some(SyncDaemon { instance, ..sync.daemon });
}

impl Decoder<'_> {
    /// An old spelling that still acts.
    pub(super) fn old_name(&mut self, directive: &Directive, name: &str) {
        let message = format!("`{}` is an old name of `{name}`", directive.name.text);
        self.report(Diagnostic::warning("old-name", directive.name.span, message));
    }

    /// `vrrp_version` and `version`.
    pub(super) fn version(&mut self, directive: &Directive) -> Option<vrrp::Version> {
        const CHOICES: [(&str, vrrp::Version); 2] =
            [("2", vrrp::Version::V2), ("3", vrrp::Version::V3)];
        let word = self.word(directive)?;
        self.choice(word, &CHOICES)
    }

    /// A multicast address of one family.
    pub(super) fn multicast_group(&mut self, directive: &Directive, v6: bool) -> Option<IpAddr> {
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

    /// How many packets an announcement repeats; 0 means 1 where there must be one.
    pub(super) fn bursts(&mut self, directive: &Directive, least: u32) -> Option<u32> {
        self.number(directive, 0..=255).map(|times: u32| times.max(least))
    }

    fn seconds_of_31_days(&mut self, word: &Word) -> u32 {
        self.number_in(word, 0..=ipvs::Persistence::MAX_TIMEOUT).unwrap_or_default()
    }
}

impl Decoder<'_> {
    /// `PATH [USER [GROUP]]` of a FIFO.
    fn fifo(&mut self, directive: &Directive, fifo: &mut Fifo) {
        self.surplus(directive, 3);
        let Some((path, owner)) = directive.arguments.split_first() else {
            return self.missing(directive.name.span);
        };
        if !path.text.starts_with('/') {
            return self.bad(path, "a path from the root");
        }
        fifo.path = Some(path.text.to_string().into());
        if let Some(user) = owner.first() {
            match self.account(user, owner.get(1)) {
                Ok(account) => fifo.owner = Some(account),
                Err(diagnostic) => self.report(diagnostic),
            }
        }
    }
}
