//! What this host has: accounts, interfaces, programs. Asked once each and remembered; nothing is changed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};
use nix::unistd::{Group, User, geteuid};

/// Whether a configuration is read for the machine that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// It is to run here: accounts, scripts and interfaces must exist.
    This,
    /// It is for some other machine, or to be rewritten: nothing of this one counts.
    Any,
}

/// What was asked of the host so far.
pub(super) struct HostFacts {
    host: Host,
    programs: HashMap<String, Result<Program, Problem>>,
    interfaces: Interfaces,
}

/// The names of the interfaces that the director will see.
enum Interfaces {
    /// Not asked for yet.
    Unasked,
    /// They are in a namespace that we may not look into.
    Hidden,
    /// These.
    Known(Vec<String>),
}

/// Where ip-netns(8) keeps the names of network namespaces.
const NAMESPACES: &str = "/run/netns";

/// A program that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// Whether it is a script without `#!`: the kernel runs none of those, a shell does.
    pub(super) needs_shell: bool,
    /// The first component of its path that someone else than root can change.
    pub(super) open_to_others: Option<PathBuf>,
}

/// Why a program cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// No such file, or a component of its path is missing or closed to us.
    Missing(String),
    /// A directory, a device.
    NoFile,
    /// No execute permission for anybody.
    NotExecutable,
}

impl HostFacts {
    pub(super) fn new(host: Host) -> Self {
        Self { host, programs: HashMap::new(), interfaces: Interfaces::Unasked }
    }

    /// Whether this host is the one that counts.
    pub(super) fn counts(&self) -> bool {
        self.host == Host::This
    }

    /// From now on interfaces are those of a network namespace. False where this host should have it and does not.
    #[expect(
        clippy::disallowed_methods,
        reason = "a namespace belongs to a thread, which is joined"
    )]
    pub(super) fn look_into(&mut self, namespace: &str) -> bool {
        if !self.counts() {
            return true;
        }
        self.interfaces = Interfaces::Hidden;
        let file = match File::open(Path::new(NAMESPACES).join(namespace)) {
            Ok(file) => file,
            Err(cause) => return cause.kind() != ErrorKind::NotFound,
        };
        // A thread has a namespace of its own, and this one ends there.
        let looked = std::thread::spawn(move || {
            setns(file, CloneFlags::CLONE_NEWNET).ok().map(|()| interface_names())
        });
        if let Ok(Some(names)) = looked.join() {
            self.interfaces = Interfaces::Known(names);
        }
        true
    }

    /// The interfaces of this host, if `name` is not among them and that matters.
    pub(super) fn lacks_interface(&mut self, name: &str) -> Option<Vec<String>> {
        if !self.counts() {
            return None;
        }
        if let Interfaces::Unasked = self.interfaces {
            self.interfaces = Interfaces::Known(interface_names());
        }
        let Interfaces::Known(present) = &self.interfaces else { return None };
        (!present.iter().any(|one| one == name)).then(|| present.clone())
    }

    /// User id and primary group of an account, by name or number.
    pub(super) fn user(&self, name: &str) -> Option<(u32, u32)> {
        let user = match name.parse() {
            Ok(uid) => User::from_uid(nix::unistd::Uid::from_raw(uid)),
            Err(_) => User::from_name(name),
        };
        let known = user.ok().flatten().map(|user| (user.uid.as_raw(), user.gid.as_raw()));
        known.or(self.unknown().map(|id| (id, id)))
    }

    /// The id of a group, by name or number.
    pub(super) fn group(&self, name: &str) -> Option<u32> {
        let group = match name.parse() {
            Ok(gid) => Group::from_gid(nix::unistd::Gid::from_raw(gid)),
            Err(_) => Group::from_name(name),
        };
        group.ok().flatten().map(|group| group.gid.as_raw()).or(self.unknown())
    }

    /// The id that stands for an account of another host. Nothing can run as it.
    fn unknown(&self) -> Option<u32> {
        (!self.counts()).then_some(u32::MAX)
    }

    /// Whether we run as root ourselves.
    pub(super) fn is_root(&self) -> bool {
        geteuid().is_root()
    }

    /// What there is to know of a program, named by path or to be found in PATH.
    pub(super) fn program(&mut self, name: &str) -> Result<Program, Problem> {
        self.programs.entry(name.to_owned()).or_insert_with(|| examine(name)).clone()
    }
}

