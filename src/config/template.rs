//! The KDL form of what stands before keywords: `include`, `when` and `unless`, `define` and `use`, `repeat`, and
//! `${NAME}` in words. It works on the tree, so that braces always match; it knows no other keyword.
//!
//! ```kdl
//! define "NET" "10.0.0"
//! when "lb1" { define "PRIORITY" 150 }
//! unless "lb1" { define "PRIORITY" 100 }
//! define "RS" { real_server "${NET}.${1}" 80 { weight 1 } }
//! repeat "I" from=3 to=6 { use "RS" "${I}" }
//! repeat "I,W" "7,1" "8,2" { real_server "${NET}.${I}" 80 { weight "${W}" } }
//! ```

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use compact_str::CompactString;

use super::context::Context;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::expand::repetition::Repetition;
use super::include::Policy;
use super::packed::Packed;
use super::source::{Grammar, Span, Via};
use super::tree::{Block, Directive, Form, Word};

/// The nodes that are read here, with what follows them.
pub(super) const FORMS: [(&str, &str); 6] = [
    ("include", "PATTERN"),
    ("when", "ID ... { ... }"),
    ("unless", "ID ... { ... }"),
    ("define", "NAME VALUE | NAME { ... }"),
    ("use", "NAME [VALUE ...]"),
    ("repeat", "NAME [from=START] to=END [step=STEP] [hex=BOOL] | NAMES VALUES ... { ... }"),
];

/// Deepest nesting of blocks, files and definitions.
const MAX_DEPTH: usize = 64;
/// Longest word that may come of names within names, and how deep they nest.
const MAX_WORD: usize = 64 << 10;
const MAX_NAMES: usize = 32;

/// Fills a tree in. One that has nothing of this stays as it is.
pub(super) fn fill(
    path: Option<&Path>,
    tree: Packed,
    context: &Context,
    diagnostics: &mut Diagnostics,
) -> Packed {
    if !tree.directives().any(|one| is_template(&one)) {
        return tree;
    }
    let mut filler = Filler {
        diagnostics,
        definitions: HashMap::new(),
        context,
        files: path.and_then(|path| path.canonicalize().ok()).into_iter().collect(),
        folders: vec![context.folder.clone()],
        made: 0,
        depth: 0,
        policy: Policy::KDL,
    };
    let mut filled = Packed::beside(&tree);
    filled.closing.clone_from(&tree.closing);
    let mut made = Vec::new();
    for node in tree.directives() {
        if !filler.nodes(std::slice::from_ref(&node), Via::default(), &mut made) {
            break;
        }
        made.drain(..).for_each(|one| filled.push(&one));
    }
    filled
}

fn is_template(one: &Directive) -> bool {
    is_ours(one)
        || std::iter::once(&one.name)
            .chain(&one.arguments)
            .chain(one.properties.iter().map(|property| &property.value))
            .any(|word| word.text.contains("${"))
        || one.children().iter().any(is_template)
}

/// Names in lists are in quotes: an instance may be called "use".
fn is_ours(directive: &Directive) -> bool {
    directive.name.form == Form::Bare && FORMS.iter().any(|(name, _)| directive.name.is(name))
}

/// Marks the nodes that are read here, for who writes a tree that is not filled in.
pub(super) fn mark(block: &mut Block) {
    for directive in &mut block.directives {
        if is_ours(directive) {
            directive.name.form = Form::Made;
        }
        directive.block.iter_mut().for_each(mark);
    }
}

/// What a name stands for.
#[derive(Clone)]
enum Meaning {
    Value(CompactString),
    Nodes(Vec<Directive>),
}

struct Filler<'a> {
    diagnostics: &'a mut Diagnostics,
    definitions: HashMap<String, Meaning>,
    context: &'a Context,
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    /// Nodes made so far, and turns taken.
    made: usize,
    depth: usize,
    /// `include_check`, for the file that is read and what it includes.
    policy: Policy,
}

