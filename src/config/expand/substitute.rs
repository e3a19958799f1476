//! `$NAME` and `${NAME}` in a line, again and again until nothing is left to put in.

use std::ops::Range;
use std::sync::Arc;

use super::text::{Builder, Text};
use super::{Definition, Input, Lines, is_name};
use crate::config::diagnostic::Diagnostic;
use crate::config::source::{Span, Via};

/// Deepest nesting of names within names on one line.
const MAX_DEPTH: usize = 32;
/// Longest line that may come of it.
const MAX_LINE: usize = 64 << 10;

/// What came of the names in a line.
pub(super) enum Substituted {
    /// Nothing was put in.
    Not,
    /// The line with what its names stand for.
    Line(Text),
    /// A name that stands for several lines: those, the words behind it, and what is left of the line.
    Macro { lines: Arc<[Text]>, arguments: Arc<[Text]>, at: Span, name: String, rest: Option<Text> },
    /// It cannot be done; why has been told.
    Refused,
}

/// The text as an expansion gives it.
pub(super) fn through(text: &Text, via: Via, outer: Span) -> Text {
    let mut builder = Builder::default();
    builder.push(text, 0..text.as_str().len(), Some((via, outer)));
    builder.finish(outer)
}

/// A name in a text.
struct Use<'t> {
    range: Range<usize>,
    /// What stands between the braces, or behind the dollar sign.
    name: &'t str,
}

/// The next name at or behind a byte.
fn next_use(text: &str, from: usize) -> Option<Use<'_>> {
    let mut at = from;
    loop {
        let start = at + text[at..].find('$')?;
        let rest = &text[start + 1..];
        if let Some(inside) = rest.strip_prefix('{')
            && let Some(close) = inside.find('}')
        {
            return Some(Use { range: start..start + close + 3, name: &inside[..close] });
        }
        let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        // Without braces a name ends at a blank.
        if end > 0 && rest[end..].chars().next().is_none_or(char::is_whitespace) {
            return Some(Use { range: start..start + end + 1, name: &rest[..end] });
        }
        at = start + 1;
    }
}

/// What a name stands for here.
enum Meaning {
    Text(Text),
    Made(String),
    Lines(Definition),
}

