//! `DR_CHECK`.

use std::net::IpAddr;
use std::num::NonZeroU16;

use checkers::Connection;
use checkers::spec::{DrSpec, DrUrl};
use ipvs::Forwarding;

use super::checker::{ConnectDraft, Connects, Levels};
use super::pace::{Pace, Paced};
use super::{Decoder, Keyword, Keywords, acts};
use crate::config::diagnostic::Diagnostic;
use crate::config::source::Span;

/// `DR_CHECK` as far as it was read.
#[derive(Debug, Default)]
pub(super) struct DrDraft {
    pace: Pace,
    connect: ConnectDraft,
    vip: Option<IpAddr>,
    port: Option<NonZeroU16>,
    url: Option<DrUrl>,
}

impl Paced for DrDraft {
    fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }
}

impl Connects for DrDraft {
    fn connect(&mut self) -> &mut ConnectDraft {
        &mut self.connect
    }
}

impl Keywords for DrDraft {
    const BLOCK: &'static str = "DR_CHECK";
    const TABLES: &'static [&'static [Keyword<Self>]] =
        &[DR, &Self::CONNECT_TIMEOUT, &Self::PACE, &Self::LOG];
}

const DR: &[Keyword<DrDraft>] = &[
    acts("dr_address", "ADDRESS", |decoder, directive, draft| {
        draft.vip = decoder.address_of(directive);
    }),
    acts("dr_port", "1..65535", |decoder, directive, draft| {
        draft.port = decoder.number(directive, NonZeroU16::MIN..=NonZeroU16::MAX);
    }),
    acts(
        "url",
        "{ path PATH [status_code ...] [virtualhost ...] }",
        |decoder, directive, draft| {
            draft.url = decoder.dr_url(directive);
        },
    ),
];

impl DrDraft {
    /// With the virtual server's address, and the port to ask. `None` where there is none, which has been told.
    pub(super) fn spec(
        self,
        decoder: &mut Decoder<'_>,
        connection: Connection,
        levels: &Levels,
        keyword: Span,
    ) -> Option<(DrSpec, u16)> {
        if levels.forwarding != Forwarding::Route {
            let message =
                "DR_CHECK asks as direct routing sends: this real server is reached otherwise";
            decoder.report(Diagnostic::error("bad-value", keyword, message));
            return None;
        }
        let Some(vip) = self.vip.or(levels.vip.map(|(address, _)| address)) else {
            let message = "DR_CHECK has no virtual address to ask for";
            let help = "the virtual server is a mark; add: dr_address 10.0.0.100";
            decoder.report(Diagnostic::error("missing-keyword", keyword, message).help(help));
            return None;
        };
        if vip.is_ipv4() != levels.address.is_ipv4() {
            let message = format!("{vip} and {} are of different families", levels.address);
            decoder.report(Diagnostic::error("family", keyword, message));
            return None;
        }
        let served = levels.vip.map_or(0, |(_, port)| port);
        let port = self.port.map_or(served, NonZeroU16::get);
        // A virtual server of all ports: the real server's own, as it was written.
        let url = self.url.map(|url| with_host(url, levels));
        if let Some(length) = url.as_ref().map(DrUrl::length).filter(|length| *length > DrUrl::MAX)
        {
            let message = format!(
                "path and virtualhost are {length} bytes long: DR_CHECK asks in one packet"
            );
            let help = format!("at most {} bytes", DrUrl::MAX);
            decoder.report(Diagnostic::error("bad-value", keyword, message).help(help));
            return None;
        }
        Some((DrSpec { connection, vip, url }, if port == 0 { levels.port } else { port }))
    }
}

fn with_host(url: DrUrl, levels: &Levels) -> DrUrl {
    let host = url.host.or_else(|| levels.virtualhost.clone());
    DrUrl { host, ..url }
}
