//! What a body must hold, or must not: a regular expression as keepalived takes it, read by another engine.
//!
//! keepalived uses PCRE2, which can do more than any engine whose time is linear in the text; ours is one of those, for
//! the texts come from outside. [`Pattern::new`] rewrites what only looks different, and [`foreign`] names the rest.

use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a body is searched for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BodySearch {
    /// The expression (`regex`).
    pub pattern: Pattern,
    /// The body must not match (`regex_no_match`).
    pub no_match: bool,
    /// Least offset in the body where a match starts, in bytes (`regex_min_offset`).
    pub min_offset: u64,
    /// Greatest offset in the body where a match starts, in bytes (`regex_max_offset`).
    pub max_offset: Option<u64>,
}

/// A regular expression that compiles.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pattern {
    text: Box<str>,
    options: PatternOptions,
}

/// PCRE2's options as far as they change what matches here; of the others, see [`PatternOption`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PatternOptions {
    /// Capitals are small letters.
    pub caseless: bool,
    /// `.` is also a line end.
    pub dotall: bool,
    /// Blanks in the expression mean nothing, `#` begins a comment.
    pub extended: bool,
    /// `^` and `$` stand at each line.
    pub multiline: bool,
    /// Repetitions take as little as they can.
    pub ungreedy: bool,
    /// The text is UTF-8, and classes are those of Unicode.
    pub unicode: bool,
    /// `$` is not before a last line end.
    pub dollar_endonly: bool,
}

/// What a word of keepalived's `regex_options` does here.
#[derive(Debug, Clone, Copy)]
pub enum PatternOption {
    /// As there.
    Acts(fn(&mut PatternOptions)),
    /// It bears on how PCRE2 works, not on what matches.
    Idle,
    /// This engine cannot do it.
    Foreign,
}

/// Something of PCRE2 that this engine cannot do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign {
    /// Where it stands, in bytes.
    pub at: usize,
    /// What it is called.
    pub name: &'static str,
}

/// Why an expression is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// PCRE2 takes it, this engine does not.
    #[error("{} at byte {} is of PCRE2 and not possible here", .0.name, .0.at)]
    Foreign(Foreign),
    /// No engine would take it, or it is too large.
    #[error("{0}")]
    Wrong(String),
}

/// A compiled expression has at most so many bytes, its cache likewise.
const SIZE: usize = 1 << 20;

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    ///
    /// With what is foreign or wrong in it.
    pub fn new(text: &str, options: PatternOptions) -> Result<Self, PatternError> {
        if let Some(foreign) = foreign(text).into_iter().next() {
            return Err(PatternError::Foreign(foreign));
        }
        let pattern = Self { text: text.into(), options };
        pattern.compile().map(drop).map_err(PatternError::Wrong)?;
        Ok(pattern)
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Compiled anew: that costs far more than a search, so keep it.
    pub(crate) fn compile(&self) -> Result<Regex, String> {
        let PatternOptions {
            caseless,
            dotall,
            extended,
            multiline,
            ungreedy,
            unicode,
            dollar_endonly,
        } = self.options;
        let ours = Rewriter::new(&self.text, !multiline && !dollar_endonly).ours();
        RegexBuilder::new(&ours)
            .case_insensitive(caseless)
            .dot_matches_new_line(dotall)
            .ignore_whitespace(extended)
            .multi_line(multiline)
            .swap_greed(ungreedy)
            .unicode(unicode)
            .size_limit(SIZE)
            .dfa_size_limit(SIZE)
            .build()
            .map_err(|error| reason(&error))
    }
}

/// The last line of the library's drawing is what it means.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().next_back().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

impl PatternOption {
    /// By keepalived's word; `None` if it is none.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Some(match word {
            "caseless" => Self::Acts(|options| options.caseless = true),
            "dotall" => Self::Acts(|options| options.dotall = true),
            "extended" => Self::Acts(|options| options.extended = true),
            "multiline" => Self::Acts(|options| options.multiline = true),
            "ungreedy" => Self::Acts(|options| options.ungreedy = true),
            "utf" | "ucp" => Self::Acts(|options| options.unicode = true),
            "dollar_endonly" => Self::Acts(|options| options.dollar_endonly = true),
            "auto_callout" | "alt_verbnames" | "never_backslash_c" | "never_ucp" | "never_utf"
            | "no_auto_capture" | "no_auto_possess" | "no_dotstar_anchor" | "no_start_optimize"
            | "use_offset_limit" => Self::Idle,
            "allow_empty_class"
            | "alt_bsux"
            | "alt_circumflex"
            | "dupnames"
            | "firstline"
            | "match_unset_backref" => Self::Foreign,
            _ => return None,
        })
    }
}

/// What of PCRE2 in `pattern` this engine cannot do, from left to right: for `check`, and for docs/migration.md.
#[must_use]
pub fn foreign(pattern: &str) -> Vec<Foreign> {
    Rewriter::new(pattern, false).foreign()
}

/// Reads an expression from left to right.
struct Rewriter<'a> {
    rest: &'a str,
    length: usize,
    /// `$` and `\Z` are also before a last line end.
    soft_end: bool,
    ours: String,
    foreign: Vec<Foreign>,
}

