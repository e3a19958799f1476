//! `PING_CHECK`: nothing but what all that connect have.

use super::checker::{ConnectDraft, Connects};
use super::pace::{Pace, Paced};
use super::{Keyword, Keywords};

/// `PING_CHECK`.
#[derive(Debug, Default)]
pub(super) struct PingDraft {
    pace: Pace,
    connect: ConnectDraft,
}

impl Paced for PingDraft {
    fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }
}

impl Connects for PingDraft {
    fn connect(&mut self) -> &mut ConnectDraft {
        &mut self.connect
    }
}

impl Keywords for PingDraft {
    const BLOCK: &'static str = "PING_CHECK";
    const TABLES: &'static [&'static [Keyword<Self>]] =
        &[&Self::CONNECT_TIMEOUT, &Self::PACE, &Self::LOG, &Self::CONNECT];
}
