//! Words -> values: numbers, times, switches, addresses, names. Each refusal says what was found and what is wanted.

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::{At, Decoder};
use crate::config::diagnostic::Diagnostic;
use crate::config::keywords;
use crate::config::source::{Grammar, Span};
use crate::config::suggest;
use crate::config::tree::{Directive, Form, Word};

impl Decoder<'_> {
    /// The first argument; its absence is a mistake.
    pub(super) fn word<'d>(&mut self, directive: &'d Directive) -> Option<&'d Word> {
        let word = self.word_or_nothing(directive);
        if word.is_none() {
            self.missing(directive.name.span);
        }
        word
    }

    /// The only argument, if there is one. More are told.
    pub(super) fn word_or_nothing<'d>(&mut self, directive: &'d Directive) -> Option<&'d Word> {
        self.surplus(directive, 1);
        directive.arguments.first()
    }

    /// Says that a list is empty: a mistake where it has no block either.
    pub(super) fn empty(&mut self, directive: &Directive) {
        if directive.block.is_none() {
            return self.missing(directive.name.span);
        }
        let message = format!("`{}` is empty", directive.name.text);
        let help = "write what belongs into it, or take it out";
        self.report(Diagnostic::warning("empty", directive.name.span, message).help(help));
    }

    /// Says that the keyword at hand lacks what its form wants.
    pub(super) fn missing(&mut self, span: Span) {
        let (name, form) = self.keyword;
        let message = format!("`{name}` has nothing after it");
        self.report(
            Diagnostic::error("missing-value", span, message)
                .help(format!("write `{name} {form}`")),
        );
    }

    /// Tells the arguments from number `from` on, and all properties: nothing reads them.
    pub(super) fn surplus(&mut self, directive: &Directive, from: usize) {
        let words = directive.arguments.get(from..).unwrap_or_default();
        let keyword = words.iter().position(|word| keywords::is_keyword(&word.text));
        let (words, line) = words.split_at(keyword.unwrap_or(words.len()));
        words.iter().for_each(|word| self.surplus_word(word.span));
        if let [first, .., last] = line {
            // A keyword and what belongs to it is one mistake.
            let span = first.span.to(last.span);
            let text = short(self.diagnostics.sources().slice(span));
            let message = self.left_over(&text, span);
            let help = format!("`{}` is a keyword: it begins a line of its own", first.text);
            self.ignored.extend(line.iter().map(|word| word.span));
            self.passed_over(Diagnostic::warning("surplus-word", span, message).help(help));
        } else {
            line.iter().for_each(|word| self.surplus_word(word.span));
        }
        if !super::takes_properties(&directive.name.text) {
            self.surplus_properties(directive);
        }
    }

    /// Tells all properties: nothing reads them.
    pub(super) fn surplus_properties(&mut self, directive: &Directive) {
        self.properties_read = true;
        for property in &directive.properties {
            self.surplus_word(property.name.span.to(property.value.span));
        }
    }

    /// What is said of words that nothing reads.
    fn left_over(&self, text: &str, span: Span) -> String {
        format!("`{text}` is left over after `{}`{}", self.keyword.0, self.skipped(span))
    }

    /// What becomes of what nothing reads, as the end of a sentence: in KDL it is a mistake, and nothing runs.
    pub(super) fn skipped(&self, span: Span) -> &'static str {
        match self.diagnostics.sources().file(span.file).grammar() {
            Grammar::Keepalived => " and is skipped",
            Grammar::Kdl => "",
        }
    }

    /// Tells one word that nothing reads.
    pub(super) fn surplus_word(&mut self, span: Span) {
        let word = self.diagnostics.sources().slice(span).to_owned();
        let (name, form) = self.keyword;
        let message = self.left_over(&word, span);
        let wanted = if keywords::is_keyword(&word) {
            format!("`{word}` is a keyword: it begins a line of its own")
        } else if form.is_empty() {
            "nothing follows it".to_owned()
        } else {
            format!("write `{name} {form}`")
        };
        self.passed_over(Diagnostic::warning("surplus-word", span, message).help(wanted));
    }

    /// Says that a word is none of what the keyword at hand takes.
    pub(super) fn bad(&mut self, word: &Word, wanted: impl Display) {
        let message = format!("`{}` for `{}`: {wanted} is wanted", shown(word), self.keyword.0);
        self.wrong(Diagnostic::error("bad-value", word.span, message));
    }

    /// A whole number in a range.
    pub(super) fn number<T>(&mut self, directive: &Directive, range: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let word = self.word(directive)?;
        self.number_in(word, range)
    }

    /// A word as a whole number in a range.
    pub(super) fn number_in<T>(&mut self, word: &Word, range: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let number = word.text.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            self.bad(
                word,
                format_args!("a whole number from {} to {}", range.start(), range.end()),
            );
        }
        number
    }

    /// A number of seconds, with a unit or without.
    pub(super) fn time(
        &mut self,
        directive: &Directive,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let word = self.word(directive)?;
        self.time_in(word, range)
    }

    /// A word as a time in a range.
    pub(super) fn time_in(
        &mut self,
        word: &Word,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let time = parse_time(&word.text);
        if time.is_none() {
            let message = format!("`{}` for `{}` is no time", shown(word), self.keyword.0);
            self.wrong(Diagnostic::error("bad-value", word.span, message).help(
                "a number is seconds, `2.5`; KDL strings may carry a unit: us, ms, s, m, h, d",
            ));
        } else if !time.is_some_and(|time| range.contains(&time)) {
            let (low, high) = (show_time(*range.start()), show_time(*range.end()));
            self.bad(word, format_args!("a time from {low} to {high} s"));
            return None;
        }
        time
    }

    /// A keyword that stands alone. `#false` (KDL) switches it off.
    pub(super) fn flag(&mut self, directive: &Directive) -> bool {
        match directive.arguments.first() {
            Some(word) if word.form == Form::Boolean => {
                self.surplus(directive, 1);
                word.is("true")
            }
            Some(_) | None => {
                self.surplus(directive, 0);
                true
            }
        }
    }

    /// keepalived's optional BOOL: nothing means on.
    pub(super) fn switch(&mut self, directive: &Directive) -> Option<bool> {
        let Some(word) = self.word_or_nothing(directive) else { return Some(true) };
        match &*word.text {
            "true" | "on" | "yes" => Some(true),
            "false" | "off" | "no" => Some(false),
            _ => {
                self.bad(word, "on or off (nothing means on)");
                None
            }
        }
    }

    /// An IP address.
    pub(super) fn address(&mut self, word: &Word) -> Option<IpAddr> {
        match word.text.parse() {
            Ok(address) => Some(address),
            Err(_) if let Some(address) = before_slash(&word.text) => {
                let wanted = "an IP address without a prefix is wanted";
                let message = format!("`{}` for `{}`: {wanted}", shown(word), self.keyword.0);
                self.instead(word, address, Diagnostic::error("bad-value", word.span, message))
            }
            Err(_) => {
                self.bad(word, "an IP address");
                None
            }
        }
    }

    /// An address as the only argument.
    pub(super) fn address_of(&mut self, directive: &Directive) -> Option<IpAddr> {
        let word = self.word(directive)?;
        self.address(word)
    }

    /// A value with a parser that says itself what is wrong.
    pub(super) fn parsed<T>(&mut self, word: &Word) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        match word.text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let message = format!("`{}`: {error}", self.keyword.0);
                self.wrong(Diagnostic::error("bad-value", word.span, message));
                None
            }
        }
    }

    /// An interface name, and whether this host has it. Without it nothing runs, in keepalived neither.
    pub(super) fn interface(&mut self, word: &Word) -> Option<vrrp::IfName> {
        let name: vrrp::IfName = match word.text.parse() {
            Ok(name) => name,
            Err(error) => {
                let message = format!("`{}`: {error}", self.keyword.0);
                self.report(Diagnostic::error("bad-value", word.span, message));
                return None;
            }
        };
        if let Some(present) = self.host.lacks_interface(name.as_str()) {
            let help = format!("this host has {}", present.join(", "));
            let message = format!("this host has no interface `{name}`");
            self.report(match self.dynamic_interfaces {
                true => {
                    let message = format!("{message} yet");
                    Diagnostic::warning("no-interface", word.span, message).help(help)
                }
                false => Diagnostic::error("no-interface", word.span, message).help(help),
            });
        }
        Some(name)
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        word: &Word,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        if let Some((_, value)) = choices.iter().find(|(name, _)| word.is(name)) {
            return Some(*value);
        }
        let names = || choices.iter().map(|(name, _)| *name);
        let wanted = names().collect::<Vec<_>>().join(", ");
        let message =
            format!("`{}` for `{}`: one of {wanted} is wanted", shown(word), self.keyword.0);
        let mut diagnostic = Diagnostic::error("bad-value", word.span, message);
        diagnostic.help =
            suggest::nearest(&word.text, names()).map(|near| format!("did you mean `{near}`?"));
        self.wrong(diagnostic);
        None
    }

    /// The only argument as it stands.
    pub(super) fn text(&mut self, directive: &Directive) -> Option<String> {
        self.word(directive).map(|word| word.text.to_string())
    }

    /// A name as the only argument of a block's keyword.
    pub(super) fn name(&mut self, directive: &Directive) -> Option<At<String>> {
        let word = self.word(directive)?;
        Some(At { value: word.text.to_string(), span: word.span })
    }

    /// The words of a list: those of the block's lines, and in KDL the arguments too.
    pub(super) fn list<'d>(&mut self, directive: &'d Directive) -> Vec<&'d Word> {
        let mut words: Vec<&Word> = directive.arguments.iter().collect();
        for child in directive.children() {
            if child.name.form != Form::Other {
                words.push(&child.name);
                words.extend(&child.arguments);
            }
            self.surplus_properties(child);
        }
        self.surplus_properties(directive);
        if words.is_empty() {
            self.empty(directive);
        }
        words
    }
}

