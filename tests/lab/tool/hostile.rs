//! Servers that mean harm: what never ends, what comes a byte a second, what only looks like the protocol.
//!
//! Whatever they say, they say it until the other side has gone. Floods pause between gulps: the one CPU has others to serve.

use std::io::{self, Read, Write};
use std::thread::sleep;
use std::time::Duration;

use super::talker::{GULP, SERVING, call, question, request};

/// Between two gulps of 64 KiB: some 3 MB a second.
const PAUSE: Duration = Duration::from_millis(20);

/// The beginning of a gzip stream that unpacks to a thousand times its length: it is never unpacked.
const GZIP: &[u8] = b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08";

const GOOD: &[u8] = b"HTTP/1.0 200 OK\r\n";

/// A fatal alert, handshake_failure (RFC 8446 section 6).
const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];

/// Talks, if this kind is one of these.
pub(super) fn talk(stream: &mut (impl Read + Write), kind: &str) -> Option<io::Result<()>> {
    Some(match kind {
        "close" => request(stream),
        "drip" => drip(stream, GOOD),
        "record-drip" => drip(stream, &[22, 3, 3, 0, 122, 2, 0, 0, 118, 3, 3]),
        "flood" => flood(stream),
        "lines" => again(stream, &b"220-again\r\n".repeat(1000)),
        "headers" => headers(stream),
        "endless" => request(stream)
            .and_then(|()| stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n"))
            .and_then(|()| flood(stream)),
        "bomb" => request(stream)
            .and_then(|()| stream.write_all(GZIP))
            .and_then(|()| (0..256).try_for_each(|_| stream.write_all(&[0; 4096]))),
        "alert" => stream.write_all(&ALERT),
        "records" => records(stream),
        "grpc-headers" => call(stream).and_then(|()| continuations(stream)),
        "grpc-body" => call(stream).and_then(|()| data(stream)),
        "grpc-pings" => call(stream).and_then(|()| pings(stream)),
        "dns-cut-mute" => question(stream).and_then(|_| rest(stream)),
        "dns-cut-hangup" => question(stream).map(drop),
        "dns-cut-drip" => question(stream).and_then(|_| drip(stream, GOOD)),
        "dns-cut-flood" => question(stream).and_then(|_| flood(stream)),
        _ => return None,
    })
}

/// A good beginning, a byte a second.
fn drip(stream: &mut impl Write, what: &[u8]) -> io::Result<()> {
    for byte in what.iter().cycle() {
        stream.write_all(&[*byte])?;
        stream.flush()?;
        sleep(Duration::from_secs(1));
    }
    Ok(())
}

fn flood(stream: &mut impl Write) -> io::Result<()> {
    again(stream, &GULP)
}

fn again(stream: &mut impl Write, what: &[u8]) -> io::Result<()> {
    loop {
        stream.write_all(what)?;
        sleep(PAUSE);
    }
}

/// Says nothing for as long as it is held.
fn rest(stream: &mut impl Read) -> io::Result<()> {
    while stream.read(&mut [0; 4096])? > 0 {}
    Ok(())
}

fn headers(stream: &mut (impl Read + Write)) -> io::Result<()> {
    request(stream)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
    again(stream, &[b"X-Filler: ", &GULP[..4000], b"\r\n"].concat())
}

/// A ServerHello of 16 MB that does not end, in records of 16 KiB (RFC 8446 sections 4 and 5.1).
fn records(stream: &mut impl Write) -> io::Result<()> {
    let record = [&[22, 3, 3, 0x40, 0][..], &GULP[..0x4000]].concat();
    let mut first = record.clone();
    first[5..9].copy_from_slice(&[2, 0xff, 0xff, 0xff]);
    stream.write_all(&first)?;
    again(stream, &record)
}

/// A frame of the first call (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    // A ping belongs to the connection, not to the call.
    let stream = u8::from(kind != 6);
    [&length[..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Settings, and headers that go on and on (RFC 9113 section 6.10).
fn continuations(stream: &mut impl Write) -> io::Result<()> {
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])?;
    // ":status: 200", and then literals that never end (RFC 7541 section 6.2.2).
    stream.write_all(&frame(1, 0, &[0x88]))?;
    let literal = [&[0, 1, b'x', 0x7f, 0x80, 0x01][..], &GULP[..255]].concat();
    again(stream, &frame(9, 0, &literal.repeat(60)))
}

/// Good headers, and a message that never ends.
fn data(stream: &mut impl Write) -> io::Result<()> {
    let mut rest = SERVING;
    while let [a, b, c, kind, ..] = *rest {
        let length = 9 + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c));
        let Some((frame, after)) = rest.split_at_checked(length) else { break };
        stream.write_all(frame)?;
        rest = after;
        if kind == 1 {
            break;
        }
    }
    again(stream, &frame(0, 0, &GULP[..1000]))
}

/// Questions of the protocol that want an answer each.
fn pings(stream: &mut impl Write) -> io::Result<()> {
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])?;
    again(stream, &frame(6, 0, &GULP[..8]).repeat(500))
}

/// An answer with one record, whose name refers to itself (RFC 1035 section 4.1.4).
pub(super) fn loops(mut answer: Vec<u8>) -> Vec<u8> {
    if let Some(count) = answer.get_mut(7) {
        *count = 1;
    }
    let at = u8::try_from(answer.len()).unwrap_or_default();
    answer.extend([0xc0, at, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 1]);
    answer
}
