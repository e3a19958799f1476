//! keepalived.conf -> the tree of directives. It knows lines, blocks and comments, and no keyword's meaning.
//!
//! What keepalived reads before it looks at keywords (lib/parser.c): `#` and `!` comments, blocks whose braces share
//! a line with words or have their own, quotes. Includes, conditions, definitions and repetitions are `expand`'s, which
//! gives the lines. Braces that do not match are warnings, as keepalived reads on; what a missing one swallows is an
//! error of the decoder.

use super::context::Context;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::expand::Lines;
use super::lexer::{self, Token};
use super::packed::Packed;
use super::source::{FileId, Span};
use super::suggest;
use super::tree::{Block, Comment, Comments, Directive, Form, Word};

/// Deepest nesting read; keepalived's own blocks nest four deep.
pub(super) const MAX_DEPTH: usize = 32;

/// Reads a file. What cannot be read is told, and the rest is read all the same.
pub(super) fn parse(file: FileId, context: &Context, diagnostics: &mut Diagnostics) -> Packed {
    let mut found = Vec::new();
    let tree = Parser::new(&mut found).run(Lines::new(file, context, diagnostics));
    found.into_iter().for_each(|diagnostic| diagnostics.push(diagnostic));
    tree
}

/// A block that is being read.
#[derive(Default)]
struct Level {
    directives: Vec<Directive>,
    /// Its opening brace; the file's own level has none.
    open: Option<Span>,
}

