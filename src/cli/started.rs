//! `load` and `worker`: the processes that `run` starts, by command lines of one form each.
//!
//! They are read without the grammar of the command line: building it takes each process 150 kB of memory that is never
//! touched again, and a fifth of the time until its work begins.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::load;
use crate::log;
use crate::message::Role;

/// One of these processes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Started {
    /// `load [-i ID] FILE`
    Load { id: Option<String>, file: PathBuf },
    /// `worker ROLE --runtime-dir DIR`
    Worker { role: Role, runtime_dir: PathBuf },
}

impl Started {
    /// From the words after the program's name; `None` for whatever else was asked.
    pub(super) fn of(words: impl Iterator<Item = OsString>) -> Option<Self> {
        // The longest has five words; one more shows that it is none of them.
        let words: Vec<OsString> = words.take(6).collect();
        let words: Vec<&OsStr> = words.iter().map(OsString::as_os_str).collect();
        let is = |word: &OsStr, known: &str| word == known;
        match words[..] {
            [load, file] if is(load, "load") => Some(Self::Load { id: None, file: file.into() }),
            [load, option, id, file] if is(load, "load") && is(option, "-i") => {
                Some(Self::Load { id: Some(id.to_str()?.to_owned()), file: file.into() })
            }
            [worker, name, option, dir] if is(worker, "worker") && is(option, "--runtime-dir") => {
                let role = Role::WORKERS.into_iter().find(|role| is(name, role.name()))?;
                Some(Self::Worker { role, runtime_dir: dir.into() })
            }
            _ => None,
        }
    }

    /// Does its work.
    pub(super) fn run(self) -> ExitCode {
        match self {
            Self::Load { id, file } => load::run(&file, id.as_deref()),
            Self::Worker { role, runtime_dir } => {
                log::start(role);
                work(role, &runtime_dir)
            }
        }
    }
}

fn work(role: Role, runtime_dir: &Path) -> ExitCode {
    match role {
        Role::Vrrp => crate::router::run(runtime_dir),
        Role::Lvs => crate::lvs::run(runtime_dir),
        Role::Ops => crate::ops::run(),
        // No name of a worker stands for it.
        Role::Supervisor => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &str) -> Option<Started> {
        Started::of(words.split(' ').map(OsString::from))
    }

    #[test]
    fn what_the_supervisor_says_is_understood() {
        let load = |id: Option<&str>| {
            Some(Started::Load { id: id.map(str::to_owned), file: "/etc/a.kdl".into() })
        };
        assert_eq!(of("load /etc/a.kdl"), load(None));
        assert_eq!(of("load -i north /etc/a.kdl"), load(Some("north")));
        for role in Role::WORKERS {
            let worker = Some(Started::Worker { role, runtime_dir: "/run/e".into() });
            assert_eq!(of(&format!("worker {} --runtime-dir /run/e", role.name())), worker);
        }
    }

    #[test]
    fn everything_else_is_left_to_the_command_line() {
        for words in [
            "run --config a.kdl",
            "load",
            "load -i north",
            "load a b c",
            "worker supervisor --runtime-dir /run/e",
            "worker lvs",
            "worker lvs --runtime-dir /run/e and more",
        ] {
            assert_eq!(of(words), None, "{words}");
        }
    }
}
