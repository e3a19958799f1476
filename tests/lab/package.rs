//! The Debian package of the binary under test, installed and started as its unit would: in a mount namespace of its
//! own, below an overlay, with the test in the roles of systemd and of the system log. dpkg and the package's scripts are the
//! real ones; of systemd they find `systemctl`, which writes down what it is told.
//!
//! Of the unit's restrictions it applies the capability bounding set, read-only system and home folders, private
//! devices and hidden kernel modules. Those that are system call filters (`SystemCallFilter`, `RestrictAddressFamilies`,
//! `RestrictNamespaces`, `RestrictSUIDSGID`, `LockPersonality`) need systemd itself.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::daemon::evenkeel;
use crate::host::{Host, Process, holds_within, wait_for};

const UNIT: &str = include_str!("../../dist/systemd/evenkeel.service");
const ENTER: &str = include_str!("package_enter.sh");
/// How the test, as service manager, watches the director.
const WATCHDOG: Duration = Duration::from_secs(2);

/// The package, installed where only this host's programs started through it see it.
pub(crate) struct Installed {
    host: Host,
    folder: TempDir,
    notify: UnixDatagram,
    syslog: UnixDatagram,
    /// Keeps the mount namespace in which the package is installed.
    holder: Process,
}

impl Installed {
    /// Packs the binary under test and installs it with dpkg.
    pub(crate) fn on(host: &Host) -> Self {
        let folder =
            tempfile::Builder::new().prefix("evenkeel-package.").tempdir_in("/run").unwrap();
        let listen = |name| {
            let socket = UnixDatagram::bind(folder.path().join(name)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        let (notify, syslog) = (listen("notify"), listen("syslog"));
        // Scripts that run as others talk to the log.
        host.run(&format!("chmod a+rwX {0} {0}/syslog", folder.path().display()));
        fs::write(folder.path().join("enter.sh"), ENTER).unwrap();
        let at = folder.path().display();
        let hold = format!("unshare --mount sh {at}/enter.sh {at} hold");
        let log = host.keeper.log(&format!("where the package is on {host}"));
        let holder = host.spawn(&shell_words::split(&hold).unwrap(), &log);
        let held = folder.path().join("held");
        wait_for(Duration::from_secs(30), "the overlays", || held.exists());
        let installed = Self { host: host.clone(), folder, notify, syslog, holder };
        installed.install(&installed.packed(1));
        installed
    }

    /// This revision of the package: the same binary. Its path.
    pub(crate) fn packed(&self, revision: u32) -> String {
        let (pack, at) = (concat!(env!("CARGO_MANIFEST_DIR"), "/dist/package"), self.path());
        let (binary, plain) = (evenkeel(), "env COMPRESSION=none");
        let packed = self.host.run(&format!("{plain} {pack} {binary} {at} {revision}"));
        packed.trim().to_owned()
    }

    /// Installs it with dpkg, whatever is there; what dpkg and the package's scripts said. The file goes: it is memory here.
    /// dpkg is nice: with a single CPU, its unpacking would be what a client waits for.
    pub(crate) fn install(&self, packed: &str) -> String {
        let said = self.host.run(&format!("nice -n 19 {} dpkg --install {packed}", self.enter()));
        assert!(said.contains("Setting up evenkeel"), "{said}");
        fs::remove_file(packed).unwrap();
        said
    }

    /// The same with apt, as the guide says it, but without a network: from a repository that has this file alone.
    pub(crate) fn install_by_apt(&self, packed: &str) -> String {
        let at = self.path();
        let index = format!(
            "set -e; mkdir -p {at}/apt/parts; cd {at}; file=${{0##*/}}; \
             {{ dpkg-deb -f \"$0\"; echo Filename: ./$file; stat -c 'Size: %s' $file; \
             sha256sum $file | sed 's/ .*//; s/^/SHA256: /'; }} >Packages; \
             echo 'deb [trusted=yes] file:{at} ./' >apt/list"
        );
        self.host.run(&format!("sh -c {} {packed}", shell_words::quote(&index)));
        // Nobody but root may look into the folder, so apt's own account would not read it.
        let apt = format!(
            "nice -n 19 {} env DEBIAN_FRONTEND=noninteractive apt-get -q -o APT::Sandbox::User=root \
             -o Dir::Etc::SourceList={at}/apt/list -o Dir::Etc::SourceParts={at}/apt/parts",
            self.enter()
        );
        self.host.run(&format!("{apt} update"));
        let said = self.host.run(&format!("{apt} install -y --no-install-recommends evenkeel"));
        assert!(said.contains("Setting up evenkeel"), "{said}");
        fs::remove_file(packed).unwrap();
        said
    }

    /// In place of the installed program, one that can be run a single time: it takes its interpreter away.
    pub(crate) fn replace_by_one_that_runs_once(&self) {
        let at = self.path();
        let text = format!("#!{at}/sh\nrm {at}/sh\nexec {} \"$@\"\n", evenkeel());
        std::os::unix::fs::symlink("/bin/sh", format!("{at}/sh")).unwrap();
        fs::write(format!("{at}/once"), text).unwrap();
        self.host.run(&format!("{} install -m 755 {at}/once /usr/bin/evenkeel", self.enter()));
    }

    /// What the package's scripts have told systemd, a line for each call; forgotten afterwards.
    pub(crate) fn told_systemd(&self) -> Vec<String> {
        let log = self.folder.path().join("systemctl.log");
        let told = fs::read_to_string(&log).unwrap();
        fs::write(log, "").unwrap();
        told.lines().map(str::to_owned).collect()
    }

    /// Puts a file there, with the rights of a program.
    pub(crate) fn place(&self, path: &str, text: &str) {
        let file = self.folder.path().join("placed");
        fs::write(&file, text).unwrap();
        self.host.run(&format!("{} install -D -m 755 {} {path}", self.enter(), file.display()));
    }

    /// A line of shell where it is installed, as an operator would type it; all that it said. An error says how it ended, too.
    pub(crate) fn shell(&self, line: &str) -> Result<String, String> {
        let quoted = shell_words::quote(line).into_owned();
        self.host.try_run(&format!(
            "{} sh -c {}",
            self.enter(),
            shell_words::quote(&format!("exec 2>&1; eval {quoted}"))
        ))
    }

    fn path(&self) -> String {
        self.folder.path().display().to_string()
    }

    fn enter(&self) -> String {
        format!("nsenter --mount --target {}", self.holder.pid)
    }

    /// A file of the package, or one that installing it changed; `None` when there is no such file.
    pub(crate) fn file(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.folder.path().join(path.trim_start_matches('/'))).ok()
    }

    /// User id of an account that the installation made.
    pub(crate) fn user(&self, name: &str) -> Option<u32> {
        let accounts = self.file("/etc/passwd")?;
        let account = accounts.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        account.split(':').nth(2)?.parse().ok()
    }

    /// Starts it as the unit does, with this configuration, and waits until it says that it is ready.
    pub(crate) fn start(&self, config: &str) -> Service<'_> {
        let etc = self.folder.path().join("etc");
        fs::write(etc.join("evenkeel/director.conf"), config).unwrap();
        let at = self.path();
        let runtime = format!("{at}/runtime");
        fs::write(etc.join("default/evenkeel"), "CONFIG=/etc/evenkeel/director.conf\nOPTIONS=\n")
            .unwrap();
        let bounds = capabilities().map(|name| format!(",+{name}")).collect::<String>();
        let line = format!(
            "env NOTIFY_SOCKET={at}/notify WATCHDOG_USEC={} {} unshare --mount sh {at}/enter.sh {at} run \
             setpriv --bounding-set=-all{bounds} sh -c '. /etc/default/evenkeel; exec {}'",
            WATCHDOG.as_micros(),
            self.enter(),
            setting("ExecStart"),
        );
        let log = self.host.keeper.log(&format!("packaged evenkeel on {}", self.host));
        let process = self.host.spawn(&shell_words::split(&line).unwrap(), &log);
        let service = Service { installed: self, process, runtime, log };
        service.must_say(Duration::from_secs(10), "READY=1");
        service
    }
}

