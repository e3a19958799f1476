//! Many datagrams per send call (sendmmsg(2)), each with its own destination and its own answer.

use std::io;
use std::mem::zeroed;
use std::os::fd::{AsFd, AsRawFd};

use socket2::SockAddr;

/// Datagrams to be sent, up to a number that is fixed when it is made.
pub struct Outbox {
    slots: usize,
    datagrams: Vec<(Vec<u8>, SockAddr)>,
    headers: Vec<libc::mmsghdr>,
    parts: Vec<libc::iovec>,
}

// SAFETY: the raw pointers in `headers` and `parts` are written anew by every `send` before the kernel reads them and
// point to what is beside them; nothing else follows them.
unsafe impl Send for Outbox {}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (slots, waiting) = (self.slots, self.datagrams.len());
        f.debug_struct("Outbox").field("slots", &slots).field("waiting", &waiting).finish()
    }
}

impl Outbox {
    /// Room for `slots` datagrams.
    pub fn new(slots: usize) -> Self {
        let (datagrams, headers, parts) =
            (Vec::with_capacity(slots), Vec::with_capacity(slots), Vec::with_capacity(slots));
        Self { slots, datagrams, headers, parts }
    }

    /// Takes a datagram; false if there is no room.
    pub fn push(&mut self, bytes: &[u8], to: SockAddr) -> bool {
        let has_room = self.datagrams.len() < self.slots;
        if has_room {
            self.datagrams.push((bytes.to_vec(), to));
        }
        has_room
    }

    /// Sends everything without waiting, in order, and tells what came of each by its number; one that is refused does
    /// not keep the next ones. It is empty after that.
    pub fn send(&mut self, socket: &impl AsFd, mut each: impl FnMut(usize, io::Result<()>)) {
        self.point_headers();
        let mut done = 0;
        while done < self.headers.len() {
            let rest = &mut self.headers[done..];
            // SAFETY: every header points to buffers and addresses of ours with their true lengths (just set), which
            // outlive the call, and `rest` has as many of them as is said.
            let outcome = unsafe {
                let (first, count) = (rest.as_mut_ptr(), rest.len() as libc::c_uint);
                libc::sendmmsg(socket.as_fd().as_raw_fd(), first, count, libc::MSG_DONTWAIT)
            };
            // An error is about the first of them; those before it have been counted.
            match usize::try_from(outcome) {
                Ok(count) if count > 0 => {
                    (done..done + count).for_each(|number| each(number, Ok(())));
                    done += count;
                }
                Ok(_) | Err(_) => {
                    each(done, Err(io::Error::last_os_error()));
                    done += 1;
                }
            }
        }
        self.datagrams.clear();
        self.headers.clear();
        self.parts.clear();
    }

    fn point_headers(&mut self) {
        let part = |(bytes, _): &(Vec<u8>, SockAddr)| libc::iovec {
            iov_base: bytes.as_ptr().cast_mut().cast(),
            iov_len: bytes.len(),
        };
        self.parts.clear();
        self.parts.extend(self.datagrams.iter().map(part));
        self.headers.clear();
        for ((_, to), part) in self.datagrams.iter().zip(&mut self.parts) {
            // SAFETY: a plain C struct for which all-zero bytes are a valid value.
            let mut header: libc::mmsghdr = unsafe { zeroed() };
            header.msg_hdr.msg_name = to.as_ptr().cast_mut().cast();
            header.msg_hdr.msg_namelen = to.len();
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            self.headers.push(header);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_refused_datagram_does_not_keep_the_next_ones() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = receiver.local_addr().unwrap();
        let mut outbox = Outbox::new(3);
        assert!(outbox.push(b"one", to.into()));
        assert!(outbox.push(&[0; 70_000], to.into()), "longer than a datagram may be");
        assert!(outbox.push(b"three", to.into()));
        assert!(!outbox.push(b"four", to.into()), "no room");
        let mut answers = Vec::new();
        outbox.send(&sender, |number, answer| answers.push((number, answer.is_ok())));
        assert_eq!(answers, [(0, true), (1, false), (2, true)]);
        let mut buffer = [0; 16];
        for expected in [&b"one"[..], b"three"] {
            let (length, from) = receiver.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], from), (expected, sender.local_addr().unwrap()));
        }
        outbox.send(&sender, |_, _| panic!("it is empty"));
    }
}
