//! `cargo xtask demo`: builds the director and the lab, and has the lab tell its story.

use crate::packages::{self, Wanted};
use crate::step;

/// Words on the command line.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Start the same network and leave it running with a prompt inside
    #[arg(long)]
    shell: bool,
}

pub(crate) fn run(options: &Options) -> Result<(), String> {
    packages::install(Wanted::Demo)?;
    println!("xtask: building (a few minutes the first time, seconds later)");
    let lab = ["test", "--profile", "lab", "--package", "evenkeel", "--test", "lab"];
    if !step::cargo(&[&lab[..], &["--no-run"]].concat(), &[]) {
        return Err("the build failed".to_owned());
    }
    let story = if options.shell { "--demo-shell" } else { "--demo" };
    if !step::cargo(&[&lab[..], &["--quiet", "--", story]].concat(), &[]) {
        return Err("the demo did not show all that it should; see above".to_owned());
    }
    Ok(())
}
