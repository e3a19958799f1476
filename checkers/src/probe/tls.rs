//! TLS below an HTTP check. The certificate is not verified, as in keepalived: the question is whether the real server
//! serves, and it is asked by address.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::failure::Failure;
use crate::spec::{Host, Sni, Target, TlsSpec, Url};

/// Performs the handshake. The deadline is the caller's.
pub(super) async fn handshake(
    target: Target,
    spec: &TlsSpec,
    url: Option<&Url>,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Failure> {
    let connector = TlsConnector::from(client()?);
    connector.connect(server_name(target, spec, url), stream).await.map_err(|error| failure(&error))
}

/// What a failed handshake, or a failed read below TLS, comes to.
pub(super) fn failure(error: &io::Error) -> Failure {
    let library = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let cause = match (library, error.kind()) {
        (Some(cause), _) => cause.to_string(),
        (None, io::ErrorKind::UnexpectedEof) => "closed during the handshake".to_owned(),
        (None, io::ErrorKind::ConnectionReset) => "reset during the handshake".to_owned(),
        (None, _) => error.to_string(),
    };
    Failure::Tls { cause }
}

/// A name is sent only if it is one: RFC 6066 section 3 forbids addresses, and rustls sends none for them.
fn server_name(target: Target, spec: &TlsSpec, url: Option<&Url>) -> ServerName<'static> {
    let host = match &spec.sni {
        Sni::Off => None,
        Sni::Virtualhost => url.and_then(|url| url.virtualhost.as_ref()),
        Sni::Name(name) => Some(name),
    };
    host.map(Host::name)
        .and_then(|name| ServerName::try_from(name.to_owned()).ok())
        .unwrap_or_else(|| ServerName::from(target.addr))
}

/// One configuration for all checks. No resumption: it saves nothing here and would hide a changed certificate.
fn client() -> Result<Arc<ClientConfig>, Failure> {
    static CLIENT: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(Arc::clone(client));
    }
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Tls { cause: error.to_string() })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Unverified(provider)))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::clone(CLIENT.get_or_init(|| Arc::new(config))))
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
