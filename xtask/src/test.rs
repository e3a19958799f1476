//! `cargo xtask test`: everything that a change must pass, a line per step with its time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::packages::{self, Wanted};
use crate::step::{self, Steps};

/// Words on the command line.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out the docs and the lab
    #[arg(long)]
    quick: bool,
}

/// Crates whose pure core must build alone.
const CORES: &[&str] = &[
    "--package",
    "bfd",
    "--package",
    "checkers",
    "--package",
    "ipvs",
    "--package",
    "vrrp",
    "--no-default-features",
];

pub(crate) fn run(options: &Options) -> Result<(), String> {
    components()?;
    if !options.quick {
        packages::install(Wanted::All)?;
    }
    let mut steps = Steps::default();
    steps.cargo("format", &["fmt", "--all", "--check"]);
    let deny = ["--", "--deny", "warnings"];
    steps.cargo("lints", &[&["clippy", "--workspace", "--all-targets"], &deny[..]].concat());
    steps.cargo("lints of the pure cores", &[&["clippy"], CORES, &deny].concat());
    let tests = integration_tests();
    let mut unit = vec!["test", "--workspace", "--lib", "--bins"];
    unit.extend(tests.iter().flat_map(|name| ["--test", name.as_str()]));
    steps.cargo("unit and property tests", &unit);
    if !options.quick {
        let page = ["test", "--package", "evenkeel", "--test", "page"];
        steps.cargo("status page in a browser", &page);
        let docs = ["doc", "--workspace", "--no-deps", "--document-private-items"];
        steps.cargo_with("docs", &docs, &[("RUSTDOCFLAGS", "--deny warnings")]);
        let lab = ["test", "--profile", "lab", "--package", "evenkeel", "--test", "lab"];
        steps.cargo("build of the lab", &[&lab[..], &["--no-run"]].concat());
        // Two boots at once: each booted kernel has one CPU.
        steps.cargo("lab", &[&lab[..], &["--", "--shards", "2"]].concat());
        let outside = [&lab[..], &["--", "--outside"]].concat();
        steps.cargo("browser and Prometheus beside the lab", &outside);
    }
    steps.finish()
}

/// rustfmt and clippy are not in rustup's minimal profile.
fn components() -> Result<(), String> {
    if step::cargo(&["fmt", "--version"], &[]) && step::cargo(&["clippy", "--version"], &[]) {
        return Ok(());
    }
    println!("xtask: adding rustfmt and clippy to the toolchain");
    let added = Command::new("rustup").args(["component", "add", "rustfmt", "clippy"]).status();
    let is_added = added.is_ok_and(|status| status.success());
    if is_added {
        Ok(())
    } else {
        Err("please run: rustup component add rustfmt clippy".to_owned())
    }
}

/// Names of the tests in `tests/` here and in each crate, be they files or folders: all but those that have steps of
/// their own.
fn integration_tests() -> Vec<String> {
    const APART: [&str; 2] = ["lab", "page"];
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let crates = entries(root).into_iter().filter(|path| path.join("Cargo.toml").exists());
    let folders = crates.chain([root.to_path_buf()]).map(|krate| krate.join("tests"));
    let tests = folders.flat_map(|folder| entries(&folder)).filter(|path| {
        path.extension().is_some_and(|ending| ending == "rs") || path.join("main.rs").exists()
    });
    let name = |path: PathBuf| path.file_stem()?.to_str().map(str::to_owned);
    let mut names: Vec<String> = tests.filter_map(name).collect();
    names.retain(|name| !APART.contains(&name.as_str()));
    names.sort();
    names.dedup();
    names
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
