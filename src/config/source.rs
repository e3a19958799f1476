//! The files of a configuration and places in them. It knows bytes, lines and columns, and nothing of what they say.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::diagnostic::veil;

/// The grammar that a file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grammar {
    /// keepalived.conf: unknown words are warnings, as keepalived goes on past them.
    Keepalived,
    /// KDL: unknown words are errors.
    Kdl,
}

/// A file of [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct FileId(u16);

/// A range of bytes in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// Byte after the last.
    pub end: u32,
    /// The expansion that put the text where it was read.
    pub via: Via,
}

/// How a text came to be read: a trail of [`Sources`], or none where it stands as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Via(u32);

/// One step of an expansion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    /// What was expanded: `$VIP`, `~SEQ (i=3)`.
    pub what: Box<str>,
    /// Where it was used; itself perhaps in an expansion.
    pub at: Span,
}

impl FileId {
    /// Its number, for who keeps many places.
    pub(super) fn number(self) -> u16 {
        self.0
    }

    /// The one of that number.
    pub(super) const fn of_number(number: u16) -> Self {
        Self(number)
    }
}

impl Via {
    /// Its number, for who keeps many places.
    pub(super) fn number(self) -> u32 {
        self.0
    }

    /// The one of that number.
    pub(super) const fn of_number(number: u32) -> Self {
        Self(number)
    }
}

impl Span {
    /// The bytes `start..end` of a file. Offsets beyond 4 GiB cannot occur: [`Sources::add`] refuses such files.
    pub(crate) fn new(file: FileId, start: usize, end: usize) -> Self {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { file, start: offset(start), end: offset(end.max(start)), via: Via::default() }
    }

    /// From the start of this one to the end of another; this one alone where the other stands elsewhere.
    pub(crate) fn to(self, last: Self) -> Self {
        if (last.file, last.via) != (self.file, self.via) {
            return self;
        }
        Self { end: last.end.max(self.end), ..self }
    }

    /// The same place, read through an expansion.
    pub(crate) fn through(self, via: Via) -> Self {
        Self { via, ..self }
    }

    /// The place alone, however it was read.
    pub(crate) fn place(self) -> Self {
        self.through(Via::default())
    }
}

/// One file: its name, its text, and where its lines begin.
#[derive(Debug)]
pub struct Source {
    name: String,
    text: Arc<String>,
    grammar: Grammar,
    /// Where lines begin, once somebody asks: of a file without mistakes nobody does.
    line_starts: OnceLock<Vec<u32>>,
    /// The text without its secrets, where it has any, once a line of it is drawn.
    veiled: OnceLock<Option<Box<str>>>,
    origin: Option<Span>,
}

impl Source {
    /// The name as it was given, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text; bytes that were not UTF-8 stand in it as U+FFFD.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text as it may be shown: with asterisks for passwords, keys and tokens, a byte each.
    pub(super) fn shown(&self) -> &str {
        self.veiled.get_or_init(|| veil::text(&self.text)).as_deref().unwrap_or(&self.text)
    }

    /// The text, to be read while other files are added.
    pub(crate) fn shared_text(&self) -> Arc<String> {
        Arc::clone(&self.text)
    }

    /// What the text is written in.
    pub fn grammar(&self) -> Grammar {
        self.grammar
    }

    /// The place that brought this text in (an `include`); `None` for the file that was asked for.
    pub fn origin(&self) -> Option<Span> {
        self.origin
    }

    fn line_starts(&self) -> &[u32] {
        self.line_starts.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            let starts = ends.map(|(at, _)| u32::try_from(at + 1).unwrap_or(u32::MAX));
            std::iter::once(0).chain(starts).collect()
        })
    }

    /// The number of the line that holds a byte, from 0.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        self.line_starts().partition_point(|&start| start as usize <= offset).saturating_sub(1)
    }

    /// The bytes of a line, without its end.
    pub(crate) fn line_range(&self, line: usize) -> std::ops::Range<usize> {
        let starts = self.line_starts();
        let start = starts.get(line).map_or(self.text.len(), |&start| start as usize);
        let next = starts.get(line + 1).map_or(self.text.len(), |&start| start as usize);
        let end = start + self.text[start..next].trim_end_matches(['\n', '\r']).len();
        start..end
    }
}

