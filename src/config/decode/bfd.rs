//! `bfd_instance NAME` and `BFD_CHECK`.

use std::collections::HashMap;
use std::mem;
use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU32};
use std::ops::RangeInclusive;
use std::time::Duration;

use ::bfd::{Path, SessionSpec};
use checkers::{Cadence, First};

use super::pace::Pace;
use super::track::WeightDraft;
use super::value::parse_time;
use super::{At, Decoder, Keyword, Keywords, acts};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::BfdInstance;
use crate::config::source::Span;
use crate::config::suggest;
use crate::config::tree::{Directive, Word};

/// Longest interval: 32 bits of microseconds, as in keepalived.
const LONGEST: u64 = 4_294_967;
/// Longer than that is hardly meant, says keepalived.
const LONG: Duration = Duration::from_secs(10);
/// Between two waits for a session to come up.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// TTL of multihop sessions unless given.
const MULTIHOP_TTL: u8 = 64;

/// The block as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    neighbor: Option<At<IpAddr>>,
    /// Whether `neighbor_ip` was given, rightly or wrongly.
    said_neighbor: bool,
    source: Option<At<IpAddr>>,
    min_rx: Option<Duration>,
    min_tx: Option<Duration>,
    idle_tx: Option<Duration>,
    multiplier: Option<NonZeroU8>,
    passive: bool,
    ttl: Option<u8>,
    max_hops: Option<i16>,
    multihop: bool,
    weight: WeightDraft,
    vrrp: bool,
    checker: bool,
}

fn neighbor(decoder: &mut Decoder<'_>, directive: &Directive, draft: &mut Draft) {
    let span = directive.name.span;
    draft.neighbor = decoder.address_of(directive).map(|value| At { value, span });
}

fn ttl(decoder: &mut Decoder<'_>, directive: &Directive, draft: &mut Draft) {
    draft.ttl = decoder.number(directive, 1..=u8::MAX);
}

impl Keywords for Draft {
    const BLOCK: &'static str = "bfd_instance";
    const TABLES: &'static [&'static [Keyword<Self>]] = &[&[
        acts("neighbor_ip", "ADDRESS", neighbor),
        acts("neighbour_ip", "ADDRESS", neighbor),
        acts("source_ip", "ADDRESS", |decoder, directive, draft| {
            let span = directive.name.span;
            draft.source = decoder.address_of(directive).map(|value| At { value, span });
        }),
        acts("min_rx", "MILLISECONDS", |decoder, directive, draft| {
            draft.min_rx = decoder.milliseconds(directive, 1..=LONGEST);
        }),
        acts("min_tx", "MILLISECONDS", |decoder, directive, draft| {
            draft.min_tx = decoder.milliseconds(directive, 1..=LONGEST);
        }),
        acts("idle_tx", "MILLISECONDS", |decoder, directive, draft| {
            draft.idle_tx = decoder.milliseconds(directive, 1000..=LONGEST);
        }),
        acts("multiplier", "TIMES", |decoder, directive, draft| {
            draft.multiplier = decoder.number(directive, NonZeroU8::MIN..=NonZeroU8::MAX);
        }),
        acts("passive", "", |decoder, directive, draft| draft.passive = decoder.flag(directive)),
        acts("ttl", "1..255", ttl),
        acts("hoplimit", "1..255", ttl),
        acts("max_hops", "-1..255", |decoder, directive, draft| {
            draft.max_hops = decoder.number(directive, -1..=255_i16);
        }),
        acts("multihop", "", |decoder, directive, draft| {
            draft.multihop = decoder.flag(directive);
        }),
        acts("weight", "-253..253 [reverse]", |decoder, directive, draft| {
            let Some((weight, options)) = directive.arguments.split_first() else {
                return decoder.missing(directive.name.span);
            };
            decoder.take_weight(weight, &mut draft.weight);
            decoder.weight_options(options, &directive.properties, &mut draft.weight);
        }),
        acts("vrrp", "", |decoder, directive, draft| draft.vrrp = decoder.flag(directive)),
        acts("checker", "", |decoder, directive, draft| draft.checker = decoder.flag(directive)),
    ]];
}

/// `BFD_CHECK`.
#[derive(Debug, Clone, Default)]
pub(super) struct CheckDraft {
    pub(super) name: Option<At<String>>,
    pub(super) alpha: Option<bool>,
}

impl Keywords for CheckDraft {
    const BLOCK: &'static str = "BFD_CHECK";
    const TABLES: &'static [&'static [Keyword<Self>]] = &[&[
        acts("name", "BFD_INSTANCE", |decoder, directive, draft| {
            let word = decoder.word(directive);
            draft.name = word.map(|word| At { value: word.text.to_string(), span: word.span });
        }),
        acts("alpha", "[BOOL]", |decoder, directive, draft| {
            draft.alpha = decoder.switch(directive);
        }),
    ]];
}

