//! `TLS_CHECK`: the handshake alone.

use tokio::time::timeout;

use super::progress::Progress;
use super::{Miss, PASSED, tcp, tls};
use crate::failure::Stage;
use crate::outcome::{Certificate, Weight};
use crate::spec::{Target, TlsCheckSpec};

/// Connects, and hangs up once the handshake is done.
pub(super) async fn run(
    target: Target,
    spec: &TlsCheckSpec,
    certificate: &mut Option<Certificate>,
) -> Result<Weight, Miss> {
    let within = spec.connection.timeout;
    let progress = Progress::default();
    let ask = async {
        let stream = tcp::connect(target, &spec.connection, tcp::Close::Reset).await?;
        progress.enter(Stage::Handshake);
        let peer = tls::Peer { target, virtualhost: spec.virtualhost.as_ref(), http2: false };
        let stream = tls::handshake(peer, &spec.tls, stream).await?;
        *certificate = tls::certificate(&spec.tls, &stream)?;
        PASSED
    };
    match timeout(within, ask).await {
        Ok(asked) => asked,
        Err(_elapsed) => Err(progress.overdue(within).into()),
    }
}
