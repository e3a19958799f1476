//! Every checker against a server that passes and against each way to fail, all at once: one table of what is asked, of whom,
//! and what `status` must say of it.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::daemon::Daemon;
use crate::daemon::Kind::Evenkeel;
use crate::host::{Host, Process, holds_within};
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::responder::Responder;
use crate::runner::Scenario;
use crate::tool;
use crate::tool::responder::Mode;
use crate::topology::{Forwarding, Plan};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("checks_say_what_each_server_does_wrong", 120, all),
    Scenario::together("checks_of_scripts_and_files_say_what_went_wrong", 120, local),
];

/// One row: what is asked, and what must be said of it.
#[derive(Clone)]
pub(super) struct Row {
    /// The checker's block, without what all of them have.
    pub(super) check: String,
    pub(super) port: u16,
    /// Part of the cause while it is down; `None`: it is up.
    pub(super) cause: Option<&'static str>,
}

pub(super) fn row(port: u16, check: &str, cause: impl Into<Option<&'static str>>) -> Row {
    Row { check: check.to_owned(), port, cause: cause.into() }
}

pub(super) const URL: &str = "url {\n path /\n status_code 200\n }";

/// Servers of one behaviour, by port.
const TALKERS: &[&str] = &[
    "2001=mute",
    "2002=hangup",
    "2003=ssh",
    "2004=headers",
    "2005=endless",
    "2006=redirect",
    "2007=bomb",
    "2008=later",
    "2010=smtp",
    "2011=smtp-closed",
    "2012=smtp-rude",
    "2020=agent-up",
    "2021=agent-half",
    "2022=agent-down",
    "2023=agent-junk",
    "2030=dns",
    "2031=dns-servfail",
    "2032=dns-forged",
    "2033=dns-cut",
    "2034=dns-mute",
    "2035=dns-junk",
    "2040=udp-echo",
    "2041=udp-mute",
    "2042=udp-other",
    "2050=grpc",
    "2051=grpc-down",
];

/// Nobody listens here.
const CLOSED: u16 = 2999;

