//! TLS below other checks. A certificate is verified only where that is asked for: else the question is whether the real
//! server serves, as it is for keepalived.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::parse_x509_certificate;

use super::Miss;
use crate::failure::{Failure, LocalFault};
use crate::outcome::Certificate;
use crate::spec::{Host, Sni, Target, TlsSpec, Trust};

/// Whom the handshake is with, and what is to be spoken after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer<'a> {
    pub(super) target: Target,
    pub(super) virtualhost: Option<&'a Host>,
    /// HTTP/2 (RFC 9113 section 3.2); else nothing is negotiated.
    pub(super) http2: bool,
}

/// Performs the handshake. The deadline is the caller's.
pub(super) async fn handshake(
    peer: Peer<'_>,
    spec: &TlsSpec,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Miss> {
    let connector = TlsConnector::from(client(spec, peer.http2)?);
    let connected = connector.connect(server_name(peer, spec), stream).await;
    connected.map_err(|error| failure(&error).into())
}

/// The certificate that was shown, where the options ask for it.
#[expect(clippy::disallowed_methods, reason = "certificates expire by the calendar")]
pub(super) fn certificate(
    spec: &TlsSpec,
    stream: &TlsStream<TcpStream>,
) -> Result<Option<Certificate>, Failure> {
    let Some(days) = spec.min_days else { return Ok(None) };
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let parsed = shown.and_then(|shown| parse_x509_certificate(shown).ok());
    let Some((_, parsed)) = parsed else {
        return Err(Failure::Certificate { cause: "it cannot be read".to_owned() });
    };
    let expires = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let soon = expires.saturating_sub(now) <= u64::from(days.get()) * 86_400;
    Ok(Some(Certificate { expires, soon }))
}

/// What a failed handshake, or a failed read below TLS, comes to.
pub(super) fn failure(error: &io::Error) -> Failure {
    let library = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let cause = match (library, error.kind()) {
        (Some(rustls::Error::InvalidCertificate(cause)), _) => {
            let cause = match cause {
                CertificateError::UnknownIssuer => {
                    "no authority that is trusted has signed it".into()
                }
                CertificateError::BadSignature => "its signature is wrong".into(),
                cause => cause.to_string(),
            };
            return Failure::Certificate { cause };
        }
        (Some(cause), _) => cause.to_string(),
        (None, io::ErrorKind::UnexpectedEof) => "closed during the handshake".to_owned(),
        (None, io::ErrorKind::ConnectionReset) => "reset during the handshake".to_owned(),
        (None, _) => error.to_string(),
    };
    Failure::Tls { cause }
}

/// A name is sent only if it is one: RFC 6066 section 3 forbids addresses, and rustls sends none for them.
fn server_name(peer: Peer<'_>, spec: &TlsSpec) -> ServerName<'static> {
    let host = match &spec.sni {
        // Not sent, but what the certificate is to be for.
        Sni::Off if spec.verify.is_some() => peer.virtualhost,
        Sni::Off => None,
        Sni::Virtualhost => peer.virtualhost,
        Sni::Name(name) => Some(name),
    };
    host.map(Host::name)
        .map(|name| name.trim_start_matches('[').trim_end_matches(']'))
        .and_then(|name| ServerName::try_from(name.to_owned()).ok())
        .unwrap_or_else(|| ServerName::from(peer.target.addr))
}

/// Checks with these in common share one configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    verify: Option<Trust>,
    sni: bool,
    http2: bool,
}

/// When a file was written, and its length: another pair is another file.
type Stamp = Option<(SystemTime, u64)>;

type Clients = HashMap<Kind, (Stamp, Arc<ClientConfig>)>;

/// As many as there are sets of options; a set that is configured no longer stays until the process ends.
static CLIENTS: LazyLock<Mutex<Clients>> = LazyLock::new(Mutex::default);

fn client(spec: &TlsSpec, http2: bool) -> Result<Arc<ClientConfig>, Miss> {
    let kind = Kind { verify: spec.verify.clone(), sni: spec.sni != Sni::Off, http2 };
    let stamp = match &kind.verify {
        Some(Trust::File(path)) => stamp(path)?,
        Some(Trust::System) | None => None,
    };
    // Nothing is awaited while it is held. A thread that broke in here left the map as it was.
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    match clients.get(&kind) {
        Some((known, client)) if *known == stamp => Ok(Arc::clone(client)),
        Some(_) | None => {
            let client = Arc::new(configure(&kind)?);
            clients.insert(kind, (stamp, Arc::clone(&client)));
            Ok(client)
        }
    }
}

fn stamp(path: &str) -> Result<Stamp, LocalFault> {
    let written = fs::metadata(path).and_then(|meta| Ok((meta.modified()?, meta.len())));
    written.map(Some).map_err(|error| unreadable(path, &error))
}

/// No resumption: it saves nothing here and would hide a changed certificate.
fn configure(kind: &Kind) -> Result<ClientConfig, Miss> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Tls { cause: error.to_string() })?;
    let mut config = match &kind.verify {
        None => {
            let unverified = Arc::new(Unverified(provider));
            builder.dangerous().with_custom_certificate_verifier(unverified).with_no_client_auth()
        }
        Some(trust) => builder.with_root_certificates(roots(trust)?).with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.enable_sni = kind.sni;
    if kind.http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    Ok(config)
}

/// Certificates that cannot be used are passed over, unless none is left.
fn roots(trust: &Trust) -> Result<RootCertStore, LocalFault> {
    let mut roots = RootCertStore::empty();
    let certificates = match trust {
        Trust::System => rustls_native_certs::load_native_certs().certs,
        Trust::File(path) => {
            let text = fs::read(&**path).map_err(|error| unreadable(path, &error))?;
            CertificateDer::pem_slice_iter(&text).flatten().collect()
        }
    };
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        let whose = match trust {
            Trust::System => "tls_verify: the system has",
            Trust::File(path) => &format!("tls_ca: {path} has"),
        };
        return Err(LocalFault { step: format!("{whose} no certificate"), errno: 0 });
    }
    Ok(roots)
}

fn unreadable(path: &str, error: &io::Error) -> LocalFault {
    LocalFault { step: format!("tls_ca {path}"), errno: error.raw_os_error().unwrap_or(0) }
}

/// Takes any certificate and any signature.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
