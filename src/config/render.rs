//! The tree -> KDL, for `evenkeel convert`: the same directives in the same order, with their comments, as somebody
//! would write them in KDL. What decoding passed over becomes a comment. It knows which arguments are options and
//! which lists are plain; for the rest it knows no keyword.

use std::collections::HashSet;

use super::kdl::is_forbidden;
use super::keywords;
use super::lexer::is_command_keyword;
use super::source::{Sources, Span};
use super::tree::{Block, Comment, Comments, Directive, Form, Property, Word};

/// Widest line that a block is folded into.
const WIDTH: usize = 100;

/// Words that take a value, and are written `name=value`.
const OPTIONS: [&str; 19] = [
    "dev",
    "brd",
    "broadcast",
    "label",
    "scope",
    "peer",
    "preferred_lft",
    "track_group",
    "weight",
    "min_ttl",
    "max_ttl",
    "inst",
    "id",
    "maxlen",
    "port",
    "ttl",
    "tcp",
    "tcpfin",
    "udp",
];
/// Blocks whose lines begin with a name or address and go on with options.
const OPTION_BLOCKS: [&str; 6] = [
    "virtual_ipaddress",
    "virtual_ipaddress_excluded",
    "track_interface",
    "track_script",
    "unicast_peer",
    "track_process",
];
/// Keywords whose own arguments are options, after so many plain ones.
const OPTION_KEYWORDS: [(&str, usize); 4] =
    [("lvs_sync_daemon", 1), ("lvs_timeouts", 0), ("lvs_method", 1), ("lb_kind", 1)];
/// Blocks that are lists of names, several of which may share a line.
const LISTS: [&str; 2] = ["group", "notification_email"];
/// Keywords of a block that are written as a property of its line.
const PROPERTIES: [(&str, &str); 1] = [("real_server", "weight")];
/// Commands without user and group after them.
const PLAIN_COMMANDS: [&str; 2] = ["script", "misc_path"];

/// Writes a tree as KDL, without what is `ignored`.
pub(super) fn render(tree: &Block, ignored: &HashSet<Span>, sources: &Sources) -> String {
    let mut writer = Writer { ignored, sources, text: String::new(), depth: 0 };
    writer.block(tree, "");
    writer.text
}

struct Writer<'a> {
    ignored: &'a HashSet<Span>,
    sources: &'a Sources,
    text: String,
    depth: usize,
}

