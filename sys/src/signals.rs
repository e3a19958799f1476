//! Real-time signals, which `nix` has no names for.

use nix::sys::signal::SigSet;

/// `set` and the real-time signal that is `offset` above the lowest one (`SIGRTMIN`).
pub fn with_real_time(set: &SigSet, offset: i32) -> SigSet {
    let mut raw = *set.as_ref();
    // SAFETY: `raw` is an initialised set that outlives the call; a number that is no signal is refused and leaves the
    // set as it is.
    unsafe { libc::sigaddset(&mut raw, real_time(offset)) };
    // SAFETY: `raw` came from an initialised set through the C library's own function.
    unsafe { SigSet::from_sigset_t_unchecked(raw) }
}

/// The number of a real-time signal.
pub fn real_time(offset: i32) -> i32 {
    libc::SIGRTMIN() + offset
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::Signal;

    use super::*;

    #[test]
    fn the_set_keeps_what_it_had() {
        let set: SigSet = [Signal::SIGHUP].into_iter().collect();
        let more = with_real_time(&set, 2);
        assert!(more.contains(Signal::SIGHUP) && !more.contains(Signal::SIGTERM));
        // SAFETY: an initialised set and a valid signal number.
        let member = unsafe { libc::sigismember(more.as_ref(), real_time(2)) };
        assert_eq!(member, 1);
    }
}
