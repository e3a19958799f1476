//! Why a probe failed: one closed enum with what was seen, and one text for each.
//!
//! A [`LocalFault`] is not a failure of the real server: we could not ask.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::spec::{Digest, Statuses};

/// What a probe saw instead of a good answer. Its text is for people, [`Failure::reason`] for searching and counting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// Reset in answer to the first packet: nothing listens.
    Refused,
    /// ICMP, or no route.
    Unreachable(Unreachable),
    /// The deadline came before the first byte of an answer.
    NoAnswer {
        /// The probe's whole time.
        within: Duration,
        /// The last thing that was done.
        after: Stage,
    },
    /// The deadline came in the middle of an answer.
    Unfinished {
        /// The probe's whole time.
        within: Duration,
        /// Bytes received until then.
        bytes: u64,
    },
    /// The connection was reset once it stood.
    Reset {
        /// Bytes received until then.
        bytes: u64,
    },
    /// The connection was closed before a whole answer.
    Closed {
        /// Bytes received until then.
        bytes: u64,
    },
    /// What came was no HTTP answer.
    NotHttp {
        /// Its first bytes, escaped.
        seen: String,
    },
    /// More header than we are ready to hold.
    HeadersOverLimit {
        /// The limit in bytes.
        bytes: usize,
        /// The limit in header lines.
        lines: usize,
    },
    /// More body than `body_limit`.
    BodyOverLimit {
        /// The limit in bytes.
        limit: u64,
    },
    /// The TLS handshake or record layer failed.
    Tls {
        /// The library's words.
        cause: String,
    },
    /// A status code that is not accepted.
    Status {
        /// The code received.
        seen: u16,
        /// The codes accepted.
        wanted: Statuses,
    },
    /// A body with another digest.
    Digest {
        /// Of the body received.
        seen: Digest,
        /// As configured.
        wanted: Digest,
    },
    /// No part of the body matches `regex`.
    NoMatch {
        /// Bytes of body searched.
        searched: u64,
    },
    /// A part of the body matches `regex`, and `regex_no_match` is given.
    Match {
        /// Where it starts in the body, in bytes.
        at: u64,
    },
    /// The certificate is not trusted, or not for the name asked for (`tls_verify`).
    Certificate {
        /// The library's words.
        cause: String,
    },
    /// A line of SMTP with another code than wanted, or no line of SMTP.
    Smtp {
        /// What it was an answer to.
        step: SmtpStep,
        /// Its beginning, escaped.
        seen: String,
    },
    /// More lines than we are ready to read.
    AnswerOverLimit {
        /// The limit in bytes.
        limit: u64,
    },
    /// A message that is no good answer to the question.
    Dns(DnsFault),
    /// A reply too short or too long.
    ReplyLength {
        /// It is longer than `max`; else shorter than `min`.
        over: bool,
        /// `min_reply_length`.
        min: u16,
        /// `max_reply_length`.
        max: u16,
    },
    /// A reply that does not begin as wanted.
    Reply {
        /// Its beginning, in hexadecimal digits.
        seen: String,
        /// The pattern.
        wanted: String,
    },
    /// The health service answered, and not with SERVING.
    NotServing {
        /// The status, as grpc.health.v1 numbers it.
        status: u64,
    },
    /// The call ended with another code than 0.
    Grpc {
        /// `grpc-status`.
        code: u32,
        /// `grpc-message`, escaped.
        message: String,
    },
    /// What answered speaks no gRPC.
    NotGrpc {
        /// What is wrong with it.
        cause: String,
    },
    /// The agent says that the real server is not to serve.
    Agent {
        /// Its word: `down`, `fail`, `stopped`, `maint`.
        word: String,
        /// What it says besides, escaped; may be empty.
        text: String,
    },
    /// The agent's line has no word that an agent says.
    NotAgent {
        /// Its beginning, escaped.
        seen: String,
    },
    /// A connection that is only held brought more than we are ready to throw away.
    Unasked {
        /// The limit in bytes.
        limit: u64,
    },
    /// A script ended with this code.
    Exit {
        /// 1 to 255.
        code: u8,
    },
    /// A script was killed by someone else.
    Killed {
        /// The signal's number.
        signal: i32,
    },
    /// A script did not end in time and was killed with its process group.
    TimedOut {
        /// `misc_timeout`.
        after: Duration,
    },
    /// A script that cannot be run: missing, not executable, no such interpreter.
    NotRun {
        /// The program.
        program: String,
        /// The error number of the attempt.
        errno: i32,
    },
    /// Any other error of the connection.
    Io {
        /// The error number.
        errno: i32,
    },
}

/// The last thing that a probe had done when its deadline came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// The first packet of the connection went out.
    Connect,
    /// The connection stands, TLS began.
    Handshake,
    /// The connection stands, the server is to speak first.
    Greeting,
    /// The request went out.
    Request,
}

