//! A body, searched as it comes: a window slides over it, so that its length does not matter.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::bytes::Regex;

use crate::failure::{Failure, LocalFault};
use crate::spec::{BodySearch, Pattern};

/// The window when it is full.
const WINDOW: usize = 2 * OVERLAP;

/// What stays of a full window: no match up to this length is missed, wherever it is. One byte of it is only looked back
/// at.
const OVERLAP: usize = 64 * 1024;

/// The search of one body.
#[derive(Debug)]
pub(super) struct Searcher<'a> {
    spec: &'a BodySearch,
    regex: Regex,
    window: Vec<u8>,
    /// Where the window starts in the body.
    base: u64,
    found: Option<u64>,
    /// No match that starts later would count.
    over: bool,
    length: u64,
}

impl<'a> Searcher<'a> {
    pub(super) fn new(spec: &'a BodySearch) -> Result<Self, LocalFault> {
        let regex = compiled(&spec.pattern)?;
        let window = Vec::new();
        Ok(Self { spec, regex, window, base: 0, found: None, over: false, length: 0 })
    }

    /// More of the body. Fails as soon as there is a match that must not be.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        self.length += bytes.len() as u64;
        while !bytes.is_empty() && !self.is_done() {
            let (now, later) = bytes.split_at(bytes.len().min(WINDOW - self.window.len()));
            self.window.extend_from_slice(now);
            bytes = later;
            if self.window.len() == WINDOW {
                self.search(false);
                self.slide();
            }
        }
        self.refuse()
    }

    /// The body is over.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        if !self.is_done() {
            self.search(true);
        }
        self.refuse()?;
        if self.found.is_none() && !self.spec.no_match {
            return Err(Failure::NoMatch { searched: self.length });
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.over || self.found.is_some()
    }

    fn refuse(&self) -> Result<(), Failure> {
        match self.found {
            Some(at) if self.spec.no_match => Err(Failure::Match { at }),
            Some(_) | None => Ok(()),
        }
    }

    /// A match that reaches the end of the window may look different when more has come.
    fn search(&mut self, last: bool) {
        let seen = u64::from(self.base > 0);
        let from = self.spec.min_offset.saturating_sub(self.base).max(seen);
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        if from > self.window.len() {
            return;
        }
        let Some(found) = self.regex.find_at(&self.window, from) else { return };
        let at = self.base + found.start() as u64;
        if self.spec.max_offset.is_some_and(|max| at > max) {
            self.over = true;
        } else if last || found.end() < self.window.len() {
            self.found = Some(at);
        }
    }

    fn slide(&mut self) {
        self.window.drain(..WINDOW - OVERLAP);
        self.base += (WINDOW - OVERLAP) as u64;
        if self.spec.max_offset.is_some_and(|max| self.base > max) {
            self.over = true;
        }
        if self.is_done() {
            self.window = Vec::new();
        }
    }
}

/// Compiled expressions. More than anybody writes mean that reloads have left some behind.
fn compiled(pattern: &Pattern) -> Result<Regex, LocalFault> {
    const MOST: usize = 256;
    static COMPILED: LazyLock<Mutex<HashMap<Pattern, Regex>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = compiled.get(pattern) {
        return Ok(regex.clone());
    }
    let fault = |error| LocalFault { step: format!("regex: {error}"), errno: 0 };
    let regex = pattern.compile().map_err(fault)?;
    if compiled.len() >= MOST {
        compiled.clear();
    }
    compiled.insert(pattern.clone(), regex.clone());
    Ok(regex)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::PatternOptions;

    fn spec(pattern: &str) -> BodySearch {
        let pattern = Pattern::new(pattern, PatternOptions::default()).unwrap();
        BodySearch { pattern, no_match: false, min_offset: 0, max_offset: None }
    }

    fn search(spec: &BodySearch, body: &[u8], piece: usize) -> Result<(), Failure> {
        let mut search = Searcher::new(spec).unwrap();
        for piece in body.chunks(piece) {
            search.push(piece)?;
            assert!(search.window.capacity() <= 2 * WINDOW, "{}", search.window.capacity());
        }
        search.finish()
    }

    /// A megabyte of dots with `needle` at `at`.
    fn hay(at: usize, needle: &str) -> Vec<u8> {
        let mut body = vec![b'.'; 1 << 20];
        body[at..at + needle.len()].copy_from_slice(needle.as_bytes());
        body
    }

    #[test]
    fn a_match_is_found_wherever_it_is_and_however_it_comes() {
        for at in
            [0, 1, OVERLAP - 2, OVERLAP, WINDOW - 3, WINDOW - 2, WINDOW, 700_000, (1 << 20) - 6]
        {
            for piece in [1000, 16 * 1024, 1 << 20] {
                assert_eq!(
                    search(&spec("ne+dle"), &hay(at, "needle"), piece),
                    Ok(()),
                    "{at} {piece}"
                );
            }
        }
        let none = Err(Failure::NoMatch { searched: 1 << 20 });
        assert_eq!(search(&spec("needle"), &hay(9, "needl"), 5000), none);
        assert_eq!(search(&spec("^$"), b"", 1), Ok(()));
        assert_eq!(search(&spec("a"), b"", 1), Err(Failure::NoMatch { searched: 0 }));
    }

    #[test]
    fn beginning_and_end_are_those_of_the_body_not_of_a_window() {
        let none = Err(Failure::NoMatch { searched: 1 << 20 });
        for at in [1, OVERLAP, WINDOW, WINDOW - 6] {
            assert_eq!(search(&spec("^needle"), &hay(at, "needle"), 1 << 20), none, "{at}");
            assert_eq!(search(&spec("needle$"), &hay(at, "needle"), 1 << 20), none, "{at}");
            assert_eq!(search(&spec("needle\\b"), &hay(at, "needles"), 1 << 20), none, "{at}");
            assert_eq!(search(&spec("\\bneedle"), &hay(at - 1, "xneedle"), 1 << 20), none, "{at}");
        }
        assert_eq!(search(&spec("needle$"), &hay((1 << 20) - 6, "needle"), 4096), Ok(()));
    }

    #[test]
    fn a_match_starts_within_the_offsets() {
        let none = Err(Failure::NoMatch { searched: 1 << 20 });
        for (min, max, wanted) in [
            (0, Some(300_000), Ok(())),
            (300_000, Some(300_000), Ok(())),
            (300_000, None, Ok(())),
            (300_001, None, none.clone()),
            (0, Some(299_999), none.clone()),
            (2 << 20, None, none),
        ] {
            let spec = BodySearch { min_offset: min, max_offset: max, ..spec("needle") };
            assert_eq!(search(&spec, &hay(300_000, "needle"), 10_000), wanted, "{min} {max:?}");
        }
    }

    #[test]
    fn a_match_that_must_not_be_fails_with_its_place() {
        let spec = BodySearch { no_match: true, ..spec("ne+dle") };
        let found = Err(Failure::Match { at: 300_000 });
        assert_eq!(search(&spec, &hay(300_000, "needle"), 10_000), found);
        assert_eq!(search(&spec, &hay(300_000, "needl"), 10_000), Ok(()));
    }
}
