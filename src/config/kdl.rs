//! KDL 2 -> the tree of directives. It knows KDL's nodes and no keyword's meaning.
//!
//! Written for this tree rather than over the `kdl` crate, which the tests ask for its opinion: that one recurses with
//! each level and with each mistake, so that 20 kB of equals signs overflow the stack of the process; it stops at
//! mistakes that a reader can step over; it loses comments behind a brace; and it reads 1.3 MB a second.
//! Here nothing recurses, a mistake costs the word that it stands in, and every word knows its place.

mod text;

pub(super) use self::text::is_forbidden;
use self::text::{Text, shown};
use super::diagnostic::{Diagnostic, Diagnostics};
use super::keepalived::MAX_DEPTH;
use super::source::{FileId, Span};
use super::tree::{Block, Comment, Comments, Directive, Property, Word};

/// Reads a file. What cannot be read is told, and the rest is read all the same.
pub(super) fn parse(file: FileId, diagnostics: &mut Diagnostics) -> Block {
    let mut found = Vec::new();
    let text = diagnostics.sources().file(file).text();
    let block = match text.find(is_forbidden) {
        Some(at) => {
            let span = Span::new(file, at, at + 1);
            let message = "a control character, or a byte that is not UTF-8";
            let help = "KDL is plain UTF-8 throughout, comments too";
            found.push(Diagnostic::error("syntax", span, message).help(help));
            Block::default()
        }
        None => Parser::new(text, file, &mut found).run(),
    };
    found.into_iter().for_each(|diagnostic| diagnostics.push(diagnostic));
    block
}

/// A block that is being read.
struct Level {
    directives: Vec<Directive>,
    /// Its opening brace; the file's own level has none.
    open: Option<Span>,
    hides: Hides,
}

/// What `/-` takes away at the end of a block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hides {
    Nothing,
    /// The block; its node goes on behind it, and is hidden itself or not.
    Block {
        node: bool,
    },
    /// The node that it belongs to.
    Node,
}

/// What ends the entries of a node.
enum End {
    /// A line end, a semicolon, a comment, the end of the block or file.
    Terminator,
    /// `{`
    Open(Span),
    /// `/- {`
    HiddenOpen(Span),
}

