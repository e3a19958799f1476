//! What a script check runs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `MISC_CHECK`: exit code 0 is good.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScriptSpec {
    /// What is run.
    pub command: Command,
    /// From its start until its process group is ended (`misc_timeout`).
    pub timeout: Duration,
    /// Who runs it; without it, whoever runs the checker.
    pub user: Option<User>,
    /// Exit codes 2 to 255 are good and set the weight to code - 2 (`misc_dynamic`).
    pub dynamic: bool,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Command {
    /// A program and its arguments, run as they are. The first is a path, or a name to be found in PATH.
    Argv(Vec<String>),
    /// A line for `/bin/sh -c`.
    Shell(String),
}

/// Numeric user and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}
