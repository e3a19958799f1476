//! Servers of one behaviour each, a port each: what speaks right, and each way to speak wrong that a checker must survive.
//!
//! A thread for a port and one for a connection: they are few. Nothing is read that is not answered.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

/// What some say once or again and again.
static GULP: [u8; 65536] = [b'x'; 65536];

/// Tool: `talker PORT=KIND...`.
pub(super) fn serve(words: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut threads = Vec::new();
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
            threads.push(thread::spawn(move || connections(&listener, &kind)));
        }
    }
    for thread in threads {
        let _ = thread.join();
    }
    Ok(())
}

fn connections(listener: &TcpListener, kind: &str) {
    while let Ok((stream, _)) = listener.accept() {
        let kind = kind.to_owned();
        thread::spawn(move || talk(stream, &kind));
    }
}

/// One connection, to its end; that the other side has gone is an end too.
fn talk(mut stream: TcpStream, kind: &str) -> io::Result<()> {
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
        "headers" => {
            request(&mut stream)?;
            stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            loop {
                stream.write_all(b"X-Filler: ")?;
                stream.write_all(&GULP[..4000])?;
                stream.write_all(b"\r\n")?;
            }
        }
        "endless" => {
            request(&mut stream)?;
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n")?;
            loop {
                stream.write_all(&GULP)?;
                thread::sleep(Duration::from_millis(5));
            }
        }
        "redirect" => {
            request(&mut stream)?;
            stream.write_all(b"HTTP/1.0 302 Found\r\nLocation: http://10.0.0.99/\r\n\r\n")?;
        }
        "bomb" => {
            // The beginning of a gzip stream that unpacks to a thousand times its length: it is never unpacked.
            request(&mut stream)?;
            stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08")?;
            for _ in 0..256 {
                stream.write_all(&[0; 4096])?;
            }
        }
        "grpc" | "grpc-down" => {
            call(&mut stream)?;
            stream.write_all(if kind == "grpc" { SERVING } else { NOT_SERVING })?;
            while stream.read(&mut [0; 4096])? > 0 {}
        }
        "dns-cut" => {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut question)?;
            stream.write_all(&length)?;
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
static SERVING: &[u8] = include_bytes!("../../../fuzz/seeds/grpc/good_serving");
static NOT_SERVING: &[u8] = include_bytes!("../../../fuzz/seeds/grpc/bad_not_serving");

/// Reads the preface and frames up to the end of the first call (RFC 9113 sections 3.4 and 4.1).
fn call(stream: &mut TcpStream) -> io::Result<()> {
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

/// Reads a request up to its empty line.
fn request(stream: &mut TcpStream) -> io::Result<()> {
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
            "udp-mute" | "dns-mute" => continue,
            "dns-junk" => b"junk".to_vec(),
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
            "dns-cut" => *flags |= 0x02,
            _ => {}
        }
    }
    answer
}
