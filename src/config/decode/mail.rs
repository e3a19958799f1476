//! Who is told of events: the mail keywords of `global_defs`, and `webhook`.

use std::path::PathBuf;
use std::time::Duration;

use super::global::{DAY, Draft};
use super::options::{OptionWord, value};
use super::{Decoder, Keyword, acts, many};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::SmtpServer;
use crate::config::tree::{Directive, Word};
use crate::ops::severity::Severity;
use crate::ops::told::spec::{Login, Secret, Security, WebhookSpec};

pub(super) const MAIL: &[Keyword<Draft>] = &[
    // Names the director in mails, webhooks and SNMP.
    acts("router_id", "NAME", |decoder, directive, draft| {
        let name = decoder.word_or_skipped(directive);
        draft.global.router_id = name.map(|name| name.text.to_string());
    }),
    acts("notification_email", "{ ADDRESS ... }", |decoder, directive, draft| {
        let words = decoder.list(directive);
        draft.global.notification_email = words.iter().map(|word| word.text.to_string()).collect();
    }),
    acts("notification_email_from", "ADDRESS", |decoder, directive, draft| {
        draft.global.notification_email_from = decoder.text(directive);
    }),
    acts("smtp_server", "HOST [PORT]", |decoder, directive, draft| {
        decoder.surplus(directive, 2);
        let Some(host) = directive.arguments.first() else {
            return decoder.missing(directive.name.span);
        };
        let port = directive.arguments.get(1);
        let port = port.map_or(Some(25), |port| decoder.number_in(port, 1..=u16::MAX));
        let host = host.text.to_string();
        draft.global.smtp_server = port.map(|port| SmtpServer { host, port });
    }),
    acts("smtp_helo_name", "NAME", |decoder, directive, draft| {
        draft.global.smtp_helo_name = decoder.text(directive);
    }),
    acts("smtp_connect_timeout", "SECONDS", |decoder, directive, draft| {
        let time = decoder.time(directive, Duration::from_millis(1)..=DAY);
        draft.global.smtp_connect_timeout = time.unwrap_or(draft.global.smtp_connect_timeout);
    }),
    acts("smtp_tls", "off|starttls|tls [authority FILE]", |decoder, directive, draft| {
        draft.global.smtp_tls = decoder.smtp_tls(directive);
    }),
    acts("smtp_auth", "USER PASSWORD", |decoder, directive, draft| {
        draft.global.smtp_auth = decoder.smtp_auth(directive);
    }),
    acts("smtp_alert", "[BOOL]", |decoder, directive, draft| {
        draft.global.smtp_alert = decoder.switch(directive);
    }),
    acts("smtp_alert_vrrp", "[BOOL]", |decoder, directive, draft| {
        draft.global.smtp_alert_vrrp = decoder.switch(directive);
    }),
    acts("smtp_alert_checker", "[BOOL]", |decoder, directive, draft| {
        draft.global.smtp_alert_checker = decoder.switch(directive);
    }),
    acts("no_email_faults", "", |decoder, directive, draft| {
        draft.global.no_email_faults = decoder.flag(directive);
    }),
    acts("no_checker_emails", "[BOOL]", |decoder, directive, draft| {
        draft.global.no_checker_emails = decoder.switch(directive).unwrap_or_default();
    }),
    many(
        "webhook",
        "URL [secret SECRET] [severity info|warning|critical] [timeout SECONDS]",
        |decoder, directive, draft| {
            let webhook = decoder.webhook(directive);
            draft.global.webhooks.extend(webhook);
        },
    ),
];

const AUTHORITY: &[OptionWord<Option<PathBuf>>] =
    &[value("authority", |_, word, authority| *authority = Some(PathBuf::from(&*word.text)))];

const WEBHOOK: &[OptionWord<WebhookSpec>] = &[
    value("secret", |_, word, hook| hook.secret = Some(Secret(word.text.to_string()))),
    value("severity", |decoder, word, hook| {
        let words = [Severity::Info, Severity::Warning, Severity::Critical];
        let choices = words.map(|severity| (severity.word(), severity));
        hook.severity = decoder.choice(word, &choices).unwrap_or(hook.severity);
    }),
    value("timeout", |decoder, word, hook| {
        let time = decoder.time_in(word, Duration::from_millis(1)..=Duration::from_secs(300));
        hook.timeout = time.unwrap_or(hook.timeout);
    }),
];

impl Decoder<'_> {
    fn smtp_tls(&mut self, directive: &Directive) -> Security {
        let Some((mode, rest)) = directive.arguments.split_first() else {
            self.missing(directive.name.span);
            return Security::None;
        };
        let mut authority = None;
        self.options(rest, &directive.properties, AUTHORITY, &mut authority);
        let modes = [("off", 0), ("starttls", 1), ("tls", 2)];
        match self.choice(mode, &modes) {
            Some(1) => Security::StartTls { authority },
            Some(2) => Security::Tls { authority },
            _ => Security::None,
        }
    }

    fn smtp_auth(&mut self, directive: &Directive) -> Option<Login> {
        self.surplus(directive, 2);
        let [user, password, ..] = directive.arguments.as_slice() else {
            self.missing(directive.name.span);
            return None;
        };
        Some(Login { user: user.text.to_string(), password: Secret(password.text.to_string()) })
    }

    fn webhook(&mut self, directive: &Directive) -> Option<WebhookSpec> {
        let Some((url, rest)) = directive.arguments.split_first() else {
            self.missing(directive.name.span);
            return None;
        };
        let mut hook = WebhookSpec {
            url: self.web_address(url)?,
            secret: None,
            severity: Severity::Warning,
            timeout: Duration::from_secs(10),
        };
        self.options(rest, &directive.properties, WEBHOOK, &mut hook);
        Some(hook)
    }

    fn web_address(&mut self, word: &Word) -> Option<String> {
        let uri: Option<http::Uri> = word.text.parse().ok();
        let is_good = uri.as_ref().is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
        });
        if !is_good {
            self.bad(word, "an address as http://host/path");
            return None;
        }
        if uri.and_then(|uri| uri.authority().map(|it| it.as_str().contains('@'))) == Some(true) {
            let message =
                "a password in an address would show in the status; `secret` signs instead";
            self.report(Diagnostic::error("password-in-address", word.span, message));
            return None;
        }
        Some(word.text.to_string())
    }
}
