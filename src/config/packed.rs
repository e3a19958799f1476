//! A tree whose outermost directives lie packed, some ten bytes a line, and are taken out one at a time.
//!
//! The tree of 20,000 real servers takes 42 MB, and the first touch of so much memory takes longer than all that is
//! done with it. Nobody needs more of it at once than a block: the parsers put each outermost directive away as soon
//! as it has ended, and the decoder takes it out when its turn comes (`global_defs` first, wherever it stands).
//! What is taken out is what was put in, to the last comment. Of a word that stands in a text as it is, only the place
//! is kept. It knows no keyword.

use std::sync::Arc;

use compact_str::CompactString;

use super::source::{FileId, Span, Via};
use super::tree::{Block, Comment, Comments, Directive, Form, Property, Word};

/// The tree of a text.
#[derive(Debug, Clone, Default)]
pub(super) struct Packed {
    /// Each by itself: where one was taken out, what is made of it finds room.
    outermost: Vec<Box<[u8]>>,
    /// Comments after the last of them.
    pub(super) closing: Vec<Comment>,
    texts: Texts,
}

/// The texts that words stand in, by the number of their file.
#[derive(Debug, Clone, Default)]
struct Texts(Vec<Option<Arc<String>>>);

impl Packed {
    /// An empty one that knows the texts of another.
    pub(super) fn beside(other: &Self) -> Self {
        Self { texts: other.texts.clone(), ..Self::default() }
    }

    /// Names the text of a file, before directives of it are put away. Those of a file that was not named take more room.
    pub(super) fn know(&mut self, file: FileId, text: &Arc<String>) {
        let at = usize::from(file.number());
        let Texts(texts) = &mut self.texts;
        if texts.len() <= at {
            texts.resize(at + 1, None);
        }
        texts[at].get_or_insert_with(|| Arc::clone(text));
    }

    /// Puts a directive behind the others.
    pub(super) fn push(&mut self, directive: &Directive) {
        let mut bytes = Vec::new();
        Writer { bytes: &mut bytes, last: NOWHERE, texts: &self.texts }.directive(directive);
        self.outermost.push(bytes.into_boxed_slice());
    }

    /// The directives in order, each made anew.
    pub(super) fn directives(&self) -> impl Iterator<Item = Directive> + '_ {
        self.outermost.iter().filter_map(|bytes| Reader::new(bytes, &self.texts).directive())
    }

    /// Takes out those whose name is wanted.
    pub(super) fn take(
        &mut self,
        wanted: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = Directive> {
        let (mut taken, mut left) = (Vec::new(), Vec::new());
        for bytes in std::mem::take(&mut self.outermost) {
            let name = Reader::new(&bytes, &self.texts).word();
            match name.is_some_and(|name| wanted(&name.text)) {
                true => taken.push(bytes),
                false => left.push(bytes),
            }
        }
        self.outermost = left;
        let texts = &self.texts;
        taken.into_iter().filter_map(|bytes| Reader::new(&bytes, texts).directive())
    }

    /// The whole tree at once.
    pub(super) fn whole(&self) -> Block {
        Block { directives: self.directives().collect(), closing: self.closing.clone() }
    }
}

impl From<Block> for Packed {
    fn from(block: Block) -> Self {
        let mut packed = Self { closing: block.closing, ..Self::default() };
        block.directives.iter().for_each(|directive| packed.push(directive));
        packed
    }
}

impl Texts {
    fn at(&self, span: Span) -> Option<&str> {
        let text = self.0.get(usize::from(span.file.number()))?.as_ref()?;
        text.get(usize::try_from(span.start).ok()?..usize::try_from(span.end).ok()?)
    }
}

/// The place before the first word.
const NOWHERE: Span = Span { file: FileId::of_number(0), start: 0, end: 0, via: Via::of_number(0) };

/// In the first byte of a word, above its form: it stands in the file, and came through the expansion, of the last one.
const NEAR: u8 = 1 << 3;
/// It has as many bytes as its place: it has no quotes, and no name was put in.
const PLAIN: u8 = 1 << 4;
/// It is what stands at its place, and not said again.
const THERE: u8 = 1 << 5;

/// What a directive has, in a byte.
const SPACED: u8 = 1;
const BEFORE: u8 = 1 << 1;
const AFTER: u8 = 1 << 2;
const PROPERTIES: u8 = 1 << 3;
const BLOCK: u8 = 1 << 4;

const FORMS: [Form; 5] = [Form::Bare, Form::Quoted, Form::Boolean, Form::Made, Form::Other];

/// Seven bits a byte, the lowest first.
struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    /// The place of the last word.
    last: Span,
    texts: &'a Texts,
}

