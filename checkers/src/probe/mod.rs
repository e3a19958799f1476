//! Asking: one file for each way of it.
//!
//! A probe opens what it needs, asks one question within one deadline and says what it saw. It judges no verdict and
//! keeps nothing. Dropping it closes its socket or kills its process group.

mod http;
mod progress;
mod script;
mod tcp;
mod tls;

use tokio::sync::oneshot;

use crate::failure::{Failure, LocalFault};
use crate::outcome::{Outcome, Weight};
use crate::spec::{CheckSpec, ProbeKind, Step, Target};

/// Why a probe did not pass.
enum Miss {
    Failed(Failure),
    NotAsked(LocalFault),
}

/// Asks `step` of `spec`. When `cancelled` fires or its sender is gone, a script is ended in good order first.
pub(crate) async fn run(
    target: Target,
    spec: &CheckSpec,
    step: Step,
    cancelled: oneshot::Receiver<()>,
) -> Outcome {
    let asked = match &spec.kind {
        ProbeKind::Tcp(connection) => tcp::run(target, connection).await,
        ProbeKind::Http(http) => http::run(target, http, step).await,
        ProbeKind::Script(script) => script::run(script, cancelled).await,
    };
    match asked {
        Ok(weight) => Outcome::Passed(weight),
        Err(Miss::Failed(failure)) => Outcome::Failed(failure),
        Err(Miss::NotAsked(fault)) => Outcome::NotAsked(fault),
    }
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
