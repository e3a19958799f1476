//! Sends packets of protocol 112 that no router should take, as fast as one sender with sendmmsg can: other virtual
//! routers, wrong checksums, cut short, noise. Whole frames, so that the sender's own stack costs nothing.

use std::error::Error;
use std::io::IoSlice;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg};
use socket2::{Domain, Socket, Type};

/// IANA protocol number of VRRP.
const VRRP: u8 = 112;
/// Packets in one call: as many as the kernel takes (UIO_MAXIOV).
const BATCH: usize = 1024;
const DEVICE: &str = "/sys/class/net/eth0";

/// Tool: `flood SOURCE GROUP SECONDS`. Leaves by eth0.
pub(super) fn send(source: &str, group: &str, seconds: &str) -> Result<(), Box<dyn Error>> {
    let (source, group): (Ipv4Addr, Ipv4Addr) = (source.parse()?, group.parse()?);
    let end = Instant::now() + Duration::from_secs(seconds.parse()?);
    let index: u32 = std::fs::read_to_string(format!("{DEVICE}/ifindex"))?.trim().parse()?;
    let hardware = hardware(&std::fs::read_to_string(format!("{DEVICE}/address"))?)?;
    let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
    socket.bind(&sys::link::interface_address(index, 0))?;
    let frames: Vec<Vec<u8>> =
        bodies().iter().map(|body| frame(hardware, source, group, body)).collect();
    let parts: Vec<[IoSlice<'_>; 1]> =
        (0..BATCH).map(|at| [IoSlice::new(&frames[at % frames.len()])]).collect();
    // Where to is said by the frames.
    let to: Vec<Option<SockaddrIn>> = vec![None; BATCH];
    let mut headers = MultiHeaders::preallocate(BATCH, None);
    let mut sent = 0_u64;
    while Instant::now() < end {
        match sendmmsg(socket.as_raw_fd(), &mut headers, &parts, &to, [], MsgFlags::empty()) {
            Ok(results) => sent += results.count() as u64,
            Err(Errno::ENOBUFS | Errno::EAGAIN | Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    println!("{sent} packets in {seconds} s");
    Ok(())
}

fn hardware(text: &str) -> Result<[u8; 6], Box<dyn Error>> {
    let bytes: Result<Vec<u8>, _> =
        text.trim().split(':').map(|byte| u8::from_str_radix(byte, 16)).collect();
    bytes?.try_into().map_err(|_| format!("{text} is no hardware address").into())
}

/// Ethernet (RFC 1112 section 6.4 for the group) and IPv4 with TTL 255 around a message.
fn frame(hardware: [u8; 6], source: Ipv4Addr, group: Ipv4Addr, body: &[u8]) -> Vec<u8> {
    let [_, second, third, fourth] = group.octets();
    let mut frame = vec![0x01, 0x00, 0x5e, second & 0x7f, third, fourth];
    frame.extend(hardware);
    frame.extend([0x08, 0x00]);
    let length = u16::try_from(20 + body.len()).unwrap().to_be_bytes();
    let mut header = vec![0x45, 0xc0, length[0], length[1], 0, 0, 0, 0, 255, VRRP, 0, 0];
    header.extend(source.octets());
    header.extend(group.octets());
    let words =
        header.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    frame.extend(header);
    frame.extend(body);
    frame
}

/// Version 3 for the pair's own router with a wrong checksum, another router, version 2, another type, a head that says
/// more addresses than there are, three bytes, noise.
fn bodies() -> Vec<Vec<u8>> {
    let advert = |first: u8, vrid: u8, count: u8| {
        let mut body = vec![first, vrid, 255, count, 0, 10, 0xde, 0xad];
        body.extend([10, 0, 0, 100]);
        body
    };
    vec![
        advert(0x31, 51, 1),
        advert(0x31, 52, 1),
        advert(0x21, 51, 1),
        advert(0x32, 51, 1),
        advert(0x31, 51, 200),
        vec![0x31, 51, 255],
        (0..64).map(|at: u8| at.wrapping_mul(37)).collect(),
    ]
}