struct Parser<'a> {
    text: Text<'a>,
    levels: Vec<Level>,
    pending: Vec<Comment>,
    /// Whether an empty line stands before what comes next.
    spaced: bool,
    /// Whether the current line already holds something, so that a comment on it belongs to that.
    line_has_owner: bool,
    /// Whether a node was read that no line end or semicolon has ended yet.
    unended: bool,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, file: FileId, diagnostics: &'a mut Vec<Diagnostic>) -> Self {
        let root = Level { directives: Vec::new(), open: None, hides: Hides::Nothing };
        Self {
            text: Text::new(text, file),
            levels: vec![root],
            pending: Vec::new(),
            spaced: false,
            line_has_owner: false,
            unended: false,
            diagnostics,
        }
    }

    fn run(mut self) -> Block {
        while self.between_nodes() {
            let start = self.text.at();
            let hidden = self.slashdash();
            match self.text.peek() {
                '\0' | '}' if hidden => {
                    let message = "nothing stands behind `/-`";
                    self.refuse(Diagnostic::error("syntax", self.text.span(start), message));
                }
                '}' => self.close(),
                _ => self.node(hidden),
            }
            if self.levels.len() > MAX_DEPTH {
                break;
            }
        }
        self.finish()
    }

    /// Takes blanks, line ends, semicolons and comments. False at the end of the text.
    fn between_nodes(&mut self) -> bool {
        let mut line_ends = usize::from(!self.line_has_owner);
        loop {
            if self.text.take_line_end() {
                line_ends += 1;
                self.line_has_owner = false;
                self.unended = false;
                self.spaced |= line_ends > 1;
            } else if self.text.rest().starts_with("//") {
                let comment = self.text.line_comment();
                self.comment(comment);
                line_ends = 0;
            } else if self.text.rest().starts_with("/*") {
                let comment = self.text.block_comment();
                match comment {
                    Ok(lines) => lines.lines().for_each(|line| self.comment(line)),
                    Err(diagnostic) => self.give_up(diagnostic),
                }
                line_ends = 0;
            } else if self.text.peek() == ';' && self.unended {
                self.text.skip(1);
                self.unended = false;
            } else if !self.blanks() {
                return !self.text.rest().is_empty();
            }
        }
    }

    /// Takes blanks; true if there were any.
    fn blanks(&mut self) -> bool {
        let start = self.text.at();
        if self.text.rest().starts_with("/*") {
            // Between nodes comments are kept.
            return false;
        }
        if let Err(diagnostic) = self.text.take_blanks() {
            self.refuse(diagnostic);
        }
        self.text.at() > start
    }

    fn comment(&mut self, text: &str) {
        let text: Box<str> = text.trim().into();
        // Behind an opening brace the owner is the node outside.
        let inner = self.levels.len() - 1;
        let level = if self.levels[inner].directives.is_empty() {
            inner.checked_sub(1)
        } else {
            Some(inner)
        };
        let owner = level.and_then(|level| self.levels[level].directives.last_mut());
        match owner {
            Some(owner) if self.line_has_owner && owner.comments.after.is_none() => {
                owner.comments.after = Some(Comment { text, spaced: false });
            }
            Some(_) | None => {
                self.pending.push(Comment { text, spaced: self.spaced });
            }
        }
        self.spaced = false;
    }

    /// Takes `/-` with the blanks, line ends and comments after it.
    fn slashdash(&mut self) -> bool {
        if !self.text.take("/-") {
            return false;
        }
        loop {
            let start = self.text.at();
            self.blanks_inside();
            if self.text.rest().starts_with("//") {
                self.text.line_comment();
            }
            if !self.text.take_line_end() && self.text.at() == start {
                return true;
            }
        }
    }

    /// A node with its entries, up to its block or its end.
    fn node(&mut self, hidden: bool) {
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
    fn entries(&mut self, mut directive: Directive, hidden: bool) {
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

    fn brace(&mut self) -> Span {
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

    /// Takes blanks and comments inside a node.
    fn blanks_inside(&mut self) {
        if let Err(diagnostic) = self.text.take_blanks() {
            self.refuse(diagnostic);
        }
    }

    /// A character that begins nothing. A run of them is one mistake.
    fn stray(&mut self, start: usize) {
        let c = self.text.peek();
        while self.text.peek() == c && c != '\0' {
            self.text.skip(c.len_utf8());
        }
        let message = format!("`{}` has no meaning here", shown(c.encode_utf8(&mut [0; 4])));
        self.refuse(Diagnostic::error("syntax", self.text.span(start), message));
    }

    fn end_node(&mut self, directive: Directive, hidden: bool, end: End) {
        let (open, hides) = match end {
            End::Terminator => {
                self.unended = true;
                if !hidden {
                    self.directives().push(directive);
                }
                return;
            }
            End::Open(open) if hidden => (open, Hides::Node),
            End::Open(open) => (open, Hides::Nothing),
            End::HiddenOpen(open) => (open, Hides::Block { node: hidden }),
        };
        self.directives().push(directive);
        self.levels.push(Level { directives: Vec::new(), open: Some(open), hides });
        self.unended = false;
        if self.levels.len() > MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH}");
            self.refuse(Diagnostic::error("syntax", open, message));
        }
    }

    fn close(&mut self) {
        let brace = self.brace();
        if self.levels.len() == 1 {
            let message = "`}` without a block that is open";
            let help = "one `}` too many, here or further up";
            return self.refuse(Diagnostic::error("syntax", brace, message).help(help));
        }
        self.line_has_owner = true;
        self.unended = true;
        match self.pop() {
            Some(Hides::Block { node }) => {
                if let Some(directive) = self.directives().pop() {
                    self.entries(directive, node);
                }
            }
            Some(Hides::Nothing | Hides::Node) | None => {}
        }
    }

    /// Hands the innermost level to the node that it belongs to.
    fn pop(&mut self) -> Option<Hides> {
        let level = self.levels.pop()?;
        let closing = std::mem::take(&mut self.pending);
        let owner = self.levels.last_mut()?;
        match level.hides {
            Hides::Node => drop(owner.directives.pop()),
            Hides::Block { .. } => {}
            Hides::Nothing => {
                let directive = owner.directives.last_mut()?;
                directive.block = Some(Block { directives: level.directives, closing });
            }
        }
        Some(level.hides)
    }

    fn finish(mut self) -> Block {
        self.diagnostics.append(&mut self.text.told);
        if self.levels.len() <= MAX_DEPTH {
            for open in self.levels.iter().filter_map(|level| level.open) {
                let message = "the block that opens here is never closed";
                self.diagnostics
                    .push(Diagnostic::error("syntax", open, message).help("add the missing `}`"));
            }
        }
        while self.levels.len() > 1 {
            self.pop();
        }
        let directives = std::mem::take(self.directives());
        Block { directives, closing: self.pending }
    }

    fn directives(&mut self) -> &mut Vec<Directive> {
        // Level 0 is made by `new`, and `close` never pops it.
        let last = self.levels.len() - 1;
        &mut self.levels[last].directives
    }

    fn refuse(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Nothing can be read after a comment that is not closed.
    fn give_up(&mut self, diagnostic: Diagnostic) {
        self.refuse(diagnostic);
        self.text.skip(self.text.rest().len());
    }
}

fn with_unit(word: Word, unit: &str) -> Word {
    if unit.is_empty() {
        return word;
    }
    Word { text: format!("{}{unit}", word.text).into(), ..word }
}

#[cfg(test)]
mod tests;
