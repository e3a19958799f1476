//! Files after a slip of the hand: a line, a word or the end is missing. Whatever is left loads or is refused with its
//! place, soon; and what loads means the same as KDL. With `EVENKEEL_FIELD=FOLDER` the files of that folder are taken,
//! and every word of them.

use std::path::{Path, PathBuf};

use super::*;

/// The text without one part.
fn without(text: &str, part: std::ops::Range<usize>) -> String {
    [&text[..part.start], &text[part.end..]].concat()
}

/// Where each line stands.
fn lines(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    text.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some(start..*at)
    })
}

/// Where each word stands.
fn words(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    let start = text.as_ptr() as usize;
    text.split_whitespace().map(move |word| {
        let at = word.as_ptr() as usize - start;
        at..at + word.len()
    })
}

/// Loads it or says why not; gives what does not go together.
fn amiss(text: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the promise is about time")]
    let begin = Instant::now();
    let bytes = text.as_bytes();
    let Loaded { config, diagnostics, .. } = load_text("x", bytes, Grammar::Keepalived, Host::Any);
    if config.is_none() != diagnostics.has_errors() {
        return Some("no model, and nothing is said of it".to_owned());
    }
    let converted = convert_text("x", bytes, Grammar::Keepalived);
    // What is refused for another director than this one has no KDL that means the same.
    if let (Some(config), false) = (config, converted.diagnostics.has_errors()) {
        let kdl = converted.kdl;
        let Some(kdl) = kdl else { return Some("it loads and has no KDL".to_owned()) };
        let again = load_text("x", kdl.as_bytes(), Grammar::Kdl, Host::Any);
        let told = again.diagnostics.lines().find(|line| line.contains("error"));
        if again.config != Some(config) {
            return Some(format!("the KDL means something else ({told:?}):\n{kdl}"));
        }
    }
    (begin.elapsed() > Duration::from_secs(20)).then(|| format!("took {:?}", begin.elapsed()))
}

fn files() -> (Vec<PathBuf>, bool) {
    let given = std::env::var_os("EVENKEEL_FIELD").map(PathBuf::from);
    let all = given.is_some();
    let ours = || Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let entries = std::fs::read_dir(given.unwrap_or_else(ours)).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|ending| ending == "conf")).collect();
    files.sort();
    (files, all)
}

#[test]
fn a_line_or_a_word_or_the_end_may_be_missing() {
    let (files, all) = files();
    let (mut tried, mut found) = (0, Vec::new());
    for path in &files {
        let bytes = std::fs::read(path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_start_matches('\u{feff}');
        let few = |at: usize| all || at % 7 == tried % 7;
        let mut damaged = vec![text.to_owned()];
        damaged.extend(lines(text).map(|line| without(text, line)));
        let some_words = words(text).enumerate().filter(|(at, _)| few(*at));
        damaged.extend(some_words.map(|(_, word)| without(text, word)));
        let ends = (0..text.len()).step_by(100).filter(|at| text.is_char_boundary(*at));
        damaged.extend(ends.map(|at| text[..at].to_owned()));
        for text in damaged {
            tried += 1;
            if let Some(what) = amiss(&text) {
                found.push(format!("{}: {what}\n--- of\n{text}", path.display()));
            }
        }
    }
    let heads: Vec<&str> = found.iter().filter_map(|one| one.lines().next()).take(20).collect();
    assert!(found.is_empty(), "{} of {tried}: {heads:#?}\n{}", found.len(), found[0]);
    assert!(tried > 300, "{tried} texts of {} files", files.len());
}
