//! What the engine keeps of one probe between two of its runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::judge::{Judge, Ruling};
use crate::moment::Moment;
use crate::outcome::{Certificate, Outcome, Verdict};
use crate::spec::{CheckSpec, ProbeKey, Target};

/// One probe, whoever wants to know of it.
#[derive(Debug)]
pub(crate) struct Probed {
    pub(crate) target: Target,
    pub(crate) spec: Arc<CheckSpec>,
    pub(crate) phase: Phase,
    judge: Judge,
    since: Moment,
    /// When the latest probe that has ended started, and how many microseconds it took.
    started: Option<Moment>,
    took_us: u32,
    tally: Tally,
    /// Most have none.
    remarks: Option<Box<Remarks>>,
}

/// What only a probe has that was not always answered well, or that asks for more than an answer.
#[derive(Debug, Clone, Default)]
struct Remarks {
    cause: Option<Arc<Failure>>,
    failed: u32,
    not_asked: u32,
    failures_in_a_row: u32,
    /// The latest probe could not be asked.
    is_unasked: bool,
    certificate: Option<Certificate>,
}

/// What there is to remark where there is nothing.
static NONE: Remarks = Remarks {
    cause: None,
    failed: 0,
    not_asked: 0,
    failures_in_a_row: 0,
    is_unasked: false,
    certificate: None,
};

/// How long probes took, of [`Counts`], in little room. A number ends at 4 billion, 136 years of one probe a second. What is
/// in a bucket and has not failed has passed.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    sum_us: u64,
    within: [u32; Latency::BOUNDS.len()],
    longer: u32,
}

impl Tally {
    fn took(&mut self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sum_us = self.sum_us.saturating_add(us);
        let bucket = match Latency::BOUNDS.iter().position(|bound| us <= bound * 1000) {
            Some(at) => &mut self.within[at],
            None => &mut self.longer,
        };
        *bucket = bucket.saturating_add(1);
    }

    fn latency(&self) -> Latency {
        let &Self { sum_us, within, longer } = self;
        Latency { within: within.map(u64::from), longer: u64::from(longer), sum_us }
    }
}

impl From<Latency> for Tally {
    fn from(latency: Latency) -> Self {
        let Latency { within, longer, sum_us } = latency;
        Self { sum_us, within: within.map(least), longer: least(longer) }
    }
}

fn least(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Where a probe is in its loop.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Phase {
    /// In the schedule.
    Waiting { due: Moment },
    /// In a lane, as there was no room when its time came.
    Due,
    /// In flight, as the run of this number.
    Running { turn: u32, started: Moment },
    /// Passed, and no longer in flight: the run will report its own end.
    Held { turn: u32, started: Moment },
    /// Nobody wants to know at present.
    Suspended,
}

/// The latest probe that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last {
    /// When it started.
    pub started: Instant,
    /// How long it took.
    pub took: Duration,
}

/// Outcomes so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Good answers.
    pub passed: u64,
    /// Failures.
    pub failed: u64,
    /// Questions that could not be asked.
    pub not_asked: u64,
    /// How long those that passed or failed took.
    pub latency: Latency,
}

/// How long probes took: a histogram with few buckets, since each probe has one. Times are those of good answers and
/// failures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Probes that took no longer than the bound of the same place, and longer than the bound before it.
    pub within: [u64; Latency::BOUNDS.len()],
    /// Those that took longer than the last bound.
    pub longer: u64,
    /// All times together, microseconds.
    pub sum_us: u64,
}

impl Latency {
    /// Milliseconds.
    pub const BOUNDS: [u64; 5] = [1, 5, 25, 100, 1000];

    /// Those of another probe too.
    pub fn add(&mut self, other: &Self) {
        self.within.iter_mut().zip(other.within).for_each(|(own, more)| *own += more);
        self.longer += other.longer;
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }
}

