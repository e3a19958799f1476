//! `SMTP_CHECK`.

use checkers::Connection;
use checkers::spec::{HeloName, SmtpSpec};

use super::checker::{ConnectDraft, Connects};
use super::pace::{Pace, Paced};
use super::{Keyword, Keywords, acts};

/// `SMTP_CHECK`.
#[derive(Debug, Default)]
pub(super) struct SmtpDraft {
    pace: Pace,
    connect: ConnectDraft,
    helo: HeloName,
}

impl Paced for SmtpDraft {
    fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }
}

impl Connects for SmtpDraft {
    fn connect(&mut self) -> &mut ConnectDraft {
        &mut self.connect
    }
}

impl Keywords for SmtpDraft {
    const BLOCK: &'static str = "SMTP_CHECK";
    const TABLES: &'static [&'static [Keyword<Self>]] =
        &[SMTP, &Self::CONNECT_TIMEOUT, &Self::PACE, &Self::LOG, &Self::CONNECT];
}

const SMTP: &[Keyword<SmtpDraft>] = &[
    acts("helo_name", "NAME", |decoder, directive, draft| {
        let word = decoder.word_or_skipped(directive);
        let name = word.and_then(|word| decoder.parsed(word));
        draft.helo = name.unwrap_or_default();
    }),
    // An old form, for several places: each beyond the first is an SMTP_CHECK of its own now.
    acts("host", "{ ... }", |decoder, directive, draft| decoder.block(directive, draft)),
];

impl SmtpDraft {
    /// With what is resolved.
    pub(super) fn spec(self, connection: Connection) -> SmtpSpec {
        SmtpSpec { connection, helo: self.helo }
    }
}
