//! `evenkeel convert FILE`.

use std::path::Path;
use std::process::ExitCode;

use crate::config::{self, Converted, Style};

/// KDL on standard output, what is wrong or passed over on standard error. Exit status 2 when the file cannot be read,
/// 1 when it has mistakes or warnings.
pub(super) fn run_convert(file: &Path) -> ExitCode {
    let Converted { kdl, diagnostics } = config::convert(file);
    eprint!("{}", diagnostics.render(Style::Plain));
    let Some(kdl) = kdl else { return ExitCode::from(2) };
    print!("{kdl}");
    ExitCode::from(u8::from(!diagnostics.is_empty()))
}
