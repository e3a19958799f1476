//! Each failure has words and a reason; where it matters to people, exactly these.

use super::*;

#[test]
fn each_failure_has_words_and_a_reason() {
    let within = Duration::from_secs(3);
    let no_answer = |after| Failure::NoAnswer { within, after };
    let digest = |last| Digest([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    let program = "/bin/x".to_owned();
    for (failure, reason, text) in [
        (Failure::Refused, "refused", "connect refused"),
        (Failure::Unreachable(Unreachable::Host), "unreachable", "host unreachable"),
        (Failure::Unreachable(Unreachable::Network), "unreachable", "network unreachable"),
        (Failure::Unreachable(Unreachable::Down), "unreachable", "host or network down"),
        (no_answer(Stage::Connect), "connect-timeout", "no answer within 3s after connect started"),
        (no_answer(Stage::Handshake), "tls-timeout", "no answer within 3s after TLS started"),
        (no_answer(Stage::Request), "answer-timeout", "no answer within 3s after request sent"),
        (
            Failure::Unfinished { within, bytes: 12 },
            "unfinished",
            "answer unfinished within 3s, 12 bytes so far",
        ),
        (Failure::Reset { bytes: 0 }, "reset", "reset after 0 bytes"),
        (Failure::Closed { bytes: 0 }, "closed", "closed after 0 bytes"),
        (Failure::NotHttp { seen: "SSH".into() }, "not-http", "not HTTP: \"SSH\""),
        (
            Failure::HeadersOverLimit { bytes: 1, lines: 2 },
            "headers-over-limit",
            "headers over 1 bytes or 2 lines",
        ),
        (Failure::BodyOverLimit { limit: 9 }, "body-over-limit", "body over 9 bytes"),
        (Failure::Tls { cause: "bad".into() }, "tls", "TLS: bad"),
        (
            Failure::Status { seen: 503, wanted: Statuses::default() },
            "status",
            "503, wanted 200-299",
        ),
        (
            Failure::Digest { seen: digest(1), wanted: digest(255) },
            "digest",
            "digest 00000000000000000000000000000001, \
             wanted 000000000000000000000000000000ff",
        ),
        (no_answer(Stage::Greeting), "greeting-timeout", "no answer within 3s after connect"),
        (Failure::NoMatch { searched: 7 }, "no-match", "no match in 7 bytes of body"),
        (Failure::Match { at: 3 }, "match", "match at byte 3 of the body, wanted none"),
        (Failure::Certificate { cause: "bad".into() }, "certificate", "certificate: bad"),
        (
            Failure::Smtp { step: SmtpStep::Greeting, seen: "554 no".into() },
            "smtp",
            "\"554 no\" as greeting, wanted 220",
        ),
        (
            Failure::Smtp { step: SmtpStep::Helo, seen: "500".into() },
            "smtp",
            "\"500\" to HELO, wanted 250",
        ),
        (Failure::AnswerOverLimit { limit: 9 }, "answer-over-limit", "answer over 9 bytes"),
        (
            Failure::Dns(DnsFault::Malformed { bytes: 5 }),
            "dns-malformed",
            "DNS: 5 bytes that are no whole message",
        ),
        (Failure::Dns(DnsFault::OtherId), "dns-other-id", "DNS: answer with another identifier"),
        (Failure::Dns(DnsFault::NoAnswer), "dns-no-answer", "DNS: a question instead of an answer"),
        (
            Failure::Dns(DnsFault::OtherQuestion { seen: "a. IN A".into() }),
            "dns-other-question",
            "DNS: answer to another question: a. IN A",
        ),
        (
            Failure::Dns(DnsFault::Code { code: 2, name: "Server Failure".into() }),
            "dns-code",
            "DNS: response code 2 (Server Failure)",
        ),
        (Failure::Dns(DnsFault::CutOff), "dns-cut-off", "DNS: answer cut off, over TCP too"),
        (Failure::ReplyLength { over: true, min: 1, max: 2 }, "reply-length", "reply over 2 bytes"),
        (
            Failure::ReplyLength { over: false, min: 1, max: 2 },
            "reply-length",
            "reply under 1 bytes",
        ),
        (
            Failure::Reply { seen: "01".into(), wanted: "0x02".into() },
            "reply",
            "reply 01, wanted 0x02",
        ),
        (Failure::NotServing { status: 0 }, "not-serving", "health UNKNOWN, wanted SERVING"),
        (Failure::NotServing { status: 2 }, "not-serving", "health NOT_SERVING, wanted SERVING"),
        (
            Failure::NotServing { status: 3 },
            "not-serving",
            "health SERVICE_UNKNOWN, wanted SERVING",
        ),
        (Failure::NotServing { status: 9 }, "not-serving", "health 9, wanted SERVING"),
        (
            Failure::Grpc { code: 5, message: "unknown".into() },
            "grpc",
            "grpc-status 5: \"unknown\"",
        ),
        (Failure::NotGrpc { cause: "html".into() }, "not-grpc", "not gRPC: html"),
        (
            Failure::Agent { word: "down".into(), text: String::new() },
            "agent",
            "the agent says down",
        ),
        (
            Failure::Agent { word: "maint".into(), text: "disk".into() },
            "agent",
            "the agent says maint: \"disk\"",
        ),
        (Failure::NotAgent { seen: "hi".into() }, "not-agent", "not an agent: \"hi\""),
        (Failure::SessionDown, "session-down", "the BFD session is not up"),
        (Failure::Unasked { limit: 9 }, "unasked", "over 9 bytes without being asked"),
        (Failure::Exit { code: 1 }, "exit", "exit 1"),
        (Failure::Killed { signal: 9 }, "killed", "killed by signal 9"),
        (Failure::TimedOut { after: within }, "timed-out", "timed out after 3s"),
        (
            Failure::NotRun { program, errno: 2 },
            "not-run",
            "cannot run /bin/x: No such file or directory (os error 2)",
        ),
        (
            Failure::Dr(DrFault::ServiceDown { vip: [10, 0, 0, 100].into() }),
            "dr-service-down",
            "service down: 10.0.0.100 resets the connection",
        ),
        (
            Failure::Dr(DrFault::NoVip { vip: [10, 0, 0, 100].into(), icmp: None }),
            "dr-no-vip",
            "VIP not configured on the real server: no answer for 10.0.0.100",
        ),
        (
            Failure::Dr(DrFault::NoVip { vip: [10, 0, 0, 100].into(), icmp: Some((3, 1)) }),
            "dr-no-vip",
            "VIP not configured on the real server: ICMP 3/1 for 10.0.0.100",
        ),
        (
            Failure::Dr(DrFault::Elsewhere {
                vip: [10, 0, 0, 100].into(),
                mac: crate::lan::Mac([2, 0, 0, 0, 0, 12]),
            }),
            "dr-elsewhere",
            "VIP not configured on the real server: 02:00:00:00:00:0c answers for 10.0.0.100 instead",
        ),
        (
            Failure::Dr(DrFault::NoPath { host: [10, 0, 0, 3].into() }),
            "dr-no-path",
            "no answer by this path: nobody answers ARP for 10.0.0.3",
        ),
        (Failure::File { path: "/run/x".into(), number: 3 }, "file", "/run/x says 3"),
        (Failure::Io { errno: 110 }, "io", "Connection timed out (os error 110)"),
    ] {
        assert_eq!((failure.reason(), failure.to_string().as_str()), (reason, text));
    }
}

#[test]
fn a_local_fault_names_the_step() {
    let fault = LocalFault { step: "socket".into(), errno: 24 };
    assert_eq!(fault.to_string(), "socket: Too many open files (os error 24)");
    let fault = LocalFault { step: "cancelled".into(), errno: 0 };
    assert_eq!(fault.to_string(), "cancelled");
}
