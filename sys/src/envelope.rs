//! One datagram per send call (sendmsg(2)) with the source address, interface and hop limit that it is to have.
//!
//! nix wraps the call too, but gathers the control messages in a vector of its own; what must go out on time waits for no
//! allocator.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

/// Room for packet information of IPv6 and a hop limit, with their headers.
const CONTROL: usize = 64;
/// cmsghdr: a length, level and type (cmsg(3)); what follows is aligned like the length.
const WORD: usize = size_of::<libc::size_t>();
const HEAD: usize = WORD + 2 * size_of::<libc::c_int>();

/// Where one datagram goes, and as whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Source address, one of this host's.
    pub source: IpAddr,
    /// Where to, of the same family.
    pub destination: IpAddr,
    /// The port there in host order, 0 for raw sockets.
    pub port: u16,
    /// By which interface.
    pub interface: u32,
    /// Time to live or hop limit.
    pub hop_limit: u8,
}

/// Control messages one behind the other.
struct Control {
    bytes: [u8; CONTROL],
    used: usize,
}

impl Control {
    /// The caller adds no more than there is room for: two, of 20 bytes and 4 at most.
    fn add(&mut self, level: libc::c_int, kind: libc::c_int, parts: &[&[u8]]) {
        let length = HEAD + parts.iter().map(|part| part.len()).sum::<usize>();
        let head = [level.to_ne_bytes(), kind.to_ne_bytes()];
        let head = [&length.to_ne_bytes()[..], &head[0], &head[1]];
        let mut at = self.used;
        for part in head.iter().chain(parts) {
            self.bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        self.used += length.next_multiple_of(WORD);
    }
}

/// Sends it without waiting.
pub fn send(socket: &impl AsFd, envelope: &Envelope, message: &[u8]) -> io::Result<()> {
    let Envelope { source, destination, port, interface, hop_limit } = *envelope;
    let mut control = Control { bytes: [0; CONTROL], used: 0 };
    let limit = libc::c_int::from(hop_limit).to_ne_bytes();
    let index = interface.to_ne_bytes();
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let info: [&[u8]; 3] = [&index, &source.octets(), &[0; 4]];
            control.add(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            control.add(libc::IPPROTO_IP, libc::IP_TTL, &[&limit]);
            // SAFETY: a plain C struct for which all-zero bytes are a valid value.
            let mut name = unsafe { zeroed::<libc::sockaddr_in>() };
            name.sin_family = libc::AF_INET as libc::sa_family_t;
            name.sin_port = port.to_be();
            name.sin_addr.s_addr = u32::from_ne_bytes(destination.octets());
            send_to(socket, &name, control, message)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            control.add(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &[&source.octets(), &index]);
            control.add(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, &[&limit]);
            // SAFETY: as above.
            let mut name = unsafe { zeroed::<libc::sockaddr_in6>() };
            name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            name.sin6_port = port.to_be();
            name.sin6_addr.s6_addr = destination.octets();
            name.sin6_scope_id = interface;
            send_to(socket, &name, control, message)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }
}

/// `Name` is one of the socket addresses of C.
fn send_to<Name>(
    socket: &impl AsFd,
    name: &Name,
    mut control: Control,
    message: &[u8],
) -> io::Result<()> {
    let mut part =
        libc::iovec { iov_base: message.as_ptr().cast_mut().cast(), iov_len: message.len() };
    // SAFETY: a plain C struct for which all-zero bytes are a valid value.
    let mut header = unsafe { zeroed::<libc::msghdr>() };
    header.msg_name = ptr::from_ref(name).cast_mut().cast();
    header.msg_namelen = size_of::<Name>() as libc::socklen_t;
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.bytes.as_mut_ptr().cast();
    header.msg_controllen = control.used as _;
    // SAFETY: name, message and control messages are live for the call and have the lengths given; sendmsg writes to none
    // of them.
    let sent =
        unsafe { libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const header, libc::MSG_DONTWAIT) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_leaves_from_the_address_that_it_names() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let sender = UdpSocket::bind("0.0.0.0:0").unwrap();
        let envelope = Envelope {
            source: "127.0.0.2".parse().unwrap(),
            destination: "127.0.0.1".parse().unwrap(),
            port: receiver.local_addr().unwrap().port(),
            interface: 1,
            hop_limit: 7,
        };
        send(&sender, &envelope, b"well").unwrap();
        let mut bytes = [0; 16];
        let (length, from) = receiver.recv_from(&mut bytes).unwrap();
        assert_eq!((&bytes[..length], from.ip()), (&b"well"[..], envelope.source));
        let foreign = Envelope { source: "192.0.2.1".parse().unwrap(), ..envelope };
        assert!(send(&sender, &foreign, b"ill").is_err(), "nobody's address");
        let mixed = Envelope { source: "::1".parse().unwrap(), ..envelope };
        assert!(send(&sender, &mixed, b"ill").is_err());
    }
}
