//! `HTTP_GET`, `SSL_GET` and their `url`s.

use checkers::Connection;
use checkers::spec::{
    Digest, DrUrl, Host, HttpSpec, HttpVersion, StatusRange, Statuses, Url, UrlPath,
};

use super::checker::{ConnectDraft, Connects, Levels};
use super::pace::{Pace, Paced};
use super::regex::{self, SearchDraft};
use super::tls::{Secured, TlsDraft};
use super::{Decoder, Keyword, Keywords, acts, many};
use crate::config::diagnostic::Diagnostic;
use crate::config::source::Span;
use crate::config::tree::{Directive, Word};

/// `HTTP_GET` and `SSL_GET`.
#[derive(Debug, Default)]
pub(super) struct HttpDraft {
    /// `SSL_GET`.
    pub(super) secured: bool,
    pub(super) tls: TlsDraft,
    pub(super) tls_compliant: bool,
    pub(super) pace: Pace,
    pub(super) connect: ConnectDraft,
    pub(super) urls: Vec<UrlDraft>,
    pub(super) virtualhost: Option<Host>,
    pub(super) version: HttpVersion,
    pub(super) fast_recovery: bool,
    pub(super) body_limit: Option<u64>,
}

impl Paced for HttpDraft {
    fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }
}

impl Connects for HttpDraft {
    fn connect(&mut self) -> &mut ConnectDraft {
        &mut self.connect
    }
}

impl Secured for HttpDraft {
    fn tls(&mut self) -> &mut TlsDraft {
        &mut self.tls
    }
}

impl Keywords for HttpDraft {
    const BLOCK: &'static str = "HTTP_GET";
    const TABLES: &'static [&'static [Keyword<Self>]] =
        &[HTTP, &Self::TLS, &Self::CONNECT_TIMEOUT, &Self::PACE, &Self::LOG, &Self::CONNECT];
}

const HTTP: &[Keyword<HttpDraft>] = &[
    many(
        "url",
        "{ path PATH [status_code ...] [digest ...] [regex ...] [virtualhost ...] }",
        |decoder, directive, draft| {
            let url = decoder.url(directive);
            draft.urls.extend(url);
        },
    ),
    acts("virtualhost", "NAME", |decoder, directive, draft| {
        draft.virtualhost = decoder.word(directive).and_then(|word| decoder.parsed(word));
    }),
    acts("http_protocol", "1.0 | 1.0C | 1.1", |decoder, directive, draft| {
        const CHOICES: [(&str, HttpVersion); 4] = [
            ("1.0", HttpVersion::Http10),
            ("1.0C", HttpVersion::Http10Close),
            ("1.0c", HttpVersion::Http10Close),
            ("1.1", HttpVersion::Http11),
        ];
        let Some(word) = decoder.word(directive) else { return };
        draft.version = decoder.choice(word, &CHOICES).unwrap_or_default();
    }),
    acts("fast_recovery", "[BOOL]", |decoder, directive, draft| {
        draft.fast_recovery = decoder.switch(directive).unwrap_or_default();
    }),
    acts("body_limit", "BYTES", |decoder, directive, draft| {
        draft.body_limit = decoder.number(directive, 1..=u64::MAX);
    }),
    many("nb_get_retry", "TIMES", |decoder, directive, draft| {
        decoder.old_name(directive, "retry");
        draft.pace.retry = decoder.number(directive, 0..=u32::MAX - 1);
    }),
    acts("tls_compliant", "[BOOL]", |decoder, directive, draft| {
        draft.tls_compliant = decoder.switch(directive).unwrap_or_default();
    }),
];

/// `url { ... }`.
#[derive(Debug, Default)]
pub(super) struct UrlDraft {
    path: Option<UrlPath>,
    statuses: Statuses,
    digest: Option<Digest>,
    pub(super) search: SearchDraft,
    tls_compliant: Option<bool>,
    pub(super) virtualhost: Option<Host>,
}

impl Keywords for UrlDraft {
    const BLOCK: &'static str = "url";
    const TABLES: &'static [&'static [Keyword<Self>]] = &[
        &[
            acts("path", "PATH", |decoder, directive, draft| {
                draft.path = decoder.word(directive).and_then(|word| decoder.parsed(word));
            }),
            acts("status_code", "CODE | CODE-CODE ...", |decoder, directive, draft| {
                if let Some(statuses) = decoder.statuses(directive) {
                    draft.statuses = statuses;
                }
            }),
            acts("digest", "MD5", |decoder, directive, draft| {
                draft.digest = decoder.word(directive).and_then(|word| decoder.parsed(word));
            }),
            acts("virtualhost", "NAME", |decoder, directive, draft| {
                draft.virtualhost = decoder.word(directive).and_then(|word| decoder.parsed(word));
            }),
            acts("tls_compliant", "[BOOL]", |decoder, directive, draft| {
                draft.tls_compliant = decoder.switch(directive);
            }),
        ],
        &regex::REGEX,
    ];
}

