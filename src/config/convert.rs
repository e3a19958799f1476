//! A configuration rewritten as KDL, and what there is to say of that.
//!
//! Definitions, repetitions and files are written out: they are text in a keepalived.conf, and may hold half a block.
//! Conditions stay: the text is read once for each director that it names, and once for whoever it does not name, and
//! what these have not in common is put under `when` or `unless`. What comes out is read again for each of them, and
//! must give the model that the original gives.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use super::context::Context;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::model::Config;
use super::source::{Grammar, Span};
use super::tree::{Block, Directive, Form};
use super::{Asked, Host, Severity, decode, keywords, merge, render, template};

/// A configuration rewritten as KDL.
#[derive(Debug)]
pub struct Converted {
    /// The KDL; `None` where the file cannot be read at all.
    pub kdl: Option<String>,
    /// Everything that is wrong with the original.
    pub diagnostics: Diagnostics,
    /// What became of it.
    pub report: Report,
}

/// What became of the directives of a configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many directives mean what they mean in keepalived.
    pub exact: usize,
    /// Keywords that differ on purpose: the first line of each, and how.
    pub differs: Vec<(String, String, &'static str)>,
    /// Places of what is read and has no effect here: a line, behind the name of its file where that is an included one.
    pub no_effect: Vec<String>,
    /// Places of what is passed over, as keepalived does, and stands in a comment or nowhere.
    pub left_out: Vec<String>,
    /// The directors whose conditions were kept.
    pub directors: Vec<String>,
    /// The director for which conditions were decided, where they could not be kept.
    pub decided: Option<String>,
}

/// Rewrites a file as KDL: the same directives in the same order with their comments, without what is passed over.
pub fn convert(path: &Path) -> Converted {
    convert_as(path, None)
}

/// Rewrites a file as KDL. With an id, conditions are decided for that director instead of being kept.
pub fn convert_as(path: &Path, id: Option<&str>) -> Converted {
    match std::fs::read(path) {
        Ok(bytes) => {
            let grammar = super::grammar_of(path, &bytes);
            Original { name: &path.display().to_string(), bytes: &bytes, grammar }.convert(id)
        }
        Err(error) => {
            let mut diagnostics = Diagnostics::default();
            let message = format!("{}: {error}", path.display());
            diagnostics.push(Diagnostic::of_file("unreadable", message));
            Converted { kdl: None, diagnostics, report: Report::default() }
        }
    }
}

/// Rewrites a text as KDL.
pub fn convert_text(name: &str, text: &[u8], grammar: Grammar) -> Converted {
    Original { name, bytes: text, grammar }.convert(None)
}

/// What is rewritten.
struct Original<'a> {
    name: &'a str,
    bytes: &'a [u8],
    grammar: Grammar,
}

/// The trees of several directors, with what is wrong in any of them.
struct Readings {
    ids: Vec<String>,
    trees: Vec<Block>,
    configs: Vec<Option<Config>>,
    ignored: HashSet<Span>,
    diagnostics: Diagnostics,
}

