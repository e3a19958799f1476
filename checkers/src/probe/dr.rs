//! `DR_CHECK`: asks for a connection to the virtual address at one real server's hardware address, as IPVS sends it under
//! direct routing, asks for a page over it where one is named, and takes it back at once.
//!
//! The answer is read off a packet socket: where this host holds the virtual address itself, its own kernel would throw
//! away a packet from there.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Miss, PASSED};
use crate::failure::{DrFault, Failure, LocalFault, Stage};
use crate::lan::exchange::{End, Exchange};
use crate::lan::segment::{Answer, Call};
use crate::lan::{Lan, Mac, Port, Tap};
use crate::outcome::Weight;
use crate::spec::{DrSpec, DrUrl, Target};

/// Most of a probe's time is for the connection; the link answers at once or not at all.
const LINK_SHARE: u32 = 3;

/// How often the connection is asked for, and the page: one packet may be lost.
const TRIES: u32 = 3;

/// So many bytes of a status line tell its code.
const CODE: usize = 12;

/// Most bytes of a failure's text that come from the other side.
const SHOWN: usize = 40;

/// Asks once.
pub(super) async fn run(target: Target, spec: &DrSpec) -> Result<Weight, Miss> {
    let DrSpec { connection, vip, url } = spec;
    let lan = Lan::towards(target.addr, connection.bind_to)?;
    let Some(host) = lan.find(target.addr, connection.timeout / LINK_SHARE).await? else {
        return Err(Failure::Dr(DrFault::NoPath { host: target.addr }).into());
    };
    let port = Port::of(lan.address())?;
    let call = Call {
        us: lan.us(),
        port: port.number,
        host,
        vip: *vip,
        vip_port: target.port,
        sequence: sequence(port.number),
    };
    let tap = lan.tap(&call)?;
    let rest = connection.timeout - connection.timeout / LINK_SHARE;
    let until = Instant::now() + rest;
    let (mac, theirs) = open(&tap, &call, rest).await?;
    match url {
        Some(url) if mac == host => {
            let question = question(url, SocketAddr::new(*vip, target.port));
            let mut exchange = Exchange::new(call, theirs, question);
            let asked = ask(&tap, &mut exchange, until).await;
            for reset in exchange.resets() {
                tap.send(&reset).await?;
            }
            asked?;
            judge(url, exchange.heard(), connection.timeout)
        }
        Some(_) | None => {
            tap.send(&call.reset(0).ok_or_else(other_family)?).await?;
            if mac == host {
                PASSED
            } else {
                Err(Failure::Dr(DrFault::Elsewhere { vip: *vip, mac }).into())
            }
        }
    }
}

/// Who accepts the connection, and the sequence number that it begins with.
async fn open(tap: &Tap, call: &Call, within: Duration) -> Result<(Mac, u32), Miss> {
    let vip = call.vip;
    match call_for(tap, call, within).await? {
        Some(Answer::Open(mac, theirs)) => Ok((mac, theirs)),
        Some(Answer::Reset(_)) => Err(Failure::Dr(DrFault::ServiceDown { vip }).into()),
        Some(Answer::Icmp(_, kind, code)) => {
            Err(Failure::Dr(DrFault::NoVip { vip, icmp: Some((kind, code)) }).into())
        }
        None => Err(Failure::Dr(DrFault::NoVip { vip, icmp: None }).into()),
    }
}

/// What comes back within this time.
async fn call_for(tap: &Tap, call: &Call, within: Duration) -> Result<Option<Answer>, Miss> {
    let syn = call.syn().ok_or_else(other_family)?;
    let mut buffer = Tap::buffer();
    for _ in 0..TRIES {
        let until = Instant::now() + within / TRIES;
        tap.send(&syn).await?;
        while let Ok(frame) = timeout_at(until, tap.receive(&mut buffer)).await {
            if let Some(answer) = call.answer(frame?) {
                return Ok(Some(answer));
            }
        }
    }
    Ok(None)
}