fn rows() -> Vec<Row> {
    let http = format!("HTTP_GET {{\n {URL}");
    let ssl = format!("SSL_GET {{\n {URL}");
    let absent = "connect_ip 10.0.0.99";
    vec![
        row(80, "TCP_CHECK {", None),
        row(CLOSED, "TCP_CHECK {", "connect refused"),
        row(
            80,
            &format!("TCP_CHECK {{\n {absent}"),
            "no answer within 1s after connect started|host unreachable",
        ),
        row(80, &http, None),
        row(81, &http, "503, wanted 200"),
        row(82, &http, "answer unfinished within 1s"),
        row(2001, &http, "no answer within 1s after request sent"),
        row(2002, &http, "closed after 0 bytes|reset after 0 bytes"),
        row(2003, &http, "not HTTP: \"SSH-2.0-lab"),
        row(2004, &http, "headers over"),
        row(2005, &http, "answer unfinished within 1s"),
        row(2005, &format!("{http}\n body_limit 100000"), "body over 100000 bytes"),
        row(2006, &http, "302, wanted 200"),
        row(
            2007,
            &http.replace("status_code 200", "regex \"needle\""),
            "no match in 1048579 bytes",
        ),
        row(CLOSED, &http, "connect refused"),
        row(443, &ssl, None),
        row(2003, &ssl, "TLS: "),
        row(2001, &ssl, "no answer within 1s after TLS started"),
        row(443, "TLS_CHECK {", None),
        row(443, "TLS_CHECK {\n tls_min_days 65535", None),
        row(
            443,
            "TLS_CHECK {\n tls_verify\n tls_ca /etc/ssl/certs/ca-certificates.crt",
            "certificate: ",
        ),
        row(2003, "TLS_CHECK {", "TLS: "),
        row(2002, "TLS_CHECK {", "TLS: |reset"),
        row(2010, "SMTP_CHECK {", None),
        row(2011, "SMTP_CHECK {", "\"554 no service\" as greeting, wanted 220"),
        row(2012, "SMTP_CHECK {", "\"500 what?\" to HELO, wanted 250"),
        row(2001, "SMTP_CHECK {", "no answer within 1s after connect"),
        row(2020, "AGENT_CHECK {", None),
        row(2021, "AGENT_CHECK {", None),
        row(2022, "AGENT_CHECK {", "the agent says down"),
        row(2023, "AGENT_CHECK {", "not an agent: \"good morning"),
        row(2001, "AGENT_CHECK {", "no answer within 1s"),
        row(2030, "DNS_CHECK {", None),
        row(2031, "DNS_CHECK {", "DNS: response code 2"),
        row(2032, "DNS_CHECK {", "DNS: answer with another identifier"),
        row(2033, "DNS_CHECK {", "DNS: answer cut off, over TCP too"),
        row(2034, "DNS_CHECK {", "no answer within 1s after request sent"),
        row(2035, "DNS_CHECK {", "DNS: 4 bytes that are no whole message"),
        row(CLOSED, "DNS_CHECK {", "connect refused"),
        row(2040, "UDP_CHECK {\n require_reply", None),
        row(2041, "UDP_CHECK {", None),
        row(2041, "UDP_CHECK {\n require_reply", "no answer within 1s"),
        row(2042, "UDP_CHECK {\n require_reply 0x4142", "reply 6f74"),
        row(CLOSED, "UDP_CHECK {", "connect refused"),
        row(80, "PING_CHECK {", None),
        row(80, &format!("PING_CHECK {{\n {absent}"), "no answer within 1s|host unreachable"),
        row(2050, "GRPC_CHECK {", None),
        row(2051, "GRPC_CHECK {", "health NOT_SERVING, wanted SERVING"),
        row(80, "GRPC_CHECK {", "not gRPC|reset|closed"),
        row(2003, "GRPC_CHECK {", "not gRPC|reset|closed"),
        row(2001, "GRPC_CHECK {", "no answer within 1s"),
        row(CLOSED, "GRPC_CHECK {", "connect refused"),
        row(2001, "IDLE_CHECK {", None),
        row(2002, "IDLE_CHECK {", "closed after 0 bytes"),
        row(CLOSED, "IDLE_CHECK {", "connect refused"),
    ]
}

/// Each row is a virtual server of its own, and what its one check says is compared.
fn all(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(1, Forwarding::Nat).build(keeper);
    let (d1, r1) = (net.host("d1"), net.host("r1"));
    // Each closed port is to be told of, not one a second.
    r1.sysctl(&["net.ipv4.icmp_ratemask=0"]);
    let _talker = talkers(r1, TALKERS);
    let plain = ["0.0.0.0:80", "tls:0.0.0.0:443"];
    let servers = [&plain[..], &["0.0.0.0:81"], &["0.0.0.0:82"]];
    let servers = servers.map(|addresses| Responder::listening(r1, addresses));
    servers[1].switch(Mode::Status(503));
    servers[2].switch(Mode::Drip);
    let rows = rows();
    let daemon = Daemon::start(Evenkeel, d1, &config(&rows, r1));
    settle(&daemon, &rows);
    let worker = daemon.worker("lvs").expect("an lvs worker");
    let memory = resident_kib(worker);
    keeper.figure(&format!("{} checks as they should be, {memory} KiB", rows.len()));
    // An agent that says so has half the weight.
    let half = rows.iter().position(|row| row.port == 2021).unwrap();
    let weights = kernel_view::weights(d1, &service(half));
    assert_eq!(weights.values().copied().collect::<Vec<_>>(), [50]);
    let logged = daemon.logged();
    assert!(logged.contains("the certificate expires in"), "tls_min_days warns");
    // A connection that is held reports its end at once, and stays up while it stands.
    let later = vec![row(2008, "IDLE_CHECK {\n rise 1", None)];
    daemon.reload(&config(&later, r1));
    let went = holds_within(Duration::from_secs(15), Duration::from_millis(100), || {
        let log = daemon.logged();
        log.contains("IDLE_CHECK") && log.contains("closed after 0 bytes")
    });
    assert!(went, "the end of a held connection is told");
    assert!(resident_kib(worker) < memory + 4 * 1024, "memory does not grow");
    daemon.stop();
}

