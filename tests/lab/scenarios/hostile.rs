//! Servers that mean harm, each against every checker that it can happen to: one cause each, by the deadline, and the memory of
//! the worker that asks is bounded while megabytes come in.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::checks::{Row, URL, config, resident_kib, row, seen, settle, talkers};
use crate::daemon::Daemon;
use crate::daemon::Kind::Evenkeel;
use crate::host::{Host, wait_for};
use crate::keeper::Keeper;
use crate::runner::Scenario;
use crate::topology::{Forwarding, Plan};

pub(super) const SCENARIOS: &[Scenario] =
    &[Scenario::together("hostile_servers_cost_each_checker_its_deadline_and_no_memory", 150, all)];

/// How long they go on after each has had its cause told.
const DURING: Duration = Duration::from_secs(8);
/// What the worker may grow by: dozens of checks in flight with TLS sessions and buffers of 16 KiB.
const GROWS_KIB: u64 = 8 * 1024;
/// What comes in meanwhile.
const AT_LEAST: u64 = 16 * 1024 * 1024;

/// By port.
const TALKERS: &[&str] = &[
    "2001=mute",
    "2002=hangup",
    "2003=ssh",
    "2004=close",
    "2005=drip",
    "2006=flood",
    "2007=lines",
    "2008=headers",
    "2009=endless",
    "2010=bomb",
    "2011=redirect",
    "2012=alert",
    "2013=records",
    "2014=record-drip",
    "2021=tls+mute",
    "2024=tls+close",
    "2025=tls+drip",
    "2026=tls+flood",
    "2028=tls+headers",
    "2029=tls+endless",
    "2030=tls+bomb",
    "2031=tls+redirect",
    "2040=grpc-headers",
    "2041=grpc-body",
    "2042=grpc-pings",
    "2050=dns-cut-mute",
    "2051=dns-cut-hangup",
    "2052=dns-cut-drip",
    "2053=dns-cut-flood",
    "2054=dns-loop",
    "2055=dns-storm",
    "2060=udp-large",
];

const MUTE: &str = "no answer within 1s";
const GONE: &str = "closed after 0 bytes|reset after 0 bytes";
const SLOW: &str = "answer unfinished within 1s";

fn rows() -> Vec<Row> {
    let http = format!("HTTP_GET {{\n {URL}");
    let ssl = format!("SSL_GET {{\n {URL}");
    let needle = |get: &str| get.replace("status_code 200", "regex \"needle\"");
    let reply = "UDP_CHECK {\n require_reply\n max_reply_length 100";
    [
        http_rows(&http, [2001, 2004, 2005, 2006, 2008, 2009, 2011]),
        vec![
            row(2010, &needle(&http), "no match in 1048579 bytes"),
            row(2009, &format!("{http}\n body_limit 100000"), "body over 100000 bytes"),
            row(2012, &http, "not HTTP"),
            row(2021, &http, "not HTTP|closed|reset"),
            row(2002, &ssl, "TLS: |closed|reset"),
            row(2005, &ssl, "TLS: "),
            row(2014, &ssl, "no answer within 1s after TLS started"),
            row(2012, &ssl, "TLS: "),
            row(2013, &ssl, "TLS: "),
        ],
        http_rows(&ssl, [2021, 2024, 2025, 2026, 2028, 2029, 2031]),
        vec![
            row(2030, &needle(&ssl), "no match in 1048579 bytes"),
            row(2001, "TLS_CHECK {", "no answer within 1s after TLS started"),
            row(2005, "TLS_CHECK {", "TLS: "),
            row(2014, "TLS_CHECK {", "no answer within 1s after TLS started"),
            row(2006, "TLS_CHECK {", "TLS: "),
            row(2012, "TLS_CHECK {", "TLS: "),
            row(2013, "TLS_CHECK {", "TLS: "),
            row(2002, "SMTP_CHECK {", GONE),
            row(2003, "SMTP_CHECK {", "\"SSH-2.0-lab\" as greeting, wanted 220"),
            row(2005, "SMTP_CHECK {", SLOW),
            row(2006, "SMTP_CHECK {", "answer over 16384 bytes"),
            row(2007, "SMTP_CHECK {", "answer over 16384 bytes"),
            row(2012, "SMTP_CHECK {", "as greeting, wanted 220"),
            row(2021, "SMTP_CHECK {", MUTE),
            row(2002, "AGENT_CHECK {", GONE),
            row(2003, "AGENT_CHECK {", "not an agent: \"SSH-2.0-lab\""),
            row(2005, "AGENT_CHECK {", SLOW),
            row(2006, "AGENT_CHECK {", "answer over 1024 bytes"),
            row(2012, "AGENT_CHECK {", "not an agent"),
            row(2021, "AGENT_CHECK {", MUTE),
            row(2002, "GRPC_CHECK {", "not gRPC|closed|reset"),
            row(2005, "GRPC_CHECK {", SLOW),
            row(2006, "GRPC_CHECK {", "not gRPC"),
            row(2012, "GRPC_CHECK {", "not gRPC|closed|reset"),
            row(2040, "GRPC_CHECK {", "not gRPC"),
            row(2041, "GRPC_CHECK {", "answer over 1024 bytes"),
            row(2042, "GRPC_CHECK {", SLOW),
            row(2001, "GRPC_CHECK {\n grpc_tls", "no answer within 1s after TLS started"),
            row(2003, "GRPC_CHECK {\n grpc_tls", "TLS: "),
            row(2021, "GRPC_CHECK {\n grpc_tls", "HTTP/2 was not agreed on"),
            row(2005, "IDLE_CHECK {", None),
            row(2006, "IDLE_CHECK {", "over 65536 bytes without being asked"),
            row(2050, "DNS_CHECK {", "no answer within 1s after request sent"),
            row(2051, "DNS_CHECK {", GONE),
            row(2052, "DNS_CHECK {", SLOW),
            row(2053, "DNS_CHECK {", "DNS: answer with another identifier"),
            row(2054, "DNS_CHECK {", "that are no whole message"),
            row(2055, "DNS_CHECK {", "DNS: answer with another identifier"),
            row(2060, reply, "reply over 100 bytes"),
            row(2060, "UDP_CHECK {", None),
        ],
    ]
    .concat()
}

