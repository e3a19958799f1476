//! Counts tracked processes: as the kernel tells of them, where it does (`process_events`), else by what /proc lists, twice a
//! second. How a count becomes good or bad is PURE.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use super::desk::Found;
use super::priority::{Condition, Finding, TrackerKind};
use super::process_events::{Events, ProcessEvent};
use crate::config::model::{ProcessMatch, TrackProcess};

/// How often processes are counted where the kernel does not tell of them.
const PERIOD: Duration = Duration::from_millis(500);
/// How often everything is read again where it does: what it tells is a message that may be lost.
const CENSUS: Duration = Duration::from_secs(30);
/// Between two counts: a host that forks all the time is counted no more often.
const PAUSE: Duration = Duration::from_millis(20);

/// Counts for as long as `to` is read.
pub(super) async fn watch(specs: Vec<TrackProcess>, to: mpsc::Sender<Found>) {
    let events = match Events::open().await {
        Ok(events) => {
            info!("processes are counted as the kernel tells of them");
            Some(events)
        }
        Err(why) => {
            info!("processes are counted twice a second: no process events ({why})");
            None
        }
    };
    let needs_command = specs.iter().any(|it| it.matching != ProcessMatch::Name);
    let counters = specs.into_iter().map(Counter::new).collect();
    let census = Census { needs_command, processes: BTreeMap::new() };
    // Only who reads can end it.
    let _ = Watch { events, census, counters, to }.run().await;
}

/// Everything that the watch owns.
struct Watch {
    events: Option<Events>,
    census: Census,
    counters: Vec<Counter>,
    to: mpsc::Sender<Found>,
}

/// Nobody reads any more.
struct Unread;

impl Watch {
    async fn run(mut self) -> Result<(), Unread> {
        loop {
            self.census.read().await;
            self.count().await?;
            let period = if self.events.is_some() { CENSUS } else { PERIOD };
            self.follow(Instant::now() + period).await?;
        }
    }

