//! `SSL_GET` and `TLS_CHECK`.

use std::sync::Arc;
use std::time::Duration;

use checkers::spec::{HttpSpec, Sni, TlsCheckSpec, TlsSpec, Trust};
use checkers::{Certificate, Outcome, ProbeKind, Target, Weight};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::http::{http, request, url};
use super::{AMPLE, SHORT, ask, connection, failure, failure_in_time, hold, nobody, serve};

const PASSED: Outcome = Outcome::Passed(Weight::Configured);

fn https(timeout: Duration, sni: Sni) -> HttpSpec {
    let mut spec = http(timeout, url("/"));
    spec.tls = Some(TlsSpec { sni, ..TlsSpec::default() });
    spec.urls[0].virtualhost = Some("www.example.org:8443".parse().unwrap());
    spec
}

/// How a server ends its answer.
#[derive(Clone, Copy)]
enum End {
    Notify,
    HangUp,
}

pub(crate) fn config(
    versions: &[&'static rustls::SupportedProtocolVersion],
    certificate: &rcgen::Certificate,
    key: &rcgen::KeyPair,
) -> ServerConfig {
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap()
}

/// A TLS server with a certificate that nobody would trust; tells the name that it was asked for.
async fn server(
    versions: &[&'static rustls::SupportedProtocolVersion],
    end: End,
) -> (Target, mpsc::Receiver<Option<String>>) {
    let signed = rcgen::generate_simple_self_signed(["wrong.example".to_owned()]).unwrap();
    let config = config(versions, &signed.cert, &signed.signing_key);
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

/// An authority, its certificate in a file.
struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: rcgen::Issuer::new(params, key), pem }
    }

    /// A server with a certificate for `names`, which expires in `year`. It says nothing after the handshake.
    async fn server(&self, names: &[&str], year: i32) -> Target {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let config = config(rustls::ALL_VERSIONS, &certificate, &key);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        serve(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                // An error where the client refuses the certificate.
                if let Ok(stream) = acceptor.accept(stream).await {
                    hold(stream.into_inner().0).await;
                }
            }
        })
        .await
    }

    fn file(&self) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &self.pem).unwrap();
        file
    }
}

fn trusting(file: &tempfile::NamedTempFile) -> TlsSpec {
    let path = file.path().to_str().unwrap();
    TlsSpec { verify: Some(Trust::File(path.into())), ..TlsSpec::default() }
}