/// How a probe stands, for people and metrics.
#[derive(Debug, Clone)]
pub struct Status {
    /// Who is asked.
    pub target: Target,
    /// What, and how often.
    pub spec: Arc<CheckSpec>,
    /// What is held.
    pub verdict: Verdict,
    /// Up by the rule for starts, no full round of answers yet.
    pub presumed: bool,
    /// Since when the verdict stands.
    pub since: Instant,
    /// Why it is down, or what its latest probes failed with while it is still up.
    pub cause: Option<Arc<Failure>>,
    /// The latest probe that has ended.
    pub last: Option<Last>,
    /// Outcomes so far.
    pub counts: Counts,
    /// Failures since the latest good answer.
    pub failures_in_a_row: u32,
    /// A probe is in flight.
    pub in_flight: bool,
    /// Nobody wants to know at present; see [`crate::Checkers::suspend`].
    pub is_suspended: bool,
    /// The latest probe could not be asked: the verdict is the one before.
    pub is_unasked: bool,
    /// The certificate that the latest good answer came with, where `tls_min_days` asks for it.
    pub certificate: Option<Certificate>,
}

/// A probe in a state file: instants as ages, so that they mean something in another process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedProbe {
    judge: Judge,
    since: Duration,
    cause: Option<Failure>,
    last: Option<(Duration, Duration)>,
    counts: Counts,
    failures_in_a_row: u32,
    due: Duration,
}

impl Probed {
    pub(crate) fn new(key: ProbeKey, due: Instant, now: Instant) -> Self {
        let ProbeKey { target, spec } = key;
        Self {
            phase: Phase::Waiting { due: due.into() },
            judge: Judge::new(&spec),
            target,
            spec,
            since: now.into(),
            started: None,
            took_us: 0,
            tally: Tally::default(),
            remarks: None,
        }
    }

    /// For a changed question about the same target.
    pub(crate) fn heir(&self, key: ProbeKey, due: Instant) -> Self {
        let ProbeKey { target, spec } = key;
        Self {
            target,
            spec,
            phase: Phase::Waiting { due: due.into() },
            judge: self.judge.heir(),
            since: self.since,
            started: self.started,
            took_us: self.took_us,
            tally: self.tally,
            remarks: self.remarks.clone(),
        }
    }

    fn last(&self) -> Option<Last> {
        let took = Duration::from_micros(u64::from(self.took_us));
        self.started.map(|started| Last { started: started.into(), took })
    }

    fn remarks(&self) -> &Remarks {
        self.remarks.as_deref().unwrap_or(&NONE)
    }

    fn counts(&self) -> Counts {
        let latency = self.tally.latency();
        let answered = latency.within.iter().sum::<u64>() + latency.longer;
        let &Remarks { failed, not_asked, .. } = self.remarks();
        let passed = answered.saturating_sub(u64::from(failed));
        Counts { passed, failed: u64::from(failed), not_asked: u64::from(not_asked), latency }
    }

    pub(crate) fn is_unasked(&self) -> bool {
        self.remarks().is_unasked
    }

    pub(crate) fn judge(&self) -> &Judge {
        &self.judge
    }

    /// Judges an outcome and remembers what it was.
    pub(crate) fn handle_outcome(
        &mut self,
        outcome: Outcome,
        started: Instant,
        now: Instant,
    ) -> Ruling {
        let ruling = self.judge.handle_outcome(&self.spec, &outcome);
        let took = now.saturating_duration_since(started);
        self.started = Some(started.into());
        self.took_us = microseconds(took);
        if !matches!(outcome, Outcome::NotAsked(_)) {
            self.tally.took(took);
        }
        if let Some(remarks) = &mut self.remarks {
            remarks.is_unasked = false;
        }
        if let Outcome::PassedWith(_, certificate) = outcome {
            self.remarks.get_or_insert_default().certificate = Some(certificate);
        }
        match outcome {
            Outcome::Passed(_) | Outcome::PassedWith(..) => {
                if let Some(remarks) = &mut self.remarks {
                    remarks.failures_in_a_row = 0;
                    if self.judge.verdict().is_up() {
                        remarks.cause = None;
                    }
                }
            }
            Outcome::Failed(failure) => {
                let remarks = self.remarks.get_or_insert_default();
                remarks.failed = remarks.failed.saturating_add(1);
                remarks.failures_in_a_row = remarks.failures_in_a_row.saturating_add(1);
                if remarks.cause.as_deref() != Some(&failure) {
                    remarks.cause = Some(Arc::new(failure));
                }
            }
            Outcome::NotAsked(_) => {
                let remarks = self.remarks.get_or_insert_default();
                remarks.not_asked = remarks.not_asked.saturating_add(1);
                remarks.is_unasked = true;
            }
        }
        ruling
    }

