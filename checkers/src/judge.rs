//! What an outcome means: retry, rise and fall, several urls, weights. Pure, and one per probe, so it is small.
//!
//! Knows neither the time nor who asked.

use serde::{Deserialize, Serialize};

use crate::outcome::{Outcome, Verdict, Weight};
use crate::spec::{CheckSpec, Step};

/// What is held of one target, and how near that is to changing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judge {
    standing: Standing,
    weight: Weight,
    step: Step,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
        Self { standing, weight: Weight::Configured, step: Step(0) }
    }

    /// For another question about the same target: the verdict stays as it was until that question is answered.
    #[must_use]
    pub fn heir(self) -> Self {
        let standing = match self.standing {
            Standing::Presumed { .. } => Standing::Presumed { passes: 0 },
            Standing::Up { .. } => Standing::Up { failures: 0 },
            Standing::Down { .. } => Standing::Down { passes: 0 },
        };
        Self { standing, weight: self.weight, step: Step(0) }
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
            Standing::Presumed { .. } | Standing::Up { .. } => Verdict::Up { weight: self.weight },
            Standing::Down { .. } => Verdict::Down,
        }
    }

    /// Whether an answer stands behind the verdict, not only the rule for starts.
    #[must_use]
    pub fn is_presumed(&self) -> bool {
        matches!(self.standing, Standing::Presumed { .. })
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
            Outcome::Passed(weight) => self.pass(spec, *weight),
            Outcome::Failed(_) => self.fail(spec),
            Outcome::NotAsked(_) => Next::Loop,
        };
        let after = self.verdict();
        Ruling { change: (after != before).then_some(after), next }
    }

    fn pass(&mut self, spec: &CheckSpec, weight: Weight) -> Next {
        let round = u32::from(spec.kind.steps());
        self.standing = match self.standing {
            Standing::Presumed { passes } => {
                rise(passes, round, |passes| Standing::Presumed { passes })
            }
            Standing::Up { .. } => Standing::Up { failures: 0 },
            Standing::Down { passes } => {
                let needed = round.saturating_mul(spec.cadence.rise.get());
                rise(passes, needed, |passes| Standing::Down { passes })
            }
        };
        self.weight = weight;
        self.step = Step((self.step.0 + 1) % spec.kind.steps());
        match self.standing {
            Standing::Presumed { passes } | Standing::Down { passes }
                if spec.kind.hurries() && passes % round != 0 =>
            {
                Next::AtOnce
            }
            Standing::Presumed { .. } | Standing::Up { .. } | Standing::Down { .. } => Next::Loop,
        }
    }

    fn fail(&mut self, spec: &CheckSpec) -> Next {
        self.standing = match self.standing {
            Standing::Up { failures }
                if failures.saturating_add(1) < spec.cadence.failures_to_fall() =>
            {
                Standing::Up { failures: failures + 1 }
            }
            Standing::Presumed { .. } | Standing::Up { .. } | Standing::Down { .. } => {
                Standing::Down { passes: 0 }
            }
        };
        match self.standing {
            Standing::Up { .. } => Next::Retry,
            Standing::Presumed { .. } | Standing::Down { .. } => Next::Loop,
        }
    }
}

/// One more pass: enough of them make it up.
fn rise(passes: u32, needed: u32, short: impl Fn(u32) -> Standing) -> Standing {
    let passes = passes.saturating_add(1);
    if passes >= needed { Standing::Up { failures: 0 } } else { short(passes) }
}
