//! What both grammars read into: directives with arguments, children and comments, each word with its place. A tree
//! knows no keyword.

use compact_str::CompactString;

use super::source::Span;

/// A keyword with what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// The first word.
    pub name: Word,
    /// The other words of the line.
    pub arguments: Vec<Word>,
    /// `name=value` pairs (KDL only).
    pub properties: Vec<Property>,
    /// What stands between the braces; `None` where there are none.
    pub block: Option<Block>,
    /// Comments around it.
    pub comments: Comments,
}

/// What stands between braces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block {
    /// The directives, in order.
    pub directives: Vec<Directive>,
    /// Comments after the last of them.
    pub closing: Vec<Comment>,
}

/// `name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Left of the equals sign.
    pub name: Word,
    /// Right of it.
    pub value: Word,
}

/// One word, without its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// What it says. Few words have more than 24 bytes, and there are many words.
    pub text: CompactString,
    /// Where it stands, with its quotes.
    pub span: Span,
    /// How it was written.
    pub form: Form,
}

/// How a word was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As it is; a number in KDL too.
    Bare,
    /// In quotes.
    Quoted,
    /// `#true` or `#false` (KDL).
    Boolean,
    /// A node of the template kind (`when`, `define`), for a conversion.
    Made,
    /// `#null`, `#inf` and their like (KDL): no keyword takes them.
    Other,
}

/// Comments that belong to a directive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comments {
    /// Whether an empty line stands right before the directive.
    pub spaced: bool,
    /// On lines of their own before it.
    pub before: Vec<Comment>,
    /// At the end of its line.
    pub after: Option<Box<Comment>>,
}

/// The text of a comment, without its mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// What it says.
    pub text: Box<str>,
    /// Whether an empty line stands before it.
    pub spaced: bool,
}

impl Word {
    /// A word that was written without quotes.
    pub(crate) fn bare(text: &str, span: Span) -> Self {
        Self { text: text.into(), span, form: Form::Bare }
    }

    /// Stands where a keyword should be; what is wrong there has been told.
    pub(crate) fn nothing(span: Span) -> Self {
        Self { text: "".into(), span, form: Form::Other }
    }

    /// Whether this is the word `text`, in quotes or not.
    pub(crate) fn is(&self, text: &str) -> bool {
        &*self.text == text
    }
}

impl Directive {
    /// A directive of these words alone.
    pub(crate) fn new(name: Word, arguments: Vec<Word>) -> Self {
        let comments = Comments::default();
        Self { name, arguments, properties: Vec::new(), block: None, comments }
    }

    /// Its words without its block: from the keyword to the last argument.
    pub(crate) fn head(&self) -> Span {
        let last = self.arguments.last().map_or(self.name.span, |word| word.span);
        let last = self.properties.last().map_or(last, |property| last.max(property.value.span));
        self.name.span.to(last)
    }

    /// Whether its block has this keyword, or its line as a property.
    pub(crate) fn has(&self, keyword: &str) -> bool {
        self.children().iter().any(|child| child.name.is(keyword))
            || self.properties.iter().any(|property| property.name.is(keyword))
    }

    /// Where this keyword stands in its block among the words of another one.
    pub(crate) fn strays(&self, keyword: &str) -> Option<Span> {
        let words = self.children().iter().flat_map(|child| &child.arguments);
        words.into_iter().find(|word| word.is(keyword)).map(|word| word.span)
    }

    /// The directives of its block; none where there is no block.
    pub(crate) fn children(&self) -> &[Directive] {
        self.block.as_ref().map_or(&[], |block| &block.directives)
    }
}
