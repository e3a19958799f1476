//! `notify_fifo` and its like.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Script, ScriptUser};

/// A named pipe for events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fifo {
    /// Where; `None`: there is none.
    pub path: Option<PathBuf>,
    /// Whose it is.
    pub owner: Option<ScriptUser>,
    /// What is started to read it, the path behind its arguments.
    pub script: Option<Script>,
}
