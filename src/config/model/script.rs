//! A command that the director runs, and as whom.

use serde::{Deserialize, Serialize};

/// The two forms of a command.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Command {
    /// A program and its arguments, run as they are.
    Words(Vec<String>),
    /// A line for `/bin/sh -c`: keepalived's `</path` form alone. It runs everything else without a shell, and so
    /// do we: a `|` is an argument.
    Shell(String),
}

impl Command {
    /// The program that is run, as it was written; `None` for a shell's line.
    pub fn program(&self) -> Option<&str> {
        match self {
            Self::Words(words) => words.first().map(String::as_str),
            Self::Shell(_) => None,
        }
    }
}

/// A command that the director runs: a check, a notification.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Script {
    /// What runs: words without a shell, or a line that needs one.
    pub command: Command,
    /// As whom: the keyword's own user, else the `script_user` of `global_defs`, else the account
    /// `keepalived_script`; all resolved. `None` where there is none of them: as the director itself.
    pub user: Option<ScriptUser>,
}

/// A resolved account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScriptUser {
    /// The name as written, for messages.
    pub name: String,
    /// The group as written, where it is not the account's own.
    pub group: Option<String>,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}
