//! `real_server ADDRESS [PORT]`: what it says, and what its checkers inherit.

use std::net::IpAddr;

use ipvs::{DestinationKey, Family, Forwarding, ServiceKey, Weight};

use super::checker::{self, Levels};
use super::pace::{Pace, Paced};
use super::virtual_server;
use super::{Decoder, Keyword, Keywords, acts, many, no_effect};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{RealServer, Script};
use crate::config::source::Span;
use crate::config::tree::Directive;

/// The block as far as it was read.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) keyword: Span,
    pub(super) address: IpAddr,
    port: Option<u16>,
    pace: Pace,
    weight: Option<Weight>,
    pub(super) forwarding: Option<Forwarding>,
    upper_threshold: u32,
    lower_threshold: u32,
    inhibit_on_failure: Option<bool>,
    notify_up: Option<Script>,
    notify_down: Option<Script>,
    smtp_alert: Option<bool>,
    virtualhost: Option<checkers::spec::Host>,
    checkers: Vec<checker::Draft>,
}

impl Paced for Draft {
    fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }
}

impl Keywords for Draft {
    const BLOCK: &'static str = "real_server";
    const TABLES: &'static [&'static [Keyword<Self>]] =
        &[OWN, CHECKERS, &Self::PACE, &Self::CONNECT_TIMEOUT];
}

const OWN: &[Keyword<Draft>] = &[
    acts("weight", "0..2147483647", |decoder, directive, draft| {
        let weight = decoder.number(directive, 0..=Weight::MAX.value());
        draft.weight = weight.and_then(|weight| Weight::try_from(weight).ok());
    }),
    acts("lvs_method", "NAT | DR | TUN ...", |decoder, directive, draft| {
        draft.forwarding = decoder.forwarding(directive);
    }),
    acts("uthreshold", "CONNECTIONS", |decoder, directive, draft| {
        draft.upper_threshold = decoder.number(directive, 0..=u32::MAX).unwrap_or_default();
    }),
    acts("lthreshold", "CONNECTIONS", |decoder, directive, draft| {
        draft.lower_threshold = decoder.number(directive, 0..=u32::MAX).unwrap_or_default();
    }),
    acts("inhibit_on_failure", "[BOOL]", |decoder, directive, draft| {
        draft.inhibit_on_failure = decoder.switch(directive);
    }),
    acts("notify_up", "COMMAND [USER [GROUP]]", |decoder, directive, draft| {
        draft.notify_up = decoder.script(directive);
    }),
    acts("notify_down", "COMMAND [USER [GROUP]]", |decoder, directive, draft| {
        draft.notify_down = decoder.script(directive);
    }),
    acts("smtp_alert", "[BOOL]", |decoder, directive, draft| {
        draft.smtp_alert = decoder.switch(directive);
    }),
    acts("virtualhost", "NAME", |decoder, directive, draft| {
        draft.virtualhost = decoder.word(directive).and_then(|word| decoder.parsed(word));
    }),
    no_effect("snmp_name", "NAME", "there is no SNMP agent"),
];

const CHECKERS: &[Keyword<Draft>] = &[
    many("TCP_CHECK", "{ ... }", |decoder, directive, draft| {
        draft.checkers.push(decoder.tcp_check(directive));
    }),
    many("HTTP_GET", "{ ... }", |decoder, directive, draft| {
        draft.checkers.push(decoder.http_get(directive, false));
    }),
    many("SSL_GET", "{ ... }", |decoder, directive, draft| {
        draft.checkers.push(decoder.http_get(directive, true));
    }),
    many("MISC_CHECK", "{ ... }", |decoder, directive, draft| {
        draft.checkers.push(decoder.misc_check(directive));
    }),
    many("SMTP_CHECK", "{ ... }", |decoder, directive, draft| {
        draft.checkers.push(decoder.smtp_check(directive));
    }),
    many("DNS_CHECK", "{ ... }", |decoder, directive, draft| {
        draft.checkers.push(decoder.dns_check(directive));
    }),
    many("PING_CHECK", "{ ... }", |decoder, directive, draft| {
        draft.checkers.push(decoder.ping_check(directive));
    }),
    many("UDP_CHECK", "{ ... }", |decoder, directive, draft| {
        draft.checkers.push(decoder.udp_check(directive));
    }),
    many("TLS_CHECK", "{ ... }", |decoder, directive, draft| {
        draft.checkers.push(decoder.tls_check(directive));
    }),
    many("AGENT_CHECK", "{ ... }", |decoder, directive, draft| {
        draft.checkers.push(decoder.agent_check(directive));
    }),
    many("GRPC_CHECK", "{ ... }", |decoder, directive, draft| {
        draft.checkers.push(decoder.grpc_check(directive));
    }),
    many("IDLE_CHECK", "{ ... }", |decoder, directive, draft| {
        draft.checkers.push(decoder.idle_check(directive));
    }),
    many("DR_CHECK", "{ ... }", |decoder, directive, draft| {
        draft.checkers.push(decoder.dr_check(directive));
    }),
    many("FILE_CHECK", "{ ... }", |decoder, directive, draft| {
        draft.checkers.push(decoder.file_check(directive));
    }),
    many("BFD_CHECK", "{ ... }", |decoder, directive, draft| {
        draft.checkers.extend(decoder.bfd_check(directive));
    }),
];