    /// The verdict changed: gives how long the one before held.
    pub(crate) fn turn(&mut self, now: Instant) -> Duration {
        let held = now.saturating_duration_since(self.since.into());
        self.since = now.into();
        held
    }

    pub(crate) fn cause(&self) -> Option<&Arc<Failure>> {
        self.remarks().cause.as_ref()
    }

    pub(crate) fn certificate(&self) -> Option<Certificate> {
        self.remarks().certificate
    }

    pub(crate) fn status(&self) -> Status {
        Status {
            target: self.target,
            spec: Arc::clone(&self.spec),
            verdict: self.judge.verdict(),
            presumed: self.judge.is_presumed(),
            since: self.since.into(),
            cause: self.cause().cloned(),
            last: self.last(),
            counts: self.counts(),
            failures_in_a_row: self.remarks().failures_in_a_row,
            in_flight: matches!(self.phase, Phase::Running { .. }),
            is_suspended: matches!(self.phase, Phase::Suspended),
            is_unasked: self.is_unasked(),
            certificate: self.certificate(),
        }
    }

    /// As it was made: nothing has been asked, and nothing was taken over.
    pub(crate) fn is_untouched(&self) -> bool {
        self.started.is_none() && self.remarks.is_none() && self.judge == Judge::new(&self.spec)
    }

    pub(crate) fn save(&self, now: Instant) -> SavedProbe {
        let age = |then| now.saturating_duration_since(then);
        SavedProbe {
            judge: self.judge,
            since: age(self.since.into()),
            cause: self.cause().map(|cause| (**cause).clone()),
            last: self.last().map(|Last { started, took }| (age(started), took)),
            counts: self.counts(),
            failures_in_a_row: self.remarks().failures_in_a_row,
            due: match self.phase {
                Phase::Waiting { due } => Instant::from(due).saturating_duration_since(now),
                Phase::Due | Phase::Running { .. } | Phase::Held { .. } | Phase::Suspended => {
                    Duration::ZERO
                }
            },
        }
    }

    pub(crate) fn restore(key: ProbeKey, saved: SavedProbe, now: Instant) -> Self {
        let ProbeKey { target, spec } = key;
        let SavedProbe { judge, since, cause, last, counts, failures_in_a_row, due } = saved;
        let at = |age| now.checked_sub(age).unwrap_or(now);
        let due = now + due.min(spec.cadence.delay_loop);
        let Counts { passed: _, failed, not_asked, latency } = counts;
        let remarks = Remarks {
            cause: cause.map(Arc::new),
            failed: least(failed),
            not_asked: least(not_asked),
            failures_in_a_row,
            is_unasked: false,
            // Shown again with the next answer.
            certificate: None,
        };
        let is_remarkable = remarks.cause.is_some() || remarks.failed > 0 || remarks.not_asked > 0;
        Self {
            judge: judge.checked(&spec),
            target,
            spec,
            phase: Phase::Waiting { due: due.into() },
            since: at(since).into(),
            started: last.map(|(age, _)| at(age).into()),
            took_us: last.map_or(0, |(_, took)| microseconds(took)),
            tally: latency.into(),
            remarks: is_remarkable.then(|| Box::new(remarks)),
        }
    }
}

fn microseconds(took: Duration) -> u32 {
    u32::try_from(took.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_probe_is_in_one_bucket_and_its_bound_is_part_of_it() {
        let mut tally = Tally::default();
        for millis in [0, 1, 2, 25, 26, 1000, 1001] {
            tally.took(Duration::from_millis(millis));
        }
        tally.took(Duration::from_micros(1_000_001));
        let latency = tally.latency();
        assert_eq!((latency.within, latency.longer), ([2, 1, 1, 1, 1], 2));
        assert_eq!(latency.sum_us, 3_055_001);
        let mut twice = latency;
        twice.add(&latency);
        assert_eq!((twice.within[0], twice.longer, twice.sum_us), (4, 4, 6_110_002));
        tally.took(Duration::MAX);
        assert_eq!(tally.latency().longer, 3);
        assert_eq!(Tally::from(tally.latency()).latency(), tally.latency());
    }
}
