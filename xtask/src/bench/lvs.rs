//! `cargo xtask bench lvs`: thousands of real servers under evenkeel and keepalived, one after the other in the lab, on the
//! same configuration and responder; one table with ratios.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::lab::{self, Figure};
use super::table::Table;
use crate::step;

/// Words on the command line.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many real servers: any of 1000, 5000, 20000
    #[arg(long, value_delimiter = ',', default_values_t = [1000, 5000, 20_000])]
    servers: Vec<u32>,
    /// What is asked of each: tcp, http
    #[arg(long, value_delimiter = ',', default_values_t = ["tcp".to_owned(), "http".to_owned()])]
    checks: Vec<String>,
    /// Beside the start: memory, cpu, syscalls, reload, drift, death, idle; all unless some are named
    #[arg(long, visible_alias = "part", value_delimiter = ',')]
    parts: Vec<String>,
    /// Another keepalived to run beside Debian's
    #[arg(long)]
    peer: Vec<PathBuf>,
    /// Leave Debian's keepalived out
    #[arg(long)]
    no_debian: bool,
    /// An evenkeel that is there already, instead of the release build
    #[arg(long)]
    evenkeel: Option<PathBuf>,
    /// Windows in which CPU is measured; their median counts
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Length of a window
    #[arg(long, default_value_t = 10)]
    seconds: u32,
}

/// What one daemon said, by what it is.
type Said = BTreeMap<String, f64>;

