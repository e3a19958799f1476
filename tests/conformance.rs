//! docs/vrrp-conformance.md and docs/bfd-conformance.md list every requirement, and the tests that they name exist.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const VRRP: &str = include_str!("../docs/vrrp-conformance.md");
const BFD: &str = include_str!("../docs/bfd-conformance.md");

/// Each table: its page, its heading, how many lines it has.
const TABLES: [(&str, &str, u32); 4] = [
    (VRRP, "\n## Version 3", 76),
    (VRRP, "\n## Version 2", 17),
    (VRRP, "\n## keepalived", 19),
    (BFD, "\n## BFD", 15),
];

/// The lines of the table under a heading: number and the last column.
fn lines(page: &str, heading: &str) -> Vec<(u32, String)> {
    let (_, section) = page.split_once(heading).expect("the heading");
    let section = section.split("\n## ").next().unwrap_or_default();
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim().trim_matches('|').split(" | ").map(str::trim).collect();
        let number = cells.first()?.parse().ok()?;
        Some((number, cells.last()?.to_string()))
    };
    section.lines().filter_map(row).collect()
}

#[test]
fn every_requirement_has_its_line() {
    for (page, heading, count) in TABLES {
        let numbers: Vec<u32> =
            lines(page, heading).into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "{heading}");
    }
}

#[test]
fn every_test_that_the_ledger_names_exists() {
    let mut tests = BTreeSet::new();
    for folder in ["vrrp/src", "bfd/src", "src", "tests"] {
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut tests);
    }
    let mut missing = Vec::new();
    for (page, heading, _) in TABLES {
        for (number, named) in lines(page, heading) {
            let names: Vec<&str> = named.split('`').skip(1).step_by(2).collect();
            let is_explained = named.starts_with("none");
            assert!(
                !names.is_empty() || is_explained,
                "{heading}, {number}: no test and no reason"
            );
            missing
                .extend(names.into_iter().filter(|name| !tests.contains(*name)).map(str::to_owned));
        }
    }
    assert_eq!(missing, [""; 0]);
}

/// Names of functions, and of scenarios of the lab.
fn collect(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let after = |mark: &'static str, end: char| {
                let name = move |rest: &str| rest.split(end).next().unwrap_or_default().to_owned();
                text.split(mark).skip(1).map(name).collect::<Vec<_>>()
            };
            into.extend(after("fn ", '('));
            into.extend(after("Scenario::together(\"", '"'));
            into.extend(after("Scenario::alone(\"", '"'));
        }
    }
}
