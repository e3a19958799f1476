//! What is secret in a configuration is in none of the places that others read: log at its finest, status, events, metrics,
//! dumps, the command lines of processes.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::pair::{PRIORITIES, Pace, director};
use crate::daemon::{Daemon, Kind::Evenkeel, evenkeel};
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::{Forwarding, Plan};

pub(super) const SCENARIOS: &[Scenario] =
    &[Scenario::together("secrets_stand_in_no_log_status_or_dump", 120, secrets)];

const SOON: Duration = Duration::from_secs(40);
const SECRETS: [&str; 5] = [
    "Pass-of-mail-relay",
    "Signs-webhooks",
    "path-token-T0K3N",
    "Key-of-the-heartbeat",
    "k@l4vePW",
];

fn secrets(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(2, Forwarding::Direct).build(keeper);
    let d1 = net.host("d1");
    let [mail, signs, token, beats, password] = SECRETS;
    let more = format!(
        "global_defs {{
    notification_email {{
        ops@example.com
    }}
    notification_email_from lb1@example.com
    smtp_server 10.0.0.99 25
    smtp_tls starttls
    smtp_auth lb1 {mail} {mail}
    smtp_alert
    webhook http://10.0.0.99/{token} secret {signs}
}}
heartbeat {{
    peer 10.0.0.2
    key {beats}
    interval 0.5
}}
web {{
    listen 127.0.0.1:9650
}}
"
    );
    let text = more + &director(Pace::Second, PRIORITIES[0]).replace("k@l4ve", password);
    let daemon = Daemon::start(Evenkeel, d1, &text);
    wait_for(SOON, "the VIP", || kernel_view::holds(d1, "10.0.0.100"));
    daemon.command("log trace").unwrap();
    daemon.reload(&text.replace("weight 1", "weight 2"));
    // Events go out to receivers that are not there, and the real servers, which are nobody, are checked.
    thread::sleep(Duration::from_secs(6));
    let pid = d1.run(&format!("cat {}", daemon.runtime.join("evenkeel.pid").display()));
    let signal = d1.run(&format!("{} signum DATA", evenkeel()));
    d1.run(&format!("kill -{} {}", signal.trim(), pid.trim()));
    let dump = daemon.runtime.join("evenkeel.data");
    wait_for(SOON, "the dump", || dump.exists());

    let mut places = vec![
        ("the log".to_owned(), daemon.logged()),
        ("the dump".to_owned(), fs::read_to_string(dump).unwrap()),
        ("the metrics".to_owned(), d1.run("curl -s http://127.0.0.1:9650/metrics")),
        ("the page's status".to_owned(), d1.run("curl -s http://127.0.0.1:9650/api/v1/status")),
    ];
    for words in ["status", "status --json", "events", "explain web"] {
        places.push((words.to_owned(), daemon.command(words).unwrap()));
    }
    for pid in daemon.pids() {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        places
            .push((format!("command line of {pid}"), String::from_utf8_lossy(&line).into_owned()));
    }
    assert!(places[0].1.contains("DEBUG"), "the log tells more than usual");
    for (place, text) in &places {
        assert!(!text.is_empty(), "{place}");
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in {place}");
        }
    }
}