/// A word as messages quote it; a page of text is cut.
pub(super) fn shown(word: &Word) -> String {
    short(&word.text)
}

/// The address of a network.
fn before_slash(text: &str) -> Option<IpAddr> {
    let (address, _) = text.split_once('/')?;
    address.parse().ok()
}

fn short(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text.to_owned(),
    }
}

/// Seconds as keepalived takes them, or a number with a unit. Decimals are exact, down to nanoseconds.
pub(super) fn parse_time(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let nanos_in_unit: u128 = match unit {
        "us" => 1_000,
        "ms" => 1_000_000,
        "" | "s" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || whole.len() > 12 || fraction.len() > 9 {
        return None;
    }
    let parse =
        |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<u128>().ok() };
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let nanos = parse(whole)? * nanos_in_unit + parse(fraction)? * nanos_in_unit / scale;
    Some(Duration::new(
        u64::try_from(nanos / 1_000_000_000).ok()?,
        u32::try_from(nanos % 1_000_000_000).ok()?,
    ))
}

/// A time as a number of seconds, as [`parse_time`] reads it.
pub(super) fn show_time(time: Duration) -> String {
    let text = format!("{}.{:09}", time.as_secs(), time.subsec_nanos());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_unless_they_carry_a_unit() {
        let cases = [
            ("1", Some(1_000_000)),
            ("0.01", Some(10_000)),
            (".5", Some(500_000)),
            ("2.5555", Some(2_555_500)),
            ("250ms", Some(250_000)),
            ("2m", Some(120_000_000)),
            ("1.5h", Some(5_400_000_000)),
            ("10us", Some(10)),
            ("1.2.3", None),
            ("", None),
            (".", None),
            ("-1", None),
            ("1 s", None),
            ("10y", None),
            ("99999999999999999999", None),
        ];
        for (text, micros) in cases {
            assert_eq!(parse_time(text), micros.map(Duration::from_micros), "{text:?}");
        }
    }

    #[test]
    fn a_shown_time_reads_back() {
        for (micros, text) in [(0, "0"), (1_000_000, "1"), (10_000, "0.01"), (60_500_000, "60.5")] {
            assert_eq!(show_time(Duration::from_micros(micros)), text);
            assert_eq!(parse_time(text), Some(Duration::from_micros(micros)));
        }
    }
}
