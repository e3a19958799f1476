//! keepalived's options of `run`, for unit files and scripts that were written for it. Those that say what evenkeel does
//! anyway (stay in the foreground, log to the console, in detail) are taken without a word.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::message::Role;

/// As keepalived spells them.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "As keepalived")]
pub(super) struct Habits {
    /// Check the configuration and end: as `evenkeel check`, with its exit status
    #[arg(short = 't', long)]
    pub(super) config_test: bool,
    /// Only VRRP: no checks, and the table is left as it is
    #[arg(short = 'P', long, conflicts_with = "check")]
    vrrp: bool,
    /// Only checks and table: no VRRP
    #[arg(short = 'C', long)]
    check: bool,
    /// Write the process id here too; the runtime directory has it as evenkeel.pid anyway
    #[arg(short, long, value_name = "FILE")]
    pid: Option<PathBuf>,
    /// Write the process id of the vrrp worker here, for as long as it runs
    #[arg(short = 'r', long = "vrrp_pid", value_name = "FILE")]
    vrrp_pid: Option<PathBuf>,
    /// The same for BFD, which is part of the vrrp worker
    #[arg(short = 'b', long = "bfd_pid", value_name = "FILE")]
    bfd_pid: Option<PathBuf>,
    /// The same for the lvs worker; keepalived's -c is another option here
    #[arg(long = "checkers_pid", value_name = "FILE")]
    checkers_pid: Option<PathBuf>,
    /// Stay in the foreground: it always does
    #[arg(short = 'n', long)]
    dont_fork: bool,
    /// Log to standard error: it always does, and to the journal where it runs below systemd
    #[arg(short = 'l', long)]
    log_console: bool,
    /// Log in detail: `evenkeel log` says how much, at any time
    #[arg(short = 'D', long)]
    log_detail: bool,
    /// Do not log to syslog: it never does
    #[arg(short = 'G', long)]
    no_syslog: bool,
    /// Start all parts: those that the configuration gives work to run anyway
    #[arg(long, conflicts_with_all = ["vrrp", "check"])]
    all: bool,
    /// Run in this network namespace, whatever `net_namespace` of the configuration says
    #[arg(short = 's', long, value_name = "NAME")]
    namespace: Option<String>,
    /// The umask of all processes, in octal; `umask` of the configuration is stronger
    #[arg(short, long, value_name = "MASK", value_parser = parse_mask)]
    umask: Option<u32>,
    #[command(flatten)]
    strange: Strange,
}

/// Options of keepalived's that have no meaning here: they are taken, so that an old command line starts, and it is said
/// what there is instead.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "As keepalived, without effect")]
struct Strange {
    /// Errors for files that are not there: `include_check` at the top of the configuration says so
    #[arg(short = 'e', long)]
    all_config: bool,
    /// Keep addresses on a stop: a stop hands them over
    #[arg(short = 'V', long)]
    dont_release_vrrp: bool,
    /// Keep the table on a stop: a stop removes what is ours
    #[arg(short = 'I', long)]
    dont_release_ipvs: bool,
    /// Do not restart workers: a worker that died goes on where it was
    #[arg(short = 'R', long)]
    dont_respawn: bool,
    /// Drop addresses on a signal: a stop does
    #[arg(short = 'X', long)]
    release_vips: bool,
    /// No BFD: without a `bfd_instance` there is none
    #[arg(short = 'B', long = "no_bfd")]
    no_bfd: bool,
    /// Print the configuration: `evenkeel convert` does
    #[arg(short = 'd', long)]
    dump_conf: bool,
    /// Log changes of addresses: what is wrong with ours is logged anyway
    #[arg(short = 'a', long)]
    address_monitoring: bool,
    /// Syslog's facility: logs go to standard error and the journal
    #[arg(short = 'S', long, value_name = "FACILITY")]
    log_facility: Option<String>,
    /// SNMP: `web` in the configuration serves metrics
    #[arg(short = 'x', long)]
    snmp: bool,
    /// SNMP's socket
    #[arg(short = 'A', long, value_name = "FILE")]
    snmp_agent_socket: Option<String>,
    /// Core dumps: LimitCORE of the unit, or ulimit -c
    #[arg(short = 'm', long)]
    core_dump: bool,
    /// Their names: sysctl kernel.core_pattern
    #[arg(short = 'M', long, value_name = "PATTERN", num_args = 0..=1)]
    core_dump_pattern: Option<Option<String>>,
}

