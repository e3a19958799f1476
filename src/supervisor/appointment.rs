//! `reload_time_file`: a file whose first line says when to reload. Several directors that have the same line change
//! their configuration at the same moment.
//!
//! The formats are keepalived's, to the character: `HH:MM:SS`, `YY-MM-DD HH:MM:SS`, `YYYY-MM-DD HH:MM:SS`, each with a
//! `Z` behind it for UTC; without one it is this host's time.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tracing::{info, warn};

use crate::config::model::Daemon;

/// The longest sleep until a wall-clock time: what sets the clock shall not make it late by more.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// The most of the file that is read: a line of 20 characters is wanted.
const MOST: usize = 256;

/// The file, watched, and what it says.
#[derive(Debug)]
pub(super) struct TimeFile {
    path: PathBuf,
    repeat: bool,
    inotify: Option<Inotify>,
    due: Option<Timestamp>,
}

impl TimeFile {
    /// What `daemon` names; `before` goes on where it is the same.
    pub(super) fn of(daemon: &Daemon, before: Option<Self>, now: Timestamp) -> Option<Self> {
        let path = daemon.reload_time_file.clone()?;
        let repeat = daemon.reload_repeat;
        if let Some(before) = before.filter(|before| before.path == path && before.repeat == repeat)
        {
            return Some(before);
        }
        let inotify = watch(&path)
            .map_err(|errno| {
                warn!("reload_time_file {}: cannot be watched: {errno}", path.display())
            })
            .ok();
        let mut file = Self { path, repeat, inotify, due: None };
        file.read(now);
        Some(file)
    }

    /// For polling.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// Takes what has changed: a new time counts, a file that is gone calls it off.
    pub(super) fn handle_events(&mut self, now: Timestamp) {
        let name = self.path.file_name().map(std::ffi::OsStr::to_owned);
        let mut changed = false;
        while let Some(Ok(events)) = self.inotify.as_ref().map(Inotify::read_events) {
            changed |= events.iter().any(|event| event.name.is_none() || event.name == name);
        }
        if changed {
            self.read(now);
        }
    }

    /// When to look at the clock again.
    pub(super) fn deadline(&self, now: Instant, clock: Timestamp) -> Option<Instant> {
        let left = self.due?.duration_since(clock);
        Some(now + Duration::try_from(left).unwrap_or_default().min(LOOK_AGAIN))
    }

    /// Whether it is time; once. The file goes, unless it is to count every day.
    pub(super) fn take_due(&mut self, clock: Timestamp) -> bool {
        if self.due.take_if(|due| *due <= clock).is_none() {
            return false;
        }
        if self.repeat {
            self.read(clock);
        } else if let Err(cause) = std::fs::remove_file(&self.path) {
            warn!("reload_time_file {}: cannot be removed: {cause}", self.path.display());
        }
        true
    }

    fn read(&mut self, now: Timestamp) {
        let before = self.due.take();
        let path = self.path.display();
        let text = match std::fs::File::open(&self.path) {
            Ok(file) => first_line(file),
            Err(_) => {
                if before.is_some() {
                    info!("the reload at an appointed time is called off: {path} is gone");
                }
                return;
            }
        };
        match parse(&text, &TimeZone::system(), now) {
            Ok(Some(due)) => {
                self.due = Some(due);
                if before != self.due {
                    info!("a reload is appointed for {due} by {path}");
                }
            }
            Ok(None) => info!("{path}: {text} is over: no reload"),
            Err(wrong) => warn!("{path}: {wrong}: no reload"),
        }
    }
}

fn watch(path: &Path) -> nix::Result<Inotify> {
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
    let changes = AddWatchFlags::IN_CLOSE_WRITE
        | AddWatchFlags::IN_MOVED_TO
        | AddWatchFlags::IN_MOVED_FROM
        | AddWatchFlags::IN_DELETE;
    inotify.add_watch(path.parent().unwrap_or(Path::new("/")), changes)?;
    Ok(inotify)
}

fn first_line(file: std::fs::File) -> String {
    use std::io::Read;
    let mut bytes = Vec::new();
    // Nothing that can be read is no time either.
    let _ = file.take(MOST as u64).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned()
}

/// Why a line is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the first line is none of HH:MM:SS, YY-MM-DD HH:MM:SS, YYYY-MM-DD HH:MM:SS, with or without Z"
)]
struct NoTime;

