//! Diagnostics drawn with the lines that they speak of, by miette.

use std::fmt;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents,
};

use super::{Diagnostic, Diagnostics, Severity, Style};
use crate::config::source::{Source, Sources, Span};

impl Diagnostics {
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
        // As long as the text, so that places are the same.
        let text = self.shown();
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
