//! What keepalived does with a line before it looks at keywords: `include`, `@ID` conditions, `$NAME=` definitions,
//! `~SEQ` and `~LST` repetitions, and the names themselves, expanded where they are used and as late as that.
//!
//! It gives lines to the parser one after the other, each with the places that its parts stand at, so that a mistake in
//! a macro is told at the macro's text and with the line that used it. A line in which nothing of all this stands is
//! passed on as it is. It knows no keyword but the include family.
//!
//! Everything is bounded: lines, turns of a repetition, the length of a line, the depth of names within names.

mod include;
pub(super) mod repetition;
mod substitute;
mod text;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use self::repetition::Repetition;
use self::substitute::Substituted;
use self::text::Text;
use super::context::Context;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::include::Policy;
use super::source::{FileId, Span, Via};

/// Deepest nesting of files, macros and repetitions.
const MAX_DEPTH: usize = 64;

/// The lines of a file and of all that it includes, expanded.
pub(super) struct Lines<'a> {
    diagnostics: &'a mut Diagnostics,
    inputs: Vec<Input>,
    definitions: HashMap<String, Definition>,
    files: HashMap<PathBuf, FileId>,
    id: String,
    random: u64,
    /// Lines that came of expansion.
    made: usize,
    /// Most that may.
    most: usize,
}

/// What a name stands for.
#[derive(Debug, Clone)]
struct Definition {
    lines: Arc<[Text]>,
}

/// Where lines come from; the innermost is read first.
enum Input {
    File {
        file: FileId,
        text: Arc<String>,
        /// Whether a `$`, `~` or `@` stands anywhere in it: lines of a text without them are passed on unseen.
        special: bool,
        at: usize,
        folder: PathBuf,
        path: Option<PathBuf>,
        /// `include_check`, for this file and what it includes.
        policy: Policy,
    },
    Macro {
        lines: Arc<[Text]>,
        next: usize,
        /// `$1` and so on.
        arguments: Arc<[Text]>,
        via: Via,
        /// The use on the line that was read.
        outer: Span,
    },
    Repeat {
        repetition: Repetition,
        body: Text,
        turn: u64,
        at: Span,
    },
    /// A line to be read again.
    Line(Text),
}

/// What became of a line.
enum Done {
    Line(Text),
    /// It was a definition, or its condition does not hold, or other lines stand for it.
    Gone,
}

impl<'a> Lines<'a> {
    pub(super) fn new(file: FileId, context: &Context, diagnostics: &'a mut Diagnostics) -> Self {
        let source = diagnostics.sources().file(file);
        let path = std::fs::canonicalize(source.name()).ok();
        let input = Input::File {
            file,
            special: is_special(source.text()),
            text: source.shared_text(),
            at: 0,
            folder: context.folder.clone(),
            path,
            policy: Policy::LAX,
        };
        Self {
            diagnostics,
            inputs: vec![input],
            definitions: HashMap::new(),
            files: HashMap::new(),
            id: context.id.clone(),
            random: context.seed,
            made: 0,
            most: context.lines,
        }
    }

    /// Where the parser's mistakes go.
    pub(super) fn diagnostics(&mut self) -> &mut Diagnostics {
        self.diagnostics
    }

    /// The next line. What took effect here alone is no line.
    pub(super) fn next(&mut self) -> Option<Text> {
        loop {
            let line = self.pull()?;
            let seen = match self.inputs.last() {
                Some(Input::File { special, .. }) => *special,
                Some(Input::Macro { .. } | Input::Repeat { .. } | Input::Line(_)) | None => true,
            };
            let special = seen && is_special(line.as_str());
            if !special && !line.as_str().trim_start().starts_with("include") {
                return Some(line);
            }
            if let Done::Line(line) = self.expand(line) {
                return Some(line);
            }
        }
    }

