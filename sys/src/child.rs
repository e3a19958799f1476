//! What a child process does between fork and exec.

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

#[cfg(test)]
mod tests {
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::Pid;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the parent that ends is a thread")]
    fn a_child_ends_with_the_thread_that_started_it() {
        let start = || {
            let mut command = Command::new("/bin/sleep");
            command.arg("60");
            dies_with_parent(&mut command, Signal::SIGKILL);
            command.spawn().unwrap().id()
        };
        let child = std::thread::spawn(start).join().unwrap();
        let child = Pid::from_raw(i32::try_from(child).unwrap());
        let status = waitpid(child, None).unwrap();
        assert_eq!(status, WaitStatus::Signaled(child, Signal::SIGKILL, false));
    }
}