impl Decoder<'_> {
    fn url(&mut self, directive: &Directive) -> Option<UrlDraft> {
        let mut url = UrlDraft::default();
        self.block(directive, &mut url);
        if url.path.is_some() {
            return Some(url);
        }
        let span = directive.head();
        // A path that is wrong was told; it leaves none behind where that is passed over.
        if !directive.has("path") || self.is_lenient(span) {
            let message = "this `url` has no `path`";
            self.wrong(Diagnostic::error("missing-keyword", span, message).help("add: path /"));
        }
        None
    }

    /// The `url` of a `DR_CHECK`, whose answer is read to the end of its first line.
    pub(super) fn dr_url(&mut self, directive: &Directive) -> Option<DrUrl> {
        let UrlDraft { path, statuses, virtualhost: host, .. } = self.url(directive)?;
        let of_body = ["digest", "regex", "regex_no_match"];
        if let Some(word) = of_body.into_iter().find(|word| directive.has(word)) {
            let message = format!("DR_CHECK looks at the status alone, not at `{word}`");
            let help = "have an HTTP_GET beside it for the body";
            self.report(Diagnostic::error("bad-value", directive.head(), message).help(help));
        }
        Some(DrUrl { path: path?, statuses, host })
    }

    /// With what it inherits. `None` where keepalived would leave it out, which has been told.
    pub(super) fn http_spec(
        &mut self,
        http: HttpDraft,
        connection: Connection,
        levels: &Levels,
        keyword: Span,
    ) -> Option<HttpSpec> {
        if http.urls.is_empty() {
            let message =
                "no `url` in this checker: it is left out, and the real server not checked by it";
            self.passed_over(
                Diagnostic::warning("missing-keyword", keyword, message)
                    .help("add: url { path / }"),
            );
            return None;
        }
        let virtualhost = http.virtualhost.or_else(|| levels.virtualhost.clone());
        // Not collected: the urls would keep the room of their drafts.
        let mut urls = Vec::with_capacity(http.urls.len());
        urls.extend(http.urls.into_iter().filter_map(|url| {
            let UrlDraft { path, statuses, digest, search, tls_compliant, virtualhost: own } = url;
            let virtualhost = own.or_else(|| virtualhost.clone());
            let search = search.spec(self);
            let tls_compliant = tls_compliant.unwrap_or(http.tls_compliant);
            path.map(|path| Url { path, statuses, digest, search, virtualhost, tls_compliant })
        }));
        let tls = if http.secured {
            Some(http.tls.spec(self))
        } else {
            http.tls.unused(self);
            None
        };
        Some(HttpSpec {
            connection,
            tls,
            version: http.version,
            urls,
            fast_recovery: http.fast_recovery,
            body_limit: http.body_limit,
        })
    }

    fn statuses(&mut self, directive: &Directive) -> Option<Statuses> {
        if directive.arguments.is_empty() {
            self.missing(directive.name.span);
            return None;
        }
        let ranges = directive.arguments.iter().map(|word| self.status_range(word));
        let ranges: Vec<Option<StatusRange>> = ranges.collect();
        let ranges: Vec<StatusRange> = ranges.into_iter().collect::<Option<_>>()?;
        match Statuses::try_from(ranges) {
            Ok(statuses) => Some(statuses),
            Err(error) => {
                self.wrong(Diagnostic::error(
                    "bad-value",
                    directive.head(),
                    format!("`status_code`: {error}"),
                ));
                None
            }
        }
    }

    fn status_range(&mut self, word: &Word) -> Option<StatusRange> {
        let (first, last) = word.text.split_once('-').unwrap_or((&word.text, &word.text));
        let range = match (first.parse(), last.parse()) {
            (Ok(first), Ok(last))
                if (100..=599).contains(&first) && (first..=599).contains(&last) =>
            {
                Some(StatusRange { first, last })
            }
            _ => None,
        };
        if range.is_none() {
            self.bad(word, "a status code from 100 to 599, or two as in 200-299,");
        }
        range
    }
}
