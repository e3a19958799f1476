//! Why a probe failed: one closed enum with what was seen, and one text for each.
//!
//! A [`LocalFault`] is not a failure of the real server: we could not ask.

mod dns_fault;
mod dr_fault;
mod local_fault;
mod stage;
mod unreachable;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::dns_fault::DnsFault;
pub use self::dr_fault::DrFault;
pub use self::local_fault::LocalFault;
pub use self::stage::{SmtpStep, Stage};
pub use self::unreachable::Unreachable;
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
    /// The BFD session that was asked about is not up.
    SessionDown,
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
    /// The virtual address does not answer by way of the real server.
    Dr(DrFault),
    /// The number in a file says that the real server is not to serve.
    File {
        /// The file.
        path: String,
        /// What it says.
        number: i64,
    },
    /// Any other error of the connection.
    Io {
        /// The error number.
        errno: i32,
    },
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
            Self::SessionDown => "session-down",
            Self::Exit { .. } => "exit",
            Self::Killed { .. } => "killed",
            Self::TimedOut { .. } => "timed-out",
            Self::NotRun { .. } => "not-run",
            Self::Dr(fault) => fault.reason(),
            Self::File { .. } => "file",
            Self::Io { .. } => "io",
        }
    }
}

impl Failure {
    /// The real server says so itself: there is nothing to be asked a second time.
    #[must_use]
    pub fn is_declared(&self) -> bool {
        matches!(self, Self::Agent { .. } | Self::File { .. })
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
            Self::SessionDown => f.write_str("the BFD session is not up"),
            Self::Unasked { limit } => write!(f, "over {limit} bytes without being asked"),
            Self::Exit { code } => write!(f, "exit {code}"),
            Self::Killed { signal } => write!(f, "killed by signal {signal}"),
            Self::TimedOut { after } => write!(f, "timed out after {after:?}"),
            Self::NotRun { program, errno } => write!(f, "cannot run {program}: {}", text(*errno)),
            Self::Dr(fault) => write!(f, "{fault}"),
            Self::File { path, number } => write!(f, "{path} says {number}"),
            Self::Io { errno } => write!(f, "{}", text(*errno)),
        }
    }
}

/// The system's words for an error number.
fn text(errno: i32) -> std::io::Error {
    std::io::Error::from_raw_os_error(errno)
}

#[cfg(test)]
mod tests;
