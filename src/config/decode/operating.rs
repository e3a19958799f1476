//! `web` and `log`, evenkeel's own.

use std::net::{IpAddr, SocketAddr};

use super::{Decoder, Keyword, Keywords, acts, many};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{LogFormat, Web};
use crate::config::tree::{Directive, Word};

/// Where an address comes without a port.
const PORT: u16 = 9650;

/// `web` as far as it was read.
#[derive(Debug, Default)]
pub(super) struct WebDraft {
    web: Web,
}

impl Keywords for WebDraft {
    const BLOCK: &'static str = "web";
    const TABLES: &'static [&'static [Keyword<Self>]] = &[&[
        many("listen", "ADDRESS[:PORT]", |decoder, directive, draft| {
            let Some(word) = decoder.word(directive) else { return };
            match endpoint(&word.text) {
                None => {
                    decoder.bad(word, "an address with or without a port, as in 127.0.0.1:9650")
                }
                Some(at) => draft.listen(decoder, word, at),
            }
        }),
        many("host", "NAME", |decoder, directive, draft| {
            let name = decoder.text(directive).map(|name| name.to_ascii_lowercase());
            draft.web.hosts.extend(name);
        }),
    ]];
}

impl WebDraft {
    fn listen(&mut self, decoder: &mut Decoder<'_>, word: &Word, at: SocketAddr) {
        let refused = if self.web.listen.contains(&at) {
            format!("a second `listen` on {at}")
        } else if self.web.listen.len() == Web::LISTEN_MAX {
            format!("more than {} `listen`", Web::LISTEN_MAX)
        } else {
            return self.web.listen.push(at);
        };
        decoder.report(Diagnostic::error("twice", word.span, refused));
    }

    fn finish(self, decoder: &mut Decoder<'_>, directive: &Directive) -> Option<Web> {
        if self.web.listen.is_empty() {
            let message = "`web` listens nowhere";
            let help = format!("write `listen \"127.0.0.1:{PORT}\"` into it");
            decoder.report(Diagnostic::error("missing", directive.head(), message).help(help));
            return None;
        }
        for at in self.web.listen.iter().filter(|at| !at.ip().is_loopback()) {
            let message =
                format!("`web` listens on {at}: whoever reaches it reads the director's state");
            decoder.report(
                Diagnostic::warning("open", directive.head(), message)
                    .help("there is no password and no TLS: keep it behind a firewall or a proxy"),
            );
        }
        Some(self.web)
    }
}

/// `log` as far as it was read.
#[derive(Debug, Default)]
pub(super) struct LogDraft {
    pub(super) format: LogFormat,
}

impl Keywords for LogDraft {
    const BLOCK: &'static str = "log";
    const TABLES: &'static [&'static [Keyword<Self>]] =
        &[&[acts("format", "text | json", |decoder, directive, draft| {
            let Some(word) = decoder.word(directive) else { return };
            let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
            draft.format = decoder.choice(word, &formats).unwrap_or_default();
        })]];
}

impl Decoder<'_> {
    /// `web { ... }`.
    pub(super) fn web(&mut self, directive: &Directive) -> Option<Web> {
        self.surplus(directive, 0);
        let mut draft = WebDraft::default();
        self.block(directive, &mut draft);
        draft.finish(self, directive)
    }

    /// `log { ... }`.
    pub(super) fn log(&mut self, directive: &Directive) -> LogFormat {
        self.surplus(directive, 0);
        let mut draft = LogDraft::default();
        self.block(directive, &mut draft);
        draft.format
    }
}

/// `127.0.0.1:9650`, `[::1]:9650`, or an address alone.
fn endpoint(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let alone = || bare.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, PORT));
    text.parse().ok().or_else(alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_come_without_its_port() {
        let texts = ["127.0.0.1:80", "127.0.0.1", "::1", "[::1]", "[::1]:80"];
        let read = texts.map(|text| endpoint(text).map(|at| at.to_string()));
        let wanted = ["127.0.0.1:80", "127.0.0.1:9650", "[::1]:9650", "[::1]:9650", "[::1]:80"];
        assert_eq!(read, wanted.map(|text| Some(text.to_owned())));
        assert_eq!([":80", "localhost:80", "10.0.0.1:99999"].map(endpoint), [None; 3]);
    }
}
