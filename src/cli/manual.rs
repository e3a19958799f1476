//! `evenkeel completions` and `evenkeel manual`: what shells and `man` want to know, made from the command line itself.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::Arguments;

/// Prints the completions of one shell.
pub(super) fn completions(shell: Shell) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "evenkeel", &mut text);
    say!("{}", String::from_utf8_lossy(&text));
    ExitCode::SUCCESS
}

/// Writes a page for evenkeel and one for each of its commands into a folder.
pub(super) fn manual(folder: &Path) -> ExitCode {
    match write(folder) {
        Ok(pages) => {
            sayln!("{pages} pages in {}", folder.display());
            ExitCode::SUCCESS
        }
        Err(cause) => {
            eprintln!("evenkeel: {}: {cause}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path) -> io::Result<usize> {
    fs::create_dir_all(folder)?;
    let mut command = Arguments::command();
    command.build();
    let mut pages = 0;
    let mut page = |name: String, command: Command| {
        let mut text = Vec::new();
        // Built, each command knows its whole name.
        Man::new(command).section("8").render(&mut text)?;
        pages += 1;
        fs::write(folder.join(format!("{name}.8")), text)
    };
    for inner in command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help")
    {
        page(format!("evenkeel-{}", inner.get_name()), inner.clone())?;
    }
    page("evenkeel".to_owned(), command.clone())?;
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_page_and_hidden_ones_have_none() {
        let folder = tempfile::tempdir().unwrap();
        let pages = write(folder.path()).unwrap();
        assert!(pages > 15, "{pages}");
        let drain = fs::read_to_string(folder.path().join("evenkeel-drain.8")).unwrap();
        assert!(drain.contains("Out of the pool after this time"), "{drain}");
        assert!(folder.path().join("evenkeel.8").exists());
        assert!(!folder.path().join("evenkeel-worker.8").exists());
    }

    #[test]
    fn three_shells_complete_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "evenkeel", &mut text);
            let text = String::from_utf8(text).unwrap();
            assert!(text.contains("check-now") && text.contains("deadline"), "{shell}");
        }
    }
}