impl Decoder<'_> {
    /// Reads one `real_server`.
    pub(super) fn real_server(&mut self, directive: &Directive) -> Option<Draft> {
        self.surplus(directive, 2);
        let endpoint = self.endpoint(directive);
        let (address, port) = endpoint.unwrap_or((IpAddr::from([0, 0, 0, 0]), None));
        let mut draft = Draft {
            keyword: directive.head(),
            address,
            port,
            pace: Pace::default(),
            weight: None,
            forwarding: None,
            upper_threshold: 0,
            lower_threshold: 0,
            inhibit_on_failure: None,
            notify_up: None,
            notify_down: None,
            smtp_alert: None,
            virtualhost: None,
            checkers: Vec::new(),
        };
        // Read even without an address, for the other mistakes in it.
        self.block(directive, &mut draft);
        endpoint.map(|_| draft)
    }

    /// With what it inherits.
    pub(super) fn finish_real_server(
        &mut self,
        draft: Draft,
        outer: &virtual_server::Draft,
        service: &ServiceKey,
        forwarding: Forwarding,
    ) -> Option<RealServer> {
        let forwarding = draft.forwarding.unwrap_or(forwarding);
        if Family::of(draft.address) != service.family()
            && !matches!(forwarding, Forwarding::Tunnel(_))
        {
            let message = format!(
                "{} is of another family than the virtual server: only TUN reaches it; it is left out",
                draft.address
            );
            self.passed_over(Diagnostic::warning("family", draft.keyword, message));
            return None;
        }
        let port = self.real_port(draft.port, service, forwarding, draft.keyword);
        if draft.lower_threshold > draft.upper_threshold {
            let message = format!(
                "lthreshold {} is above uthreshold {}",
                draft.lower_threshold, draft.upper_threshold
            );
            self.report(
                Diagnostic::error("bad-value", draft.keyword, message)
                    .help("new connections stop at uthreshold and begin again below lthreshold"),
            );
        }
        let levels = Levels {
            pace: draft.pace.or(&outer.pace),
            // Checkers ask at the port that was written, whatever becomes of it in the kernel.
            address: draft.address,
            port: draft.port.filter(|port| *port != 0).unwrap_or(port),
            virtualhost: draft.virtualhost.or_else(|| outer.virtualhost.clone()),
            script_timeout: outer.pace.delay_loop,
            vip: match service {
                ServiceKey::Address { addr, port, .. } => Some((*addr, *port)),
                ServiceKey::Fwmark { .. } => None,
            },
            forwarding,
        };
        // Not collected: that would keep the room of the drafts, which are twenty times as large, for the checkers.
        let mut checkers = Vec::with_capacity(draft.checkers.len());
        let drafts = draft.checkers.into_iter();
        checkers.extend(drafts.filter_map(|checker| self.finish_checker(checker, &levels)));
        Some(RealServer {
            key: DestinationKey::new(draft.address, port),
            weight: draft.weight.or(outer.weight).unwrap_or(Weight::ONE),
            forwarding,
            upper_threshold: draft.upper_threshold,
            lower_threshold: draft.lower_threshold,
            inhibit_on_failure: draft
                .inhibit_on_failure
                .or(outer.inhibit_on_failure)
                .unwrap_or_default(),
            alpha: levels.pace.alpha.unwrap_or_default(),
            notify_up: draft.notify_up.map(Box::new),
            notify_down: draft.notify_down.map(Box::new),
            smtp_alert: draft.smtp_alert,
            checkers,
        })
    }
}
