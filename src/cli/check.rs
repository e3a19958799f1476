//! `evenkeel check FILE`: everything that is wrong with a configuration, as this host would run it.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::config::{self, Asked, Config, Diagnostics, Host, Loaded, Severity, Style};

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
pub(super) fn run(
    file: &Path,
    id: Option<&str>,
    format: Format,
    system: bool,
    peer: Option<&Path>,
) -> ExitCode {
    let mut loaded = config::load_with_peers(file, &Asked::to_run(id));
    if let Some(peer) = peer
        && let Err(code) = compare(&mut loaded, peer)
    {
        return code;
    }
    if system {
        super::system::examine(&mut loaded);
    }
    let Loaded { config, diagnostics, .. } = &loaded;
    let code = ExitCode::from(match (config, diagnostics.count(Severity::Warning)) {
        (None, _) => 2,
        (Some(_), 0) => 0,
        (Some(_), _) => 1,
    });
    if format == Format::Json {
        // Nobody is left to tell where the reader of standard output went.
        let _ = writeln!(io::stdout(), "{:#}", diagnostics.to_json());
        return code;
    }
    draw(diagnostics);
    let verdict = match config {
        None => format!("would not run: {}", diagnostics.summary()),
        Some(config) if diagnostics.is_empty() => format!("ok: {}", contents(config)),
        Some(config) => format!("would run, {}: {}", diagnostics.summary(), contents(config)),
    };
    // Nobody is left to tell where the reader of standard output went.
    let _ = writeln!(io::stdout(), "{}: {verdict}", file.display());
    code
}

/// Adds what does not go together with the peer's file, which is read for a host that is not this one.
fn compare(loaded: &mut Loaded, file: &Path) -> Result<(), ExitCode> {
    let Loaded { config, diagnostics, .. } = config::load_for(file, Host::Any);
    match config {
        Some(peer) => {
            config::compare_with(loaded, &peer, &file.display().to_string());
            Ok(())
        }
        None => {
            draw(&diagnostics);
            eprintln!("{}: not compared: {}", file.display(), diagnostics.summary());
            Err(ExitCode::from(2))
        }
    }
}

fn draw(diagnostics: &Diagnostics) {
    let style = if io::stderr().is_terminal() { Style::Colour } else { Style::Plain };
    eprint!("{}", diagnostics.render(style));
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
