//! Asking: one file for each way of it.
//!
//! A probe opens what it needs, asks one question within one deadline and says what it saw. It judges no verdict and
//! keeps nothing. Dropping it closes its socket or kills its process group.

mod agent;
pub mod answers;
mod datagram;
mod dns;
mod dr;
mod file;
mod grpc;
mod http;
mod idle;
mod lines;
pub(crate) mod opening;
mod ping;
mod progress;
mod script;
mod search;
mod smtp;
mod socket;
mod tcp;
mod tls;
mod tls_check;
pub(crate) mod told;
mod udp;

use std::time::Instant;

use tokio::sync::oneshot;

use self::opening::Opening;
use crate::failure::{Failure, LocalFault};
use crate::outcome::{Outcome, Weight};
use crate::spec::{CheckSpec, ProbeKind, Step, Target};

/// What a probe came to.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It is over.
    With(Outcome),
    /// It passed, and what it holds will report its own end.
    Held(Held),
}

/// What a probe that passed holds.
#[derive(Debug)]
pub(crate) enum Held {
    /// A connection.
    Idle(idle::Held),
    /// A session's good word.
    Told(told::Signal),
}

impl Held {
    /// Waits for its end. May be dropped at any point.
    pub(crate) async fn end(&mut self) -> Failure {
        match self {
            Self::Idle(held) => held.end().await,
            Self::Told(signal) => told::end(signal).await,
        }
    }
}

/// Why a probe did not pass.
#[derive(Debug)]
enum Miss {
    Failed(Failure),
    NotAsked(LocalFault),
}

/// Asks `step` of `spec`; `now` spares a look at the clock, `opening` a system call. When `cancelled` fires or its sender is gone, a script is ended in good order first.
pub(crate) async fn run(
    target: Target,
    spec: &CheckSpec,
    step: Step,
    cancelled: oneshot::Receiver<()>,
    opening: Option<&Opening>,
    now: Option<Instant>,
) -> Ended {
    // The large ones in boxes: a future is as large as its largest part, and most checks are TCP_CHECK.
    let mut certificate = None;
    let asked = match &spec.kind {
        ProbeKind::Tcp(connection) => tcp::run(target, connection, opening, now).await,
        ProbeKind::Http(http) => Box::pin(http::run(target, http, step, &mut certificate)).await,
        ProbeKind::Script(script) => Box::pin(script::run(script, cancelled)).await,
        ProbeKind::Smtp(smtp) => Box::pin(smtp::run(target, smtp)).await,
        ProbeKind::Dns(dns) => Box::pin(dns::run(target, dns)).await,
        ProbeKind::Udp(udp) => Box::pin(udp::run(target, udp)).await,
        ProbeKind::Ping(connection) => Box::pin(ping::run(target, connection)).await,
        ProbeKind::Tls(tls) => Box::pin(tls_check::run(target, tls, &mut certificate)).await,
        ProbeKind::Agent(agent) => Box::pin(agent::run(target, agent)).await,
        ProbeKind::Grpc(grpc) => Box::pin(grpc::run(target, grpc, &mut certificate)).await,
        ProbeKind::Dr(spec) => Box::pin(dr::run(target, spec)).await,
        ProbeKind::File(spec) => file::run(spec),
        ProbeKind::Idle(connection) => {
            match Box::pin(idle::Held::open(target, connection, &spec.cadence)).await {
                Ok(held) => return Ended::Held(Held::Idle(held)),
                Err(miss) => Err(miss),
            }
        }
        // The runner asks by itself: it has been told.
        ProbeKind::Bfd(_) => Err(Miss::Failed(Failure::SessionDown)),
    };
    Ended::With(match asked {
        Ok(weight) => match certificate {
            None => Outcome::Passed(weight),
            Some(certificate) => Outcome::PassedWith(weight, certificate),
        },
        Err(Miss::Failed(failure)) => Outcome::Failed(failure),
        Err(Miss::NotAsked(fault)) => Outcome::NotAsked(fault),
    })
}

impl From<Failure> for Miss {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<LocalFault> for Miss {
    fn from(fault: LocalFault) -> Self {
        Self::NotAsked(fault)
    }
}

/// What most probes say when all is well.
const PASSED: Result<Weight, Miss> = Ok(Weight::Configured);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Cadence, Connection};

    #[test]
    fn a_tcp_check_in_flight_is_small() {
        let kind = ProbeKind::Tcp(Connection::default());
        let spec = CheckSpec { kind, cadence: Cadence::default() };
        let target = Target { addr: "192.0.2.1".parse().unwrap(), port: 80 };
        let (_ask, cancelled) = oneshot::channel();
        let size = size_of_val(&run(target, &spec, Step(0), cancelled, None, None));
        assert!(size <= 512, "{size} bytes");
    }
}