/// Asks until the first line of an answer is there, or the time is over.
async fn ask(tap: &Tap, exchange: &mut Exchange, until: Instant) -> Result<(), Miss> {
    let question = exchange.ask().ok_or_else(other_family)?;
    let pause = until.saturating_duration_since(Instant::now()) / TRIES;
    let mut buffer = Tap::buffer();
    for _ in 0..TRIES {
        tap.send(&question).await?;
        let until = Instant::now() + pause;
        while let Ok(frame) = timeout_at(until, tap.receive(&mut buffer)).await {
            if let Some(next) = exchange.handle(frame?) {
                tap.send(&next).await?;
            }
            if exchange.is_over() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// As `HTTP_GET` asks with `http_protocol 1.0C`: the answer ends with the connection.
fn question(url: &DrUrl, asked: SocketAddr) -> Vec<u8> {
    let host = url.host.as_ref().map_or_else(|| asked.to_string(), |host| host.as_str().to_owned());
    let path = url.path.as_str();
    format!(
        "GET {path} HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

fn judge(
    url: &DrUrl,
    (heard, end): (&[u8], Option<End>),
    within: Duration,
) -> Result<Weight, Miss> {
    let bytes = u64::try_from(heard.len()).unwrap_or(u64::MAX);
    let line = heard.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let failure = match (status(line), end) {
        (Some(seen), _) if url.statuses.contains(seen) => return PASSED,
        (Some(seen), _) => Failure::Status { seen, wanted: url.statuses.clone() },
        (None, _) if line.len() < heard.len() || line.len() > CODE => {
            let seen = line.get(..SHOWN).unwrap_or(line).escape_ascii().to_string();
            Failure::NotHttp { seen }
        }
        (None, Some(End::Reset)) => Failure::Reset { bytes },
        (None, Some(End::Closed)) => Failure::Closed { bytes },
        (None, None) if bytes == 0 => Failure::NoAnswer { within, after: Stage::Request },
        (None, None) => Failure::Unfinished { within, bytes },
    };
    Err(failure.into())
}

/// The code of a whole status line (RFC 9112 section 4), without its end.
fn status(line: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(line.get(..CODE)?).ok()?;
    let (version, code) = text.split_once(' ')?;
    let is_http = version.strip_prefix("HTTP/1.").is_some_and(|minor| minor.len() == 1);
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    let ends = line.get(CODE).is_none_or(|byte| byte.is_ascii_whitespace());
    (is_http && is_code && ends).then(|| code.parse().ok())?
}

fn other_family() -> LocalFault {
    LocalFault { step: "an address of another family".to_owned(), errno: 0 }
}

/// Not to be guessed, so that nobody can answer without having seen the question.
fn sequence(port: u16) -> u32 {
    let bytes = RandomState::new().hash_one(port).to_le_bytes();
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Statuses, UrlPath};

    fn url() -> DrUrl {
        let path = UrlPath::try_from("/health?a=1".to_owned()).unwrap();
        DrUrl { path, statuses: Statuses::default(), host: None }
    }

    #[test]
    fn the_question_names_page_and_virtual_address() {
        let asked = "[fd00::100]:80".parse().unwrap();
        let text = String::from_utf8(question(&url(), asked)).unwrap();
        assert!(text.starts_with("GET /health?a=1 HTTP/1.0\r\n"), "{text}");
        assert!(
            text.contains("\r\nHost: [fd00::100]:80\r\n") && text.ends_with("\r\n\r\n"),
            "{text}"
        );
    }

    #[test]
    fn each_beginning_of_an_answer_has_its_verdict() {
        let within = Duration::from_secs(2);
        let wanted = Statuses::default();
        let status = |seen| Some(Failure::Status { seen, wanted: wanted.clone() });
        let not_http = |seen: &str| Some(Failure::NotHttp { seen: seen.to_owned() });
        for (heard, end, failure) in [
            ("HTTP/1.0 200 OK\r\n", None, None),
            ("HTTP/1.1 200\n<html>", Some(End::Reset), None),
            ("HTTP/1.1 503 Busy\r\n", None, status(503)),
            ("SSH-2.0-OpenSSH\r\n", None, not_http("SSH-2.0-OpenSSH\\r")),
            ("HTTP/1.1 2000 OK\r\n", None, not_http("HTTP/1.1 2000 OK\\r")),
            ("HTTP/2 200 OK\r\n", None, not_http("HTTP/2 200 OK\\r")),
            ("a line without an end", None, not_http("a line without an end")),
            ("", None, Some(Failure::NoAnswer { within, after: Stage::Request })),
            ("HTTP/1.", None, Some(Failure::Unfinished { within, bytes: 7 })),
            ("HT", Some(End::Closed), Some(Failure::Closed { bytes: 2 })),
            ("", Some(End::Reset), Some(Failure::Reset { bytes: 0 })),
        ] {
            let judged = judge(&url(), (heard.as_bytes(), end), within);
            let seen = match judged {
                Ok(_) => None,
                Err(Miss::Failed(failure)) => Some(failure),
                Err(Miss::NotAsked(fault)) => panic!("{fault:?}"),
            };
            assert_eq!(seen, failure, "{heard:?}");
        }
    }
}