/// Starts them: `PORT=KIND` each.
pub(super) fn talkers(host: &Host, talkers: &[&str]) -> Process {
    let log = host.keeper.log("talkers");
    host.spawn(&tool::command(&[&["talker"], talkers].concat()), &log)
}

fn service(at: usize) -> String {
    format!("-t 10.0.0.100:{}", 1000 + at)
}

/// A virtual server for each row, on ports from 1000.
pub(super) fn config(rows: &[Row], server: &Host) -> String {
    let mut text = String::new();
    for (at, Row { check, port, .. }) in rows.iter().enumerate() {
        let connects = !check.contains("MISC_CHECK") && !check.contains("FILE_CHECK");
        let timeout = if connects { " connect_timeout 1\n" } else { "" };
        let _ = write!(
            text,
            "virtual_server 10.0.0.100 {} {{\nlb_kind NAT\nprotocol TCP\ndelay_loop 1\nwarmup 0\nretry 0\n\
             real_server {} {port} {{\n weight 100\n {check}\n{timeout} }}\n}}\n}}\n",
            1000 + at,
            server.address,
        );
    }
    text
}

/// Waits until each row has been as it should be: the one CPU is slow, and what passes may once be late. Says of all that
/// never were.
pub(super) fn settle(daemon: &Daemon, rows: &[Row]) {
    let start = Instant::now();
    let mut wrong: Vec<&Row> = rows.iter().collect();
    loop {
        let seen = seen(daemon, rows.len());
        let mut row_seen = rows.iter().zip(&seen);
        let is_wrong =
            |row: &Row, seen: &(u64, Option<String>)| seen.0 == 0 || !row.is_as(seen.1.as_deref());
        wrong.retain(|row| {
            row_seen.clone().any(|(one, seen)| std::ptr::eq(one, *row) && is_wrong(row, seen))
                || seen.len() < rows.len()
        });
        if wrong.is_empty() {
            return;
        }
        let said: Vec<String> = row_seen
            .by_ref()
            .filter(|(row, _)| wrong.iter().any(|one| std::ptr::eq(*one, *row)))
            .map(|(row, seen)| format!("{} at {}: {seen:?}", row.check, row.port))
            .collect();
        assert!(start.elapsed() < Duration::from_secs(30), "{}", said.join("\n"));
        std::thread::sleep(Duration::from_millis(500));
    }
}

