//! `evenkeel convert FILE`: a configuration as KDL on standard output, what is wrong with it on standard error.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::config::{self, Converted, Style};

/// Exit status 0 clean, 1 with warnings, 2 when the file cannot be read or would not run either way.
pub(super) fn run(file: &Path, id: Option<&str>) -> ExitCode {
    let Converted { kdl, diagnostics } = config::convert_as(file, id);
    let style = if io::stderr().is_terminal() { Style::Colour } else { Style::Plain };
    eprint!("{}", diagnostics.render(style));
    let written = kdl.as_ref().map(|kdl| io::stdout().write_all(kdl.as_bytes()));
    match written {
        None => {
            eprintln!("{}: not converted: {}", file.display(), diagnostics.summary());
            ExitCode::from(2)
        }
        Some(Err(cause)) => {
            eprintln!("cannot write: {cause}");
            ExitCode::from(2)
        }
        Some(Ok(())) if diagnostics.has_errors() => ExitCode::from(2),
        Some(Ok(())) => ExitCode::from(u8::from(!diagnostics.is_empty())),
    }
}
