//! What a child process does between fork and exec.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::prctl;
use nix::sys::signal::Signal;

/// Lets the kernel send `signal` to the child when the thread that started it ends (PR_SET_PDEATHSIG), as
/// keepalived does for its scripts and children. The kernel clears the setting when a set-user-id program is
/// executed.
pub fn dies_with_parent(command: &mut Command, signal: Signal) {
    // SAFETY: the closure runs in the forked child of a possibly threaded process: it makes one prctl call,
    // which is async-signal-safe, and allocates nothing.
    unsafe {
        command.pre_exec(move || Ok(prctl::set_pdeathsig(signal)?));
    }
}

/// Leaves `fd` open in the child under the number returned, which the parent can put on its command line.
///
/// The descriptor stays close-on-exec in this process, so a child started at the same time by another thread
/// does not get it. The command owns the descriptor until it is dropped.
pub fn keeps_open(command: &mut Command, fd: OwnedFd) -> RawFd {
    let number = fd.as_raw_fd();
    // SAFETY: the closure makes one fcntl call, which is async-signal-safe, and allocates nothing. `fd` is
    // moved into it, so the number stays open and ours for as long as the command can be started.
    unsafe {
        command.pre_exec(move || {
            let outcome = libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0);
            if outcome < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
        });
    }
    number
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};

    use super::*;

    #[test]
    fn a_child_reads_from_the_descriptor_that_was_kept_open() {
        let mut file = std::fs::File::open("/dev/null").unwrap();
        let _ = file.read(&mut [0]);
        let path = std::env::temp_dir().join(format!("evenkeel-sys-{}", std::process::id()));
        let mut file = std::fs::File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        std::fs::remove_file(&path).unwrap();
        file.write_all(b"spec").unwrap();
        file.rewind().unwrap();
        let mut command = Command::new("/bin/sh");
        let number = keeps_open(&mut command, OwnedFd::from(file));
        dies_with_parent(&mut command, Signal::SIGTERM);
        let output = command.args(["-c", &format!("cat <&{number}")]).output().unwrap();
        assert_eq!(output.stdout, b"spec");
    }
}
