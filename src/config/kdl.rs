//! KDL 2 -> the tree of directives, over the `kdl` crate. It knows KDL's words and no keyword's meaning.
//!
//! Around the crate stand three guards, each against something measured: deep nesting overflows its stack, so depth
//! is counted before it runs; its spans may cover a whole file, so only their first line is shown; and it says
//! "expected float" of an address, where the reader wants to hear "put it in quotes".

use std::ops::Range;

use kdl::{KdlDiagnostic, KdlDocument, KdlEntry, KdlNode, KdlValue};

use super::diagnostic::{Diagnostic, Diagnostics};
use super::keepalived::MAX_DEPTH;
use super::source::{FileId, Span};
use super::tree::{Block, Comment, Comments, Directive, Form, Property, Word};

/// Largest KDL text read: the crate takes 1.3 MB a second, and memory 40 times the text.
const MAX_BYTES: usize = 16 << 20;

/// Reads a file. One that is no KDL gives an empty tree and says why.
pub(super) fn parse(file: FileId, diagnostics: &mut Diagnostics) -> Block {
    let text = diagnostics.sources().file(file).text();
    if let Some(refusal) = guard(text, file) {
        diagnostics.push(refusal);
        return Block::default();
    }
    match KdlDocument::parse_v2(text) {
        Ok(document) => {
            let reader = Reader { text, file };
            let (mut block, opening) = reader.block(Some(&document), 0..text.len());
            head_comment(&mut block, opening);
            block
        }
        Err(error) => {
            let found = explain(text, file, &error.diagnostics);
            found.into_iter().for_each(|diagnostic| diagnostics.push(diagnostic));
            Block::default()
        }
    }
}

/// A comment on the first line of a file stands before everything.
fn head_comment(block: &mut Block, opening: Option<Comment>) {
    let comments = match block.directives.first_mut() {
        Some(first) => &mut first.comments.before,
        None => &mut block.closing,
    };
    comments.splice(0..0, opening);
}

/// What must not reach the parser.
fn guard(text: &str, file: FileId) -> Option<Diagnostic> {
    if text.len() > MAX_BYTES {
        let message = format!("{} bytes: at most {MAX_BYTES} are read as KDL", text.len());
        return Some(Diagnostic::of_file("syntax", message));
    }
    if let Some(at) = text.find(['\0', char::REPLACEMENT_CHARACTER]) {
        let span = Span::new(file, at, at + 1);
        return Some(
            Diagnostic::error("syntax", span, "a NUL byte, or one that is not UTF-8")
                .help("KDL is UTF-8 throughout, comments too"),
        );
    }
    let at = too_deep(text.as_bytes())?;
    let message = format!("nested deeper than {MAX_DEPTH}");
    Some(Diagnostic::error("syntax", Span::new(file, at, at + 1), message))
}

/// Where braces, parentheses or block comments first nest deeper than [`MAX_DEPTH`], strings and comments left out.
fn too_deep(text: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text[at..];
        at += match rest[0] {
            b'{' | b'(' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Some(at);
                }
                1
            }
            b'}' | b')' => {
                depth = depth.saturating_sub(1);
                1
            }
            b'"' => string_length(rest, 0),
            b'#' => {
                let hashes = rest.iter().take_while(|&&byte| byte == b'#').count();
                let opens = rest.get(hashes) == Some(&b'"');
                if opens { hashes + string_length(&rest[hashes..], hashes) } else { hashes }
            }
            b'/' if rest.starts_with(b"//") => {
                rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len())
            }
            b'/' if rest.starts_with(b"/*") => match comment_length(rest) {
                Ok(length) => length,
                Err(deep) => return Some(at + deep),
            },
            _ => 1,
        };
    }
    None
}

/// The bytes of the string that opens here, with `hashes` marks before it if it is raw.
fn string_length(text: &[u8], hashes: usize) -> usize {
    let quotes = if text.starts_with(b"\"\"\"") { 3 } else { 1 };
    let close = [&b"\"\"\""[..quotes], &vec![b'#'; hashes]].concat();
    let mut at = quotes;
    while at < text.len() {
        if text[at..].starts_with(&close) {
            return at + close.len();
        }
        // A line end closes a string of one line: it is an error, and what follows counts again.
        if quotes == 1 && text[at] == b'\n' {
            return at;
        }
        at += if text[at] == b'\\' && hashes == 0 { 2 } else { 1 };
    }
    text.len()
}