    /// Until everything is to be read again.
    async fn follow(&mut self, until: Instant) -> Result<(), Unread> {
        while Instant::now() < until {
            // A change that is held back is due at some time, whatever else happens.
            let due = self.counters.iter().filter_map(Counter::poll_timeout).min();
            let wake = due.map_or(until, |due| due.min(until));
            let told = match &mut self.events {
                None => {
                    sleep_until(wake).await;
                    None
                }
                Some(events) => tokio::select! {
                    told = events.next() => Some(told),
                    () = sleep_until(wake) => None,
                },
            };
            match told {
                Some(Ok(told)) => {
                    told.into_iter().for_each(|event| self.census.handle(event));
                    self.count().await?;
                    sleep(PAUSE).await;
                }
                // ENOBUFS, as a rule: some were lost, and everything is read again.
                Some(Err(cause)) => {
                    if cause.raw_os_error() != Some(nix::libc::ENOBUFS) {
                        warn!("process events: {cause}; counted twice a second from now on");
                        self.events = None;
                    }
                    return Ok(());
                }
                None if wake < until => self.count().await?,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    async fn count(&mut self) -> Result<(), Unread> {
        let now = Instant::now();
        for counter in &mut self.counters {
            let found = counter.take(self.census.count(&counter.spec), now);
            if let Some(found) = found {
                self.to.send(found).await.map_err(|_| Unread)?;
            }
        }
        Ok(())
    }
}

/// Every process by its number.
#[derive(Debug)]
struct Census {
    needs_command: bool,
    processes: BTreeMap<u32, Process>,
}

impl Census {
    /// Reads them all. On a host with thousands that takes longer than this thread should be away.
    async fn read(&mut self) {
        let needs_command = self.needs_command;
        if let Ok(processes) = tokio::task::spawn_blocking(move || list(needs_command)).await {
            self.processes = processes;
        }
    }

    fn handle(&mut self, event: ProcessEvent) {
        match event {
            ProcessEvent::Listening => {}
            ProcessEvent::Forked { parent, child } => {
                // It is its parent's image until it says otherwise.
                let image = self.processes.get(&parent).cloned();
                let image = image.or_else(|| read(child, self.needs_command));
                self.processes.extend(image.map(|image| (child, image)));
            }
            ProcessEvent::Changed(process) => {
                match read(process, self.needs_command) {
                    Some(image) => self.processes.insert(process, image),
                    // It has ended meanwhile, which will be told.
                    None => self.processes.remove(&process),
                };
            }
            ProcessEvent::Ended(process) => drop(self.processes.remove(&process)),
        }
    }

    fn count(&self, spec: &TrackProcess) -> u32 {
        let count = self.processes.values().filter(|process| is_meant(spec, process)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

/// What is known of one process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Process {
    name: String,
    /// Its command line, word by word; empty where nobody needs it.
    command: Vec<String>,
}

fn list(with_command: bool) -> BTreeMap<u32, Process> {
    let Ok(folders) = fs::read_dir("/proc") else { return BTreeMap::new() };
    let numbers = folders.filter_map(|folder| folder.ok()?.file_name().to_str()?.parse().ok());
    numbers.filter_map(|number| Some((number, read(number, with_command)?))).collect()
}

/// One of them; `None` for one that has ended.
fn read(number: u32, with_command: bool) -> Option<Process> {
    let folder = Path::new("/proc").join(number.to_string());
    let name = fs::read_to_string(folder.join("comm")).ok()?;
    let command = match with_command {
        true => words(&fs::read(folder.join("cmdline")).ok()?),
        false => Vec::new(),
    };
    Some(Process { name: name.trim_end_matches('\n').to_owned(), command })
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

    /// When a change that is held back counts.
    fn poll_timeout(&self) -> Option<Instant> {
        self.turning.map(|(_, at)| at)
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
        assert_eq!(listed[&std::process::id()].command.first(), Some(&ours));
    }

    #[test]
    fn a_census_follows_what_is_told() {
        let process = |name: &str| Process { name: name.into(), command: Vec::new() };
        let processes = BTreeMap::from([(70, process("web")), (80, process("sh"))]);
        let mut census = Census { needs_command: false, processes };
        let web = spec(&["web"], ProcessMatch::Name);
        assert_eq!(census.count(&web), 1);
        census.handle(ProcessEvent::Forked { parent: 70, child: 71 });
        assert_eq!(census.count(&web), 2, "as its parent");
        census.handle(ProcessEvent::Forked { parent: 80, child: 81 });
        census.handle(ProcessEvent::Ended(70));
        census.handle(ProcessEvent::Ended(70));
        assert_eq!(census.count(&web), 1);
        // There is no process of that number.
        census.handle(ProcessEvent::Changed(u32::MAX));
        census.handle(ProcessEvent::Forked { parent: u32::MAX, child: u32::MAX - 1 });
        assert_eq!(census.processes.keys().collect::<Vec<_>>(), [&71, &80, &81]);
        census.handle(ProcessEvent::Changed(std::process::id()));
        assert!(!census.processes[&std::process::id()].name.is_empty(), "read anew");
    }

    /// Where the kernel tells of processes, a program that begins and ends is told of; elsewhere it is said why not.
    #[tokio::test]
    async fn the_kernel_tells_of_a_program_or_says_why_not() {
        let mut events = match Events::open().await {
            Ok(events) => events,
            Err(why) => return assert!(!why.to_string().is_empty()),
        };
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let number = child.id();
        let mut seen = Vec::new();
        while !seen.contains(&ProcessEvent::Ended(number)) {
            let told = tokio::time::timeout(Duration::from_secs(10), events.next()).await;
            seen.extend(told.expect("an event within ten seconds").unwrap());
        }
        child.wait().unwrap();
        assert!(seen.contains(&ProcessEvent::Changed(number)), "{seen:?}");
        println!("the kernel told of {} events", seen.len());
    }

    /// As on a host that forks faster than this process runs. Where the kernel tells of nothing there is nothing to lose.
    #[tokio::test]
    async fn lost_events_are_made_good_by_reading_everything_again() {
        let mut events = match Events::open().await {
            Ok(events) => events,
            Err(why) => return assert!(!why.to_string().is_empty()),
        };
        events.shrink();
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("evenkeel-lost");
        fs::copy("/bin/sleep", &program).unwrap();
        let run = |program: &Path| std::process::Command::new(program).arg("30").spawn().unwrap();
        // Nobody reads meanwhile.
        let noise = || (0..100).for_each(|_| drop(run(Path::new("true")).wait()));
        noise();
        let mut child = run(&program);
        noise();
        let (to, mut from) = mpsc::channel(8);
        let counters = vec![Counter::new(spec(&["evenkeel-lost"], ProcessMatch::Name))];
        let census = Census { needs_command: false, processes: BTreeMap::new() };
        let mut watch = Watch { events: Some(events), census, counters, to };
        let begun = Instant::now();
        assert!(watch.follow(begun + CENSUS).await.is_ok());
        assert!(begun.elapsed() < CENSUS / 2, "all is read well before the next regular reading");
        watch.census.read().await;
        assert!(watch.count().await.is_ok());
        let found = std::iter::from_fn(|| from.try_recv().ok()).last().expect("a count");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found.words, "1 run, wanted 1");
        assert!(watch.events.is_some(), "it goes on hearing of processes");
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
