//! What a test has started and must end, whatever happens to it: processes, network namespaces, logs.
//!
//! Everything here belongs to one test. Processes are ended by their own id: those started through the keeper, and
//! those that the kernel lists inside namespaces that the test has made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Lines of each log that a failing test prints.
const LOG_TAIL: usize = 80;

/// One test's belongings.
pub(crate) struct Keeper {
    test: String,
    number: u32,
    folder: tempfile::TempDir,
    children: Mutex<Vec<Arc<Mutex<Child>>>>,
    namespaces: Mutex<Vec<String>>,
    logs: Mutex<Vec<(String, PathBuf)>>,
}

impl Keeper {
    pub(crate) fn new(test: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Self {
            test: test.to_owned(),
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            folder: tempfile::Builder::new().prefix("evenkeel-test.").tempdir().unwrap(),
            children: Mutex::default(),
            namespaces: Mutex::default(),
            logs: Mutex::default(),
        }
    }

    /// A name that no other test of this or another run on this machine uses; namespaces are the machine's.
    pub(crate) fn unique(&self, name: &str) -> String {
        format!("ek{}-{}-{name}", std::process::id(), self.number)
    }

    /// A folder of the test's own; gone afterwards.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn keep_child(&self, child: Child) -> Arc<Mutex<Child>> {
        let child = Arc::new(Mutex::new(child));
        self.children.lock().unwrap().push(Arc::clone(&child));
        child
    }

    pub(crate) fn keep_namespace(&self, name: &str) {
        self.namespaces.lock().unwrap().push(name.to_owned());
    }

    /// A new log file; the end of it is printed when the test fails.
    pub(crate) fn log(&self, title: &str) -> PathBuf {
        let mut logs = self.logs.lock().unwrap();
        let path = self.folder().join(format!("{}.log", logs.len()));
        fs::write(&path, "").unwrap();
        logs.push((title.to_owned(), path.clone()));
        path
    }

    /// A measured value, printed as it is found; figures are read by people, tests assert wide bounds.
    pub(crate) fn figure(&self, text: &str) {
        println!("    {}: {text}", self.test);
    }

    /// The ends of all logs, for the report of a failure.
    pub(crate) fn logs(&self) -> String {
        let mut text = String::new();
        for (title, path) in self.logs.lock().unwrap().iter() {
            let bytes = fs::read(path).unwrap_or_default();
            let all = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = all.lines().collect();
            let tail = &lines[lines.len().saturating_sub(LOG_TAIL)..];
            text.push_str(&format!("--- log of {title} ({} lines)\n", lines.len()));
            text.extend(tail.iter().map(|line| format!("  {line}\n")));
        }
        text
    }

    /// Ends every process and takes every namespace away. May be called while the test's thread still hangs.
    pub(crate) fn end(&self) {
        let namespaces = std::mem::take(&mut *self.namespaces.lock().unwrap());
        for name in &namespaces {
            kill_all_in(name);
        }
        for child in std::mem::take(&mut *self.children.lock().unwrap()) {
            let mut child = child.lock().unwrap();
            let _ = child.kill();
            let _ = child.wait();
        }
        for name in &namespaces {
            kill_all_in(name); // what a dying parent started meanwhile
            quietly(&["ip", "netns", "del", name]);
        }
    }
}

fn kill_all_in(namespace: &str) {
    let listed = Command::new("ip").args(["netns", "pids", namespace]).output();
    let Ok(listed) = listed else { return };
    for pid in String::from_utf8_lossy(&listed.stdout).split_whitespace() {
        if let Ok(pid) = pid.parse() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

fn quietly(words: &[&str]) {
    let _ = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}
