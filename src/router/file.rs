//! Watches tracked files: a number in each, read anew when the kernel says that something in its folder changed, and
//! from time to time in any case. Aborting the task ends it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::warn;

use super::desk::Found;
use super::priority::{Finding, TrackerKind};
use crate::config::model::TrackFile;

/// How often files are read without being told: their folder may not have existed, or be on a network file system.
const REREAD: Duration = Duration::from_secs(5);

/// Writes what is to be written at the start, then watches for as long as `to` is read.
pub(super) async fn watch(files: Vec<TrackFile>, to: mpsc::Sender<Found>) {
    files.iter().for_each(initialise);
    let changes = Changes::open().inspect_err(|cause| {
        warn!("no inotify ({cause}): tracked files are read every {} s", REREAD.as_secs());
    });
    loop {
        if let Ok(changes) = &changes {
            files.iter().for_each(|file| changes.look_at(&file.path));
        }
        let next = Instant::now() + REREAD;
        for file in &files {
            if to.send(found(file)).await.is_err() {
                return;
            }
        }
        match &changes {
            // An error is a reason to read the files, and no reason to spin.
            Ok(changes) => match timeout_at(next, changes.wait()).await {
                Ok(Ok(())) | Err(_) => {}
                Ok(Err(_)) => sleep_until(next).await,
            },
            Err(_) => sleep_until(next).await,
        }
    }
}

/// `init_file`.
fn initialise(file: &TrackFile) {
    let Some(init) = file.init else { return };
    if file.path.exists() && !init.overwrite {
        return;
    }
    if let Err(cause) = fs::write(&file.path, format!("{}\n", init.value)) {
        warn!(track_file = file.name, "cannot write {}: {cause}", file.path.display());
    }
}

fn found(file: &TrackFile) -> Found {
    let (content, words) = match read(&file.path) {
        Ok(content) => (content, format!("{} holds {content}", file.path.display())),
        Err(cause) => (0, format!("{}: {cause}; counts as 0", file.path.display())),
    };
    let tracker = (TrackerKind::File, file.name.clone());
    Found { tracker, finding: Finding::Holds(content), words }
}

/// The number that the file begins with. A file that does not begin with one is 0, as in keepalived.
fn read(path: &Path) -> io::Result<i64> {
    use std::io::Read;
    let mut text = [0; 128];
    let count = fs::File::open(path)?.read(&mut text)?;
    let text = String::from_utf8_lossy(&text[..count]);
    let text = text.trim_start();
    let digits = text
        .char_indices()
        .take_while(|(at, c)| c.is_ascii_digit() || *at == 0 && matches!(c, '-' | '+'));
    let end = digits.count();
    Ok(text[..end].parse().unwrap_or(0))
}

/// Tells when something changed in the folders of files.
struct Changes(AsyncFd<Descriptor>);

/// tokio asks for [`AsRawFd`].
struct Descriptor(Inotify);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Changes {
    #[expect(
        deprecated,
        reason = "sound here: `Descriptor` owns its descriptor as long as it lives"
    )]
    fn open() -> io::Result<Self> {
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        Ok(Self(AsyncFd::new(Descriptor(Inotify::init(flags)?))?))
    }

    /// From now on tells of the file's folder, if that exists. Once more changes nothing.
    fn look_at(&self, path: &Path) {
        let what = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM;
        if let Some(folder) = path.parent() {
            // Missing: found at the next reading.
            let _ = self.0.get_ref().0.add_watch(folder, what);
        }
    }

    /// Returns after a change.
    async fn wait(&self) -> io::Result<()> {
        let mut guard = self.0.readable().await?;
        let read = guard.try_io(|descriptor| Ok(descriptor.get_ref().0.read_events()?.len()));
        match read {
            Ok(Err(cause)) => Err(cause),
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{InitFile, TrackWeight};

    fn file(path: &Path, init: Option<InitFile>) -> TrackFile {
        let weight = TrackWeight { weight: 1, reverse: false };
        TrackFile { name: "load".into(), path: path.to_owned(), weight, init }
    }

    #[test]
    fn a_file_begins_with_its_number_or_counts_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let number = |text: &str| {
            fs::write(&path, text).unwrap();
            read(&path).unwrap()
        };
        assert_eq!(number("12\n"), 12);
        assert_eq!(number("  -30 percent"), -30);
        assert_eq!(number("+7"), 7);
        assert_eq!(number("1-2"), 1);
        for nothing in ["", "-", "up", "99999999999999999999", "\u{fffd}\0"] {
            assert_eq!(number(nothing), 0, "{nothing:?}");
        }
        assert!(read(Path::new("/nowhere")).is_err());
    }

    #[test]
    fn init_file_writes_what_is_missing_and_what_it_may_overwrite() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let init = |value, overwrite| initialise(&file(&path, Some(InitFile { value, overwrite })));
        init(5, false);
        assert_eq!(fs::read_to_string(&path).unwrap(), "5\n");
        init(6, false);
        assert_eq!(fs::read_to_string(&path).unwrap(), "5\n");
        init(7, true);
        assert_eq!(fs::read_to_string(&path).unwrap(), "7\n");
    }

    #[tokio::test]
    async fn a_change_is_told_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let (to, mut found) = mpsc::channel(4);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(watch(vec![file(&path, None)], to));
        let first = found.recv().await.unwrap();
        assert_eq!(first.finding, Finding::Holds(0));
        assert!(first.words.contains("counts as 0"), "{}", first.words);
        let began = Instant::now();
        fs::write(&path, "-20").unwrap();
        assert_eq!(found.recv().await.unwrap().finding, Finding::Holds(-20));
        assert!(began.elapsed() < REREAD / 2);
        tasks.shutdown().await;
    }
}