impl Lines<'_> {
    pub(super) fn substitute(&mut self, line: &Text) -> Substituted {
        if !line.as_str().contains('$') {
            return Substituted::Not;
        }
        let mut line = line.clone();
        for depth in 0.. {
            let mut changed = false;
            let mut builder = Builder::default();
            let mut done = 0;
            while let Some(found) = next_use(line.as_str(), done) {
                let Use { range, name } = found;
                builder.push(&line, done..range.start, None);
                done = range.end;
                let at = line.span(range.clone());
                match self.meaning(name) {
                    None => builder.push(&line, range, None),
                    Some(Meaning::Made(said)) => {
                        let said = if builder_is_quoted(&builder) {
                            said.trim_start_matches('\\').to_owned()
                        } else {
                            said
                        };
                        builder.push_made(&said, at);
                        changed = true;
                    }
                    Some(Meaning::Lines(definition)) => {
                        let name = name.to_owned();
                        return self.macro_at(&line, range, &name, &definition, builder);
                    }
                    Some(Meaning::Text(value)) => {
                        let what = format!("${name}");
                        let outer = self.outermost(at);
                        let via = self.diagnostics.sources_mut().note(what, at);
                        builder.push(&value, 0..value.as_str().len(), Some((via, outer)));
                        changed = true;
                    }
                }
                if depth >= MAX_DEPTH && changed || builder.len() > MAX_LINE {
                    return self.refuse(&line, at);
                }
            }
            if !changed {
                return if depth == 0 { Substituted::Not } else { Substituted::Line(line) };
            }
            builder.push(&line, done..line.as_str().len(), None);
            line = builder.finish(line.whole());
        }
        Substituted::Line(line)
    }

    fn refuse(&mut self, line: &Text, at: Span) -> Substituted {
        let at = self.outermost(at);
        let length = line.as_str().len();
        let message = match length > MAX_LINE / 2 {
            true => format!("what stands here becomes a line of more than {MAX_LINE} bytes"),
            false => format!("names within names, deeper than {MAX_DEPTH}"),
        };
        let help = "does a definition use its own name?";
        self.diagnostics.push(Diagnostic::error("expansion", at, message).help(help));
        Substituted::Refused
    }

    /// A name of several lines: what stands before it goes with the first of them.
    fn macro_at(
        &mut self,
        line: &Text,
        range: Range<usize>,
        name: &str,
        definition: &Definition,
        before: Builder,
    ) -> Substituted {
        let at = line.span(range.clone());
        let behind = line.part(range.end..line.as_str().len());
        let takes_arguments = definition.lines.iter().any(|line| {
            let mut from = 0;
            std::iter::from_fn(|| {
                let found = next_use(line.as_str(), from)?;
                from = found.range.end;
                Some(found.name.parse::<usize>().is_ok())
            })
            .any(|is_number| is_number)
        });
        let mut lines = definition.lines.to_vec();
        if !before.as_str().trim().is_empty()
            && let Some(first) = lines.first_mut()
        {
            let mut joined = before;
            joined.push(first, 0..first.as_str().len(), None);
            *first = joined.finish(at);
        }
        let blank = behind.as_str().trim().is_empty();
        let arguments = if takes_arguments { words(&behind) } else { Vec::new() };
        let rest = (!blank && !takes_arguments).then_some(behind);
        let name = name.to_owned();
        Substituted::Macro { lines: lines.into(), arguments: arguments.into(), at, name, rest }
    }

    fn meaning(&mut self, name: &str) -> Option<Meaning> {
        if let Some(definition) = self.definitions.get(name) {
            return Some(match &definition.lines[..] {
                [line] => Meaning::Text(line.clone()),
                _ => Meaning::Lines(definition.clone()),
            });
        }
        if let Ok(number) = name.parse::<usize>() {
            let arguments = self.inputs.iter().rev().find_map(|input| match input {
                Input::Macro { arguments, .. } if !arguments.is_empty() => Some(arguments),
                Input::Macro { .. }
                | Input::File { .. }
                | Input::Repeat { .. }
                | Input::Line(_) => None,
            })?;
            return arguments.get(number.checked_sub(1)?).cloned().map(Meaning::Text);
        }
        let mut words = name.split_whitespace();
        let made = match words.next()? {
            "_PWD" => {
                let folder = self.folder();
                std::path::absolute(&folder).unwrap_or(folder).display().to_string()
            }
            "_INSTANCE" => self.id.clone(),
            "_HASH" => "\\#".to_owned(),
            "_BANG" => "\\!".to_owned(),
            "_RANDOM" => {
                let mut number =
                    |or| words.next().map_or(Some(or), |word| word.parse::<u32>().ok());
                let (least, most) = (number(0)?, number(32_767)?);
                self.random(least, most.max(least)).to_string()
            }
            "_ENV" => {
                let variable = words.next().filter(|variable| is_name(variable))?;
                std::env::var(variable).ok().filter(|value| value.len() < MAX_LINE)?
            }
            _ => return None,
        };
        Some(Meaning::Made(made))
    }

    /// A number between two: splitmix64, which is enough to spread priorities.
    fn random(&mut self, least: u32, most: u32) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let width = u64::from(most - least) + 1;
        u64::from(least) + (mixed ^ (mixed >> 31)) % width
    }
}

/// The words behind a macro's name.
fn words(text: &Text) -> Vec<Text> {
    let said = text.as_str();
    let start_of = |word: &str| word.as_ptr() as usize - said.as_ptr() as usize;
    said.split_whitespace()
        .map(|word| text.part(start_of(word)..start_of(word) + word.len()))
        .collect()
}

/// Whether a quote is open: there `#` is a plain character without a backslash.
fn builder_is_quoted(builder: &Builder) -> bool {
    builder.as_str().bytes().filter(|&byte| byte == b'"').count() % 2 == 1
}
