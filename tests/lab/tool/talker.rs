//! Servers of one behaviour each, a port each: what speaks right, and ways to speak wrong that a checker must survive; what
//! means harm is in [`super::hostile`]. `tls+` before a kind puts TLS below it.
//!
//! A thread for a port and one for a connection: they are few. Nothing is read that is not answered.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{hostile, responder};

/// What some say once or again and again.
pub(super) static GULP: [u8; 65536] = [b'x'; 65536];

/// Tool: `talker PORT=KIND...`.
pub(super) fn serve(words: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut threads = Vec::new();
    let tls = responder::certificate()?;
    for word in words {
        let (port, kind) = word.split_once('=').ok_or("PORT=KIND is wanted")?;
        let (port, kind) = (port.parse::<u16>()?, kind.to_owned());
        if kind.starts_with("dns") || kind.starts_with("udp") {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
            let kind = kind.clone();
            threads.push(thread::spawn(move || datagrams(&socket, &kind)));
        }
        if !kind.starts_with("udp") {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
            let tls = Arc::clone(&tls);
            threads.push(thread::spawn(move || connections(&listener, &kind, &tls)));
        }
    }
    for thread in threads {
        let _ = thread.join();
    }
    Ok(())
}

fn connections(listener: &TcpListener, kind: &str, tls: &Arc<ServerConfig>) {
    while let Ok((stream, _)) = listener.accept() {
        let (kind, tls) = (kind.to_owned(), Arc::clone(tls));
        thread::spawn(move || match kind.strip_prefix("tls+") {
            None => talk(stream, &kind),
            Some(kind) => {
                let session = ServerConnection::new(tls).map_err(io::Error::other)?;
                talk(StreamOwned::new(session, stream), kind)
            }
        });
    }
}

/// One connection, to its end; that the other side has gone is an end too.
fn talk(mut stream: impl Read + Write, kind: &str) -> io::Result<()> {
    if let Some(ended) = hostile::talk(&mut stream, kind) {
        return ended;
    }
    let text = |kind: &str| match kind {
        "smtp" => Some("220 lab\r\n"),
        "smtp-closed" => Some("554 no service\r\n"),
        "smtp-rude" => Some("220 lab\r\n"),
        "ssh" => Some("SSH-2.0-lab\r\n"),
        "agent-up" => Some("up 100%\n"),
        "agent-half" => Some("50%\n"),
        "agent-down" => Some("down # disk full\n"),
        "agent-junk" => Some("good morning\n"),
        _ => None,
    };
    match kind {
        "hangup" => return Ok(()),
        "later" => thread::sleep(Duration::from_millis(2500)),
        "smtp" | "smtp-rude" => {
            stream.write_all(text(kind).unwrap_or_default().as_bytes())?;
            let answer = if kind == "smtp" { "250 lab\r\n" } else { "500 what?\r\n" };
            let mut line = [0; 512];
            while stream.read(&mut line)? > 0 {
                stream.write_all(answer.as_bytes())?;
            }
        }
        "redirect" => {
            request(&mut stream)?;
            stream.write_all(b"HTTP/1.0 302 Found\r\nLocation: http://10.0.0.99/\r\n\r\n")?;
        }
        "grpc" | "grpc-down" => {
            call(&mut stream)?;
            stream.write_all(if kind == "grpc" { SERVING } else { NOT_SERVING })?;
            while stream.read(&mut [0; 4096])? > 0 {}
        }
        "dns-cut" => {
            let question = question(&mut stream)?;
            let length = u16::try_from(question.len()).unwrap_or_default();
            stream.write_all(&length.to_be_bytes())?;
            stream.write_all(&reply(&question, kind))?;
        }
        _ => {
            if let Some(text) = text(kind) {
                stream.write_all(text.as_bytes())?;
            }
            if kind.starts_with("agent") {
                return Ok(());
            }
            // Silent, however long it takes.
            while stream.read(&mut [0; 4096])? > 0 {}
        }
    }
    Ok(())
}

/// Frames of a server that is asked once (RFC 9113): settings, their acknowledgement, headers, message, trailers.
pub(super) static SERVING: &[u8] = include_bytes!("../../../fuzz/seeds/grpc/good_serving");
static NOT_SERVING: &[u8] = include_bytes!("../../../fuzz/seeds/grpc/bad_not_serving");

/// Reads the preface and frames up to the end of the first call (RFC 9113 sections 3.4 and 4.1).
pub(super) fn call(stream: &mut impl Read) -> io::Result<()> {
    stream.read_exact(&mut [0; 24])?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let [a, b, c, kind, flags, ..] = head;
        let mut frame = vec![0; usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)];
        stream.read_exact(&mut frame)?;
        let is_last = kind <= 1 && flags & 1 != 0;
        if is_last {
            return Ok(());
        }
    }
}

/// Reads a question over TCP (RFC 1035 section 4.2.2).
pub(super) fn question(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut question)?;
    Ok(question)
}

/// Reads a request up to its empty line.
pub(super) fn request(stream: &mut impl Read) -> io::Result<()> {
    let mut read = Vec::new();
    let mut part = [0; 1024];
    while !read.ends_with(b"\r\n\r\n") {
        match stream.read(&mut part)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => read.extend_from_slice(&part[..length]),
        }
    }
    Ok(())
}

fn datagrams(socket: &UdpSocket, kind: &str) {
    let mut buffer = [0; 2048];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        let asked = &buffer[..length];
        let answer = match kind {
            "udp-echo" => asked.to_vec(),
            "udp-other" => b"other".to_vec(),
            "udp-large" => GULP[..60_000].to_vec(),
            "udp-mute" | "dns-mute" => continue,
            "dns-junk" => b"junk".to_vec(),
            "dns-loop" => hostile::loops(reply(asked, kind)),
            "dns-storm" => {
                let forged = reply(asked, "dns-forged");
                (0..200).for_each(|_| drop(socket.send_to(&forged, from)));
                forged
            }
            _ => reply(asked, kind),
        };
        // The asker may have gone.
        let _ = socket.send_to(&answer, from);
    }
}

/// The question as an answer without records (RFC 1035 section 4.1.1).
fn reply(question: &[u8], kind: &str) -> Vec<u8> {
    let mut answer = question.to_vec();
    if let Some([id, _, flags, more]) = answer.first_chunk_mut::<4>() {
        *flags |= 0x80;
        match kind {
            "dns-servfail" => *more = 2,
            "dns-forged" => *id ^= 0xff,
            kind if kind.starts_with("dns-cut") => *flags |= 0x02,
            _ => {}
        }
    }
    answer
}
