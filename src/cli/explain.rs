//! `evenkeel explain`: why something is as it is.

use std::path::Path;
use std::process::ExitCode;

use super::client::{self, ClientError};
use super::clock;
use crate::explain::explain;
use crate::status::Status;

/// Exit status where nothing has that name.
const UNKNOWN: u8 = 5;

/// Exit status 0 when something has that name.
pub(super) fn run(runtime_dir: &Path, target: &str) -> ExitCode {
    let status = client::get(runtime_dir, "/v1/status")
        .and_then(|body| serde_json::from_slice::<Status>(&body).map_err(ClientError::Unreadable));
    let status = match status {
        Ok(status) => status,
        Err(cause) => return cause.fail(),
    };
    match explain(&status, target, &clock::ago) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(unknown) => {
            eprintln!("evenkeel: {unknown}");
            ExitCode::from(UNKNOWN)
        }
    }
}
