//! What is wrong with a configuration: each mistake with its place, what was found, and what would be right. It
//! shows diagnostics; it decides nothing about them.

mod drawing;
pub(super) mod veil;

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use serde_json::json;

use super::landmarks::Landmarks;
use super::source::{Place, Sources, Span};

/// How much a diagnostic weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It would run, perhaps not as meant.
    Warning,
    /// It would not run.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it would run.
    pub severity: Severity,
    /// A stable short name of the kind of mistake, for searching.
    pub code: &'static str,
    /// What was found and what is wanted, in one line.
    pub message: String,
    /// Where; `None` where the file as a whole is meant.
    pub span: Option<Span>,
    /// What to do about it.
    pub help: Option<String>,
    /// Other places that matter: where the first of two stands.
    pub related: Vec<(Span, String)>,
}

impl Diagnostic {
    /// A mistake that keeps the configuration from running.
    pub(crate) fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, Some(span), message.into())
    }

    /// A mistake that the configuration runs with.
    pub(crate) fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, Some(span), message.into())
    }

    /// A mistake of the file as a whole.
    pub(crate) fn of_file(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, None, message.into())
    }

    /// Of the host, where no line of the file is to blame.
    pub(crate) fn of_host(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, None, message.into())
    }

    fn new(severity: Severity, code: &'static str, span: Option<Span>, message: String) -> Self {
        Self { severity, code, message, span, help: None, related: Vec::new() }
    }

    /// Says what would be right.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Points at another place, if there is one.
    pub(crate) fn with(self, span: Option<Span>, what: &str) -> Self {
        match span {
            Some(span) => self.related(span, what),
            None => self,
        }
    }

    /// Points at another place.
    pub(crate) fn related(mut self, span: Span, what: impl Into<String>) -> Self {
        self.related.push((span, what.into()));
        self
    }
}

/// How diagnostics are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// With colours, for a terminal.
    Colour,
    /// The same without, for files and pipes.
    Plain,
}

/// All that is wrong with a configuration, with the texts that it points into.
#[derive(Debug, Default)]
pub struct Diagnostics {
    sources: Sources,
    landmarks: Landmarks,
    list: Vec<Diagnostic>,
    dropped: usize,
    /// What was told: a macro or a group that stands for a thousand things has each of its mistakes once.
    told: HashSet<(Span, String)>,
    wrong_values: BTreeSet<String>,
}

impl Diagnostics {
    /// A file of garbage gives a mistake a line; nobody reads more than this many.
    const MOST: usize = 1000;
    /// Most steps of an expansion that are shown.
    const STEPS: usize = 8;

    /// The files read so far.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Where the things of the model stand.
    pub fn landmarks(&self) -> &Landmarks {
        &self.landmarks
    }

    pub(super) fn landmarks_mut(&mut self) -> &mut Landmarks {
        &mut self.landmarks
    }

    pub(super) fn sources_mut(&mut self) -> &mut Sources {
        &mut self.sources
    }

