//! `cargo xtask bench failover`: how fast and how quietly the VIP moves, beside keepalived with the same file, in the lab.
//!
//! Each cell is a machine of its own, booted for it. Times are milliseconds: median / p95 / most.

use std::collections::BTreeMap;

use super::clock::Watch;
use super::lab;
use super::table::Table;

/// Words on the command line.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How often each case is run
    #[arg(long, default_value_t = 20)]
    runs: u32,
    /// Which parts; all of them unless given
    #[arg(long, value_enum, value_delimiter = ',')]
    part: Vec<Part>,
    /// Only cells whose name contains this: 10_ms, 1_s, v6
    #[arg(long, default_value = "")]
    only: String,
    /// Leave keepalived out
    #[arg(long)]
    no_peer: bool,
    /// How long false takeovers are counted
    #[arg(long, default_value_t = 600)]
    seconds: u32,
    /// How many checks are in flight beside that
    #[arg(long, default_value_t = 5000)]
    checks: u32,
    /// After so many minutes no further cell begins; what was left out is listed
    #[arg(long, default_value_t = 150)]
    minutes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
enum Part {
    /// The link of the holder is cut
    Cut,
    /// The holder is stopped as planned, and comes back
    Stop,
    /// The holder is told to hand over, and to take part again; keepalived has no such command
    Order,
    /// Takeovers that nobody needs, beside busy loops and checks
    False,
    /// 255 instances with 20 VIPs each
    Many,
    /// Packets that are not what they should be
    Flood,
}

/// In the order in which they run: what is short comes first.
const PARTS: [Part; 6] = [Part::Flood, Part::Cut, Part::Stop, Part::Order, Part::Many, Part::False];

impl Part {
    /// The cells, without whose they are.
    fn cells(self) -> &'static [&'static str] {
        match self {
            Self::Cut => &["10_ms_v4", "10_ms_v6", "100_ms_v4", "100_ms_v6", "1_s_v4", "1_s_v6"],
            Self::Stop | Self::Order => &["10_ms_v4", "100_ms_v4", "1_s_v4", "100_ms_v6"],
            Self::False | Self::Many | Self::Flood => &[""],
        }
    }

    /// What runs beside evenkeel: a machine each, for a machine has an end of its own.
    fn peers(self) -> &'static [&'static str] {
        match self {
            Self::Order => &[],
            Self::False => &["keepalived_default", "keepalived_rt"],
            Self::Cut | Self::Stop | Self::Many | Self::Flood => &["keepalived"],
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Stop => "stop",
            Self::Order => "order",
            Self::False => "false",
            Self::Many => "many",
            Self::Flood => "flood",
        }
    }
}

/// What is to be reached, by the beginning of what was measured.
const BOUNDS: [(&str, &str); 10] = [
    ("captured takeover", "1.5 / 4 / 10"),
    ("client gap", "median below keepalived's"),
    ("planned stop: new", "0 failed"),
    ("preemption back: new", "0 failed"),
    ("false takeovers", "0"),
    ("255 instances", "at most 0.4 x keepalived's"),
    ("failover command: new", "0 failed"),
    ("rejoin: new", "0 failed"),
    ("flood: transitions", "0"),
    ("flood of wrong packets", "at least 20000"),
];

pub(crate) fn run(options: &Options) -> Result<(), String> {
    let mut table = Table::new(&["case", "what", "evenkeel", "keepalived (Debian)", "to reach"]);
    let settings = [
        ("EVENKEEL_BENCH_RUNS", options.runs),
        ("EVENKEEL_BENCH_SECONDS", options.seconds),
        ("EVENKEEL_BENCH_CHECKS", options.checks),
    ];
    let settings = settings.map(|(name, value)| (name, value.to_string()));
    let watch = Watch::start(options.minutes);
    let mut troubles = Vec::new();
    let wanted = |part: &Part| options.part.is_empty() || options.part.contains(part);
    for part in PARTS.into_iter().filter(wanted) {
        for cell in part.cells().iter().filter(|cell| cell.contains(&options.only)) {
            let case = format!("{} {}", part.word(), cell.replace('_', " "));
            eprintln!("xtask: {case}");
            let mut rows: BTreeMap<String, [String; 2]> = BTreeMap::new();
            let mut kinds = vec!["evenkeel"];
            if !options.no_peer {
                kinds.extend(part.peers());
            }
            for kind in kinds {
                let end = if cell.is_empty() { String::new() } else { format!("_{cell}") };
                let word = format!("bench_failover_{}_{kind}{end}", part.word());
                if watch.is_over() {
                    troubles.push(format!("{word}: left out, the time was over"));
                    continue;
                }
                // One that fails takes nothing from the others.
                let measured = lab::measure_with(&word, &settings).unwrap_or_else(|why| {
                    troubles.push(format!("{word}: {why}"));
                    Vec::new()
                });
                for figure in measured {
                    let (what, column) = match figure.what.strip_prefix("keepalived ") {
                        Some(what) => (what, 1),
                        None => (figure.what.as_str(), 0),
                    };
                    let row =
                        rows.entry(what.to_owned()).or_insert_with(|| ["-".into(), "-".into()]);
                    row[column] = figure.value;
                }
            }
            for (what, [ours, theirs]) in rows {
                table.row(&[case.trim_end(), &what, &ours, &theirs, bound(&what)]);
            }
        }
    }
    println!("\n{table}");
    println!("times: median / p95 / most of {} runs", options.runs);
    if troubles.is_empty() { Ok(()) } else { Err(troubles.join("\n")) }
}

fn bound(what: &str) -> &'static str {
    BOUNDS.iter().find(|(begin, _)| what.starts_with(begin)).map_or("-", |(_, bound)| bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_reached_stands_beside_what_was_measured() {
        assert_eq!(bound("captured takeover beyond the protocol's time, ms"), "1.5 / 4 / 10");
        assert_eq!(bound("something else"), "-");
    }
}
