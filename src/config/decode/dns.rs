//! `DNS_CHECK`.

use std::time::Duration;

use checkers::spec::{DnsName, DnsRecord, DnsSpec};
use checkers::{Cadence, Connection};

use super::checker::{ConnectDraft, Connects};
use super::pace::{Pace, Paced};
use super::{Keyword, Keywords, acts};

/// keepalived's (check_dns.c).
const RETRY: u32 = 3;

/// `DNS_CHECK`.
#[derive(Debug, Default)]
pub(super) struct DnsDraft {
    pace: Pace,
    connect: ConnectDraft,
    record: DnsRecord,
    name: DnsName,
}

impl Paced for DnsDraft {
    fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }
}

impl Connects for DnsDraft {
    fn connect(&mut self) -> &mut ConnectDraft {
        &mut self.connect
    }
}

impl Keywords for DnsDraft {
    const BLOCK: &'static str = "DNS_CHECK";
    const TABLES: &'static [&'static [Keyword<Self>]] =
        &[DNS, &Self::CONNECT_TIMEOUT, &Self::PACE, &Self::LOG, &Self::CONNECT];
}

const DNS: &[Keyword<DnsDraft>] = &[
    acts(
        "type",
        "A | NS | CNAME | SOA | MX | TXT | AAAA | RRSIG | DNSKEY",
        |decoder, directive, draft| {
            let record =
                decoder.word(directive).and_then(|word| decoder.choice(word, &DnsRecord::ALL));
            draft.record = record.unwrap_or_default();
        },
    ),
    acts("name", "NAME", |decoder, directive, draft| {
        let name = decoder.word(directive).and_then(|word| decoder.parsed(word));
        draft.name = name.unwrap_or_default();
    }),
];

impl DnsDraft {
    /// With what is resolved.
    pub(super) fn spec(self, connection: Connection) -> DnsSpec {
        DnsSpec { connection, record: self.record, name: self.name }
    }

    /// Repeated after a whole period where no level says anything.
    pub(super) fn cadence(pace: &Pace) -> Cadence {
        let period: Duration = pace.delay_loop.unwrap_or(Cadence::default().delay_loop);
        pace.cadence(RETRY, period)
    }
}
