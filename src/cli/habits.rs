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
