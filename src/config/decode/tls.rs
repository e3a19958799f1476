//! TLS options, for all checkers that may have it below them, and `TLS_CHECK`.

use std::fs::File;
use std::num::NonZeroU16;

use checkers::Connection;
use checkers::spec::{Host, Sni, TlsCheckSpec, TlsSpec, Trust};

use super::checker::{ConnectDraft, Connects};
use super::pace::{Pace, Paced};
use super::{At, Decoder, Keyword, Keywords, acts};
use crate::config::diagnostic::Diagnostic;
use crate::config::source::Span;

/// What is said of TLS.
#[derive(Debug, Clone, Default)]
pub(super) struct TlsDraft {
    sni: Sni,
    verify: Option<bool>,
    ca: Option<At<Box<str>>>,
    min_days: Option<NonZeroU16>,
    /// The first keyword that means something only with TLS below.
    ours: Option<Span>,
}

/// A checker that may speak TLS.
pub(super) trait Secured: Connects {
    /// What is said of it.
    fn tls(&mut self) -> &mut TlsDraft;

    /// The keywords of any of them.
    const TLS: [Keyword<Self>; 5] = [
        acts("enable_sni", "[BOOL]", |decoder, directive, draft| {
            let sni = &mut draft.tls().sni;
            if decoder.switch(directive) == Some(true) && *sni == Sni::Off {
                *sni = Sni::Virtualhost;
            }
        }),
        acts("sni_name", "[NAME]", |decoder, directive, draft| {
            match decoder.word_or_nothing(directive) {
                None => draft.tls().sni = Sni::Virtualhost,
                Some(word) => {
                    if let Some(name) = decoder.parsed(word) {
                        draft.tls().sni = Sni::Name(name);
                    }
                }
            }
        }),
        acts("tls_verify", "[BOOL]", |decoder, directive, draft| {
            draft.tls().ours.get_or_insert(directive.head());
            draft.tls().verify = decoder.switch(directive);
        }),
        acts("tls_ca", "FILE", |decoder, directive, draft| {
            draft.tls().ours.get_or_insert(directive.head());
            let Some(word) = decoder.word(directive) else { return };
            if decoder.is_readable(&word.text, word.span) {
                draft.tls().ca = Some(At { value: (*word.text).into(), span: directive.head() });
            }
        }),
        acts("tls_min_days", "1..65535", |decoder, directive, draft| {
            draft.tls().ours.get_or_insert(directive.head());
            draft.tls().min_days = decoder.number(directive, NonZeroU16::MIN..=NonZeroU16::MAX);
        }),
    ];
}

impl TlsDraft {
    /// With what is resolved: `tls_ca` alone means `tls_verify`.
    pub(super) fn spec(self, decoder: &mut Decoder<'_>) -> TlsSpec {
        let verify = match (self.verify, self.ca) {
            (Some(false), Some(ca)) => {
                decoder.no_effect(ca.span, "`tls_ca` has no effect: `tls_verify` is off");
                None
            }
            (Some(true) | None, Some(ca)) => Some(Trust::File(ca.value)),
            (Some(true), None) => Some(Trust::System),
            (Some(false) | None, None) => None,
        };
        TlsSpec { sni: self.sni, verify, min_days: self.min_days }
    }

    /// Where there is no TLS below.
    pub(super) fn unused(&self, decoder: &mut Decoder<'_>) {
        if let Some(span) = self.ours {
            decoder.no_effect(span, "this has no effect: there is no TLS in this checker");
        }
    }
}

/// `TLS_CHECK`.
#[derive(Debug, Default)]
pub(super) struct TlsCheckDraft {
    pace: Pace,
    connect: ConnectDraft,
    tls: TlsDraft,
    virtualhost: Option<Host>,
}

impl Paced for TlsCheckDraft {
    fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }
}

impl Connects for TlsCheckDraft {
    fn connect(&mut self) -> &mut ConnectDraft {
        &mut self.connect
    }
}

impl Secured for TlsCheckDraft {
    fn tls(&mut self) -> &mut TlsDraft {
        &mut self.tls
    }
}

impl Keywords for TlsCheckDraft {
    const BLOCK: &'static str = "TLS_CHECK";
    const TABLES: &'static [&'static [Keyword<Self>]] =
        &[TLS_CHECK, &Self::TLS, &Self::CONNECT_TIMEOUT, &Self::PACE, &Self::LOG, &Self::CONNECT];
}

const TLS_CHECK: &[Keyword<TlsCheckDraft>] =
    &[acts("virtualhost", "NAME", |decoder, directive, draft| {
        draft.virtualhost = decoder.word(directive).and_then(|word| decoder.parsed(word));
    })];

impl TlsCheckDraft {
    /// With what is resolved.
    pub(super) fn spec(
        self,
        decoder: &mut Decoder<'_>,
        connection: Connection,
        outer: Option<&Host>,
    ) -> TlsCheckSpec {
        let virtualhost = self.virtualhost.or_else(|| outer.cloned());
        TlsCheckSpec { connection, tls: self.tls.spec(decoder), virtualhost }
    }
}

impl Decoder<'_> {
    fn no_effect(&mut self, span: Span, message: &str) {
        self.report(Diagnostic::warning("no-effect", span, message));
    }

    /// On this host a file must be there; on any host, it may be.
    fn is_readable(&mut self, path: &str, span: Span) -> bool {
        if !self.host.counts() {
            return true;
        }
        match File::open(path) {
            Ok(_) => true,
            Err(error) => {
                let message = format!("`{path}` cannot be read: {error}");
                self.report(Diagnostic::error("unreadable", span, message));
                false
            }
        }
    }
}