/// What begins something that only a backtracking engine does.
const FOREIGN: &[(&str, &str)] = &[
    ("(?=", "a look-ahead"),
    ("(?!", "a negative look-ahead"),
    ("(?<=", "a look-behind"),
    ("(?<!", "a negative look-behind"),
    ("(?>", "an atomic group"),
    ("(?|", "a branch reset"),
    ("(?(", "a conditional group"),
    ("(?C", "a callout"),
    ("(?R", "a recursion"),
    ("(?&", "a recursion"),
    ("(?P>", "a recursion"),
    ("(?P=", "a back reference"),
    ("(?'", "a name in single quotes"),
    ("(*", "a verb"),
    ("*+", "a possessive repetition"),
    ("++", "a possessive repetition"),
    ("?+", "a possessive repetition"),
    ("}+", "a possessive repetition"),
];

/// Letters after a backslash that only PCRE2 knows.
const ESCAPES: &[(&str, &str)] = &[
    ("123456789gk", "a back reference or octal number"),
    ("0o", "an octal number"),
    ("K", "\\K"),
    ("G", "\\G"),
    ("R", "\\R"),
    ("X", "\\X"),
    ("C", "\\C"),
    ("N", "\\N"),
    ("hHvV", "a class of blanks"),
    ("ce", "a control character"),
];

/// The end of the text, or before a line end that is the last.
const SOFT_END: &str = r"(?:\n?\z)";

impl<'a> Rewriter<'a> {
    fn new(pattern: &'a str, soft_end: bool) -> Self {
        // Inside the expression `(?m)` would make it stand at each line.
        let soft_end = soft_end && !has_inline_m(pattern);
        let ours = String::with_capacity(pattern.len());
        Self { rest: pattern, length: pattern.len(), soft_end, ours, foreign: Vec::new() }
    }

    fn ours(mut self) -> String {
        self.read();
        self.ours
    }

    fn foreign(mut self) -> Vec<Foreign> {
        self.read();
        self.foreign
    }

    fn read(&mut self) {
        while !self.rest.is_empty() {
            if let Some(&(begins, name)) = FOREIGN.iter().find(|(b, _)| self.rest.starts_with(b)) {
                self.tell(name);
                self.copy(begins.len());
            } else if let Some(comment) = self.rest.strip_prefix("(?#") {
                let end = comment.find(')').map_or(comment.len(), |at| at + 1);
                self.rest = &comment[end..];
            } else if self.is_numbered_recursion() {
                self.tell("a recursion");
                self.copy(2);
            } else if self.rest.starts_with('\\') {
                self.escape(false);
            } else if self.rest.starts_with('[') {
                self.class();
            } else if self.soft_end && self.rest.starts_with('$') {
                self.replace(1, SOFT_END);
            } else {
                self.copy(1);
            }
        }
    }

    /// `(?1)`, `(?-1)`, `(?+1)`.
    fn is_numbered_recursion(&self) -> bool {
        let number = self.rest.strip_prefix("(?").map(|n| n.trim_start_matches(['-', '+']));
        number.is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
    }

    fn escape(&mut self, in_class: bool) {
        let Some(letter) = self.rest[1..].chars().next() else { return self.copy(1) };
        match letter {
            'Q' => {
                let quoted = &self.rest[2..];
                let end = quoted.find("\\E").unwrap_or(quoted.len());
                self.ours += &regex::escape(&quoted[..end]);
                self.rest = quoted.get(end + 2..).unwrap_or_default();
            }
            'E' => self.replace(2, ""),
            'Z' if self.soft_end => self.replace(2, SOFT_END),
            'Z' => self.replace(2, r"\z"),
            // Here they would be word boundaries.
            '<' | '>' => self.replace(2, if letter == '<' { "<" } else { ">" }),
            // In PCRE2, a backspace.
            'b' if in_class => self.replace(2, r"\x08"),
            _ => {
                let known = ESCAPES.iter().find(|(letters, _)| letters.contains(letter));
                if let Some(&(_, name)) = known {
                    self.tell(name);
                }
                self.copy(1 + letter.len_utf8());
            }
        }
    }

    /// In PCRE2 classes do not nest, and have neither intersections nor differences.
    fn class(&mut self) {
        self.copy(1);
        if self.rest.starts_with('^') {
            self.copy(1);
        }
        if self.rest.starts_with(']') {
            self.replace(1, r"\]");
        }
        while !self.rest.is_empty() {
            let named = self.rest.starts_with("[:").then(|| self.rest.find(":]")).flatten();
            if let Some(end) = named {
                self.copy(end + 2);
            } else if self.rest.starts_with(']') {
                return self.copy(1);
            } else if self.rest.starts_with('\\') {
                self.escape(true);
            } else if self.rest.starts_with(['[', '&', '~']) {
                self.ours.push('\\');
                self.copy(1);
            } else {
                self.copy(1);
            }
        }
    }

    fn tell(&mut self, name: &'static str) {
        self.foreign.push(Foreign { at: self.length - self.rest.len(), name });
    }

