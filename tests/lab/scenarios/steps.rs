//! Numbered inputs and the table after each, from text files: what decides on a row. Where keepalived has the feature, it
//! runs the same file first and must come to the same tables.
//!
//! A file says who runs it, the configuration, and the steps: `start`, `stop`, `rN refuses`, `rN answers`, each with
//! the table that comes of it as `ipvsadm -Sn` prints it, and with the notify scripts that were called. Between tables that
//! are passed through stands `then`; the last one stays.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::daemon::{Daemon, Kind};
use crate::host::{Host, holds_within};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::tool::responder::Mode;
use crate::topology::{Forwarding, Plan};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("steps_of_a_quorum", 180, |keeper| {
        run(keeper, include_str!("../steps/quorum.txt"));
    }),
    Scenario::together("steps_of_hysteresis", 180, |keeper| {
        run(keeper, include_str!("../steps/hysteresis.txt"));
    }),
    Scenario::together("steps_of_a_sorry_server", 180, |keeper| {
        run(keeper, include_str!("../steps/sorry.txt"));
    }),
    Scenario::together("steps_of_sorry_server_inhibit", 180, |keeper| {
        run(keeper, include_str!("../steps/sorry_inhibit.txt"));
    }),
    Scenario::together("steps_of_inhibit_on_failure", 180, |keeper| {
        run(keeper, include_str!("../steps/inhibit.txt"));
    }),
    Scenario::together("steps_of_alpha", 180, |keeper| {
        run(keeper, include_str!("../steps/alpha.txt"));
    }),
    Scenario::together("steps_of_omega", 180, |keeper| {
        run(keeper, include_str!("../steps/omega.txt"));
    }),
    Scenario::together("steps_of_slow_start", 180, |keeper| {
        run(keeper, include_str!("../steps/slow_start.txt"));
    }),
    Scenario::together("steps_of_min_in_pool", 180, |keeper| {
        run(keeper, include_str!("../steps/min_in_pool.txt"));
    }),
];

const WITHIN: Duration = Duration::from_secs(30);
/// Longer than a check's interval and its retry: what were to change would have.
const STAYS: Duration = Duration::from_millis(2500);

/// A file.
struct Story<'t> {
    kinds: Vec<Kind>,
    config: String,
    steps: Vec<Step<'t>>,
}

/// One input and what comes of it.
struct Step<'t> {
    title: &'t str,
    tables: Vec<Vec<&'t str>>,
    calls: Vec<&'t str>,
}

impl<'t> Story<'t> {
    fn read(text: &'t str) -> Self {
        let mut story = Self { kinds: Vec::new(), config: String::new(), steps: Vec::new() };
        let is_told = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
        for line in text.lines().filter(is_told) {
            match line.strip_prefix("    ") {
                Some(inner) => story.inner(inner),
                None => story.head(line),
            }
        }
        assert!(!story.kinds.is_empty() && !story.steps.is_empty());
        story
    }

    fn head(&mut self, line: &'t str) {
        if let Some(names) = line.strip_prefix("under ") {
            let known = [Kind::Keepalived, Kind::Evenkeel];
            let kind = |name: &str| *known.iter().find(|kind| kind.name() == name).unwrap();
            self.kinds = names.split_whitespace().map(kind).collect();
        } else if line != "config" {
            let number = format!("{}. ", self.steps.len() + 1);
            assert!(line.starts_with(&number), "{number}is wanted: {line}");
            self.steps.push(Step { title: line, tables: vec![Vec::new()], calls: Vec::new() });
        }
    }

    fn inner(&mut self, line: &'t str) {
        let Some(step) = self.steps.last_mut() else {
            self.config += &format!("{line}\n");
            return;
        };
        if line == "then" {
            step.tables.push(Vec::new());
        } else if let Some(name) = line.strip_prefix("called ") {
            step.calls.push(name);
        } else {
            step.tables.last_mut().unwrap().push(line);
        }
    }
}

/// A director with three servers.
struct Stage<'a> {
    d1: &'a Host,
    servers: &'a [Responder],
    /// Where scripts write what they are called with.
    calls: PathBuf,
    config: String,
}

fn run(keeper: &Arc<Keeper>, text: &str) {
    let story = Story::read(text);
    let net = Plan::new().directors(1).servers(3, Forwarding::Direct).build(keeper);
    let servers = ["r1", "r2", "r3"].map(|name| Responder::start(net.host(name)));
    let note = keeper.folder().join("note");
    let calls = keeper.folder().join("calls");
    fs::write(&note, format!("#!/bin/sh\necho $1 >> {}\n", calls.display())).unwrap();
    net.host("d1").run(&format!("chmod 755 {}", note.display()));
    let config = story.config.replace("{note}", &note.display().to_string());
    let stage = Stage { d1: net.host("d1"), servers: &servers, calls, config };
    for kind in &story.kinds {
        stage.play(*kind, &story.steps);
    }
}

impl Stage<'_> {
    fn play(&self, kind: Kind, steps: &[Step<'_>]) {
        self.servers.iter().for_each(|server| server.switch(Mode::Fine));
        let mut daemon = None;
        for step in steps {
            let _ = fs::remove_file(&self.calls);
            let words: Vec<&str> = step.title.split_whitespace().skip(1).collect();
            match words[..] {
                ["start"] => daemon = Some(Daemon::start(kind, self.d1, &self.config)),
                ["stop"] => daemon.take().unwrap().stop(),
                [name, what] => {
                    let number: usize = name.strip_prefix('r').unwrap().parse().unwrap();
                    let modes = [("refuses", Mode::Refuse), ("answers", Mode::Fine)];
                    let (_, mode) = modes.into_iter().find(|(word, _)| *word == what).unwrap();
                    self.servers[number - 1].switch(mode);
                }
                _ => panic!("{}", step.title),
            }
            for table in &step.tables {
                self.comes(kind, step, table);
            }
            if let Some(table) = step.tables.last() {
                self.stays(kind, step, table);
            }
        }
    }

    /// What is there now differs from what should be: said in the words of the file.
    fn seen(&self, table: &[&str]) -> Option<String> {
        let mut wanted = table.to_vec();
        wanted.sort_unstable();
        let rules = kernel_view::rules(self.d1);
        (rules != wanted).then(|| rules.join("\n    "))
    }

    fn comes(&self, kind: Kind, step: &Step<'_>, table: &[&str]) {
        let mut last = None;
        let came = holds_within(WITHIN, Duration::from_millis(100), || {
            last = self.seen(table);
            last.is_none()
        });
        let wanted = table.join("\n    ");
        assert!(
            came,
            "{}: {}: wanted\n    {wanted}\nthere is\n    {}",
            kind.name(),
            step.title,
            last.unwrap_or_default()
        );
    }

    fn stays(&self, kind: Kind, step: &Step<'_>, table: &[&str]) {
        let changed =
            holds_within(STAYS, Duration::from_millis(250), || self.seen(table).is_some());
        assert!(!changed, "{}: {}: the table does not stay", kind.name(), step.title);
        let calls = || called(&self.calls);
        let told = holds_within(WITHIN, Duration::from_millis(100), || calls() == step.calls);
        assert!(told, "{}: {}: called {:?}", kind.name(), step.title, calls());
    }
}

/// What scripts were called with, sorted: they run beside each other.
fn called(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut calls: Vec<String> = text.lines().map(str::to_owned).collect();
    calls.sort();
    calls
}
