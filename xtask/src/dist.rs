//! `cargo xtask dist`: a Debian package of the release, by `dist/package`; the lab packs and installs its own build
//! by the same script.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::step;

/// Words on the command line.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Pack this binary instead of building the release
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Where the package goes
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Debian's part of the version: raise it to pack the same version again
    #[arg(long, default_value_t = 1)]
    revision: u32,
}

pub(crate) fn run(options: &Options) -> Result<(), String> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let built = built_in(root);
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => {
            println!("xtask: building the release (some minutes: it is optimised as a whole)");
            if !step::cargo(&["build", "--release", "--package", "evenkeel"], &[]) {
                return Err("the build failed".to_owned());
            }
            built.join("release/evenkeel")
        }
    };
    let output = options.output.clone().unwrap_or_else(|| built.join("dist"));
    let mut package = Command::new(root.join("dist/package"));
    package.args([&binary, &output]).arg(options.revision.to_string());
    if let Some(seconds) = committed_at(root) {
        package.env("SOURCE_DATE_EPOCH", seconds);
    }
    let packed = package.status().map_err(|cause| format!("cannot start dist/package: {cause}"))?;
    if packed.success() { Ok(()) } else { Err("dist/package failed; see above".to_owned()) }
}

/// Where cargo builds.
fn built_in(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// The time of the commit, so that the same commit gives the same package; none outside of a repository.
fn committed_at(root: &Path) -> Option<String> {
    let git = Command::new("git").current_dir(root).args(["log", "-1", "--format=%ct"]).output();
    let text = String::from_utf8(git.ok()?.stdout).ok()?;
    let seconds = text.trim();
    (!seconds.is_empty()).then(|| seconds.to_owned())
}
