//! `evenkeel keywords [WORD]`: what a keyword wants, where it stands and what it does here.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::keywords;

/// Exit status 0, or 1 if there is no such keyword.
pub(super) fn run(word: Option<&str>) -> ExitCode {
    match keywords::explain(word) {
        Ok(text) => {
            // Nobody is left to tell where the reader of standard output went.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(near) => {
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            eprintln!("`{}` is no keyword{near}", word.unwrap_or_default());
            ExitCode::FAILURE
        }
    }
}
