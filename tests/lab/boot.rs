//! Boots a real kernel with IPVS (User Mode Linux) over this machine's own files and runs this executable inside it.
//!
//! It knows the recipe: which packages, which command line, how output and status come back. It knows nothing
//! about tests. An ordinary user may boot; the host's files are read-only below a scratch overlay.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::signal::unix::SignalKind;

/// First process of the booted kernel.
const INIT: &str = include_str!("init.sh");
/// Source of the library that User Mode Linux needs on CPUs with a large register state.
const SHIM: &str = include_str!("xstate_shim.c");
/// Memory of the booted machine; only pages that it touches are taken from the host.
const MEMORY_MIB: u64 = 1024;
/// What starts the console's last line; the job's exit status follows.
const STATUS_MARK: char = '\u{1e}';
/// What starts a line of the job that asks for the machine's CPU time so far, as this machine counts it.
pub(crate) const CPU_MARK: char = '\u{1d}';
/// The kernel's clock ticks in a second, in which /proc counts CPU time.
const TICKS: u64 = 100;

/// Debian packages that the lab runs on the host and inside: name, program, what wants it.
const PACKAGES: &str = include_str!("packages.txt");

/// Says which packages are missing and how to get them.
pub(crate) fn check_packages() -> Result<(), String> {
    let missing = missing_packages().join(" ");
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "this kernel has no IPVS (or we are not root), and to boot one that has it these packages are missing: \
         {missing}\ninstall them with: sudo apt-get install --no-install-recommends {missing}"
    ))
}

/// The packages whose program is not on this machine.
fn missing_packages() -> Vec<&'static str> {
    let folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let is_there = |program: &str| folders.iter().any(|dir| Path::new(dir).join(program).exists());
    let rows = PACKAGES.lines().filter(|line| !line.starts_with('#'));
    let missing = |row: &'static str| {
        let (name, rest) = row.split_once(char::is_whitespace)?;
        (!is_there(rest.split_whitespace().next()?)).then_some(name)
    };
    rows.filter_map(missing).collect()
}

/// Set inside a booted kernel, and only there.
const MARK: &str = "EVENKEEL_LAB_BOOTED";

/// True inside a kernel that was booted for us: it may be bent at will.
pub(crate) fn is_inside() -> bool {
    std::env::var_os(MARK).is_some()
}

/// What a boot has to run.
pub(crate) struct Job {
    /// Arguments for this executable, inside.
    pub(crate) args: Vec<String>,
    /// After this the machine is switched off, wherever the job stands.
    pub(crate) limit: Duration,
    /// A network card, `vec0`, with a wire to this machine.
    pub(crate) wire: Option<Plug>,
}

/// A tap device of this machine.
#[derive(Clone)]
pub(crate) struct Plug {
    /// The network namespace that it is in.
    pub(crate) namespace: String,
    pub(crate) device: String,
}

/// How a boot ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The job ended with this status.
    Status(u8),
    /// The machine went away before the job had ended; the kernel's last words.
    Crashed(String),
    /// The time limit passed.
    TooLong(Duration),
}

/// How soon a signal is seen.
const SIGNAL_PAUSE: Duration = Duration::from_millis(200);

/// Whether somebody has asked us to end, from the first call on. Who boots a kernel must not simply go: one whose console
/// has closed, and that was asked once, may leave a process of its own behind.
fn is_asked_to_end() -> bool {
    static ASKED: AtomicBool = AtomicBool::new(false);
    static LISTENER: Once = Once::new();
    LISTENER.call_once(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // They are listened for when this returns, not when the thread has got so far.
        let context = runtime.enter();
        let [mut terminated, mut interrupted, mut hung_up] =
            [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()]
                .map(|kind| tokio::signal::unix::signal(kind).unwrap());
        drop(context);
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = terminated.recv() => {}
                    _ = interrupted.recv() => {}
                    _ = hung_up.recv() => {}
                }
            });
            ASKED.store(true, Ordering::Relaxed);
        });
    });
    ASKED.load(Ordering::Relaxed)
}

