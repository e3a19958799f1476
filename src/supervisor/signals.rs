//! Signals, read from a descriptor in the loop like everything else.

use std::io;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::Supervisor;

impl Supervisor {
    pub(super) fn handle_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            match Signal::try_from(i32::try_from(signal.ssi_signo).unwrap_or(0)) {
                Ok(Signal::SIGCHLD) => self.reap(),
                Ok(Signal::SIGHUP) => self.reload(None, None),
                Ok(Signal::SIGTERM | Signal::SIGINT) => self.begin_stop(),
                _ => {}
            }
        }
    }
}

pub(super) fn watch() -> io::Result<SignalFd> {
    let watched = [Signal::SIGCHLD, Signal::SIGHUP, Signal::SIGTERM, Signal::SIGINT];
    let mask: SigSet = watched.into_iter().collect();
    mask.thread_block()?;
    Ok(SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}