impl Writer<'_> {
    fn block(&mut self, block: &Block, owner: &str) {
        for (number, directive) in block.directives.iter().enumerate() {
            let top = owner.is_empty()
                && (directive.block.is_some() || !directive.comments.before.is_empty());
            let comments = &directive.comments.before;
            let spaced = top
                || match comments.first() {
                    Some(comment) => comment.spaced,
                    None => directive.comments.spaced,
                };
            if spaced && number > 0 {
                self.text.push('\n');
            }
            for (at, comment) in comments.iter().enumerate() {
                self.comment(comment, at > 0);
            }
            if directive.comments.spaced && !comments.is_empty() {
                self.text.push('\n');
            }
            if LISTS.contains(&owner) && directive.name.form != Form::Made {
                self.list_line(directive);
            } else {
                self.directive(directive, owner);
            }
        }
        for comment in &block.closing {
            self.comment(comment, true);
        }
    }

    fn comment(&mut self, comment: &Comment, may_space: bool) {
        if comment.spaced && may_space && !self.text.is_empty() {
            self.text.push('\n');
        }
        let text = printable(&comment.text);
        self.line(format!("// {text}").trim_end());
    }

    fn line(&mut self, text: &str) {
        self.text.extend(std::iter::repeat_n("    ", self.depth));
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// The names of a list, one a line.
    fn list_line(&mut self, directive: &Directive) {
        let words = std::iter::once(&directive.name).chain(&directive.arguments);
        let kept: Vec<&Word> = words.filter(|word| !self.ignored.contains(&word.span)).collect();
        for word in kept {
            self.line(&quoted(&word.text));
        }
    }

    fn directive(&mut self, directive: &Directive, owner: &str) {
        if directive.name.form == Form::Other {
            return;
        }
        if self.ignored.contains(&directive.head()) || self.ignored.contains(&directive.name.span) {
            return self.left_out(directive);
        }
        let hoisted = self.hoisted(directive);
        let head = self.head(directive, owner, hoisted.map(|at| &directive.children()[at]));
        let after = directive.comments.after.as_ref().map(|comment| printable(&comment.text));
        let after = after.map(|text| format!(" // {text}")).unwrap_or_default();
        let left = hoisted.and_then(|at| {
            let mut block = directive.block.clone()?;
            block.directives.remove(at);
            Some(block)
        });
        let block = left.as_ref().or(directive.block.as_ref());
        let emptied = |block: &&Block| {
            left.is_some() && block.directives.is_empty() && block.closing.is_empty()
        };
        let Some(block) = block.filter(|block| !emptied(block)) else {
            return self.line(format!("{head}{after}").trim_end());
        };
        if block.directives.is_empty() && block.closing.is_empty() {
            return self.line(format!("{head} {{ }}{after}").trim_end());
        }
        let inner = if directive.name.form == Form::Made { owner } else { &directive.name.text };
        if let Some(inner) = self.folded(block, inner, head.len()) {
            return self.line(format!("{head} {{ {inner} }}{after}").trim_end());
        }
        self.line(format!("{head} {{{after}").trim_end());
        self.depth += 1;
        // What stands under a condition belongs to the block around it.
        let inner = if directive.name.form == Form::Made { owner } else { &directive.name.text };
        self.block(block, inner);
        self.depth -= 1;
        self.line("}");
    }

    /// The text of a block that fits on the line of its keyword: one directive without a block of its own.
    fn folded(&self, block: &Block, owner: &str, before: usize) -> Option<String> {
        let [only] = &block.directives[..] else { return None };
        let comments = &only.comments;
        let empty = |block: &Block| {
            let left = block.directives.len() - usize::from(self.hoisted(only).is_some());
            left == 0 && block.closing.is_empty()
        };
        let plain = only.block.as_ref().is_none_or(empty)
            && comments.before.is_empty()
            && comments.after.is_none();
        if !plain || !block.closing.is_empty() || owner.is_empty() || self.depth == 0 {
            return None;
        }
        let mut inner =
            Writer { ignored: self.ignored, sources: self.sources, text: String::new(), depth: 0 };
        inner.block(block, owner);
        let text = inner.text.strip_suffix('\n')?;
        let fits = !text.contains('\n') && !text.starts_with("//");
        (fits && before + text.len() + 4 * self.depth < WIDTH).then(|| text.to_owned())
    }

    /// The child that reads better as a property: the weight of a real server.
    fn hoisted(&self, directive: &Directive) -> Option<usize> {
        let wanted = PROPERTIES.iter().find(|(keyword, _)| directive.name.is(keyword))?.1;
        let mut found =
            directive.children().iter().enumerate().filter(|(_, child)| child.name.is(wanted));
        let (at, child) = found.next()?;
        let Comments { spaced: _, before, after } = &child.comments;
        let plain = before.is_empty()
            && after.is_none()
            && child.arguments.len() == 1
            && child.properties.is_empty()
            && child.block.is_none();
        let told = self.ignored.contains(&child.head())
            || self.ignored.contains(&child.name.span)
            || child.arguments.iter().any(|word| self.ignored.contains(&word.span));
        let once = found.next().is_none()
            && !directive.properties.iter().any(|property| property.name.is(wanted));
        (plain && once && !told).then_some(at)
    }

    fn left_out(&mut self, directive: &Directive) {
        let text = printable(self.sources.slice(directive.head()));
        let block = if directive.block.is_some() { " { ... }" } else { "" };
        self.line(&format!("// left out: {text}{block}"));
    }

    /// The keyword with its arguments.
    fn head(&self, directive: &Directive, owner: &str, hoisted: Option<&Directive>) -> String {
        let name = &*directive.name.text;
        let kept = |word: &&Word| !self.ignored.contains(&word.span);
        let arguments: Vec<&Word> = directive.arguments.iter().filter(kept).collect();
        let plain_first =
            OPTION_KEYWORDS.iter().find(|(keyword, _)| *keyword == name).map(|(_, plain)| *plain);
        let made = directive.name.form == Form::Made;
        let owner = if made { "" } else { owner };
        let mut head = if OPTION_BLOCKS.contains(&owner) { quoted(name) } else { node_name(name) };
        let mut push = |text: String| {
            head.push(' ');
            head.push_str(&text);
        };
        if OPTION_BLOCKS.contains(&owner) {
            options(&arguments, &mut push);
        } else if let Some(plain) = plain_first {
            let plain = plain.min(arguments.len());
            arguments[..plain].iter().for_each(|word| push(value(word)));
            options(&arguments[plain..], &mut push);
        } else if is_command_keyword(name) && !PLAIN_COMMANDS.contains(&name) {
            for (word, key) in arguments.iter().zip(["", "user=", "group="]) {
                push(format!("{key}{}", quoted(&word.text)));
            }
        } else if is_command_keyword(name) {
            arguments.iter().for_each(|word| push(quoted(&word.text)));
        } else if keywords::is_switch(name) {
            arguments.iter().for_each(|word| push(switch(word)));
        } else {
            arguments.iter().for_each(|word| push(value(word)));
        }
        if let Some(child) = hoisted {
            child
                .arguments
                .iter()
                .for_each(|word| push(format!("{}={}", child.name.text, value(word))));
        }
        for Property { name, value: given } in &directive.properties {
            if !self.ignored.contains(&name.span.to(given.span)) {
                push(format!("{}={}", node_name(&name.text), value(given)));
            }
        }
        head
    }
}

/// `dev eth0 no_track` as `"no_track" dev="eth0"`.
fn options(words: &[&Word], push: &mut impl FnMut(String)) {
    let mut words = words.iter();
    let mut properties = Vec::new();
    while let Some(word) = words.next() {
        let takes = OPTIONS.contains(&&*word.text) || word.is("type");
        match takes.then(|| words.next()).flatten() {
            Some(given) => properties.push(format!("{}={}", word.text, value(given))),
            None => push(value(word)),
        }
    }
    properties.into_iter().for_each(push);
}

fn switch(word: &Word) -> String {
    match &*word.text {
        "on" | "yes" | "true" => "#true".to_owned(),
        "off" | "no" | "false" => "#false".to_owned(),
        _ => value(word),
    }
}

/// Numbers bare, switches as such, everything else in quotes.
fn value(word: &Word) -> String {
    match word.form {
        Form::Boolean => format!("#{}", word.text),
        Form::Bare if is_number(&word.text) => word.text.to_string(),
        Form::Bare | Form::Quoted | Form::Made | Form::Other => quoted(&word.text),
    }
}

/// A number that KDL reads and that reads back with the same digits.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| {
        (1..=18).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    plain(whole) && plain(fraction)
}

/// A keyword, in quotes where KDL wants them.
fn node_name(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let reserved = ["true", "false", "null", "inf", "nan"].contains(&name);
    if starts && !reserved && name.bytes().all(plain) { name.to_owned() } else { quoted(name) }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            c if is_forbidden(c) || c.is_whitespace() && c != ' ' => {
                out.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A comment holds what KDL allows: no line ends, no control characters.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if is_forbidden(c) || c.is_whitespace() && c != '\t' { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}
