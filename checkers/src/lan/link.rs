//! An interface of ours, and packet sockets on it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use sys::link::{frame_destination, interface_address};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, timeout_at};

use super::frame::{self, ETHER_ARP, ETHER_V4, ETHER_V6, ICMP6, Us};
use super::mac::Mac;
use super::segment::Call;
use crate::failure::LocalFault;

/// Longest frame that matters.
const FRAME: usize = 1518;

/// The interface through which a host is reached.
#[derive(Debug, Clone)]
pub struct Lan {
    index: u32,
    name: String,
    us: Us,
}

/// A packet socket on a link, with a filter that lets through what is wanted.
#[derive(Debug)]
pub(crate) struct Tap {
    socket: AsyncFd<Socket>,
    link: u32,
    ether_type: u16,
}

/// A TCP port that nobody else on this host has while it is held.
#[derive(Debug)]
pub(crate) struct Port {
    _socket: Socket,
    pub(crate) number: u16,
}

impl Lan {
    /// The link to `host`, by this host's routes, or from the address `from`.
    pub fn towards(host: IpAddr, from: Option<IpAddr>) -> Result<Self, LocalFault> {
        let ours = match from {
            Some(from) => from,
            None => source_towards(host).map_err(|error| fault("route", &error))?,
        };
        let all = getifaddrs().map_err(|errno| fault("getifaddrs", &errno.into()))?;
        let all: Vec<InterfaceAddress> = all.collect();
        let has =
            |one: &&InterfaceAddress| one.address.is_some_and(|held| ip_of(&held) == Some(ours));
        let Some(name) = all.iter().find(has).map(|one| one.interface_name.clone()) else {
            return Err(ours_is_missing(&format!("no interface has {ours}")));
        };
        let ours = match from {
            Some(from) => from,
            None => own_address(&all, &name, host).unwrap_or(ours),
        };
        let hardware = all.iter().filter(|one| one.interface_name == name).find_map(|one| {
            let link = one.address?.as_link_addr().copied()?;
            Some((u32::try_from(link.ifindex()).ok()?, Mac(link.addr()?)))
        });
        match hardware {
            Some((index, mac)) if mac != Mac([0; 6]) => {
                Ok(Self { index, name, us: Us { mac, address: ours } })
            }
            Some(_) | None => Err(ours_is_missing(&format!("{name} is no Ethernet"))),
        }
    }

    /// The interface's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Our address there.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.us.address
    }

    pub(crate) fn us(&self) -> Us {
        self.us
    }

    /// Everyone who says within this time that it has `asked`, each once. The question is put twice.
    pub async fn who_has(&self, asked: IpAddr, within: Duration) -> Result<Vec<Mac>, LocalFault> {
        let tap = self.neighbours(asked)?;
        let end = Instant::now() + within;
        let mut found = Vec::new();
        for until in [Instant::now() + within / 2, end] {
            self.ask(&tap, asked).await?;
            while let Ok(answer) = timeout_at(until, tap.answer_for(asked)).await {
                let mac = answer?;
                if !found.contains(&mac) {
                    found.push(mac);
                }
            }
        }
        Ok(found)
    }

    /// The first who says within this time that it has `asked`.
    pub async fn find(&self, asked: IpAddr, within: Duration) -> Result<Option<Mac>, LocalFault> {
        /// A question may be lost.
        const TRIES: u32 = 3;
        let tap = self.neighbours(asked)?;
        for _ in 0..TRIES {
            let until = Instant::now() + within / TRIES;
            self.ask(&tap, asked).await?;
            if let Ok(answer) = timeout_at(until, tap.answer_for(asked)).await {
                return answer.map(Some);
            }
        }
        Ok(None)
    }

    async fn ask(&self, tap: &Tap, asked: IpAddr) -> Result<(), LocalFault> {
        match frame::who_has(self.us, asked) {
            Some(question) => tap.send(&question).await,
            None => Err(ours_is_missing(&format!("{} has no address of that family", self.name))),
        }
    }

    fn neighbours(&self, asked: IpAddr) -> Result<Tap, LocalFault> {
        match asked {
            IpAddr::V4(_) => Tap::open(self.index, ETHER_ARP, &accept(&[])),
            IpAddr::V6(_) => {
                Tap::open(self.index, ETHER_V6, &accept(&[(LOAD_BYTE, 20, ICMP6.into())]))
            }
        }
    }

    /// What comes back for a call: segments from the virtual address to our port, and ICMP.
    pub(crate) fn tap(&self, call: &Call) -> Result<Tap, LocalFault> {
        match call.vip {
            IpAddr::V4(vip) => Tap::open(self.index, ETHER_V4, &tcp4(vip, call.port)),
            IpAddr::V6(vip) => Tap::open(self.index, ETHER_V6, &tcp6(vip, call.port)),
        }
    }
}

