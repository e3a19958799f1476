//! One node: its name, arguments and properties, up to its block or its end.

use super::text::{self, shown};
use super::{End, Parser, with_unit};
use crate::config::diagnostic::Diagnostic;
use crate::config::source::Span;
use crate::config::tree::{Comments, Directive, Property, Word};

impl Parser<'_> {
    /// A node with its entries, up to its block or its end.
    pub(super) fn node(&mut self, hidden: bool) {
        let start = self.text.at();
        if std::mem::take(&mut self.unended) && !hidden {
            let span = Span { end: self.text.span(start).end + 1, ..self.text.span(start) };
            let message = "a line end or `;` is missing before this node";
            self.refuse(Diagnostic::error("syntax", span, message));
        }
        self.annotation();
        let name = match self.text.name() {
            Some(Ok(word)) => word,
            Some(Err(diagnostic)) => {
                // What follows belongs to it, whatever its name.
                self.refuse(diagnostic);
                Word::nothing(self.text.span(start))
            }
            None if self.text.peek() == '{' => {
                let span = self.text.span(start);
                let message = "a block without a name before it";
                self.refuse(Diagnostic::error(
                    "syntax",
                    Span { end: span.end + 1, ..span },
                    message,
                ));
                Word::nothing(span)
            }
            None if self.text.at() > start => return self.lonely_unit(start),
            None => return self.stray(start),
        };
        let mut directive = Directive::new(name, Vec::new());
        let before = std::mem::take(&mut self.pending);
        directive.comments = Comments { spaced: self.spaced, before, after: None };
        self.spaced = false;
        self.line_has_owner = true;
        self.entries(directive, hidden);
    }

    /// Arguments and properties, then what ends them.
    pub(super) fn entries(&mut self, mut directive: Directive, hidden: bool) {
        let end = loop {
            let start = self.text.at();
            self.blanks_inside();
            let parted = self.text.at() > start;
            let rest = self.text.rest();
            match self.text.peek() {
                '{' => break End::Open(self.brace()),
                '\0' | '}' | ';' => break End::Terminator,
                c if text::is_line_end(c) => break End::Terminator,
                _ if rest.starts_with("//") => break End::Terminator,
                _ if rest.starts_with("/-") => {
                    self.slashdash();
                    if self.text.peek() == '{' {
                        break End::HiddenOpen(self.brace());
                    }
                    let slashes = self.text.span(start);
                    if self.ends_node() {
                        let message = "nothing stands behind `/-`";
                        self.refuse(Diagnostic::error("syntax", slashes, message));
                        continue;
                    }
                    let mut hidden = Directive::new(Word::nothing(slashes), Vec::new());
                    self.entry(&mut hidden, true);
                }
                _ => self.entry(&mut directive, parted),
            }
        };
        self.end_node(directive, hidden, end);
    }

    fn ends_node(&self) -> bool {
        matches!(self.text.peek(), '\0' | '}' | ';')
    }

    pub(super) fn brace(&mut self) -> Span {
        self.text.skip(1);
        self.text.span(self.text.at() - 1)
    }

    /// One argument or property.
    fn entry(&mut self, directive: &mut Directive, parted: bool) {
        let start = self.text.at();
        let unit = self.annotation();
        let word = match self.text.word() {
            None if self.text.at() > start => return self.lonely_unit(start),
            None => return self.stray(start),
            Some(Err(diagnostic)) => return self.refuse(diagnostic),
            Some(Ok(word)) => word,
        };
        if !parted {
            let message = format!("a blank is missing before `{}`", shown(&word.text));
            self.refuse(Diagnostic::error("syntax", word.span, message));
        }
        if !self.equals() {
            return directive.arguments.push(with_unit(word, &unit));
        }
        let name = match self.text.refuse_number(word) {
            Ok(name) => name,
            Err(diagnostic) => return self.refuse(diagnostic),
        };
        if !unit.is_empty() {
            let message = "a unit stands before the value: name=(ms)10";
            self.refuse(Diagnostic::error("syntax", name.span, message));
        }
        let value_start = self.text.at();
        let unit = self.annotation();
        match self.text.word() {
            Some(Ok(value)) => {
                directive.properties.push(Property { name, value: with_unit(value, &unit) });
            }
            Some(Err(diagnostic)) => self.refuse(diagnostic),
            None => {
                let span = Span { end: self.text.span(value_start).end, ..name.span };
                let message = format!("`{}=` has no value after it", shown(&name.text));
                self.refuse(Diagnostic::error("syntax", span, message).help("write name=value"));
            }
        }
    }

    /// Takes an equals sign with the blanks around it.
    fn equals(&mut self) -> bool {
        let before = self.text.at();
        // A mistake in blanks is told when they are taken for good.
        if self.text.take_blanks().is_ok() && self.text.take("=") {
            self.blanks_inside();
            return true;
        }
        self.text.back_to(before);
        false
    }

    /// `(ms)` before a value: its unit. Before a node KDL allows it too; there it says nothing.
    fn annotation(&mut self) -> String {
        let start = self.text.at();
        if !self.text.take("(") {
            return String::new();
        }
        self.blanks_inside();
        let word = self.text.name();
        self.blanks_inside();
        let unit = match word {
            Some(Ok(word)) if self.text.take(")") => word.text.into(),
            Some(_) | None => {
                let message = "a unit is written (ms)10";
                self.refuse(Diagnostic::error("syntax", self.text.span(start), message));
                String::new()
            }
        };
        self.blanks_inside();
        unit
    }

    fn lonely_unit(&mut self, start: usize) {
        let message = "nothing stands behind the parentheses";
        self.refuse(Diagnostic::error("syntax", self.text.span(start), message));
    }
}
