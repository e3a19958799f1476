//! Counts tracked processes by what /proc lists, twice a second. How a count becomes good or bad is PURE.
//!
//! The kernel's process connector would tell sooner, but it exists in the first network namespace only and costs a
//! message for every fork of the host; a reading of /proc costs some 20 us for each process.

use std::fs;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::desk::Found;
use super::priority::{Condition, Finding, TrackerKind};
use crate::config::model::{ProcessMatch, TrackProcess};

/// How often processes are counted.
const PERIOD: Duration = Duration::from_millis(500);

/// Counts for as long as `to` is read.
pub(super) async fn watch(specs: Vec<TrackProcess>, to: mpsc::Sender<Found>) {
    let mut due = interval(PERIOD);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut counters: Vec<_> = specs.into_iter().map(Counter::new).collect();
    loop {
        let now = due.tick().await;
        // Reading /proc of a host with thousands of processes takes longer than this thread should be away.
        let needs_command = counters.iter().any(|it| it.spec.matching != ProcessMatch::Name);
        let listed = tokio::task::spawn_blocking(move || list(needs_command)).await;
        let Ok(processes) = listed else { continue };
        for counter in &mut counters {
            let count = processes.iter().filter(|it| is_meant(&counter.spec, it)).count();
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            if let Some(found) = counter.take(count, now)
                && to.send(found).await.is_err()
            {
                return;
            }
        }
    }
}

/// What is known of one process.
#[derive(Debug, Default, PartialEq, Eq)]
struct Process {
    name: String,
    /// Its command line, word by word; empty where nobody needs it.
    command: Vec<String>,
}

fn list(with_command: bool) -> Vec<Process> {
    let Ok(folders) = fs::read_dir("/proc") else { return Vec::new() };
    let read = |folder: fs::DirEntry| {
        let is_process = folder.file_name().to_str()?.bytes().all(|byte| byte.is_ascii_digit());
        let folder = folder.path();
        // Fails for one that ends meanwhile.
        let name = is_process.then(|| fs::read_to_string(folder.join("comm")).ok())??;
        let command = match with_command {
            true => words(&fs::read(folder.join("cmdline")).ok()?),
            false => Vec::new(),
        };
        Some(Process { name: name.trim_end_matches('\n').to_owned(), command })
    };
    folders.filter_map(|folder| read(folder.ok()?)).collect()
}