/// Where something stands, as people count: from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's name.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// All files that a configuration was read from.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
    trails: Vec<Trail>,
    bytes: usize,
}

/// A file that is larger, or one file more, than places can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("larger than 64 MiB, or more than 65,535 files or 256 MiB together")]
pub struct TooMuch;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Sources {
    /// Largest file taken: a configuration of a million real servers fits, a disk image does not.
    pub const MAX_BYTES: usize = 64 << 20;
    /// Most bytes of all files together.
    pub const MAX_TOGETHER: usize = 256 << 20;

    /// Takes the bytes of a file. Bytes that are not UTF-8 become U+FFFD; the readers refuse them outside comments.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
        grammar: Grammar,
        origin: Option<Span>,
    ) -> Result<FileId, TooMuch> {
        let mut bytes: Vec<u8> = bytes.into();
        let id = u16::try_from(self.files.len()).map_err(|_| TooMuch)?;
        self.bytes += bytes.len();
        if bytes.len() > Self::MAX_BYTES || self.bytes > Self::MAX_TOGETHER {
            return Err(TooMuch);
        }
        if bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        // As it is, where it can be: a large text is there once.
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        let (name, text) = (name.into(), Arc::new(text));
        let (line_starts, veiled) = (OnceLock::new(), OnceLock::new());
        self.files.push(Source { name, text, grammar, line_starts, veiled, origin });
        Ok(FileId(id))
    }

    /// A file. Ids come from [`Sources::add`] of the same value only.
    pub fn file(&self, id: FileId) -> &Source {
        &self.files[usize::from(id.0)]
    }

    /// What the files are called, in the order in which they were read.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(Source::name)
    }

    /// What they are called and what stands in them, in the same order.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|file| (file.name(), file.text()))
    }

    /// The file that was read first.
    pub(super) fn first(&self) -> Option<FileId> {
        (!self.files.is_empty()).then_some(FileId(0))
    }

    /// Notes an expansion.
    pub(super) fn note(&mut self, what: impl Into<Box<str>>, at: Span) -> Via {
        self.trails.push(Trail { what: what.into(), at });
        Via(u32::try_from(self.trails.len()).unwrap_or(u32::MAX))
    }

    /// The expansions that led to a place, innermost first.
    pub fn trail(&self, span: Span) -> impl Iterator<Item = &Trail> {
        let step = |via: Via| self.trails.get((via.0 as usize).checked_sub(1)?);
        std::iter::successors(step(span.via), move |trail| step(trail.at.via))
    }

    /// The text at a span.
    pub fn slice(&self, span: Span) -> &str {
        self.file(span.file).text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// Where a span begins.
    pub fn place(&self, span: Span) -> Place {
        let source = self.file(span.file);
        let line = source.line_of(span.start as usize);
        let start = source.line_range(line).start;
        let before = source.text.get(start..span.start as usize).unwrap_or_default();
        let column = before.chars().count() + 1;
        Place { file: source.name.clone(), line: line + 1, column }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let mut sources = Sources::default();
        let text = "a\r\n# \u{4e2d}\u{6587} b\n";
        let file = sources.add("x", text.as_bytes(), Grammar::Keepalived, None).unwrap();
        let at = text.find('b').unwrap();
        let place = sources.place(Span::new(file, at, at + 1));
        assert_eq!(place.to_string(), "x:2:6");
        assert_eq!(sources.file(file).line_range(0), 0..1);
        assert_eq!(sources.place(Span::new(file, text.len(), text.len())).to_string(), "x:3:1");
    }

    #[test]
    fn bytes_that_are_not_utf8_and_a_byte_order_mark_are_survived() {
        let mut sources = Sources::default();
        let file = sources.add("x", &b"\xef\xbb\xbfa \xff b"[..], Grammar::Kdl, None).unwrap();
        assert_eq!(sources.file(file).text(), "a \u{fffd} b");
    }
}
