//! The pieces of a KDL text: blanks, line ends, comments, strings, bare words. It knows no nodes.

use std::borrow::Cow;

use crate::config::diagnostic::Diagnostic;
use crate::config::source::{FileId, Span};
use crate::config::tree::{Form, Word};

/// A place in a text that is being read.
pub(super) struct Text<'a> {
    whole: &'a str,
    file: FileId,
    at: usize,
    /// Mistakes in words that were taken all the same.
    pub(super) told: Vec<Diagnostic>,
}

/// What a bare word may not hold.
const ENDS_BARE: [char; 10] = ['{', '}', '(', ')', '[', ']', ';', '"', '=', '\\'];

impl<'a> Text<'a> {
    pub(super) fn new(whole: &'a str, file: FileId) -> Self {
        Self { whole, file, at: 0, told: Vec::new() }
    }

    /// What is not read yet.
    pub(super) fn rest(&self) -> &'a str {
        &self.whole[self.at..]
    }

    /// The next character, NUL at the end: a text with a NUL in it is refused before.
    pub(super) fn peek(&self) -> char {
        self.rest().chars().next().unwrap_or('\0')
    }

    /// Where the next character stands.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Goes back to where it was.
    pub(super) fn back_to(&mut self, at: usize) {
        self.at = at;
    }

    /// From `start` to here.
    pub(super) fn span(&self, start: usize) -> Span {
        Span::new(self.file, start, self.at)
    }

    /// Takes these characters if they come next.
    pub(super) fn take(&mut self, wanted: &str) -> bool {
        let comes = self.rest().starts_with(wanted);
        self.at += if comes { wanted.len() } else { 0 };
        comes
    }

    /// Takes one line end, whatever kind.
    pub(super) fn take_line_end(&mut self) -> bool {
        let length = match self.peek() {
            '\r' if self.rest().starts_with("\r\n") => 2,
            c if is_line_end(c) => c.len_utf8(),
            _ => return false,
        };
        self.at += length;
        true
    }

    /// Takes blanks, block comments, and line ends behind a backslash.
    pub(super) fn take_blanks(&mut self) -> Result<(), Diagnostic> {
        loop {
            let start = self.at;
            self.at += self.rest().len() - self.rest().trim_start_matches(is_blank).len();
            if self.rest().starts_with("/*") {
                self.block_comment()?;
            } else if self.peek() == '\\' {
                self.continued_line()?;
            }
            if self.at == start {
                return Ok(());
            }
        }
    }

    /// Up to the end of the line, which stays.
    pub(super) fn line_comment(&mut self) -> &'a str {
        self.skip(2);
        let length = self.rest().find(is_line_end).unwrap_or(self.rest().len());
        let text = &self.rest()[..length];
        self.at += length;
        text
    }

    /// A comment in `/* */`, which nest. Its text is what stands between the outermost marks.
    pub(super) fn block_comment(&mut self) -> Result<&'a str, Diagnostic> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            if self.take("/*") {
                depth += 1;
            } else if self.take("*/") {
                depth -= 1;
                if depth == 0 {
                    return Ok(&self.whole[start + 2..self.at - 2]);
                }
            } else if self.rest().is_empty() {
                let span = Span::new(self.file, start, start + 2);
                return Err(Diagnostic::error(
                    "syntax",
                    span,
                    "the comment that opens here is never closed",
                )
                .help("add the missing `*/`"));
            } else {
                // The marks are ASCII, so no character hides one.
                let next = self.rest()[1..].find(['/', '*']);
                self.at += next.map_or(self.rest().len(), |next| next + 1);
            }
        }
    }

    /// A backslash makes the line end after it a blank.
    fn continued_line(&mut self) -> Result<(), Diagnostic> {
        let start = self.at;
        self.skip(1);
        self.at += self.rest().len() - self.rest().trim_start_matches(is_blank).len();
        if self.rest().starts_with("//") {
            self.line_comment();
        }
        if self.take_line_end() || self.rest().is_empty() {
            return Ok(());
        }
        let span = Span::new(self.file, start, start + 1);
        Err(Diagnostic::error("syntax", span, "a backslash outside quotes")
            .help("it may stand at the end of a line alone, and goes on with the next"))
    }

    /// The name of a node or property: a word that is no number and no `#true`.
    pub(super) fn name(&mut self) -> Option<Result<Word, Diagnostic>> {
        let word = self.word()?;
        Some(word.and_then(|word| self.refuse_number(word)))
    }

    /// A number or `#true` where a name is wanted.
    pub(super) fn refuse_number(&self, word: Word) -> Result<Word, Diagnostic> {
        let written = &self.whole[word.span.start as usize..word.span.end as usize];
        match word.form {
            Form::Quoted => Ok(word),
            Form::Bare if number(written).is_none() => Ok(word),
            Form::Bare | Form::Boolean | Form::Made | Form::Other => {
                let message = format!("`{written}` needs quotes to be a name");
                let help = format!("write \"{written}\"");
                Err(Diagnostic::error("syntax", word.span, message).help(help))
            }
        }
    }

    /// A word of any kind: bare, quoted, raw, `#true`. `None` if none begins here.
    pub(super) fn word(&mut self) -> Option<Result<Word, Diagnostic>> {
        match self.peek() {
            '"' => Some(self.quoted(self.at, 0)),
            '#' => {
                let start = self.at;
                let hashes = self.rest().bytes().take_while(|&byte| byte == b'#').count();
                if self.rest()[hashes..].starts_with('"') {
                    self.at += hashes;
                    return Some(self.quoted(start, hashes));
                }
                Some(self.keyword())
            }
            '\0' => None,
            c if is_blank(c) || is_line_end(c) || ENDS_BARE.contains(&c) => None,
            _ => Some(self.bare()),
        }
    }

    /// `#true`, `#false`, `#null` and the numbers that are none.
    fn keyword(&mut self) -> Result<Word, Diagnostic> {
        let start = self.at;
        let mut text = self.run();
        // What hides the next word may stand right behind.
        if let Some(length) = text.find("/-") {
            self.at = start + length;
            text = &text[..length];
        }
        let span = self.span(start);
        let (text, form) = match text {
            "#true" | "#false" => (&text[1..], Form::Boolean),
            "#null" | "#inf" | "#-inf" | "#nan" => (&text[1..], Form::Other),
            _ => {
                let message = format!("`{}` is no KDL word", shown(text));
                let help = "#true and #false are; a comment begins with `//`";
                return Err(Diagnostic::error("syntax", span, message).help(help));
            }
        };
        Ok(Word { text: text.into(), span, form })
    }

    /// The characters up to one that ends a bare word. A comment's slashes end it where a word stands before them.
    fn run(&mut self) -> &'a str {
        let ends = |c| is_blank(c) || is_line_end(c) || ENDS_BARE.contains(&c);
        let text = &self.rest()[..self.rest().find(ends).unwrap_or(self.rest().len())];
        let comment = text.find("//").or_else(|| text.find("/*"));
        let text = match comment {
            Some(at)
                if is_identifier(&text[..at])
                    || number(&text[..at]).is_some()
                    || text.starts_with('#') =>
            {
                &text[..at]
            }
            Some(_) | None => text,
        };
        self.at += text.len();
        text
    }

    fn bare(&mut self) -> Result<Word, Diagnostic> {
        let start = self.at;
        let text = self.run();
        let span = self.span(start);
        if let Some(number) = number(text) {
            return Ok(Word { text: number.into(), span, form: Form::Bare });
        }
        if is_identifier(text) {
            return Ok(Word::bare(text, span));
        }
        let word = shown(text);
        let (diagnostic, form) = match text {
            "true" | "false" | "null" | "inf" | "-inf" | "nan" => {
                let message = format!("`{text}` is no KDL word");
                let help = format!("write #{text}");
                (Diagnostic::error("syntax", span, message).help(help), Form::Boolean)
            }
            _ => {
                let message = format!("`{word}` needs quotes in KDL");
                let help = format!("write \"{word}\"");
                (Diagnostic::error("syntax", span, message).help(help), Form::Quoted)
            }
        };
        // What was meant is plain, so that one mistake does not lead to others.
        self.told.push(diagnostic);
        Ok(Word { text: text.into(), span, form })
    }

    /// A string in quotes, the first of which comes next; `hashes` of them stood before a raw one.
    fn quoted(&mut self, start: usize, hashes: usize) -> Result<Word, Diagnostic> {
        let quote = if self.rest().starts_with("\"\"\"") { "\"\"\"" } else { "\"" };
        self.skip(quote.len());
        let many_lines = quote.len() > 1;
        let open = self.span(start);
        let close = format!("{quote}{}", "#".repeat(hashes));
        let inside = self.at;
        loop {
            let next = self.rest().find(|c| c == '"' || c == '\\' || is_line_end(c));
            self.at += next.unwrap_or(self.rest().len());
            let from = self.at;
            match self.peek() {
                '"' if self.take(&close) => {
                    let raw = &self.whole[inside..from];
                    let span = self.span(start);
                    return unquote(raw, many_lines, hashes > 0)
                        .map(|text| Word { text: text.into(), span, form: Form::Quoted })
                        .map_err(|message| Diagnostic::error("syntax", span, message));
                }
                '"' => self.skip(1),
                '\\' if hashes == 0 => {
                    self.skip(1);
                    if self.peek() == '\\' || self.peek() == '"' {
                        self.skip(1);
                    } else {
                        // A line end behind a backslash is left out, with the blanks after it.
                        while self.take_line_end() {}
                    }
                }
                '\\' => self.skip(1),
                '\0' => break,
                _ if many_lines => _ = self.take_line_end(),
                _ => break,
            }
        }
        let where_to = if many_lines { "before the end of the file" } else { "on this line" };
        let message = format!("the quote that opens here is not closed {where_to}");
        Err(Diagnostic::error("syntax", open, message).help(format!("close it with {close}")))
    }
}

