//! `track_*` blocks of instances and groups: what is watched there, and the weight it has. Which objects there are, and
//! what follows, is `tracked`'s.

use super::options::{OptionWord, alone, value};
use super::{At, Decoder, Keyword, many};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::TrackWeight;
use crate::config::tree::{Directive, Form, Property, Word};

/// `weight N [reverse]` as far as it was given.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WeightDraft {
    weight: Option<i16>,
    reverse: bool,
}

impl WeightDraft {
    /// What is meant where nothing is given: weight 0.
    pub(super) fn finish(self) -> TrackWeight {
        TrackWeight { weight: self.weight.unwrap_or_default(), reverse: self.reverse }
    }

    /// Given here, else the tracked object's own.
    pub(super) fn over(self, own: TrackWeight) -> TrackWeight {
        match self.weight {
            Some(_) => self.finish(),
            None => TrackWeight { reverse: own.reverse || self.reverse, ..own },
        }
    }

    /// Whether a weight was given.
    pub(super) fn is_given(self) -> bool {
        self.weight.is_some()
    }
}

/// One line of a `track_*` block.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: At<String>,
    pub(super) weight: WeightDraft,
}

/// The `track_*` blocks of an instance or group.
#[derive(Debug, Default)]
pub(super) struct Trackers {
    pub(super) interfaces: Vec<Entry>,
    pub(super) scripts: Vec<Entry>,
    pub(super) files: Vec<Entry>,
    pub(super) processes: Vec<Entry>,
    pub(super) virtual_servers: Vec<Entry>,
    pub(super) bfd: Vec<Entry>,
}

impl Trackers {
    /// Everything that is tracked.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        let Self { interfaces, scripts, files, processes, virtual_servers, bfd } = self;
        [interfaces, scripts, files, processes, virtual_servers, bfd].into_iter().flatten()
    }
}

/// A block that has [`Trackers`].
pub(super) trait Tracks: Sized + 'static {
    /// Where they are kept.
    fn trackers(&mut self) -> &mut Trackers;

    /// The keywords for them.
    const TRACKERS: &'static [Keyword<Self>] = &[
        many(
            "track_interface",
            "{ INTERFACE [weight N [reverse]] ... }",
            |decoder, directive, draft| {
                draft.trackers().interfaces.extend(decoder.tracked(directive));
            },
        ),
        many("track_script", "{ NAME [weight N [reverse]] ... }", |decoder, directive, draft| {
            draft.trackers().scripts.extend(decoder.tracked(directive));
        }),
        many("track_file", "{ NAME [weight N [reverse]] ... }", |decoder, directive, draft| {
            draft.trackers().files.extend(decoder.tracked(directive));
        }),
        many("track_process", "{ NAME [weight N [reverse]] ... }", |decoder, directive, draft| {
            draft.trackers().processes.extend(decoder.tracked(directive));
        }),
        many(
            "track_virtual_server",
            "{ ADDRESS:PORT[/udp | /sctp] | fwmark:MARK [weight N [reverse]] ... }",
            |decoder, directive, draft| {
                draft.trackers().virtual_servers.extend(decoder.tracked(directive));
            },
        ),
        many("track_bfd", "{ NAME [weight N [reverse]] ... }", |decoder, directive, draft| {
            draft.trackers().bfd.extend(decoder.tracked(directive));
        }),
    ];
}

const OPTIONS: &[OptionWord<WeightDraft>] = &[
    value("weight", |decoder, word, draft| decoder.take_weight(word, draft)),
    alone("reverse", |draft| draft.reverse = true),
    alone("noreverse", |draft| draft.reverse = false),
];

impl Decoder<'_> {
    /// The entries of a `track_*` block: one a line; in KDL names may stand as arguments too.
    pub(super) fn tracked(&mut self, directive: &Directive) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut add = |word: &Word, weight| {
            let name = At { value: word.text.to_string(), span: word.span };
            entries.push(Entry { name, weight });
        };
        for word in &directive.arguments {
            let mut weight = WeightDraft::default();
            self.weight_options(&[], &directive.properties, &mut weight);
            add(word, weight);
        }
        for child in directive.children() {
            if child.name.form == Form::Other {
                continue;
            }
            let mut weight = WeightDraft::default();
            self.weight_options(&child.arguments, &child.properties, &mut weight);
            add(&child.name, weight);
        }
        if entries.is_empty() {
            self.empty(directive);
        }
        entries
    }

    /// `weight N`, `reverse`, `noreverse` behind a name.
    pub(super) fn weight_options(
        &mut self,
        words: &[Word],
        properties: &[Property],
        draft: &mut WeightDraft,
    ) {
        self.options(words, properties, OPTIONS, draft);
    }

    /// A weight. keepalived takes 254 and makes it 253, with a complaint.
    pub(super) fn take_weight(&mut self, word: &Word, draft: &mut WeightDraft) {
        let Some(weight) = self.number_in(word, -254..=254_i16) else { return };
        let held = weight.clamp(-253, 253);
        if held != weight {
            let message = format!("weight {weight} is held at {held}, the largest that counts");
            let told = Diagnostic::warning("adjusted", word.span, message);
            self.report(told.help(format!("write weight {held}")));
        }
        draft.weight = Some(held);
    }
}
