//! Every kind of checker, written in both grammars: equal models, nothing to warn of, and the values that were written.

use std::sync::Arc;
use std::time::Duration;

use checkers::spec::{DnsName, DnsRecord, DnsSpec, Payload, Reply, SmtpSpec, UdpSpec};
use checkers::{Cadence, CheckSpec, Connection, ProbeKind};
use evenkeel::config::{Config, Grammar, Host, Loaded, load_text};

fn load(name: &str, text: &str, grammar: Grammar) -> (Option<Config>, Vec<String>) {
    let Loaded { config, diagnostics } = load_text(name, text.as_bytes(), grammar, Host::Any);
    (config, diagnostics.lines().collect())
}

/// The checks of the one real server of twins, each with its port.
#[track_caller]
fn twins(conf: &str, kdl: &str) -> Vec<(u16, Arc<CheckSpec>)> {
    let conf = format!(
        "virtual_server 10.0.0.100 80 {{\nlb_kind DR\nprotocol TCP\nvirtualhost vs.example\ndelay_loop 7\n\
         real_server 10.0.0.3 80 {{\n{conf}\n}}\n}}\n"
    );
    let kdl = format!(
        "virtual_server \"10.0.0.100\" 80 {{\nlb_kind DR\nprotocol TCP\nvirtualhost vs.example\ndelay_loop 7\n\
         real_server \"10.0.0.3\" 80 {{\n{kdl}\n}}\n}}\n"
    );
    let (config, told) = load("c.conf", &conf, Grammar::Keepalived);
    assert_eq!(told, [""; 0]);
    let (twin, told) = load("c.kdl", &kdl, Grammar::Kdl);
    assert_eq!(told, [""; 0]);
    assert_eq!(config, twin);
    let server = config.unwrap().virtual_servers.remove(0).real_servers.remove(0);
    server.checkers.into_iter().map(|checker| (checker.target.port, checker.spec)).collect()
}

/// What is told of one checker in a keepalived.conf.
fn told(checker: &str) -> Vec<String> {
    let text = format!(
        "virtual_server 10.0.0.100 80 {{\nlb_kind DR\nprotocol TCP\nreal_server 10.0.0.3 80 {{\n{checker}\n}}\n}}\n"
    );
    load("", &text, Grammar::Keepalived).1
}

fn connection(seconds: u64) -> Connection {
    Connection { timeout: Duration::from_secs(seconds), ..Connection::default() }
}

fn cadence(retry: u32, delay_before_retry: u64) -> Cadence {
    Cadence {
        delay_loop: Duration::from_secs(7),
        warmup: Duration::from_secs(7),
        retry,
        delay_before_retry: Duration::from_secs(delay_before_retry),
        ..Cadence::default()
    }
}

#[track_caller]
fn assert_kinds(seen: &[(u16, Arc<CheckSpec>)], wanted: &[(u16, ProbeKind, Cadence)]) {
    let seen: Vec<_> = seen.iter().map(|(port, spec)| (*port, CheckSpec::clone(spec))).collect();
    let wanted = wanted.iter().cloned();
    let wanted: Vec<_> =
        wanted.map(|(port, kind, cadence)| (port, CheckSpec { kind, cadence })).collect();
    assert_eq!(seen, wanted);
}

#[test]
fn smtp() {
    let seen = twins(
        "SMTP_CHECK {\n}\nSMTP_CHECK {\n helo_name probe.example\n connect_port 25\n connect_timeout 2\n retry 4\n}",
        "SMTP_CHECK\nSMTP_CHECK { helo_name \"probe.example\"; connect_port 25; connect_timeout 2; retry 4 }",
    );
    let spec = |connection, helo: &str| {
        ProbeKind::Smtp(SmtpSpec { connection, helo: helo.parse().unwrap() })
    };
    assert_kinds(
        &seen,
        &[
            (80, spec(connection(5), "smtpchecker.keepalived.org"), cadence(1, 1)),
            (25, spec(connection(2), "probe.example"), cadence(4, 1)),
        ],
    );
}

#[test]
fn dns() {
    let seen = twins(
        "DNS_CHECK {\n}\nDNS_CHECK {\n type AAAA\n name www.example.org\n delay_loop 20\n}",
        "DNS_CHECK {}\nDNS_CHECK { type AAAA; name www.example.org; delay_loop 20 }",
    );
    let spec = |record, name| ProbeKind::Dns(DnsSpec { connection: connection(5), record, name });
    let slow = Duration::from_secs(20);
    assert_kinds(
        &seen,
        &[
            (80, spec(DnsRecord::Soa, DnsName::default()), cadence(3, 7)),
            (
                80,
                spec(DnsRecord::Aaaa, "www.example.org".parse().unwrap()),
                Cadence { delay_loop: slow, warmup: slow, ..cadence(3, 20) },
            ),
        ],
    );
    assert_eq!(
        told("DNS_CHECK {\n type ANY\n name a..b\n}"),
        [
            ":6:7: error: `ANY` for `type`: one of A, NS, CNAME, SOA, MX, TXT, AAAA, RRSIG, DNSKEY is wanted [bad-value]",
            ":7:7: error: `name`: a domain name has labels of 1 to 63 letters, digits, - and _, found \
             \"a..b\" [bad-value]",
        ]
    );
}

#[test]
fn udp() {
    let seen = twins(
        "UDP_CHECK {\n}\n\
         UDP_CHECK {\n payload 01 02ff\n require_reply 0x XX\n min_reply_length 2\n max_reply_length 9\n}\n\
         UDP_CHECK {\n require_reply\n}",
        "UDP_CHECK {}\n\
         UDP_CHECK { payload \"01 02ff\"; require_reply \"0xXX\"; min_reply_length 2; max_reply_length 9 }\n\
         UDP_CHECK { require_reply }",
    );
    let spec =
        |payload, reply| ProbeKind::Udp(UdpSpec { connection: connection(5), payload, reply });
    let some = Reply { pattern: "0xxx".parse().unwrap(), min: 2, max: 9 };
    assert_kinds(
        &seen,
        &[
            (80, spec(Payload::default(), None), cadence(1, 1)),
            (80, spec("0102ff".parse().unwrap(), Some(some)), cadence(1, 1)),
            (80, spec(Payload::default(), Some(Reply::default())), cadence(1, 1)),
        ],
    );
    assert_eq!(
        told("UDP_CHECK {\n payload 123\n max_reply_length 3\n}"),
        [
            ":5:1: warning: the length of a reply is judged only where one is required [no-effect] (help: add: \
             require_reply)",
            ":6:10: error: `payload`: a byte has two hexadecimal digits: one is missing at the end [bad-value]",
        ]
    );
}

#[test]
fn ping() {
    let seen = twins(
        "PING_CHECK {\n}\nPING_CHECK {\n fwmark 7\n delay_before_retry 2\n}",
        "PING_CHECK\nPING_CHECK { fwmark 7; delay_before_retry 2 }",
    );
    let marked = Connection { fwmark: std::num::NonZeroU32::new(7), ..connection(5) };
    assert_kinds(
        &seen,
        &[
            (80, ProbeKind::Ping(connection(5)), cadence(1, 1)),
            (80, ProbeKind::Ping(marked), cadence(1, 2)),
        ],
    );
}