/// What every checker of pages meets: silence, an end, a drip, no HTTP, headers and bodies without end, another address.
fn http_rows(get: &str, [mute, close, drip, flood, headers, endless, away]: [u16; 7]) -> Vec<Row> {
    vec![
        row(mute, get, "no answer within 1s after request sent"),
        row(close, get, GONE),
        row(drip, get, SLOW),
        row(flood, get, "not HTTP"),
        row(headers, get, "headers over"),
        row(endless, get, SLOW),
        row(away, get, "302, wanted 200"),
    ]
}

fn all(keeper: &Arc<Keeper>) {
    let net = Plan::new().directors(1).servers(1, Forwarding::Nat).build(keeper);
    let (d1, r1) = (net.host("d1"), net.host("r1"));
    let _talkers = talkers(r1, TALKERS);
    let rows = rows();
    // As many checks of the same kinds, of nobody: what they take at rest.
    let calm: Vec<Row> = rows.iter().map(|one| Row { port: 2999, ..one.clone() }).collect();
    let daemon = Daemon::start(Evenkeel, d1, &config(&calm, r1));
    let asked = || seen(&daemon, rows.len()).iter().filter(|(probes, _)| *probes > 2).count();
    wait_for(Duration::from_secs(60), "checks of nobody", || asked() == rows.len());
    let worker = daemon.worker("lvs").expect("an lvs worker");
    let before = resident_kib(worker);

    daemon.reload(&config(&rows, r1));
    let start = received(d1);
    settle(&daemon, &rows);
    let mut most = 0;
    for _ in 0..DURING.as_millis() / 50 {
        most = most.max(resident_kib(worker));
        thread::sleep(Duration::from_millis(50));
    }
    let came = received(d1) - start;
    let mib = came / 1024 / 1024;
    keeper.figure(&format!(
        "{} checks, {mib} MiB came, {before} KiB before, {most} at most",
        rows.len()
    ));
    assert!(came > AT_LEAST, "only {came} bytes came");
    assert!(most < before + GROWS_KIB, "{before} KiB before, {most} KiB at most");
    assert_eq!(daemon.worker("lvs"), Some(worker), "it lives through all of it");
    deadlines(&daemon, &rows);
    daemon.stop();
}

/// Bytes that have come in by all interfaces.
fn received(host: &Host) -> u64 {
    let text = host.run("cat /proc/net/dev");
    let of = |line: &str| line.split_once(':')?.1.split_whitespace().next()?.parse::<u64>().ok();
    text.lines().filter_map(of).sum()
}

/// No probe takes longer than its `connect_timeout`, the lateness of the one CPU apart.
fn deadlines(daemon: &Daemon, rows: &[Row]) {
    let json = daemon.command("status --json").unwrap();
    let status: serde_json::Value = serde_json::from_str(&json).unwrap();
    let services = status["lvs"]["virtual_servers"].as_array().unwrap();
    assert_eq!(services.len(), rows.len());
    let took = |one: &serde_json::Value| one["real_servers"][0]["checks"][0]["took_us"].as_u64();
    let late: Vec<_> =
        services.iter().filter(|one| took(one).is_none_or(|us| us > 2_500_000)).collect();
    assert!(late.is_empty(), "{late:?}");
}