/// The running director and what it says to the service manager.
pub(crate) struct Service<'a> {
    installed: &'a Installed,
    process: Process,
    runtime: String,
    log: std::path::PathBuf,
}

impl Service<'_> {
    /// Process id of the director itself.
    pub(crate) fn pid(&self) -> i32 {
        self.process.pid
    }

    /// It tells the service manager this before so long.
    #[track_caller]
    pub(crate) fn must_say(&self, within: Duration, words: &str) {
        let said = holds_within(within, Duration::from_millis(20), || {
            received(&self.installed.notify).iter().any(|line| line.contains(words))
        });
        assert!(said, "the service manager waited {within:?} in vain for {words}");
    }

    /// It still tells that it lives, as often as the watchdog wants.
    #[track_caller]
    pub(crate) fn must_live(&self) {
        received(&self.installed.notify);
        self.must_say(WATCHDOG, "WATCHDOG=1");
    }

    /// A script of its wrote this to the system log before so long.
    #[track_caller]
    pub(crate) fn must_log(&self, within: Duration, words: &str) {
        let mut seen = Vec::new();
        let logged = holds_within(within, Duration::from_millis(20), || {
            seen.extend(received(&self.installed.syslog));
            seen.iter().any(|line| line.contains(words))
        });
        assert!(logged, "not in the system log: {words}; there: {seen:#?}");
    }

    /// `evenkeel status --json`.
    pub(crate) fn status(&self) -> serde_json::Value {
        self.try_status().expect("it answers")
    }

    /// The same; `None` while it does not answer.
    pub(crate) fn try_status(&self) -> Option<serde_json::Value> {
        serde_json::from_str(&self.command("status --json").ok()?).ok()
    }

    /// Any command; what it said.
    pub(crate) fn command(&self, words: &str) -> Result<String, String> {
        let line = format!("{} {words} --runtime-dir {}", evenkeel(), self.runtime);
        self.installed.host.try_run(&line)
    }

    /// What it has logged itself.
    pub(crate) fn logged(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// As `systemctl stop` does.
    pub(crate) fn stop(self) {
        self.process.signal(Signal::SIGTERM);
        self.must_say(Duration::from_secs(5), "STOPPING=1");
        assert!(self.process.ends_within(Duration::from_secs(15)), "does not stop");
        assert!(Path::new(&self.runtime).is_dir(), "RuntimeDirectoryPreserve");
    }
}

