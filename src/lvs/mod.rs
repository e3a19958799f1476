//! The lvs worker: all checks, their verdicts, the plan and the kernel's table.
#![expect(
    clippy::disallowed_methods,
    reason = "the edge: its loop reads the clock for the pure parts"
)]

mod applier;
pub mod counters;
mod fifo_line;
mod host;
pub mod idle;
mod module;
pub mod observe;
pub mod overrides;
pub mod parcel;
mod paths;
pub mod plan;
mod rights;
mod scripts;
mod seldom;
pub mod selector;
mod served;
pub mod spec;
mod state_file;
pub mod status;
mod subject;
pub mod sync;
mod sysctl;
mod tidings;
mod worker;

use std::path::Path;
use std::process::ExitCode;

use tokio::runtime::Builder;
use tracing::error;

/// Runs the worker until the supervisor stops it or is gone.
pub fn run(runtime_dir: &Path) -> ExitCode {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime_dir = runtime_dir.to_owned();
    // In a task: each waking of the future that `block_on` itself polls would cost a write to an eventfd.
    let task = async move { tokio::spawn(async move { worker::run(&runtime_dir).await }).await? };
    let ran = runtime.and_then(|runtime| runtime.block_on(task));
    ran.unwrap_or_else(|cause| {
        error!("the lvs worker cannot go on: {cause}");
        ExitCode::FAILURE
    })
}
