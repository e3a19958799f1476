//! `notify_fifo` and its kin: named pipes into which each worker writes a line for every change, as keepalived does it,
//! to the byte (keepalived/core/notify.c).
//!
//! A pipe that is full, because nobody reads, costs lines and nothing else. The script of a pipe is started once, before
//! the pipe is opened, with its path behind its arguments, and ended with the worker.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::libc;
use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Pid, Uid, chown, mkfifo};
use serde::{Deserialize, Serialize};
use tokio::process::Child;
use tracing::{debug, warn};

use crate::config::model::{self, Script, ScriptUser};
use crate::notify;

/// A pipe as a worker writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FifoSpec {
    /// Where it is.
    pub path: std::path::PathBuf,
    /// Whose it is made.
    pub owner: Option<ScriptUser>,
    /// What reads it; `None` where another worker starts that.
    pub script: Option<Script>,
}

/// The pipes of one worker.
#[derive(Debug, Default)]
pub struct Fifos {
    open: Vec<Fifo>,
}

#[derive(Debug)]
struct Fifo {
    spec: FifoSpec,
    file: File,
    reader: Option<Child>,
    dropped: u64,
}

impl FifoSpec {
    /// The pipes that a worker with a pipe of its own writes. `is_first`: it starts the script of the common one.
    pub fn of(common: &model::Fifo, own: &model::Fifo, is_first: bool) -> Vec<Self> {
        let one = |fifo: &model::Fifo, runs: bool| {
            let model::Fifo { path, owner, script } = fifo.clone();
            path.map(|path| Self { path, owner, script: script.filter(|_| runs) })
        };
        one(common, is_first).into_iter().chain(one(own, true)).collect()
    }
}

impl Fifos {
    /// Opens what is wanted and not open yet, and closes the rest. Inside a tokio runtime.
    pub fn adjust(&mut self, wanted: &[FifoSpec]) {
        self.open.retain(|fifo| wanted.contains(&fifo.spec));
        for spec in wanted {
            if self.open.iter().any(|fifo| fifo.spec == *spec) {
                continue;
            }
            match Fifo::open(spec.clone()) {
                Ok(fifo) => self.open.push(fifo),
                Err(cause) => warn!("notify FIFO {}: {cause}; not written", spec.path.display()),
            }
        }
    }

    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Writes a line, which ends as its readers expect it.
    pub fn write(&mut self, line: &str) {
        for fifo in &mut self.open {
            fifo.write(line);
        }
    }
}

impl Fifo {
    fn open(spec: FifoSpec) -> io::Result<Self> {
        let path = spec.path.as_path();
        create(path, spec.owner.as_ref())?;
        let reader = spec.script.as_ref().and_then(|script| start(script, path));
        // Read and write: there is always a reader, so that a write never fails for want of one.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(path)?;
        let found = file.metadata()?;
        let owner = spec.owner.as_ref().map(|owner| owner.uid);
        if !found.file_type().is_fifo() {
            return Err(io::Error::other("no named pipe"));
        }
        if found.uid() != Uid::effective().as_raw() && Some(found.uid()) != owner {
            return Err(io::Error::other(format!("belongs to user {}", found.uid())));
        }
        Ok(Self { spec, file, reader, dropped: 0 })
    }

    fn write(&mut self, line: &str) {
        if let Err(cause) = self.file.write_all(line.as_bytes()) {
            self.dropped += 1;
            debug!(dropped = self.dropped, "{}: {cause}", self.spec.path.display());
        }
    }
}

impl Drop for Fifo {
    /// Its script ends with it. What still runs after that is the operator's business.
    fn drop(&mut self) {
        let pid = self.reader.as_ref().and_then(Child::id).and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid {
            // Fails when it has ended already.
            let _ = killpg(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }
}

/// Makes the pipe unless something is there.
fn create(path: &Path, owner: Option<&ScriptUser>) -> io::Result<()> {
    let mode = Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IRGRP | Mode::S_IROTH;
    match mkfifo(path, mode) {
        Ok(()) => {}
        Err(nix::errno::Errno::EEXIST) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    }
    if let Some(ScriptUser { uid, gid, .. }) = owner {
        chown(path, Some(Uid::from_raw(*uid)), Some(Gid::from_raw(*gid)))?;
    }
    Ok(())
}

fn start(script: &Script, path: &Path) -> Option<Child> {
    let mut process = notify::process(script, &[path.display().to_string()])?;
    sys::child::dies_with_parent(process.as_std_mut(), Signal::SIGTERM);
    match process.spawn() {
        Ok(child) => Some(child),
        Err(cause) => {
            warn!(script = notify::name(script), "cannot run the FIFO's script: {cause}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::config::model::Command;

    fn spec(path: &Path, script: Option<String>) -> FifoSpec {
        let script = script.map(|line| Script { command: Command::Shell(line), user: None });
        FifoSpec { path: path.to_owned(), owner: None, script }
    }

    #[tokio::test]
    async fn a_line_goes_to_whoever_reads_and_a_full_pipe_costs_lines_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        let mut fifos = Fifos::default();
        fifos.adjust(&[spec(&path, None)]);
        assert!(!fifos.is_empty());
        fifos.write("INSTANCE \"VI_1\" MASTER 150\n");
        let reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path);
        let mut reader = reader.unwrap();
        let mut text = [0; 64];
        let count = reader.read(&mut text).unwrap();
        assert_eq!(&text[..count], b"INSTANCE \"VI_1\" MASTER 150\n");
        for _ in 0..10_000 {
            fifos.write("INSTANCE \"VI_1\" MASTER 150\n");
        }
        assert!(fifos.open[0].dropped > 0);
    }

    #[tokio::test]
    async fn the_script_gets_the_path_and_what_is_no_pipe_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (path, out) = (dir.path().join("fifo"), dir.path().join("out"));
        let mut fifos = Fifos::default();
        let line = format!("sh -c 'head -n 1 < \"$1\" > {}' x", out.display());
        fifos.adjust(&[spec(&path, Some(line))]);
        fifos.write("a line\n");
        for _ in 0..100 {
            if std::fs::read_to_string(&out).is_ok_and(|text| text == "a line\n") {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(std::fs::read_to_string(&out).unwrap(), "a line\n");
        let plain = dir.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        fifos.adjust(&[spec(&plain, None)]);
        assert!(fifos.is_empty(), "the other is closed, this one refused");
    }
}
