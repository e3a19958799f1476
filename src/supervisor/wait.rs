//! What the supervisor waits for: frames, signals, deadlines.
#![expect(clippy::disallowed_methods, reason = "the edge: it computes how long to sleep")]

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing::warn;

use super::Supervisor;
use super::appointment::TimeFile;
use super::child::Child;
use super::file_watch::FileWatch;
use super::watch::{OWN_DELAY_MAX, State};
use crate::message::Role;

/// What there is to do.
#[derive(Debug, Default)]
pub(super) struct Woken {
    pub(super) readable: Vec<Role>,
    pub(super) writable: Vec<Role>,
    pub(super) signalled: bool,
    pub(super) files: bool,
    pub(super) appointment: bool,
}

impl Supervisor {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let watches = self.workers.iter().filter_map(|(role, worker)| {
            let deadline = worker.watch.deadline()?;
            match (role, worker.watch.state(), self.others_not_before) {
                (Role::Vrrp | Role::Ops, State::Waiting { .. }, Some(not_before)) => {
                    Some(deadline.max(not_before))
                }
                _ => Some(deadline),
            }
        });
        let loading = self.loading.as_ref().map(|loading| loading.deadline);
        let applying = self.applying.as_ref().map(|applying| applying.deadline);
        let told = self.service_manager.deadline();
        let files = self.files.as_ref().and_then(FileWatch::deadline);
        let (now, clock) = (Instant::now(), jiff::Timestamp::now());
        let appointed = self.appointment.as_ref().and_then(|file| file.deadline(now, clock));
        let upgrade = self.upgrade_deadline();
        let own = files.into_iter().chain(appointed).chain(loading).chain(applying).chain(upgrade);
        watches.chain(own).chain(told).min()
    }

    pub(super) fn wait(&self, until: Option<Instant>) -> io::Result<Woken> {
        let mut roles = Vec::with_capacity(4);
        let mut watched: Vec<PollFd<'_>> = Vec::with_capacity(4);
        let link = |child: &Child| -> PollFlags {
            if child.is_clogged() {
                PollFlags::POLLIN | PollFlags::POLLOUT
            } else {
                PollFlags::POLLIN
            }
        };
        for (role, worker) in &self.workers {
            if let Some(child) = &worker.child {
                roles.push(*role);
                watched.push(PollFd::new(child.link(), link(child)));
            }
        }
        watched.push(PollFd::new(self.signals.as_fd(), PollFlags::POLLIN));
        let signals = watched.len() - 1;
        if let Some(files) = &self.files {
            watched.push(PollFd::new(files.descriptor(), PollFlags::POLLIN));
        }
        let appointment = watched.len();
        if let Some(told) = self.appointment.as_ref().and_then(TimeFile::descriptor) {
            watched.push(PollFd::new(told, PollFlags::POLLIN));
        }
        let timeout = match until {
            None => PollTimeout::NONE,
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                // Rounded up: waking a moment early would only spin.
                let millis = left.as_micros().div_ceil(1000).min(u128::from(u16::MAX));
                PollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX))
            }
        };
        match poll(&mut watched, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let events = |fd: &PollFd<'_>| fd.revents().unwrap_or(PollFlags::empty());
        let mut woken = Woken::default();
        for (role, fd) in roles.iter().zip(&watched) {
            if events(fd).intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR) {
                woken.readable.push(*role);
            }
            if events(fd).contains(PollFlags::POLLOUT) {
                woken.writable.push(*role);
            }
        }
        woken.signalled = watched.get(signals).is_some_and(|fd| !events(fd).is_empty());
        let seen = |at: usize| watched.get(at).is_some_and(|fd| !events(fd).is_empty());
        woken.files = self.files.is_some() && seen(signals + 1);
        woken.appointment = seen(appointment);
        Ok(woken)
    }

    pub(super) fn note_lateness(&mut self, until: Option<Instant>, now: Instant) {
        let late = until.map_or(Duration::ZERO, |until| now.saturating_duration_since(until));
        if late > OWN_DELAY_MAX {
            warn!(
                late_ms = late.as_millis(),
                "the supervisor itself did not run; heartbeats start afresh"
            );
            self.workers.values_mut().for_each(|worker| worker.watch.parent_was_late(now));
        }
    }
}
