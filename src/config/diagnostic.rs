//! What is wrong with a configuration: each mistake with its place, what was found, and what would be right. It
//! shows diagnostics; it decides nothing about them.

use std::collections::HashSet;
use std::fmt;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents,
};

use serde_json::json;

use super::landmarks::Landmarks;
use super::source::{Place, Source, Sources, Span};

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
        if let Some(span) = diagnostic.span
            && self.list.len() < Self::MOST
            && !self.told.insert((span.place(), diagnostic.message.clone()))
        {
            return;
        }
        let first_error = diagnostic.severity == Severity::Error && !self.has_errors();
        if self.list.len() < Self::MOST || first_error {
            self.list.push(diagnostic);
        } else {
            self.dropped += 1;
        }
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

    /// All of them drawn with the lines that they speak of.
    pub fn render(&self, style: Style) -> String {
        let theme = match style {
            Style::Colour => GraphicalTheme::unicode(),
            Style::Plain => GraphicalTheme::unicode_nocolor(),
        };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(110).with_links(false);
        let mut text = String::new();
        for diagnostic in &self.list {
            // Writing to a String does not fail.
            let _ = handler
                .render_report(&mut text, &Shown { diagnostic, all: self, sources: &self.sources });
            text.push('\n');
        }
        if self.dropped > 0 {
            text.push_str(&format!("and {} more\n", self.dropped));
        }
        text
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

/// A diagnostic as miette wants it.
#[derive(Debug)]
struct Shown<'a> {
    diagnostic: &'a Diagnostic,
    all: &'a Diagnostics,
    sources: &'a Sources,
}

/// Longer lines are not drawn: a line of a megabyte helps nobody.
const MAX_SHOWN_LINE: usize = 400;

impl<'a> Shown<'a> {
    /// The file, where its lines can be drawn.
    fn source(&self) -> Option<&'a Source> {
        let span = self.diagnostic.span?;
        let source = self.sources.file(span.file);
        self.labels_inside().all(|(span, _)| short_lines(source, span)).then_some(source)
    }

    /// The place itself, then the related ones of the same file.
    fn labels_inside(&self) -> impl Iterator<Item = (Span, Option<&'a str>)> {
        let main = self.diagnostic.span.map(|span| (span, None));
        let file = self.diagnostic.span.map(|span| span.file);
        let related = self.diagnostic.related.iter();
        let related = related.filter(move |(span, _)| Some(span.file) == file);
        main.into_iter().chain(related.map(|(span, what)| (*span, Some(what.as_str()))))
    }
}

fn short_lines(source: &Source, span: Span) -> bool {
    let line = source.line_of(span.start as usize);
    (line.saturating_sub(1)..=line + 1).all(|line| source.line_range(line).len() <= MAX_SHOWN_LINE)
}

/// A span that crosses a line end is drawn as its first line: it may be a whole file.
fn first_line(source: &Source, span: Span) -> SourceSpan {
    let start = span.start as usize;
    let end = (span.end as usize).min(source.line_range(source.line_of(start)).end.max(start));
    SourceSpan::from(start..end)
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.source().is_none()
            && let Some(span) = self.diagnostic.span
        {
            write!(f, "{}: ", self.sources.place(span))?;
        }
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl miette::Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Warning => miette::Severity::Warning,
            Severity::Error => miette::Severity::Error,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let mut help: Vec<String> = self.diagnostic.help.iter().cloned().collect();
        help.extend(self.all.steps(self.diagnostic.span));
        let file = self.diagnostic.span.map(|span| span.file);
        for (span, what) in &self.diagnostic.related {
            if Some(span.file) != file {
                help.push(format!("{what}: {}", self.sources.place(*span)));
            }
        }
        let mut origin = file.and_then(|file| self.sources.file(file).origin());
        while let Some(span) = origin {
            help.push(format!("read because of {}", self.sources.place(span)));
            origin = self.sources.file(span.file).origin();
        }
        (!help.is_empty()).then(|| Box::new(help.join("\n")) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let source = self.source()?;
        Some(Box::new(self.labels_inside().map(move |(span, what)| {
            let place = first_line(source, span);
            match what {
                None => LabeledSpan::new_primary_with_span(Some("here".to_owned()), place),
                Some(what) => LabeledSpan::new_with_span(Some(what.to_owned()), place),
            }
        })))
    }
}

