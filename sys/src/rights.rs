//! Capabilities of the calling thread (capabilities(7)): giving up what is not needed.

use std::io;

/// CAP_CHOWN.
pub const CHOWN: u32 = 0;
/// CAP_DAC_OVERRIDE.
pub const DAC_OVERRIDE: u32 = 1;
/// CAP_DAC_READ_SEARCH.
pub const DAC_READ_SEARCH: u32 = 2;
/// CAP_KILL.
pub const KILL: u32 = 5;
/// CAP_SETGID.
pub const SETGID: u32 = 6;
/// CAP_SETUID.
pub const SETUID: u32 = 7;
/// CAP_NET_BIND_SERVICE.
pub const NET_BIND_SERVICE: u32 = 10;
/// CAP_NET_ADMIN.
pub const NET_ADMIN: u32 = 12;
/// CAP_NET_RAW.
pub const NET_RAW: u32 = 13;
/// CAP_IPC_LOCK.
pub const IPC_LOCK: u32 = 14;
/// CAP_SYS_NICE.
pub const SYS_NICE: u32 = 23;
/// CAP_SYS_RESOURCE.
pub const SYS_RESOURCE: u32 = 24;

/// `_LINUX_CAPABILITY_VERSION_3`: two words of 32 bits a set (linux/capability.h).
const VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Keeps of its capabilities these alone, for good: effective and permitted, and none to be inherited. A program that
/// it starts as root has root's again, as far as the bounding set allows. Threads that are started later have no more.
pub fn keep(wanted: &[u32]) -> io::Result<()> {
    let mut sets = [Sets::default(); 2];
    // pid 0 names the calling thread.
    let mut header = Header { version: VERSION, pid: 0 };
    // SAFETY: both point to live structs of the layout that this version of the call has; the kernel writes two sets.
    // Neither nix nor rustix offers the call.
    let outcome = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    for (word, set) in (0..).zip(&mut sets) {
        let bits = wanted.iter().filter(|bit| **bit / 32 == word);
        let mask = bits.fold(0, |mask, bit| mask | 1_u32 << (bit % 32));
        let kept = set.permitted & mask;
        *set = Sets { effective: kept, permitted: kept, inheritable: 0 };
    }
    header = Header { version: VERSION, pid: 0 };
    // SAFETY: as above; the kernel only reads.
    let outcome = unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "what a thread gives up is gone: it is not the test's own"
    )]
    fn what_is_not_kept_is_gone_from_this_thread_alone() {
        let seen = || {
            let text = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            ["CapInh:", "CapPrm:", "CapEff:"].map(|word| {
                let line = text.lines().find_map(|line| line.strip_prefix(word)).unwrap();
                u64::from_str_radix(line.trim(), 16).unwrap()
            })
        };
        let before = seen();
        let after = std::thread::spawn(move || {
            keep(&[NET_RAW, SYS_NICE, 40]).unwrap();
            seen()
        });
        let after = after.join().unwrap();
        let mask = 1 << NET_RAW | 1 << SYS_NICE | 1 << 40;
        assert_eq!(after, [0, before[1] & mask, before[1] & mask]);
        assert_eq!(seen(), before);
    }
}
