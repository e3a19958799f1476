//! `track_file NAME`, and `FILE_CHECK`, which reads one.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use checkers::spec::FileSpec;
use checkers::{Cadence, First, Target};

use super::options::{OptionWord, alone};
use super::pace::{Pace, Paced};
use super::tracked::Object;
use super::{At, Decoder, Keyword, Keywords, acts};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{InitFile, TrackFile as RouterFile, TrackWeight};
use crate::config::source::Span;
use crate::config::tree::{Directive, Property, Word};

/// A file is nobody's: all real servers that watch it share one probe.
pub(super) const TARGET: Target =
    Target { addr: std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0 };

/// How often a file is read unless the checker says otherwise: keepalived is told of each change, and a virtual server's
/// delay_loop is meant for questions that cost more.
const PERIOD: Duration = Duration::from_secs(1);

/// A file that holds a number.
#[derive(Debug, Clone)]
pub(super) struct TrackFile {
    keyword: Span,
    file: At<String>,
    weight: WeightDraft,
    used: bool,
}

/// What a number counts.
#[derive(Debug, Clone, Copy, Default)]
struct WeightDraft {
    weight: Option<i32>,
    reverse: bool,
}

/// `track_file` as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    file: Option<At<String>>,
    weight: WeightDraft,
    init: Option<InitFile>,
}

impl Keywords for Draft {
    const BLOCK: &'static str = "track_file";
    const TABLES: &'static [&'static [Keyword<Self>]] = &[&[
        acts("file", "PATH", |decoder, directive, draft| {
            let Some(word) = decoder.word(directive) else { return };
            if Path::new(&*word.text).is_absolute() {
                draft.file = Some(At { value: word.text.to_string(), span: word.span });
            } else {
                decoder.bad(word, "an absolute path");
            }
        }),
        acts("weight", "-254..254 [reverse]", |decoder, directive, draft| {
            decoder.file_weight(directive, -254..=254, &mut draft.weight);
        }),
        acts("init_file", "[VALUE] [overwrite]", |decoder, directive, draft| {
            let mut init = InitFile { value: 0, overwrite: false };
            for word in &directive.arguments {
                if word.is("overwrite") {
                    init.overwrite = true;
                } else if let Some(value) = decoder.number_in(word, i32::MIN..=i32::MAX) {
                    init.value = value;
                }
            }
            draft.init = Some(init);
        }),
    ]];
}

/// `FILE_CHECK` as far as it was read.
#[derive(Debug, Default)]
pub(super) struct FileDraft {
    pace: Pace,
    name: Option<At<String>>,
    weight: WeightDraft,
}

impl Paced for FileDraft {
    fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }
}

impl Keywords for FileDraft {
    const BLOCK: &'static str = "FILE_CHECK";
    const TABLES: &'static [&'static [Keyword<Self>]] = &[FILE, &Self::PACE, &Self::LOG];
}

const FILE: &[Keyword<FileDraft>] = &[
    acts("track_file", "NAME", |decoder, directive, draft| {
        draft.name = decoder.name(directive);
    }),
    acts("weight", "-2147483647..2147483647 [reverse]", |decoder, directive, draft| {
        decoder.file_weight(directive, -i32::MAX..=i32::MAX, &mut draft.weight);
    }),
];

const OPTIONS: &[OptionWord<WeightDraft>] = &[
    alone("reverse", |draft| draft.reverse = true),
    alone("noreverse", |draft| draft.reverse = false),
];

impl FileDraft {
    /// With what its `track_file` says. `None` where it has none, which has been told.
    pub(super) fn spec(self, decoder: &mut Decoder<'_>, keyword: Span) -> Option<FileSpec> {
        let Some(At { value: name, span }) = self.name else {
            let message = "no `track_file` in this checker: it is left out, and the real server not checked by it";
            let told = Diagnostic::warning("missing-keyword", keyword, message);
            decoder.passed_over(
                told.help("add: track_file NAME, of a track_file at the outermost level"),
            );
            return None;
        };
        let Some(tracked) = decoder.track_files.get_mut(&name) else {
            let message = format!("there is no track_file `{name}`");
            let help = format!("add: track_file {name} {{ file /run/{name} }}");
            decoder.report(Diagnostic::error("unresolved", span, message).help(help));
            return None;
        };
        tracked.used = true;
        // The number itself where neither says how much it counts.
        let weight = self.weight.weight.or(tracked.weight.weight).unwrap_or(1);
        let reverse = match self.weight.weight {
            Some(_) => self.weight.reverse,
            None => self.weight.reverse || tracked.weight.reverse,
        };
        Some(FileSpec { path: tracked.file.value.as_str().into(), weight, reverse })
    }

    /// What a file says counts at once, and is read at once.
    pub(super) fn cadence(pace: &Pace, own: Option<Duration>) -> Cadence {
        let delay_loop = own.unwrap_or(PERIOD);
        let first = pace.first.unwrap_or(First::AtOnce);
        let warmup = pace.warmup.unwrap_or_default();
        Cadence { delay_loop, first, warmup, ..pace.cadence(0, PERIOD) }
    }
}

impl Decoder<'_> {
    /// Reads one `track_file`; `FILE_CHECK` finds it by its name, routers by what is returned.
    pub(super) fn track_file(&mut self, directive: &Directive) -> Option<Object<RouterFile>> {
        let name = self.name(directive);
        let mut draft = Draft::default();
        self.block(directive, &mut draft);
        let (At { value: name, span }, keyword) = (name?, directive.head());
        let Draft { file: Some(file), weight, init } = draft else {
            if !directive.has("file") {
                let message = format!("track_file `{name}` has no `file`");
                self.report(Diagnostic::error("missing-keyword", keyword, message));
            }
            return None;
        };
        let object = RouterFile {
            name: name.clone(),
            path: file.value.as_str().into(),
            // The number itself unless something else is said; keepalived holds it within these bounds.
            weight: TrackWeight {
                weight: i16::try_from(weight.weight.unwrap_or(1).clamp(-254, 254)).unwrap_or(1),
                reverse: weight.reverse,
            },
            init,
        };
        let tracked = TrackFile { keyword, file, weight, used: false };
        if let Some(first) = self.track_files.insert(name.clone(), tracked) {
            let message = format!("a second track_file `{name}`");
            self.report(
                Diagnostic::error("twice", keyword, message).related(first.keyword, "the first"),
            );
        }
        Some(Object { name: At { value: name, span }, keyword, object: Some(object) })
    }

    /// Whether a checker reads this `track_file`.
    pub(super) fn is_checked(&self, name: &str) -> bool {
        self.track_files.get(name).is_some_and(|one| one.used)
    }

    fn file_weight(
        &mut self,
        directive: &Directive,
        range: std::ops::RangeInclusive<i32>,
        draft: &mut WeightDraft,
    ) {
        let Some((weight, options)) = directive.arguments.split_first() else {
            return self.missing(directive.name.span);
        };
        draft.weight = self.number_in(weight, range);
        self.file_weight_options(options, &directive.properties, draft);
    }

    fn file_weight_options(
        &mut self,
        words: &[Word],
        properties: &[Property],
        draft: &mut WeightDraft,
    ) {
        self.options(words, properties, OPTIONS, draft);
    }
}
