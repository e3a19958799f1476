//! `evenkeel check FILE`.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use crate::config::{self, Loaded, Style};

/// Exit status 0 clean, 1 would run but has warnings, 2 would not run.
pub(super) fn run_check(file: &Path) -> ExitCode {
    let Loaded { config, diagnostics } = config::load(file);
    let style = if std::io::stderr().is_terminal() { Style::Colour } else { Style::Plain };
    eprint!("{}", diagnostics.render(style));
    println!("{}: {}", file.display(), diagnostics.summary());
    match config {
        None => ExitCode::from(2),
        Some(_) => ExitCode::from(u8::from(!diagnostics.is_empty())),
    }
}
