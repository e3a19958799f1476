//! What concerns the director's own process: its name, its network namespace, how it comes to a reload.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Script;

/// `instance`, `net_namespace` and what `global_defs` says of reloads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daemon {
    /// `instance`: the name of this director among several on a host.
    pub instance: Option<String>,
    /// `net_namespace`: the namespace that everything runs in, by its name below /run/netns.
    pub net_namespace: Option<String>,
    /// `auto_reload` (evenkeel's own): a change of a file that it was read from is a reload.
    pub auto_reload: bool,
    /// `reload_file`: there while the configuration is read.
    pub reload_file: Option<ReloadFile>,
    /// `reload_time_file`: says when to reload.
    pub reload_time_file: Option<PathBuf>,
    /// `reload_repeat`: that file stays, and a time without a date means every day.
    pub reload_repeat: bool,
    /// `config_save_dir`: where each configuration that was taken is kept.
    pub save_dir: Option<PathBuf>,
    /// `startup_script`: before anything else of the director runs.
    pub startup: Errand,
    /// `shutdown_script`: after everything else has ended.
    pub shutdown: Errand,
}

/// A script that the director waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// What runs, if anything.
    pub script: Option<Script>,
    /// When it is ended: `startup_script_timeout`, `shutdown_script_timeout`, 10 s.
    pub within: Duration,
}

impl Errand {
    /// Sets the time, where one is given.
    pub fn set_within(&mut self, time: Option<Duration>) {
        self.within = time.unwrap_or(self.within);
    }
}

impl Default for Errand {
    fn default() -> Self {
        Self { script: None, within: Duration::from_secs(10) }
    }
}

/// `reload_file [PATH]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReloadFile {
    /// `evenkeel.reload` in the runtime directory.
    Usual,
    /// This one.
    Path(PathBuf),
}

impl Daemon {
    /// The folder in the runtime directory that this director has for itself: keepalived puts namespace and instance
    /// into the names of its pid files in the same order.
    pub fn folder(&self) -> Option<String> {
        let names: Vec<&str> = [&self.net_namespace, &self.instance]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        (!names.is_empty()).then(|| names.join("_"))
    }
}
