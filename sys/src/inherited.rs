//! Descriptors that outlive exec: a program that replaces itself hands its sockets to the one that follows.

use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// Standard input, output and error are not handed over by number.
const FIRST: RawFd = 3;

/// Keeps a descriptor open over the next exec; its number is what [`take`] wants to know there.
pub fn keep(descriptor: &impl AsFd) -> io::Result<RawFd> {
    use std::os::fd::AsRawFd;
    fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(descriptor.as_fd().as_raw_fd())
}

/// The exec did not happen: the descriptor closes with the next one, as before [`keep`].
pub fn keep_no_longer(descriptor: &impl AsFd) -> io::Result<()> {
    fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(())
}

/// Takes over what the program before this one kept. Each number once: what this program opened itself, or has taken
/// already, is refused.
pub fn take(number: RawFd) -> io::Result<OwnedFd> {
    if number < FIRST {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: only asks the kernel about a number, and changes a flag of what it may name.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    if flags & libc::FD_CLOEXEC != 0 {
        return Err(io::Error::from(io::ErrorKind::ResourceBusy));
    }
    // SAFETY: as above. From now on this number is refused.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the number is open, and nothing of ours owns it: whatever std, nix or this crate open closes on exec, which
    // this one did not until the line above.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use std::os::fd::IntoRawFd;

    use super::*;

    #[test]
    fn only_what_was_kept_is_taken_and_once() {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let refused = take(std::os::fd::AsRawFd::as_raw_fd(&ours)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ResourceBusy, "it is owned already");
        let number = keep(&ours).unwrap();
        keep_no_longer(&ours).unwrap();
        assert!(take(number).is_err());
        keep(&ours).unwrap();
        let number = ours.into_raw_fd();
        let taken = take(number).unwrap();
        assert!(take(number).is_err(), "it is taken");
        drop(taken);
        assert!(take(number).is_err() && take(0).is_err());
    }
}
