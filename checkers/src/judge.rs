//! What an outcome means: retry, rise and fall, several urls, weights. Pure, and one per probe, so it is small.
//!
//! Knows neither the time nor who asked.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::outcome::{Outcome, Verdict, Weight};
use crate::spec::{CheckSpec, Step};

/// What is held of one target, and how near that is to changing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judge {
    standing: Held,
    asks: Asks,
    step: Step,
    /// What [`Standing`] counts.
    count: u32,
    /// The number of [`Weight`], as its bits.
    weight: u32,
}

/// Which [`Standing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Held {
    Presumed,
    Up,
    Down,
}

/// Which [`Weight`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Asks {
    Configured,
    Exactly,
    Percent,
    Plus,
}

/// What an outcome led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruling {
    /// The new verdict, where it is another than before.
    pub change: Option<Verdict>,
    /// When to ask again.
    pub next: Next,
}

/// When to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// `delay_loop` after the start of this probe.
    Loop,
    /// `delay_before_retry` after its end.
    Retry,
    /// Right away: the rest of a round under `fast_recovery`.
    AtOnce,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Up on trust since the start; the first failure takes it down.
    Presumed { passes: u32 },
    /// Up, with so many failures in a row.
    Up { failures: u32 },
    /// Down, with so many passes in a row.
    Down { passes: u32 },
}

impl Judge {
    /// Before the first probe: up on trust, or down if the check is `alpha`.
    #[must_use]
    pub fn new(spec: &CheckSpec) -> Self {
        let standing = if spec.cadence.alpha {
            Standing::Down { passes: 0 }
        } else {
            Standing::Presumed { passes: 0 }
        };
        let blank =
            Self { standing: Held::Up, asks: Asks::Configured, step: Step(0), count: 0, weight: 0 };
        blank.with(standing)
    }

    /// For another question about the same target: the verdict stays as it was until that question is answered.
    #[must_use]
    pub fn heir(self) -> Self {
        Self { step: Step(0), count: 0, ..self }
    }

    /// As read from a state file, which may hold anything.
    #[must_use]
    pub(crate) fn checked(self, spec: &CheckSpec) -> Self {
        let step = if self.step.0 < spec.kind.steps() { self.step } else { Step(0) };
        Self { step, ..self }
    }

    /// What is held now.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.standing {
            Held::Presumed | Held::Up => Verdict::Up { weight: self.weight() },
            Held::Down => Verdict::Down,
        }
    }

    /// Whether an answer stands behind the verdict, not only the rule for starts.
    #[must_use]
    pub fn is_presumed(&self) -> bool {
        self.standing == Held::Presumed
    }

    /// The question to ask next: the urls in turn, and one that failed until it passes.
    #[must_use]
    pub fn step(&self) -> Step {
        self.step
    }

    /// Takes one probe's outcome into account.
    pub fn handle_outcome(&mut self, spec: &CheckSpec, outcome: &Outcome) -> Ruling {
        let before = self.verdict();
        let next = match outcome {
            Outcome::Passed(weight) | Outcome::PassedWith(weight, _) => self.pass(spec, *weight),
            Outcome::Failed(failure) => self.fail(spec, failure),
            Outcome::NotAsked(_) => Next::Loop,
        };
        let after = self.verdict();
        Ruling { change: (after != before).then_some(after), next }
    }

    fn pass(&mut self, spec: &CheckSpec, weight: Weight) -> Next {
        let round = u32::from(spec.kind.steps());
        let standing = match self.standing() {
            Standing::Presumed { passes } => {
                rise(passes, round, |passes| Standing::Presumed { passes })
            }
            Standing::Up { .. } => Standing::Up { failures: 0 },
            Standing::Down { passes } => {
                let needed = round.saturating_mul(spec.cadence.rise.get());
                rise(passes, needed, |passes| Standing::Down { passes })
            }
        };
        *self = self.with(standing).asking(weight);
        self.step = Step((self.step.0 + 1) % spec.kind.steps());
        match standing {
            Standing::Presumed { passes } | Standing::Down { passes }
                if spec.kind.hurries() && passes % round != 0 =>
            {
                Next::AtOnce
            }
            Standing::Presumed { .. } | Standing::Up { .. } | Standing::Down { .. } => Next::Loop,
        }
    }

    fn fail(&mut self, spec: &CheckSpec, failure: &Failure) -> Next {
        let standing = match self.standing() {
            Standing::Up { failures }
                if !failure.is_declared()
                    && failures.saturating_add(1) < spec.cadence.failures_to_fall() =>
            {
                Standing::Up { failures: failures + 1 }
            }
            Standing::Presumed { .. } | Standing::Up { .. } | Standing::Down { .. } => {
                Standing::Down { passes: 0 }
            }
        };
        *self = self.with(standing);
        match standing {
            Standing::Up { .. } => Next::Retry,
            Standing::Presumed { .. } | Standing::Down { .. } => Next::Loop,
        }
    }

    fn standing(&self) -> Standing {
        let count = self.count;
        match self.standing {
            Held::Presumed => Standing::Presumed { passes: count },
            Held::Up => Standing::Up { failures: count },
            Held::Down => Standing::Down { passes: count },
        }
    }

    fn with(self, standing: Standing) -> Self {
        let (standing, count) = match standing {
            Standing::Presumed { passes } => (Held::Presumed, passes),
            Standing::Up { failures } => (Held::Up, failures),
            Standing::Down { passes } => (Held::Down, passes),
        };
        Self { standing, count, ..self }
    }

    fn weight(&self) -> Weight {
        match self.asks {
            Asks::Configured => Weight::Configured,
            Asks::Exactly => Weight::Exactly(self.weight),
            Asks::Percent => Weight::Percent(u16::try_from(self.weight).unwrap_or(u16::MAX)),
            Asks::Plus => Weight::Plus(self.weight.cast_signed()),
        }
    }

    fn asking(self, weight: Weight) -> Self {
        let (asks, weight) = match weight {
            Weight::Configured => (Asks::Configured, 0),
            Weight::Exactly(weight) => (Asks::Exactly, weight),
            Weight::Percent(share) => (Asks::Percent, u32::from(share)),
            Weight::Plus(more) => (Asks::Plus, more.cast_unsigned()),
        };
        Self { asks, weight, ..self }
    }
}

/// One more pass: enough of them make it up.
fn rise(passes: u32, needed: u32, short: impl Fn(u32) -> Standing) -> Standing {
    let passes = passes.saturating_add(1);
    if passes >= needed { Standing::Up { failures: 0 } } else { short(passes) }
}

#[cfg(test)]
mod tests;
