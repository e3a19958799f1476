//! Timing a program on this machine: several runs, the median and the spread.
#![expect(clippy::disallowed_methods, reason = "it measures times")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A time that should not be exceeded.
#[derive(Debug)]
pub(crate) struct Watch {
    end: Instant,
}

impl Watch {
    /// So many minutes from now.
    pub(crate) fn start(minutes: u64) -> Self {
        Self { end: Instant::now() + Duration::from_secs(minutes * 60) }
    }

    /// What is left of them.
    pub(crate) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// They have passed.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }
}

/// What several runs of the same took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Runs {
    sorted: Vec<Duration>,
}

impl Runs {
    /// Runs `once` this many times; it says itself what it took.
    pub(crate) fn of(
        count: usize,
        mut once: impl FnMut() -> Result<Duration, String>,
    ) -> Result<Self, String> {
        let mut sorted = (0..count).map(|_| once()).collect::<Result<Vec<_>, _>>()?;
        sorted.sort();
        Ok(Self { sorted })
    }

    /// The one in the middle.
    pub(crate) fn median(&self) -> Duration {
        self.sorted.get(self.sorted.len() / 2).copied().unwrap_or_default()
    }

    /// "12.3 ms (11.9-15.0)".
    pub(crate) fn text(&self) -> String {
        let millis = |took: Duration| format!("{:.1}", took.as_secs_f64() * 1e3);
        match (self.sorted.first(), self.sorted.last()) {
            (Some(least), Some(most)) => {
                format!("{} ms ({}-{})", millis(self.median()), millis(*least), millis(*most))
            }
            _ => "-".to_owned(),
        }
    }
}

/// Wall time of `f`.
pub(crate) fn time<T>(f: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let value = f();
    (value, start.elapsed())
}

/// Wall time of a program from its start to its end, its complaints thrown away. `good` are the exit statuses that count as
/// success.
pub(crate) fn program(command: &mut Command, good: &[i32]) -> Result<Duration, String> {
    command.stdin(Stdio::null()).stderr(Stdio::null());
    let (status, took) = time(|| command.status());
    let status = status.map_err(|cause| format!("{command:?}: {cause}"))?;
    if status.code().is_some_and(|code| good.contains(&code)) {
        Ok(took)
    } else {
        Err(format!("{command:?} ended with {status}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_told_with_its_spread() {
        let mut given = [30, 10, 20].into_iter().map(Duration::from_millis);
        let runs = Runs::of(3, || given.next().ok_or_else(String::new)).unwrap();
        assert_eq!(runs.median(), Duration::from_millis(20));
        assert_eq!(runs.text(), "20.0 ms (10.0-30.0)");
    }

    #[test]
    fn a_program_that_fails_is_no_measurement() {
        assert!(program(&mut Command::new("false"), &[0]).is_err());
        assert!(program(&mut Command::new("true"), &[0]).is_ok());
    }
}
