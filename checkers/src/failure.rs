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
    /// The request went out.
    Request,
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
            Self::Exit { .. } => "exit",
            Self::Killed { .. } => "killed",
            Self::TimedOut { .. } => "timed-out",
            Self::NotRun { .. } => "not-run",
            Self::Io { .. } => "io",
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
            Self::Request => "request sent",
        })
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
