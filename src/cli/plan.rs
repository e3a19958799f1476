//! `evenkeel plan FILE`: what a configuration would change, and nothing is changed.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::client::{self, ClientError};
use crate::change::{Change, changes};
use crate::config::{self, Loaded, Style};
use crate::spec_file;
use crate::specs::Specs;

/// Exit status when something would change.
const EXIT_CHANGES: u8 = 3;

/// Against the running director, or against another file. Exit status 0 no change, 3 changes, 2 a file that would not
/// run, 1 no director.
pub(super) fn run(
    file: &Path,
    id: Option<&str>,
    from: Option<&Path>,
    runtime_dir: &Path,
    json: bool,
) -> ExitCode {
    let Some(new) = read(file, id) else { return ExitCode::from(2) };
    let old = match from {
        Some(from) => match read(from, id) {
            Some(old) => old,
            None => return ExitCode::from(2),
        },
        None => match running(runtime_dir) {
            Ok(old) => old,
            Err(cause) => {
                eprintln!("evenkeel: {cause}");
                return ExitCode::FAILURE;
            }
        },
    };
    let changes = changes(&old, &new);
    show(&changes, json);
    ExitCode::from(if changes.is_empty() { 0 } else { EXIT_CHANGES })
}

/// Prints changes, one object each.
pub(super) fn show(changes: &[Change], json: bool) {
    if json {
        sayln!("{}", serde_json::to_string_pretty(changes).unwrap_or_else(|_| "[]".to_owned()));
        return;
    }
    changes.iter().for_each(|change| sayln!("{change}"));
    if changes.is_empty() {
        sayln!("no change");
    }
}

/// The specs of a file; its mistakes go to standard error.
pub(super) fn read(file: &Path, id: Option<&str>) -> Option<Specs> {
    let Loaded { config, diagnostics, .. } = config::load_as(file, &config::Asked::to_run(id));
    if diagnostics.has_errors() {
        eprint!("{}", diagnostics.render(Style::Plain));
    }
    config.as_ref().map(Specs::from)
}

/// The specs that the running director works by.
pub(super) fn running(runtime_dir: &Path) -> Result<Specs, ClientError> {
    let bytes = client::get(runtime_dir, "/v1/specs")?;
    // Through a memory file of our own: the reader is the one that the workers use.
    let memory = spec_file::create()?;
    File::from(memory.try_clone()?).write_all(&bytes)?;
    Ok(Specs::read(&memory)?)
}