/// The next moment that a line means; `None` where it is over.
fn parse(line: &str, here: &TimeZone, now: Timestamp) -> Result<Option<Timestamp>, NoTime> {
    let (text, zone) = match line.strip_suffix('Z') {
        Some(text) => (text, TimeZone::UTC),
        None => (line, here.clone()),
    };
    let (date, time) = match text.split_once(' ') {
        Some((date, time)) => (Some(date_of(date)?), time),
        None => (None, text),
    };
    let time = time_of(time)?;
    let at = |date: Date| {
        let zoned = date.to_datetime(time).to_zoned(zone.clone());
        zoned.map(|zoned| zoned.timestamp()).map_err(|_| NoTime)
    };
    if let Some(date) = date {
        return Ok(Some(at(date)?).filter(|at| *at > now));
    }
    let today = now.to_zoned(zone.clone()).date();
    let first = at(today)?;
    if first > now {
        return Ok(Some(first));
    }
    at(today.checked_add(1.day()).map_err(|_| NoTime)?).map(Some)
}

fn time_of(text: &str) -> Result<Time, NoTime> {
    let [hour, minute, second] = numbers(text, ':', [2, 2, 2])?;
    let small = |number: i16| i8::try_from(number).map_err(|_| NoTime);
    Time::new(small(hour)?, small(minute)?, small(second)?, 0).map_err(|_| NoTime)
}

fn date_of(text: &str) -> Result<Date, NoTime> {
    let [year, month, day] = match numbers(text, '-', [4, 2, 2]) {
        Ok(full) => full,
        Err(_) => {
            let [year, month, day] = numbers(text, '-', [2, 2, 2])?;
            [2000 + year, month, day]
        }
    };
    let small = |number: i16| i8::try_from(number).map_err(|_| NoTime);
    Date::new(year, small(month)?, small(day)?).map_err(|_| NoTime)
}

/// Three numbers of so many digits each.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Result<[i16; 3], NoTime> {
    let mut parts = text.split(between);
    let mut found = [0; 3];
    for (number, digits) in found.iter_mut().zip(digits) {
        let part = parts.next().ok_or(NoTime)?;
        if part.len() != digits || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NoTime);
        }
        *number = part.parse().map_err(|_| NoTime)?;
    }
    if parts.next().is_some() { Err(NoTime) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_line_means_the_next_such_moment() {
        let now = at("2026-03-01T12:00:00Z");
        let east = TimeZone::fixed(jiff::tz::offset(2));
        for (line, wanted) in [
            ("12:00:01Z", Some("2026-03-01T12:00:01Z")),
            ("12:00:00Z", Some("2026-03-02T12:00:00Z")),
            ("14:00:01", Some("2026-03-01T12:00:01Z")),
            ("13:59:59", Some("2026-03-02T11:59:59Z")),
            ("26-03-01 12:30:00Z", Some("2026-03-01T12:30:00Z")),
            ("2026-12-31 23:59:59", Some("2026-12-31T21:59:59Z")),
            ("2026-03-01 12:00:00Z", None),
            ("1999-01-01 00:00:00", None),
        ] {
            assert_eq!(parse(line, &east, now), Ok(wanted.map(at)), "{line}");
        }
        for line in [
            "",
            "12:00",
            "12:00:00 ",
            " 12:00:00",
            "24:00:00",
            "1:00:00",
            "2026-02-30 01:00:00",
            "x",
            "12:00:00:00",
        ] {
            assert_eq!(parse(line, &east, now), Err(NoTime), "{line}");
        }
    }

    #[test]
    fn the_file_goes_when_it_is_time_unless_it_repeats() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("when");
        let now = at("2026-03-01T12:00:00Z");
        for repeat in [false, true] {
            let daemon = Daemon {
                reload_time_file: Some(path.clone()),
                reload_repeat: repeat,
                ..Daemon::default()
            };
            let mut file = TimeFile::of(&daemon, None, now).unwrap();
            assert_eq!(file.due, None, "there is no file yet");
            std::fs::write(&path, "13:00:00Z\nand what else stands here\n").unwrap();
            file.handle_events(now);
            assert_eq!(file.due, Some(at("2026-03-01T13:00:00Z")));
            assert!(!file.take_due(at("2026-03-01T12:59:59Z")));
            assert!(file.take_due(at("2026-03-01T13:00:00Z")));
            assert_eq!(path.exists(), repeat);
            assert_eq!(file.due, repeat.then(|| at("2026-03-02T13:00:00Z")));
            file.handle_events(now);
            let _ = std::fs::remove_file(&path);
            file.handle_events(now);
            assert_eq!(file.due, None, "gone is called off");
        }
    }
}
