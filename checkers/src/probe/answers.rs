//! Bytes that a real server might send, judged as a probe judges them, with no network: what tests and fuzz targets
//! call. The code is the probes' own; only the stream is one of memory, which ends behind the bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::progress::Progress;
use super::{Miss, PASSED, agent, dns, grpc, http, smtp};
use crate::outcome::{Outcome, Weight};
use crate::spec::{CheckSpec, ProbeKind, Target};

/// The identifier that an answer to `DNS_CHECK` must have here, where a probe draws one.
pub const DNS_ID: u16 = 0x2a2a;

/// What `spec` makes of `bytes`: of its first url, without TLS, over UDP where it is a question of DNS. `None` for a kind
/// that reads no answer, or not from a stream.
#[must_use]
pub fn judge(spec: &CheckSpec, target: Target, bytes: &[u8]) -> Option<Outcome> {
    let question = match &spec.kind {
        // They greet, or the line comes whatever was asked.
        ProbeKind::Smtp(_) | ProbeKind::Agent(_) => 0,
        // More than preface and settings: an answer before the request would be a fault of its own.
        ProbeKind::Grpc(_) => HTTP2_OPENING + 1,
        _ => 1,
    };
    let stream = Answer { bytes, question, reader: None };
    let progress = Progress::default();
    let asked: Result<Weight, Miss> = match &spec.kind {
        ProbeKind::Http(http) => {
            let url = http.urls.first()?;
            wait(http::exchange(target, http, url, stream, &progress))?.and(PASSED)
        }
        ProbeKind::Smtp(smtp) => wait(smtp::talk(smtp, stream, &progress))?.and(PASSED),
        ProbeKind::Dns(dns) => dns::judge(dns, DNS_ID, bytes),
        ProbeKind::Agent(agent) => wait(agent::hear(agent, stream, &progress))?,
        ProbeKind::Grpc(grpc) => wait(grpc::call(target, grpc, stream, &progress))?.and(PASSED),
        ProbeKind::Tcp(_)
        | ProbeKind::Script(_)
        | ProbeKind::Udp(_)
        | ProbeKind::Ping(_)
        | ProbeKind::Tls(_)
        | ProbeKind::Dr(_)
        | ProbeKind::File(_)
        | ProbeKind::Idle(_)
        | ProbeKind::Bfd(_) => return None,
    };
    Some(match asked {
        Ok(weight) => Outcome::Passed(weight),
        Err(Miss::Failed(failure)) => Outcome::Failed(failure),
        Err(Miss::NotAsked(fault)) => Outcome::NotAsked(fault),
    })
}

/// Preface, settings with four values, and a window update: what our client sends before its request.
const HTTP2_OPENING: usize = 24 + (9 + 4 * 6) + 13;

/// What is read comes from memory, what is written goes nowhere. The answer comes once the question was asked.
struct Answer<'b> {
    bytes: &'b [u8],
    /// Bytes that are still to be written before.
    question: usize,
    reader: Option<Waker>,
}

impl AsyncRead for Answer<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.question > 0 {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        Pin::new(&mut self.bytes).poll_read(context, into)
    }
}

impl AsyncWrite for Answer<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.question = self.question.saturating_sub(bytes.len());
        if self.question == 0
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Runs to the end; `None` where no runtime can be had.
fn wait<T>(probe: impl Future<Output = T>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
    Some(runtime.block_on(probe))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spec::{
        AgentSpec, Cadence, Connection, DnsName, DnsRecord, DnsSpec, GrpcSpec, HeloName, HttpSpec,
        HttpVersion, ServiceName, SmtpSpec, Statuses, Url,
    };

    fn spec(name: &str) -> CheckSpec {
        let connection = Connection::default();
        let kind = match name {
            "http" => ProbeKind::Http(HttpSpec {
                connection,
                tls: None,
                version: HttpVersion::Http11,
                urls: vec![Url {
                    path: "/".parse().unwrap(),
                    statuses: Statuses::default(),
                    digest: None,
                    search: None,
                    virtualhost: None,
                    tls_compliant: false,
                }],
                fast_recovery: false,
                body_limit: None,
            }),
            "smtp" => ProbeKind::Smtp(SmtpSpec { connection, helo: HeloName::default() }),
            "agent" => ProbeKind::Agent(AgentSpec { connection, send: "ask\\n".parse().unwrap() }),
            "grpc" => ProbeKind::Grpc(GrpcSpec {
                connection,
                tls: None,
                service: ServiceName::default(),
                virtualhost: None,
            }),
            _ => {
                let (record, name) = (DnsRecord::Soa, DnsName::default());
                ProbeKind::Dns(DnsSpec { connection, record, name })
            }
        };
        CheckSpec { kind, cadence: Cadence::default() }
    }

    /// What the fuzz targets begin with: files whose names begin with `good` are answers that pass.
    #[test]
    fn the_seeds_of_the_fuzz_targets_are_what_their_names_say() {
        let seeds = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds"));
        let target = Target { addr: "192.0.2.1".parse().unwrap(), port: 80 };
        for name in ["http", "smtp", "dns", "agent", "grpc"] {
            let mut seen = [0, 0];
            for entry in std::fs::read_dir(seeds.join(name)).unwrap().flatten() {
                let bytes = std::fs::read(entry.path()).unwrap();
                let outcome = judge(&spec(name), target, &bytes).unwrap();
                let is_good = entry.file_name().to_string_lossy().starts_with("good");
                let passed = matches!(outcome, Outcome::Passed(_));
                assert_eq!(passed, is_good, "{:?}: {outcome:?}", entry.path());
                seen[usize::from(is_good)] += 1;
            }
            assert!(seen[0] > 0 && seen[1] > 0, "{name}: {seen:?}");
        }
    }

    #[test]
    fn what_ends_in_the_middle_fails_with_a_cause() {
        let target = Target { addr: "192.0.2.1".parse().unwrap(), port: 80 };
        for (name, bytes) in [
            ("http", &b"HTTP/1.1 20"[..]),
            ("smtp", b"220-wait\r\n"),
            ("dns", b"\x2a\x2a"),
            ("agent", b""),
            ("grpc", b"\0\0\0\x04\0\0\0\0\0"),
        ] {
            let outcome = judge(&spec(name), target, bytes).unwrap();
            assert!(matches!(outcome, Outcome::Failed(_)), "{name}: {outcome:?}");
        }
    }
}
