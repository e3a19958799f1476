//! A director daemon on a host: evenkeel, or Debian's keepalived in the same role, from a configuration text.
//!
//! Both kinds start, stop, reload and die by the same calls, so that one scenario runs under both.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::host::{Host, Process, holds_within};

/// Whose binary runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Evenkeel,
    Keepalived,
    /// evenkeel that writes nothing, beside another director.
    Observer,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Evenkeel => "evenkeel",
            Self::Keepalived => "keepalived",
            Self::Observer => "observer",
        }
    }
}

/// The binary under test: EVENKEEL_BIN, else the one that cargo built with this test.
pub(crate) fn evenkeel() -> String {
    std::env::var("EVENKEEL_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_evenkeel").to_owned())
}

/// The peer: EVENKEEL_PEER, else Debian's.
fn keepalived() -> String {
    std::env::var("EVENKEEL_PEER").unwrap_or_else(|_| "keepalived".to_owned())
}

/// How long a daemon may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// A running daemon.
pub(crate) struct Daemon {
    pub(crate) kind: Kind,
    pub(crate) host: Host,
    pub(crate) config: PathBuf,
    pub(crate) runtime: PathBuf,
    pub(crate) log: PathBuf,
    process: Process,
}

impl Daemon {
    /// Starts a daemon with this keepalived.conf.
    pub(crate) fn start(kind: Kind, host: &Host, config: &str) -> Self {
        Self::start_file(kind, host, config, "conf")
    }

    /// Starts evenkeel with a configuration in KDL.
    pub(crate) fn start_kdl(host: &Host, config: &str) -> Self {
        Self::start_file(Kind::Evenkeel, host, config, "kdl")
    }

    /// Starts evenkeel on a host that has nothing in this folder.
    pub(crate) fn start_without(host: &Host, config: &str, folder: &str) -> Self {
        let empty = host.keeper.folder().join("empty");
        fs::create_dir_all(&empty).unwrap();
        // What is run in a host has mounts of its own (ip-netns(8)).
        let hide = format!("mount --bind {} {folder} && exec \"$@\"", empty.display());
        let wrapper = ["sh", "-c", hide.as_str(), "sh"];
        Self::start_wrapped(Kind::Evenkeel, host, config, "conf", &wrapper)
    }

    fn start_file(kind: Kind, host: &Host, text: &str, ending: &str) -> Self {
        Self::start_wrapped(kind, host, text, ending, &[])
    }

    fn start_wrapped(kind: Kind, host: &Host, text: &str, ending: &str, wrapper: &[&str]) -> Self {
        let folder = host.keeper.folder().join(format!("{}-{}", kind.name(), host.name));
        fs::create_dir_all(&folder).unwrap();
        let config = folder.join(format!("director.{ending}"));
        fs::write(&config, text).unwrap();
        let log = host.keeper.log(&format!("{} on {host}", kind.name()));
        let runtime = folder.join("run");
        fs::create_dir_all(&runtime).unwrap();
        let mut words: Vec<String> = wrapper.iter().map(|word| (*word).to_owned()).collect();
        words.extend(command(kind, &config, &runtime));
        let process = host.spawn(&words, &log);
        Self { kind, host: host.clone(), config, runtime, log, process }
    }

    /// Starts it again as it was, after it has ended.
    pub(crate) fn start_again(&mut self) {
        assert!(!self.process.is_running(), "{} still runs", self.kind.name());
        self.process = self.host.spawn(&command(self.kind, &self.config, &self.runtime), &self.log);
    }

    /// Process ids of the parent and its children.
    pub(crate) fn pids(&self) -> Vec<i32> {
        let children = self.children().into_iter().map(|(pid, _)| pid);
        [self.process.pid].into_iter().chain(children).collect()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// Planned stop (SIGTERM), waited for.
    pub(crate) fn stop(&self) {
        self.process.signal(Signal::SIGTERM);
        assert!(
            self.process.ends_within(STOP_LIMIT),
            "{} on {} does not stop",
            self.kind.name(),
            self.host
        );
    }

    /// Another configuration, then SIGHUP.
    pub(crate) fn reload(&self, config: &str) {
        fs::write(&self.config, config).unwrap();
        self.hang_up();
    }

    /// SIGHUP.
    pub(crate) fn hang_up(&self) {
        self.process.signal(Signal::SIGHUP);
    }

    /// One of evenkeel's own commands against this director: `status --json`, `reload`, `stop`.
    pub(crate) fn command(&self, words: &str) -> Result<String, String> {
        let runtime = self.runtime.display();
        self.host.try_run(&format!("{} {words} --runtime-dir {runtime}", evenkeel()))
    }

    /// `kill -9` of the parent alone.
    pub(crate) fn kill(&self) {
        self.process.signal(Signal::SIGKILL);
        assert!(self.process.ends_within(Duration::from_secs(2)));
    }

    /// `kill -9` of the parent and all its children at once: as near to a pulled power cord as a process comes.
    pub(crate) fn kill_all(&self) {
        // Children that see their parent gone would say farewell; a parent that sees one gone starts another.
        self.process.signal(Signal::SIGSTOP);
        for (pid, _) in self.children() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        self.process.signal(Signal::SIGKILL);
        assert!(self.process.ends_within(Duration::from_secs(2)));
    }

    /// Its children: process id and command line.
    pub(crate) fn children(&self) -> Vec<(i32, String)> {
        let pid = self.process.pid;
        let listed =
            fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let with_line = |pid: i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
            Some((pid, words.collect::<Vec<_>>().join(" ").trim_end().to_owned()))
        };
        listed.split_whitespace().filter_map(|pid| with_line(pid.parse().ok()?)).collect()
    }

    /// Process id of evenkeel's worker of this role: vrrp, lvs, ops.
    pub(crate) fn worker(&self, role: &str) -> Option<i32> {
        let ending = format!(" worker {role}");
        self.children()
            .into_iter()
            .find(|(_, line)| format!("{line} ").contains(&format!("{ending} ")))
            .map(|c| c.0)
    }

    /// All that it has logged.
    pub(crate) fn logged(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits for a word in the log.
    pub(crate) fn logs_within(&self, limit: Duration, words: &str) -> bool {
        holds_within(limit, Duration::from_millis(50), || self.logged().contains(words))
    }
}

fn command(kind: Kind, config: &std::path::Path, runtime: &std::path::Path) -> Vec<String> {
    let (config, runtime) = (config.display(), runtime.display());
    let line = match kind {
        Kind::Evenkeel => format!("{} run -c {config} --runtime-dir {runtime}", evenkeel()),
        Kind::Observer => {
            format!("{} run --observe -c {config} --runtime-dir {runtime}", evenkeel())
        }
        Kind::Keepalived => format!(
            "{} -n -l -D -f {config} -p {runtime}/k.pid -r {runtime}/v.pid -c {runtime}/c.pid -b {runtime}/b.pid",
            keepalived()
        ),
    };
    shell_words::split(&line).unwrap()
}
