//! Many datagrams per receive call (recvmmsg(2)), each with what its control messages say about it.
//!
//! nix wraps the call too, but builds its address and control buffers anew and borrows them through the
//! result; a real-time loop wants one set of buffers, allocated once.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

/// Room for packet information, hop limit and a spare of one datagram, in 8-byte words: cmsghdr alignment.
const CONTROL_WORDS: usize = 16;

/// Buffers for a number of datagrams, filled by [`Inbox::receive`] and read by [`Inbox::datagrams`].
pub struct Inbox {
    slot_size: usize,
    bytes: Vec<u8>,
    controls: Vec<[u64; CONTROL_WORDS]>,
    sources: Vec<libc::sockaddr_storage>,
    headers: Vec<libc::mmsghdr>,
    parts: Vec<libc::iovec>,
    filled: usize,
}

// SAFETY: the raw pointers in `headers` and `parts` point into the vectors beside them and are written anew by
// every `receive` before the kernel reads them; nothing else follows them.
unsafe impl Send for Inbox {}

/// One datagram as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// What arrived, cut at the slot size. Raw IPv4 and packet sockets: with the IP or Ethernet header.
    pub bytes: &'a [u8],
    /// It was longer than a slot.
    pub truncated: bool,
    /// Sender, where the socket is of the Internet families.
    pub source: Option<SocketAddr>,
    /// Address it was sent to (IP_PKTINFO, IPV6_RECVPKTINFO), if asked for on the socket.
    pub destination: Option<IpAddr>,
    /// Index of the interface it came in by, if packet information was asked for.
    pub interface: Option<u32>,
    /// Time to live or hop limit on arrival, if asked for.
    pub hop_limit: Option<u8>,
}

impl Inbox {
    /// Room for `slots` datagrams of up to `slot_size` bytes.
    pub fn new(slots: usize, slot_size: usize) -> Self {
        // SAFETY: all three are plain C structs for which all-zero bytes are a valid value.
        let (source, header, part) = unsafe {
            (zeroed::<libc::sockaddr_storage>(), zeroed::<libc::mmsghdr>(), zeroed::<libc::iovec>())
        };
        Self {
            slot_size,
            bytes: vec![0; slots * slot_size],
            controls: vec![[0; CONTROL_WORDS]; slots],
            sources: vec![source; slots],
            headers: vec![header; slots],
            parts: vec![part; slots],
            filled: 0,
        }
    }

    /// Takes what waits on the socket, up to the number of slots, without blocking; tells how many there were.
    /// Fewer than there are slots means that the socket is empty now.
    pub fn receive(&mut self, socket: &impl AsFd) -> io::Result<usize> {
        self.filled = 0;
        self.point_headers();
        // SAFETY: every header points to buffers of ours with their true lengths (just set), which outlive the
        // call; no timeout is passed.
        let outcome = unsafe {
            libc::recvmmsg(
                socket.as_fd().as_raw_fd(),
                self.headers.as_mut_ptr(),
                self.headers.len() as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        self.filled = usize::try_from(outcome).map_err(|_| io::Error::last_os_error())?;
        Ok(self.filled)
    }

    /// Number of slots.
    pub fn capacity(&self) -> usize {
        self.headers.len()
    }

    /// What the last receive brought, in order of arrival.
    pub fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        (0..self.filled).map(|slot| self.datagram(slot))
    }

    fn point_headers(&mut self) {
        for (slot, header) in self.headers.iter_mut().enumerate() {
            let bytes = &mut self.bytes[slot * self.slot_size..][..self.slot_size];
            self.parts[slot] =
                libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
            header.msg_len = 0;
            header.msg_hdr.msg_iov = &raw mut self.parts[slot];
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = (&raw mut self.sources[slot]).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_hdr.msg_control = self.controls[slot].as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = size_of::<[u64; CONTROL_WORDS]>();
            header.msg_hdr.msg_flags = 0;
        }
    }

    fn datagram(&self, slot: usize) -> Datagram<'_> {
        let header = &self.headers[slot];
        let length = (header.msg_len as usize).min(self.slot_size);
        let mut datagram = Datagram {
            bytes: &self.bytes[slot * self.slot_size..][..length],
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            source: socket_address(&self.sources[slot], header.msg_hdr.msg_namelen),
            destination: None,
            interface: None,
            hop_limit: None,
        };
        self.read_controls(&header.msg_hdr, &mut datagram);
        datagram
    }

