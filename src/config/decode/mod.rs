//! The tree of directives -> the model. Each block has one file with a table of its keywords; a keyword's row holds
//! what it wants, and the function that takes it. It knows no grammar: both give the same tree.
//!
//! Nothing is skipped in silence. An unknown word is a warning in a keepalived.conf and an error in KDL; a keyword that
//! keepalived knows and that has no effect here says so; a value that keepalived would replace is replaced and told.

mod addresses;
mod agent;
mod announce;
mod authentication;
mod bfd;
mod checker;
mod closed;
mod command;
mod complete;
mod dns;
mod dr;
mod file;
mod garp_group;
mod global;
mod group;
mod grpc;
mod heartbeat;
mod held;
mod host;
mod http;
mod idle;
mod instance;
mod lvs_sysctl;
mod mail;
mod notify;
mod operating;
mod options;
mod own_link;
mod pace;
mod ping;
mod pool;
mod precedence;
mod process;
mod real_server;
mod regex;
mod root;
mod route;
mod rule;
mod script;
mod service;
mod signature;
mod smtp;
mod stray;
mod sync_group;
mod table;
mod terms;
mod tls;
mod track;
mod track_group;
mod track_process;
mod tracked;
mod udp;
mod value;
mod virtual_server;
mod weigh;
mod wrong;

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use checkers::CheckSpec;

pub use self::host::Host;
use self::host::HostFacts;
use self::table::{Keyword, Keywords, Support, acts, many, no_effect, not_yet, takes_properties};
pub(super) use self::table::{Row, all_rows};
use super::diagnostic::{Diagnostic, Diagnostics, Severity};
use super::keywords;
use super::model::{Config, ScriptUser, VirtualServer};
use super::packed::Packed;
use super::source::{Grammar, Span};
use super::tree::{Directive, Form, Property};

/// What decoding gives: the model, unless an error stands in the way, and the words that went unused.
pub(super) struct Decoded {
    /// `None` where a diagnostic is an error.
    pub(super) config: Option<Config>,
    /// Words and directives that were told and left out; a conversion leaves them out too.
    pub(super) ignored: HashSet<Span>,
    /// What stands for words that are wrong.
    pub(super) instead: HashMap<Span, String>,
}

/// Decodes a tree. Every mistake goes to `diagnostics`.
pub(super) fn decode(tree: Packed, host: Host, diagnostics: &mut Diagnostics) -> Decoded {
    let mut servers = Vec::new();
    let mut decoded = decode_each(tree, host, diagnostics, &mut |server| servers.push(server));
    if let Some(config) = &mut decoded.config {
        config.virtual_servers = servers;
    }
    decoded
}

/// The same, but that each virtual server goes to `take` as soon as it is read, and is not in the model.
pub(super) fn decode_each(
    tree: Packed,
    host: Host,
    diagnostics: &mut Diagnostics,
    take: &mut dyn FnMut(VirtualServer),
) -> Decoded {
    let mut decoder = Decoder {
        take,
        diagnostics,
        host: HostFacts::new(host),
        keyword: ("", ""),
        properties_read: true,
        ignored: HashSet::new(),
        instead: HashMap::new(),
        stake: None,
        in_our_block: false,
        wrong_values: 0,
        waiting: BTreeMap::new(),
        script_user: None,
        script_security: false,
        version_at: None,
        strict_at: None,
        specs: HashSet::new(),
        log_failures: false,
        track_files: BTreeMap::new(),
        followed: Vec::new(),
        dynamic_interfaces: false,
        next_rule: rule::FIRST_PRIORITY,
    };
    let config = root::decode(&mut decoder, tree);
    decoder.tell_what_waits();
    let Decoder { ignored, instead, .. } = decoder;
    Decoded { config: (!diagnostics.has_errors()).then_some(config), ignored, instead }
}

/// A value and the place where it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct At<T> {
    value: T,
    span: Span,
}

/// What decoding one configuration has at hand.
struct Decoder<'a> {
    diagnostics: &'a mut Diagnostics,
    /// Where virtual servers go.
    take: &'a mut dyn FnMut(VirtualServer),
    host: HostFacts,
    /// The keyword being taken, and its form.
    keyword: (&'static str, &'static str),
    /// Whether something has looked at its properties.
    properties_read: bool,
    ignored: HashSet<Span>,
    /// What stands for words that are wrong.
    instead: HashMap<Span, String>,
    /// What a wrong value would take with it.
    stake: Option<wrong::Stake>,
    /// Whether this is in a block that keepalived does not have.
    in_our_block: bool,
    /// How many values were wrong so far.
    wrong_values: usize,
    /// Keywords that wait for a part of evenkeel that is not there, by what is missing.
    waiting: BTreeMap<&'static str, Vec<Span>>,
    /// `script_user`, once `global_defs` is read.
    script_user: Option<ScriptUser>,
    /// `enable_script_security`, likewise.
    script_security: bool,
    /// Where `vrrp_version` stands.
    version_at: Option<Span>,
    /// Where `vrrp_strict` stands, or the `strict_mode` of the instance at hand.
    strict_at: Option<Span>,
    /// Equal checks of one virtual server share one value.
    specs: HashSet<Arc<CheckSpec>>,
    /// `checker_log_all_failures`, once `global_defs` is read.
    log_failures: bool,
    /// `track_file` blocks by name.
    track_files: BTreeMap<String, file::TrackFile>,
    /// Sessions that a `BFD_CHECK` follows.
    followed: Vec<At<String>>,
    /// `dynamic_interfaces`, once `global_defs` is read.
    dynamic_interfaces: bool,
    /// The priority of the next rule without one.
    next_rule: u32,
}