/// What a string says: escapes replaced, and a text of many lines without the indentation of its last line.
fn unquote(raw: &str, many_lines: bool, is_raw: bool) -> Result<String, String> {
    let lines = if many_lines { dedent(raw)? } else { Cow::Borrowed(raw) };
    if is_raw { Ok(lines.into_owned()) } else { unescape(&lines) }
}

fn dedent(raw: &str) -> Result<Cow<'_, str>, String> {
    let text = raw.replace("\r\n", "\n").replace(is_line_end, "\n");
    let Some(text) = text.strip_prefix('\n') else {
        return Err("a text of many lines begins on the line after its quotes".to_owned());
    };
    let (text, indentation) = text.rsplit_once('\n').unwrap_or(("", text));
    if !indentation.chars().all(is_blank) {
        return Err(
            "the closing quotes of a text of many lines stand on a line of their own".to_owned()
        );
    }
    let mut lines = Vec::new();
    for line in text.split('\n') {
        match line.strip_prefix(indentation) {
            Some(line) => lines.push(if line.chars().all(is_blank) { "" } else { line }),
            None if line.chars().all(is_blank) => lines.push(""),
            None => return Err("each line must be indented like the closing quotes".to_owned()),
        }
    }
    Ok(Cow::Owned(lines.join("\n")))
}