/// Boots, runs the job, hands over each line that it prints.
pub(crate) fn run(job: &Job, mut on_line: impl FnMut(&str)) -> Result<End, String> {
    // Before there is anything to end.
    is_asked_to_end();
    let machine = Machine::prepare(job, "pipe")?;
    let child = machine
        .command()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cannot start linux.uml: {e}"))?;
    let mut kernel = Kernel(child);
    let lines = lines_of(kernel.0.stdout.take().ok_or("no standard output")?);
    let deadline = Instant::now() + job.limit + Duration::from_secs(10);
    let mut status = None;
    loop {
        if is_asked_to_end() {
            return Err("ended by a signal".to_owned());
        }
        let rest = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(rest.min(SIGNAL_PAUSE)) {
            Ok(line) => match line.strip_prefix(STATUS_MARK) {
                Some(number) => status = number.trim().parse().ok(),
                None => match line.trim_start().strip_prefix(CPU_MARK) {
                    Some(label) => on_line(&format!("lab: {label} = {} ms", cpu_ms(kernel.0.id()))),
                    None => on_line(&line),
                },
            },
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if !rest.is_zero() => {}
            Err(RecvTimeoutError::Timeout) => return Ok(End::TooLong(job.limit)),
        }
    }
    kernel.0.wait().map_err(|e| format!("cannot wait for linux.uml: {e}"))?;
    Ok(status.map_or_else(|| End::Crashed(machine.last_words()), End::Status))
}

/// CPU time of a process and all below it, those that have ended included. Clocks inside the booted kernel tick at 10 ms
/// and lie about short work; this one does not.
fn cpu_ms(root: u32) -> u64 {
    let mut parents = std::collections::BTreeMap::new();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let Some((_, fields)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<u64> =
            fields.split(' ').map(|field| field.parse().unwrap_or_default()).collect();
        // Fields 4 and 14 to 17 of proc(5), which counts from 1 and two that are cut off here.
        let (Some(parent), Some(times)) = (fields.get(1), fields.get(11..15)) else { continue };
        parents.insert(pid, (u32::try_from(*parent).unwrap_or(0), times.iter().sum::<u64>()));
    }
    let is_below = |mut pid: u32| loop {
        if pid == root {
            return true;
        }
        match parents.get(&pid) {
            Some((parent, _)) if *parent != pid => pid = *parent,
            _ => return false,
        }
    };
    let ticks: u64 =
        parents.iter().filter(|(pid, _)| is_below(**pid)).map(|(_, (_, ticks))| ticks).sum();
    ticks * 1000 / TICKS
}

/// Boots with the caller's terminal as console, for work by hand.
pub(crate) fn interactive(job: &Job) -> Result<ExitStatus, String> {
    let machine = Machine::prepare(job, "terminal")?;
    machine.command().status().map_err(|e| format!("cannot start linux.uml: {e}"))
}

