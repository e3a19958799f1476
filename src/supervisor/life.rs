//! Starts and deaths of workers and load children.
#![expect(clippy::disallowed_methods, reason = "the edge: deaths happen at a time")]

use std::fs;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use tracing::{error, info};

use super::child::Child;
use super::watch::State;
use super::{EXIT_CANNOT_RUN, Supervisor};
use crate::message::{Configure, FRAME_MAX, Message, Role};

impl Supervisor {
    pub(super) fn start_worker(&mut self, role: Role, now: Instant) {
        let child = match Child::start(role, &self.options.runtime_dir) {
            Ok(child) => child,
            Err(cause) => {
                error!(worker = %role, "cannot start: {cause}");
                if let Some(worker) = self.workers.get_mut(&role) {
                    worker.watch.started(now);
                    worker.watch.died(now);
                }
                return;
            }
        };
        self.write_pid(role, child.pid());
        let Some(worker) = self.workers.get_mut(&role) else { return };
        worker.child = Some(child);
        worker.watch.started(now);
        let observe = self.options.observe;
        let configure = Configure { reload: false, died_at: worker.died_at, drain: None, observe };
        self.send(role, &Message::Configure(configure), self.specs.try_clone().ok());
        if role == Role::Ops {
            self.send(role, &Message::Listen, self.admin.try_clone().ok());
            self.send_web();
            for frame in std::mem::take(&mut self.before_ops) {
                self.forward(role, frame, None);
            }
        }
        self.send_log(role);
    }

    /// Into the files that `run` was told of. A director does its work without them.
    fn write_pid(&self, role: Role, pid: u32) {
        for path in self.pid_files(role) {
            if let Err(cause) = fs::write(path, format!("{pid}\n")) {
                error!(worker = %role, "its pid file {}: {cause}", path.display());
            }
        }
    }

    fn pid_files(&self, role: Role) -> impl Iterator<Item = &PathBuf> {
        let files = self.options.worker_pids.iter();
        files.filter(move |(of, _)| *of == role).map(|(_, path)| path)
    }

    pub(super) fn reap(&mut self) {
        for role in Role::WORKERS {
            if let Some(status) = self.child(role).and_then(Child::try_wait) {
                self.handle_death(role, status);
            }
        }
        if let Some(status) = self.loading.as_mut().and_then(|loading| loading.loader.try_wait()) {
            self.handle_loaded(status);
        }
        self.reap_upgrade();
    }

    pub(super) fn handle_death(&mut self, role: Role, status: ExitStatus) {
        // What it said last (why it cannot run, that it is done) still waits in the socket.
        self.handle_frames(role, &mut Box::new([0; FRAME_MAX]));
        let now = Instant::now();
        let Some(worker) = self.workers.get_mut(&role) else { return };
        let asked = matches!(worker.watch.state(), State::Stopping { .. });
        let child = worker.child.take();
        self.dropped += child.map_or(0, |child| child.dropped);
        worker.watch.died(now);
        // Left behind, a file would name whoever gets that number next.
        for path in self.pid_files(role) {
            let _ = fs::remove_file(path);
        }
        let Some(worker) = self.workers.get_mut(&role) else { return };
        if asked {
            worker.configured = false;
            worker.died_at = None;
            if self.stop == Some(role) {
                self.stop_next(role);
            }
            return;
        }
        worker.died_at = monotonic_nanos();
        if self.is_replacing(role) {
            info!(worker = %role, "replaced by the new program's");
            return;
        }
        let Some(worker) = self.workers.get_mut(&role) else { return };
        worker.restarts += 1;
        if !worker.configured && status.code() == Some(i32::from(EXIT_CANNOT_RUN)) {
            error!(worker = %role, "cannot do its work on this host; stopping");
            self.code = 1;
            self.begin_stop();
            return;
        }
        error!(worker = %role, %status, "died; restarting");
    }
}

/// `CLOCK_MONOTONIC`, the clock that a worker's state file speaks of.
fn monotonic_nanos() -> Option<u64> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).ok()?;
    u64::try_from(Duration::from(time).as_nanos()).ok()
}
