//! `SSL_GET`.

use std::sync::Arc;
use std::time::Duration;

use checkers::spec::{HttpSpec, Sni, TlsSpec};
use checkers::{Outcome, ProbeKind, Target, Weight};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::http::{http, request, url};
use super::{AMPLE, SHORT, ask, failure, failure_in_time, hold, serve};

const PASSED: Outcome = Outcome::Passed(Weight::Configured);

fn https(timeout: Duration, sni: Sni) -> HttpSpec {
    let mut spec = http(timeout, url("/"));
    spec.tls = Some(TlsSpec { sni });
    spec.urls[0].virtualhost = Some("www.example.org:8443".parse().unwrap());
    spec
}

/// How a server ends its answer.
#[derive(Clone, Copy)]
enum End {
    Notify,
    HangUp,
}

/// A TLS server with a certificate that nobody would trust; tells the name that it was asked for.
async fn server(
    versions: &[&'static rustls::SupportedProtocolVersion],
    end: End,
) -> (Target, mpsc::Receiver<Option<String>>) {
    let signed = rcgen::generate_simple_self_signed(["wrong.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (tell, told) = mpsc::channel(4);
    let target = serve(move |stream| {
        let (acceptor, tell) = (acceptor.clone(), tell.clone());
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            tell.send(stream.get_ref().1.server_name().map(str::to_owned)).await.unwrap();
            request(&mut stream).await;
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello").await.unwrap();
            match end {
                End::Notify => stream.shutdown().await.unwrap(),
                End::HangUp => stream.flush().await.unwrap(),
            }
        }
    })
    .await;
    (target, told)
}

#[tokio::test]
async fn any_certificate_passes_under_both_versions_of_tls() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for end in [End::Notify, End::HangUp] {
            let (target, _told) = server(&[version], end).await;
            let mut spec = https(AMPLE, Sni::Off);
            spec.urls[0].digest = Some("5d41402abc4b2a76b9719d911017c592".parse().unwrap());
            assert_eq!(ask(target, ProbeKind::Http(spec)).await, PASSED);
        }
    }
}

#[tokio::test]
async fn the_name_sent_is_the_one_configured() {
    let (target, mut told) = server(&[&rustls::version::TLS13], End::Notify).await;
    let named = |name: &str| Some(name.to_owned());
    for (sni, wanted) in [
        (Sni::Off, None),
        (Sni::Virtualhost, named("www.example.org")),
        (Sni::Name("other.example".parse().unwrap()), named("other.example")),
        (Sni::Name("192.0.2.1".parse().unwrap()), None),
    ] {
        assert_eq!(ask(target, ProbeKind::Http(https(AMPLE, sni))).await, PASSED);
        assert_eq!(told.recv().await.unwrap(), wanted);
    }
}

#[tokio::test]
async fn a_server_without_tls_says_so() {
    let target = serve(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        hold(stream).await;
    })
    .await;
    let outcome = ask(target, ProbeKind::Http(https(AMPLE, Sni::Off))).await;
    let wanted = "TLS: received corrupt message of type InvalidContentType";
    assert_eq!(failure(outcome), ("tls", wanted.to_owned()));
}

#[tokio::test]
async fn a_server_that_hangs_up_in_the_handshake_says_so() {
    let target = serve(|stream| async move {
        stream.readable().await.unwrap();
        stream.try_read(&mut [0; 4096]).unwrap();
    })
    .await;
    let outcome = ask(target, ProbeKind::Http(https(AMPLE, Sni::Off))).await;
    assert_eq!(failure(outcome), ("tls", "TLS: closed during the handshake".to_owned()));
}

#[tokio::test]
async fn a_silent_handshake_ends_at_the_deadline() {
    let target = serve(hold).await;
    assert_eq!(
        failure_in_time(target, ProbeKind::Http(https(SHORT, Sni::Off))).await,
        ("tls-timeout", "no answer within 200ms after TLS started".to_owned())
    );
}
