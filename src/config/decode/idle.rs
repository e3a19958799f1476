//! `IDLE_CHECK`: nothing but what all that connect have.

use checkers::Cadence;

use super::checker::{ConnectDraft, Connects, DELAY_BEFORE_RETRY};
use super::pace::{Pace, Paced};
use super::{Keyword, Keywords};

/// `IDLE_CHECK`.
#[derive(Debug, Clone, Default)]
pub(super) struct IdleDraft {
    pace: Pace,
    connect: ConnectDraft,
}

impl Paced for IdleDraft {
    fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }
}

impl Connects for IdleDraft {
    fn connect(&mut self) -> &mut ConnectDraft {
        &mut self.connect
    }
}

impl Keywords for IdleDraft {
    const BLOCK: &'static str = "IDLE_CHECK";
    const TABLES: &'static [&'static [Keyword<Self>]] =
        &[&Self::CONNECT_TIMEOUT, &Self::PACE, &Self::LOG, &Self::CONNECT];
}

impl IdleDraft {
    /// The end of the connection counts at once where no level says anything about `retry`.
    pub(super) fn cadence(pace: &Pace) -> Cadence {
        pace.cadence(0, DELAY_BEFORE_RETRY)
    }
}
