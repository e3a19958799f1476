//! `auto_reload`: the files that the configuration stands in are watched, and a change is a reload once it is quiet.
//!
//! Folders are watched, not files: an editor puts another file into the place of the old one. A file that is new beside
//! one of ours and has the same ending counts too, since an include may name a pattern.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use tracing::warn;

/// So long nothing more may change before it is read: a copy in the making is not a configuration.
const QUIET: Duration = Duration::from_millis(500);

/// Watched folders, and what counts in them.
#[derive(Debug)]
pub(super) struct FileWatch {
    inotify: Inotify,
    folders: BTreeMap<WatchDescriptor, Folder>,
    due: Option<Instant>,
}

#[derive(Debug, Default)]
struct Folder {
    names: BTreeSet<OsString>,
}

impl Folder {
    fn counts(&self, name: &OsStr) -> bool {
        let ending = |name: &OsStr| Path::new(name).extension().map(OsStr::to_owned);
        self.names.contains(name)
            || ending(name).is_some_and(|wanted| {
                self.names.iter().any(|one| ending(one).as_ref() == Some(&wanted))
            })
    }
}

impl FileWatch {
    /// Watches these; `None` where there are none or nothing can be watched.
    pub(super) fn of(files: &[PathBuf]) -> Option<Self> {
        if files.is_empty() {
            return None;
        }
        match Self::over(files) {
            Ok(watch) => Some(watch),
            Err(errno) => {
                warn!("auto_reload has no effect: the files cannot be watched: {errno}");
                None
            }
        }
    }

    /// The same after a reload; what changed while the files were being read is due.
    pub(super) fn after(before: Option<Self>, files: &[PathBuf], now: Instant) -> Option<Self> {
        let mut watch = Self::of(files)?;
        if let Some(mut before) = before {
            before.handle_events(now);
            watch.due = before.due;
        }
        Some(watch)
    }

    fn over(files: &[PathBuf]) -> nix::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let changes = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_DELETE;
        let mut folders: BTreeMap<WatchDescriptor, Folder> = BTreeMap::new();
        for file in files {
            let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else { continue };
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let watch = inotify.add_watch(folder, changes)?;
            folders.entry(watch).or_default().names.insert(name.to_owned());
        }
        Ok(Self { inotify, folders, due: None })
    }

    /// For polling.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Takes what has changed.
    pub(super) fn handle_events(&mut self, now: Instant) {
        while let Ok(events) = self.inotify.read_events() {
            let counts = events.iter().any(|event| {
                let folder = self.folders.get(&event.wd);
                // More events than the queue holds: something has changed.
                event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW)
                    || folder.zip(event.name.as_deref()).is_some_and(|(at, name)| at.counts(name))
            });
            if counts {
                self.due = Some(now + QUIET);
            }
        }
    }

    /// When it is quiet, if nothing more comes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Whether a reload is due; once.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_due_once_when_it_has_been_quiet() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a.conf"), "1").unwrap();
        let mut watch = FileWatch::over(&[path("a.conf")]).unwrap();
        let now = Instant::now();
        std::fs::write(path("notes.txt"), "x").unwrap();
        watch.handle_events(now);
        assert_eq!(watch.deadline(), None, "another ending");
        std::fs::write(path("b.conf"), "2").unwrap();
        watch.handle_events(now);
        assert_eq!(watch.deadline(), Some(now + QUIET), "a file that a pattern may name");
        assert!(!watch.take_due(now));
        std::fs::rename(path("b.conf"), path("a.conf")).unwrap();
        watch.handle_events(now + QUIET / 2);
        assert!(!watch.take_due(now + QUIET), "it was not quiet yet");
        assert!(watch.take_due(now + QUIET * 2));
        assert!(!watch.take_due(now + QUIET * 3), "told once");
    }
}