impl Decoder<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Something that keepalived passes over: a warning in its own grammar, an error in KDL. What is marked is left
    /// out of a conversion.
    fn passed_over(&mut self, diagnostic: Diagnostic) {
        let Some(span) = diagnostic.span else { return self.report(diagnostic) };
        self.ignored.insert(span);
        let severity = match self.diagnostics.sources().file(span.file).grammar() {
            Grammar::Keepalived => Severity::Warning,
            Grammar::Kdl => Severity::Error,
        };
        self.report(Diagnostic { severity, ..diagnostic });
    }

    /// Fills a draft from a directive's block, and in KDL from its properties: `weight=3` is `{ weight 3 }`.
    fn block<T: Keywords>(&mut self, directive: &Directive, draft: &mut T) {
        self.properties_read = true;
        if !directive.properties.is_empty() {
            let given = directive.properties.iter();
            let given: Vec<Directive> = given
                .map(|Property { name, value }| Directive::new(name.clone(), vec![value.clone()]))
                .collect();
            return self.directives(given.iter().chain(directive.children()), draft);
        }
        match &directive.block {
            Some(block) => self.directives(&block.directives, draft),
            None => {
                let message = format!("`{}` has no block after it", T::BLOCK);
                let help = format!("write `{} ... {{`, its keywords, and `}}`", T::BLOCK);
                self.report(
                    Diagnostic::error("missing-block", directive.head(), message).help(help),
                );
            }
        }
    }

    fn directives<T: Keywords, D: Borrow<Directive>>(
        &mut self,
        directives: impl IntoIterator<Item = D>,
        draft: &mut T,
    ) {
        let mut seen: Vec<(&'static str, D)> = Vec::new();
        for item in directives {
            let directive: &Directive = item.borrow();
            if directive.name.form == Form::Other {
                continue;
            }
            let name = &*directive.name.text;
            // Most rows differ in the first byte: a file of 20,000 real servers looks up 200,000 words.
            let first = name.as_bytes().first();
            let is =
                |known: &&Keyword<T>| known.name.as_bytes().first() == first && known.name == name;
            let known = T::TABLES.iter().flat_map(|table| table.iter()).find(is);
            let Some(known) = known else {
                self.unknown::<T>(directive);
                continue;
            };
            if !known.many {
                match seen.iter().find(|(name, _)| *name == known.name) {
                    Some((_, first)) => self.again(known, directive, first.borrow(), draft),
                    None => {
                        self.take(known, directive, draft);
                        seen.push((known.name, item));
                    }
                }
                continue;
            }
            self.take(known, directive, draft);
        }
    }

    fn take<T>(&mut self, known: &Keyword<T>, directive: &Directive, draft: &mut T) {
        let name = known.name;
        match known.support {
            Support::Acts(take) => self.call(take, known, directive, draft),
            Support::NotYet(what) => {
                let message = format!("`{name}` is not supported by this version: {what}");
                self.without(Diagnostic::warning("not-yet", directive.head(), message), name);
            }
            Support::NoEffect(why) => {
                let message = format!("`{name}` has no effect: {why}");
                self.without(Diagnostic::warning("no-effect", directive.head(), message), name);
            }
        }
    }

    /// With what keepalived would do: what the operator goes without.
    fn without(&mut self, told: Diagnostic, name: &str) {
        self.report(match keywords::would(name) {
            Some(what) => told.help(format!("keepalived {what}")),
            None => told,
        });
    }

    fn call<T>(
        &mut self,
        take: fn(&mut Decoder<'_>, &Directive, &mut T),
        known: &Keyword<T>,
        directive: &Directive,
        draft: &mut T,
    ) {
        let name = known.name;
        if directive.block.is_some() && !known.form.contains('{') {
            let message = format!("`{name}` takes no block");
            let first = directive.children().first();
            let span = first.map_or(directive.head(), |child| child.name.span);
            let help = "a `{` too many, or a `}` missing further up";
            self.report(Diagnostic::error("surplus-block", span, message).help(help));
        }
        // The block's keyword is wanted again after its inner ones, for what is said of the whole.
        let outer = std::mem::replace(&mut self.keyword, (name, known.form));
        let read = std::mem::replace(&mut self.properties_read, directive.properties.is_empty());
        let stake = self.at_stake(directive, name);
        let in_ours = self.in_our_block;
        self.in_our_block |= directive.block.is_some() && !keywords::is_of_keepalived(name);
        take(self, directive, draft);
        (self.stake, self.in_our_block) = (stake, in_ours);
        if !self.properties_read {
            self.surplus_properties(directive);
        }
        self.properties_read = read;
        self.keyword = outer;
    }

    /// One warning for all keywords that wait for the same thing, at the first of them.
    fn tell_what_waits(&mut self) {
        const MOST: usize = 8;
        for (what, mut spans) in std::mem::take(&mut self.waiting) {
            // The block of a group is read for each of its entries.
            let mut seen = HashSet::new();
            spans.retain(|span| seen.insert(*span));
            let [first, others @ ..] = &spans[..] else { continue };
            let text = self.diagnostics.sources().slice(*first);
            let name = text.split_whitespace().next().unwrap_or_default().to_owned();
            let more = match others.len() {
                0 => String::new(),
                others => format!(" and {others} more"),
            };
            let message = format!("`{name}`{more}: not supported by this version: {what}");
            let mut diagnostic = Diagnostic::warning("not-yet", *first, message);
            diagnostic.help = keywords::would(&name).map(|what| format!("keepalived {what}"));
            for span in others.iter().take(MOST) {
                diagnostic = diagnostic.related(*span, "likewise");
            }
            self.report(diagnostic);
        }
    }
}