/// The bytes of the block comment that opens here, or where it nests too deep.
fn comment_length(text: &[u8]) -> Result<usize, usize> {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
            if depth > MAX_DEPTH {
                return Err(at);
            }
        } else if text[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Ok(at);
            }
        } else {
            at += 1;
        }
    }
    Ok(text.len())
}

/// Turns a parsed document into a tree.
struct Reader<'a> {
    text: &'a str,
    file: FileId,
}

impl Reader<'_> {
    /// The nodes that stand in `range` of the text, and the comment at the end of the line that it begins with.
    ///
    /// The crate's own record of what stands between nodes loses a comment behind `}`, so the text itself is asked.
    fn block(
        &self,
        document: Option<&KdlDocument>,
        range: Range<usize>,
    ) -> (Block, Option<Comment>) {
        let mut block = Block::default();
        let mut opening = None;
        let mut at = range.start;
        let mut claim = |directives: &mut Vec<Directive>, between| {
            let (comment, rest) = end_of_line(between);
            let owner = directives.last_mut().map(|last| &mut last.comments.after);
            let owner = owner.unwrap_or(&mut opening);
            *owner = owner.take().or(comment);
            rest
        };
        for node in document.map_or(&[][..], KdlDocument::nodes) {
            let (start, end) = (node.span().offset(), node.span().offset() + node.span().len());
            let before = claim(&mut block.directives, self.text.get(at..start).unwrap_or_default());
            block.directives.push(self.directive(node, before));
            at = end;
        }
        let rest = self.text.get(at..range.end).unwrap_or_default();
        block.closing = comments(claim(&mut block.directives, rest));
        (block, opening)
    }

    /// A node, with what stands between it and the line before it.
    fn directive(&self, node: &KdlNode, before: &str) -> Directive {
        let name = node.name();
        let span = self.span(name.span().offset(), name.span().len());
        let quoted = self.text[span.start as usize..].starts_with(['"', '#']);
        let form = if quoted { Form::Quoted } else { Form::Bare };
        let name = Word { text: name.value().into(), span, form };
        let mut directive = Directive::new(name, Vec::new());
        for entry in node.entries() {
            let value = self.word(entry);
            match entry.name() {
                None => directive.arguments.push(value),
                Some(name) => {
                    let span = self.span(name.span().offset(), name.span().len());
                    let name = Word::bare(name.value(), span);
                    directive.properties.push(Property { name, value });
                }
            }
        }
        // One line end closes the comment before; a second one is an empty line.
        let end = before.rsplit("//").next().unwrap_or_default();
        let spaced = end.matches('\n').count() > usize::from(before.contains("//"));
        directive.comments = Comments { spaced, before: comments(before), after: None };
        if node.children().is_some() {
            let (block, opening) = self.block(node.children(), self.inside(node, &directive));
            directive.block = Some(block);
            directive.comments.after = opening;
        }
        directive
    }

    /// The text between a node's braces.
    fn inside(&self, node: &KdlNode, directive: &Directive) -> Range<usize> {
        let head = directive.head().end as usize;
        let end = node.span().offset() + node.span().len();
        let open = self.text[head..end].find('{').map_or(head, |at| head + at + 1);
        let close = self.text[open..end].rfind('}').map_or(end, |at| open + at);
        open..close
    }

    fn word(&self, entry: &KdlEntry) -> Word {
        let (start, length) = (entry.span().offset(), entry.span().len());
        let value_start = entry.name().map_or(start, |name| {
            let after_name = name.span().offset() + name.span().len();
            let equals = self.text[after_name..start + length].find('=').map_or(0, |at| at + 1);
            after_name + equals
        });
        let span = self.span(value_start, start + length - value_start);
        let unit = entry.ty().map_or("", |unit| unit.value());
        let (text, form) = match entry.value() {
            KdlValue::String(text) => (text.clone(), Form::Quoted),
            KdlValue::Integer(number) => {
                (plain_number(entry).unwrap_or(number.to_string()), Form::Bare)
            }
            KdlValue::Float(number) => match plain_number(entry) {
                Some(text) => (text, Form::Bare),
                None if number.is_finite() => (number.to_string(), Form::Bare),
                None => (number.to_string(), Form::Other),
            },
            KdlValue::Bool(on) => (on.to_string(), Form::Boolean),
            KdlValue::Null => ("null".to_owned(), Form::Other),
        };
        Word { text: (text + unit).into(), span, form }
    }

    fn span(&self, offset: usize, length: usize) -> Span {
        Span::new(self.file, offset, offset + length)
    }
}

