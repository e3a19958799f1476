//! Sends packets of protocol 112 that no router should take, as fast as one sender with sendmmsg can: other virtual
//! routers, wrong checksums, cut short, noise.

use std::error::Error;
use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg};
use socket2::{Domain, Protocol, Socket, Type};

/// IANA protocol number of VRRP.
const VRRP: i32 = 112;
/// Packets in one call.
const BATCH: usize = 64;

/// Tool: `flood GROUP SECONDS`. Leaves by eth0.
pub(super) fn send(group: &str, seconds: &str) -> Result<(), Box<dyn Error>> {
    let group: Ipv4Addr = group.parse()?;
    let end = Instant::now() + Duration::from_secs(seconds.parse()?);
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(VRRP)))?;
    socket.bind_device(Some(b"eth0"))?;
    socket.set_multicast_ttl_v4(255)?;
    socket.set_multicast_loop_v4(false)?;
    let bodies = bodies();
    let parts: Vec<[IoSlice<'_>; 1]> =
        (0..BATCH).map(|at| [IoSlice::new(&bodies[at % bodies.len()])]).collect();
    let to = [Some(SockaddrIn::from(SocketAddrV4::new(group, 0))); BATCH];
    let mut headers = MultiHeaders::preallocate(BATCH, None);
    let mut sent = 0_u64;
    while Instant::now() < end {
        match sendmmsg(socket.as_raw_fd(), &mut headers, &parts, to, [], MsgFlags::empty()) {
            Ok(results) => sent += results.count() as u64,
            Err(Errno::ENOBUFS | Errno::EAGAIN | Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    println!("{sent} packets in {seconds} s");
    Ok(())
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
