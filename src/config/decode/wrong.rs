//! Wrong values. keepalived tells them and does without the line, or takes another value, and so does a keepalived.conf
//! here: a director that ran yesterday must run today. KDL has no such past: a wrong value keeps it from running.

use super::Decoder;
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::keywords;
use crate::config::source::{Grammar, Span};
use crate::config::tree::{Directive, Word};

/// What a wrong value takes with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stake {
    /// The line, from its keyword to its last word.
    span: Span,
    /// The first words behind its keyword: they may stand in a macro.
    words: [Span; 3],
    /// The keyword that it belongs to.
    keyword: &'static str,
    /// What is skipped, in words.
    what: &'static str,
    /// Whether it is a line of a list: an address, a route.
    pub(super) is_entry: bool,
}

/// Without a value of these keepalived ends too.
const ESSENTIAL: [&str; 1] = ["virtual_router_id"];

impl Decoder<'_> {
    /// A line that is skipped if one of its values is wrong. Gives what was at stake before, to be put back.
    pub(super) fn at_stake(
        &mut self,
        directive: &Directive,
        keyword: &'static str,
    ) -> Option<Stake> {
        let what = match directive.block {
            Some(_) => "skipped with its block",
            None => "skipped with its line",
        };
        let span = directive.head();
        let mut words = [span; 3];
        for (at, word) in words.iter_mut().zip(&directive.arguments) {
            *at = word.span;
        }
        self.stake.replace(Stake { span, words, keyword, what, is_entry: false })
    }

    /// For an option that is skipped alone: its value.
    pub(super) fn only_at_stake(&mut self, span: Span) -> Option<Stake> {
        let outer = self.stake;
        let what = "skipped with its option";
        self.stake = outer.map(|stake| Stake { span, words: [span; 3], what, ..stake });
        outer
    }

    /// One line of a block of entries: a wrong value of it takes the entry away. `None` where one was.
    pub(super) fn entry<T>(
        &mut self,
        line: &Directive,
        read: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        let (keyword, before) = (self.keyword.0, self.wrong_values);
        let outer = self.at_stake(line, keyword);
        if let Some(stake) = &mut self.stake {
            stake.is_entry = true;
            stake.words[2] = line.name.span;
        }
        let value = read(self);
        self.stake = outer;
        (self.wrong_values == before).then_some(value)
    }

    /// A value that is wrong.
    pub(super) fn wrong(&mut self, diagnostic: Diagnostic) {
        self.wrong_values += 1;
        match diagnostic.span {
            Some(span) if self.is_lenient(span) => {
                let lost = self.stake.filter(|stake| stake.holds(span));
                self.ignored.insert(lost.map_or(span, |stake| stake.span));
                let what = lost.map_or("skipped", |stake| stake.what);
                self.tolerate(diagnostic, format_args!("it is {what}, as in keepalived"));
            }
            Some(_) | None => self.report(diagnostic),
        }
    }

    /// A wrong value for which keepalived takes another one.
    pub(super) fn instead<T: std::fmt::Display>(
        &mut self,
        word: &Word,
        other: T,
        diagnostic: Diagnostic,
    ) -> Option<T> {
        if !self.is_lenient(word.span) {
            self.report(diagnostic);
            return None;
        }
        self.instead.insert(word.span, other.to_string());
        self.tolerate(diagnostic, format_args!("{other} is taken, as in keepalived"));
        Some(other)
    }

    /// The first argument of a line that keepalived skips without one.
    pub(super) fn word_or_skipped<'d>(&mut self, directive: &'d Directive) -> Option<&'d Word> {
        let word = self.word_or_nothing(directive);
        if word.is_none() {
            let (name, form) = self.keyword;
            let message = format!("`{name}` has nothing after it");
            let told = Diagnostic::error("missing-value", directive.head(), message);
            self.wrong(told.help(format!("write `{name} {form}`")));
        }
        word
    }

    /// A wrong priority. Not none at all: MASTER without one would be the owner.
    pub(super) fn no_priority(&mut self, word: &Word) -> Option<u8> {
        let found = super::value::shown(word);
        let message = format!("`{found}` for `priority`: a whole number from 1 to 255 is wanted");
        self.instead(word, 100, Diagnostic::error("bad-value", word.span, message))
    }

    /// A real-time priority; more than the most is the most.
    pub(super) fn real_time(&mut self, directive: &Directive) -> Option<u8> {
        let word = self.word(directive)?;
        match word.text.parse::<u32>() {
            Ok(number) if number > 99 => {
                let (found, keyword) = (super::value::shown(word), self.keyword.0);
                let message =
                    format!("`{found}` for `{keyword}`: a whole number from 1 to 99 is wanted");
                self.instead(word, 99, Diagnostic::error("bad-value", word.span, message))
            }
            Ok(_) | Err(_) => self.number_in(word, 1..=99),
        }
    }

    fn tolerate(&mut self, diagnostic: Diagnostic, how: std::fmt::Arguments<'_>) {
        let message = format!("{}; {how}", diagnostic.message);
        let told = Diagnostic { severity: Severity::Warning, message, ..diagnostic };
        self.diagnostics.push_wrong_value(told);
    }

    /// Whether a wrong value at this place is passed over: keepalived's grammar, and a keyword that it knows.
    pub(super) fn is_lenient(&self, span: Span) -> bool {
        let keyword = self.stake.map_or(self.keyword.0, |stake| stake.keyword);
        self.diagnostics.sources().file(span.file).grammar() == Grammar::Keepalived
            && !self.in_our_block
            && !ESSENTIAL.contains(&keyword)
            && keywords::is_of_keepalived(keyword)
    }
}

impl Stake {
    /// Whether a wrong word takes the line away whatever it is: half a route or rule would catch what it must not.
    pub(super) fn is_whole(&self) -> bool {
        self.is_entry && (self.keyword.ends_with("_routes") || self.keyword.ends_with("_rules"))
    }

    fn holds(&self, word: Span) -> bool {
        let Self { span: line, words, .. } = self;
        let within = (line.file, line.via) == (word.file, word.via)
            && line.start <= word.start
            && word.end <= line.end;
        within || words.contains(&word)
    }
}
