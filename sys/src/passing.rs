//! Packets over a Unix socket that may carry one descriptor along (SCM_RIGHTS).

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

/// What one receive call brought.
#[derive(Debug)]
pub struct Received {
    /// Length of the packet; 0 on a connected socket whose other side is gone.
    pub length: usize,
    /// The descriptor that came along, close-on-exec.
    pub descriptor: Option<OwnedFd>,
}

/// Sends one packet without waiting: `WouldBlock` when the receiver's queue is full, never SIGPIPE.
pub fn send(socket: impl AsFd, packet: &[u8], descriptor: Option<&OwnedFd>) -> io::Result<()> {
    let passed: Vec<RawFd> = descriptor.iter().map(|fd| fd.as_raw_fd()).collect();
    let rights = [ControlMessage::ScmRights(&passed)];
    let control = if passed.is_empty() { &rights[..0] } else { &rights[..] };
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    sendmsg::<()>(socket.as_fd().as_raw_fd(), &[IoSlice::new(packet)], control, flags, None)?;
    Ok(())
}

/// Receives one packet into `buffer` without waiting. A packet longer than the buffer is cut.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = nix::cmsg_space!([RawFd; 1]);
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let mut parts = [IoSliceMut::new(buffer)];
    let received =
        recvmsg::<()>(socket.as_fd().as_raw_fd(), &mut parts, Some(&mut control), flags)?;
    let mut descriptor = None;
    for message in received.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = message {
            for number in numbers {
                // SAFETY: the kernel has just installed this number in this process for this call alone, so
                // nothing else owns it. Should there be several, all but the last are closed by being dropped.
                descriptor = Some(unsafe { OwnedFd::from_raw_fd(number) });
            }
        }
    }
    Ok(Received { length: received.bytes, descriptor })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    use super::*;

    #[test]
    fn a_descriptor_arrives_with_its_packet_and_a_closed_end_reads_as_nothing() {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (a, b) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).unwrap();
        let (mut reader, mut writer) = io::pipe().unwrap();
        send(&a, b"with", Some(&OwnedFd::from(reader.try_clone().unwrap()))).unwrap();
        send(&a, b"without", None).unwrap();
        let mut buffer = [0; 16];
        let first = receive(&b, &mut buffer).unwrap();
        assert_eq!(&buffer[..first.length], b"with");
        let second = receive(&b, &mut buffer).unwrap();
        assert_eq!(
            (&buffer[..second.length], second.descriptor.is_none()),
            (&b"without"[..], true)
        );
        writer.write_all(b"x").unwrap();
        let mut byte = [0];
        std::fs::File::from(first.descriptor.unwrap()).read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
        assert_eq!(receive(&b, &mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(a);
        assert_eq!(receive(&b, &mut buffer).unwrap().length, 0);
        let _ = reader.read(&mut byte[..0]);
    }
}
