//! One worker process: its start, its end of the link, what waits to be sent to it.
#![expect(clippy::disallowed_methods, reason = "the edge: a load child has a deadline")]

use std::collections::VecDeque;
use std::io::{self, PipeReader};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child as Process, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use sys::passing;

use super::{load_limits, upgrade};
use crate::link;
use crate::message::{FRAME_MAX, Role};

/// Frames that wait for one worker. Deeper than any burst of ours (an answer for twenty thousand real servers has
/// some 150 parts); when full, further frames are dropped and counted: a worker that reads nothing for that long
/// is about to be killed by its watch.
const QUEUE: usize = 1024;
/// How often a start looks whether a load child has ended that lets go of its standard input.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// A process of ours.
#[derive(Debug)]
enum Running {
    Started(Process),
    /// By the program that this one replaced; a child of this process all the same.
    Inherited(Pid),
}

/// A running worker.
#[derive(Debug)]
pub(super) struct Child {
    process: Running,
    link: OwnedFd,
    waiting: VecDeque<(Vec<u8>, Option<OwnedFd>)>,
    /// Frames that did not fit its queue.
    pub(super) dropped: u64,
}

impl Child {
    /// Starts `evenkeel worker ROLE` from this very binary.
    pub(super) fn start(role: Role, runtime_dir: &Path) -> io::Result<Self> {
        let (ours, theirs) = link::pair()?;
        let process = Command::new("/proc/self/exe")
            .arg0("evenkeel")
            .args(["worker", role.name(), "--runtime-dir"])
            .arg(runtime_dir)
            .env_remove(upgrade::VARIABLE)
            // A signal from the terminal is for the supervisor alone.
            .process_group(0)
            .stdin(Stdio::from(theirs))
            .spawn()?;
        let process = Running::Started(process);
        Ok(Self { process, link: ours, waiting: VecDeque::new(), dropped: 0 })
    }

    /// A worker that the program before this one started.
    pub(super) fn inherit(pid: u32, link: OwnedFd) -> Self {
        let process = Running::Inherited(Pid::from_raw(pid.cast_signed()));
        Self { process, link, waiting: VecDeque::new(), dropped: 0 }
    }

    /// The program before this one started it.
    pub(super) fn is_inherited(&self) -> bool {
        matches!(self.process, Running::Inherited(_))
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        match &self.process {
            Running::Started(process) => process.id(),
            Running::Inherited(pid) => pid.as_raw().cast_unsigned(),
        }
    }

    /// How it ended, if it did.
    pub(super) fn try_wait(&mut self) -> Option<ExitStatus> {
        match &mut self.process {
            Running::Started(process) => process.try_wait().ok().flatten(),
            Running::Inherited(pid) => match waitpid(*pid, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, code)) => Some(ExitStatus::from_raw(code << 8)),
                Ok(WaitStatus::Signaled(_, signal, _)) => Some(ExitStatus::from_raw(signal as i32)),
                // No child of ours any more: gone, however.
                Err(Errno::ECHILD) => Some(ExitStatus::from_raw(0)),
                Ok(_) | Err(_) => None,
            },
        }
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self) {
        // Fails only when it has ended already.
        match &mut self.process {
            Running::Started(process) => drop(process.kill()),
            Running::Inherited(pid) => drop(nix::sys::signal::kill(*pid, Signal::SIGKILL)),
        }
    }

    /// Its end of the link, for polling.
    pub(super) fn link(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }

    /// Frames wait until it reads.
    pub(super) fn is_clogged(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Sends a frame, in order with those that wait.
    pub(super) fn send(&mut self, frame: Vec<u8>, descriptor: Option<OwnedFd>) {
        if self.waiting.len() >= QUEUE {
            self.dropped += 1;
            return;
        }
        self.waiting.push_back((frame, descriptor));
        self.flush();
    }

    /// Sends what waits, as far as it goes. An error means that the worker is gone: its exit will say so.
    pub(super) fn flush(&mut self) {
        while let Some((frame, descriptor)) = self.waiting.front() {
            match passing::send(&self.link, frame, descriptor.as_ref()) {
                Ok(()) => drop(self.waiting.pop_front()),
                Err(full) if full.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return self.waiting.clear(),
            }
        }
    }

    /// The next frame it sent; `None` when there is none now.
    pub(super) fn receive(&self, buffer: &mut [u8; FRAME_MAX]) -> Option<usize> {
        let received = passing::receive(&self.link, buffer).ok()?;
        (received.length > 0).then_some(received.length)
    }
}

/// A load child that reads and checks the configuration.
#[derive(Debug)]
pub(super) struct Loader {
    process: Process,
    /// Hangs up when the child ends, which holds the other end.
    end: PipeReader,
    specs: OwnedFd,
    report: OwnedFd,
}

impl Loader {
    /// Starts `evenkeel load FILE`: specs to its standard output, diagnostics to its standard error, both memory
    /// files of ours.
    pub(super) fn start(config: &Path, config_id: Option<&str>) -> io::Result<Self> {
        Self::of(Path::new("/proc/self/exe"), config, config_id)
    }

    /// Likewise, by another program.
    pub(super) fn of(program: &Path, config: &Path, config_id: Option<&str>) -> io::Result<Self> {
        let specs = crate::spec_file::create()?;
        let report = crate::spec_file::create()?;
        // It reads nothing from its standard input, and what is to be written to cannot be read.
        let (end, held) = io::pipe()?;
        let process = Command::new(program)
            .arg0("evenkeel")
            .arg("load")
            .env_remove(upgrade::VARIABLE)
            .env(load_limits::ALLOCATOR.0, load_limits::ALLOCATOR.1)
            .args(config_id.iter().flat_map(|id| ["-i", id]))
            .arg(config)
            .stdin(Stdio::from(held))
            .stdout(Stdio::from(specs.try_clone()?))
            .stderr(Stdio::from(report.try_clone()?))
            .spawn()?;
        Ok(Self { process, end, specs, report })
    }

    /// How it ended, if it did.
    pub(super) fn try_wait(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    /// Waits for the end, at start, when there is nothing else to do. True when it had to be killed for taking longer
    /// than `within`.
    pub(super) fn wait(&mut self, within: Duration) -> io::Result<(ExitStatus, bool)> {
        let deadline = Instant::now() + within;
        let millis = u32::try_from(within.as_millis()).unwrap_or(u32::MAX);
        let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
        // Interrupted or not: what follows looks for itself.
        let _ = poll(&mut [PollFd::new(self.end.as_fd(), PollFlags::POLLIN)], timeout);
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Ok((status, false));
            }
            if Instant::now() >= deadline {
                self.kill();
                return Ok((self.process.wait()?, true));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self) {
        let _ = self.process.kill();
    }

    /// Specs and report.
    pub(super) fn finish(self) -> (OwnedFd, OwnedFd) {
        (self.specs, self.report)
    }
}