fn examine(name: &str) -> Result<Program, Problem> {
    let path = find(name)?;
    let seen = fs::metadata(&path).map_err(|error| Problem::Missing(error.to_string()))?;
    if !seen.is_file() {
        return Err(Problem::NoFile);
    }
    if seen.permissions().mode() & 0o111 == 0 {
        return Err(Problem::NotExecutable);
    }
    let real = fs::canonicalize(&path).unwrap_or(path);
    Ok(Program { needs_shell: needs_shell(&real), open_to_others: open_to_others(&real) })
}

/// keepalived looks a bare name up in PATH as execvp does.
fn find(name: &str) -> Result<PathBuf, Problem> {
    if name.contains('/') {
        return Ok(PathBuf::from(name));
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into());
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|path| {
            fs::metadata(path).is_ok_and(|seen| seen.is_file() && seen.mode() & 0o111 != 0)
        })
        .ok_or_else(|| Problem::Missing("not found in PATH".to_owned()))
}

/// Neither a binary nor a script that names its interpreter. What cannot be read counts as fine.
fn needs_shell(path: &Path) -> bool {
    let mut first = [0; 2];
    let read =
        File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut first));
    read.is_ok() && first != *b"#!" && first != *b"\x7fE"
}

/// As keepalived's check_security(): every component must belong to root and be writable by root alone.
fn open_to_others(path: &Path) -> Option<PathBuf> {
    path.ancestors()
        .find(|part| fs::metadata(part).is_ok_and(|seen| is_open(&seen)))
        .map(Path::to_path_buf)
}

fn is_open(seen: &fs::Metadata) -> bool {
    let group_writes = seen.mode() & 0o020 != 0 && seen.gid() != 0;
    seen.uid() != 0 || group_writes || seen.mode() & 0o002 != 0
}

/// Of the namespace that the calling thread is in.
fn interface_names() -> Vec<String> {
    let all = nix::net::if_::if_nameindex();
    let names = all.iter().flat_map(|all| all.into_iter());
    names.map(|one| one.name().to_string_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, text: &str, mode| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let mut facts = HostFacts::new(Host::This);
        let plain = facts.program(&make("plain", "exit 0\n", 0o755)).unwrap();
        assert!(plain.needs_shell);
        let named = facts.program(&make("named", "#!/bin/sh\n", 0o755)).unwrap();
        assert!(!named.needs_shell);
        assert!(named.open_to_others.is_some(), "a temporary folder is open to others, or ours");
        assert_eq!(facts.program(&make("data", "x", 0o644)), Err(Problem::NotExecutable));
        assert_eq!(facts.program(folder.path().to_str().unwrap()), Err(Problem::NoFile));
        assert!(matches!(facts.program("/nonexistent/x"), Err(Problem::Missing(_))));
        assert!(facts.program("sh").is_ok());
        assert!(matches!(facts.program("no-such-program-anywhere"), Err(Problem::Missing(_))));
    }

    #[test]
    fn another_hosts_accounts_resolve_to_nobody_who_could_run() {
        let here = HostFacts::new(Host::This);
        assert_eq!(here.user("root"), Some((0, 0)));
        assert_eq!(here.user("0"), Some((0, 0)));
        assert_eq!(here.user("no-such-user"), None);
        assert_eq!(HostFacts::new(Host::Any).user("no-such-user"), Some((u32::MAX, u32::MAX)));
    }
}