impl Row {
    fn is_as(&self, cause: Option<&str>) -> bool {
        match (self.cause, cause) {
            (None, None) => true,
            (Some(wanted), Some(cause)) => wanted.split('|').any(|one| cause.contains(one)),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
}

/// Probes so far and the cause, row by row.
pub(super) fn seen(daemon: &Daemon, count: usize) -> Vec<(u64, Option<String>)> {
    let json = daemon.command("status --json").unwrap_or_default();
    let status: serde_json::Value = serde_json::from_str(&json).unwrap_or_default();
    let services = status["lvs"]["virtual_servers"].as_array().cloned().unwrap_or_default();
    let of = |at: usize| {
        let ending = format!(":{}", 1000 + at);
        let mine = |one: &&serde_json::Value| {
            one["key"].as_str().is_some_and(|key| key.ends_with(&ending))
        };
        let check = &services.iter().find(mine)?["real_servers"][0]["checks"][0];
        let up = check["up"].as_bool()?;
        let cause = check["cause"].as_str().filter(|_| !up).map(str::to_owned);
        Some((check["probes"].as_u64()?, cause))
    };
    (0..count).filter_map(of).collect()
}

/// Scripts that hang, ignore TERM, are killed, print without end, leave others behind, disappear; files that say yes or no.
fn local(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(1, Forwarding::Nat).build(keeper);
    let (d1, r1) = (net.host("d1"), net.host("r1"));
    let folder = keeper.folder().join("scripts");
    fs::create_dir_all(&folder).unwrap();
    let script = |name: &str, text: &str| write_script(&folder.join(name), text);
    let misc = |name: &str, text: &str| {
        format!("MISC_CHECK {{\n misc_path {}\n misc_timeout 1\n user root", script(name, text))
    };
    let (file, gone) = (folder.join("number"), misc("gone", "exit 0"));
    let unfit = misc("unfit", "exit 0");
    fs::write(&file, "0\n").unwrap();
    let left = folder.join("left.pid");
    let rows = vec![
        row(80, &misc("good", "exit 0"), None),
        row(80, &misc("bad", "exit 3"), "exit 3"),
        row(80, &misc("hangs", "exec sleep 100"), "timed out after 1s"),
        row(80, &misc("deaf", "trap '' TERM\nwhile :; do sleep 1; done"), "timed out after 1s"),
        row(80, &misc("dies", "kill -9 $$"), "killed by signal 9"),
        row(80, &misc("talks", "head -c 20000000 /dev/zero"), None),
        row(80, &misc("forks", &format!("sleep 2 & echo $! > {}", left.display())), None),
        row(80, &gone, None),
        row(80, "FILE_CHECK {\n track_file number\n weight 0", None),
        row(80, "FILE_CHECK {\n track_file number\n weight 0 reverse", "number says 0"),
        row(80, "FILE_CHECK {\n track_file number\n weight -3", None),
        row(80, &unfit, "cannot run"),
    ];
    let tracked = format!("track_file number {{\n file {}\n}}\n", file.display());
    let daemon = Daemon::start(Evenkeel, d1, &(tracked + &config(&rows, r1)));
    // It could be run when the file was read.
    let ready = || daemon.command("status").is_ok();
    assert!(holds_within(Duration::from_secs(30), Duration::from_millis(100), ready), "no start");
    fs::set_permissions(folder.join("unfit"), fs::Permissions::from_mode(0o644)).unwrap();
    settle(&daemon, &rows);
    let worker = daemon.worker("lvs").expect("an lvs worker");
    let before = resident_kib(worker);

    // The number moves the weight within a second, and takes out; a script that is gone cannot be run.
    fs::remove_file(folder.join("gone")).unwrap();
    fs::write(&file, "7\n").unwrap();
    let mut changed = rows;
    changed[7].cause = Some("cannot run");
    changed[8].cause = Some("number says 7");
    changed[9].cause = None;
    settle(&daemon, &changed);
    let weight = |at: usize| kernel_view::weights(d1, &service(at)).into_values().next();
    assert_eq!(weight(10), Some(100 - 21), "7 times -3");
    // A file that is not there says 0.
    fs::remove_file(&file).unwrap();
    let back = holds_within(Duration::from_secs(8), Duration::from_millis(200), || {
        weight(10) == Some(100) && weight(8) == Some(100) && weight(9).is_none()
    });
    assert!(back, "without the file it is as with 0");

    // What hangs was ended with all that it had started, again and again.
    let hanging = d1.run("sh -c 'ps -eo args | grep -c \"[d]eaf\" || true'");
    assert!(hanging.trim().parse::<u32>().unwrap() <= 2, "scripts pile up: {hanging}");
    let after = resident_kib(worker);
    keeper.figure(&format!("{before} KiB, later {after} KiB"));
    assert!(after < before + 2 * 1024, "{before} KiB, later {after} KiB");
    daemon.stop();
    let left = d1.run("sh -c 'ps -eo args | grep -c \"[d]eaf\" || true'");
    assert_eq!(left.trim(), "0", "a stop leaves no script behind");
}

fn write_script(path: &Path, text: &str) -> String {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

/// What a process has in memory, files included.
pub(super) fn resident_kib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