/// One daemon under test.
struct Contender {
    name: String,
    /// `evenkeel` or `keepalived`: which of the lab's benches.
    bench: &'static str,
    variables: Vec<(&'static str, String)>,
}

pub(crate) fn run(options: &Options) -> Result<(), String> {
    let contenders = contenders(options)?;
    let headings: Vec<&str> = ["what"]
        .into_iter()
        .chain(contenders.iter().map(|one| one.name.as_str()))
        .chain(["ratio"])
        .collect();
    let mut table = Table::new(&headings);
    let mut failures = Vec::new();
    for check in &options.checks {
        for servers in &options.servers {
            let mut said = Vec::new();
            for contender in &contenders {
                let name = format!("bench_lvs_{check}_{servers}_{}", contender.bench);
                println!("xtask: {} with {servers} real servers, {check}", contender.name);
                // One that fails leaves a gap in the table: the others take an hour.
                let measured = lab::measure_with(&name, &variables(options, contender));
                said.push(measured.as_deref().map(summary).unwrap_or_default());
                failures.extend(measured.err().map(|why| format!("{name}: {why}")));
            }
            add_rows(&mut table, &format!("{check} {servers}"), &said);
        }
    }
    println!("\n{table}");
    println!(
        "ratio: evenkeel to the first keepalived. CPU: host's, of the whole lab, above an idle one."
    );
    println!(
        "Excess: above the smallest prober that asks as many questions of the same responder."
    );
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

fn contenders(options: &Options) -> Result<Vec<Contender>, String> {
    let binary = match &options.evenkeel {
        Some(path) => path.clone(),
        None => {
            println!("xtask: building the release");
            if !step::cargo(&["build", "--quiet", "--release", "--package", "evenkeel"], &[]) {
                return Err("the build failed".to_owned());
            }
            step::target().join("release/evenkeel")
        }
    };
    let binary =
        std::fs::canonicalize(&binary).map_err(|cause| format!("{}: {cause}", binary.display()))?;
    let mut all = vec![Contender {
        name: "evenkeel".to_owned(),
        bench: "evenkeel",
        variables: vec![("EVENKEEL_BIN", binary.display().to_string())],
    }];
    if !options.no_debian {
        let name = "keepalived (Debian)".to_owned();
        all.push(Contender { name, bench: "keepalived", variables: Vec::new() });
    }
    for path in &options.peer {
        let path =
            std::fs::canonicalize(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
        all.push(Contender {
            name: path.display().to_string(),
            bench: "keepalived",
            variables: vec![("EVENKEEL_PEER", path.display().to_string())],
        });
    }
    Ok(all)
}

fn variables(options: &Options, contender: &Contender) -> Vec<(&'static str, String)> {
    let mut variables = contender.variables.clone();
    variables.push(("EVENKEEL_BENCH_RUNS", options.runs.to_string()));
    variables.push(("EVENKEEL_BENCH_SECONDS", options.seconds.to_string()));
    if !options.parts.is_empty() {
        variables.push(("EVENKEEL_BENCH_PARTS", options.parts.join(",")));
    }
    variables
}

/// Plain figures as they are, and CPU per check from the marks around each window.
fn summary(figures: &[Figure]) -> Said {
    let number = |text: &str| text.split_whitespace().next()?.parse::<f64>().ok();
    let all: Said = figures
        .iter()
        .filter_map(|figure| Some((figure.what.clone(), number(&figure.value)?)))
        .collect();
    let (mut said, marks): (Said, Said) =
        all.into_iter().partition(|(what, _)| window_of(what).is_none());
    let windows = |kind: &str| {
        let of = |run: u32, what: &str| marks.get(&format!("{kind} {run} {what}")).copied();
        (0..)
            .map_while(|run| Some((of(run, "end")? - of(run, "begin")?, of(run, "checks")?)))
            .collect::<Vec<_>>()
    };
    let idle = median(windows("idle").into_iter().map(|(cpu, _)| cpu).collect()).unwrap_or(0.0);
    let each = |kind: &str| {
        let busy = windows(kind).into_iter().filter(|(_, checks)| *checks > 0.0);
        median(busy.map(|(cpu, checks)| (cpu - idle) * 1000.0 / checks).collect())
    };
    let (floor, daemon) = (each("prober"), each("daemon"));
    let cpu = [("smallest prober", floor), ("CPU", daemon)];
    said.extend(
        cpu.iter().filter_map(|(what, us)| Some((format!("{what} per check, us"), (*us)?))),
    );
    if let Some((floor, daemon)) = floor.zip(daemon) {
        said.insert("CPU per check, excess, us".to_owned(), daemon - floor);
    }
    said
}

/// `daemon 2 begin` is a mark of a window.
fn window_of(what: &str) -> Option<&str> {
    let (rest, last) = what.rsplit_once(' ')?;
    let (kind, run) = rest.rsplit_once(' ')?;
    let is_mark = ["begin", "end", "checks"].contains(&last) && run.parse::<u32>().is_ok();
    is_mark.then_some(kind)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn add_rows(table: &mut Table, what: &str, said: &[Said]) {
    let mut names: Vec<&String> = said.iter().flat_map(BTreeMap::keys).collect();
    names.sort();
    names.dedup();
    for name in names {
        let value = |said: &Said| said.get(name).copied();
        let cell = |said: &Said| value(said).map_or("-".to_owned(), |value| format!("{value:.3}"));
        let ratio = match said {
            [ours, theirs, ..] => value(ours)
                .zip(value(theirs))
                .filter(|(_, theirs)| *theirs != 0.0)
                .map_or("-".to_owned(), |(ours, theirs)| format!("{:.2}", ours / theirs)),
            _ => "-".to_owned(),
        };
        let cells = [format!("{what}: {name}")].into_iter().chain(said.iter().map(cell));
        let cells: Vec<String> = cells.chain([ratio]).collect();
        table.row(&cells.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_per_check_is_above_the_idle_lab_and_above_the_smallest_prober() {
        let figure = |(what, value): &(&str, &str)| Figure {
            what: (*what).to_owned(),
            value: (*value).to_owned(),
        };
        let figures: Vec<Figure> = [
            ("full table", "1.5 s"),
            ("idle 0 begin", "100 ms"),
            ("idle 0 end", "110 ms"),
            ("idle 0 checks", "0"),
            ("prober 0 begin", "110 ms"),
            ("prober 0 end", "320 ms"),
            ("prober 0 checks", "1000"),
            ("daemon 0 begin", "400 ms"),
            ("daemon 0 end", "710 ms"),
            ("daemon 0 checks", "1000"),
        ]
        .iter()
        .map(figure)
        .collect();
        let said = summary(&figures);
        let wanted = [
            ("CPU per check, excess, us", 100.0),
            ("CPU per check, us", 300.0),
            ("full table", 1.5),
            ("smallest prober per check, us", 200.0),
        ];
        assert_eq!(said, wanted.map(|(what, value)| (what.to_owned(), value)).into());
    }
}
