//! What the configuration asks for: who is told, where, and of what. Made in the load child, read by the ops worker.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ops::severity::Severity;

/// Who is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldSpec {
    /// `router_id`; `None` means the host's name.
    pub director: Option<String>,
    /// Mail, where there are recipients and a relay.
    pub mail: Option<MailSpec>,
    /// `webhook ...`, in order.
    pub webhooks: Vec<WebhookSpec>,
}

/// How mails go out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailSpec {
    /// `smtp_server`: its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `smtp_connect_timeout`: for each of its answers.
    pub timeout: Duration,
    /// `smtp_helo_name`; `None` means the host's name.
    pub helo: Option<String>,
    /// `notification_email_from`; `None` means root at the host's name.
    pub from: Option<String>,
    /// `notification_email`.
    pub to: Vec<String>,
    /// `smtp_tls`.
    pub security: Security,
    /// `smtp_auth`.
    pub login: Option<Login>,
    /// Of what.
    pub rules: MailRules,
}

/// `smtp_tls`: what the relay is spoken to in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Security {
    /// Plain text, as keepalived does.
    #[default]
    None,
    /// Plain until STARTTLS, which the relay must offer.
    StartTls {
        /// Who may have signed its certificate; `None`: the authorities of this host.
        authority: Option<PathBuf>,
    },
    /// TLS from the first byte.
    Tls {
        /// As above.
        authority: Option<PathBuf>,
    },
}

/// `smtp_auth USER PASSWORD`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Who we say we are.
    pub user: String,
    /// And how we show it.
    pub password: Secret,
}

/// Which events become mails: keepalived's `smtp_alert` family, resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailRules {
    /// Unless excepted: real servers that go down or up.
    pub real_servers: bool,
    /// Unless excepted: virtual servers that lose or gain their quorum.
    pub virtual_servers: bool,
    /// Unless excepted: VRRP instances that change state.
    pub instances: bool,
    /// Unless excepted: sync groups that change state.
    pub groups: bool,
    /// Subjects, as events name them, for which the opposite holds.
    pub except: BTreeSet<(Matter, String)>,
    /// `no_email_faults`.
    pub no_faults: bool,
    /// `no_checker_emails`: not of checks that change without changing their real server's state.
    pub no_checks: bool,
}

/// What a mail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Matter {
    /// A real server of a virtual server.
    RealServer,
    /// A virtual server.
    VirtualServer,
    /// A VRRP instance.
    Instance,
    /// A sync group.
    Group,
}

/// `webhook URL ...`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookSpec {
    /// `http://` or `https://`.
    pub url: String,
    /// What the signature is made with; none, no signature.
    pub secret: Option<Secret>,
    /// Events at least this bad.
    pub severity: Severity,
    /// For one delivery, connection and answer included.
    pub timeout: Duration,
}

/// A text that no log and no message shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
