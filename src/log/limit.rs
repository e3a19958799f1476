//! PURE: the same line again and again is written a few times, then counted.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Times that a line is written within [`WINDOW`].
const WRITTEN: u32 = 10;
/// How long a line is remembered.
const WINDOW: Duration = Duration::from_secs(10);
/// Lines remembered; when there are more, all are forgotten: then they are not the same line again and again.
const REMEMBERED: usize = 1024;

/// What has been written lately.
#[derive(Debug, Default)]
pub(super) struct Limit {
    seen: HashMap<u64, Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    since: Instant,
    times: u32,
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is written.
    Write,
    /// It is written; before it, that so many like it were not.
    WriteAfter(u32),
    /// It is counted.
    Count,
}

impl Limit {
    /// Decides about a line, by a hash of what makes it the same as another.
    pub(super) fn rule(&mut self, line: u64, now: Instant) -> Verdict {
        if self.seen.len() >= REMEMBERED && !self.seen.contains_key(&line) {
            self.seen.clear();
        }
        let seen = self.seen.entry(line).or_insert(Seen { since: now, times: 0 });
        if now.saturating_duration_since(seen.since) >= WINDOW {
            let missed = seen.times.saturating_sub(WRITTEN);
            *seen = Seen { since: now, times: 1 };
            return if missed == 0 { Verdict::Write } else { Verdict::WriteAfter(missed) };
        }
        seen.times = seen.times.saturating_add(1);
        if seen.times <= WRITTEN { Verdict::Write } else { Verdict::Count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
    fn a_line_is_written_ten_times_then_counted_then_told() {
        let start = Instant::now();
        let mut limit = Limit::default();
        let ruled: Vec<Verdict> = (0..15).map(|_| limit.rule(1, start)).collect();
        assert_eq!(ruled[..10], [Verdict::Write; 10]);
        assert_eq!(ruled[10..], [Verdict::Count; 5]);
        assert_eq!(limit.rule(2, start), Verdict::Write, "another line is another line");
        assert_eq!(limit.rule(1, start + WINDOW), Verdict::WriteAfter(5));
        assert_eq!(limit.rule(1, start + WINDOW), Verdict::Write);
        assert_eq!(limit.rule(1, start + WINDOW * 2), Verdict::Write);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
    fn what_is_remembered_is_bounded() {
        let now = Instant::now();
        let mut limit = Limit::default();
        for line in 0..100_000 {
            assert_eq!(limit.rule(line, now), Verdict::Write);
        }
        assert!(limit.seen.len() <= REMEMBERED);
    }
}
