//! What the reading of a configuration depends on besides its files.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;

/// What was asked for.
#[derive(Debug, Clone)]
pub(super) struct Context {
    /// What `@ID` lines are compared with, and `${_INSTANCE}`.
    pub(super) id: String,
    /// Where `${_RANDOM}` begins.
    pub(super) seed: u64,
    /// The folder of the text that is read, for what it includes.
    pub(super) folder: PathBuf,
    /// Most lines that may come of expansion.
    pub(super) lines: usize,
}

/// Most lines that come of expansion: keepalived's manual has an example of 1.3 million.
const MOST_LINES: usize = 2_000_000;

impl Context {
    /// The id that was given, or this host's name up to its first dot.
    pub(super) fn new(id: Option<&str>, folder: PathBuf) -> Self {
        let id = id.map_or_else(host_name, str::to_owned);
        Self { id, seed: RandomState::new().hash_one(0), folder, lines: MOST_LINES }
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().split('.').next().unwrap_or_default().to_owned()
}
