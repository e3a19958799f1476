//! `evenkeel check FILE`: everything that is wrong with a configuration, as this host would run it.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::config::{self, Config, Loaded, Severity, Style};

/// How mistakes are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Drawn on standard error, a summary on standard output
    Text,
    /// A list of objects on standard output
    Json,
}

/// Exit status 0 clean, 1 with warnings, 2 when it would not run. Mistakes go to standard error, the summary to
/// standard output.
pub(super) fn run(file: &Path, id: Option<&str>, format: Format, system: bool) -> ExitCode {
    let Loaded { config, diagnostics } = config::load_as(file, &config::Asked::to_run(id));
    let objections = match &config {
        Some(config) if system => super::system::objections(config),
        Some(_) | None => Vec::new(),
    };
    let warnings = diagnostics.count(Severity::Warning) + objections.len();
    let code = ExitCode::from(match (&config, warnings) {
        (None, _) => 2,
        (Some(_), 0) => 0,
        (Some(_), _) => 1,
    });
    if format == Format::Json {
        // Nobody is left to tell where the reader of standard output went.
        let _ = writeln!(io::stdout(), "{:#}", diagnostics.to_json());
        return code;
    }
    let style = if io::stderr().is_terminal() { Style::Colour } else { Style::Plain };
    eprint!("{}", diagnostics.render(style));
    objections.iter().for_each(|objection| eprintln!("warning: {objection} [system]"));
    let verdict = match &config {
        None => format!("would not run: {}", diagnostics.summary()),
        Some(config) if !objections.is_empty() => {
            let others = diagnostics.summary();
            format!("would run, {others}, {} of this host: {}", objections.len(), contents(config))
        }
        Some(config) if diagnostics.is_empty() => format!("ok: {}", contents(config)),
        Some(config) => format!("would run, {}: {}", diagnostics.summary(), contents(config)),
    };
    // Nobody is left to tell where the reader of standard output went.
    let _ = writeln!(io::stdout(), "{}: {verdict}", file.display());
    code
}

/// `2 vrrp_instances, 1 virtual_server with 3 real_servers`.
fn contents(config: &Config) -> String {
    let count = |number: usize, word: &str| match number {
        1 => format!("1 {word}"),
        _ => format!("{number} {word}s"),
    };
    let real_servers = config.virtual_servers.iter().map(|server| server.real_servers.len()).sum();
    format!(
        "{}, {} with {}",
        count(config.instances.len(), "vrrp_instance"),
        count(config.virtual_servers.len(), "virtual_server"),
        count(real_servers, "real_server"),
    )
}