impl Original<'_> {
    fn convert(&self, id: Option<&str>) -> Converted {
        let own =
            Asked { host: Host::Any, id: id.map(str::to_owned) }.context(Path::new(self.name));
        let alone = self.read(&[], std::slice::from_ref(&own));
        let mentioned: Vec<String> =
            alone.diagnostics.landmarks().ids().map(str::to_owned).collect();
        if self.grammar == Grammar::Keepalived
            && id.is_none()
            && !mentioned.is_empty()
            && mentioned.len() < merge::MOST
            && let Some(kept) = self.with_conditions(mentioned.clone(), &own)
        {
            return kept;
        }
        let mut converted = self.write(alone, None);
        if !mentioned.is_empty() && self.grammar == Grammar::Keepalived {
            converted.report.decided = Some(own.id);
        }
        converted
    }

    /// Conditions kept, if what comes out says the same to everybody.
    fn with_conditions(&self, ids: Vec<String>, own: &Context) -> Option<Converted> {
        // No host has this name.
        let nobody = "\u{1}".to_owned();
        let contexts: Vec<Context> = ids
            .iter()
            .chain([&nobody])
            .map(|id| Context { id: id.clone(), ..own.clone() })
            .collect();
        let readings = self.read(&ids, &contexts);
        // An included file may name further directors.
        if readings.diagnostics.landmarks().ids().count() != ids.len() {
            return None;
        }
        let models = readings.configs.clone();
        let converted = self.write(readings, Some(&ids));
        let kdl = converted.kdl.as_ref()?;
        let same = contexts.iter().zip(models).all(|(context, model)| {
            let asked = Asked { host: Host::Any, id: Some(context.id.clone()) };
            super::load_text_as(self.name, kdl.as_bytes(), Grammar::Kdl, &asked).config == model
        });
        same.then_some(converted)
    }

    fn read(&self, ids: &[String], contexts: &[Context]) -> Readings {
        let mut readings = Readings {
            ids: ids.to_vec(),
            trees: Vec::new(),
            configs: Vec::new(),
            ignored: HashSet::new(),
            diagnostics: Diagnostics::default(),
        };
        for context in contexts {
            let Readings { diagnostics, .. } = &mut readings;
            let errors = diagnostics.count(Severity::Error);
            let tree = super::parse(self.name, self.bytes, self.grammar, context, diagnostics);
            let Some(tree) = tree.filter(|_| diagnostics.count(Severity::Error) == errors) else {
                readings.configs.push(None);
                continue;
            };
            let mut whole = tree.whole();
            let decoded = decode::decode(tree, Host::Any, diagnostics);
            readings.ignored.extend(decoded.ignored);
            put_instead(&mut whole, &decoded.instead);
            readings.configs.push(decoded.config);
            readings.trees.push(whole);
        }
        readings
    }

    fn write(&self, readings: Readings, ids: Option<&[String]>) -> Converted {
        let Readings { ids: directors, mut trees, configs, ignored, mut diagnostics } = readings;
        let whole = trees.len() == configs.len();
        let tree = match (ids, self.grammar) {
            _ if !whole => None,
            (Some(ids), _) => Some(merge::merge(trees, ids)),
            // KDL keeps its conditions and definitions as they were written.
            (None, Grammar::Kdl) => self.raw(&mut diagnostics),
            (None, Grammar::Keepalived) => trees.pop(),
        };
        diagnostics.sort();
        diagnostics.unite();
        let mut report = Report { directors, ..Report::default() };
        if let Some(tree) = &tree {
            report.count(tree, &diagnostics);
        }
        let kdl = tree.map(|tree| render::render(&tree, &ignored, diagnostics.sources()));
        Converted { kdl, diagnostics, report }
    }

    /// The tree of a KDL text before anything is put in.
    fn raw(&self, diagnostics: &mut Diagnostics) -> Option<Block> {
        // It was read before: what is wrong with it is known.
        let file = diagnostics.sources().first()?;
        let mut tree = super::kdl::parse(file, diagnostics).whole();
        template::mark(&mut tree);
        Some(tree)
    }
}

impl Report {
    fn count(&mut self, tree: &Block, diagnostics: &Diagnostics) {
        let (mut total, mut names) = (0_usize, BTreeMap::new());
        walk(tree, &mut |directive| {
            total += 1;
            names.entry(&*directive.name.text).or_insert(directive.name.span);
        });
        let mut places: [BTreeSet<_>; 3] = Default::default();
        for told in diagnostics.iter() {
            let Some(span) = told.span else { continue };
            let at = match told.code {
                "not-yet" | "no-effect" => 0,
                "unknown-keyword" | "unknown-option" | "surplus-word" | "free-text" => 1,
                _ => 2,
            };
            // What is told together stands in several places.
            let others = told.related.iter().filter(|_| at == 0);
            places[at].extend(others.map(|(span, _)| line_of(diagnostics, *span)));
            places[at].insert(line_of(diagnostics, span));
        }
        for (name, span) in names {
            let place = diagnostics.sources().place(span);
            let notes = keywords::DIFFERS.iter().filter(|(keyword, _)| *keyword == name);
            for (_, note) in notes {
                self.differs.push((place.to_string(), name.to_owned(), note));
            }
        }
        let said = places.iter().map(BTreeSet::len).sum::<usize>() + self.differs.len();
        self.exact = total.saturating_sub(said);
        let [no_effect, left_out, _] = places;
        let lines = |lines: BTreeSet<(Option<String>, usize)>| {
            let named = |(file, line): &(Option<String>, usize)| match file {
                Some(file) => format!("{file}:{line}"),
                None => line.to_string(),
            };
            lines.iter().map(named).collect()
        };
        (self.no_effect, self.left_out) = (lines(no_effect), lines(left_out));
    }
}

