//! `cargo xtask fuzz NAME SECONDS`: builds a fuzz target of `fuzz/` with coverage counters, runs it, prints executions
//! per second and coverage.
//!
//! libFuzzer, with the compiler's own coverage pass: `-C passes` and `-C llvm-args` are stable flags, so a stable
//! toolchain and a C++ compiler suffice. What is left out is the address sanitizer, which needs a nightly one; the
//! targets have no `unsafe`, and panics and overflows are what is looked for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::step;

/// Words on the command line.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Which target: a grammar, packets, or what real servers answer to a check
    #[arg(value_parser = TARGETS)]
    name: String,
    /// How long
    seconds: u32,
    /// Begin from these inputs besides the seeds; what is found new is kept in target/fuzz/corpus/NAME
    #[arg(long)]
    corpus: Option<PathBuf>,
}

const TARGETS: [&str; 10] =
    ["keepalived", "kdl", "vrrp", "bfd", "claim", "http", "smtp", "dns", "agent", "grpc"];

/// The crate that a target feeds, which is what `fuzz/Cargo.toml` calls the feature.
fn feature(target: &str) -> &str {
    match target {
        "keepalived" | "kdl" => "evenkeel",
        "vrrp" | "claim" => "vrrp",
        "bfd" => "bfd",
        _ => "checkers",
    }
}

/// Edges counted one by one, with the tables that libFuzzer needs to tell how many there are, and comparisons traced so
/// that it can find what a program compares with.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
/// Naming the target keeps the flags away from build scripts.
#[cfg(target_arch = "x86_64")]
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
#[cfg(target_arch = "aarch64")]
const TRIPLE: &str = "aarch64-unknown-linux-gnu";
/// Longest input: what is found in 4 KiB is found; longer ones only slow it down.
const LONGEST: &str = "-max_len=4096";

pub(crate) fn run(options: &Options) -> Result<(), String> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let target = step::target().join("fuzz");
    println!("xtask: building the fuzz target {} (minutes the first time)", options.name);
    let manifest = root.join("fuzz/Cargo.toml").display().to_string();
    let build = ["build", "--quiet", "--release", "--manifest-path", &manifest, "--target", TRIPLE];
    let folder = target.display().to_string();
    let variables = [("RUSTFLAGS", FLAGS), ("CARGO_TARGET_DIR", folder.as_str())];
    if !step::cargo(
        &[&build[..], &["--features", feature(&options.name), "--bin", &options.name]].concat(),
        &variables,
    ) {
        return Err("the build failed; it needs a C++ compiler (apt-get install g++)".to_owned());
    }
    let corpus = target.join("corpus").join(&options.name);
    let failures = target.join("failures").join(&options.name);
    for folder in [&corpus, &failures] {
        fs::create_dir_all(folder).map_err(|cause| format!("{}: {cause}", folder.display()))?;
    }
    seed(root, &options.name, &corpus).map_err(|cause| format!("seeds: {cause}"))?;
    let mut command = Command::new(target.join(TRIPLE).join("release").join(&options.name));
    command.arg(&corpus).args(&options.corpus).args([
        LONGEST,
        "-print_final_stats=1",
        "-timeout=10",
    ]);
    command.arg(format!("-max_total_time={}", options.seconds));
    command.arg(format!("-artifact_prefix={}/", failures.display()));
    if let Some(words) = dictionary(root, &options.name, &target) {
        command.arg(format!("-dict={}", words.display()));
    }
    let output = command.output().map_err(|cause| format!("{command:?}: {cause}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let Some(result) = Found::read(&said) else {
        return Err(format!("the fuzzer said nothing that can be read:\n{}", end(&said, 2000)));
    };
    println!("{}: {result}", options.name);
    if output.status.success() {
        return Ok(());
    }
    Err(format!("an input fails; it is in {}:\n{}", failures.display(), end(&said, 4000)))
}

