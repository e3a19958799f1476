//! Descriptors that come from another process: left open by a parent, or received over a Unix socket.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// Numbers handed out already: a descriptor has one owner.
static TAKEN: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

/// Takes ownership of the open descriptor `number`, which the parent process passed on, and marks it
/// close-on-exec so that no script inherits it.
///
/// Each number can be taken once, and 0 to 2 never. Call this before anything else opens files: a number that
/// this process itself opened is not ours to take, and the kernel cannot tell the two apart.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    if number <= libc::STDERR_FILENO {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let mut taken = TAKEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if taken.contains(&number) {
        return Err(io::Error::from(io::ErrorKind::AlreadyExists));
    }
    // SAFETY: only borrowed for the two fcntl calls below; a closed number makes them fail with EBADF.
    let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
    fcntl(borrowed, FcntlArg::F_GETFD)?;
    fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    taken.push(number);
    // SAFETY: the number is open (F_GETFD above succeeded), is not a standard stream, and `TAKEN` makes sure
    // that it gets one owner only.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Takes ownership of a descriptor that came in a `SCM_RIGHTS` control message, as nix gives it: a bare number.
///
/// Call it once for each number of each message received, and with nothing else. The kernel has just opened
/// the number for this process, so nobody else owns it.
pub fn adopt_received_descriptor(number: RawFd) -> OwnedFd {
    assert!(number >= 0, "the kernel passes no negative descriptors");
    // SAFETY: the number was opened by the kernel on receipt and, by the contract above, has no owner yet.
    unsafe { OwnedFd::from_raw_fd(number) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsRawFd, IntoRawFd};

    use super::*;

    #[test]
    fn a_number_is_taken_once_and_only_if_open() {
        let number = std::fs::File::open("/dev/null").unwrap().into_raw_fd();
        let owned = inherited(number).unwrap();
        assert_eq!(owned.as_raw_fd(), number);
        assert_eq!(inherited(number).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(inherited(9_999).is_err());
        assert!(inherited(2).is_err());
    }
}
