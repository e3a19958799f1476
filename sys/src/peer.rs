//! Who is at the other end of a Unix socket.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Supplementary groups asked for first; more than that takes a second call.
const USUAL: usize = 64;

/// The supplementary groups of the process that connected, as they were then (`SO_PEERGROUPS`).
pub fn groups(socket: impl AsFd) -> io::Result<Vec<libc::gid_t>> {
    let fd = socket.as_fd();
    let mut room = USUAL;
    loop {
        let mut groups: Vec<libc::gid_t> = vec![0; room];
        let mut bytes = libc::socklen_t::try_from(room * size_of::<libc::gid_t>())
            .map_err(|_| io::ErrorKind::InvalidData)?;
        // SAFETY: the kernel writes at most `bytes` bytes to `groups`, which has exactly that many, and then the
        // length to `bytes`; both outlive the call, and any bit pattern is a gid.
        let result = unsafe {
            libc::getsockopt(
                fd.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &mut bytes,
            )
        };
        let count = usize::try_from(bytes).unwrap_or(0) / size_of::<libc::gid_t>();
        if result == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        let cause = io::Error::last_os_error();
        // Too small: the kernel has said how much it takes.
        if cause.raw_os_error() != Some(libc::ERANGE) || count <= room {
            return Err(cause);
        }
        room = count;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_peer_of_this_process_has_the_groups_of_this_process() {
        let (here, _there) = UnixStream::pair().unwrap();
        let mut wanted: Vec<u32> =
            nix::unistd::getgroups().unwrap().into_iter().map(|gid| gid.as_raw()).collect();
        let mut got = groups(&here).unwrap();
        wanted.sort_unstable();
        got.sort_unstable();
        assert_eq!(got, wanted);
    }

    #[test]
    fn what_is_no_socket_has_no_peer() {
        let (reader, _writer) = io::pipe().unwrap();
        assert_eq!(groups(&reader).unwrap_err().raw_os_error(), Some(libc::ENOTSOCK));
    }
}
