//! `cargo xtask bench ops --native`: what looking costs on this machine's own kernel, without the lab's slow system calls.
//!
//! A whole director observes (`run --observe`) in a network namespace of its own, where it needs no IPVS: thousands of real
//! servers, one check that they share (the director's own web port), every process and socket as in service. What is left out
//! is what the kernel counts.
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::clock::{Runs, time};
use super::table::Table;

/// How often each is asked.
const RUNS: usize = 15;
/// Real servers of a virtual server.
const EACH: u32 = 10;
/// How long the director may take to have read everything.
const START_WITHIN: Duration = Duration::from_secs(60);

/// Measures, and prints a table.
pub(super) fn run(binary: &Path) -> Result<(), String> {
    let mut table = Table::new(&["what, on this kernel", "middle (least-most)", "bound"]);
    let director = Director::start(binary, 20_000)?;
    table.row(&["status for 20,000 real servers", &director.times("status")?, "150 ms"]);
    table.row(&["status --json", &director.times("status --json")?, "-"]);
    table.row(&["any command at all (signum STOP)", &director.plain()?, "-"]);
    drop(director);
    let director = Director::start(binary, 5_000)?;
    table.row(&["/metrics for 5,000 real servers", &director.scrapes()?, "100 ms"]);
    print!("{table}");
    Ok(())
}

struct Director {
    process: Child,
    binary: PathBuf,
    folder: PathBuf,
}

impl Director {
    fn start(binary: &Path, servers: u32) -> Result<Self, String> {
        let folder =
            std::env::temp_dir().join(format!("evenkeel-native.{}.{servers}", std::process::id()));
        let told = |cause: std::io::Error| format!("{}: {cause}", folder.display());
        fs::create_dir_all(&folder).map_err(told)?;
        fs::write(folder.join("director.conf"), config(servers)).map_err(told)?;
        let log = fs::File::create(folder.join("log")).map_err(told)?;
        let mut unshare = Command::new("unshare");
        if !nix::unistd::geteuid().is_root() {
            unshare.arg("--map-root-user");
        }
        unshare.args(["--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]);
        unshare.arg(binary).args(["run", "--observe", "-c"]).arg(folder.join("director.conf"));
        unshare.arg("--runtime-dir").arg(&folder).stdin(Stdio::null());
        unshare.stdout(log.try_clone().map_err(told)?).stderr(log);
        let process = unshare.spawn().map_err(|cause| format!("unshare: {cause}"))?;
        let director = Self { process, binary: binary.to_owned(), folder };
        let start = Instant::now();
        while !director.is_settled() {
            if start.elapsed() > START_WITHIN {
                let log = fs::read_to_string(director.folder.join("log")).unwrap_or_default();
                return Err(format!("waited {START_WITHIN:?} in vain for all to be up: {log}"));
            }
            thread::sleep(Duration::from_millis(200));
        }
        // What follows a start (memory given back, the state file) is over by then.
        thread::sleep(Duration::from_secs(3));
        Ok(director)
    }

    /// All real servers are up by a check that has run.
    fn is_settled(&self) -> bool {
        let answered = self.command("status").stderr(Stdio::null()).output();
        answered.is_ok_and(|output| {
            let page = String::from_utf8_lossy(&output.stdout).into_owned();
            page.contains("TCP_CHECK UP") && !page.contains("DOWN")
        })
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(words.split(' ')).arg("--runtime-dir").arg(&self.folder);
        command
    }

    fn times(&self, words: &str) -> Result<String, String> {
        let out = self.folder.join("out");
        text(|| {
            let out = fs::File::create(&out).map_err(|cause| cause.to_string())?;
            timed(self.command(words).stdout(out))
        })
    }

    fn plain(&self) -> Result<String, String> {
        text(|| timed(Command::new(&self.binary).args(["signum", "STOP"]).stdout(Stdio::null())))
    }

    fn scrapes(&self) -> Result<String, String> {
        let pid = self.process.id().to_string();
        text(|| {
            // Whoever asks within a second gets the same text.
            thread::sleep(Duration::from_millis(1100));
            let mut scrape = Command::new("nsenter");
            if !nix::unistd::geteuid().is_root() {
                scrape.args(["--user", "--preserve-credentials"]);
            }
            scrape.args(["--net", "--target", &pid, "curl", "-sf", "-o", "/dev/null"]);
            scrape.args(["-w", "%{time_total}", "http://127.0.0.1:9650/metrics"]);
            let output = scrape.output().map_err(|cause| format!("nsenter: {cause}"))?;
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let seconds: f64 = said.trim().parse().map_err(|_| format!("curl said `{said}`"))?;
            Ok(Duration::from_secs_f64(seconds))
        })
    }
}

impl Drop for Director {
    fn drop(&mut self) {
        // Its workers end with it.
        let _ = self.command("stop").stdout(Stdio::null()).stderr(Stdio::null()).status();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn text(once: impl FnMut() -> Result<Duration, String>) -> Result<String, String> {
    Ok(Runs::of(RUNS, once)?.text())
}

fn timed(command: &mut Command) -> Result<Duration, String> {
    let (status, took) = time(|| command.status());
    let status = status.map_err(|cause| cause.to_string())?;
    if status.success() { Ok(took) } else { Err(format!("{command:?}: {status}")) }
}

fn config(servers: u32) -> String {
    let mut text = String::from("web {\n listen 127.0.0.1:9650\n}\n");
    for at in 0..servers / EACH {
        let vip = format!("10.1.{}.{}", at / 250, 1 + at % 250);
        let _ = writeln!(text, "virtual_server {vip} 80 {{\n delay_loop 5\n lb_algo wlc");
        text.push_str(" lb_kind DR\n protocol TCP\n");
        for place in at * EACH..at * EACH + EACH {
            let (net, host) = (place / 250, 1 + place % 250);
            let real = format!("10.{}.{}.{host}", 2 + net / 250, net % 250);
            let _ = writeln!(text, " real_server {real} 80 {{\n  weight 3\n  TCP_CHECK {{");
            text.push_str("   connect_ip 127.0.0.1\n   connect_port 9650\n   connect_timeout 3\n");
            text.push_str("  }\n }\n");
        }
        text.push_str("}\n");
    }
    text
}