impl Writer<'_> {
    fn directive(&mut self, directive: &Directive) {
        let Directive { name, arguments, properties, block, comments } = directive;
        let Comments { spaced, before, after } = comments;
        self.word(name);
        let has = |is: bool, bit: u8| if is { bit } else { 0 };
        self.bytes.push(
            has(*spaced, SPACED)
                | has(!before.is_empty(), BEFORE)
                | has(after.is_some(), AFTER)
                | has(!properties.is_empty(), PROPERTIES)
                | has(block.is_some(), BLOCK),
        );
        self.count(arguments.len());
        arguments.iter().for_each(|word| self.word(word));
        if !properties.is_empty() {
            self.count(properties.len());
            for Property { name, value } in properties {
                self.word(name);
                self.word(value);
            }
        }
        if !before.is_empty() {
            self.comments(before);
        }
        after.iter().for_each(|comment| self.comment(comment));
        if let Some(Block { directives, closing }) = block {
            self.count(directives.len());
            directives.iter().for_each(|directive| self.directive(directive));
            self.comments(closing);
        }
    }

    fn word(&mut self, Word { text, span, form }: &Word) {
        let near = (span.file, span.via) == (self.last.file, self.last.via);
        let length = span.end - span.start;
        let plain = usize::try_from(length).is_ok_and(|length| length == text.len());
        let form = FORMS.iter().position(|one| one == form).unwrap_or_default();
        let mut first = u8::try_from(form).unwrap_or_default();
        first |= if near { NEAR } else { 0 };
        let there = plain && self.texts.at(*span) == Some(text.as_str());
        first |= if plain { PLAIN } else { 0 };
        first |= if there { THERE } else { 0 };
        self.bytes.push(first);
        if !near {
            self.number(u64::from(span.file.number()));
            self.number(u64::from(span.via.number()));
        }
        // Nearly always a few bytes behind the last word; a name may have been put in from further up.
        let gap = i64::from(span.start) - i64::from(self.last.end);
        self.number((gap << 1 ^ gap >> 63).cast_unsigned());
        self.number(u64::from(length));
        if !plain {
            self.count(text.len());
        }
        if !there {
            self.bytes.extend_from_slice(text.as_bytes());
        }
        self.last = *span;
    }

    fn comments(&mut self, comments: &[Comment]) {
        self.count(comments.len());
        comments.iter().for_each(|comment| self.comment(comment));
    }

    fn comment(&mut self, Comment { text, spaced }: &Comment) {
        self.count(text.len() << 1 | usize::from(*spaced));
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }
}