impl CheckDraft {
    /// News come by themselves: asking is only how often a session that is down is waited for anew.
    pub(super) fn cadence(pace: &Pace) -> Cadence {
        Cadence {
            delay_loop: ASK_AGAIN,
            retry: 0,
            delay_before_retry: ASK_AGAIN,
            warmup: Duration::ZERO,
            first: First::AtOnce,
            jitter: Duration::ZERO,
            rise: NonZeroU32::MIN,
            fall: None,
            alpha: pace.alpha.unwrap_or_default(),
            ..Cadence::default()
        }
    }
}

/// A session of the configuration, and where it stands.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: At<String>,
    /// `None` where it cannot run, which has been told.
    pub(super) instance: Option<BfdInstance>,
    pub(super) keyword: Span,
}

impl Decoder<'_> {
    /// Reads one `bfd_instance`.
    pub(super) fn bfd_instance(&mut self, directive: &Directive) -> Option<Named> {
        let name = self.name(directive);
        let said = ["neighbor_ip", "neighbour_ip"].iter().any(|word| directive.has(word));
        let said_neighbor = said || directive.block.is_none();
        let mut draft = Draft { said_neighbor, ..Draft::default() };
        self.block(directive, &mut draft);
        let name = name?;
        let keyword = directive.head();
        let instance = self.finish_bfd(&name.value, keyword, &draft);
        Some(Named { name, instance, keyword })
    }

    /// Whether names are unique and each neighbour is watched by one session of a kind (RFC 5881 section 2), and whether
    /// the sessions that checkers follow are there.
    pub(super) fn bfd_instances_fit(&mut self, instances: &[Named]) {
        let names = instances.iter().map(|one| (one.name.value.as_str(), one.keyword));
        self.unique(names, "bfd_instance");
        let mut seen = HashMap::new();
        for one in instances {
            let Some(BfdInstance { session, .. }) = &one.instance else { continue };
            let way = (session.neighbor, session.source, session.path);
            let Some(first) = seen.insert(way, one.keyword) else { continue };
            let message = format!("a second session with {}", session.neighbor);
            self.report(
                Diagnostic::error("twice", one.keyword, message)
                    .related(first, "the first")
                    .help("one session serves any number of instances and checkers"),
            );
        }
        for At { value, span } in mem::take(&mut self.followed) {
            match instances.iter().find(|one| one.name.value == value) {
                None => {
                    let message = format!("there is no bfd_instance `{value}`");
                    let known = instances.iter().map(|one| one.name.value.as_str());
                    let mut diagnostic = Diagnostic::error("unresolved", span, message);
                    diagnostic.help = suggest::nearest(&value, known)
                        .map(|near| format!("did you mean `{near}`?"));
                    self.report(diagnostic);
                }
                Some(Named { instance: Some(instance), keyword, .. }) if !instance.for_checkers => {
                    let message = format!("bfd_instance `{value}` tells instances only");
                    self.report(
                        Diagnostic::error("unresolved", span, message)
                            .related(*keyword, "here")
                            .help("add `checker` there"),
                    );
                }
                Some(_) => {}
            }
        }
    }

    fn finish_bfd(&mut self, name: &str, keyword: Span, draft: &Draft) -> Option<BfdInstance> {
        let Some(At { value: neighbor, span }) = draft.neighbor else {
            if !draft.said_neighbor {
                let message = format!("bfd_instance `{name}` has no `neighbor_ip`");
                self.report(
                    Diagnostic::error("missing-keyword", keyword, message)
                        .help("say whom it watches: neighbor_ip 192.0.2.2"),
                );
            }
            return None;
        };
        let is_link_local =
            matches!(neighbor, IpAddr::V6(address) if address.is_unicast_link_local());
        if is_link_local || neighbor.is_multicast() || neighbor.is_unspecified() {
            let message = format!("{neighbor} names no neighbour");
            self.report(
                Diagnostic::error("bad-value", span, message)
                    .help("wanted a unicast address that is valid on its own"),
            );
            return None;
        }
        if let Some(At { value, span }) = draft.source
            && value.is_ipv4() != neighbor.is_ipv4()
        {
            let message = format!("{value} is not of the family of {neighbor}");
            self.report(Diagnostic::error("family", span, message));
            return None;
        }
        let plain = SessionSpec::new(name, neighbor);
        let path = if draft.multihop { Path::Multihop } else { Path::SingleHop };
        let ttl = draft.ttl.unwrap_or(if draft.multihop { MULTIHOP_TTL } else { plain.ttl });
        // Neither alone or both mean both, as in keepalived.
        let neither = !draft.vrrp && !draft.checker;
        Some(BfdInstance {
            for_vrrp: draft.vrrp || neither,
            for_checkers: draft.checker || neither,
            weight: draft.weight.finish(),
            session: SessionSpec {
                source: draft.source.map(|source| source.value),
                path,
                min_tx: draft.min_tx.unwrap_or(plain.min_tx),
                min_rx: draft.min_rx.unwrap_or(plain.min_rx),
                idle_tx: draft.idle_tx.unwrap_or(plain.idle_tx),
                multiplier: draft.multiplier.unwrap_or(plain.multiplier),
                passive: draft.passive,
                ttl,
                // -1: any distance.
                max_hops: u8::try_from(draft.max_hops.unwrap_or(0)).ok(),
                ..plain
            },
        })
    }

    /// A number of milliseconds, or a time with its unit.
    fn milliseconds(
        &mut self,
        directive: &Directive,
        range: RangeInclusive<u64>,
    ) -> Option<Duration> {
        let word = self.word(directive)?;
        let (least, most) =
            (Duration::from_millis(*range.start()), Duration::from_millis(*range.end()));
        let time = milliseconds_of(word);
        let time = time.filter(|time| (least..=most).contains(time));
        match time {
            None => {
                let wanted = format!("{} to {} milliseconds", range.start(), range.end());
                self.bad(word, wanted);
            }
            Some(time) if time > LONG => {
                let message = "more than ten seconds is unusual: the number is of milliseconds";
                self.report(Diagnostic::warning("unusual", word.span, message));
            }
            Some(_) => {}
        }
        time
    }
}

