//! What the engine asks of its caller, and what it tells.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::outcome::{Certificate, Verdict};
use crate::schedule::Slot;
use crate::spec::{CheckSpec, Step, Target};

/// One run of a probe, which it says where to find; not used again before 4 billion others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub u64);

impl RunId {
    pub(crate) fn new(slot: Slot, turn: u32) -> Self {
        Self(u64::from(turn) << 32 | u64::from(slot.0))
    }

    pub(crate) fn slot(self) -> Slot {
        Slot(u32::try_from(self.0 & u64::from(u32::MAX)).unwrap_or(u32::MAX))
    }

    pub(crate) fn turn(self) -> u32 {
        u32::try_from(self.0 >> 32).unwrap_or(u32::MAX)
    }
}

/// What the caller is to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<S> {
    /// Ask, and hand the outcome to [`crate::Checkers::handle_outcome`].
    Start {
        /// The run.
        run: RunId,
        /// Whom.
        target: Target,
        /// What.
        spec: Arc<CheckSpec>,
        /// Which of its questions.
        step: Step,
    },
    /// Stop asking: nobody wants to know any more. An outcome that is already on its way is ignored.
    Cancel {
        /// The run.
        run: RunId,
    },
    /// Something else is held of a real server than before.
    Verdict(Report<S>),
    /// A probe failed whose options ask that each failure be told (`log_all_failures`). Comes before the verdict.
    Failed {
        /// Who was asked.
        target: Target,
        /// What.
        spec: Arc<CheckSpec>,
        /// What was seen.
        cause: Arc<Failure>,
        /// How long the probe took.
        took: Duration,
    },
    /// A real server shows a certificate that expires soon, or no longer does (`tls_min_days`).
    Certificate {
        /// Who was asked.
        target: Target,
        /// What.
        spec: Arc<CheckSpec>,
        /// What it showed.
        certificate: Certificate,
    },
}

/// A change of verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report<S> {
    /// Who wants to know.
    pub subscriber: S,
    /// Who was asked.
    pub target: Target,
    /// What was held.
    pub before: Verdict,
    /// What is held now.
    pub verdict: Verdict,
    /// Why it is down.
    pub cause: Option<Arc<Failure>>,
    /// How long the probe took that decided it.
    pub took: Duration,
    /// How long the verdict before had stood.
    pub held: Duration,
    /// When it was decided.
    pub at: Instant,
}
