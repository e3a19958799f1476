//! `heartbeat { ... }`: the second path between the two directors of a pair.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use super::{At, Decoder, Keyword, Keywords, acts};
use crate::config::diagnostic::Diagnostic;
use crate::config::tree::Directive;
use crate::router::heartbeat::HeartbeatSpec;

/// IANA's port of ha-cluster heartbeats.
const PORT: u16 = 694;
/// Shorter keys can be guessed.
const LEAST_KEY: usize = 16;
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);

/// The block as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    peer: Option<At<IpAddr>>,
    source: Option<At<IpAddr>>,
    port: Option<NonZeroU16>,
    key: Option<String>,
    interval: Option<Duration>,
}

impl Keywords for Draft {
    const BLOCK: &'static str = "heartbeat";
    const TABLES: &'static [&'static [Keyword<Self>]] = &[&[
        acts("peer", "ADDRESS", |decoder, directive, draft| {
            let span = directive.name.span;
            draft.peer = decoder.address_of(directive).map(|value| At { value, span });
        }),
        acts("source_ip", "ADDRESS", |decoder, directive, draft| {
            let span = directive.name.span;
            draft.source = decoder.address_of(directive).map(|value| At { value, span });
        }),
        acts("port", "PORT", |decoder, directive, draft| {
            draft.port = decoder.number(directive, NonZeroU16::MIN..=NonZeroU16::MAX);
        }),
        acts("key", "TEXT", |decoder, directive, draft| {
            let Some(word) = decoder.word(directive) else { return };
            if word.text.len() < LEAST_KEY {
                // The key itself does not belong into a log.
                let message = format!("a key of {} bytes is too short", word.text.len());
                decoder.report(
                    Diagnostic::error("bad-value", word.span, message)
                        .help("16 bytes or more: openssl rand -hex 16"),
                );
            } else {
                draft.key = Some(word.text.to_string());
            }
        }),
        acts("interval", "SECONDS", |decoder, directive, draft| {
            draft.interval = decoder.time(directive, SHORTEST..=LONGEST);
        }),
    ]];
}

impl Decoder<'_> {
    /// Reads the block.
    pub(super) fn heartbeat(&mut self, directive: &Directive) -> Option<HeartbeatSpec> {
        self.surplus(directive, 0);
        let mut draft = Draft::default();
        self.block(directive, &mut draft);
        for (word, example) in
            [("peer", "peer 192.0.2.2"), ("key", "key \"...\", at least 16 bytes")]
        {
            if !directive.has(word) {
                let message = format!("`heartbeat` has no `{word}`");
                self.report(
                    Diagnostic::error("missing-keyword", directive.name.span, message)
                        .help(format!("add: {example}")),
                );
            }
        }
        let (peer, key) = (draft.peer?, draft.key?);
        let unspecified: IpAddr = match peer.value {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        if let Some(At { value, span }) = draft.source
            && value.is_ipv4() != peer.value.is_ipv4()
        {
            let message = format!("{value} is not of the family of {}", peer.value);
            self.report(Diagnostic::error("family", span, message));
        }
        let port = draft.port.map_or(PORT, NonZeroU16::get);
        Some(HeartbeatSpec {
            peer: SocketAddr::new(peer.value, port),
            local: SocketAddr::new(draft.source.map_or(unspecified, |it| it.value), port),
            key,
            interval: draft.interval.unwrap_or(Duration::from_secs(1)),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Grammar, Host, load_text};

    fn load(block: &str) -> Result<Option<super::HeartbeatSpec>, String> {
        let rest = "vrrp_instance one {\ninterface eth0\nvirtual_router_id 51\npriority 100\n\
                    virtual_ipaddress {\n10.0.0.100\n}\n}\n";
        let text = format!("{block}\n{rest}");
        let loaded = load_text("h.conf", text.as_bytes(), Grammar::Keepalived, Host::Any);
        let told = || loaded.diagnostics.lines().collect::<Vec<_>>().join("\n");
        let config = loaded.config.ok_or_else(told)?;
        Ok(config.heartbeat)
    }

    #[test]
    fn a_path_needs_a_peer_and_a_key_and_has_defaults() {
        let whole = "heartbeat {\npeer 10.9.0.2\nkey 0123456789abcdef\n}";
        let spec = load(whole).unwrap().unwrap();
        assert_eq!(spec.peer.to_string(), "10.9.0.2:694");
        assert_eq!((spec.local.to_string().as_str(), spec.interval.as_secs()), ("0.0.0.0:694", 1));
        assert!(load("").unwrap().is_none());
        for (from, to, says) in [
            ("peer 10.9.0.2", "", "no `peer`"),
            ("key 0123456789abcdef", "", "no `key`"),
            ("0123456789abcdef", "feeble", "a key of 6 bytes is too short"),
            ("peer 10.9.0.2", "peer 10.9.0.2\nsource_ip fd00::1", "not of the family"),
            ("peer 10.9.0.2", "peer 10.9.0.2\nport 0", "port"),
            ("peer 10.9.0.2", "peer 10.9.0.2\ninterval 0", "interval"),
        ] {
            let refused = load(&whole.replace(from, to)).unwrap_err();
            assert!(refused.contains(says), "{to}: {refused}");
            assert!(!refused.contains("feeble"), "the key is not told");
        }
    }
}