fn milliseconds_of(word: &Word) -> Option<Duration> {
    match word.text.parse::<u64>() {
        Ok(number) => Some(Duration::from_millis(number)),
        Err(_) => parse_time(&word.text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Config;
    use crate::config::{Grammar, Host, load_text};

    const WHOLE: &str = "
        bfd_instance near {
            neighbor_ip 192.0.2.2
            source_ip 192.0.2.1
            min_rx 50
            min_tx 40
            idle_tx 2000
            multiplier 3
            passive
            weight -20
            vrrp
        }
        bfd_instance far {
            neighbour_ip 2001:db8::2
            multihop
            max_hops -1
        }
        vrrp_instance one {
            interface eth0
            virtual_router_id 51
            priority 100
            virtual_ipaddress { 10.0.0.100 }
            track_bfd { near }
        }
        virtual_server 10.0.0.100 80 {
            real_server 10.0.0.11 80 {
                BFD_CHECK {
                    name far
                    alpha
                }
            }
        }";

    /// The way of the second session.
    const FAR: &str = "neighbour_ip 2001:db8::2
            multihop
            max_hops -1";

    fn load(text: &str) -> Result<Config, String> {
        let loaded = load_text("bfd.conf", text.as_bytes(), Grammar::Keepalived, Host::Any);
        loaded.config.ok_or_else(|| format!("{:?}", loaded.diagnostics))
    }

    #[test]
    fn sessions_are_read_with_keepalived_s_words_and_defaults() {
        let config = load(WHOLE).unwrap();
        let [near, far] = &config.bfd_instances[..] else { panic!() };
        let ms = Duration::from_millis;
        let three = NonZeroU8::MIN.saturating_add(2);
        let wanted = SessionSpec {
            source: Some("192.0.2.1".parse().unwrap()),
            min_rx: ms(50),
            min_tx: ms(40),
            idle_tx: ms(2000),
            multiplier: three,
            passive: true,
            ..SessionSpec::new("near", "192.0.2.2".parse().unwrap())
        };
        assert_eq!(near.session, wanted);
        assert_eq!((near.weight.weight, near.for_vrrp, near.for_checkers), (-20, true, false));
        assert_eq!((far.session.path, far.session.ttl), (Path::Multihop, 64));
        assert_eq!((far.session.max_hops, far.for_vrrp, far.for_checkers), (None, true, true));
        assert_eq!(config.instances[0].track_bfd[0].weight.weight, -20, "the session's own");
        let check = &config.virtual_servers[0].real_servers[0].checkers[0];
        assert_eq!(check.spec.kind, checkers::ProbeKind::Bfd("far".into()));
        assert!(check.spec.cadence.alpha);
    }

    #[test]
    fn what_cannot_be_is_told() {
        for (from, to, says) in [
            ("name far", "name fra", "there is no bfd_instance `fra`"),
            ("name far", "name near", "tells instances only"),
            ("neighbor_ip 192.0.2.2", "", "has no `neighbor_ip`"),
            ("neighbor_ip 192.0.2.2", "neighbor_ip fe80::2", "names no neighbour"),
            ("source_ip 192.0.2.1", "source_ip 2001:db8::1", "not of the family"),
            ("bfd_instance far", "bfd_instance near", "a second bfd_instance `near`"),
            (FAR, "neighbor_ip 192.0.2.2\nsource_ip 192.0.2.1", "a second session with 192.0.2.2"),
        ] {
            let refused = load(&WHOLE.replace(from, to)).unwrap_err();
            assert!(refused.contains(says), "{to}: {refused}");
        }
        for (from, to) in [("idle_tx 2000", "idle_tx 999"), ("multiplier 3", "multiplier 0")] {
            assert!(load(&WHOLE.replace(from, to)).is_ok(), "{to}: the default is taken");
        }
    }
}