/// What a line of SMTP was an answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SmtpStep {
    /// The connection.
    Greeting,
    /// HELO.
    Helo,
}

/// What is wrong with a DNS message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DnsFault {
    /// It ends too early or is none at all.
    Malformed {
        /// Its length.
        bytes: usize,
    },
    /// Another identifier than the question's: forged, or of another question.
    OtherId,
    /// A question, not an answer.
    NoAnswer,
    /// An answer to something else.
    OtherQuestion {
        /// What that was.
        seen: String,
    },
    /// A response code other than 0.
    Code {
        /// The number (IANA, DNS RCODEs).
        code: u16,
        /// Its name.
        name: String,
    },
    /// Cut off, though it came over TCP.
    CutOff,
}

/// Why a target cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Unreachable {
    /// EHOSTUNREACH: no answer to ARP or neighbour discovery, or ICMP host unreachable.
    Host,
    /// ENETUNREACH: no route, or ICMP network unreachable.
    Network,
    /// EHOSTDOWN, ENETDOWN: the way there is down.
    Down,
}

/// We could not ask: short of descriptors, ports, memory or processes, or a source that is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalFault {
    /// The step that failed, as `socket`, `bind 10.0.0.1` or `fork`.
    pub step: String,
    /// The error number, 0 if the probe itself broke.
    pub errno: i32,
}

impl Failure {
    /// A short stable name, for counters, filters and searches.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::NoAnswer { after: Stage::Connect, .. } => "connect-timeout",
            Self::NoAnswer { after: Stage::Handshake, .. } => "tls-timeout",
            Self::NoAnswer { after: Stage::Greeting, .. } => "greeting-timeout",
            Self::NoAnswer { after: Stage::Request, .. } => "answer-timeout",
            Self::Unfinished { .. } => "unfinished",
            Self::Reset { .. } => "reset",
            Self::Closed { .. } => "closed",
            Self::NotHttp { .. } => "not-http",
            Self::HeadersOverLimit { .. } => "headers-over-limit",
            Self::BodyOverLimit { .. } => "body-over-limit",
            Self::Tls { .. } => "tls",
            Self::Status { .. } => "status",
            Self::Digest { .. } => "digest",
            Self::NoMatch { .. } => "no-match",
            Self::Match { .. } => "match",
            Self::Certificate { .. } => "certificate",
            Self::Smtp { .. } => "smtp",
            Self::AnswerOverLimit { .. } => "answer-over-limit",
            Self::Dns(DnsFault::Malformed { .. }) => "dns-malformed",
            Self::Dns(DnsFault::OtherId) => "dns-other-id",
            Self::Dns(DnsFault::NoAnswer) => "dns-no-answer",
            Self::Dns(DnsFault::OtherQuestion { .. }) => "dns-other-question",
            Self::Dns(DnsFault::Code { .. }) => "dns-code",
            Self::Dns(DnsFault::CutOff) => "dns-cut-off",
            Self::ReplyLength { .. } => "reply-length",
            Self::Reply { .. } => "reply",
            Self::NotServing { .. } => "not-serving",
            Self::Grpc { .. } => "grpc",
            Self::NotGrpc { .. } => "not-grpc",
            Self::Agent { .. } => "agent",
            Self::NotAgent { .. } => "not-agent",
            Self::Unasked { .. } => "unasked",
            Self::Exit { .. } => "exit",
            Self::Killed { .. } => "killed",
            Self::TimedOut { .. } => "timed-out",
            Self::NotRun { .. } => "not-run",
            Self::Io { .. } => "io",
        }
    }
}

impl Failure {
    /// The real server says so itself: there is nothing to be asked a second time.
    pub(crate) fn is_declared(&self) -> bool {
        matches!(self, Self::Agent { .. })
    }
}

