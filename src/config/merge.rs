//! PURE: the trees of one text as several directors read it -> one tree with conditions, so that each of them still
//! reads its own. It knows no keyword.

use std::collections::HashMap;

use compact_str::CompactString;

use super::source::Span;
use super::tree::{Block, Directive, Form, Word};

/// Which of the readers have a directive: a bit each.
type Readers = u32;

/// Most readers that are kept apart.
pub(super) const MOST: usize = 16;

/// The trees of several readers as one. The last reader stands for everybody whom `ids` does not name.
pub(super) fn merge(trees: Vec<Block>, ids: &[String]) -> Block {
    let readers: Vec<(Readers, Block)> =
        trees.into_iter().enumerate().map(|(at, tree)| (1 << at, tree)).collect();
    let mut merged = Level { blocks: readers }.merge();
    dress(&mut merged, ids);
    merged.block
}

/// The block of a directive as each of its readers has it.
struct Level {
    blocks: Vec<(Readers, Block)>,
}

/// A block whose directives have their readers beside them.
struct Merged {
    block: Block,
    readers: Vec<Readers>,
    inner: Vec<Option<Merged>>,
}

/// What makes two directives one: all of the line.
type Key = (CompactString, Vec<CompactString>, bool);

fn key(directive: &Directive) -> Key {
    let properties = directive.properties.iter().flat_map(|one| [&one.name, &one.value]);
    let words = directive.arguments.iter().chain(properties);
    let text = words.map(|word| word.text.clone()).collect();
    (directive.name.text.clone(), text, directive.block.is_some())
}

/// A directive of the merged block, while it grows.
struct Entry {
    key: Key,
    directive: Directive,
    readers: Readers,
    /// Its block as each reader has it.
    inner: Vec<(Readers, Block)>,
}

impl Entry {
    fn new(mut directive: Directive, reader: Readers) -> Self {
        let key = key(&directive);
        let inner = directive.block.as_mut().map(std::mem::take);
        let inner = inner.map(|block| (reader, block)).into_iter().collect();
        Self { key, directive, readers: reader, inner }
    }
}

impl Level {
    fn merge(self) -> Merged {
        let mut closing = Vec::new();
        let mut entries: Vec<Entry> = Vec::new();
        for (reader, block) in self.blocks {
            if closing.is_empty() {
                closing = block.closing;
            }
            entries = align(entries, block.directives, reader);
        }
        let mut merged = Merged {
            block: Block { directives: Vec::new(), closing },
            readers: Vec::new(),
            inner: Vec::new(),
        };
        for Entry { directive, readers, inner, .. } in entries {
            merged.inner.push((!inner.is_empty()).then(|| Self { blocks: inner }.merge()));
            merged.block.directives.push(directive);
            merged.readers.push(readers);
        }
        merged
    }
}

/// The entries with those of one more reader, in an order that holds for all of them. What both have is one; where
/// both go on with something else, what the other never has comes first.
fn align(old: Vec<Entry>, new: Vec<Directive>, reader: Readers) -> Vec<Entry> {
    let new: Vec<Entry> = new.into_iter().map(|one| Entry::new(one, reader)).collect();
    let count = |entries: &[Entry]| {
        let mut left: HashMap<Key, usize> = HashMap::new();
        entries.iter().for_each(|one| *left.entry(one.key.clone()).or_default() += 1);
        left
    };
    let (mut left_old, mut left_new) = (count(&old), count(&new));
    let has = |left: &HashMap<Key, usize>, one: &Entry| left.get(&one.key).is_some_and(|n| *n > 0);
    let mut out = Vec::with_capacity(old.len().max(new.len()));
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    loop {
        let take_new = match (old.peek(), new.peek()) {
            (None, None) => return out,
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (Some(one), Some(other)) if one.key == other.key => {
                let (Some(mut one), Some(other)) = (old.next(), new.next()) else { return out };
                for left in [&mut left_old, &mut left_new] {
                    left.entry(one.key.clone()).and_modify(|n| *n -= 1);
                }
                one.readers |= reader;
                one.inner.extend(other.inner);
                out.push(one);
                continue;
            }
            (Some(one), Some(other)) => has(&left_new, one) && !has(&left_old, other),
        };
        let (from, left) = match take_new {
            true => (&mut new, &mut left_new),
            false => (&mut old, &mut left_old),
        };
        let Some(one) = from.next() else { return out };
        left.entry(one.key.clone()).and_modify(|n| *n -= 1);
        out.push(one);
    }
}

/// Puts the blocks back, and conditions around what not everybody has.
fn dress(merged: &mut Merged, ids: &[String]) {
    let all: Readers = (1 << (ids.len() + 1)) - 1;
    dress_for(merged, ids, all);
}

fn dress_for(merged: &mut Merged, ids: &[String], here: Readers) {
    let directives = std::mem::take(&mut merged.block.directives);
    let mut out: Vec<Directive> = Vec::with_capacity(directives.len());
    // The condition that the last of `out` is.
    let mut open: Option<Readers> = None;
    let mut said = Vec::new();
    for ((mut directive, readers), inner) in
        directives.into_iter().zip(&merged.readers).zip(&mut merged.inner)
    {
        if let Some(mut inner) = inner.take() {
            dress_for(&mut inner, ids, *readers);
            directive.block = Some(inner.block);
        }
        // A comment before a condition belongs to what follows it in the eyes of whom it does not concern.
        if !said.is_empty() && directive.comments.before.starts_with(&said) {
            directive.comments.before.drain(..said.len());
        }
        if *readers == here {
            open = None;
            said = Vec::new();
            out.push(directive);
            continue;
        }
        if !directive.comments.before.is_empty() {
            said = directive.comments.before.clone();
        }
        if open == Some(*readers)
            && let Some(block) = out.last_mut().and_then(|last| last.block.as_mut())
        {
            block.directives.push(directive);
            continue;
        }
        open = Some(*readers);
        out.push(condition(directive, *readers, ids, here));
    }
    merged.block.directives = out;
}

/// `when "lb1" { ... }`, or `unless` where those who are not named have it.
fn condition(
    mut directive: Directive,
    readers: Readers,
    ids: &[String],
    here: Readers,
) -> Directive {
    let span = directive.name.span;
    let others = 1 << ids.len();
    let (name, named) = match readers & others {
        0 => ("when", readers),
        _ => ("unless", here & !readers),
    };
    let word = |text: &str, form, span: Span| Word { text: text.into(), span, form };
    let arguments = ids.iter().enumerate().filter(|(at, _)| named & (1 << at) != 0);
    let arguments = arguments.map(|(_, id)| word(id, Form::Quoted, span)).collect();
    let mut made = Directive::new(word(name, Form::Made, span), arguments);
    made.comments.spaced = std::mem::take(&mut directive.comments.spaced);
    made.comments.before = std::mem::take(&mut directive.comments.before);
    made.block = Some(Block { directives: vec![directive], closing: Vec::new() });
    made
}
