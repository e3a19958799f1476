//! A bench inside the lab: the same test program, told to measure. Its figures come back as lines of its output.

use std::process::Command;

use crate::packages::{self, Wanted};

/// One figure of a bench: `NAME: WHAT = VALUE` in the lab's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) value: String,
}

/// Builds the lab, runs its benches whose name contains `word`, and reads their figures. All that it says is shown.
pub(crate) fn measure(word: &str) -> Result<Vec<Figure>, String> {
    measure_with(word, &[])
}

/// Likewise, with variables of the environment that the bench reads; their names begin with `EVENKEEL_`.
pub(crate) fn measure_with(word: &str, settings: &[(&str, String)]) -> Result<Vec<Figure>, String> {
    packages::install(Wanted::All)?;
    let mut command = cargo();
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    command.args(["--", "--measure", word]);
    let output = command.output().map_err(|cause| format!("{command:?}: {cause}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(format!("the lab's bench failed:\n{text}"));
    }
    Ok(figures(&text))
}

/// Builds the lab and runs nothing: for who counts the time of what follows.
pub(crate) fn build() -> Result<(), String> {
    packages::install(Wanted::All)?;
    let mut command = cargo();
    let status = command.arg("--no-run").status();
    let status = status.map_err(|cause| format!("{command:?}: {cause}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
}

/// `cargo test` of the lab. Another profile than `lab` is for trying the bench itself.
fn cargo() -> Command {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let profile = std::env::var("EVENKEEL_BENCH_PROFILE").unwrap_or_else(|_| "lab".to_owned());
    command.current_dir(root).args(["test", "--quiet", "--profile", &profile]);
    command.args(["--package", "evenkeel", "--test", "lab"]);
    command
}

fn figures(text: &str) -> Vec<Figure> {
    let figure = |line: &str| {
        let (_, said) = line.split_once(": ")?;
        let (what, value) = said.split_once(" = ")?;
        Some(Figure { what: what.trim().to_owned(), value: value.trim().to_owned() })
    };
    text.lines().filter_map(figure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_between_other_lines() {
        let text =
            "running 1 test\n  bench_x: begins\n  bench_x: reload = 12 ms\ntest bench_x ... ok\n";
        let wanted = Figure { what: "reload".to_owned(), value: "12 ms".to_owned() };
        assert_eq!(figures(text), [wanted]);
    }
}
