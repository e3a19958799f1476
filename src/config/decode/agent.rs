//! `AGENT_CHECK`.

use checkers::spec::{AgentSend, AgentSpec};
use checkers::{Cadence, Connection};

use super::checker::{ConnectDraft, Connects, DELAY_BEFORE_RETRY};
use super::pace::{Pace, Paced};
use super::{Keyword, Keywords, acts};

/// `AGENT_CHECK`.
#[derive(Debug, Clone, Default)]
pub(super) struct AgentDraft {
    pace: Pace,
    connect: ConnectDraft,
    send: AgentSend,
}

impl Paced for AgentDraft {
    fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }
}

impl Connects for AgentDraft {
    fn connect(&mut self) -> &mut ConnectDraft {
        &mut self.connect
    }
}

impl Keywords for AgentDraft {
    const BLOCK: &'static str = "AGENT_CHECK";
    const TABLES: &'static [&'static [Keyword<Self>]] =
        &[AGENT, &Self::CONNECT_TIMEOUT, &Self::PACE, &Self::LOG, &Self::CONNECT];
}

const AGENT: &[Keyword<AgentDraft>] = &[acts("agent_send", "TEXT", |decoder, directive, draft| {
    let send = decoder.word(directive).and_then(|word| decoder.parsed(word));
    draft.send = send.unwrap_or_default();
})];

impl AgentDraft {
    /// With what is resolved.
    pub(super) fn spec(self, connection: Connection) -> AgentSpec {
        AgentSpec { connection, send: self.send }
    }

    /// Repeated once where no level says anything; what an agent declares counts at once.
    pub(super) fn cadence(pace: &Pace) -> Cadence {
        pace.cadence(1, DELAY_BEFORE_RETRY)
    }
}
