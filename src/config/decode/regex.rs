//! `regex` and its options: what a body must hold, or must not.

use checkers::spec::{BodySearch, Pattern, PatternOption, PatternOptions};

use super::http::UrlDraft;
use super::{At, Decoder, Keyword, acts, no_effect};
use crate::config::diagnostic::Diagnostic;
use crate::config::source::Span;
use crate::config::tree::Directive;

/// What is said of the body.
#[derive(Debug, Default)]
pub(super) struct SearchDraft {
    pattern: Option<At<String>>,
    options: PatternOptions,
    no_match: bool,
    min_offset: Option<u64>,
    max_offset: Option<u64>,
    /// The first keyword that means something only beside `regex`.
    besides: Option<Span>,
}

/// The keywords, which stand in `url`.
pub(super) const REGEX: [Keyword<UrlDraft>; 6] = [
    acts("regex", "PATTERN", |decoder, directive, draft| {
        let word = decoder.word(directive);
        draft.search.pattern =
            word.map(|word| At { value: word.text.to_string(), span: word.span });
    }),
    acts("regex_no_match", "", |decoder, directive, draft| {
        draft.search.besides.get_or_insert(directive.head());
        draft.search.no_match = decoder.flag(directive);
    }),
    acts("regex_options", "OPTION ...", |decoder, directive, draft| {
        draft.search.besides.get_or_insert(directive.head());
        decoder.regex_options(directive, &mut draft.search.options);
    }),
    acts("regex_min_offset", "BYTES", |decoder, directive, draft| {
        draft.search.besides.get_or_insert(directive.head());
        draft.search.min_offset = decoder.number(directive, 0..=u64::MAX);
    }),
    acts("regex_max_offset", "BYTES", |decoder, directive, draft| {
        draft.search.besides.get_or_insert(directive.head());
        draft.search.max_offset = decoder.number(directive, 0..=u64::MAX);
    }),
    no_effect("regex_stack", "START MAX", "the engine needs no stack"),
];

impl SearchDraft {
    /// With what is resolved.
    pub(super) fn spec(self, decoder: &mut Decoder<'_>) -> Option<BodySearch> {
        let Some(pattern) = self.pattern else {
            if let Some(span) = self.besides {
                let message = "this has no effect: there is no `regex` in this `url`";
                decoder.report(Diagnostic::warning("no-effect", span, message));
            }
            return None;
        };
        let min_offset = self.min_offset.unwrap_or(0);
        if let Some(max) = self.max_offset.filter(|&max| max < min_offset) {
            let message = format!("regex_max_offset {max} is below regex_min_offset {min_offset}");
            decoder.report(Diagnostic::error("bad-value", pattern.span, message));
        }
        match Pattern::new(&pattern.value, self.options) {
            Ok(pattern) => Some(BodySearch {
                pattern,
                no_match: self.no_match,
                min_offset,
                max_offset: self.max_offset,
            }),
            Err(error) => {
                let message = format!("`regex`: {error}");
                let help = "what this engine has of PCRE2 stands in docs/migration.md";
                decoder.report(Diagnostic::error("regex", pattern.span, message).help(help));
                None
            }
        }
    }
}

impl Decoder<'_> {
    fn regex_options(&mut self, directive: &Directive, options: &mut PatternOptions) {
        if directive.arguments.is_empty() {
            self.missing(directive.name.span);
        }
        for word in &directive.arguments {
            match PatternOption::named(&word.text) {
                Some(PatternOption::Acts(set)) => set(options),
                Some(PatternOption::Idle) => {}
                Some(PatternOption::Foreign) => {
                    let message = format!("`{}` is of PCRE2 and not possible here", word.text);
                    self.report(Diagnostic::error("regex", word.span, message));
                }
                None => self.bad(word, "an option of PCRE2, as caseless or multiline,"),
            }
        }
    }
}
