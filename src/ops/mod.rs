//! The ops worker: what operators talk to. It runs without privileges, holds no address and no table, and decides
//! nothing: it passes questions and commands on and keeps the last events.

mod access;
pub mod api;
mod desk;
mod door;
mod dump;
mod events;
mod exposition;
pub(crate) mod facts;
mod guard;
mod metrics;
pub mod page;
mod privilege;
mod process;
pub mod refusal;
mod scribe;
pub mod severity;
mod shown;
pub mod spec;
mod steer;
mod stream;
pub mod told;
mod traffic;
mod web;

use std::process::ExitCode;

use tokio::runtime::Builder;
use tracing::error;

use self::desk::Desk;
pub(crate) use self::steer::wished_weight;
use crate::link::Link;
use crate::message::Role;

/// Runs the worker until the supervisor stops it or is gone.
pub fn run() -> ExitCode {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => {
            error!("cannot start: {cause}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        let served = async { Desk::new(Link::from_stdin(Role::Ops)?).run().await };
        match served.await {
            Ok(()) => ExitCode::SUCCESS,
            Err(cause) => {
                error!("link to the supervisor: {cause}");
                ExitCode::FAILURE
            }
        }
    })
}