    fn read_controls(&self, header: &libc::msghdr, datagram: &mut Datagram<'_>) {
        // SAFETY: msg_control and msg_controllen were set to a live, aligned buffer and shortened by the
        // kernel; the CMSG macros stay inside it, and each value is read unaligned after its length is
        // compared.
        unsafe {
            let mut control = libc::CMSG_FIRSTHDR(header);
            while let Some(head) = control.as_ref() {
                let value = libc::CMSG_DATA(head);
                let length = head.cmsg_len.saturating_sub(libc::CMSG_LEN(0) as usize);
                match (head.cmsg_level, head.cmsg_type) {
                    (libc::IPPROTO_IP, libc::IP_PKTINFO)
                        if length >= size_of::<libc::in_pktinfo>() =>
                    {
                        let info = ptr::read_unaligned(value.cast::<libc::in_pktinfo>());
                        let address = Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes());
                        datagram.destination = Some(IpAddr::V4(address));
                        datagram.interface = u32::try_from(info.ipi_ifindex).ok();
                    }
                    (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO)
                        if length >= size_of::<libc::in6_pktinfo>() =>
                    {
                        let info = ptr::read_unaligned(value.cast::<libc::in6_pktinfo>());
                        let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                        datagram.destination = Some(IpAddr::V6(address));
                        datagram.interface = Some(info.ipi6_ifindex);
                    }
                    (libc::IPPROTO_IP, libc::IP_TTL)
                    | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT)
                        if length >= size_of::<libc::c_int>() =>
                    {
                        let limit = ptr::read_unaligned(value.cast::<libc::c_int>());
                        datagram.hop_limit = u8::try_from(limit).ok();
                    }
                    _ => {}
                }
                control = libc::CMSG_NXTHDR(header, head);
            }
        }
    }
}

fn socket_address(storage: &libc::sockaddr_storage, length: libc::socklen_t) -> Option<SocketAddr> {
    let length = length as usize;
    let start = ptr::from_ref(storage);
    match libc::c_int::from(storage.ss_family) {
        libc::AF_INET if length >= size_of::<libc::sockaddr_in>() => {
            // SAFETY: the kernel wrote a sockaddr_in (family and length say so); storage is aligned for it.
            let address = unsafe { &*start.cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(ip, u16::from_be(address.sin_port)).into())
        }
        libc::AF_INET6 if length >= size_of::<libc::sockaddr_in6>() => {
            // SAFETY: as above for sockaddr_in6.
            let address = unsafe { &*start.cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            let port = u16::from_be(address.sin6_port);
            Some(SocketAddrV6::new(ip, port, 0, address.sin6_scope_id).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use nix::sys::socket::{setsockopt, sockopt};

    use super::*;

    #[test]
    fn a_turn_brings_all_that_waits_with_source_destination_and_hop_limit() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        setsockopt(&receiver, sockopt::Ipv4PacketInfo, &true).unwrap();
        setsockopt(&receiver, sockopt::Ipv4RecvTtl, &true).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.set_ttl(9).unwrap();
        for text in ["one", "two", "far too long"] {
            sender.send_to(text.as_bytes(), receiver.local_addr().unwrap()).unwrap();
        }
        let mut inbox = Inbox::new(4, 5);
        assert_eq!(inbox.receive(&receiver).unwrap(), 3);
        let seen: Vec<_> = inbox.datagrams().collect();
        let expected = |bytes, truncated| Datagram {
            bytes,
            truncated,
            source: Some(sender.local_addr().unwrap()),
            destination: Some("127.0.0.1".parse().unwrap()),
            interface: Some(1),
            hop_limit: Some(9),
        };
        assert_eq!(
            seen,
            [expected(b"one", false), expected(b"two", false), expected(b"far t", true)]
        );
        assert_eq!(inbox.receive(&receiver).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(inbox.datagrams().count(), 0);
    }

    #[test]
    fn version_six_control_messages_are_read() {
        let Ok(receiver) = UdpSocket::bind("[::1]:0") else { return };
        setsockopt(&receiver, sockopt::Ipv6RecvPacketInfo, &true).unwrap();
        setsockopt(&receiver, sockopt::Ipv6RecvHopLimit, &true).unwrap();
        let sender = UdpSocket::bind("[::1]:0").unwrap();
        sender.send_to(b"six", receiver.local_addr().unwrap()).unwrap();
        let mut inbox = Inbox::new(2, 100);
        assert_eq!(inbox.receive(&receiver).unwrap(), 1);
        let datagram = inbox.datagrams().next().unwrap();
        assert_eq!(datagram.bytes, b"six");
        assert_eq!(datagram.destination, Some("::1".parse().unwrap()));
        assert_eq!((datagram.interface, datagram.hop_limit), (Some(1), Some(64)));
    }
}
