//! The words of one line of a keepalived.conf: comments, quotes, braces, each with its place. It knows no keyword
//! but those whose arguments are quoted as a shell quotes them.

use std::ops::Range;

use compact_str::CompactString;

use super::diagnostic::Diagnostic;
use super::source::{FileId, Span};
use super::tree::{Form, Word};

/// Where the bytes of a text that is being read stand in the files.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'a> {
    /// It is the text of this file.
    File(FileId),
    /// It was put together.
    Pieces(&'a [Piece]),
}

/// A stretch of a text that was put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// Its first byte in the text.
    pub(super) at: usize,
    /// Where it stands: byte by byte if both are of one length, else as a whole.
    pub(super) from: Span,
    /// How long it is in the text.
    pub(super) length: usize,
    /// The place on the line that was read which brought it in.
    pub(super) outer: Span,
}

impl Origin<'_> {
    /// The place of a range of the text.
    pub(super) fn span(self, start: usize, end: usize) -> Span {
        let pieces = match self {
            Self::File(file) => return Span::new(file, start, end),
            Self::Pieces(pieces) => pieces,
        };
        let piece = |at: usize| {
            let index = pieces.partition_point(|piece| piece.at <= at).saturating_sub(1);
            pieces.get(index)
        };
        // A text that was put together has a piece, if only an empty one.
        let (Some(first), Some(last)) = (piece(start), piece(end.saturating_sub(1).max(start)))
        else {
            return Span::new(FileId::default(), 0, 0);
        };
        let (from, to) = (first.range(start, start), last.range(start.max(last.at), end));
        if (from.file, from.via) == (to.file, to.via) && from.start <= to.start {
            return from.to(to);
        }
        first.outer.to(last.outer)
    }
}

impl Piece {
    /// The place of the bytes `start..end` of the text, as far as they are of this piece.
    pub(super) fn range(&self, start: usize, end: usize) -> Span {
        let width = (self.from.end - self.from.start) as usize;
        if width != self.length {
            return self.from;
        }
        let cut = |at: usize| at.saturating_sub(self.at).min(width);
        let Span { file, start: base, via, .. } = self.from;
        let base = base as usize;
        Span::new(file, base + cut(start), base + cut(end)).through(via)
    }
}

/// What a line consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word, without its quotes.
    Word(Word),
    /// `{`
    Open(Span),
    /// `}`
    Close(Span),
    /// From `#` or `!` to the end of the line, without the mark.
    Comment(Box<str>),
}

/// Keywords whose arguments are commands: `'` quotes too, and `\"` is a quote inside quotes
/// (keepalived's `install_keyword_quoted`).
const COMMAND_KEYWORDS: [&str; 20] = [
    "script",
    "misc_path",
    "notify",
    "notify_master",
    "notify_backup",
    "notify_fault",
    "notify_stop",
    "notify_deleted",
    "notify_master_rx_lower_pri",
    "notify_up",
    "notify_down",
    "quorum_up",
    "quorum_down",
    "startup_script",
    "shutdown_script",
    "notify_fifo_script",
    "vrrp_notify_fifo_script",
    "lvs_notify_fifo_script",
    "process",
    "notify_fifo",
];

/// Whether the arguments of this keyword are a command.
pub(super) fn is_command_keyword(word: &str) -> bool {
    COMMAND_KEYWORDS.contains(&word)
}

/// keepalived's MAXBUF: it reports a longer line and drops it.
const KEEPALIVED_LINE: usize = 1024;
/// A line that nobody wrote.
const MAX_LINE: usize = 64 << 10;