impl SmtpStep {
    /// The code of a good answer.
    #[must_use]
    pub fn wanted(self) -> u16 {
        match self {
            Self::Greeting => 220,
            Self::Helo => 250,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connect refused"),
            Self::Unreachable(why) => write!(f, "{why}"),
            Self::NoAnswer { within, after } => {
                write!(f, "no answer within {within:?} after {after}")
            }
            Self::Unfinished { within, bytes } => {
                write!(f, "answer unfinished within {within:?}, {bytes} bytes so far")
            }
            Self::Reset { bytes } => write!(f, "reset after {bytes} bytes"),
            Self::Closed { bytes } => write!(f, "closed after {bytes} bytes"),
            Self::NotHttp { seen } => write!(f, "not HTTP: \"{seen}\""),
            Self::HeadersOverLimit { bytes, lines } => {
                write!(f, "headers over {bytes} bytes or {lines} lines")
            }
            Self::BodyOverLimit { limit } => write!(f, "body over {limit} bytes"),
            Self::Tls { cause } => write!(f, "TLS: {cause}"),
            Self::Status { seen, wanted } => write!(f, "{seen}, wanted {wanted}"),
            Self::Digest { seen, wanted } => write!(f, "digest {seen}, wanted {wanted}"),
            Self::NoMatch { searched } => write!(f, "no match in {searched} bytes of body"),
            Self::Match { at } => write!(f, "match at byte {at} of the body, wanted none"),
            Self::Certificate { cause } => write!(f, "certificate: {cause}"),
            Self::Smtp { step, seen } => {
                write!(f, "\"{seen}\" {step}, wanted {}", step.wanted())
            }
            Self::AnswerOverLimit { limit } => write!(f, "answer over {limit} bytes"),
            Self::Dns(fault) => write!(f, "DNS: {fault}"),
            Self::ReplyLength { over: true, max, .. } => write!(f, "reply over {max} bytes"),
            Self::ReplyLength { over: false, min, .. } => write!(f, "reply under {min} bytes"),
            Self::Reply { seen, wanted } => write!(f, "reply {seen}, wanted {wanted}"),
            Self::NotServing { status: 0 } => f.write_str("health UNKNOWN, wanted SERVING"),
            Self::NotServing { status: 2 } => f.write_str("health NOT_SERVING, wanted SERVING"),
            Self::NotServing { status: 3 } => f.write_str("health SERVICE_UNKNOWN, wanted SERVING"),
            Self::NotServing { status } => write!(f, "health {status}, wanted SERVING"),
            Self::Grpc { code, message } => write!(f, "grpc-status {code}: \"{message}\""),
            Self::NotGrpc { cause } => write!(f, "not gRPC: {cause}"),
            Self::Agent { word, text } if text.is_empty() => write!(f, "the agent says {word}"),
            Self::Agent { word, text } => write!(f, "the agent says {word}: \"{text}\""),
            Self::NotAgent { seen } => write!(f, "not an agent: \"{seen}\""),
            Self::Unasked { limit } => write!(f, "over {limit} bytes without being asked"),
            Self::Exit { code } => write!(f, "exit {code}"),
            Self::Killed { signal } => write!(f, "killed by signal {signal}"),
            Self::TimedOut { after } => write!(f, "timed out after {after:?}"),
            Self::NotRun { program, errno } => write!(f, "cannot run {program}: {}", text(*errno)),
            Self::Io { errno } => write!(f, "{}", text(*errno)),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect started",
            Self::Handshake => "TLS started",
            Self::Greeting => "connect",
            Self::Request => "request sent",
        })
    }
}

impl fmt::Display for SmtpStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "as greeting",
            Self::Helo => "to HELO",
        })
    }
}

impl fmt::Display for DnsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { bytes } => write!(f, "{bytes} bytes that are no whole message"),
            Self::OtherId => f.write_str("answer with another identifier"),
            Self::NoAnswer => f.write_str("a question instead of an answer"),
            Self::OtherQuestion { seen } => write!(f, "answer to another question: {seen}"),
            Self::Code { code, name } => write!(f, "response code {code} ({name})"),
            Self::CutOff => f.write_str("answer cut off, over TCP too"),
        }
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host unreachable",
            Self::Network => "network unreachable",
            Self::Down => "host or network down",
        })
    }
}

impl fmt::Display for LocalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errno {
            0 => f.write_str(&self.step),
            errno => write!(f, "{}: {}", self.step, text(errno)),
        }
    }
}

fn text(errno: i32) -> std::io::Error {
    std::io::Error::from_raw_os_error(errno)
}

#[cfg(test)]
mod tests {
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
            (
                no_answer(Stage::Connect),
                "connect-timeout",
                "no answer within 3s after connect started",
            ),
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
            (
                Failure::Dns(DnsFault::OtherId),
                "dns-other-id",
                "DNS: answer with another identifier",
            ),
            (
                Failure::Dns(DnsFault::NoAnswer),
                "dns-no-answer",
                "DNS: a question instead of an answer",
            ),
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
            (
                Failure::ReplyLength { over: true, min: 1, max: 2 },
                "reply-length",
                "reply over 2 bytes",
            ),
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
            (
                Failure::NotServing { status: 2 },
                "not-serving",
                "health NOT_SERVING, wanted SERVING",
            ),
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
            (Failure::Unasked { limit: 9 }, "unasked", "over 9 bytes without being asked"),
            (Failure::Exit { code: 1 }, "exit", "exit 1"),
            (Failure::Killed { signal: 9 }, "killed", "killed by signal 9"),
            (Failure::TimedOut { after: within }, "timed-out", "timed out after 3s"),
            (
                Failure::NotRun { program, errno: 2 },
                "not-run",
                "cannot run /bin/x: No such file or directory (os error 2)",
            ),
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
}
