//! `evenkeel load FILE`: the short-lived child of the supervisor that reads and checks the configuration. Specs go
//! to standard output, which is a memory file; what is wrong goes to standard error.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

use crate::config::{self, Config, Loaded, Style};
use crate::specs::Specs;

/// Exit status 0 clean, 1 with warnings, 2 when it cannot run.
pub(super) fn run(file: &Path, id: Option<&str>) -> ExitCode {
    let Loaded { config, diagnostics } = config::load_as(file, &config::Asked::to_run(id));
    eprint!("{}", diagnostics.render(Style::Plain));
    let Some(config) = config else { return ExitCode::from(2) };
    match write(&config) {
        Ok(()) => ExitCode::from(u8::from(!diagnostics.is_empty())),
        Err(cause) => {
            eprintln!("cannot leave the specs: {cause}");
            ExitCode::from(2)
        }
    }
}

fn write(config: &Config) -> io::Result<()> {
    Specs::from(config).write(io::stdout().as_fd().try_clone_to_owned()?)
}