impl Filler<'_> {
    /// False where they come to too much: what is left of them is not made.
    fn nodes(&mut self, nodes: &[Directive], via: Via, into: &mut Vec<Directive>) -> bool {
        self.depth += 1;
        let mut fits = true;
        for node in nodes {
            self.made += 1;
            fits = self.made <= self.context.lines && self.depth <= MAX_DEPTH;
            if !fits {
                self.too_much(node.head().through(via));
                break;
            }
            match (&*node.name.text, is_ours(node)) {
                ("include", true) => self.include(node, via, into),
                ("when", true) => self.condition(node, true, via, into),
                ("unless", true) => self.condition(node, false, via, into),
                ("define", true) => self.define(node, via),
                ("use", true) => self.use_nodes(node, via, into),
                ("repeat", true) => self.repeat(node, via, into),
                _ => {
                    if node.name.is("include_check") && node.name.form == Form::Bare {
                        let words: Vec<&str> =
                            node.arguments.iter().map(|word| &*word.text).collect();
                        // What is wrong with them is told by who reads keywords.
                        self.policy = self.policy.changed(&words).unwrap_or(self.policy);
                    }
                    let filled = self.node(node, via);
                    into.push(filled);
                }
            }
        }
        self.depth -= 1;
        fits
    }

    /// Told once: a text that is too much in one place is in others too.
    fn too_much(&mut self, span: Span) {
        let outer = self.diagnostics.sources().trail(span).last().map_or(span, |trail| trail.at);
        let (message, help) = match self.depth > MAX_DEPTH {
            true => (format!("nested deeper than {MAX_DEPTH}"), "does a definition use itself?"),
            false => {
                (format!("more than {} nodes come of this", self.context.lines), "repeat less")
            }
        };
        self.diagnostics.push(Diagnostic::error("expansion", outer, message).help(help));
        self.made = self.context.lines;
    }

    fn node(&mut self, node: &Directive, via: Via) -> Directive {
        let mut filled = Directive::new(
            self.word(&node.name, via),
            node.arguments.iter().map(|word| self.word(word, via)).collect(),
        );
        filled.comments = node.comments.clone();
        filled.properties = node.properties.clone();
        for property in &mut filled.properties {
            property.name.span = property.name.span.through(via);
            property.value = self.word(&property.value, via);
        }
        filled.block = node.block.as_ref().map(|block| {
            let mut directives = Vec::new();
            self.nodes(&block.directives, via, &mut directives);
            Block { directives, closing: block.closing.clone() }
        });
        filled
    }

    /// A word with what its names stand for.
    fn word(&mut self, word: &Word, via: Via) -> Word {
        let span = word.span.through(via);
        let mut text = word.text.clone();
        for depth in 0.. {
            let Some(next) = self.put_in(&text) else { break };
            text = next;
            if depth == MAX_NAMES || text.len() > MAX_WORD {
                let message = "names within names without an end";
                self.diagnostics.push(Diagnostic::error("expansion", span, message));
                break;
            }
        }
        // What came of a name is a number if it looks like one, whatever its quotes.
        Word { text, span, form: word.form }
    }

    /// The text with each name replaced once; `None` if there is none that is known.
    fn put_in(&self, text: &str) -> Option<CompactString> {
        let mut out = String::new();
        let mut rest = text;
        let mut changed = false;
        while let Some(start) = rest.find("${") {
            let close = start + rest[start..].find('}')?;
            out.push_str(&rest[..start]);
            match self.value(&rest[start + 2..close]) {
                Some(value) => {
                    out.push_str(&value);
                    changed = true;
                }
                None => out.push_str(&rest[start..=close]),
            }
            rest = &rest[close + 1..];
            if out.len() > MAX_WORD {
                break;
            }
        }
        out.push_str(rest);
        changed.then(|| out.into())
    }

    fn value(&self, name: &str) -> Option<String> {
        if let Some(Meaning::Value(value)) = self.definitions.get(name) {
            return Some(value.to_string());
        }
        match name.split_once(' ').unwrap_or((name, "")) {
            ("_INSTANCE", "") => Some(self.context.id.clone()),
            ("_PWD", "") => {
                let folder = self.folders.last()?;
                let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
                Some(folder.display().to_string())
            }
            ("_ENV", variable) if super::expand::is_name(variable) => std::env::var(variable).ok(),
            _ => None,
        }
    }

    fn condition(&mut self, node: &Directive, wanted: bool, via: Via, into: &mut Vec<Directive>) {
        if node.arguments.is_empty() || node.block.is_none() {
            return self.wrong(node, via);
        }
        for id in &node.arguments {
            self.diagnostics.landmarks_mut().mention(&id.text);
        }
        if node.arguments.iter().any(|id| id.is(&self.context.id)) == wanted {
            self.nodes(node.children(), via, into);
        }
    }

    fn define(&mut self, node: &Directive, via: Via) {
        let meaning = match (&node.arguments[..], &node.block) {
            ([_, value], None) => Meaning::Value(value.text.clone()),
            ([_], Some(block)) => Meaning::Nodes(block.directives.clone()),
            _ => return self.wrong(node, via),
        };
        let Some(name) = node.arguments.first() else { return };
        if !super::expand::is_name(&name.text) {
            return self.wrong(node, via);
        }
        self.definitions.insert(name.text.to_string(), meaning);
    }

    fn use_nodes(&mut self, node: &Directive, via: Via, into: &mut Vec<Directive>) {
        let Some((name, arguments)) = node.arguments.split_first() else {
            return self.wrong(node, via);
        };
        let Some(Meaning::Nodes(nodes)) = self.definitions.get(&*name.text).cloned() else {
            let message = format!("nothing defines `{}` as a block before this", name.text);
            let span = name.span.through(via);
            let help = format!("write: define \"{}\" {{ ... }}", name.text);
            self.diagnostics.push(Diagnostic::error("unresolved", span, message).help(help));
            return;
        };
        let values: Vec<CompactString> =
            arguments.iter().map(|word| self.word(word, via).text).collect();
        let number = |number: usize| (number + 1).to_string();
        for (at, value) in values.into_iter().enumerate() {
            self.definitions.insert(number(at), Meaning::Value(value));
        }
        let at = node.head().through(via);
        let inner = self.diagnostics.sources_mut().note(format!("\"{}\"", name.text), at);
        self.nodes(&nodes, inner, into);
        (0..arguments.len()).for_each(|at| _ = self.definitions.remove(&number(at)));
    }

    fn repeat(&mut self, node: &Directive, via: Via, into: &mut Vec<Directive>) {
        let span = node.head().through(via);
        let repetition = match self.repetition(node, via) {
            Ok(repetition) if node.block.is_some() => repetition,
            Ok(_) => return self.wrong(node, via),
            Err(why) => {
                let message = format!("this cannot be repeated: {why}");
                let help =
                    "repeat \"I\" from=1 to=9 { ... }, repeat \"A,B\" \"1,2\" \"3,4\" { ... }";
                self.diagnostics.push(Diagnostic::error("expansion", span, message).help(help));
                return;
            }
        };
        for turn in 0.. {
            let Some(values) = repetition.turn(turn) else { break };
            self.made += 1;
            if self.made > self.context.lines {
                return self.too_much(span);
            }
            let mut said = Vec::new();
            for (name, value) in repetition.names.iter().zip(values) {
                said.push(format!("{name}={value}"));
                self.definitions.insert(name.clone(), Meaning::Value(value.into()));
            }
            let what = format!("the repetition ({})", said.join(", "));
            let inner = self.diagnostics.sources_mut().note(what, span);
            self.nodes(node.children(), inner, into);
        }
    }

    fn repetition(&mut self, node: &Directive, via: Via) -> Result<Repetition, String> {
        let (names, values) = node.arguments.split_first().ok_or("a name is missing")?;
        if !values.is_empty() {
            let names: Vec<&str> = names.text.split(',').map(str::trim).collect();
            let split =
                |word: Word| word.text.split(',').map(|one| one.trim().to_owned()).collect();
            let tuples = values.iter().map(|word| split(self.word(word, via))).collect();
            return Repetition::list(&names, tuples);
        }
        let mut given: HashMap<&str, i64> = HashMap::new();
        let mut hex = false;
        for property in &node.properties {
            let value = self.word(&property.value, via);
            match &*property.name.text {
                "hex" => hex = value.is("true"),
                name @ ("from" | "to" | "step") => {
                    let number: i32 = value.text.parse().map_err(|_| {
                        format!("`{}` for `{name}` is no number of 32 bits", value.text)
                    })?;
                    given.insert(name, number.into());
                }
                other => return Err(format!("`{other}` is none of from, to, step, hex")),
            }
        }
        let to = *given.get("to").ok_or("neither values nor `to`")?;
        let from = given.get("from").copied().unwrap_or(if to < 0 { -1 } else { 1 });
        let step = given.get("step").copied().unwrap_or(if to < from { -1 } else { 1 });
        Repetition::sequence(&names.text, from, step, to, hex)
    }

    fn include(&mut self, node: &Directive, via: Via, into: &mut Vec<Directive>) {
        let at = node.head().through(via);
        let [pattern] = &node.arguments[..] else { return self.wrong(node, via) };
        let pattern = self.word(pattern, via).text;
        let folder = self.folders.last().cloned().unwrap_or_default();
        for path in self.diagnostics.included(&pattern, &folder, self.policy, at) {
            let canonical = path.canonicalize().unwrap_or_else(|_| path.clone());
            if self.files.contains(&canonical) {
                let message = format!("{} includes itself", path.display());
                self.diagnostics.push(Diagnostic::error("include", at, message));
                continue;
            }
            let keepalived = path.extension().is_some_and(|ending| ending == "conf");
            let grammar = if keepalived { Grammar::Keepalived } else { Grammar::Kdl };
            let opened = self.diagnostics.open(&path, grammar, at, self.policy);
            let Some(file) = opened else { continue };
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            let context = Context { folder: folder.clone(), ..self.context.clone() };
            let tree = match grammar {
                Grammar::Keepalived => super::keepalived::parse(file, &context, self.diagnostics),
                Grammar::Kdl => super::kdl::parse(file, self.diagnostics),
            };
            self.files.push(canonical);
            self.folders.push(folder);
            let outer = self.policy;
            match grammar {
                Grammar::Keepalived => into.extend(tree.directives()),
                Grammar::Kdl => {
                    for node in tree.directives() {
                        if !self.nodes(std::slice::from_ref(&node), via, into) {
                            break;
                        }
                    }
                }
            }
            self.policy = outer;
            self.folders.pop();
            self.files.pop();
        }
    }

    fn wrong(&mut self, node: &Directive, via: Via) {
        let name = &node.name.text;
        let form = FORMS.iter().find(|(known, _)| known == &&**name).map_or("", |(_, form)| form);
        let message = format!("this is not how `{name}` is written");
        let span = node.head().through(via);
        let help = format!("write `{name} {form}`");
        self.diagnostics.push(Diagnostic::error("bad-value", span, message).help(help));
    }
}

#[cfg(test)]
mod tests;