fn tls(tls: TlsSpec, virtualhost: Option<&str>) -> ProbeKind {
    let virtualhost = virtualhost.map(|host| host.parse().unwrap());
    ProbeKind::Tls(TlsCheckSpec { connection: connection(AMPLE), tls, virtualhost })
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_for_the_name_passes() {
    let authority = Authority::new();
    let file = authority.file();
    let target = authority.server(&["www.example.org", "127.0.0.1"], 2990).await;
    let named = |sni| TlsSpec { sni, ..trusting(&file) };
    for good in [
        tls(TlsSpec::default(), None),
        tls(trusting(&file), None),
        tls(trusting(&file), Some("www.example.org:443")),
        tls(named(Sni::Virtualhost), Some("www.example.org")),
        tls(named(Sni::Name("www.example.org".parse().unwrap())), Some("other.example")),
    ] {
        assert_eq!(ask(target, good).await, PASSED);
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_or_of_another_authority_fails() {
    let authority = Authority::new();
    let file = authority.file();
    let target = authority.server(&["www.example.org"], 2990).await;
    let certificate = |outcome| {
        let (reason, text) = failure(outcome);
        assert_eq!(reason, "certificate");
        text
    };
    assert_eq!(
        certificate(ask(target, tls(trusting(&file), Some("other.example"))).await),
        "certificate: certificate not valid for name \"other.example\"; certificate is only valid for \
         DnsName(\"www.example.org\")"
    );
    assert_eq!(
        certificate(ask(target, tls(trusting(&file), None)).await),
        "certificate: certificate not valid for name \"127.0.0.1\"; certificate is only valid for \
         DnsName(\"www.example.org\")"
    );
    let other = Authority::new().file();
    let outcome = ask(target, tls(trusting(&other), Some("www.example.org"))).await;
    assert_eq!(certificate(outcome), "certificate: its signature is wrong");
    let mut system = trusting(&file);
    system.verify = Some(Trust::System);
    match ask(target, tls(system, Some("www.example.org"))).await {
        // A host without authorities cannot ask.
        Outcome::NotAsked(fault) => {
            assert_eq!(fault.to_string(), "tls_verify: the system has no certificate");
        }
        outcome => assert_eq!(
            certificate(outcome),
            "certificate: no authority that is trusted has signed it"
        ),
    }
    let expired = authority.server(&["www.example.org"], 2001).await;
    let text = certificate(ask(expired, tls(trusting(&file), Some("www.example.org"))).await);
    assert!(text.starts_with("certificate: certificate expired: "), "{text}");
}

#[tokio::test]
async fn an_authority_that_is_replaced_is_read_again() {
    let (old, new) = (Authority::new(), Authority::new());
    let file = old.file();
    let target = new.server(&["www.example.org"], 2990).await;
    let spec = tls(trusting(&file), Some("www.example.org"));
    assert_eq!(failure(ask(target, spec.clone()).await).0, "certificate");
    // Longer: the clock of files may not have ticked yet.
    std::fs::write(file.path(), format!("{}\n", new.pem)).unwrap();
    assert_eq!(ask(target, spec).await, PASSED);
}

#[tokio::test]
async fn authorities_that_cannot_be_read_are_a_fault_of_ours() {
    let target = Authority::new().server(&["www.example.org"], 2990).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "nothing").unwrap();
    let path = file.path().display().to_string();
    let Outcome::NotAsked(fault) = ask(target, tls(trusting(&file), None)).await else { panic!() };
    assert_eq!(fault.to_string(), format!("tls_ca: {path} has no certificate"));
    let spec = trusting(&file);
    file.close().unwrap();
    let Outcome::NotAsked(fault) = ask(target, tls(spec, None)).await else { panic!() };
    let wanted = format!("tls_ca {path}: No such file or directory (os error 2)");
    assert_eq!(fault.to_string(), wanted);
}

#[tokio::test]
async fn a_certificate_that_expires_soon_passes_and_is_told() {
    let authority = Authority::new();
    let spec = TlsSpec { min_days: std::num::NonZeroU16::new(30), ..TlsSpec::default() };
    // 2990-01-01 and 2001-01-01 at 00:00 UTC.
    for (year, expires, soon) in [(2990, 32_188_147_200, false), (2001, 978_307_200, true)] {
        let target = authority.server(&["www.example.org"], year).await;
        let wanted = Outcome::PassedWith(Weight::Configured, Certificate { expires, soon });
        assert_eq!(ask(target, tls(spec.clone(), None)).await, wanted);
    }
}

#[tokio::test]
async fn a_handshake_alone_fails_like_one_below_http() {
    let seen = failure(ask(nobody().await, tls(TlsSpec::default(), None)).await);
    assert_eq!(seen, ("refused", "connect refused".to_owned()));
    let target = serve(|mut stream| async move {
        stream.write_all(b"220 mail.example\r\n").await.unwrap();
        hold(stream).await;
    })
    .await;
    let seen = failure(ask(target, tls(TlsSpec::default(), None)).await);
    let wanted = "TLS: received corrupt message of type InvalidContentType";
    assert_eq!(seen, ("tls", wanted.to_owned()));
    let silent =
        TlsCheckSpec { connection: connection(SHORT), tls: TlsSpec::default(), virtualhost: None };
    assert_eq!(
        failure_in_time(serve(hold).await, ProbeKind::Tls(silent)).await,
        ("tls-timeout", "no answer within 200ms after TLS started".to_owned())
    );
}

#[tokio::test]
async fn a_session_without_a_proper_end_fails_where_that_is_wanted() {
    for (end, wanted) in
        [(End::Notify, None), (End::HangUp, Some("TLS: closed without close_notify"))]
    {
        let (target, _told) = server(&[&rustls::version::TLS13], end).await;
        let mut spec = https(AMPLE, Sni::Off);
        spec.urls[0].tls_compliant = true;
        let outcome = ask(target, ProbeKind::Http(spec)).await;
        match wanted {
            None => assert_eq!(outcome, PASSED),
            Some(text) => assert_eq!(failure(outcome), ("tls", text.to_owned())),
        }
    }
}