fn words(line: &[u8]) -> Vec<String> {
    let line = line.strip_suffix(&[0]).unwrap_or(line);
    line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// Whether a process is one of those that are counted.
fn is_meant(spec: &TrackProcess, process: &Process) -> bool {
    let (wanted, command) = (&spec.process, &process.command);
    match spec.matching {
        ProcessMatch::Name => wanted.first() == Some(&process.name),
        ProcessMatch::Command => wanted == command,
        ProcessMatch::Initial => command.starts_with(wanted),
        ProcessMatch::Partial => {
            let Some((last, before)) = wanted.split_last() else { return false };
            command.starts_with(before)
                && command.get(before.len()).is_some_and(|word| word.starts_with(last.as_str()))
        }
    }
}

/// One tracked process, counted again and again.
#[derive(Debug)]
struct Counter {
    spec: TrackProcess,
    /// What was last told, and the count with it.
    told: Option<(Condition, u32)>,
    /// The condition that will be told if it lasts until then.
    turning: Option<(Condition, Instant)>,
}

impl Counter {
    fn new(spec: TrackProcess) -> Self {
        Self { spec, told: None, turning: None }
    }

    /// Takes a count; what is to be told of it, if anything. The first counts at once, a change after its delay.
    fn take(&mut self, count: u32, now: Instant) -> Option<Found> {
        let TrackProcess { quorum, quorum_max, fork_delay, terminate_delay, .. } = self.spec;
        let enough = count >= quorum && quorum_max.is_none_or(|most| count <= most);
        let condition = Condition::from(enough);
        let Some((before, told_count)) = self.told else {
            return Some(self.tell(condition, count));
        };
        if condition == before {
            self.turning = None;
            return (count != told_count).then(|| self.tell(condition, count));
        }
        // Too many of them is the work of a fork, too few that of an end.
        let delay = if count > told_count { fork_delay } else { terminate_delay };
        let (_, at) = *self.turning.get_or_insert((condition, now + delay));
        (at <= now).then(|| self.tell(condition, count))
    }

    fn tell(&mut self, condition: Condition, count: u32) -> Found {
        self.told = Some((condition, count));
        self.turning = None;
        let TrackProcess { name, quorum, quorum_max, .. } = &self.spec;
        let most = quorum_max.map_or_else(String::new, |most| format!(" to {most}"));
        Found {
            tracker: (TrackerKind::Process, name.clone()),
            finding: Finding::Is(condition),
            words: format!("{count} run, wanted {quorum}{most}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::TrackWeight;

    fn spec(process: &[&str], matching: ProcessMatch) -> TrackProcess {
        TrackProcess {
            name: "web".into(),
            process: process.iter().map(|word| (*word).to_owned()).collect(),
            matching,
            weight: TrackWeight::default(),
            quorum: 1,
            quorum_max: None,
            fork_delay: Duration::ZERO,
            terminate_delay: Duration::ZERO,
        }
    }

    #[test]
    fn a_process_is_known_by_its_name_or_its_command_line() {
        let process =
            Process { name: "nginx".into(), command: words(b"/usr/sbin/nginx\0-c\0/etc/n.conf\0") };
        let is =
            |process_words: &[&str], matching| is_meant(&spec(process_words, matching), &process);
        assert!(is(&["nginx"], ProcessMatch::Name));
        assert!(!is(&["nginx:"], ProcessMatch::Name));
        assert!(is(&["/usr/sbin/nginx", "-c", "/etc/n.conf"], ProcessMatch::Command));
        assert!(!is(&["/usr/sbin/nginx", "-c"], ProcessMatch::Command));
        assert!(is(&["/usr/sbin/nginx", "-c"], ProcessMatch::Initial));
        assert!(!is(&["/usr/sbin/nginx", "-c", "/etc"], ProcessMatch::Initial));
        assert!(is(&["/usr/sbin/nginx", "-c", "/etc"], ProcessMatch::Partial));
        assert!(!is(&["/usr/sbin/nginx", "/etc"], ProcessMatch::Partial));
    }

    #[test]
    fn our_own_process_is_listed() {
        let listed = list(true);
        let ours = std::env::args().next().unwrap();
        assert!(listed.iter().any(|process| process.command.first() == Some(&ours)));
    }

    #[test]
    fn a_count_is_good_within_its_bounds_and_delays_hold_a_change_back() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let mut counter = Counter::new(TrackProcess {
            quorum: 2,
            quorum_max: Some(3),
            fork_delay: second,
            terminate_delay: second * 2,
            ..spec(&["web"], ProcessMatch::Name)
        });
        let mut take = |count, at: u32| {
            let found = counter.take(count, now + second * at);
            found.map(|found| (found.finding == Finding::Is(Condition::Good), found.words))
        };
        assert_eq!(take(0, 0), Some((false, "0 run, wanted 2 to 3".into())), "the first at once");
        assert_eq!(take(2, 1), None, "held back by the fork delay");
        assert_eq!(take(2, 2), Some((true, "2 run, wanted 2 to 3".into())));
        assert_eq!(take(1, 3), None);
        assert_eq!(take(2, 4), None, "it came back in time");
        assert_eq!(take(1, 5), None);
        assert_eq!(take(1, 6), None);
        assert_eq!(take(1, 7), Some((false, "1 run, wanted 2 to 3".into())));
        assert_eq!(
            take(4, 8),
            Some((false, "4 run, wanted 2 to 3".into())),
            "too many are bad too"
        );
    }
}
