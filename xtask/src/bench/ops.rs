//! `cargo xtask bench ops`: what looking at a director costs, beside the bounds that are stated for it.

use super::table::Table;
use super::{lab, native};
use crate::step;

/// Words on the command line.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// An evenkeel that is there already, instead of the release build
    #[arg(long)]
    evenkeel: Option<std::path::PathBuf>,
    /// On this machine's own kernel, which needs no IPVS for that, instead of in the lab
    #[arg(long)]
    native: bool,
}

/// What a figure's name begins with, and what it may be at most.
const BOUNDS: &[(&str, &str)] = &[
    ("status for", "150 ms"),
    ("/metrics", "100 ms"),
    ("system calls", "2"),
    ("the same while", "as when nobody asks"),
];

pub(crate) fn run(options: &Options) -> Result<(), String> {
    let binary = match &options.evenkeel {
        Some(binary) => binary.clone(),
        None => {
            println!("xtask: building the release");
            if !step::cargo(&["build", "--quiet", "--release", "--package", "evenkeel"], &[]) {
                return Err("the build failed".to_owned());
            }
            step::target().join("release/evenkeel")
        }
    };
    let binary =
        std::path::absolute(&binary).map_err(|cause| format!("{}: {cause}", binary.display()))?;
    if options.native {
        return native::run(&binary);
    }
    let settings = [("EVENKEEL_BIN", binary.display().to_string())];
    let figures = lab::measure_with("bench_ops", &settings)?;
    let mut table = Table::new(&["what", "evenkeel", "bound"]);
    for figure in figures {
        let bound = BOUNDS.iter().find(|(what, _)| figure.what.starts_with(what));
        table.row(&[&figure.what, &figure.value, bound.map_or("-", |(_, bound)| bound)]);
    }
    print!("{table}");
    Ok(())
}