impl Tap {
    #[expect(deprecated, reason = "sound here: a `Socket` owns its descriptor as long as it lives")]
    fn open(link: u32, ether_type: u16, filter: &[SockFilter]) -> Result<Self, LocalFault> {
        let made = || -> io::Result<AsyncFd<Socket>> {
            // Of no protocol until the filter stands, so that nothing else comes in.
            let kind = Type::RAW.nonblocking();
            let socket = Socket::new(Domain::PACKET, kind, Some(Protocol::from(0)))?;
            socket.attach_filter(filter)?;
            socket.bind(&interface_address(link, ether_type))?;
            AsyncFd::new(socket)
        };
        let socket = made().map_err(|error| fault("packet socket", &error))?;
        Ok(Self { socket, link, ether_type })
    }

    /// Sends a frame as it is.
    pub(crate) async fn send(&self, frame: &[u8]) -> Result<(), LocalFault> {
        let to = frame_destination(self.link, self.ether_type, [0; 6]);
        let send = |socket: &Socket| socket.send_to(frame, &to);
        let sent = self.socket.async_io(Interest::WRITABLE, send).await;
        sent.map(drop).map_err(|error| fault("send a frame", &error))
    }

    /// The next frame that passes the filter.
    pub(crate) async fn receive<'b>(
        &self,
        buffer: &'b mut [u8; FRAME],
    ) -> Result<&'b [u8], LocalFault> {
        let receive = |socket: &Socket| io::Read::read(&mut &*socket, buffer);
        let read = self.socket.async_io(Interest::READABLE, receive).await;
        let length = read.map_err(|error| fault("receive a frame", &error))?;
        Ok(&buffer[..length])
    }

    async fn answer_for(&self, asked: IpAddr) -> Result<Mac, LocalFault> {
        let mut buffer = Self::buffer();
        loop {
            if let Some(mac) = frame::answer(self.receive(&mut buffer).await?, asked) {
                return Ok(mac);
            }
        }
    }

    /// Room for one frame.
    pub(crate) fn buffer() -> [u8; FRAME] {
        [0; FRAME]
    }
}

impl Port {
    /// Takes a free port of `address`: a connection of this host cannot be mixed up with ours then.
    pub(crate) fn of(address: IpAddr) -> Result<Self, LocalFault> {
        let taken = || -> io::Result<(Socket, u16)> {
            let any = SocketAddr::new(address, 0);
            let socket = Socket::new(Domain::for_address(any), Type::STREAM, Some(Protocol::TCP))?;
            socket.bind(&any.into())?;
            let port = socket.local_addr()?.as_socket().map_or(0, |bound| bound.port());
            Ok((socket, port))
        };
        let (socket, number) = taken().map_err(|error| fault("take a port", &error))?;
        Ok(Self { _socket: socket, number })
    }
}

