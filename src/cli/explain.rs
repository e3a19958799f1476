//! `evenkeel explain`: why something is as it is.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::client::{self, ClientError};
use super::clock;
use crate::explain::{explain, explained};
use crate::status::Status;

/// Exit status where nothing has that name.
const UNKNOWN: u8 = 5;

/// Exit status 0 when something has that name.
pub(super) fn run(runtime_dir: &Path, target: &str, json: bool) -> ExitCode {
    let status = client::get(runtime_dir, "/v1/status")
        .and_then(|body| serde_json::from_slice::<Status>(&body).map_err(ClientError::Unreadable));
    let status = match status {
        Ok(status) => status,
        Err(cause) => return cause.fail(),
    };
    let told = match json {
        false => explain(&status, target, &clock::ago),
        true => explained(&status, target, &clock::ago)
            .map(|told| serde_json::to_string_pretty(&told).unwrap_or_default() + "\n"),
    };
    match told {
        Ok(text) => {
            // Nobody is left to tell where the reader of standard output went.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(unknown) => {
            eprintln!("evenkeel: {unknown}");
            ExitCode::from(UNKNOWN)
        }
    }
}
