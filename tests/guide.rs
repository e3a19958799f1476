//! The commands that the guide and the README tell people to type exist, with the options that they are given there; a command
//! whose reader goes ends without a word. The page about the lab names every file of scenarios.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn every_command_of_the_guide_exists_with_its_options() {
    let mut helps: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = 0;
    for page in ["docs/guide.md", "README.md"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        for line in commands(&text) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let help = helps.entry(words[1].to_owned()).or_insert_with(|| help(words[1], &line));
            let is_option = |word: &&&str| word.starts_with('-') && word.len() > 1;
            for option in words.iter().skip(2).filter(is_option) {
                let name = option.split('=').next().unwrap();
                assert!(help.contains(name), "{page}: `{line}`: no {name} in\n{help}");
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} commands found");
    assert!(helps.len() > 8, "{:?}", helps.keys());
}

/// Lines that begin with `evenkeel`, in blocks for the shell and in indented ones, without comments.
fn commands(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let line = line.trim().trim_start_matches('[').replace(['[', ']'], " ");
        let line = line.split(" #").next().unwrap_or_default();
        // In the README's list two blanks part a command from its meaning.
        let line = line.split("   ").next().unwrap_or_default().trim();
        line.strip_prefix("evenkeel ").map(|rest| format!("evenkeel {rest}"))
    };
    text.lines().filter_map(line).filter(|line| !line.ends_with('.')).collect()
}

fn help(command: &str, line: &str) -> String {
    let said =
        Command::new(env!("CARGO_BIN_EXE_evenkeel")).args(["help", command]).output().unwrap();
    assert!(said.status.success(), "`{line}`: {}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap()
}

#[test]
fn every_file_of_scenarios_is_named() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/lab.md")).unwrap();
    let files: Vec<String> = fs::read_dir(root.join("tests/lab/scenarios"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| fs::read_to_string(path).is_ok_and(|text| text.contains("SCENARIOS: &")))
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert!(files.len() > 40, "only {} found", files.len());
    let missing: Vec<&String> =
        files.iter().filter(|name| !page.contains(&format!("`scenarios/{name}`"))).collect();
    assert!(missing.is_empty(), "docs/lab.md says nothing of {missing:?}");
}

/// `evenkeel ... | head`: the end of what reads is the end of the command, and no panic.
#[test]
fn a_reader_that_goes_ends_a_command_without_a_word() {
    for words in [["completions", "bash"], ["keywords", "virtual_server"], ["signum", "STOP"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
            .args(words)
            .stdout(writer)
            .stderr(std::process::Stdio::piped())
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words:?}");
    }
}