/// Sample configurations, or the packets in `fuzz/seeds/`.
fn seed(root: &Path, name: &str, corpus: &Path) -> std::io::Result<()> {
    let (folder, ending) = match name {
        "keepalived" => (root.join("configs"), Some("conf")),
        "kdl" => (root.join("configs"), Some("kdl")),
        _ => (root.join("fuzz/seeds").join(name), None),
    };
    for entry in fs::read_dir(folder)?.flatten() {
        let path = entry.path();
        let fits = ending.is_none_or(|wanted| path.extension().is_some_and(|is| is == wanted));
        if let (true, Some(file)) = (fits && path.is_file(), path.file_name()) {
            fs::copy(&path, corpus.join(file))?;
        }
    }
    Ok(())
}

/// The keywords, so that the fuzzer need not find them letter by letter.
fn dictionary(root: &Path, name: &str, target: &Path) -> Option<PathBuf> {
    if !matches!(name, "keepalived" | "kdl") {
        return None;
    }
    let words = fs::read_to_string(root.join("src/config/keywords/keepalived.txt")).ok()?;
    let lines = words.lines().filter(|line| !line.starts_with('#'));
    let quoted = lines.flat_map(str::split_whitespace).map(|word| format!("\"{word}\"\n"));
    let path = target.join(format!("{name}.dict"));
    fs::write(&path, quoted.collect::<String>()).ok()?;
    Some(path)
}

/// What libFuzzer told at its end.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    executions: u64,
    per_second: u64,
    edges: u64,
    of_edges: u64,
    inputs: u64,
}

impl Found {
    fn read(said: &str) -> Option<Self> {
        let last = said.lines().rfind(|line| line.starts_with('#') && line.contains(" cov: "))?;
        let word = |line: &str, name: &str| {
            let mut words = line.split_whitespace();
            words.find(|word| *word == name)?;
            let digits = words.next()?.split('/').next()?;
            digits.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().ok()
        };
        let line = |begin: &str| said.lines().find(|line| line.starts_with(begin));
        Some(Self {
            executions: word(
                line("stat::number_of_executed_units:")?,
                "stat::number_of_executed_units:",
            )?,
            per_second: word(line("stat::average_exec_per_sec:")?, "stat::average_exec_per_sec:")?,
            edges: word(last, "cov:")?,
            of_edges: word(line("INFO: Loaded 1 PC tables")?, "tables")?,
            inputs: word(last, "corp:")?,
        })
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { executions, per_second, edges, of_edges, inputs } = self;
        write!(
            f,
            "{executions} executions, {per_second} per second; {edges} edges of {of_edges} in the whole program; \
             {inputs} inputs kept"
        )
    }
}

/// The last `most` bytes, from the beginning of a line.
fn end(text: &str, most: usize) -> &str {
    let from = text.len().saturating_sub(most);
    let from = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[from..].split_once('\n').map_or(&text[from..], |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfuzzer_says_at_its_end_is_read() {
        let said = "INFO: Loaded 1 modules   (81234 inline 8-bit counters): 81234 [0x1, 0x2),\n\
            INFO: Loaded 1 PC tables (81234 PCs): 81234 [0x3,0x4),\n\
            #2\tINITED cov: 812 ft: 813 corp: 1/1b exec/s: 0 rss: 40Mb\n\
            #4096\tDONE   cov: 2345 ft: 9000 corp: 120/33Kb lim: 4096 exec/s: 910 rss: 90Mb\n\
            Done 4096 runs in 4 second(s)\n\
            stat::number_of_executed_units: 4096\n\
            stat::average_exec_per_sec:     910\n";
        let wanted =
            Found { executions: 4096, per_second: 910, edges: 2345, of_edges: 81_234, inputs: 120 };
        assert_eq!(Found::read(said), Some(wanted));
        assert_eq!(Found::read("Segmentation fault"), None);
    }

    #[test]
    fn an_end_begins_with_a_line() {
        assert_eq!(end("one\ntwo\nthree\n", 9), "three\n");
    }
}