fn unescape(text: &str) -> Result<String, String> {
    let mut said = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        said.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(c) = rest.chars().next() else { return Err("a lone backslash".to_owned()) };
        if is_blank(c) || is_line_end(c) {
            rest = rest.trim_start_matches(|c| is_blank(c) || is_line_end(c));
            continue;
        }
        rest = &rest[c.len_utf8()..];
        said.push(match c {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            's' => ' ',
            'b' => '\u{8}',
            'f' => '\u{c}',
            '\\' | '"' => c,
            'u' => {
                let digits = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
                let parsed = digits.filter(|(digits, _)| (1..=6).contains(&digits.len()));
                let (digits, after) =
                    parsed.ok_or("\\u is followed by {1 to 6 hexadecimal digits}")?;
                rest = after;
                let code = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                code.ok_or_else(|| format!("\\u{{{digits}}} is no character"))?
            }
            c => {
                return Err(format!(
                    "`\\{c}` is no escape: \\n \\r \\t \\s \\b \\f \\\" \\\\ \\u{{...}} are"
                ));
            }
        });
    }
    said.push_str(rest);
    Ok(said)
}

/// A number in decimal digits. Plain ones keep theirs: `0123` may be a password.
fn number(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (&text[..1], digits),
        None => ("", text),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = digits.strip_prefix(prefix) {
            let fits = digits.starts_with(|c: char| c.is_digit(radix))
                && digits.chars().all(|c| c == '_' || c.is_digit(radix));
            let value = u128::from_str_radix(&digits.replace('_', ""), radix);
            let minus = if sign == "-" { "-" } else { "" };
            return value.ok().filter(|_| fits).map(|value| format!("{minus}{value}"));
        }
    }
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (&digits[..at], Some(digits[at + 1..].trim_start_matches(['+', '-']))),
        None => (digits, None),
    };
    let (whole, fraction) =
        mantissa.split_once('.').map_or((mantissa, None), |(a, b)| (a, Some(b)));
    let plain = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_digit())
            && part.bytes().all(|byte| byte == b'_' || byte.is_ascii_digit())
    };
    let fits = plain(whole) && fraction.is_none_or(plain) && exponent.is_none_or(plain);
    fits.then(|| text.replace('_', ""))
}

/// A bare word that KDL takes as a string.
fn is_identifier(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let like_number =
        unsigned.strip_prefix('.').unwrap_or(unsigned).starts_with(|c: char| c.is_ascii_digit());
    let reserved = ["true", "false", "null", "inf", "-inf", "nan"].contains(&text);
    !text.is_empty() && !like_number && !reserved && !text.contains(['/', '#'])
}

/// A word as messages quote it.
pub(super) fn shown(text: &str) -> &str {
    text.char_indices().nth(60).map_or(text, |(cut, _)| &text[..cut])
}

/// KDL's blanks (Unicode's White_Space without line ends).
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() && !is_line_end(c)
}

/// KDL's line ends; a carriage return and a line feed together are one.
pub(super) fn is_line_end(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{b}' | '\u{c}' | '\u{2028}' | '\u{2029}')
}

/// Code points that no KDL text may hold (KDL 2, "Disallowed Literal Code Points"), and U+FFFD, which stands for a byte
/// that was no UTF-8.
pub(in crate::config) fn is_forbidden(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffd}')
}
