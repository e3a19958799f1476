//! `vrrp_script NAME`.

use std::time::Duration;

use super::command::Account;
use super::track::WeightDraft;
use super::{At, Decoder, Keyword, Keywords, acts};
use crate::config::diagnostic::Diagnostic;
use crate::config::landmarks::Subject;
use crate::config::model::{Command, VrrpScript};
use crate::config::source::Span;
use crate::config::tree::Directive;

/// Shortest period of a script; keepalived 2.3 and later count milliseconds.
const SHORTEST: Duration = Duration::from_millis(1);
/// Longest, as in keepalived: 2^32 microseconds.
const LONGEST: Duration = Duration::from_secs(4294);

/// The block as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    command: Option<At<Command>>,
    /// Whether `script` was given, rightly or wrongly.
    said_command: bool,
    user: Account,
    interval: Option<Duration>,
    timeout: Option<Duration>,
    weight: WeightDraft,
    rise: Option<u32>,
    fall: Option<u32>,
    init_fail: bool,
}

impl Keywords for Draft {
    const BLOCK: &'static str = "vrrp_script";
    const TABLES: &'static [&'static [Keyword<Self>]] = &[&[
        acts("script", "COMMAND", |decoder, directive, draft| {
            draft.command = decoder.command(directive);
        }),
        acts("interval", "SECONDS", |decoder, directive, draft| {
            draft.interval = decoder.time(directive, SHORTEST..=LONGEST);
        }),
        acts("timeout", "SECONDS", |decoder, directive, draft| {
            draft.timeout = decoder.time(directive, SHORTEST..=LONGEST);
        }),
        acts("weight", "-253..253 [reverse]", |decoder, directive, draft| {
            let Some((weight, options)) = directive.arguments.split_first() else {
                return decoder.missing(directive.name.span);
            };
            decoder.take_weight(weight, &mut draft.weight);
            decoder.weight_options(options, &directive.properties, &mut draft.weight);
        }),
        acts("rise", "TIMES", |decoder, directive, draft| {
            draft.rise = decoder.number(directive, 1..=i32::MAX.unsigned_abs());
        }),
        acts("fall", "TIMES", |decoder, directive, draft| {
            draft.fall = decoder.number(directive, 1..=i32::MAX.unsigned_abs());
        }),
        acts("user", "USER [GROUP]", |decoder, directive, draft| {
            draft.user = decoder.script_account(directive);
        }),
        acts("init_fail", "", |decoder, directive, draft| {
            draft.init_fail = decoder.flag(directive);
        }),
    ]];
}

/// A script of the configuration, and where it stands.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: At<String>,
    /// `None` where it cannot run, which has been told.
    pub(super) script: Option<VrrpScript>,
    pub(super) keyword: Span,
}

impl Decoder<'_> {
    /// Reads one `vrrp_script`.
    pub(super) fn vrrp_script(&mut self, directive: &Directive) -> Option<Named> {
        let name = self.name(directive);
        let said_command =
            directive.has("script") || directive.block.is_none() && directive.properties.is_empty();
        let mut draft = Draft { said_command, ..Draft::default() };
        self.block(directive, &mut draft);
        let name = name?;
        let keyword = directive.head();
        let script = self.finish_script(&name.value, keyword, draft);
        Some(Named { name, script, keyword })
    }

    fn finish_script(&mut self, name: &str, keyword: Span, draft: Draft) -> Option<VrrpScript> {
        let Some(command) = draft.command else {
            if draft.said_command {
                return None;
            }
            let message = format!("vrrp_script `{name}` has no `script`: it is left out");
            self.passed_over(
                Diagnostic::warning("missing-keyword", keyword, message)
                    .help("say what to run: script \"killall -0 nginx\""),
            );
            return None;
        };
        self.diagnostics.landmarks_mut().mark(Subject::Script(name.to_owned()), command.span);
        let user = self.secured(draft.user, command.span);
        let script = self.runnable(command, user, keyword)?;
        let interval = draft.interval.unwrap_or(Duration::from_secs(1));
        Some(VrrpScript {
            name: name.to_owned(),
            script,
            interval,
            timeout: draft.timeout.unwrap_or(interval),
            weight: draft.weight.finish(),
            rise: draft.rise.unwrap_or(1),
            fall: draft.fall.unwrap_or(1),
            init_fail: draft.init_fail,
        })
    }
}
