//! Real-time scheduling for one thread and memory that is not paged out.
//!
//! Both are favours the kernel may refuse; the caller turns a refusal into a warning, not into a stop.

use std::io;
use std::time::Duration;

use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Moves the calling thread to `SCHED_RR` at `priority` (1 to 99), with `SCHED_RESET_ON_FORK` so that nothing
/// it starts inherits the policy.
///
/// Needs CAP_SYS_NICE or an RLIMIT_RTPRIO of at least `priority`; a kernel with real-time group scheduling may
/// refuse besides.
pub fn run_in_real_time(priority: u8) -> io::Result<()> {
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    let parameters = libc::sched_param { sched_priority: libc::c_int::from(priority) };
    // SAFETY: pid 0 names the calling thread, and `parameters` is a live, initialised struct that the kernel
    // only reads. Neither nix nor rustix offers the call.
    let outcome = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives one thread of this process a nice value (setpriority(2), -20 to 19). Going below 0 needs CAP_SYS_NICE.
pub fn be_nice(thread: i32, nice: i8) -> io::Result<()> {
    let who = libc::id_t::try_from(thread).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: only numbers are passed, and the kernel checks them. Neither nix nor rustix offers the call.
    let outcome = unsafe { libc::setpriority(libc::PRIO_PROCESS, who, libc::c_int::from(nice)) };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Bounds the CPU time that a real-time thread may take without ever blocking (RLIMIT_RTTIME, microseconds,
/// getrlimit(2)): past it the kernel sends SIGXCPU, past a second more SIGKILL. A fuse against a loop that
/// would otherwise own the processor.
pub fn limit_real_time(longest: Duration) -> io::Result<()> {
    let soft = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
    let (_, most) = getrlimit(Resource::RLIMIT_RTTIME)?;
    let hard = soft.saturating_add(1_000_000).min(most);
    setrlimit(Resource::RLIMIT_RTTIME, soft.min(hard), hard)?;
    Ok(())
}

/// Keeps every page that this process has touched or will touch in memory (mlockall(2) with MCL_ONFAULT: only
/// what is used is locked, so a large address space costs nothing).
///
/// Needs CAP_IPC_LOCK or an RLIMIT_MEMLOCK large enough.
pub fn lock_memory_as_touched() -> io::Result<()> {
    let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_out_of_range_is_refused_by_the_kernel() {
        assert!(run_in_real_time(0).is_err());
        assert!(run_in_real_time(100).is_err());
    }

    #[test]
    fn real_time_fuse_sets_the_soft_limit() {
        limit_real_time(Duration::from_millis(200)).unwrap();
        let (soft, _) = getrlimit(Resource::RLIMIT_RTTIME).unwrap();
        assert_eq!(soft, 200_000);
    }
}