/// The bounding set as the kernel shows it: a bit per capability.
pub(crate) fn bounding_mask() -> u64 {
    let number = |name: String| match name.as_str() {
        "chown" => 0,
        "dac_override" => 1,
        "fowner" => 3,
        "kill" => 5,
        "setgid" => 6,
        "setuid" => 7,
        "net_bind_service" => 10,
        "net_admin" => 12,
        "net_raw" => 13,
        "ipc_lock" => 14,
        "sys_nice" => 23,
        "sys_resource" => 24,
        _ => panic!("the unit keeps {name}: say its number in linux/capability.h here"),
    };
    capabilities().map(number).fold(0, |mask, bit| mask | 1 << bit)
}

/// Without their `CAP_`, in small letters, as setpriv wants them.
fn capabilities() -> impl Iterator<Item = String> {
    let words = setting("CapabilityBoundingSet").split_whitespace();
    words.map(|name| name.trim_start_matches("CAP_").to_ascii_lowercase())
}

fn setting(name: &str) -> &'static str {
    let value = |line: &'static str| line.strip_prefix(name)?.strip_prefix('=');
    UNIT.lines().find_map(value).unwrap_or_else(|| panic!("the unit does not say {name}"))
}

fn received(socket: &UnixDatagram) -> Vec<String> {
    let mut lines = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match socket.recv(&mut buffer) {
            Ok(length) => lines.push(String::from_utf8_lossy(&buffer[..length]).into_owned()),
            Err(cause) if cause.kind() == ErrorKind::WouldBlock => return lines,
            Err(cause) => panic!("{cause}"),
        }
    }
}
