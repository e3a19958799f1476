//! KDL 2 -> the tree of directives. It knows KDL's nodes and no keyword's meaning.
//!
//! Written for this tree rather than over the `kdl` crate, which the tests ask for its opinion: that one recurses with
//! each level and with each mistake, so that 20 kB of equals signs overflow the stack of the process; it stops at
//! mistakes that a reader can step over; it loses comments behind a brace; and it reads 1.3 MB a second.
//! Here nothing recurses, a mistake costs the word that it stands in, and every word knows its place.

mod node;
mod text;

pub(super) use self::text::is_forbidden;
use std::sync::Arc;

use self::text::{Text, shown};
use super::diagnostic::{Diagnostic, Diagnostics};
use super::keepalived::MAX_DEPTH;
use super::packed::Packed;
use super::source::{FileId, Span};
use super::tree::{Block, Comment, Directive, Word};

/// Reads a file. What cannot be read is told, and the rest is read all the same.
pub(super) fn parse(file: FileId, diagnostics: &mut Diagnostics) -> Packed {
    let mut found = Vec::new();
    let text = diagnostics.sources().file(file).shared_text();
    let tree = match text.find(is_forbidden) {
        Some(at) => {
            let span = Span::new(file, at, at + 1);
            let message = "a control character, or a byte that is not UTF-8";
            let help = "KDL is plain UTF-8 throughout, comments too";
            found.push(Diagnostic::error("syntax", span, message).help(help));
            Packed::default()
        }
        None => Parser::new(&text, file, &mut found).run(),
    };
    found.into_iter().for_each(|diagnostic| diagnostics.push(diagnostic));
    tree
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
    /// Outermost nodes that have ended.
    ended: Packed,
    /// Of the outermost one only the last node is here: it may go on.
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
    fn new(text: &'a Arc<String>, file: FileId, diagnostics: &'a mut Vec<Diagnostic>) -> Self {
        let mut ended = Packed::default();
        ended.know(file, text);
        let root = Level { directives: Vec::new(), open: None, hides: Hides::Nothing };
        Self {
            text: Text::new(text, file),
            ended,
            levels: vec![root],
            pending: Vec::new(),
            spaced: false,
            line_has_owner: false,
            unended: false,
            diagnostics,
        }
    }

    fn run(mut self) -> Packed {
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
                owner.comments.after = Some(Box::new(Comment { text, spaced: false }));
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
                    self.add(directive);
                }
                return;
            }
            End::Open(open) if hidden => (open, Hides::Node),
            End::Open(open) => (open, Hides::Nothing),
            End::HiddenOpen(open) => (open, Hides::Block { node: hidden }),
        };
        self.add(directive);
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

    fn finish(mut self) -> Packed {
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
        let last = std::mem::take(self.directives());
        last.iter().for_each(|ended| self.ended.push(ended));
        self.ended.closing = self.pending;
        self.ended
    }

    /// Puts a node into the innermost level.
    fn add(&mut self, directive: Directive) {
        if let [outermost] = &mut self.levels[..] {
            outermost.directives.drain(..).for_each(|ended| self.ended.push(&ended));
        }
        self.directives().push(directive);
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
