//! Mails over TLS, both ways: a relay with a certificate of its own, made for the test.

use std::path::PathBuf;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;

/// A relay's certificate for 127.0.0.1, and the file in which those who trust it find it.
struct Identity {
    acceptor: TlsAcceptor,
    authority: PathBuf,
    _folder: tempfile::TempDir,
}

fn identity() -> Identity {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("relay.pem");
    std::fs::write(&authority, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    Identity { acceptor: Arc::new(config).into(), authority, _folder: folder }
}

fn secured(port: u16, security: Security) -> ToldSpec {
    let mut spec = mail(port);
    let mail = spec.mail.as_mut().unwrap();
    mail.security = security;
    mail.timeout = Duration::from_secs(5);
    mail.login = Some(Login { user: "lb".into(), password: Secret("pass".into()) });
    spec
}

/// Up to the handshake; what was said until then.
async fn before_tls(stream: TcpStream) -> (TcpStream, String) {
    let mut stream = BufReader::new(stream);
    let mut heard = String::new();
    stream.write_all(b"220 relay\r\n").await.unwrap();
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).await.unwrap() > 0, "broken off: {heard}");
        heard += &line;
        if line.starts_with("STARTTLS") {
            stream.write_all(b"220 go on\r\n").await.unwrap();
            return (stream.into_inner(), heard);
        }
        stream.write_all(b"250-relay\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n").await.unwrap();
    }
}

#[tokio::test]
async fn with_starttls_login_and_mail_go_over_tls_and_nothing_of_them_before() {
    let identity = identity();
    let (listener, port) = listener().await;
    let authority = Some(identity.authority.clone());
    let mut told = Told::default();
    told.configure(secured(port, Security::StartTls { authority }));
    told.push(&down());
    let (stream, plain) = before_tls(listener.accept().await.unwrap().0).await;
    assert!(!plain.contains("AUTH PLAIN A") && !plain.contains("MAIL"), "{plain}");
    let heard = converse(identity.acceptor.accept(stream).await.unwrap(), None).await;
    assert!(heard.contains("AUTH PLAIN AGxiAHBhc3M="), "{heard}");
    assert!(heard.contains("RCPT TO:<ops@example.com>") && heard.contains("refused"), "{heard}");
    assert_eq!(status_where(&told, |status| status.delivered == 1).await.error, None);
}

#[tokio::test]
async fn with_tls_from_the_first_byte_the_relay_hears_nothing_else() {
    let identity = identity();
    let (listener, port) = listener().await;
    let authority = Some(identity.authority.clone());
    let mut told = Told::default();
    told.configure(secured(port, Security::Tls { authority }));
    told.push(&down());
    let stream = listener.accept().await.unwrap().0;
    let mut stream = identity.acceptor.accept(stream).await.unwrap();
    stream.write_all(b"220 relay\r\n").await.unwrap();
    let heard = converse(stream, None).await;
    assert!(heard.contains("AUTH PLAIN AGxiAHBhc3M=") && heard.contains("refused"), "{heard}");
    status_where(&told, |status| status.delivered == 1).await;
}

#[tokio::test]
async fn a_relay_that_nobody_vouches_for_gets_neither_password_nor_mail() {
    let identity = identity();
    let (listener, port) = listener().await;
    let mut told = Told::default();
    told.configure(secured(port, Security::Tls { authority: None }));
    told.push(&down());
    let stream = listener.accept().await.unwrap().0;
    assert!(identity.acceptor.accept(stream).await.is_err(), "the client must not go on");
    let status = status_where(&told, |status| status.error.is_some()).await;
    assert_eq!((status.delivered, status.waiting), (0, 1));
    let why = status.error.unwrap();
    assert!(why.to_lowercase().contains("certificate"), "{why}");
    assert!(!why.contains("pass"), "{why}");
}
