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
//! | `landmarks` | where the things of a model stand |
//! | `tree`, `packed` | directives, words, comments; the same in little room |
//! | `expand`, `include` | what comes before keywords: files, conditions, definitions, repetitions |
//! | `template` | the same for KDL |
//! | `context` | what that depends on besides the files |
//! | `lexer`, `keepalived`, `kdl` | text -> tree |
//! | `decode` | tree -> model, one file per block |
//! | `pair` | what two directors say that does not go together |
//! | `keywords`, `suggest` | the keyword reference; "did you mean" |
//! | `render` | tree -> KDL |
//! | `convert`, `merge` | a text as KDL; the trees of several directors -> one with conditions |
//!
//! It reads files and asks the host for accounts, interfaces and programs; it changes nothing and starts nothing.

mod context;
pub mod convert;
mod decode;
pub mod diagnostic;
mod expand;
mod include;
mod kdl;
mod keepalived;
pub mod keywords;
pub mod landmarks;
mod lexer;
mod merge;
pub mod model;
mod packed;
mod pair;
mod render;
pub mod source;
mod suggest;
mod template;
pub mod tree;

use std::path::Path;

use self::context::Context;
pub use self::convert::{Converted, convert, convert_as, convert_text};
pub use self::decode::Host;
pub use self::diagnostic::{Diagnostic, Diagnostics, Severity, Style};
pub use self::model::Config;
use self::model::VirtualServer;
use self::packed::Packed;
pub use self::source::Grammar;
use self::source::{FileId, TooMuch};

/// A configuration as it was read.
#[derive(Debug)]
pub struct Loaded {
    /// The model; `None` where something keeps it from running.
    pub config: Option<Config>,
    /// Everything that is wrong, with the texts that it points into.
    pub diagnostics: Diagnostics,
}

/// For what a configuration is read.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Whether this host counts.
    pub host: Host,
    /// What `@ID` lines are compared with; `None` means this host's name up to its first dot.
    pub id: Option<String>,
}

impl Asked {
    /// To run here.
    pub fn to_run(id: Option<&str>) -> Self {
        Self { host: Host::This, id: id.map(str::to_owned) }
    }

    fn context(&self, file: &Path) -> Context {
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        Context::new(self.id.as_deref(), folder)
    }
}

/// Reads a file that is to run here. Its ending tells the grammar (`.kdl`, `.conf`), else its content does.
pub fn load(path: &Path) -> Loaded {
    load_for(path, Host::This)
}

/// Reads a file, for this host or for any.
pub fn load_for(path: &Path, host: Host) -> Loaded {
    load_as(path, &Asked { host, id: None })
}

/// Reads a file as it was asked for.
pub fn load_as(path: &Path, asked: &Asked) -> Loaded {
    let mut diagnostics = Diagnostics::default();
    let tree = read(path, &asked.context(path), &mut diagnostics);
    finish(tree, asked.host, diagnostics)
}

/// The same for who needs one virtual server at a time, of thousands: each goes to `take` as it is read, in file order,
/// and is not in the model. They mean nothing where there is no model in the end.
pub fn load_each(path: &Path, asked: &Asked, take: &mut dyn FnMut(VirtualServer)) -> Loaded {
    let mut diagnostics = Diagnostics::default();
    let tree = read(path, &asked.context(path), &mut diagnostics);
    let each = |tree| decode::decode_each(tree, asked.host, &mut diagnostics, take).config;
    let config = tree.and_then(each);
    diagnostics.sort();
    Loaded { config, diagnostics }
}

/// Reads a text as if it stood in a file of that name.
pub fn load_text(name: &str, text: &[u8], grammar: Grammar, host: Host) -> Loaded {
    load_text_as(name, text, grammar, &Asked { host, id: None })
}

/// Reads a text as it was asked for.
pub fn load_text_as(name: &str, text: &[u8], grammar: Grammar, asked: &Asked) -> Loaded {
    let mut diagnostics = Diagnostics::default();
    let context = asked.context(Path::new(name));
    let tree = parse(name, text, grammar, &context, &mut diagnostics);
    finish(tree, asked.host, diagnostics)
}

/// Adds what does not go together with a peer's configuration; `name` is what the peer is called in it.
pub fn compare_with(loaded: &mut Loaded, peer: &Config, name: &str) {
    let Some(own) = &loaded.config else { return };
    let found = pair::contradictions(own, loaded.diagnostics.landmarks(), peer, name);
    found.into_iter().for_each(|diagnostic| loaded.diagnostics.push(diagnostic));
    loaded.diagnostics.sort();
}

/// Reads a file as it was asked for, and compares it with what it says to the other directors that it names.
pub fn load_with_peers(path: &Path, asked: &Asked) -> Loaded {
    /// More directors than this share an address nowhere.
    const MOST: usize = 16;
    let mut loaded = load_as(path, asked);
    let own = asked.context(path).id;
    let ids: Vec<String> = loaded.diagnostics.landmarks().ids().map(str::to_owned).collect();
    let named = ids.contains(&own);
    let mut others: Vec<String> = ids.into_iter().filter(|id| *id != own).take(MOST).collect();
    if named && others.is_empty() {
        // All conditions are about this one: the peer is whoever else reads it.
        others.push(String::new());
    } else if !named && others.len() > 1 {
        return loaded;
    }
    for id in others {
        let name = if id.is_empty() { "the other director" } else { id.as_str() };
        let peer = load_as(path, &Asked { host: Host::Any, id: Some(id.clone()) });
        if let Some(peer) = &peer.config {
            compare_with(&mut loaded, peer, name);
        }
    }
    loaded
}

fn finish(tree: Option<Packed>, host: Host, mut diagnostics: Diagnostics) -> Loaded {
    let config = tree.and_then(|tree| decode::decode(tree, host, &mut diagnostics).config);
    diagnostics.sort();
    Loaded { config, diagnostics }
}

fn read(path: &Path, context: &Context, diagnostics: &mut Diagnostics) -> Option<Packed> {
    let name = path.display().to_string();
    match std::fs::read(path) {
        Ok(bytes) => {
            let grammar = grammar_of(path, &bytes);
            let added = diagnostics.sources_mut().add(&*name, bytes, grammar, None);
            parse_added(&name, added, grammar, context, diagnostics)
        }
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
    context: &Context,
    diagnostics: &mut Diagnostics,
) -> Option<Packed> {
    let added = diagnostics.sources_mut().add(name, bytes, grammar, None);
    parse_added(name, added, grammar, context, diagnostics)
}

fn parse_added(
    name: &str,
    added: Result<FileId, TooMuch>,
    grammar: Grammar,
    context: &Context,
    diagnostics: &mut Diagnostics,
) -> Option<Packed> {
    match added {
        Ok(file) => Some(match grammar {
            Grammar::Keepalived => keepalived::parse(file, context, diagnostics),
            Grammar::Kdl => {
                let tree = kdl::parse(file, diagnostics);
                template::fill(Some(Path::new(name)), tree, context, diagnostics)
            }
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