    /// The next line of the innermost input that has one.
    fn pull(&mut self) -> Option<Text> {
        loop {
            if self.inputs.len() > 1 {
                self.made += 1;
            }
            let input = self.inputs.last_mut()?;
            let (found, turn) = match input {
                Input::File { file, text, at, .. } => (file_line(text, *file, at), None),
                Input::Macro { lines, next, via, outer, .. } => {
                    *next += 1;
                    let found = lines.get(*next - 1);
                    (found.map(|line| substitute::through(line, *via, *outer)), None)
                }
                Input::Repeat { repetition, body, turn, at } => {
                    *turn += 1;
                    match repetition.turn(*turn - 1) {
                        None => (None, None),
                        Some(values) => {
                            let set = (repetition.names.clone(), values, *at);
                            (Some(body.clone()), Some(set))
                        }
                    }
                }
                Input::Line(text) => {
                    let text = text.clone();
                    self.inputs.pop();
                    return Some(text);
                }
            };
            match (found, turn) {
                (None, _) => drop(self.inputs.pop()),
                (Some(line), _) if self.made > self.most => {
                    self.too_many(&line);
                    return None;
                }
                (Some(line), None) => return Some(line),
                (Some(body), Some((names, values, at))) => {
                    return Some(self.turn(&body, &names, values, at));
                }
            }
        }
    }

    fn too_many(&mut self, line: &Text) {
        let message = format!("more than {} lines come of what stands here", self.most);
        self.diagnostics.push(Diagnostic::error(
            "expansion",
            self.outermost(line.whole()),
            message,
        ));
        self.inputs.clear();
    }

    /// The place in a file that the user reads first.
    fn outermost(&self, span: Span) -> Span {
        self.diagnostics.sources().trail(span).last().map_or(span, |trail| trail.at)
    }

    /// Sets the names of a repetition, and gives its body.
    fn turn(&mut self, body: &Text, names: &[String], values: Vec<String>, at: Span) -> Text {
        let said: Vec<String> =
            names.iter().zip(&values).map(|(name, value)| format!("{name}={value}")).collect();
        for (name, value) in names.iter().zip(values) {
            let mut builder = text::Builder::default();
            builder.push_made(&value, at);
            let line = builder.finish(at);
            self.definitions.insert(name.clone(), Definition { lines: [line].into() });
        }
        let what = format!("the repetition ({})", said.join(", "));
        let via = self.diagnostics.sources_mut().note(what, at);
        substitute::through(body, via, at)
    }

    fn expand(&mut self, line: Text) -> Done {
        let text = line.as_str();
        let start = text.len() - text.trim_start().len();
        let line = line.part(start..text.len());
        let text = line.as_str();
        if text.starts_with('@') {
            return match self.condition(&line) {
                // What stands behind it is a line like any other.
                Some(rest) => self.expand(rest),
                None => Done::Gone,
            };
        }
        if let Some((name, value)) = definition(text) {
            let (name, value) = (name.to_owned(), line.part(value..text.len()));
            self.define(name, value);
            return Done::Gone;
        }
        if text.starts_with("~SEQ") || text.starts_with("~LST") {
            self.repeat(&line);
            return Done::Gone;
        }
        match self.substitute(&line) {
            Substituted::Not => self.included_or(line),
            Substituted::Macro { lines, arguments, at, name, rest } => {
                if let Some(rest) = rest {
                    self.push(Input::Line(rest), at);
                }
                let via = self.diagnostics.sources_mut().note(format!("${name}"), at);
                let outer = self.outermost(at);
                self.push(Input::Macro { lines, next: 0, arguments, via, outer }, at);
                Done::Gone
            }
            Substituted::Line(line) if line.as_str().trim_start().starts_with(['@', '~']) => {
                self.push(Input::Line(line.clone()), line.whole());
                Done::Gone
            }
            Substituted::Line(line) => self.included_or(line),
            Substituted::Refused => Done::Gone,
        }
    }

    fn push(&mut self, input: Input, at: Span) {
        if self.inputs.len() >= MAX_DEPTH {
            let message = format!("files, macros and repetitions nested deeper than {MAX_DEPTH}");
            let help = "does it use or include itself?";
            let at = self.outermost(at);
            self.diagnostics.push(Diagnostic::error("expansion", at, message).help(help));
            // What is left would be read without its surroundings.
            self.inputs.clear();
            return;
        }
        self.inputs.push(input);
    }

