//! `evenkeel load FILE`: the short-lived child of the supervisor that reads and checks the configuration. Specs go
//! to standard output, which is a memory file; what is wrong goes to standard error.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

use crate::archive;
use crate::config::{self, Config, Diagnostics, Loaded, Style};
use crate::specs::{self, Services};
use crate::supervisor::load_limits;

/// Exit status 0 clean, 1 with warnings, 2 when it cannot run.
pub(super) fn run(file: &Path, id: Option<&str>) -> ExitCode {
    if let Err(errno) = load_limits::apply() {
        eprintln!("reading without limits of memory and time: {errno}");
    }
    let mut services = Services::default();
    let loaded =
        config::load_each(file, &config::Asked::to_run(id), &mut |server| services.add(&server));
    ExitCode::from(finish(&loaded, services))
}

fn finish(Loaded { config, diagnostics }: &Loaded, services: Services) -> u8 {
    eprint!("{}", diagnostics.render(Style::Plain));
    let Some(config) = config else { return 2 };
    let files: Vec<&str> = diagnostics.sources().names().collect();
    let kept = keep(config, diagnostics);
    if let Err(why) = &kept {
        eprintln!("{why}");
    }
    let out = io::stdout().as_fd().try_clone_to_owned();
    match out
        .and_then(|out| specs::write(config, services, out, &files, diagnostics.wrong_values()))
    {
        Ok(()) => u8::from(!diagnostics.is_empty() || kept.is_err()),
        Err(cause) => {
            eprintln!("cannot leave the specs: {cause}");
            2
        }
    }
}

/// `config_save_dir`. That it cannot be kept is no reason not to run by it.
fn keep(config: &Config, diagnostics: &Diagnostics) -> Result<(), String> {
    let Some(folder) = &config.global.daemon.save_dir else { return Ok(()) };
    let kept = archive::keep(folder, diagnostics.sources().texts(), jiff::Timestamp::now());
    kept.map(drop).map_err(|cause| format!("config_save_dir {}: {cause}", folder.display()))
}