    /// Takes over so many bytes, and the rest of the character that they end in.
    fn copy(&mut self, bytes: usize) {
        let end = (bytes..).find(|&at| self.rest.is_char_boundary(at.min(self.rest.len())));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(bytes).min(self.rest.len()));
        self.ours += taken;
        self.rest = rest;
    }

    fn replace(&mut self, bytes: usize, by: &str) {
        self.ours += by;
        self.rest = &self.rest[bytes..];
    }
}

/// Whether a group of options, as `(?im)`, has an `m`.
fn has_inline_m(pattern: &str) -> bool {
    pattern.split("(?").skip(1).any(|group| {
        let options = group.split([')', ':', '-', '<']).next().unwrap_or_default();
        options.contains('m') && options.bytes().all(|b| b.is_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, options: PatternOptions, text: &str) -> bool {
        let pattern = Pattern::new(pattern, options).unwrap();
        pattern.compile().unwrap().is_match(text.as_bytes())
    }

    /// Each answer is that of `perl -e` on the same text; `\Q` is by PCRE2's manual.
    #[test]
    fn what_both_engines_can_do_matches_alike() {
        let plain = PatternOptions::default();
        for (pattern, text, wanted) in [
            ("^ok$", "ok", true),
            ("^ok$", "ok\n", true),
            ("^ok$", "ok\n\n", false),
            ("^ok\\z", "ok\n", false),
            ("ok\\Z", "ok\n", true),
            ("(?m)^b$", "a\nb\nc", true),
            ("^b$", "a\nb\nc", false),
            ("\\<title\\>", "<title>", true),
            ("[[]a", "[a", true),
            ("[a&&b]+$", "&&", true),
            ("[]x]y", "]y", true),
            ("[^]x]y", "]y", false),
            ("[[:alpha:]]+9", "ab9", true),
            ("[\\w-]+!", "a-b!", true),
            ("\\Qa.b\\E+", "a.bbb", true),
            ("\\Qa.b\\E", "axb", false),
            ("a(?#comment)b", "ab", true),
            ("a.b", "a\nb", false),
            ("\\d+\\s\\w", "12 x", true),
            ("ä", "xäy", true),
        ] {
            assert_eq!(matches(pattern, plain, text), wanted, "{pattern:?} in {text:?}");
        }
    }

    #[test]
    fn options_act() {
        let with = |word: &str| {
            let mut options = PatternOptions::default();
            let Some(PatternOption::Acts(set)) = PatternOption::named(word) else { panic!() };
            set(&mut options);
            options
        };
        for (word, pattern, text) in [
            ("caseless", "OK", "ok"),
            ("dotall", "a.b", "a\nb"),
            ("extended", "a b # c", "ab"),
            ("multiline", "^b$", "a\nb\nc"),
            ("utf", "^.$", "ä"),
        ] {
            assert!(matches(pattern, with(word), text), "{word}");
            assert!(!matches(pattern, PatternOptions::default(), text), "{word}");
        }
        assert!(!matches("^ok$", with("dollar_endonly"), "ok\n"));
        assert!(matches!(PatternOption::named("no_auto_possess"), Some(PatternOption::Idle)));
        assert!(matches!(PatternOption::named("firstline"), Some(PatternOption::Foreign)));
        assert!(PatternOption::named("case").is_none());
    }

    #[test]
    fn what_only_pcre2_can_do_is_named() {
        for (pattern, at, name) in [
            ("a(?=b)", 1, "a look-ahead"),
            ("(?<!a)b", 0, "a negative look-behind"),
            ("(a)\\1", 3, "a back reference or octal number"),
            ("(?>a)", 0, "an atomic group"),
            ("xa++", 2, "a possessive repetition"),
            ("(?R)", 0, "a recursion"),
            ("(a)(?-1)", 3, "a recursion"),
            ("(*SKIP)", 0, "a verb"),
            ("a\\Kb", 1, "\\K"),
            ("\\h", 0, "a class of blanks"),
            ("[\\h]", 1, "a class of blanks"),
            ("ä\\R", 2, "\\R"),
        ] {
            assert_eq!(foreign(pattern), [Foreign { at, name }], "{pattern}");
            assert!(Pattern::new(pattern, PatternOptions::default()).is_err());
        }
        for good in ["\\(?=\\)", "[(?=]", "\\\\1", "(?<name>a)", "(?:a|b)+?", "a{2}", "\\Q(?=\\E"] {
            assert_eq!(foreign(good), [], "{good}");
        }
        let wrong = |text| Pattern::new(text, PatternOptions::default()).unwrap_err().to_string();
        assert_eq!(wrong("(a"), "unclosed group");
        assert_eq!(wrong("a(?=b)"), "a look-ahead at byte 1 is of PCRE2 and not possible here");
        assert_eq!(wrong("(a{1000}){1000}"), "Compiled regex exceeds size limit of 1048576 bytes.");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_breaks_the_reader(text in "[\\[\\]\\\\()?*+{}:=!<>#$ZQEabä^&~m-]{0,12}") {
            let seen = Pattern::new(&text, PatternOptions::default());
            prop_assert!(seen.is_err() || foreign(&text).is_empty());
        }
    }
}
