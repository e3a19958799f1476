//! Every kind of checker, written in both grammars: equal models, nothing to warn of, and the values that were written.

use std::sync::Arc;
use std::time::Duration;

use checkers::spec::{
    AgentSpec, BodySearch, DnsName, DnsRecord, DnsSpec, DrSpec, DrUrl, FileSpec, GrpcSpec, Pattern,
    PatternOptions, Payload, Reply, SmtpSpec, Sni, StatusRange, TlsCheckSpec, TlsSpec, Trust,
    UdpSpec,
};
use checkers::{Cadence, CheckSpec, Connection, First, ProbeKind};
use evenkeel::config::{Config, Grammar, Host, Loaded, load_text};

fn load(name: &str, text: &str, grammar: Grammar) -> (Option<Config>, Vec<String>) {
    let Loaded { config, diagnostics, .. } = load_text(name, text.as_bytes(), grammar, Host::Any);
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
    let server = config.expect("told nothing").virtual_servers.remove(0).real_servers.remove(0);
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
            ":6:7: warning: `ANY` for `type`: one of A, NS, CNAME, SOA, MX, TXT, AAAA, RRSIG, DNSKEY is wanted; it is \
             skipped with its line, as in keepalived [bad-value]",
            ":7:7: warning: `name`: a domain name has labels of 1 to 63 letters, digits, - and _, found \
             \"a..b\"; it is skipped with its line, as in keepalived [bad-value]",
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

#[test]
fn regex() {
    let seen = twins(
        "HTTP_GET {\n url {\n  path /\n  regex \"^ok (a|b)$\"\n  regex_options caseless multiline no_auto_possess\n  \
         regex_no_match\n  regex_min_offset 3\n  regex_max_offset 99\n }\n url {\n  path /b\n  regex x\n  \
         tls_compliant\n }\n}",
        "HTTP_GET { url { path \"/\"; regex \"^ok (a|b)$\"; regex_options caseless multiline no_auto_possess\n \
         regex_no_match; regex_min_offset 3; regex_max_offset 99 }\n \
         url { path \"/b\"; regex x; tls_compliant } }",
    );
    let ProbeKind::Http(http) = &seen[0].1.kind else { panic!() };
    let options = PatternOptions { caseless: true, multiline: true, ..PatternOptions::default() };
    let search = |pattern, options, no_match, min_offset, max_offset| {
        let pattern = Pattern::new(pattern, options).unwrap();
        Some(BodySearch { pattern, no_match, min_offset, max_offset })
    };
    let seen: Vec<_> =
        http.urls.iter().map(|url| (url.search.clone(), url.tls_compliant)).collect();
    assert_eq!(
        seen,
        [
            (search("^ok (a|b)$", options, true, 3, Some(99)), false),
            (search("x", PatternOptions::default(), false, 0, None), true),
        ]
    );
    assert_eq!(
        told(
            "HTTP_GET {\n url {\n path /\n regex \"a(?=b)\"\n regex_options firstline case\n regex_stack 1 2\n}\n \
             url {\n path /\n regex_no_match\n}\n}"
        ),
        [
            ":8:8: error: `regex`: a look-ahead at byte 1 is of PCRE2 and not possible here [regex] (help: what this \
             engine has of PCRE2 stands in docs/migration.md)",
            ":9:16: error: `firstline` is of PCRE2 and not possible here [regex]",
            ":9:26: warning: `case` for `regex_options`: an option of PCRE2, as caseless or multiline, is wanted; it is skipped with its line, as in keepalived \
             [bad-value]",
            ":10:2: warning: `regex_stack` has no effect: the engine needs no stack [no-effect] (help: keepalived \
             sets the stack of its pattern engine)",
            ":14:2: warning: this has no effect: there is no `regex` in this `url` [no-effect]",
        ]
    );
}

#[test]
fn tls() {
    let seen = twins(
        "TLS_CHECK {\n}\n\
         TLS_CHECK {\n tls_verify\n tls_min_days 30\n enable_sni\n virtualhost own.example\n}\n\
         SSL_GET {\n url {\n  path /\n }\n tls_compliant\n tls_ca /etc/ca.pem\n sni_name a.example\n}",
        "TLS_CHECK\n\
         TLS_CHECK { tls_verify; tls_min_days 30; enable_sni; virtualhost own.example }\n\
         SSL_GET { url { path \"/\" }; tls_compliant; tls_ca \"/etc/ca.pem\"; sni_name a.example }",
    );
    let check = |tls, host: &str| {
        let virtualhost = Some(host.parse().unwrap());
        ProbeKind::Tls(TlsCheckSpec { connection: connection(5), tls, virtualhost })
    };
    let verified = TlsSpec {
        sni: Sni::Virtualhost,
        verify: Some(Trust::System),
        min_days: std::num::NonZeroU16::new(30),
    };
    assert_kinds(
        &seen[..2],
        &[
            (80, check(TlsSpec::default(), "vs.example"), cadence(1, 1)),
            (80, check(verified, "own.example"), cadence(1, 1)),
        ],
    );
    let ProbeKind::Http(http) = &seen[2].1.kind else { panic!() };
    assert!(http.urls[0].tls_compliant);
    let wanted = TlsSpec {
        sni: Sni::Name("a.example".parse().unwrap()),
        verify: Some(Trust::File("/etc/ca.pem".into())),
        min_days: None,
    };
    assert_eq!(http.tls, Some(wanted));
    assert_eq!(
        told(
            "HTTP_GET {\n url {\n path /\n}\n tls_min_days 3\n}\nTLS_CHECK {\n tls_verify off\n tls_ca /x\n}"
        ),
        [
            ":9:2: warning: this has no effect: there is no TLS in this checker [no-effect]",
            ":13:2: warning: `tls_ca` has no effect: `tls_verify` is off [no-effect]",
        ]
    );
}

#[test]
fn agent() {
    let seen = twins(
        "AGENT_CHECK {\n connect_port 9777\n}\nAGENT_CHECK {\n agent_send \"state web\\n\"\n retry 0\n}",
        "AGENT_CHECK { connect_port 9777 }\nAGENT_CHECK { agent_send #\"state web\\n\"#; retry 0 }",
    );
    let spec = |send: &str| {
        ProbeKind::Agent(AgentSpec { connection: connection(5), send: send.parse().unwrap() })
    };
    assert_kinds(
        &seen,
        &[(9777, spec(""), cadence(1, 1)), (80, spec("state web\\n"), cadence(0, 1))],
    );
}

#[test]
fn grpc() {
    let seen = twins(
        "GRPC_CHECK {\n}\nGRPC_CHECK {\n grpc_service a.B\n grpc_tls\n tls_ca /etc/ca.pem\n virtualhost h.example\n}",
        "GRPC_CHECK\nGRPC_CHECK { grpc_service a.B; grpc_tls; tls_ca \"/etc/ca.pem\"; virtualhost h.example }",
    );
    let spec = |service: &str, host: &str, tls| {
        let service = service.parse().unwrap();
        let virtualhost = Some(host.parse().unwrap());
        ProbeKind::Grpc(GrpcSpec { connection: connection(5), tls, service, virtualhost })
    };
    let tls = TlsSpec { verify: Some(Trust::File("/etc/ca.pem".into())), ..TlsSpec::default() };
    assert_kinds(
        &seen,
        &[
            (80, spec("", "vs.example", None), cadence(1, 1)),
            (80, spec("a.B", "h.example", Some(tls)), cadence(1, 1)),
        ],
    );
    assert_eq!(
        told("GRPC_CHECK {\n tls_verify\n}"),
        [":6:2: warning: this has no effect: there is no TLS in this checker [no-effect]"]
    );
}

#[test]
fn idle() {
    let seen = twins(
        "IDLE_CHECK {\n}\nIDLE_CHECK {\n connect_port 22\n retry 2\n}",
        "IDLE_CHECK\nIDLE_CHECK { connect_port 22; retry 2 }",
    );
    let kind = || ProbeKind::Idle(connection(5));
    assert_kinds(&seen, &[(80, kind(), cadence(0, 1)), (22, kind(), cadence(2, 1))]);
}

#[test]
fn what_is_told_and_how_often_the_down_are_asked() {
    let seen = twins(
        "TCP_CHECK {\n log_all_failures\n interval_down 30\n}\nMISC_CHECK {\n misc_path /bin/true\n log_all_failures on\n}",
        "TCP_CHECK { log_all_failures; interval_down 30 }\nMISC_CHECK { misc_path \"/bin/true\"; log_all_failures on }",
    );
    let told: Vec<_> = seen
        .iter()
        .map(|(_, spec)| (spec.cadence.log_failures, spec.cadence.interval_down))
        .collect();
    assert_eq!(told, [(true, Some(Duration::from_secs(30))), (true, None)]);

    let text = "global_defs {\n checker_log_all_failures\n checker_max_in_flight 9\n checker_max_per_second 8\n}\n\
                virtual_server 10.0.0.100 80 {\nlb_kind DR\nprotocol TCP\ninterval_down 4\n\
                real_server 10.0.0.3 80 {\nTCP_CHECK {\n}\nTCP_CHECK {\n log_all_failures off\n}\n}\n}\n";
    let (config, told) = load("c.conf", text, Grammar::Keepalived);
    assert_eq!(told, [""; 0]);
    let config = config.unwrap();
    let most = (config.global.checker_max_in_flight, config.global.checker_max_per_second);
    assert_eq!(most, (std::num::NonZeroU32::new(9), std::num::NonZeroU32::new(8)));
    let checkers = &config.virtual_servers[0].real_servers[0].checkers;
    let seen: Vec<_> = checkers
        .iter()
        .map(|one| (one.spec.cadence.log_failures, one.spec.cadence.interval_down))
        .collect();
    let four = Some(Duration::from_secs(4));
    assert_eq!(seen, [(true, four), (false, four)]);
}

/// One `track_file`, and what real servers make of it.
fn file_checks(checks: &str) -> (Option<Config>, Vec<String>) {
    let text = format!(
        "virtual_server 10.0.0.100 80 {{\nlb_kind DR\nprotocol TCP\ndelay_loop 7\nreal_server 10.0.0.3 80 {{\n{checks}\n}}\n}}\n\
         track_file load {{\n file /run/load\n weight 2 reverse\n}}\n"
    );
    load("", &text, Grammar::Keepalived)
}

#[test]
fn file() {
    let (config, told) = file_checks(
        "FILE_CHECK {\n track_file load\n}\nFILE_CHECK {\n track_file load\n weight 0\n}\n\
         FILE_CHECK {\n track_file load\n weight -70000 reverse\n delay_loop 5\n}",
    );
    assert_eq!(told, [""; 0]);
    let checkers = &config.unwrap().virtual_servers[0].real_servers[0].checkers;
    let cadence = |seconds| Cadence {
        delay_loop: Duration::from_secs(seconds),
        retry: 0,
        warmup: Duration::ZERO,
        first: First::AtOnce,
        ..Cadence::default()
    };
    let spec = |weight, reverse| FileSpec { path: "/run/load".into(), weight, reverse };
    let wanted = [(spec(2, true), 1), (spec(0, false), 1), (spec(-70000, true), 5)];
    let wanted: Vec<CheckSpec> = wanted
        .into_iter()
        .map(|(spec, seconds)| CheckSpec { kind: ProbeKind::File(spec), cadence: cadence(seconds) })
        .collect();
    let seen: Vec<CheckSpec> = checkers.iter().map(|one| CheckSpec::clone(&one.spec)).collect();
    assert_eq!(seen, wanted);
    assert!(checkers.iter().all(|one| one.target.addr.is_unspecified()), "the file is asked once");

    assert_eq!(
        file_checks("FILE_CHECK {\n track_file lode\n}\nFILE_CHECK {\n weight 1\n}").1,
        [
            ":7:13: error: there is no track_file `lode` [unresolved] (help: add: track_file lode { file /run/lode })",
            ":9:1: warning: no `track_file` in this checker: it is left out, and the real server not checked by it \
             [missing-keyword] (help: add: track_file NAME, of a track_file at the outermost level)",
            ":14:12: warning: nothing tracks track_file `load`: it is not read [unused] \
             (help: add to an instance: track_file { load })",
        ]
    );
    let twin = "virtual_server \"10.0.0.100\" 80 {\nlb_kind DR\nprotocol TCP\nreal_server \"10.0.0.3\" 80 {\n\
                FILE_CHECK { track_file load; weight 3 reverse }\n}\n}\ntrack_file load { file \"/run/load\" }\n";
    let (config, told) = load("c.kdl", twin, Grammar::Kdl);
    assert_eq!(told, [""; 0]);
    let checkers = &config.unwrap().virtual_servers[0].real_servers[0].checkers;
    assert_eq!(checkers[0].spec.kind, ProbeKind::File(spec(3, true)));
}

#[test]
fn dr() {
    let seen = twins(
        "DR_CHECK {\n}\nDR_CHECK {\n dr_address 10.0.0.101\n dr_port 8080\n connect_timeout 2\n}\n\
         DR_CHECK {\n url {\n path /health\n status_code 204\n virtualhost shop\n }\n}",
        "DR_CHECK\nDR_CHECK { dr_address \"10.0.0.101\"; dr_port 8080; connect_timeout 2 }\n\
         DR_CHECK { url { path \"/health\"; status_code 204; virtualhost shop } }",
    );
    let spec =
        |connection, vip: [u8; 4]| ProbeKind::Dr(DrSpec { connection, vip: vip.into(), url: None });
    let url = DrUrl {
        path: "/health".to_owned().try_into().unwrap(),
        statuses: vec![StatusRange { first: 204, last: 204 }].try_into().unwrap(),
        host: Some("shop".to_owned().try_into().unwrap()),
    };
    let page = DrSpec { connection: connection(5), vip: [10, 0, 0, 100].into(), url: Some(url) };
    assert_kinds(
        &seen,
        &[
            (80, spec(connection(5), [10, 0, 0, 100]), cadence(1, 1)),
            (8080, spec(connection(2), [10, 0, 0, 101]), cadence(1, 1)),
            (80, ProbeKind::Dr(page), cadence(1, 1)),
        ],
    );
    let told = |url: &str| {
        let text = format!(
            "virtual_server 10.0.0.100 80 {{\nlb_kind DR\nprotocol TCP\nreal_server 10.0.0.3 80 {{\nDR_CHECK {{\n\
             url {{\n{url}\n}}\n}}\n}}\n}}\n"
        );
        load("", &text, Grammar::Keepalived).1
    };
    let body = told("path /\nregex up");
    assert!(body[0].contains("DR_CHECK looks at the status alone, not at `regex`"), "{body:?}");
    let long = told(&format!("path /{}", "a".repeat(1000)));
    assert!(long[0].contains("1001 bytes long: DR_CHECK asks in one packet"), "{long:?}");
    let none = told("status_code 200");
    assert!(none[0].contains("this `url` has no `path`"), "{none:?}");
    let of = |head: &str, kind: &str| {
        let text = format!(
            "virtual_server {head} {{\nlb_kind {kind}\nprotocol TCP\nreal_server 10.0.0.3 80 {{\nDR_CHECK {{\n}}\n}}\n}}\n"
        );
        load("", &text, Grammar::Keepalived).1
    };
    assert_eq!(
        of("10.0.0.100 80", "NAT"),
        [
            ":5:1: error: DR_CHECK asks as direct routing sends: this real server is reached otherwise [bad-value]"
        ]
    );
    let told = of("fwmark 1", "DR");
    assert!(
        told.iter().any(|line| line.starts_with(":5:1: error: DR_CHECK has no virtual address")),
        "{told:?}"
    );
}