/// Lines around a span, found through the line index instead of by a walk from the start of the file.
impl SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let text = self.text();
        let end = (span.offset() + span.len()).min(text.len());
        if span.offset() > text.len() {
            return Err(MietteError::OutOfBounds);
        }
        let line = self.line_of(span.offset());
        let first = line.saturating_sub(lines_before);
        let last = self.line_of(end) + lines_after;
        let line_start = self.line_range(first).start;
        // Asked for a span without context, miette wants its place; with context, whole lines.
        let (start, column) = match lines_before {
            0 => (span.offset(), text[line_start..span.offset()].chars().count()),
            _ => (line_start, 0),
        };
        let bytes = start..self.line_range(last).end.max(end);
        let whole = SourceSpan::from(bytes.clone());
        Ok(Box::new(MietteSpanContents::new_named(
            self.name().to_owned(),
            &text.as_bytes()[bytes],
            whole,
            first,
            column,
            last + 1 - first,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Grammar;

    fn sample() -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        let text = b"global_defs {\n  router_id a\n  vrrp_versio 3\n}\n";
        let file =
            diagnostics.sources_mut().add("k.conf", text, Grammar::Keepalived, None).unwrap();
        let span = Span::new(file, 30, 41);
        let first = Span::new(file, 0, 11);
        diagnostics.push(
            Diagnostic::warning("unknown-keyword", span, "`vrrp_versio` is not known")
                .help("did you mean `vrrp_version`?")
                .related(first, "in this block"),
        );
        diagnostics
    }

    #[test]
    fn a_line_tells_place_message_and_help() {
        let diagnostics = sample();
        assert_eq!(
            diagnostics.lines().collect::<Vec<_>>(),
            [
                "k.conf:3:3: warning: `vrrp_versio` is not known [unknown-keyword]; in this block at \
              k.conf:1:1 (help: did you mean `vrrp_version`?)"
            ]
        );
        assert_eq!(diagnostics.summary(), "0 errors, 1 warning");
    }

    #[test]
    fn json_has_every_part() {
        assert_eq!(
            sample().to_json(),
            json!([{
                "severity": "warning",
                "code": "unknown-keyword",
                "message": "`vrrp_versio` is not known",
                "help": "did you mean `vrrp_version`?",
                "place": { "file": "k.conf", "line": 3, "column": 3, "end": 14 },
                "related": [{
                    "what": "in this block",
                    "place": { "file": "k.conf", "line": 1, "column": 1, "end": 12 },
                }],
                "expansions": [],
            }])
        );
    }

    #[test]
    fn a_drawing_shows_the_line_and_the_related_place() {
        let text = sample().render(Style::Plain);
        for wanted in ["k.conf:3:3", "vrrp_versio 3", "in this block", "did you mean"] {
            assert!(text.contains(wanted), "{wanted:?} is missing in\n{text}");
        }
    }

    #[test]
    fn a_line_of_a_megabyte_is_not_drawn() {
        let mut diagnostics = Diagnostics::default();
        let text = vec![b'x'; 1 << 20];
        let file = diagnostics.sources_mut().add("big", &text, Grammar::Keepalived, None).unwrap();
        diagnostics.push(Diagnostic::error("syntax", Span::new(file, 0, 1 << 20), "no keyword"));
        let text = diagnostics.render(Style::Plain);
        assert!(text.contains("big:1:1: no keyword") && text.len() < 1000, "{text}");
    }
}