    /// `@ID REST`, `@^ID REST`: the rest, where it applies.
    fn condition(&mut self, line: &Text) -> Option<Text> {
        let text = line.as_str();
        let word = text.split_whitespace().next().unwrap_or_default();
        let (negated, id) = match word.strip_prefix("@^") {
            Some(id) => (true, id),
            None => (false, &word[1..]),
        };
        self.diagnostics.landmarks_mut().mention(id);
        let holds = (id == self.id) != negated;
        let rest = line.part(word.len()..text.len());
        if rest.as_str().trim().is_empty() {
            let message = format!("nothing stands behind `{word}` on its line");
            let help = "a condition holds for the rest of its line alone";
            let span = line.span(0..word.len());
            self.diagnostics.push(Diagnostic::warning("syntax", span, message).help(help));
            return None;
        }
        holds.then_some(rest)
    }

    /// `$NAME=VALUE`; a `\` at the end of a line goes on with the next.
    fn define(&mut self, name: String, value: Text) {
        let mut lines = Vec::new();
        let mut line = without_comment(&value);
        loop {
            let text = line.as_str().trim_end();
            let Some(more) = text.strip_suffix('\\') else {
                lines.push(trimmed(&line));
                break;
            };
            let end = more.len();
            // Nothing behind the equals sign: the definition begins on the next line.
            if !(lines.is_empty() && more.trim().is_empty()) {
                lines.push(trimmed(&line.part(0..end)));
            }
            let Some(next) = self.pull() else { break };
            line = without_comment(&next);
        }
        if lines.is_empty() {
            lines.push(value.part(0..0));
        }
        if name.starts_with('_') {
            let message = format!("`${name}`: names that begin with `_` are the program's own");
            let span = value.span(0..0);
            self.diagnostics.push(Diagnostic::warning("reserved-name", span, message));
        }
        self.definitions.insert(name, Definition { lines: lines.into() });
    }

    fn repeat(&mut self, line: &Text) {
        // Its numbers may be names themselves; what is behind it is expanded turn by turn.
        let text = line.as_str();
        let head = text.find(')').map_or(text.len(), |close| close + 1);
        let head_text = match self.substitute(&line.part(0..head)) {
            Substituted::Line(text) => text,
            Substituted::Not | Substituted::Macro { .. } => line.part(0..head),
            Substituted::Refused => return,
        };
        let at = line.span(0..head);
        match repetition::parse(head_text.as_str()) {
            Ok((repetition, _)) => {
                let body = line.part(head..text.len());
                self.push(Input::Repeat { repetition, body, turn: 0, at }, at);
            }
            Err(why) => {
                self.diagnostics.push(
                    Diagnostic::error("expansion", at, format!("this cannot be repeated: {why}"))
                        .help("~SEQ(NAME, START, STEP, END), ~LST(NAME, VALUE, VALUE ...)"),
                );
            }
        }
    }
}

/// Without a branch for each byte, so that many are looked at at once.
fn is_special(text: &str) -> bool {
    let special = |byte| matches!(byte, b'$' | b'~' | b'@');
    text.bytes().fold(false, |found, byte| found | special(byte))
}

fn file_line(text: &Arc<String>, file: FileId, at: &mut usize) -> Option<Text> {
    if *at > text.len() {
        return None;
    }
    let start = *at;
    let length = text[start..].find('\n').unwrap_or(text.len() - start);
    *at = start + length + 1;
    let end = start + text[start..start + length].trim_end_matches('\r').len();
    Some(Text::of_file(Arc::clone(text), file, start..end))
}

/// `$NAME=` at the start of a line: the name, and where the value begins.
fn definition(text: &str) -> Option<(&str, usize)> {
    let (name, _) = text.strip_prefix('$')?.split_once('=')?;
    is_name(name).then_some((name, name.len() + 2))
}

/// Letters, digits and `_`; no digit first.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn trimmed(line: &Text) -> Text {
    let text = line.as_str();
    let start = text.len() - text.trim_start().len();
    line.part(start..text.trim_end().len().max(start))
}

/// Up to the `#` or `!` that begins a comment, if one does.
fn without_comment(line: &Text) -> Text {
    let (mut quoted, mut escaped) = (false, false);
    let end = line.as_str().bytes().position(|byte| {
        let plain = !escaped;
        escaped = byte == b'\\' && plain;
        quoted ^= byte == b'"' && plain;
        matches!(byte, b'#' | b'!') && plain && !quoted
    });
    line.part(0..end.unwrap_or(line.as_str().len()))
}

#[cfg(test)]
mod tests;
