//! `cargo xtask bench lvs`: thousands of real servers under evenkeel and keepalived, one after the other in the lab, on the
//! same configuration and responder; one table with ratios. It ends within its time: what is worth most comes first, and what
//! was left out is named.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::clock::Watch;
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
    /// After so many minutes nothing new begins; what was left out is listed
    #[arg(long, default_value_t = 60)]
    minutes: u64,
}

/// The figure of a part that had no time left; its value is the part's name.
const LEFT_OUT: &str = "left out";

/// What one daemon said, by what it is.
type Said = BTreeMap<String, f64>;

/// One daemon under test.
struct Contender {
    name: String,
    /// `evenkeel` or `keepalived`: which of the lab's benches.
    bench: &'static str,
    variables: Vec<(&'static str, String)>,
}

/// How many real servers and what is asked of them, in the order of worth: what has no time left comes last.
const CELLS: [(u32, &str); 6] = [
    (5000, "tcp"),
    (20_000, "tcp"),
    (5000, "http"),
    (1000, "tcp"),
    (20_000, "http"),
    (1000, "http"),
];

/// What is to be reached: of which cells, of which figure, and what.
const BOUNDS: [(&str, &str, &str); 8] = [
    ("", "full table", "0.4 x"),
    ("", "CPU per check, excess", "0.5 x"),
    ("tcp 5000", "system calls per check", "7"),
    ("", "system calls a second", "2"),
    ("5000", "PSS", "0.8 x"),
    ("20000", "PSS", "0.8 x"),
    ("5000", "reload of one weight", "0.15 x"),
    ("20000", "reload of one weight", "0.3 s"),
];
/// The same of all cells, with words that stand behind others.
const BOUNDS_OF_ALL: [(&str, &str); 2] =
    [("rows missing", "0"), ("all dead: the most of them that is certain", "0.3 s")];

pub(crate) fn run(options: &Options) -> Result<(), String> {
    let contenders = contenders(options)?;
    let mut table = Table::new(&headings(&contenders));
    let (mut left_out, mut failures) = (Vec::new(), Vec::new());
    let wanted = |(servers, check): &&(u32, &str)| {
        options.servers.contains(servers) && options.checks.iter().any(|one| one == check)
    };
    let cells: Vec<_> = CELLS.iter().filter(wanted).collect();
    if cells.is_empty() {
        return Err("no such cells: 1000, 5000 or 20000 real servers, tcp or http".to_owned());
    }
    lab::build()?;
    let watch = Watch::start(options.minutes);
    for (servers, check) in cells {
        let mut said = Vec::new();
        for contender in &contenders {
            let cell = format!("{} with {servers} real servers, {check}", contender.name);
            if watch.is_over() {
                left_out.push(cell);
                said.push(Said::new());
                continue;
            }
            println!("xtask: {cell}");
            let word = format!("bench_lvs_{check}_{servers}_{}", contender.bench);
            // One that fails leaves a gap in the table: the others take an hour.
            let measured = lab::measure_with(&word, &variables(options, contender, &watch));
            let figures = measured.as_deref().unwrap_or_default();
            let parts = figures.iter().filter(|figure| figure.what == LEFT_OUT);
            left_out.extend(parts.map(|figure| format!("{cell}: {}", figure.value)));
            said.push(summary(figures));
            failures.extend(measured.err().map(|why| format!("{word}: {why}")));
        }
        add_rows(&mut table, &format!("{check} {servers}"), &said);
    }
    println!("\n{table}");
    println!(
        "ratio: evenkeel to the column before. CPU: host's, of the whole lab, above an idle one."
    );
    println!(
        "Excess: above the smallest prober that asks as many questions of the same responder."
    );
    for one in left_out {
        println!("not run, the {} minutes were over: {one}", options.minutes);
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

fn headings(contenders: &[Contender]) -> Vec<&str> {
    let others = contenders.iter().skip(1).flat_map(|one| [one.name.as_str(), "ratio"]);
    ["what", "evenkeel"].into_iter().chain(others).chain(["to reach"]).collect()
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

fn variables(
    options: &Options,
    contender: &Contender,
    watch: &Watch,
) -> Vec<(&'static str, String)> {
    let mut variables = contender.variables.clone();
    variables.push(("EVENKEEL_BENCH_WITHIN", watch.left().as_secs().to_string()));
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

/// The first of `said` is ours.
fn add_rows(table: &mut Table, cell: &str, said: &[Said]) {
    let mut names: Vec<&String> = said.iter().flat_map(BTreeMap::keys).collect();
    names.sort();
    names.dedup();
    let Some((ours, others)) = said.split_first() else { return };
    for name in names {
        let shown = |said: &Said| said.get(name).map_or("-".to_owned(), |one| format!("{one:.3}"));
        let mut cells = vec![format!("{cell}: {name}"), shown(ours)];
        for theirs in others {
            cells.push(shown(theirs));
            // An excess below nothing is noise, and so is its ratio.
            let is_told = |(ours, theirs): &(&f64, &f64)| **ours >= 0.0 && **theirs > 0.0;
            let both = ours.get(name).zip(theirs.get(name)).filter(is_told);
            cells.push(
                both.map_or("-".to_owned(), |(ours, theirs)| format!("{:.2}", ours / theirs)),
            );
        }
        cells.push(bound(cell, name).to_owned());
        table.row(&cells.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

fn bound(cell: &str, name: &str) -> &'static str {
    let words: Vec<&str> = cell.split(' ').collect();
    let of_cell = |of: &str| of.split_whitespace().all(|word| words.contains(&word));
    let one = BOUNDS.iter().find(|(of, what, _)| of_cell(of) && name.starts_with(what));
    let all = || BOUNDS_OF_ALL.iter().find(|(what, _)| name.starts_with(what)).map(|(_, to)| *to);
    one.map(|(_, _, to)| *to).or_else(all).unwrap_or("-")
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

    #[test]
    fn each_peer_has_its_ratio_and_each_figure_its_bound() {
        let said = |value: Option<f64>| -> Said {
            value.into_iter().map(|value| ("reload of one weight".to_owned(), value)).collect()
        };
        let mut table = Table::new(&["what", "ours", "a", "ratio", "b", "ratio", "to reach"]);
        add_rows(&mut table, "tcp 20000", &[said(Some(0.2)), said(Some(0.8)), said(None)]);
        let text = table.to_string();
        let row: Vec<&str> = text.lines().last().unwrap_or_default().split("  ").collect();
        let row: Vec<&str> = row.iter().map(|cell| cell.trim()).filter(|c| !c.is_empty()).collect();
        let wanted =
            ["tcp 20000: reload of one weight", "0.200", "0.800", "0.25", "-", "-", "0.3 s"];
        assert_eq!(row, wanted);
        assert_eq!(bound("tcp 5000", "PSS of all processes"), "0.8 x");
        assert_eq!(bound("tcp 1000", "PSS of all processes"), "-");
        assert_eq!(bound("tcp 5000", "system calls per check"), "7");
        assert_eq!(bound("http 5000", "system calls per check"), "-");
        assert_eq!(bound("http 1000", "rows missing meanwhile"), "0");
    }
}
