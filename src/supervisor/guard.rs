//! One director per runtime directory and per network namespace, with the rights that it needs: said before
//! anything is touched.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::RawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use sys::inherited;
use thiserror::Error;

/// Name of the abstract socket that marks a network namespace as taken: such names belong to the namespace,
/// exactly as the IPVS table does.
const NAMESPACE_MARK: &[u8] = b"evenkeel-director";

/// What must be there to change routes, tables and raw sockets, as bits of CapEff (capabilities(7)).
const CAPABILITIES: [(u32, &str); 2] = [(12, "CAP_NET_ADMIN"), (13, "CAP_NET_RAW")];

/// Why the director cannot run here.
#[derive(Debug, Error)]
pub enum GuardError {
    /// The runtime directory cannot be used.
    #[error(
        "cannot use the runtime directory {path}: {cause}; create it, or name another with --runtime-dir"
    )]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Its lock is taken.
    #[error(
        "another evenkeel (pid {pid}) runs with the runtime directory {path}: stop it with \
         `evenkeel stop --runtime-dir {path}`, or give this one its own with --runtime-dir"
    )]
    DirectoryTaken {
        /// Which.
        path: PathBuf,
        /// By whom, as its pid file says.
        pid: String,
    },
    /// The network namespace has a director.
    #[error(
        "another evenkeel already runs in this network namespace; two would fight over the IPVS table and the \
         addresses: stop it first, or start this one in a namespace of its own (ip netns exec NAME ...)"
    )]
    NamespaceTaken,
    /// keepalived is here.
    #[error(
        "keepalived (pid {0}) runs in this network namespace; two would fight over the IPVS table and the \
         addresses: stop it first (systemctl stop keepalived)"
    )]
    Keepalived(u32),
    /// Rights are missing.
    #[error(
        "{0} is missing: run as root, or give it with AmbientCapabilities= in the systemd unit"
    )]
    Capability(&'static str),
}

/// Held for as long as the director runs.
#[derive(Debug)]
pub struct Guard {
    pid_file: Flock<File>,
    pid_path: PathBuf,
    _namespace: Option<UnixListener>,
}

impl Guard {
    /// Takes the runtime directory and the network namespace, and writes the pid file. One that only observes leaves the
    /// namespace to whoever owns table and addresses.
    pub fn take(runtime_dir: &Path, observe: bool) -> Result<Self, GuardError> {
        // First, for without rights the runtime directory is not writable either, and creating it would not help.
        rights()?;
        let pid_file = lock(runtime_dir)?;
        let namespace = if observe { None } else { Some(mark_namespace()?) };
        if let Some(pid) = keepalived_here().filter(|_| !observe) {
            return Err(GuardError::Keepalived(pid));
        }
        let pid_path = runtime_dir.join("evenkeel.pid");
        let mut guard = Self { pid_file, pid_path, _namespace: namespace };
        guard
            .write_pid()
            .map_err(|cause| GuardError::Directory { path: runtime_dir.into(), cause })?;
        Ok(guard)
    }

    /// Keeps what is taken over an exec: the lock's descriptor, and the mark's.
    pub(super) fn keep(&self) -> io::Result<(RawFd, Option<RawFd>)> {
        let namespace = self._namespace.as_ref().map(inherited::keep).transpose()?;
        Ok((inherited::keep(&*self.pid_file)?, namespace))
    }

    /// The exec did not happen.
    pub(super) fn keep_for_ourselves(&self) {
        // A descriptor more in a child of ours does no harm.
        let _ = inherited::keep_no_longer(&*self.pid_file);
        let _ = self._namespace.as_ref().map(inherited::keep_no_longer);
    }

    /// What the program before this one kept, in the same process. Locks belong to what the descriptors stand for.
    pub(super) fn inherit(
        runtime_dir: &Path,
        (lock, namespace): (RawFd, Option<RawFd>),
    ) -> io::Result<Self> {
        let file = File::from(inherited::take(lock)?);
        let pid_file =
            Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno)?;
        let namespace = namespace.map(inherited::take).transpose()?;
        let pid_path = runtime_dir.join("evenkeel.pid");
        Ok(Self { pid_file, pid_path, _namespace: namespace.map(UnixListener::from) })
    }

    fn write_pid(&mut self) -> io::Result<()> {
        self.pid_file.set_len(0)?;
        self.pid_file.rewind()?;
        writeln!(self.pid_file, "{}", std::process::id())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // A pid file left behind does no harm: the lock is what counts.
        let _ = fs::remove_file(&self.pid_path);
    }
}

fn lock(runtime_dir: &Path) -> Result<Flock<File>, GuardError> {
    let unusable = |cause| GuardError::Directory { path: runtime_dir.into(), cause };
    fs::create_dir_all(runtime_dir).map_err(unusable)?;
    let path = runtime_dir.join("evenkeel.pid");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(path)
        .map_err(unusable)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(mut file, _)| {
        let mut pid = String::new();
        let known = file.read_to_string(&mut pid).is_ok() && !pid.trim().is_empty();
        let pid = if known { pid.trim().to_owned() } else { "unknown".to_owned() };
        GuardError::DirectoryTaken { path: runtime_dir.into(), pid }
    })
}

fn rights() -> Result<(), GuardError> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    // Without /proc nothing is known; what is missing then shows at the first call that needs it.
    let Some(effective) = effective else { return Ok(()) };
    match CAPABILITIES.iter().find(|(bit, _)| effective & (1 << bit) == 0) {
        Some((_, name)) => Err(GuardError::Capability(name)),
        None => Ok(()),
    }
}

fn mark_namespace() -> Result<UnixListener, GuardError> {
    let taken = |_: io::Error| GuardError::NamespaceTaken;
    let name = SocketAddr::from_abstract_name(NAMESPACE_MARK).map_err(taken)?;
    UnixListener::bind_addr(&name).map_err(taken)
}

/// The pid of a keepalived in this process's network namespace.
fn keepalived_here() -> Option<u32> {
    let ours = fs::read_link("/proc/self/ns/net").ok()?;
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        if name.trim_end() != "keepalived" {
            return None;
        }
        let namespace = fs::read_link(entry.path().join("ns/net")).ok()?;
        (namespace == ours).then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_directory_is_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut held = lock(dir.path()).unwrap();
        writeln!(held, "4711").unwrap();
        let refused = lock(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("pid 4711"), "{refused}");
        drop(held);
        assert!(lock(dir.path()).is_ok());
    }

    #[test]
    fn a_runtime_directory_that_cannot_be_made_is_named() {
        let refused = lock(Path::new("/proc/nowhere")).unwrap_err().to_string();
        assert!(refused.contains("/proc/nowhere"), "{refused}");
        assert!(refused.contains("--runtime-dir"), "{refused}");
    }
}
