//! A real server whose behaviour is switched while it runs: well, ill, or malicious.
//!
//! One thread, one poll loop. Orders and answers are lines of JSON on a Unix socket, which namespaces of the
//! network do not hide.

use std::error::Error;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, Type};

/// How a server treats a new connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mode {
    /// 200 and its name.
    Fine,
    /// 200 and this text.
    Body(String),
    /// This status and its name.
    Status(u16),
    /// The port is closed.
    Refuse,
    /// Accepts, reads, never says a word.
    Silent,
    /// A good answer, but a byte a second.
    Drip,
    /// A good beginning and a body that never ends.
    Endless,
    /// Bytes that are no HTTP.
    Garbage,
    /// Closes as soon as it has read a request.
    Close,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    Mode(Mode),
    Count,
}

/// What a server has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) connections: u64,
    pub(crate) requests: u64,
    /// Bytes of bodies written.
    pub(crate) bytes: u64,
}

/// Bytes of an endless body per turn, some 13 MB/s: a flood for a checker, and the one CPU still serves the others.
static GULP: [u8; 65536] = [b'x'; 65536];

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

struct Connection {
    stream: Stream,
    mode: Mode,
    request: Vec<u8>,
    answer: Option<Vec<u8>>,
    next_drip: Instant,
}

struct Server {
    name: String,
    addresses: Vec<(SocketAddr, bool)>,
    listeners: Vec<(TcpListener, bool)>,
    control: UnixListener,
    tls: Option<Arc<ServerConfig>>,
    mode: Mode,
    count: Count,
    connections: Vec<Connection>,
}

/// Tool: `responder NAME CONTROL_SOCKET ADDRESS...`; an address with `tls:` before it speaks TLS.
pub(super) fn serve(name: &str, control: &str, listen: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut addresses = Vec::new();
    for word in listen {
        let plain = word.strip_prefix("tls:");
        addresses.push((plain.unwrap_or(word).parse()?, plain.is_some()));
    }
    let has_tls = addresses.iter().any(|(_, is_tls)| *is_tls);
    let listener = UnixListener::bind(control)?;
    listener.set_nonblocking(true)?;
    let mut server = Server {
        name: name.to_owned(),
        listeners: open(&addresses)?,
        addresses,
        control: listener,
        tls: if has_tls { Some(certificate()?) } else { None },
        mode: Mode::Fine,
        count: Count::default(),
        connections: Vec::new(),
    };
    loop {
        server.turn()?;
    }
}

impl Server {
    fn turn(&mut self) -> Result<(), Box<dyn Error>> {
        let mut polled = vec![PollFd::new(self.control.as_fd(), PollFlags::POLLIN)];
        polled
            .extend(self.listeners.iter().map(|(l, _)| PollFd::new(l.as_fd(), PollFlags::POLLIN)));
        polled.extend(self.connections.iter().map(|c| PollFd::new(c.stream.fd(), c.wanted())));
        let pause = if self.connections.iter().any(Connection::is_paced) { 5_u16 } else { 1000 };
        poll(&mut polled, PollTimeout::from(pause))?;
        let ready: Vec<bool> = polled.iter().map(|p| p.any().unwrap_or(true)).collect();

        let (control, rest) = ready.split_at(1);
        let (listeners, connections) = rest.split_at(self.listeners.len());
        self.advance(connections);
        if listeners.contains(&true) {
            self.accept();
        }
        if control == [true] {
            self.obey()?;
        }
        Ok(())
    }

    fn advance(&mut self, ready: &[bool]) {
        let mut ready = ready.iter();
        let (name, count) = (&self.name, &mut self.count);
        self.connections.retain_mut(|connection| {
            let is_ready = ready.next() == Some(&true);
            !(is_ready || connection.is_paced()) || connection.advance(name, count).is_ok()
        });
    }

    fn accept(&mut self) {
        for (listener, is_tls) in &self.listeners {
            while let Ok((socket, _)) = listener.accept() {
                self.count.connections += 1;
                let config = self.tls.as_ref().filter(|_| *is_tls);
                if let Ok(stream) = Stream::new(socket, config) {
                    self.connections.push(Connection {
                        stream,
                        mode: self.mode.clone(),
                        request: Vec::new(),
                        answer: None,
                        next_drip: Instant::now(),
                    });
                }
            }
        }
    }

    fn obey(&mut self) -> Result<(), Box<dyn Error>> {
        let (mut socket, _) = self.control.accept()?;
        socket.set_nonblocking(false)?;
        let mut line = String::new();
        BufReader::new(&socket).read_line(&mut line)?;
        match serde_json::from_str(&line)? {
            Order::Mode(mode) => self.switch(mode)?,
            Order::Count => {}
        }
        writeln!(socket, "{}", serde_json::to_string(&self.count)?)?;
        Ok(())
    }