/// A line; with its file, unless that is the one that was read first.
fn line_of(diagnostics: &Diagnostics, span: Span) -> (Option<String>, usize) {
    let place = diagnostics.sources().place(span);
    let first = diagnostics.sources().names().next();
    (Some(place.file).filter(|file| first != Some(file)), place.line)
}

/// Puts what is taken in the place of words that are wrong.
fn put_instead(block: &mut Block, instead: &HashMap<Span, String>) {
    if instead.is_empty() {
        return;
    }
    for directive in &mut block.directives {
        for word in std::iter::once(&mut directive.name).chain(&mut directive.arguments) {
            if let Some(other) = instead.get(&word.span) {
                word.text = other.as_str().into();
            }
        }
        directive.block.iter_mut().for_each(|inner| put_instead(inner, instead));
    }
}

fn walk<'t>(block: &'t Block, visit: &mut impl FnMut(&'t Directive)) {
    for directive in &block.directives {
        if !matches!(directive.name.form, Form::Made | Form::Other) {
            visit(directive);
        }
        directive.block.iter().for_each(|inner| walk(inner, visit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text_as;

    /// The KDL of a text, which must mean to each director what the text means to it.
    fn kept(text: &str, ids: &[&str]) -> String {
        let Converted { kdl, report, .. } = convert_text("k", text.as_bytes(), Grammar::Keepalived);
        assert_eq!(report.decided, None, "{text}");
        let kdl = kdl.unwrap();
        for id in ids {
            let read = |text: &str, grammar| {
                let asked = Asked { host: Host::Any, id: Some((*id).to_owned()) };
                load_text_as("k", text.as_bytes(), grammar, &asked).config
            };
            let original = read(text, Grammar::Keepalived);
            assert!(original.is_some(), "{id}: {text}");
            assert_eq!(read(&kdl, Grammar::Kdl), original, "{id}: {kdl}");
        }
        let again = convert_text("k", kdl.as_bytes(), Grammar::Kdl).kdl;
        assert_eq!(again.as_deref(), Some(&*kdl));
        kdl
    }

    #[test]
    fn a_file_that_three_directors_share_loses_nothing() {
        let text = "# the pair\n$NET=10.0.0\n@lb1 $P=150\n@lb2 $P=100\n@^lb1 $EXTRA=yes\n\
            vrrp_instance V {\n interface eth0\n virtual_router_id 5\n # who is first\n @lb1 priority $P\n \
            @lb2 priority $P\n @^lb3 nopreempt\n virtual_ipaddress {\n  $NET.100\n  ${NET}.100/24\n  \
            @lb3 10.0.0.103/24 dev eth1\n }\n}\n\
            @lb3 vrrp_instance W {\n@lb3 interface eth1\n@lb3 virtual_router_id 6\n@lb3 virtual_ipaddress {\n\
            @lb3 10.1.0.1\n@lb3 }\n@lb3 }\n\
            virtual_server ${NET}.100 80 {\n lb_kind DR\n protocol TCP\n ~SEQ(I, 3, 5) real_server ${NET}.$I 80 { }\n \
            @lb2 real_server 10.0.0.9 80 {\n @lb2 weight 3\n @lb2 }\n}\n"
            .replace("  $NET.100\n", "");
        let kdl = kept(&text, &["lb1", "lb2", "lb3", "lb4", ""]);
        let wanted = [
            "    // who is first\n    when \"lb1\" { priority 150 }\n    when \"lb2\" { priority 100 }\n    \
             unless \"lb3\" { nopreempt }\n",
            "        when \"lb3\" { \"10.0.0.103/24\" dev=\"eth1\" }\n",
            "when \"lb3\" {\n    vrrp_instance \"W\" {\n",
            "    real_server \"10.0.0.5\" 80 { }\n    when \"lb2\" { real_server \"10.0.0.9\" 80 weight=3 }\n",
        ];
        for wanted in wanted {
            assert!(kdl.contains(wanted), "{wanted}\nis missing in\n{kdl}");
        }
    }

    #[test]
    fn the_report_names_the_file_of_an_included_line() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let inner = write(
            "inner.conf",
            "# the web\nvirtual_server 10.0.0.1 80 { # front\n lb_kind DR\n protocol TCP\n snmp_name x\n real_server 10.0.0.2 80 {\n }\n}\n",
        );
        let path = write("k.conf", "global_defs {\n enable_dbus\n}\ninclude inner.conf\n");
        let Converted { report, kdl, .. } = convert(&path);
        assert_eq!(report.no_effect, ["2".to_owned(), format!("{}:5", inner.display())]);
        let kdl = kdl.unwrap();
        assert!(kdl.contains("// the web\nvirtual_server \"10.0.0.1\" 80 { // front\n"), "{kdl}");
    }

    #[test]
    fn with_an_id_conditions_are_decided() {
        let text = "@lb1 global_defs {\n@lb1 router_id one\n@lb1 }\nvirtual_server 10.0.0.1 80 {\n lb_kind DR\n \
                    protocol TCP\n @^lb1 quorum 2\n real_server 10.0.0.2 80 {\n  weight 2\n }\n}\n";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k.conf");
        std::fs::write(&path, text).unwrap();
        let kdl = convert_as(&path, Some("lb1")).kdl.unwrap();
        assert!(kdl.contains("router_id \"one\"") && !kdl.contains("quorum"), "{kdl}");
        assert!(!kdl.contains("when"), "{kdl}");
        assert!(kept(text, &["lb1", "lb2"]).contains("unless \"lb1\" { quorum 2 }"));
    }

    #[test]
    fn what_is_wrong_is_left_out_or_replaced() {
        let text = "vrrp_instance V {\n state MASTER\n interface eth0\n virtual_router_id 5\n priority x\n \
            advert_int y\n notify_master /bin/true\n notify_master /bin/false\n mcast_src_ip 10.0.0.2/24\n \
            track_interface {\n  eth1 weight 900\n }\n virtual_ipaddress {\n  10.0.0.100/33\n  \
            10.0.0.101/24 label a-label-of-many-letters\n  10.0.0.102/24 scope city\n  VIP\n }\n \
            virtual_routes {\n  10.9.0.0/16 via x\n  10.8.0.0/16 via 10.0.0.9\n }\n}\n\
            virtual_server 10.0.0.100 80 {\n lb_algo x\n persistence_timeout 0\n protocol TCP\n quorum 0\n \
            real_server 10.0.0.x 80 {\n  weight 2\n }\n real_server 10.0.0.3/24 80 {\n  weight x\n  HTTP_GET {\n   \
            url {\n    status_code 200\n   }\n   url {\n    path /\n    status_code x\n   }\n   bindto fd00::1\n  }\n }\n}\n\
            virtual_server foo 80 {\n protocol TCP\n real_server 10.0.0.3 80 {\n }\n}\n";
        let kdl = kept(text, &["lb1"]);
        for wanted in
            ["priority 100", "\"10.0.0.100/32\"", "real_server \"10.0.0.3\" 80", "// left out: "]
        {
            assert!(kdl.contains(wanted), "{wanted}\nis missing in\n{kdl}");
        }
        for unwanted in ["\n    advert_int", "notify_master \"/bin/false", "scope=", "weight=900"] {
            assert!(!kdl.contains(unwanted), "{unwanted}\nstands in\n{kdl}");
        }
    }
}
