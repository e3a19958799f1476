//! A host of the lab: a network namespace with a name, addresses, and commands and processes that run in it.
//! It must not know what the host is for.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::keeper::Keeper;

/// A network namespace that plays a machine.
#[derive(Clone)]
pub(crate) struct Host {
    /// Short name within the test: d1, r2, c1.
    pub(crate) name: String,
    /// Name of the namespace on this machine.
    pub(crate) namespace: String,
    /// First address on eth0.
    pub(crate) address: Ipv4Addr,
    /// First IPv6 address on eth0.
    pub(crate) address6: Ipv6Addr,
    pub(crate) keeper: Arc<Keeper>,
}

impl Host {
    /// Runs a command line to its end; its standard output, or on failure everything that it said.
    pub(crate) fn try_run(&self, line: &str) -> Result<String, String> {
        let words = shell_words::split(line).unwrap();
        let out = self.command(&words).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        if out.status.success() {
            return Ok(text);
        }
        let errors = String::from_utf8_lossy(&out.stderr);
        Err(format!("{}: `{line}`: {}\n{text}{errors}", self.name, out.status))
    }

    /// Runs a command line that must succeed.
    pub(crate) fn run(&self, line: &str) -> String {
        self.try_run(line).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Feeds lines to `ip -batch`: many changes, one process.
    pub(crate) fn ip(&self, lines: &str) {
        self.ip_soon().run(lines);
    }

    /// The same with the program started already: what it is told then, it does at once.
    pub(crate) fn ip_soon(&self) -> IpSoon {
        let words = ["ip", "-batch", "-"].map(str::to_owned);
        let child = self
            .command(&words)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        IpSoon { name: self.name.clone(), child }
    }

    /// Sets kernel parameters, `name=value` each.
    pub(crate) fn sysctl(&self, settings: &[&str]) {
        self.run(&format!("sysctl -qw {}", settings.join(" ")));
    }

    /// Starts a process whose output goes to a log file.
    pub(crate) fn spawn(&self, words: &[String], log: &Path) -> Process {
        let open = || File::options().append(true).open(log).unwrap();
        let child = self
            .command(words)
            .stdin(Stdio::null())
            .stdout(open())
            .stderr(open())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {words:?}: {e}", self.name));
        Process::new(child, &self.keeper)
    }

    /// Starts a process that we talk with through its standard input and output; errors go to a log file.
    pub(crate) fn spawn_piped(
        &self,
        words: &[String],
        log: &Path,
    ) -> (Process, ChildStdin, ChildStdout) {
        let mut child = self
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::options().append(true).open(log).unwrap())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {words:?}: {e}", self.name));
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        (Process::new(child, &self.keeper), input, output)
    }

    /// `ip netns exec` replaces itself by the program, so the child's id is the program's.
    fn command(&self, words: &[String]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).args(words);
        command
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// `ip -batch` that runs already and waits for its lines; without any it ends when this goes.
pub(crate) struct IpSoon {
    name: String,
    child: Child,
}

impl IpSoon {
    /// Makes these changes, which must succeed.
    pub(crate) fn run(mut self, lines: &str) {
        self.child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let out = self.child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{}: ip refused: {errors}\n{lines}", self.name);
    }
}

/// A process of a test; the keeper ends it at the latest.
pub(crate) struct Process {
    /// Its id on this machine.
    pub(crate) pid: i32,
    child: Arc<Mutex<Child>>,
}

impl Process {
    fn new(child: Child, keeper: &Keeper) -> Self {
        Self { pid: child.id().cast_signed(), child: keeper.keep_child(child) }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if self.is_running() {
            kill(Pid::from_raw(self.pid), signal).unwrap();
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.child.lock().unwrap().try_wait().unwrap().is_none()
    }

    /// Waits until it has ended; false when it still runs after `limit`.
    pub(crate) fn ends_within(&self, limit: Duration) -> bool {
        holds_within(limit, Duration::from_millis(10), || !self.is_running())
    }
}

/// Asks again every `pause` until the answer is yes or `limit` has passed.
pub(crate) fn holds_within(
    limit: Duration,
    pause: Duration,
    mut question: impl FnMut() -> bool,
) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if question() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(pause);
    }
}

/// Waits for what must come; panics with its name. A question costs tens of milliseconds of the one CPU, so it
/// is asked every 100 ms; what needs finer times asks the capture.
#[track_caller]
pub(crate) fn wait_for(limit: Duration, what: &str, question: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    let came = holds_within(limit, Duration::from_millis(100), question);
    assert!(came, "waited {limit:?} in vain for: {what}");
    start.elapsed()
}