/// The digits as they were written, where that is plain decimal: `0123` may be a password.
fn plain_number(entry: &KdlEntry) -> Option<String> {
    let written = &entry.format()?.value_repr;
    let plain = written.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
    plain.then(|| written.clone())
}

/// A comment on the line that ends first, and what stands after that line.
fn end_of_line(between: &str) -> (Option<Comment>, &str) {
    let (line, rest) = between.split_once('\n').unwrap_or((between, ""));
    let line = line.trim_start_matches([';', ' ', '\t', '\r']);
    match line.strip_prefix("//") {
        Some(text) => (Some(Comment { text: text.trim().into(), spaced: false }), rest),
        None if line.is_empty() => (None, rest),
        None => (None, between),
    }
}

/// The `//` comments of what stands between two nodes.
fn comments(between: &str) -> Vec<Comment> {
    let mut spaced = false;
    let mut found = Vec::new();
    for line in between.lines() {
        match line.trim().strip_prefix("//") {
            Some(text) => {
                found.push(Comment { text: text.trim().into(), spaced });
                spaced = false;
            }
            None => spaced |= line.trim().is_empty(),
        }
    }
    found
}

/// Says in our words what the parser found.
fn explain(text: &str, file: FileId, found: &[KdlDiagnostic]) -> Vec<Diagnostic> {
    let stopped = found.iter().any(|one| label(one) == "not EOF");
    let mut told = Vec::new();
    for one in found {
        // Where the parser gave up, all that was open is "not closed"; and after a mistake it may give up at the next
        // brace. One mistake, one message.
        let follows = label(one) == "not EOF" && !told.is_empty();
        if follows || stopped && label(one) == "not closed" {
            continue;
        }
        told.push(explain_one(text, file, one));
    }
    told
}

fn explain_one(text: &str, file: FileId, one: &KdlDiagnostic) -> Diagnostic {
    let at = one.span.offset().min(text.len());
    let at = match one.message.as_deref() {
        // Its span begins with the file.
        Some("Expected property value") => at + lonely_equals(&text[at..]).unwrap_or_default(),
        Some(_) | None => at,
    };
    let token = token_at(text, at);
    let start = at - token.before;
    let span = Span::new(file, start, start + token.text.len().max(1));
    if token.text.ends_with('=') {
        let message = format!("`{}` has no value after it", token.text);
        Diagnostic::error("syntax", span, message).help("write name=value, without blanks")
    } else if let "true" | "false" | "null" = token.text {
        let message = format!("`{}` is no KDL word", token.text);
        Diagnostic::error("syntax", span, message).help(format!("write #{}", token.text))
    } else if needs_quotes(token.text) {
        let message = format!("`{}` needs quotes in KDL", token.text);
        Diagnostic::error("syntax", span, message).help(format!("write \"{}\"", token.text))
    } else {
        in_its_own_words(one, token.text, span)
    }
}

/// The first equals sign with nothing after it.
fn lonely_equals(text: &str) -> Option<usize> {
    let ends = |rest: &str| rest.starts_with(|c: char| c.is_whitespace() || ";}".contains(c));
    text.match_indices('=')
        .map(|(at, _)| at)
        .find(|at| text[at + 1..].is_empty() || ends(&text[at + 1..]))
}

fn label(one: &KdlDiagnostic) -> &str {
    one.label.as_deref().unwrap_or_default()
}

fn in_its_own_words(one: &KdlDiagnostic, token: &str, span: Span) -> Diagnostic {
    let message = match label(one) {
        "not EOF" => match token {
            "}" => "`}` without a block that is open".to_owned(),
            _ => format!("this is no KDL: `{token}`"),
        },
        _ => {
            let message = one.message.as_deref().unwrap_or("this is no KDL");
            message[..1].to_lowercase() + &message[1..]
        }
    };
    let mut diagnostic = Diagnostic::error("syntax", span, message);
    diagnostic.help.clone_from(&one.help);
    diagnostic
}

/// The word around a byte, and how many of its bytes stand before that byte.
struct Token<'a> {
    text: &'a str,
    before: usize,
}

