//! `UDP_CHECK`.

use std::ops::RangeInclusive;
use std::str::FromStr;

use checkers::Connection;
use checkers::spec::{HexError, Payload, Reply, ReplyPattern, UdpSpec};

use super::checker::{ConnectDraft, Connects};
use super::pace::{Pace, Paced};
use super::{Decoder, Keyword, Keywords, acts};
use crate::config::diagnostic::Diagnostic;
use crate::config::source::Span;
use crate::config::tree::Directive;

/// `UDP_CHECK`.
#[derive(Debug, Default)]
pub(super) struct UdpDraft {
    pace: Pace,
    connect: ConnectDraft,
    payload: Payload,
    reply: Option<ReplyPattern>,
    min: Option<u16>,
    max: Option<u16>,
}

impl Paced for UdpDraft {
    fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }
}

impl Connects for UdpDraft {
    fn connect(&mut self) -> &mut ConnectDraft {
        &mut self.connect
    }
}

impl Keywords for UdpDraft {
    const BLOCK: &'static str = "UDP_CHECK";
    const TABLES: &'static [&'static [Keyword<Self>]] =
        &[UDP, &Self::CONNECT_TIMEOUT, &Self::PACE, &Self::LOG, &Self::CONNECT];
}

const LENGTHS: RangeInclusive<u16> = 0..=u16::MAX;

const UDP: &[Keyword<UdpDraft>] = &[
    acts("payload", "HEX ...", |decoder, directive, draft| match directive.arguments.first() {
        Some(_) => draft.payload = decoder.hex(directive).unwrap_or_default(),
        None => decoder.missing(directive.name.span),
    }),
    acts("require_reply", "[HEX ...]", |decoder, directive, draft| {
        draft.reply = Some(decoder.hex(directive).unwrap_or_default());
    }),
    acts("min_reply_length", "0..65535", |decoder, directive, draft| {
        draft.min = decoder.number(directive, LENGTHS);
    }),
    acts("max_reply_length", "0..65535", |decoder, directive, draft| {
        draft.max = decoder.number(directive, LENGTHS);
    }),
];

impl Decoder<'_> {
    /// Hexadecimal digits in one word or several.
    fn hex<T>(&mut self, directive: &Directive) -> Option<T>
    where
        T: FromStr<Err = HexError>,
    {
        let first = directive.arguments.first()?;
        let text: String = directive.arguments.iter().map(|word| &*word.text).collect();
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let message = format!("`{}`: {error}", self.keyword.0);
                self.report(Diagnostic::error("bad-value", first.span, message));
                None
            }
        }
    }
}

impl UdpDraft {
    /// With what is resolved.
    pub(super) fn spec(
        self,
        decoder: &mut Decoder<'_>,
        connection: Connection,
        keyword: Span,
    ) -> UdpSpec {
        let default = Reply::default();
        let (min, max) = (self.min.unwrap_or(default.min), self.max.unwrap_or(default.max));
        if min > max {
            let message = format!("min_reply_length {min} is above max_reply_length {max}");
            decoder.report(Diagnostic::error("bad-value", keyword, message));
        }
        if self.reply.is_none() && (self.min.is_some() || self.max.is_some()) {
            let message = "the length of a reply is judged only where one is required";
            decoder.report(
                Diagnostic::warning("no-effect", keyword, message).help("add: require_reply"),
            );
        }
        let reply = self.reply.map(|pattern| Reply { pattern, min, max });
        UdpSpec { connection, payload: self.payload, reply }
    }
}