/// The console's lines through a bounded queue, so that a deadline can be kept while reading.
fn lines_of(console: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = sync_channel(1024);
    thread::spawn(move || {
        let mut reader = BufReader::new(console);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            line.clear();
            if sender.send(text).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A booted machine, which does not outlive the thread that watches it: without a reader of its console it would spin.
struct Kernel(Child);

impl Drop for Kernel {
    /// User Mode Linux takes its own processes with it on SIGTERM. One whose console has closed begins to end at the
    /// first and ends at the second.
    fn drop(&mut self) {
        let Self(child) = self;
        let pid = Pid::from_raw(child.id().cast_signed());
        for turn in 0..40 {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            if turn % 10 == 0 {
                let _ = kill(pid, Signal::SIGTERM);
            }
            thread::sleep(Duration::from_millis(100));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A folder with everything that one boot needs; it goes when the boot is over.
struct Machine {
    folder: tempfile::TempDir,
    wire: Option<Plug>,
}

impl Machine {
    fn prepare(job: &Job, console: &str) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("evenkeel-lab.")
            .tempdir()
            .map_err(|e| format!("cannot make a folder for the boot: {e}"))?;
        let machine = Self { folder, wire: job.wire.clone() };
        let init = machine.path("init");
        write(&init, INIT)?;
        fs::set_permissions(&init, fs::Permissions::from_mode(0o755))
            .map_err(|e| format!("{}: {e}", init.display()))?;
        write(&machine.path("job.sh"), &job_script(job, console)?)?;
        machine.compile_shim()?;
        Ok(machine)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn compile_shim(&self) -> Result<(), String> {
        let source = self.path("xstate_shim.c");
        write(&source, SHIM)?;
        let built = Command::new("cc")
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .args([self.path("xstate_shim.so"), source])
            .output()
            .map_err(|e| format!("cannot start cc: {e}"))?;
        if built.status.success() {
            return Ok(());
        }
        Err(format!("cc refused xstate_shim.c: {}", String::from_utf8_lossy(&built.stderr)))
    }

    /// The kernel's own messages go to tty0 and standard error, and so to a file; the console of the job is tty1.
    fn command(&self) -> Command {
        // `ip netns exec` replaces itself by the program, so the child's id is the machine's.
        let mut command = match &self.wire {
            None => Command::new("linux.uml"),
            Some(plug) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", &plug.namespace, "linux.uml"]);
                command.arg(format!("vec0:transport=tap,ifname={},depth=64", plug.device));
                command
            }
        };
        command
            .arg(format!("mem={MEMORY_MIB}M"))
            .args(["rootfstype=hostfs", "rootflags=/", "ro"])
            .arg(format!("init={}", self.path("init").display()))
            .args(["con=null", "con0=null,fd:2", "con1=fd:0,fd:1", "quiet"])
            .env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LD_PRELOAD", self.path("xstate_shim.so"));
        if let Ok(log) = fs::File::create(self.path("kernel.log")) {
            command.stderr(log);
        }
        // Its memory is a file; /dev/shm by default, which is 64 MiB in many containers: a page too many is SIGBUS.
        if free_bytes("/dev/shm") < (MEMORY_MIB << 20) {
            command.env("TMPDIR", self.folder.path());
        }
        // Whoever kills the tests ends the kernel too. On this signal it takes its helpers with it, mostly.
        sys::child::dies_with_parent(&mut command, Signal::SIGTERM);
        command
    }

    fn last_words(&self) -> String {
        let log = fs::read(self.path("kernel.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

fn free_bytes(folder: &str) -> u64 {
    nix::sys::statvfs::statvfs(folder).map_or(0, |s| s.blocks_available() * s.fragment_size())
}

/// Shell text that starts this executable with the job's arguments, where we stand, with the variables that are for it.
fn job_script(job: &Job, console: &str) -> Result<String, String> {
    let here = std::env::current_dir().map_err(|e| format!("no current folder: {e}"))?;
    let executable = std::env::current_exe().map_err(|e| format!("no path of our own: {e}"))?;
    let words = [executable.display().to_string()].into_iter().chain(job.args.iter().cloned());
    let session = if console == "pipe" { "" } else { "setsid -c -w " };
    let exports: String = std::env::vars_os().filter_map(export).collect();
    Ok(format!(
        "LIMIT={}\nCONSOLE={console}\nexport {MARK}=1\n{exports}job() {{ cd {} && {session}{}; }}\n",
        job.limit.as_secs(),
        shell_words::quote(&here.display().to_string()),
        shell_words::join(words),
    ))
}

fn export((name, value): (OsString, OsString)) -> Option<String> {
    let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
    let wanted = ["EVENKEEL_", "RUST_", "PROPTEST_"].iter().any(|prefix| name.starts_with(prefix))
        || name == "TERM";
    wanted.then(|| format!("export {name}={}\n", shell_words::quote(&value)))
}
