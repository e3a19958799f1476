//! The words after an address, a tracked name or a forwarding method: `dev eth0 no_track`, in KDL `dev="eth0"` too.

use super::Decoder;
use crate::config::diagnostic::Diagnostic;
use crate::config::source::Span;
use crate::config::suggest;
use crate::config::tree::{Form, Property, Word};

/// One option.
pub(super) struct OptionWord<T: 'static> {
    pub(super) name: &'static str,
    pub(super) takes: Takes<T>,
}

/// What follows an option's word.
pub(super) enum Takes<T: 'static> {
    /// A value.
    Value(fn(&mut Decoder<'_>, &Word, &mut T)),
    /// Nothing.
    Nothing(fn(&mut T)),
    /// So many values; the option is not in this version.
    NotYet(usize, &'static str),
}

/// Options whose wrong value keepalived skips with the option alone even in a line of a list, routes and rules excepted.
const ALONE: [&str; 2] = ["scope", "weight"];

/// An option that takes a value.
pub(super) const fn value<T>(
    name: &'static str,
    take: fn(&mut Decoder<'_>, &Word, &mut T),
) -> OptionWord<T> {
    OptionWord { name, takes: Takes::Value(take) }
}

/// An option that stands alone.
pub(super) const fn alone<T>(name: &'static str, take: fn(&mut T)) -> OptionWord<T> {
    OptionWord { name, takes: Takes::Nothing(take) }
}

/// An option of keepalived's with so many values that is not in this version.
pub(super) const fn later<T>(
    name: &'static str,
    values: usize,
    what: &'static str,
) -> OptionWord<T> {
    OptionWord { name, takes: Takes::NotYet(values, what) }
}

impl Decoder<'_> {
    /// Takes options from words and properties into a draft.
    pub(super) fn options<T>(
        &mut self,
        words: &[Word],
        properties: &[Property],
        table: &'static [OptionWord<T>],
        draft: &mut T,
    ) {
        self.properties_read = true;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(option) = table.iter().find(|option| word.is(option.name)) else {
                if self.unknown_option(word, word.span, table) {
                    words.next().into_iter().for_each(|value| _ = self.ignored.insert(value.span));
                }
                continue;
            };
            match option.takes {
                Takes::Value(take) => match words.next() {
                    Some(value) if self.goes_alone(option.name) => {
                        let (stake, before) = (self.only_at_stake(value.span), self.wrong_values);
                        self.take_option(option, value, take, draft);
                        if self.wrong_values != before {
                            self.ignored.insert(word.span);
                            self.wrong_values = before;
                        }
                        self.stake = stake;
                    }
                    Some(value) => self.take_option(option, value, take, draft),
                    None => {
                        let message = format!("`{}` has no value after it", option.name);
                        let help = "write its value behind it, or take it out";
                        let told = Diagnostic::error("missing-value", word.span, message);
                        self.report(told.help(help));
                    }
                },
                Takes::Nothing(take) => take(draft),
                Takes::NotYet(values, what) => {
                    self.later_option(option.name, word.span, what);
                    words.by_ref().take(values).for_each(drop);
                }
            }
        }
        for Property { name, value } in properties {
            let span = name.span.to(value.span);
            let Some(option) = table.iter().find(|option| name.is(option.name)) else {
                self.unknown_option(name, span, table);
                continue;
            };
            match option.takes {
                Takes::Value(take) => self.take_option(option, value, take, draft),
                Takes::Nothing(take) if value.form == Form::Boolean => {
                    if value.is("true") {
                        take(draft);
                    }
                }
                Takes::Nothing(_) => {
                    let message = format!("`{}` takes #true or #false", option.name);
                    self.report(Diagnostic::error("bad-value", value.span, message));
                }
                Takes::NotYet(_, what) => self.later_option(option.name, span, what),
            }
        }
    }

    /// Whether a wrong value leaves the rest of its line as it is.
    fn goes_alone(&self, option: &str) -> bool {
        match self.stake {
            Some(stake) if stake.is_whole() => false,
            Some(stake) if stake.is_entry => ALONE.contains(&option),
            Some(_) | None => true,
        }
    }

    fn take_option<T>(
        &mut self,
        option: &OptionWord<T>,
        value: &Word,
        take: fn(&mut Decoder<'_>, &Word, &mut T),
        draft: &mut T,
    ) {
        let outer = std::mem::replace(&mut self.keyword, (option.name, ""));
        take(self, value, draft);
        self.keyword = outer;
    }

    fn later_option(&mut self, name: &str, span: Span, what: &str) {
        let message = format!("`{name}` is not supported by this version: {what}");
        self.report(Diagnostic::warning("not-yet", span, message));
    }

    /// Whether a value belongs to it, if it was meant as the option that is nearest.
    fn unknown_option<T>(
        &mut self,
        word: &Word,
        span: Span,
        table: &'static [OptionWord<T>],
    ) -> bool {
        let names = || table.iter().map(|option| option.name);
        let near = suggest::nearest(&word.text, names());
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", names().collect::<Vec<_>>().join(", ")),
        };
        let found = super::value::shown(word);
        if self.stake.is_some_and(|stake| stake.is_whole()) {
            let message = format!("`{found}` is no option here");
            self.wrong(Diagnostic::error("unknown-option", span, message).help(help));
            return false;
        }
        let message = format!("`{found}` is no option here{}", self.skipped(span));
        self.passed_over(Diagnostic::warning("unknown-option", span, message).help(help));
        let meant = table.iter().find(|option| Some(option.name) == near);
        meant.is_some_and(|option| matches!(option.takes, Takes::Value(_)))
    }
}