impl Strange {
    /// Those that were given and ask for something that does not happen, with what there is instead.
    fn said(&self) -> Vec<&'static str> {
        let all = [
            (self.all_config, "-e: say `include_check` at the top of the configuration instead"),
            (
                self.dont_release_vrrp,
                "-V: a stop hands the addresses over; `evenkeel upgrade` changes the program without moving them",
            ),
            (
                self.dont_release_ipvs,
                "-I: a stop removes our table once the addresses are gone; `evenkeel upgrade` keeps both",
            ),
            (self.dont_respawn, "-R: a worker that dies is replaced, and goes on where it was"),
            (self.address_monitoring, "-a: only what is wrong with our own addresses is logged"),
            (
                self.log_facility.is_some(),
                "-S: logs go to standard error, and so to the journal, which has no facilities for them",
            ),
            (
                self.snmp || self.snmp_agent_socket.is_some(),
                "-x, -A: there is no SNMP; `web { listen ... }` serves metrics",
            ),
            (
                self.core_dump || self.core_dump_pattern.is_some(),
                "-m, -M: core dumps are for the unit (LimitCORE) and kernel.core_pattern to say",
            ),
            (self.dump_conf, "-d: `evenkeel convert FILE` prints a configuration"),
        ];
        // `-X` and `-B` ask for what happens anyway.
        all.into_iter().filter(|(given, _)| *given).map(|(_, text)| text).collect()
    }
}

/// `022`, `0o22`: octal, as keepalived and umask(1) take it.
fn parse_mask(text: &str) -> Result<u32, String> {
    let digits = text.trim_start_matches("0o");
    let mask = u32::from_str_radix(digits, 8).ok().filter(|mask| *mask <= 0o777);
    mask.ok_or_else(|| "an octal number up to 777 is wanted".to_owned())
}

impl Habits {
    /// The only part that is to run, if not all.
    pub(super) fn only(&self) -> Option<Role> {
        match (self.vrrp, self.check) {
            (true, _) => Some(Role::Vrrp),
            (false, true) => Some(Role::Lvs),
            (false, false) => None,
        }
    }

    /// Files for the process ids of workers.
    pub(super) fn worker_pids(&self) -> Vec<(Role, PathBuf)> {
        let wanted = [
            (Role::Vrrp, &self.vrrp_pid),
            (Role::Vrrp, &self.bfd_pid),
            (Role::Lvs, &self.checkers_pid),
        ];
        wanted.into_iter().filter_map(|(role, path)| Some((role, path.clone()?))).collect()
    }

    /// The namespace to run in, where the command line names one.
    pub(super) fn namespace(&self) -> Option<String> {
        self.namespace.clone()
    }

    /// Sets the umask that was given, and says what was given in vain.
    pub(super) fn begin(&self) {
        if let Some(mask) = self.umask {
            nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(mask));
        }
        for text in self.strange.said() {
            tracing::warn!("no effect: {text}");
        }
    }

    /// Writes the pid file, where one is wanted.
    pub(super) fn write_pid(&self) -> io::Result<Option<PidFile>> {
        let pid = std::process::id();
        self.pid.as_deref().map(|path| PidFile::write(path, pid)).transpose()
    }
}

/// A pid file that goes with this process.
#[derive(Debug)]
pub(super) struct PidFile {
    path: PathBuf,
    text: String,
}

impl PidFile {
    /// Refused where it names another process that runs.
    fn write(path: &Path, pid: u32) -> io::Result<Self> {
        let old = fs::read_to_string(path).unwrap_or_default();
        let other = old.trim().parse::<u32>().ok().filter(|other| *other != pid);
        if let Some(other) = other.filter(|other| Path::new(&format!("/proc/{other}")).exists()) {
            return Err(io::Error::other(format!(
                "{} names process {other}, which runs: is it another director?",
                path.display()
            )));
        }
        let text = format!("{pid}\n");
        fs::write(path, &text)?;
        Ok(Self { path: path.to_owned(), text })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Only ours: somebody may have written another since.
        if fs::read_to_string(&self.path).is_ok_and(|text| text == self.text) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_is_ours_alone_and_goes_with_us() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keepalived.pid");
        fs::write(&path, "1\n").unwrap();
        let refused = PidFile::write(&path, std::process::id()).unwrap_err().to_string();
        assert!(refused.contains("names process 1, which runs"), "{refused}");
        // Left behind by one that is gone: pids end at 2^22.
        fs::write(&path, "99999999\n").unwrap();
        let file = PidFile::write(&path, std::process::id()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        drop(file);
        assert!(!path.exists());
        let file = PidFile::write(&path, std::process::id()).unwrap();
        fs::write(&path, "7\n").unwrap();
        drop(file);
        assert!(path.exists(), "another one's");
    }
}