    fn switch(&mut self, mode: Mode) -> io::Result<()> {
        if mode == Mode::Refuse {
            self.listeners.clear();
        } else if self.listeners.is_empty() {
            self.listeners = open(&self.addresses)?;
        }
        self.mode = mode;
        Ok(())
    }
}

impl Connection {
    /// In these modes it acts by the clock and not by what comes in.
    fn is_paced(&self) -> bool {
        self.answer.is_some() && matches!(self.mode, Mode::Drip | Mode::Endless)
    }

    fn wanted(&self) -> PollFlags {
        if self.answer.is_some() && !self.is_paced() {
            PollFlags::POLLOUT
        } else {
            PollFlags::POLLIN
        }
    }

    /// One step; an error (also the ordinary end) means that the connection is over.
    fn advance(&mut self, name: &str, count: &mut Count) -> io::Result<()> {
        if self.answer.is_none() {
            self.read()?;
            if !self.request.windows(4).any(|w| w == b"\r\n\r\n") {
                return Ok(());
            }
            count.requests += 1;
            self.answer = Some(self.mode.answer(name).ok_or(ErrorKind::ConnectionAborted)?);
        }
        self.write(count)
    }

    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => {
                self.request.extend(&buffer[..length]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, count: &mut Count) -> io::Result<()> {
        let Some(answer) = &mut self.answer else { return Ok(()) };
        let now = Instant::now();
        let limit = match self.mode {
            Mode::Drip if now < self.next_drip => return Ok(()),
            Mode::Drip => 1,
            Mode::Silent => return self.read_away(),
            _ => answer.len(),
        };
        self.next_drip = now + Duration::from_secs(1);
        if self.mode == Mode::Endless && answer.is_empty() {
            *answer = GULP.to_vec();
        }
        let limit = if limit == 1 { 1 } else { answer.len() };
        match self.stream.write(&answer[..limit.min(answer.len())]) {
            Ok(written) => {
                count.bytes += written as u64;
                answer.drain(..written);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
        if answer.is_empty() && self.mode != Mode::Endless {
            self.stream.finish();
            return Err(ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// A silent server still notices that its client has gone.
    fn read_away(&mut self) -> io::Result<()> {
        self.request.clear();
        self.read()
    }
}

impl Mode {
    /// The whole answer, or its beginning; nothing closes at once.
    fn answer(&self, name: &str) -> Option<Vec<u8>> {
        let http = |status: u16, body: &str| {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} So\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            Some((head + body).into_bytes())
        };
        match self {
            Self::Fine | Self::Drip => http(200, &format!("{name}\n")),
            Self::Body(text) => http(200, text),
            Self::Status(status) => http(*status, &format!("{name}\n")),
            Self::Silent | Self::Refuse => Some(Vec::new()),
            Self::Endless => Some(b"HTTP/1.1 200 So\r\nConnection: close\r\n\r\n".to_vec()),
            Self::Garbage => {
                Some(b"\x00\xff\x7fSSH-2.0 \r\r\n\n{]}>\x01\x02 no HTTP at all".to_vec())
            }
            Self::Close => None,
        }
    }
}

impl Stream {
    fn new(socket: TcpStream, tls: Option<&Arc<ServerConfig>>) -> Result<Self, Box<dyn Error>> {
        socket.set_nonblocking(true)?;
        Ok(match tls {
            None => Self::Plain(socket),
            Some(config) => {
                let session = ServerConnection::new(Arc::clone(config))?;
                Self::Tls(Box::new(StreamOwned::new(session, socket)))
            }
        })
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(socket) => socket.as_fd(),
            Self::Tls(stream) => stream.sock.as_fd(),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    /// Says goodbye in TLS's way; TCP's own end follows when the stream is dropped.
    fn finish(&mut self) {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    }
}

fn open(addresses: &[(SocketAddr, bool)]) -> io::Result<Vec<(TcpListener, bool)>> {
    let listen = |(address, is_tls): &(SocketAddr, bool)| {
        let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&(*address).into())?;
        socket.listen(1024)?;
        socket.set_nonblocking(true)?;
        Ok((socket.into(), *is_tls))
    };
    addresses.iter().map(listen).collect()
}

/// TLS with a certificate that nobody has signed but itself.
pub(super) fn certificate() -> Result<Arc<ServerConfig>, Box<dyn Error>> {
    let mut parameters = rcgen::CertificateParams::new(vec!["lab".to_owned()])?;
    // Near enough for the largest tls_min_days to warn of, and after any test.
    parameters.not_after = rcgen::date_time_ymd(2090, 1, 1);
    let pair = rcgen::KeyPair::generate()?;
    let made = parameters.self_signed(&pair)?;
    let key = PrivateKeyDer::try_from(pair.serialize_der())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.der().clone()], key)?;
    Ok(Arc::new(config))
}

/// One order to a running server; its counts as they stand then.
pub(crate) fn order(control: &std::path::Path, order: &Order) -> io::Result<Count> {
    let mut socket = UnixStream::connect(control)?;
    writeln!(socket, "{}", serde_json::to_string(order)?)?;
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}