/// The same backwards. `None` never comes of what a [`Writer`] wrote.
struct Reader<'a> {
    rest: &'a [u8],
    last: Span,
    texts: &'a Texts,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], texts: &'a Texts) -> Self {
        Self { rest: bytes, last: NOWHERE, texts }
    }

    fn directive(&mut self) -> Option<Directive> {
        let name = self.word()?;
        let has = self.byte()?;
        let has = |bit: u8| has & bit != 0;
        let arguments = self.several(Self::word)?;
        let properties = if has(PROPERTIES) { self.several(Self::property)? } else { Vec::new() };
        let before = if has(BEFORE) { self.several(Self::comment)? } else { Vec::new() };
        let after = if has(AFTER) { Some(Box::new(self.comment()?)) } else { None };
        let block = if has(BLOCK) {
            let directives = self.several(Self::directive)?;
            Some(Block { directives, closing: self.several(Self::comment)? })
        } else {
            None
        };
        let comments = Comments { spaced: has(SPACED), before, after };
        Some(Directive { name, arguments, properties, block, comments })
    }

    fn property(&mut self) -> Option<Property> {
        Some(Property { name: self.word()?, value: self.word()? })
    }

    fn word(&mut self) -> Option<Word> {
        let first = self.byte()?;
        let form = *FORMS.get(usize::from(first & (NEAR - 1)))?;
        let (file, via) = if first & NEAR != 0 {
            (self.last.file, self.last.via)
        } else {
            let file = FileId::of_number(u16::try_from(self.number()?).ok()?);
            (file, Via::of_number(u32::try_from(self.number()?).ok()?))
        };
        let gap = self.number()?;
        let gap = (gap >> 1).cast_signed() ^ -(gap & 1).cast_signed();
        let start = u32::try_from(i64::from(self.last.end) + gap).ok()?;
        let length = self.number()?;
        let end = start.checked_add(u32::try_from(length).ok()?)?;
        let span = Span { file, start, end, via };
        let text = if first & THERE != 0 {
            CompactString::from(self.texts.at(span)?)
        } else {
            let plain = first & PLAIN != 0;
            let said = if plain { usize::try_from(length).ok()? } else { self.count()? };
            CompactString::from_utf8(self.take(said)?).ok()?
        };
        self.last = span;
        Some(Word { text, span, form })
    }

    fn comment(&mut self) -> Option<Comment> {
        let said = self.count()?;
        let text = std::str::from_utf8(self.take(said >> 1)?).ok()?.into();
        Some(Comment { text, spaced: said & 1 != 0 })
    }

    fn several<T>(&mut self, one: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.count()?;
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            list.push(one(self)?);
        }
        Some(list)
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::context::Context;
    use crate::config::diagnostic::Diagnostics;
    use crate::config::source::Grammar;
    use proptest::prelude::*;

    fn span() -> impl Strategy<Value = Span> {
        let near = (0_u16..3, 0_u32..300, 0_u32..40, 0_u32..3);
        let far = (any::<u16>(), any::<u32>(), any::<u32>(), any::<u32>());
        prop_oneof![9 => near, 1 => far].prop_map(|(file, start, length, via)| Span {
            file: FileId::of_number(file),
            start,
            end: start.saturating_add(length),
            via: Via::of_number(via),
        })
    }

    fn word() -> impl Strategy<Value = Word> {
        (any::<String>(), span(), prop::sample::select(&FORMS[..]))
            .prop_map(|(text, span, form)| Word { text: text.into(), span, form })
    }

    fn comments() -> impl Strategy<Value = Vec<Comment>> {
        let comment = (any::<String>(), any::<bool>())
            .prop_map(|(text, spaced)| Comment { text: text.into(), spaced });
        prop::collection::vec(comment, 0..3)
    }

    fn directive() -> impl Strategy<Value = Directive> {
        let property = (word(), word()).prop_map(|(name, value)| Property { name, value });
        let head = (
            word(),
            prop::collection::vec(word(), 0..3),
            prop::collection::vec(property, 0..3),
            (any::<bool>(), comments(), comments()),
        );
        let line = head.prop_map(|(name, arguments, properties, (spaced, before, after))| {
            let after = after.into_iter().next().map(Box::new);
            let comments = Comments { spaced, before, after };
            Directive { name, arguments, properties, block: None, comments }
        });
        line.prop_recursive(4, 24, 4, |inner| {
            let block = (prop::collection::vec(inner.clone(), 0..4), comments());
            (inner, prop::option::of(block)).prop_map(|(directive, block)| {
                let block = block.map(|(directives, closing)| Block { directives, closing });
                Directive { block, ..directive }
            })
        })
    }

    proptest! {
        #[test]
        fn what_is_put_in_comes_out(
            directives in prop::collection::vec(directive(), 0..5),
            closing in comments(),
        ) {
            let block = Block { directives, closing };
            prop_assert_eq!(Packed::from(block.clone()).whole(), block);
        }
    }

    #[test]
    fn words_of_a_known_text_are_not_said_again() {
        let text = Arc::new("alpha \"b c\" delta".to_owned());
        let file = FileId::of_number(2);
        let word = |text: &str, start, end| {
            let span = Span { file, start, end, via: Via::default() };
            Word { text: text.into(), span, form: Form::Bare }
        };
        // The second in quotes, the third not what stands there, the fourth beyond the end.
        let arguments = vec![word("b c", 6, 11), word("Delta", 12, 17), word("alpha", 90, 95)];
        let (name, comments) = (word("alpha", 0, 5), Comments::default());
        let directive =
            Directive { name, arguments, properties: Vec::new(), block: None, comments };
        let (mut known, mut unknown) = (Packed::default(), Packed::default());
        known.know(file, &text);
        let size = |packed: &mut Packed| {
            packed.push(&directive);
            assert_eq!(packed.directives().next().as_ref(), Some(&directive));
            packed.outermost[0].len()
        };
        assert_eq!(size(&mut known) + "alpha".len(), size(&mut unknown));
    }

    #[test]
    fn only_what_is_wanted_is_taken_out() {
        let mut diagnostics = Diagnostics::default();
        let text = &b"a 1\nb 2 {\n c 3\n}\na 4\n"[..];
        let context = Context::new(None, "".into());
        let added = diagnostics.sources_mut().add("x", text, Grammar::Keepalived, None);
        let mut packed =
            crate::config::keepalived::parse(added.unwrap(), &context, &mut diagnostics);
        let said = |directive: Directive| directive.arguments[0].text.to_string();
        let size = packed.outermost.iter().map(|one| one.len()).sum::<usize>();
        assert!(size < 2 * text.len() + 16, "{size} bytes");
        assert_eq!(packed.take(|name| name == "a").map(said).collect::<Vec<_>>(), ["1", "4"]);
        assert_eq!(packed.take(|_| true).map(said).collect::<Vec<_>>(), ["2"]);
        assert_eq!(packed.take(|_| true).count(), 0);
    }
}
