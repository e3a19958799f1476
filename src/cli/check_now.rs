//! `evenkeel check-now`: asks a real server's checks at once, and shows what they say.
#![expect(clippy::disallowed_methods, reason = "the edge: it waits for answers")]

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::client::{self, ClientError, quoted};
use super::drain::means;
use crate::explain::duration;
use crate::lvs::selector::Selector;
use crate::lvs::status::CheckStatus;
use crate::status::Status;

/// How long answers may take: the longest timeout that is usual, with retries.
const WITHIN: Duration = Duration::from_secs(30);
/// How often it looks.
const EVERY: Duration = Duration::from_millis(100);
/// Exit status when some have not answered.
const LATE: u8 = 6;

/// Exit status 0 when all have passed, 1 when one has failed, 6 when one has not answered.
pub(super) fn run(runtime_dir: &Path, servers: &str) -> ExitCode {
    let path = format!("/v1/real-servers/check-now?servers={}", quoted(servers));
    let asked = Instant::now();
    match client::post(runtime_dir, &path) {
        Ok(line) => sayln!("{line}"),
        Err(cause) => return cause.fail(),
    }
    loop {
        std::thread::sleep(EVERY);
        let checks = match look(runtime_dir, servers) {
            Ok(checks) => checks,
            Err(cause) => return cause.fail(),
        };
        let passed = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
        let waiting = checks.iter().filter(|(_, check)| !is_answered(check, passed)).count();
        if waiting == 0 || asked.elapsed() > WITHIN {
            checks.iter().for_each(|(server, check)| sayln!("  {server}: {}", line(check)));
            let failed = checks.iter().any(|(_, check)| check.cause.is_some());
            return ExitCode::from(if waiting > 0 { LATE } else { u8::from(failed) });
        }
    }
}

fn look(runtime_dir: &Path, servers: &str) -> Result<Vec<(String, CheckStatus)>, ClientError> {
    let body = client::get(runtime_dir, "/v1/status")?;
    let status: Status = serde_json::from_slice(&body).map_err(ClientError::Unreadable)?;
    let Ok(selector) = servers.parse::<Selector>() else { return Ok(Vec::new()) };
    let mut checks = Vec::new();
    for service in status.lvs.into_iter().flat_map(|lvs| lvs.virtual_servers) {
        for server in service.real_servers.iter().filter(|server| means(selector, &service, server))
        {
            let name = format!("{} of {}", server.key, service.key);
            checks.extend(server.checks.iter().map(|check| (name.clone(), check.clone())));
        }
    }
    Ok(checks)
}

/// Its latest probe began after the order, `passed` milliseconds ago, and has ended.
fn is_answered(check: &CheckStatus, passed: u64) -> bool {
    !check.in_flight && check.last_ms_ago.is_some_and(|ago| ago <= passed)
}

fn line(check: &CheckStatus) -> String {
    let took =
        check.took_us.map_or_else(String::new, |took| format!(" in {} ms", took.div_ceil(1000)));
    let ago = check.last_ms_ago.map_or_else(|| "never".to_owned(), |ago| duration(ago) + " ago");
    let answer = match &check.cause {
        None => format!("passed{took}"),
        Some(cause) => format!("failed{took}: {cause}"),
    };
    let state = if check.up { "UP" } else { "DOWN" };
    format!("{} {}: {answer} ({ago}); {state}", check.kind, check.target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_that_began_after_the_order() {
        let check = |last_ms_ago, in_flight| CheckStatus {
            last_ms_ago,
            in_flight,
            ..CheckStatus::default()
        };
        assert!(is_answered(&check(Some(90), false), 100));
        assert!(!is_answered(&check(Some(110), false), 100));
        assert!(!is_answered(&check(Some(90), true), 100));
        assert!(!is_answered(&check(None, false), 100));
    }

    #[test]
    fn a_line_says_how_it_went() {
        let check = CheckStatus {
            kind: "TCP_CHECK".into(),
            target: "10.0.0.3:80".into(),
            took_us: Some(1_900),
            last_ms_ago: Some(100),
            cause: Some("connection refused".into()),
            ..CheckStatus::default()
        };
        let wanted = "TCP_CHECK 10.0.0.3:80: failed in 2 ms: connection refused (0.1s ago); DOWN";
        assert_eq!(line(&check), wanted);
    }
}