    /// Adds one. The first error is kept whatever came before it.
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        let first_error = diagnostic.severity == Severity::Error && !self.has_errors();
        if self.list.len() >= Self::MOST && !first_error {
            self.dropped += 1;
            return;
        }
        let diagnostic = self.veiled(diagnostic);
        if let Some(span) = diagnostic.span
            && self.list.len() < Self::MOST
            && !self.told.insert((span.place(), diagnostic.message.clone()))
        {
            return;
        }
        self.list.push(diagnostic);
    }

    /// Without the secrets of its line.
    fn veiled(&self, mut diagnostic: Diagnostic) -> Diagnostic {
        if let Some(span) = diagnostic.span {
            let source = self.sources.file(span.file);
            let line = source.line_range(source.line_of(span.start as usize));
            let near = veil::near(source.text(), line, span.start as usize);
            veil::said(&mut diagnostic.message, near);
            diagnostic.help.iter_mut().for_each(|help| veil::said(help, near));
        }
        diagnostic
    }

    /// Adds a wrong value that is skipped or replaced as in keepalived.
    pub(super) fn push_wrong_value(&mut self, diagnostic: Diagnostic) {
        let diagnostic = self.veiled(diagnostic);
        if self.wrong_values.len() < Self::MOST {
            self.wrong_values.insert(diagnostic.message.clone());
        }
        self.push(diagnostic);
    }

    /// What was said of wrong values that are skipped or replaced, a thousand at most, without their places:
    /// a line further down they are the same ones.
    pub fn wrong_values(&self) -> &BTreeSet<String> {
        &self.wrong_values
    }

    /// Puts them in the order of the text.
    pub(crate) fn sort(&mut self) {
        self.list.sort_by_key(|diagnostic| diagnostic.span);
        self.list.dedup();
    }

    /// One of each, where a text was read several times.
    pub(super) fn unite(&mut self) {
        let lines: Vec<String> = self.list.iter().map(|one| self.line(one)).collect();
        let mut seen = HashSet::new();
        let mut fresh = lines.into_iter().map(|line| seen.insert(line));
        self.list.retain(|_| fresh.next().unwrap_or(true));
    }

    /// Every mistake, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// Whether something keeps the configuration from running.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are of a severity, among those that were kept.
    pub fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }

    /// One line: place, severity, message, and help in brackets. For logs, the admin API and tests.
    pub fn line(&self, diagnostic: &Diagnostic) -> String {
        let Diagnostic { severity, code, message, span, help, related } = diagnostic;
        let place = span.map_or(String::new(), |span| format!("{}: ", self.sources.place(span)));
        let mut line = format!("{place}{severity}: {message} [{code}]");
        for (span, what) in related {
            line.push_str(&format!("; {what} at {}", self.sources.place(*span)));
        }
        for step in self.steps(*span) {
            line.push_str(&format!("; {step}"));
        }
        if let Some(help) = help {
            line.push_str(&format!(" (help: {help})"));
        }
        line
    }

    /// The expansions that led to a place, in words; the outermost of very many are left out.
    fn steps(&self, span: Option<Span>) -> impl Iterator<Item = String> {
        let trail = span.into_iter().flat_map(|span| self.sources.trail(span)).take(Self::STEPS);
        trail.map(|step| {
            format!("in the expansion of {} at {}", step.what, self.sources.place(step.at))
        })
    }

    /// Each diagnostic as [`Diagnostics::line`].
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let more = (self.dropped > 0).then(|| format!("and {} more", self.dropped));
        self.list.iter().map(|diagnostic| self.line(diagnostic)).chain(more)
    }

    /// All of them as JSON, for editors and pipelines: severity, code, message, help, place, related places and the
    /// expansions that led there. Lines and columns count from 1; `end` is the column behind the last character.
    pub fn to_json(&self) -> serde_json::Value {
        let place = |span: Span| {
            let Place { file, line, column } = self.sources.place(span);
            let width = self.sources.slice(span).lines().next().unwrap_or_default().chars().count();
            json!({ "file": file, "line": line, "column": column, "end": column + width })
        };
        let list = self.list.iter().map(|diagnostic| {
            let Diagnostic { severity, code, message, span, help, related } = diagnostic;
            let related = related.iter();
            let trail = span.iter().flat_map(|span| self.sources.trail(*span)).take(Self::STEPS);
            json!({
                "severity": severity.to_string(),
                "code": code,
                "message": message,
                "help": help,
                "place": span.map(place),
                "related": related.map(|(span, what)| json!({ "what": what, "place": place(*span) })).collect::<Vec<_>>(),
                "expansions": trail.map(|step| json!({ "what": step.what, "place": place(step.at) })).collect::<Vec<_>>(),
            })
        });
        list.collect()
    }

    /// `2 errors, 1 warning`.
    pub fn summary(&self) -> String {
        let count = |severity, word: &str| match self.count(severity) {
            1 => format!("1 {word}"),
            n => format!("{n} {word}s"),
        };
        let more =
            if self.dropped > 0 { format!(", {} more", self.dropped) } else { String::new() };
        format!(
            "{}, {}{more}",
            count(Severity::Error, "error"),
            count(Severity::Warning, "warning")
        )
    }
}

#[cfg(test)]
mod tests;