fn token_at(text: &str, at: usize) -> Token<'_> {
    let at = (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let ends = |c: char| c.is_whitespace() || matches!(c, ';' | '{' | '}' | '(' | ')');
    if text[at..].starts_with(['{', '}', '(', ')', ';', '"']) {
        return Token { text: &text[at..at + 1], before: 0 };
    }
    let start = text[..at]
        .rfind(ends)
        .map_or(0, |before| before + text[before..].chars().next().map_or(1, char::len_utf8));
    let end = text[at..].find(ends).map_or(text.len(), |after| at + after);
    let token = &text[start..end];
    // A sentence is shown by its beginning.
    let short = token.char_indices().nth(60).map_or(token.len(), |(cut, _)| cut);
    Token { text: &token[..short], before: (at - start).min(short) }
}

/// Addresses, prefixes, durations, paths, digests, MAC addresses: KDL takes none of them bare.
fn needs_quotes(token: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "./:-_+%*?&=~@".contains(c);
    token.starts_with(|c: char| c.is_ascii_digit() || c == '/' || c == '.' || c == '+' || c == '-')
        && token.len() > 1
        && token.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Grammar;

    fn read(text: &str) -> (Block, Vec<String>) {
        let mut diagnostics = Diagnostics::default();
        let sources = diagnostics.sources_mut();
        let file = sources.add("k", text.as_bytes(), Grammar::Kdl, None).unwrap();
        let block = parse(file, &mut diagnostics);
        for directive in &block.directives {
            assert!(!diagnostics.sources().slice(directive.name.span).is_empty());
        }
        (block, diagnostics.lines().collect())
    }

    #[test]
    fn arguments_properties_children_and_comments_come_with_their_places() {
        let text =
            "// of the VIP\nvip \"10.0.0.1/24\" 0123 (ms)10 dev=\"eth0\" { a #true; } // after\n";
        let mut diagnostics = Diagnostics::default();
        let file = diagnostics.sources_mut().add("k", text.as_bytes(), Grammar::Kdl, None).unwrap();
        let block = parse(file, &mut diagnostics);
        let vip = &block.directives[0];
        let words: Vec<(&str, &str)> = vip
            .arguments
            .iter()
            .map(|word| (&*word.text, diagnostics.sources().slice(word.span)))
            .collect();
        assert_eq!(
            words,
            [("10.0.0.1/24", "\"10.0.0.1/24\""), ("0123", "0123"), ("10ms", "(ms)10")]
        );
        let Property { name, value } = &vip.properties[0];
        assert_eq!((&*name.text, diagnostics.sources().slice(value.span)), ("dev", "\"eth0\""));
        assert_eq!(vip.children()[0].arguments[0].form, Form::Boolean);
        assert_eq!(&*vip.comments.before[0].text, "of the VIP");
        assert_eq!(vip.comments.after.as_ref().map(|comment| &*comment.text), Some("after"));
    }

    #[test]
    fn what_wants_quotes_is_told_so_and_all_of_it_at_once() {
        let (_, told) = read("virtual_server 10.0.0.100 80 {\n  path 10ms\n  on true\n}\n");
        assert_eq!(
            told,
            [
                "k:1:16: error: `10.0.0.100` needs quotes in KDL [syntax] (help: write \"10.0.0.100\")",
                "k:2:8: error: `10ms` needs quotes in KDL [syntax] (help: write \"10ms\")",
                "k:3:6: error: `true` is no KDL word [syntax] (help: write #true)",
            ]
        );
        assert_eq!(
            read("a {\n  path /health\n}\n").1,
            ["k:2:8: error: `/health` needs quotes in KDL [syntax] (help: write \"/health\")"]
        );
    }

    #[test]
    fn one_mistake_gives_one_message() {
        assert_eq!(
            read("a {\n  b weight=\n}\n").1,
            [
                "k:2:5: error: `weight=` has no value after it [syntax] (help: write name=value, without blanks)"
            ]
        );
        assert_eq!(read("a 1\n}\n").1, ["k:2:1: error: `}` without a block that is open [syntax]"]);
    }

    #[test]
    fn deep_nesting_never_reaches_the_parser() {
        for open in ["a {", "a \"{\" {", "a #\"{\"# {", "/* /* */ */ a {"] {
            assert_eq!(too_deep(open.repeat(MAX_DEPTH).as_bytes()), None, "{open}");
            assert!(too_deep(open.repeat(MAX_DEPTH + 1).as_bytes()).is_some(), "{open}");
        }
        for open in ["/*", "a {", "(", "a \"\\\"\" {"] {
            let (_, told) = read(&open.repeat(100_000));
            assert_eq!(told.len(), 1, "{open}: {told:?}");
        }
    }
}
