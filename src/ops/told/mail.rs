//! One mail to one relay.

use std::fs;
use std::sync::Arc;

use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Body, Mailbox};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::courier::Undelivered;
use super::letter::Letter;
use super::spec::{MailSpec, Security};

/// Longest conversation, in the relay's own timeouts: greeting, hello, STARTTLS, hello, login, sender, recipients, text, end.
const STEPS: u32 = 10;

/// RFC 5321 section 4.5.3.1.6, without the line's end.
const LINE_MAX: usize = 998;

/// Delivered, or why not. Never takes longer than [`STEPS`] of the configured timeout.
pub(super) async fn send(spec: Arc<MailSpec>, letter: Letter) -> Result<(), Undelivered> {
    let message = message(&spec, letter)?;
    let transport = transport(&spec)?;
    match tokio::time::timeout(spec.timeout * STEPS, transport.send(message)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(cause)) => Err(Undelivered { why: chain(&cause), is_final: cause.is_permanent() }),
        Err(_) => Err(later("the relay drags out the conversation".to_owned())),
    }
}

fn message(spec: &MailSpec, letter: Letter) -> Result<Message, Undelivered> {
    let from = spec.from.clone().unwrap_or_else(|| format!("root@{}", super::host_name()));
    let mut message = Message::builder().from(mailbox(&from)?).subject(letter.subject).date_now();
    for to in &spec.to {
        message = message.to(mailbox(to)?);
    }
    let message = message.header(ContentType::TEXT_PLAIN);
    message.body(encoded(letter.body)).map_err(|cause| never(chain(&cause)))
}

/// As it is where a mail may carry it so: mails are also read by grep. (lettre folds every line beyond 76.)
fn encoded(text: String) -> Body {
    let is_plain = text.is_ascii()
        && !text.contains(['\0', '\r'])
        && text.lines().all(|line| line.len() <= LINE_MAX);
    if is_plain {
        let lines = text.replace('\n', "\r\n").into_bytes();
        Body::dangerous_pre_encoded(lines, ContentTransferEncoding::SevenBit)
    } else {
        Body::new(text)
    }
}

/// `ops@example.com`, `Ops <ops@example.com>`, and what only a local relay knows: `root`.
fn mailbox(text: &str) -> Result<Mailbox, Undelivered> {
    let local = || Address::new(text, "localhost").map(|address| Mailbox::new(None, address));
    let read = text.parse::<Mailbox>();
    read.or_else(|_| local()).map_err(|cause| never(format!("{text:?}: {cause}")))
}

fn transport(spec: &MailSpec) -> Result<AsyncSmtpTransport<Tokio1Executor>, Undelivered> {
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&spec.host)
        .port(spec.port)
        .timeout(Some(spec.timeout))
        .tls(tls(spec)?);
    let helo = spec.helo.clone().unwrap_or_else(super::host_name);
    if !helo.is_empty() {
        builder = builder.hello_name(ClientId::Domain(helo));
    }
    if let Some(login) = &spec.login {
        let credentials = Credentials::new(login.user.clone(), login.password.0.clone());
        builder = builder.credentials(credentials);
    }
    Ok(builder.build())
}

fn tls(spec: &MailSpec) -> Result<Tls, Undelivered> {
    let parameters = |authority: &Option<std::path::PathBuf>| {
        let mut builder = TlsParameters::builder(spec.host.clone());
        if let Some(path) = authority {
            let pem =
                fs::read(path).map_err(|cause| later(format!("{}: {cause}", path.display())))?;
            let certificate = Certificate::from_pem(&pem)
                .map_err(|cause| later(format!("{}: {}", path.display(), chain(&cause))))?;
            builder = builder.add_root_certificate(certificate);
        }
        builder.build().map_err(|cause| later(chain(&cause)))
    };
    Ok(match &spec.security {
        Security::None => Tls::None,
        Security::StartTls { authority } => Tls::Required(parameters(authority)?),
        Security::Tls { authority } => Tls::Wrapper(parameters(authority)?),
    })
}

fn later(why: String) -> Undelivered {
    Undelivered { why, is_final: false }
}

fn never(why: String) -> Undelivered {
    Undelivered { why, is_final: true }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_mail_cannot_carry_as_it_is_is_encoded() {
        let encoding = |text: &str| encoded(text.to_owned()).encoding();
        assert_eq!(encoding(&"a".repeat(LINE_MAX)), ContentTransferEncoding::SevenBit);
        for odd in [&"a".repeat(LINE_MAX + 1), "\u{fc}"] {
            assert_ne!(encoding(odd), ContentTransferEncoding::SevenBit, "{odd:?}");
        }
        assert_eq!(encoded("a\nb\n".to_owned()).as_ref(), b"a\r\nb\r\n");
    }

    #[test]
    fn recipients_are_read_as_people_write_them() {
        let written = |text: &str| mailbox(text).map(|mailbox| mailbox.to_string());
        assert_eq!(written("ops@example.com"), Ok("ops@example.com".to_owned()));
        assert_eq!(written("Ops <ops@example.com>"), Ok("Ops <ops@example.com>".to_owned()));
        assert_eq!(written("root"), Ok("root@localhost".to_owned()));
        assert!(written("two words").unwrap_err().is_final);
        assert!(written("a\r\nRCPT TO:<b>").unwrap_err().is_final);
    }
}
