//! Signals, read from a descriptor in the loop like everything else.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use tracing::{info, warn};

use super::Supervisor;
use crate::message::{Dump, Message, Role};

/// keepalived's signal for the JSON dump, above SIGRTMIN (36 with glibc).
pub(super) const JSON_SIGNAL: i32 = 2;

impl Supervisor {
    pub(super) fn handle_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            let number = i32::try_from(signal.ssi_signo).unwrap_or(0);
            if number == sys::signals::real_time(JSON_SIGNAL) {
                self.dump(Dump::Json);
                continue;
            }
            match Signal::try_from(number) {
                Ok(Signal::SIGUSR1) => self.dump(Dump::Data),
                Ok(Signal::SIGUSR2) => self.dump(Dump::Stats),
                Ok(Signal::SIGCHLD) => self.reap(),
                Ok(Signal::SIGHUP) => self.reload(None, None),
                Ok(Signal::SIGTERM | Signal::SIGINT) => self.begin_stop(),
                _ => {}
            }
        }
    }

    /// The ops worker knows everything and may write nowhere: it gets the open file.
    fn dump(&mut self, dump: Dump) {
        let path = self.dump_path(dump, ".new");
        match File::create(&path) {
            Ok(file) => self.send(Role::Ops, &Message::Dump(dump), Some(OwnedFd::from(file))),
            Err(cause) => warn!(path = %path.display(), "cannot be written: {cause}"),
        }
    }

    /// It is written: whoever reads the file finds it whole.
    pub(super) fn handle_dumped(&self, dump: Dump) -> Result<String, String> {
        let path = self.dump_path(dump, "");
        fs::rename(self.dump_path(dump, ".new"), &path).map_err(|cause| cause.to_string())?;
        info!(path = %path.display(), "written");
        Ok(path.display().to_string())
    }

    fn dump_path(&self, dump: Dump, ending: &str) -> PathBuf {
        self.options.runtime_dir.join(format!("{}{ending}", dump.file()))
    }
}

pub(super) fn watch() -> io::Result<SignalFd> {
    let watched = [
        Signal::SIGCHLD,
        Signal::SIGHUP,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
    ];
    let mask = sys::signals::with_real_time(&watched.into_iter().collect::<SigSet>(), JSON_SIGNAL);
    mask.thread_block()?;
    Ok(SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}