/// The address of an interface whose network a host is in. Routes may choose another: where a virtual address is held, IPv6
/// prefers its longer prefix (RFC 6724 section 5, rule 8), and a real server would send the answer to itself.
fn own_address(all: &[InterfaceAddress], name: &str, host: IpAddr) -> Option<IpAddr> {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    let whole = if host.is_ipv4() { u128::from(u32::MAX) } else { u128::MAX };
    all.iter().filter(|one| one.interface_name == name).find_map(|one| {
        let held = ip_of(one.address.as_ref()?)?;
        let mask = bits(ip_of(one.netmask.as_ref()?)?);
        let fits = held.is_ipv4() == host.is_ipv4()
            && mask != whole
            && bits(held) & mask == bits(host) & mask;
        fits.then_some(held)
    })
}

/// The address that this host's routes give to packets for `host`. Nothing is sent.
fn source_towards(host: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match host {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((host, 9))?;
    Ok(socket.local_addr()?.ip())
}

fn ip_of(address: &nix::sys::socket::SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|held| IpAddr::V4(held.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|held| IpAddr::V6(held.ip())))
}

const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF_AT_X: u16 = 0x48;
const LENGTH_OF_IP_TO_X: u16 = 0xb1;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Classic BPF (linux/filter.h): all of these must hold, each a way to load, a place in the frame, a value.
fn accept(tests: &[(u16, u32, u32)]) -> Vec<SockFilter> {
    let mut program = Vec::with_capacity(tests.len() * 2 + 2);
    for (at, (load, place, value)) in tests.iter().enumerate() {
        // Past the tests that follow and the good end.
        let refuse = u8::try_from((tests.len() - at - 1) * 2 + 1).unwrap_or(u8::MAX);
        program.push(SockFilter::new(*load, 0, 0, *place));
        program.push(SockFilter::new(JUMP_IF_EQUAL, 0, refuse, *value));
    }
    program.push(SockFilter::new(RETURN, 0, 0, u32::MAX));
    program.push(SockFilter::new(RETURN, 0, 0, 0));
    program
}

/// ICMP, or TCP from this address to this port.
fn tcp4(vip: Ipv4Addr, port: u16) -> Vec<SockFilter> {
    vec![
        SockFilter::new(LOAD_BYTE, 0, 0, 23),
        SockFilter::new(JUMP_IF_EQUAL, 6, 0, 1),
        SockFilter::new(JUMP_IF_EQUAL, 0, 6, 6),
        SockFilter::new(LOAD_WORD, 0, 0, 26),
        SockFilter::new(JUMP_IF_EQUAL, 0, 4, vip.to_bits()),
        SockFilter::new(LENGTH_OF_IP_TO_X, 0, 0, 14),
        SockFilter::new(LOAD_HALF_AT_X, 0, 0, 16),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, port.into()),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// ICMPv6, or TCP from this address to this port.
fn tcp6(vip: Ipv6Addr, port: u16) -> Vec<SockFilter> {
    let bits = vip.to_bits();
    let word = |from_the_right: u32| {
        let [.., a, b, c, d] = (bits >> (32 * from_the_right)).to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    };
    let mut program = vec![
        SockFilter::new(LOAD_BYTE, 0, 0, 20),
        SockFilter::new(JUMP_IF_EQUAL, 11, 0, ICMP6.into()),
    ];
    program.extend(accept(&[
        (LOAD_BYTE, 20, 6),
        (LOAD_WORD, 22, word(3)),
        (LOAD_WORD, 26, word(2)),
        (LOAD_WORD, 30, word(1)),
        (LOAD_WORD, 34, word(0)),
        (LOAD_HALF, 56, port.into()),
    ]));
    // ICMPv6 jumps to the good end: past the twelve instructions of the six tests.
    program[1] = SockFilter::new(JUMP_IF_EQUAL, 12, 0, ICMP6.into());
    program
}

fn fault(step: &str, error: &io::Error) -> LocalFault {
    LocalFault { step: step.to_owned(), errno: error.raw_os_error().unwrap_or(0) }
}

fn ours_is_missing(why: &str) -> LocalFault {
    LocalFault { step: why.to_owned(), errno: 0 }
}