/// Reads the line at `range` of `text` into `tokens`.
pub(super) fn read_line(
    text: &str,
    origin: Origin<'_>,
    range: Range<usize>,
    tokens: &mut Vec<Token>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    tokens.clear();
    let whole = origin.span(range.start, range.end);
    if let Some(at) = text[range.clone()].find('\0') {
        let at = range.start + at;
        diagnostics.push(
            Diagnostic::error("syntax", origin.span(at, at + 1), "a NUL byte in the line")
                .help("this is no text file, or it was damaged"),
        );
        return;
    }
    if range.len() > MAX_LINE {
        let message = format!("a line of {} bytes: at most {MAX_LINE} are read", range.len());
        diagnostics.push(Diagnostic::error("syntax", whole, message));
        return;
    }
    if range.len() > KEEPALIVED_LINE {
        let message = format!("a line of {} bytes, which keepalived would drop", range.len());
        diagnostics
            .push(Diagnostic::warning("long-line", whole, message).help(format!(
                "it is read here; keepalived reads at most {KEEPALIVED_LINE} bytes"
            )));
    }
    let mut line =
        Line { text, origin, at: range.start, end: range.end, command: None, diagnostics };
    while let Some(token) = line.next() {
        tokens.push(token);
    }
}

/// A line as it is being read.
struct Line<'a> {
    text: &'a str,
    origin: Origin<'a>,
    at: usize,
    end: usize,
    /// Whether the statement's first word, if it had one yet, is a command keyword.
    command: Option<bool>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Line<'_> {
    fn next(&mut self) -> Option<Token> {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
        let start = self.at;
        match self.peek()? {
            b'#' | b'!' => {
                self.at = self.end;
                Some(Token::Comment(self.text[start + 1..self.end].trim().into()))
            }
            b'{' => Some(Token::Open(self.brace())),
            b'}' => Some(Token::Close(self.brace())),
            b'"' => Some(Token::Word(self.quoted(b'"'))),
            b'\'' if self.command == Some(true) => Some(Token::Word(self.quoted(b'\''))),
            _ => Some(Token::Word(self.bare())),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes()[..self.end].get(self.at).copied()
    }

    fn brace(&mut self) -> Span {
        self.at += 1;
        self.command = None;
        self.origin.span(self.at - 1, self.at)
    }

    /// Up to the closing quote; without one, up to the end of the line.
    fn quoted(&mut self, quote: u8) -> Word {
        let start = self.at;
        let mut said = String::new();
        self.at += 1;
        let mut from = self.at;
        loop {
            match self.peek() {
                None => {
                    let span = self.origin.span(start, self.end);
                    let message = "the quote that opens here is not closed on this line";
                    let help = "add the missing quote: a text in quotes ends on its line";
                    self.diagnostics.push(Diagnostic::error("syntax", span, message).help(help));
                    break;
                }
                Some(byte) if byte == quote => break,
                Some(b'\\')
                    if self.text.as_bytes()[..self.end].get(self.at + 1) == Some(&quote) =>
                {
                    said.push_str(&self.text[from..self.at]);
                    from = self.at + 1;
                    self.at += 2;
                }
                Some(_) => self.at += 1,
            }
        }
        said.push_str(&self.text[from..self.at]);
        self.at = (self.at + 1).min(self.end);
        self.word(said.into(), start, Form::Quoted)
    }

    /// Up to a blank, a quote, a brace or a comment. `${...}` is one piece; `\#` and `\!` are plain characters.
    fn bare(&mut self) -> Word {
        let start = self.at;
        let mut said = String::new();
        let mut from = start;
        while let Some(byte) = self.peek() {
            match byte {
                b'\\'
                    if matches!(
                        self.text.as_bytes()[..self.end].get(self.at + 1),
                        Some(b'#' | b'!')
                    ) =>
                {
                    said.push_str(&self.text[from..self.at]);
                    from = self.at + 1;
                    self.at += 2;
                }
                b'$' if self.text[self.at..self.end].starts_with("${") => {
                    let close = self.text[self.at..self.end].find('}');
                    self.at = close.map_or(self.end, |length| self.at + length + 1);
                }
                b'#' | b'!' => {
                    self.warn_of_glued_comment();
                    break;
                }
                b'"' | b'{' | b'}' => break,
                byte if is_blank(byte) => break,
                _ => self.at += 1,
            }
        }
        if from == start {
            return self.word(self.text[start..self.at].into(), start, Form::Bare);
        }
        said.push_str(&self.text[from..self.at]);
        self.word(said.into(), start, Form::Bare)
    }

    fn word(&mut self, text: CompactString, start: usize, form: Form) -> Word {
        let span = self.origin.span(start, self.at);
        if text.contains(char::REPLACEMENT_CHARACTER) {
            self.diagnostics.push(
                Diagnostic::error("syntax", span, "bytes that are not UTF-8, outside a comment")
                    .help("save the file as UTF-8, or put the text behind `#`"),
            );
        }
        self.command.get_or_insert_with(|| is_command_keyword(&text));
        Word { text, span, form }
    }

    /// keepalived ends the word here too, which surprises people with `!` in a password.
    fn warn_of_glued_comment(&mut self) {
        let span = self.origin.span(self.at, self.end);
        let mark = &self.text[self.at..=self.at];
        self.diagnostics.push(
            Diagnostic::warning(
                "glued-comment",
                span,
                format!("`{mark}` begins a comment here and ends the word before it"),
            )
            .help("put a blank before the comment, or the word into quotes if it is part of it"),
        );
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::{Grammar, Sources};

    /// The tokens in a short notation, and what was wrong.
    fn read(line: &str) -> (Vec<String>, Vec<String>) {
        let mut sources = Sources::default();
        let file = sources.add("x", line.as_bytes(), Grammar::Keepalived, None).unwrap();
        let (mut tokens, mut diagnostics) = (Vec::new(), Vec::new());
        let text = sources.file(file).text();
        read_line(text, Origin::File(file), 0..text.len(), &mut tokens, &mut diagnostics);
        let shown = tokens.iter().map(|token| match token {
            Token::Word(word) => {
                let quoted = sources.slice(word.span).starts_with('"');
                assert!(!quoted || word.form == Form::Quoted);
                word.text.to_string()
            }
            Token::Open(_) => "{".to_owned(),
            Token::Close(_) => "}".to_owned(),
            Token::Comment(text) => format!("#{text}"),
        });
        (shown.collect(), diagnostics.into_iter().map(|diagnostic| diagnostic.message).collect())
    }

    #[test]
    fn words_are_parted_by_blanks_tabs_and_braces() {
        let cases: [(&str, &[&str]); 9] = [
            ("  priority\t100  \r", &["priority", "100"]),
            ("vrrp_instance VI_1{", &["vrrp_instance", "VI_1", "{"]),
            ("group { a b }", &["group", "{", "a", "b", "}"]),
            ("! Configuration File", &["#Configuration File"]),
            ("router_id a # it's \"ours\" {", &["router_id", "a", "#it's \"ours\" {"]),
            ("path \"/a b#c\"x", &["path", "/a b#c", "x"]),
            ("auth_pass a\\#b\\!c\\d", &["auth_pass", "a#b!c\\d"]),
            ("ip ${VIP}/24 {", &["ip", "${VIP}/24", "{"]),
            ("", &[]),
        ];
        for (line, wanted) in cases {
            assert_eq!(
                read(line),
                (wanted.iter().map(|w| w.to_string()).collect(), vec![]),
                "{line}"
            );
        }
    }

    #[test]
    fn commands_take_both_quotes_and_other_words_only_one() {
        assert_eq!(read("script '/bin/x \"a\"'").0, ["script", "/bin/x \"a\""]);
        assert_eq!(
            read(r#"notify "/bin/sh -c \"exit 0\"""#).0,
            ["notify", "/bin/sh -c \"exit 0\""]
        );
        assert_eq!(read("auth_pass 'abc'").0, ["auth_pass", "'abc'"]);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        assert_eq!(
            read("router_id \"a b").1,
            ["the quote that opens here is not closed on this line"]
        );
        assert_eq!(read("a \0 b"), (vec![], vec!["a NUL byte in the line".to_owned()]));
        assert_eq!(read("auth_pass ab!12").0, ["auth_pass", "ab", "#12"]);
        assert_eq!(
            read("auth_pass ab!12").1,
            ["`!` begins a comment here and ends the word before it"]
        );
        assert_eq!(read("router_id \u{fffd}").1, ["bytes that are not UTF-8, outside a comment"]);
        assert_eq!(read("# \u{fffd}").1, Vec::<String>::new());
        assert_eq!(
            read(&"x ".repeat(600)).1,
            ["a line of 1200 bytes, which keepalived would drop"]
        );
        assert_eq!(read(&"x".repeat(70_000)).1, ["a line of 70000 bytes: at most 65536 are read"]);
    }
}
