//! The include family among the lines, and `include_check`, which says what a missing file means from there on.

use std::path::{Path, PathBuf};

use super::{Done, Input, Lines, Text, is_special, without_comment};
use crate::config::diagnostic::Diagnostic;
use crate::config::include::Policy;
use crate::config::source::{Grammar, Span};

impl Lines<'_> {
    /// The line, unless it is an `include`: then the files that it names come next.
    pub(super) fn included_or(&mut self, line: Text) -> Done {
        let text = line.as_str().trim();
        let word = text.split_whitespace().next().unwrap_or_default();
        if word == "include_check" {
            self.set_policy(&line);
            return Done::Line(line);
        }
        let Some(policy) = self.policy().with(word) else { return Done::Line(line) };
        let at = line.whole();
        let written = without_comment(&line);
        let pattern =
            written.as_str().trim_start()[word.len()..].trim().trim_matches('"').to_owned();
        if pattern.is_empty() {
            let message = format!("`{word}` has nothing after it");
            let help = format!("write `{word} FILE`, or a pattern such as conf.d/*.conf");
            self.diagnostics.push(Diagnostic::error("missing-value", at, message).help(help));
            return Done::Gone;
        }
        let inputs = self.diagnostics.included(&pattern, &self.folder(), policy, at);
        // The last is read last.
        for path in inputs.into_iter().rev() {
            self.enter(&path, at, policy);
        }
        Done::Gone
    }

    /// What is wrong with the words is told by who reads keywords.
    fn set_policy(&mut self, line: &Text) {
        let text = without_comment(line);
        let words: Vec<&str> = text.as_str().split_whitespace().skip(1).collect();
        let Ok(changed) = self.policy().changed(&words) else { return };
        let innermost = self.inputs.iter_mut().rev().find_map(|input| match input {
            Input::File { policy, .. } => Some(policy),
            Input::Macro { .. } | Input::Repeat { .. } | Input::Line(_) => None,
        });
        if let Some(policy) = innermost {
            *policy = changed;
        }
    }

    fn policy(&self) -> Policy {
        let policies = self.inputs.iter().rev().find_map(|input| match input {
            Input::File { policy, .. } => Some(*policy),
            Input::Macro { .. } | Input::Repeat { .. } | Input::Line(_) => None,
        });
        policies.unwrap_or(Policy::LAX)
    }

    pub(super) fn folder(&self) -> PathBuf {
        let folders = self.inputs.iter().rev().filter_map(|input| match input {
            Input::File { folder, .. } => Some(folder.clone()),
            Input::Macro { .. } | Input::Repeat { .. } | Input::Line(_) => None,
        });
        folders.into_iter().next().unwrap_or_default()
    }

    fn enter(&mut self, path: &Path, at: Span, policy: Policy) {
        let canonical = std::fs::canonicalize(path).ok();
        let open = self.inputs.iter().any(|input| match input {
            Input::File { path, .. } => canonical.is_some() && *path == canonical,
            Input::Macro { .. } | Input::Repeat { .. } | Input::Line(_) => false,
        });
        if open {
            let message = format!("{} includes itself", path.display());
            self.diagnostics.push(Diagnostic::error("include", at, message));
            return;
        }
        let known = self.files.get(path).copied();
        let opened = || self.diagnostics.open(path, Grammar::Keepalived, at, policy);
        let Some(file) = known.or_else(opened) else { return };
        self.files.insert(path.to_owned(), file);
        let text = self.diagnostics.sources().file(file).shared_text();
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let special = is_special(&text);
        let policy = self.policy();
        self.push(Input::File { file, text, special, at: 0, folder, path: canonical, policy }, at);
    }
}
