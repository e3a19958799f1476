//! A text that is put together from pieces of others, each of which knows where it stands.

use std::ops::Range;
use std::sync::Arc;

use crate::config::lexer::{Origin, Piece};
use crate::config::source::{FileId, Span, Via};

/// A line, or a part of one.
#[derive(Debug, Clone)]
pub(in crate::config) struct Text {
    said: Arc<String>,
    range: Range<usize>,
    pieces: Pieces,
}

#[derive(Debug, Clone)]
enum Pieces {
    /// The text is a file's.
    File(FileId),
    Some(Arc<[Piece]>),
}

impl Text {
    /// A line of a file.
    pub(in crate::config) fn of_file(said: Arc<String>, file: FileId, range: Range<usize>) -> Self {
        Self { said, range, pieces: Pieces::File(file) }
    }

    pub(in crate::config) fn as_str(&self) -> &str {
        &self.said[self.range.clone()]
    }

    /// The whole of which this is a part, the part, and where its bytes stand: what the lexer wants.
    pub(in crate::config) fn parts(&self) -> (&str, Range<usize>, Origin<'_>) {
        let origin = match &self.pieces {
            Pieces::File(file) => Origin::File(*file),
            Pieces::Some(pieces) => Origin::Pieces(pieces),
        };
        (&self.said, self.range.clone(), origin)
    }

    /// The file and its text, where it stands in one as it was written.
    pub(in crate::config) fn file(&self) -> Option<(FileId, &Arc<String>)> {
        match &self.pieces {
            Pieces::File(file) => Some((*file, &self.said)),
            Pieces::Some(_) => None,
        }
    }

    /// A part, by bytes of [`Text::as_str`].
    pub(in crate::config) fn part(&self, range: Range<usize>) -> Self {
        let start = self.range.start;
        Self { range: start + range.start..start + range.end, ..self.clone() }
    }

    /// Where a part stands.
    pub(in crate::config) fn span(&self, range: Range<usize>) -> Span {
        let (_, whole, origin) = self.parts();
        origin.span(whole.start + range.start, whole.start + range.end)
    }

    /// Where all of it stands.
    pub(in crate::config) fn whole(&self) -> Span {
        self.span(0..self.range.len())
    }
}

/// A text as it is put together.
#[derive(Debug, Default)]
pub(in crate::config) struct Builder {
    said: String,
    pieces: Vec<Piece>,
}

impl Builder {
    pub(in crate::config) fn len(&self) -> usize {
        self.said.len()
    }

    pub(in crate::config) fn as_str(&self) -> &str {
        &self.said
    }

    /// Takes a part of another text: as it stands there, or through an expansion at `outer`.
    pub(in crate::config) fn push(
        &mut self,
        text: &Text,
        range: Range<usize>,
        through: Option<(Via, Span)>,
    ) {
        let (_, whole, origin) = text.parts();
        let (start, end) = (whole.start + range.start, whole.start + range.end);
        match origin {
            Origin::File(_) => self.push_piece(text, range, origin.span(start, end), through),
            Origin::Pieces(pieces) => {
                for piece in pieces {
                    let from = start.max(piece.at);
                    let to = end.min(piece.at + piece.length);
                    if from < to {
                        let part = from - whole.start..to - whole.start;
                        let through = through.or(Some((piece.from.via, piece.outer)));
                        self.push_piece(text, part, piece.range(from, to), through);
                    }
                }
            }
        }
    }

    fn push_piece(
        &mut self,
        text: &Text,
        range: Range<usize>,
        from: Span,
        through: Option<(Via, Span)>,
    ) {
        let (via, outer) = through.unwrap_or((from.via, from));
        let length = range.len();
        self.pieces.push(Piece { at: self.said.len(), from: from.through(via), length, outer });
        self.said.push_str(&text.as_str()[range]);
    }

    /// Takes a text that stands nowhere: the value of a predefined name, used at `outer`.
    pub(in crate::config) fn push_made(&mut self, said: &str, outer: Span) {
        let piece = Piece { at: self.said.len(), from: outer, length: said.len(), outer };
        self.pieces.push(piece);
        self.said.push_str(said);
    }

    /// The text, which stands at `at` if nothing was put into it.
    pub(in crate::config) fn finish(mut self, at: Span) -> Text {
        if self.pieces.is_empty() {
            self.pieces.push(Piece { at: 0, from: at, length: 0, outer: at });
        }
        let range = 0..self.said.len();
        Text { said: self.said.into(), range, pieces: Pieces::Some(self.pieces.into()) }
    }
}
