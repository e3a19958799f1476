//! `vrrp_track_process NAME`: whether as many processes run as should.

use std::time::Duration;

use super::track::WeightDraft;
use super::tracked::Object;
use super::{Decoder, Keyword, Keywords, acts};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{ProcessMatch, TrackProcess};
use crate::config::tree::Directive;

/// Longest delay taken, as in keepalived.
const LONGEST: Duration = Duration::from_secs(3600);
/// What the kernel keeps of a process's name (TASK_COMM_LEN less the closing NUL).
const NAME: usize = 15;

/// The block as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    process: Vec<String>,
    matching: Option<ProcessMatch>,
    full_command: bool,
    weight: WeightDraft,
    quorum: Option<u32>,
    quorum_max: Option<u32>,
    fork_delay: Duration,
    terminate_delay: Duration,
}

impl Keywords for Draft {
    const BLOCK: &'static str = "vrrp_track_process";
    const TABLES: &'static [&'static [Keyword<Self>]] = &[&[
        acts("process", "NAME [ARGUMENT ...]", |decoder, directive, draft| {
            let mut words = Vec::new();
            for word in &directive.arguments {
                match shell_words::split(&word.text) {
                    Ok(split) => words.extend(split),
                    Err(_) => decoder.bad(word, "a command with its quotes closed"),
                }
            }
            if words.is_empty() {
                decoder.missing(directive.name.span);
            }
            draft.process = words;
        }),
        acts("param_match", "initial | partial", |decoder, directive, draft| {
            let Some(word) = decoder.word(directive) else { return };
            const CHOICES: [(&str, ProcessMatch); 2] =
                [("initial", ProcessMatch::Initial), ("partial", ProcessMatch::Partial)];
            draft.matching = decoder.choice(word, &CHOICES);
        }),
        acts("full_command", "", |decoder, directive, draft| {
            draft.full_command = decoder.flag(directive);
        }),
        acts("weight", "-253..253 [reverse]", |decoder, directive, draft| {
            decoder.weight_of(directive, &mut draft.weight);
        }),
        acts("quorum", "1..65535", |decoder, directive, draft| {
            draft.quorum = decoder.number(directive, 1..=65_535);
        }),
        acts("quorum_max", "0..65535", |decoder, directive, draft| {
            draft.quorum_max = decoder.number(directive, 0..=65_535);
        }),
        acts("fork_delay", "SECONDS", |decoder, directive, draft| {
            draft.fork_delay =
                decoder.time(directive, Duration::ZERO..=LONGEST).unwrap_or_default();
        }),
        acts("terminate_delay", "SECONDS", |decoder, directive, draft| {
            draft.terminate_delay =
                decoder.time(directive, Duration::ZERO..=LONGEST).unwrap_or_default();
        }),
        acts("delay", "SECONDS", |decoder, directive, draft| {
            let delay = decoder.time(directive, Duration::ZERO..=LONGEST).unwrap_or_default();
            (draft.fork_delay, draft.terminate_delay) = (delay, delay);
        }),
    ]];
}

impl Decoder<'_> {
    /// Reads one `vrrp_track_process`.
    pub(super) fn vrrp_track_process(
        &mut self,
        directive: &Directive,
    ) -> Option<Object<TrackProcess>> {
        let name = self.name(directive);
        let mut draft = Draft::default();
        self.block(directive, &mut draft);
        let (name, keyword) = (name?, directive.head());
        if draft.process.is_empty() && !directive.has("process") && directive.block.is_some() {
            let message = format!("vrrp_track_process `{}` has no `process`", name.value);
            self.report(
                Diagnostic::error("missing-keyword", keyword, message)
                    .help("say which: process nginx"),
            );
        }
        let object = self.finish_process(&name.value, keyword, draft);
        Some(Object { name, keyword, object })
    }

    fn finish_process(
        &mut self,
        name: &str,
        keyword: crate::config::source::Span,
        draft: Draft,
    ) -> Option<TrackProcess> {
        let first = draft.process.first()?;
        let matching = match draft.matching {
            Some(matching) => matching,
            None if draft.full_command || draft.process.len() > 1 => ProcessMatch::Command,
            None => ProcessMatch::Name,
        };
        if matching == ProcessMatch::Name && first.len() > NAME {
            let message = format!(
                "`{first}` is longer than the {NAME} bytes that the kernel keeps of a process's name"
            );
            self.report(
                Diagnostic::error("bad-value", keyword, message)
                    .help("say full_command, and the process as its command line shows it"),
            );
            return None;
        }
        // As in keepalived: where none may run, none need to.
        let quorum = match draft.quorum_max {
            Some(0) => 0,
            _ => draft.quorum.unwrap_or(1),
        };
        if let Some(most) = draft.quorum_max.filter(|most| *most < quorum) {
            let message =
                format!("vrrp_track_process `{name}`: quorum {quorum} is above quorum_max {most}");
            self.report(Diagnostic::error("bad-value", keyword, message).help("no number is both"));
            return None;
        }
        Some(TrackProcess {
            name: name.to_owned(),
            process: draft.process,
            matching,
            weight: draft.weight.finish(),
            quorum,
            quorum_max: draft.quorum_max,
            fork_delay: draft.fork_delay,
            terminate_delay: draft.terminate_delay,
        })
    }
}
