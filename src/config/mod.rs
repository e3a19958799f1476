//! Configuration: two grammars, one tree, one model.
//!
//! ```text
//! keepalived.conf ──lexer──keepalived──┐
//!                                      ├──> tree ──decode──> model (Config)
//! KDL ─────────────────────kdl─────────┘      └───render──> KDL (`evenkeel convert`)
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `model` | [`model::Config`]: defaults filled in, names resolved; what the workers' specs are made of |
//! | `source`, `diagnostic` | files and places; mistakes and how they are shown |
//! | `tree` | directives, words, comments |
//! | `lexer`, `keepalived`, `kdl` | text -> tree |
//! | `decode` | tree -> model, one file per block |
//! | `keywords`, `suggest` | the keyword reference; "did you mean" |
//! | `render` | tree -> KDL |
//!
//! It reads files and asks the host for accounts, interfaces and programs; it changes nothing and starts nothing.

mod decode;
pub mod diagnostic;
mod kdl;
mod keepalived;
pub mod keywords;
mod lexer;
pub mod model;
mod render;
pub mod source;
mod suggest;
pub mod tree;

use std::path::Path;

pub use self::decode::Host;
pub use self::diagnostic::{Diagnostic, Diagnostics, Severity, Style};
pub use self::model::Config;
pub use self::source::Grammar;
use self::tree::Block;

/// A configuration as it was read.
#[derive(Debug)]
pub struct Loaded {
    /// The model; `None` where something keeps it from running.
    pub config: Option<Config>,
    /// Everything that is wrong, with the texts that it points into.
    pub diagnostics: Diagnostics,
}

/// A configuration rewritten as KDL.
#[derive(Debug)]
pub struct Converted {
    /// The KDL; `None` where the file cannot be read at all.
    pub kdl: Option<String>,
    /// Everything that is wrong with the original.
    pub diagnostics: Diagnostics,
}

/// Reads a file that is to run here. Its ending tells the grammar (`.kdl`, `.conf`), else its content does.
pub fn load(path: &Path) -> Loaded {
    load_for(path, Host::This)
}

/// Reads a file, for this host or for any.
pub fn load_for(path: &Path, host: Host) -> Loaded {
    let mut diagnostics = Diagnostics::default();
    let tree = read(path, &mut diagnostics);
    finish(tree, host, diagnostics)
}

/// Reads a text as if it stood in a file of that name.
pub fn load_text(name: &str, text: &[u8], grammar: Grammar, host: Host) -> Loaded {
    let mut diagnostics = Diagnostics::default();
    let tree = parse(name, text, grammar, &mut diagnostics);
    finish(tree, host, diagnostics)
}

/// Rewrites a file as KDL: the same directives in the same order with their comments, without what is passed over.
pub fn convert(path: &Path) -> Converted {
    let mut diagnostics = Diagnostics::default();
    let tree = read(path, &mut diagnostics);
    rewrite(tree, diagnostics)
}

/// Rewrites a text as KDL.
pub fn convert_text(name: &str, text: &[u8], grammar: Grammar) -> Converted {
    let mut diagnostics = Diagnostics::default();
    let tree = parse(name, text, grammar, &mut diagnostics);
    rewrite(tree, diagnostics)
}

fn finish(tree: Option<Block>, host: Host, mut diagnostics: Diagnostics) -> Loaded {
    let config = tree.and_then(|tree| decode::decode(&tree, host, &mut diagnostics).config);
    diagnostics.sort();
    Loaded { config, diagnostics }
}

fn rewrite(tree: Option<Block>, mut diagnostics: Diagnostics) -> Converted {
    let kdl = tree.filter(|_| !diagnostics.has_errors()).map(|tree| {
        let ignored = decode::decode(&tree, Host::Any, &mut diagnostics).ignored;
        render::render(&tree, &ignored, diagnostics.sources())
    });
    diagnostics.sort();
    Converted { kdl, diagnostics }
}

fn read(path: &Path, diagnostics: &mut Diagnostics) -> Option<Block> {
    let name = path.display().to_string();
    match std::fs::read(path) {
        Ok(bytes) => parse(&name, &bytes, grammar_of(path, &bytes), diagnostics),
        Err(error) => {
            diagnostics.push(Diagnostic::of_file("unreadable", format!("{name}: {error}")));
            None
        }
    }
}

fn parse(
    name: &str,
    bytes: &[u8],
    grammar: Grammar,
    diagnostics: &mut Diagnostics,
) -> Option<Block> {
    match diagnostics.sources_mut().add(name, bytes, grammar, None) {
        Ok(file) => Some(match grammar {
            Grammar::Keepalived => keepalived::parse(file, diagnostics),
            Grammar::Kdl => kdl::parse(file, diagnostics),
        }),
        Err(error) => {
            diagnostics.push(Diagnostic::of_file("unreadable", format!("{name}: {error}")));
            None
        }
    }
}

/// By the file's ending, else by its content: only a keepalived.conf begins with `!` or `#` or has `NAME VALUE` lines
/// with bare addresses; only KDL has `//` lines or quoted addresses.
fn grammar_of(path: &Path, bytes: &[u8]) -> Grammar {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("kdl") => return Grammar::Kdl,
        Some("conf") => return Grammar::Keepalived,
        Some(_) | None => {}
    }
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with(['#', '!']) {
            return Grammar::Keepalived;
        }
        if line.starts_with("//") || line.starts_with("/*") || line.starts_with("/-") {
            return Grammar::Kdl;
        }
        let mut words = line.split_whitespace().skip(1);
        match words.next() {
            Some(word) if word.starts_with('"') => return Grammar::Kdl,
            Some(word) if word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.') => {
                return Grammar::Keepalived;
            }
            Some(_) | None => {}
        }
    }
    Grammar::Keepalived
}

#[cfg(test)]
mod tests;
