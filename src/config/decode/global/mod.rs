//! `global_defs`.

mod agents;
mod files;
mod firewall;
mod lvs;
mod sync_daemon;
mod vrrp;

use std::ops::RangeInclusive;
use std::time::Duration;

use super::announce::{AnnounceDraft, Announces};
use super::{Decoder, Keyword, Keywords, acts, mail, no_effect, not_yet, process};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{Global, LogFormat, ScriptUser, Web};
use crate::config::source::Span;
use crate::config::tree::Directive;
use crate::process::AutoPriority;

/// Longest pause taken: a day.
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// `global_defs` as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) global: Global,
    announce: AnnounceDraft,
    /// `max_auto_priority` and `min_auto_priority_delay`.
    pub(super) auto_most: Option<u8>,
    pub(super) auto_delay: Option<Duration>,
    /// Where `lvs_sync_daemon` names an instance.
    sync_instance: Option<(String, Span)>,
}

impl Draft {
    /// The model's part, and where the sync daemon's instance is named.
    pub(super) fn finish(mut self) -> (Global, Option<(String, Span)>) {
        self.global.announce = self.announce.finish();
        let delay = self.auto_delay.unwrap_or(AutoPriority::DELAY);
        let auto = self.auto_most.map(|most| AutoPriority { most, delay });
        self.global.vrrp_process.auto = auto;
        self.global.checker_process.auto = auto;
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

impl Announces for Draft {
    fn announce(&mut self) -> &mut AnnounceDraft {
        &mut self.announce
    }
}

impl Keywords for Draft {
    const BLOCK: &'static str = "global_defs";
    const TABLES: &'static [&'static [Keyword<Self>]] = &[
        mail::MAIL,
        SCRIPTS,
        vrrp::VRRP,
        firewall::FIREWALL,
        lvs::LVS,
        process::PROCESS,
        agents::SNMP,
        files::FILES,
    ];
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
    acts("startup_script", "SCRIPT [USER [GROUP]]", |decoder, directive, draft| {
        draft.global.daemon.startup.script = decoder.script(directive);
    }),
    acts("startup_script_timeout", "SECONDS", |decoder, directive, draft| {
        let time = decoder.time(directive, ERRAND);
        draft.global.daemon.startup.set_within(time);
    }),
    acts("shutdown_script", "SCRIPT [USER [GROUP]]", |decoder, directive, draft| {
        draft.global.daemon.shutdown.script = decoder.script(directive);
    }),
    acts("shutdown_script_timeout", "SECONDS", |decoder, directive, draft| {
        let time = decoder.time(directive, ERRAND);
        draft.global.daemon.shutdown.set_within(time);
    }),
];

/// How long the scripts at start and stop may take.
const ERRAND: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(1000);

impl Decoder<'_> {
    /// An old spelling that still acts.
    pub(super) fn old_name(&mut self, directive: &Directive, name: &str) {
        let message = format!("`{}` is an old name of `{name}`", directive.name.text);
        self.report(Diagnostic::warning("old-name", directive.name.span, message));
    }
}