struct Parser<'a> {
    /// Outermost directives that have ended.
    ended: Packed,
    /// Of the outermost one only the last directive is here: it may go on.
    levels: Vec<Level>,
    /// Empty buffers of levels that have ended.
    spare: Vec<Vec<Directive>>,
    words: Vec<Word>,
    /// Comments that wait for the directive after them.
    pending: Vec<Comment>,
    blank_before: bool,
    /// Where a comment at the end of the line belongs: the level of the line's last directive.
    line_owner: Option<usize>,
    /// Words right behind `{` on its line are often meant as a comment.
    after_open: bool,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl<'a> Parser<'a> {
    fn new(diagnostics: &'a mut Vec<Diagnostic>) -> Self {
        Self {
            ended: Packed::default(),
            levels: vec![Level::default()],
            spare: Vec::new(),
            words: Vec::new(),
            pending: Vec::new(),
            blank_before: false,
            line_owner: None,
            after_open: false,
            diagnostics,
        }
    }

    fn run(mut self, mut lines: Lines<'_>) -> Packed {
        let mut tokens = Vec::new();
        while let Some(line) = lines.next() {
            if let Some((file, text)) = line.file() {
                self.ended.know(file, text);
            }
            let (text, range, origin) = line.parts();
            lexer::read_line(text, origin, range, &mut tokens, self.diagnostics);
            self.line(&mut tokens);
            // Mistakes of expanded text are many and alike: they are kept once.
            self.diagnostics.drain(..).for_each(|told| lines.diagnostics().push(told));
            if self.levels.len() > MAX_DEPTH {
                break;
            }
        }
        self.finish()
    }

    fn line(&mut self, tokens: &mut Vec<Token>) {
        self.line_owner = None;
        self.after_open = false;
        if tokens.is_empty() {
            self.blank_before = true;
            return;
        }
        let closes = tokens.iter().any(|token| matches!(token, Token::Close(_)));
        for token in tokens.drain(..) {
            match token {
                Token::Word(word) => self.words.push(word),
                Token::Open(span) => self.open(span),
                Token::Close(span) => self.close(span),
                Token::Comment(text) => {
                    self.statement(closes);
                    self.comment(text);
                }
            }
        }
        self.statement(closes);
        self.blank_before = false;
    }

    /// Ends the words collected so far.
    fn statement(&mut self, line_closes: bool) {
        if self.words.is_empty() {
            return;
        }
        if self.is_free_text(line_closes) {
            let (first, last) = (self.words[0].span, self.words[self.words.len() - 1].span);
            let words: Vec<&str> = self.words.iter().map(|word| &*word.text).collect();
            let text = words.join(" ");
            self.warn_of_free_text(first.to(last), &text);
            self.words.clear();
            let text = text.trim_start_matches('/').trim().to_owned();
            self.pending.push(Comment { text: text.into(), spaced: self.blank_before });
            return;
        }
        let after = self.cut_slashes();
        // Drained, not taken: the arguments get no more room than they need, and the buffer stays.
        let arguments: Vec<Word> = self.words.drain(1..).collect();
        let Some(name) = self.words.pop() else { return };
        let mut directive = Directive::new(name, arguments);
        let before = std::mem::take(&mut self.pending);
        directive.comments = Comments { spaced: self.blank_before, before, after };
        self.blank_before = false;
        self.line_owner = Some(self.levels.len() - 1);
        self.add(directive);
    }

    /// Puts a directive into the innermost level.
    fn add(&mut self, directive: Directive) {
        if let [outermost] = &mut self.levels[..] {
            outermost.directives.drain(..).for_each(|ended| self.ended.push(&ended));
        }
        self.level().directives.push(directive);
    }

    fn open(&mut self, span: Span) {
        let had_words = !self.words.is_empty();
        self.statement(true);
        let level = self.levels.len() - 1;
        let takes_block = match self.levels[level].directives.last() {
            Some(last) if last.block.is_none() => had_words || self.line_owner.is_none(),
            Some(_) | None => false,
        };
        if !takes_block {
            let message = "a block without a keyword before it";
            self.diagnostics.push(
                Diagnostic::error("syntax", span, message).help(
                    "a block is written `keyword arguments {`, with its end `}` further down; `{{ ... }}` is a template's, to be filled in first",
                ),
            );
            self.add(Directive::new(Word::nothing(span), Vec::new()));
        }
        if let Some(directive) = self.level().directives.last_mut() {
            directive.block = Some(Block::default());
        }
        self.line_owner = Some(level);
        let directives = self.spare.pop().unwrap_or_default();
        self.levels.push(Level { directives, open: Some(span) });
        self.after_open = true;
        if self.levels.len() > MAX_DEPTH {
            let message = format!("blocks nested deeper than {MAX_DEPTH}");
            self.diagnostics.push(Diagnostic::error("syntax", span, message));
        }
    }

    fn close(&mut self, span: Span) {
        self.statement(true);
        self.after_open = false;
        if self.levels.len() == 1 {
            self.diagnostics.push(
                Diagnostic::warning("syntax", span, "`}` without a block that is open")
                    .help("one `}` too many, here or further up"),
            );
            return;
        }
        self.pop();
        self.line_owner = Some(self.levels.len() - 1);
    }

    /// Hands the innermost level to the directive that it belongs to.
    fn pop(&mut self) {
        let Some(mut level) = self.levels.pop() else { return };
        // As above: a large file is mostly small blocks.
        let directives = level.directives.drain(..).collect();
        self.spare.push(level.directives);
        let closing = std::mem::take(&mut self.pending);
        let Some(owner) = self.levels.last_mut() else { return };
        let Some(directive) = owner.directives.last_mut() else { return };
        directive.block = Some(Block { directives, closing });
    }

    fn comment(&mut self, text: Box<str>) {
        let owner = self.line_owner.and_then(|level| self.levels[level].directives.last_mut());
        match owner {
            Some(directive) if directive.comments.after.is_none() => {
                directive.comments.after = Some(Box::new(Comment { text, spaced: false }));
            }
            Some(_) | None => self.pending.push(Comment { text, spaced: self.blank_before }),
        }
    }

    fn finish(mut self) -> Packed {
        if self.levels.len() <= MAX_DEPTH {
            for level in &self.levels {
                if let Some(open) = level.open {
                    self.diagnostics.push(
                        Diagnostic::warning(
                            "syntax",
                            open,
                            "the block that opens here is never closed",
                        )
                        .help("add the missing `}`"),
                    );
                }
            }
        }
        while self.levels.len() > 1 {
            self.pop();
        }
        let last = std::mem::take(&mut self.level().directives);
        last.iter().for_each(|ended| self.ended.push(ended));
        self.ended.closing = self.pending;
        self.ended
    }

    fn level(&mut self) -> &mut Level {
        // Level 0 is made by `new`, and `close` never pops it.
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }

    /// Remarks that people copy into configurations without `#`: `// text`, and sentences in other scripts at the
    /// outermost level or behind an opening brace. keepalived skips both, with a complaint.
    fn is_free_text(&self, line_closes: bool) -> bool {
        let first = &self.words[0];
        if first.form != Form::Bare {
            return false;
        }
        let foreign = |c: char| !c.is_ascii() && c != char::REPLACEMENT_CHARACTER;
        let top = self.levels.len() == 1 && first.text.contains(foreign);
        let behind_brace = self.after_open && !line_closes && first.text.starts_with(foreign);
        first.text.starts_with("//") || top || behind_brace
    }

    fn warn_of_free_text(&mut self, span: Span, text: &str) {
        let short: String = text.chars().take(30).collect();
        let message = format!("`{short}` is no keyword; it is skipped");
        let help = suggest::lookalike(text)
            .unwrap_or_else(|| "a comment begins with `#` or `!`".to_owned());
        self.diagnostics.push(Diagnostic::warning("free-text", span, message).help(help));
    }

    /// Takes `// text` off the end of the words. A path may begin with two slashes, so the first argument of a
    /// command or `path` stays.
    fn cut_slashes(&mut self) -> Option<Box<Comment>> {
        let keeps_first =
            lexer::is_command_keyword(&self.words[0].text) || self.words[0].is("path");
        let from = if keeps_first { 2 } else { 1 };
        let at = (from..self.words.len()).find(|&at| {
            self.words[at].form == Form::Bare && self.words[at].text.starts_with("//")
        })?;
        let cut = self.words.split_off(at);
        let span = cut[0].span.to(cut[cut.len() - 1].span);
        let words: Vec<&str> = cut.iter().map(|word| &*word.text).collect();
        let text = words.join(" ");
        self.warn_of_free_text(span, &text);
        let text = text.trim_start_matches('/').trim().into();
        Some(Box::new(Comment { text, spaced: false }))
    }
}

#[cfg(test)]
mod tests;
