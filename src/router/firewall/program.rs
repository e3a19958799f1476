//! The programs that make firewall rules: tried in turn until one can, asked again for what stands, and to take it away.
//! Each call has a deadline. What stands is written down in the runtime directory first, so that a successor of this
//! process finds and removes it whatever its own configuration says.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use vrrp::Family;

use super::{CHAINS, FirewallSpec, jumps, nft_family, nft_without};
use crate::config::model::Firewall;

/// How long one program may take. The supervisor waits ten seconds for a sign of life.
const WITHIN: Duration = Duration::from_secs(2);
/// What stands, in the runtime directory.
const FILE: &str = "firewall.json";

/// What can make rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Backend {
    /// `nft`.
    Nftables,
    /// `iptables` and `ip6tables`, whatever they stand for on this host.
    Iptables,
    /// `iptables-legacy` and `ip6tables-legacy`: where the others need what the kernel does not have.
    IptablesLegacy,
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nftables => "nft",
            Self::Iptables => "iptables",
            Self::IptablesLegacy => "iptables-legacy",
        })
    }
}

/// Why a program did not do what it was to do.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Failure {
    /// This host does not have it.
    Absent(String),
    /// What it said, or what the kernel said of it.
    Said(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent(program) => write!(f, "{program}: not installed"),
            Self::Said(text) => f.write_str(text),
        }
    }
}

/// What was made, with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    pub(crate) backend: Backend,
    families: BTreeSet<Family>,
    form: Firewall,
}

/// What our previous process, or this one, left; none where nothing can be read.
pub(crate) fn read(runtime_dir: &Path) -> Option<Made> {
    serde_json::from_slice(&fs::read(runtime_dir.join(FILE)).ok()?).ok()
}

/// Makes the rules, by the first program that can; what each of them said otherwise. Rules that another program had made
/// go afterwards.
pub(crate) async fn make(
    spec: &FirewallSpec,
    before: Option<&Made>,
    runtime_dir: &Path,
) -> Result<Made, String> {
    let backends: &[Backend] = match spec.form.iptables {
        None => &[Backend::Nftables, Backend::Iptables, Backend::IptablesLegacy],
        Some(_) => &[Backend::Iptables, Backend::IptablesLegacy],
    };
    let mut refusals = Vec::new();
    for backend in backends {
        let families = spec.families();
        let made = Made { backend: *backend, families, form: spec.form.clone() };
        let same = before.filter(|before| before.is_where(&made));
        let mut other = before.filter(|_| same.is_none());
        // Other chains of iptables lead to the same ones of ours: what led there goes first.
        if let Some(other) = other.take_if(|other| other.backend == made.backend) {
            other.remove().await.map_err(|failure| failure.to_string())?;
        }
        let noted = |made: &Made| note(runtime_dir, made);
        if let Err(cause) = noted(&made.with(same)) {
            return Err(format!("{}: {cause}", runtime_dir.join(FILE).display()));
        }
        match made.apply(spec, same).await {
            Ok(()) => {
                if let Some(other) = other {
                    other.remove().await.map_err(|failure| failure.to_string())?;
                }
                // What this one made before and the new rules do not need has gone.
                let _ = noted(&made);
                return Ok(made);
            }
            Err(cause) => refusals.push(cause),
        }
    }
    if let Some(before) = before {
        // They stand as they did.
        let _ = note(runtime_dir, before);
    } else {
        forget(runtime_dir);
    }
    Err(explain(&refusals, spec))
}

/// What each said; where there is none of them, what to do about it.
fn explain(refusals: &[Failure], spec: &FirewallSpec) -> String {
    let said: Vec<String> = refusals.iter().map(Failure::to_string).collect();
    let said = said.join("; ");
    if !refusals.iter().all(|failure| matches!(failure, Failure::Absent(_))) {
        return said;
    }
    let packages = match spec.form.iptables {
        None => "the package nftables or iptables",
        Some(_) => "the package iptables",
    };
    format!("{said} (install {packages}: within 30 s the rules are made, without a restart)")
}

/// Takes everything away.
pub(crate) async fn remove(made: &Made, runtime_dir: &Path) -> Result<(), String> {
    made.remove().await.map_err(|failure| failure.to_string())?;
    forget(runtime_dir);
    Ok(())
}

impl Made {
    /// Both stand in the same place, so that one replaces the other.
    fn is_where(&self, other: &Self) -> bool {
        let Firewall { table, priority: _, counters: _, iptables } = &self.form;
        let is_nft = self.backend == Backend::Nftables;
        self.backend == other.backend
            && match is_nft {
                true => *table == other.form.table,
                false => *iptables == other.form.iptables,
            }
    }

    /// With the families of an earlier state of the same.
    fn with(&self, before: Option<&Self>) -> Self {
        let mut both = self.clone();
        both.families.extend(before.iter().flat_map(|before| &before.families));
        both
    }

    async fn apply(&self, spec: &FirewallSpec, before: Option<&Self>) -> Result<(), Failure> {
        let none = BTreeSet::new();
        let stood = before.map_or(&none, |before| &before.families);
        if self.backend == Backend::Nftables {
            return run("nft", &["-f", "-"], spec.nft(stood)).await;
        }
        for family in &self.families {
            let restore = format!("{}-restore", self.program(*family));
            run(&restore, &["--noflush", "-w", "1"], spec.iptables(*family)).await?;
            for jump in jumps(&self.form) {
                if self.ask(*family, "-C", &jump).await.is_err() {
                    self.ask(*family, "-I", &jump).await?;
                }
            }
        }
        let gone = stood.difference(&self.families).copied().collect();
        self.remove_chains(&gone).await
    }

    /// Whether the rules are still there: whoever loads another set of rules may flush all others.
    pub(crate) async fn stands(&self) -> bool {
        for family in &self.families {
            if self.backend == Backend::Nftables {
                let table = &*self.form.table;
                let words = ["list", "chain", nft_family(*family), table, "in"];
                if run("nft", &words, String::new()).await.is_err() {
                    return false;
                }
                continue;
            }
            for jump in jumps(&self.form) {
                if self.ask(*family, "-C", &jump).await.is_err() {
                    return false;
                }
            }
        }
        true
    }

    async fn remove(&self) -> Result<(), Failure> {
        if self.backend == Backend::Nftables {
            let text = nft_without(&self.form.table, &self.families);
            return run("nft", &["-f", "-"], text).await;
        }
        self.remove_chains(&self.families).await
    }

    async fn remove_chains(&self, families: &BTreeSet<Family>) -> Result<(), Failure> {
        for family in families {
            for jump in jumps(&self.form) {
                // Once for each time that it stands there; by somebody else's hand it may be none.
                while self.ask(*family, "-C", &jump).await.is_ok() {
                    self.ask(*family, "-D", &jump).await?;
                }
            }
            for chain in CHAINS {
                let words = [chain.to_owned()];
                if self.ask(*family, "-F", &words).await.is_ok() {
                    self.ask(*family, "-X", &words).await?;
                }
            }
        }
        Ok(())
    }

    async fn ask(&self, family: Family, what: &str, words: &[String]) -> Result<(), Failure> {
        let mut all = vec!["-w", "1", what];
        all.extend(words.iter().map(String::as_str));
        run(&self.program(family), &all, String::new()).await
    }

    fn program(&self, family: Family) -> String {
        let six = if family == Family::V6 { "6" } else { "" };
        match self.backend {
            Backend::Nftables => "nft".to_owned(),
            Backend::Iptables => format!("ip{six}tables"),
            Backend::IptablesLegacy => format!("ip{six}tables-legacy"),
        }
    }
}

/// Runs a program to its end with `input`; what it said, in one line, if it failed.
async fn run(program: &str, words: &[&str], input: String) -> Result<(), Failure> {
    let mut command = Command::new(program);
    command.args(words).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let failed = |cause: io::Error| match cause.kind() {
        io::ErrorKind::NotFound => Failure::Absent(program.to_owned()),
        _ => Failure::Said(format!("{program}: {cause}")),
    };
    let mut child = command.spawn().map_err(failed)?;
    let mut stdin = child.stdin.take();
    let ended = async {
        if let Some(stdin) = &mut stdin {
            // One that ends without reading says why by itself.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        drop(stdin);
        child.wait_with_output().await
    };
    let output = match tokio::time::timeout(WITHIN, ended).await {
        Ok(output) => output.map_err(failed)?,
        Err(_) => {
            let text = format!("{program}: did not end within {} s", WITHIN.as_secs());
            return Err(Failure::Said(text));
        }
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().map(str::trim).find(|line| !line.is_empty());
    let said = said.map_or_else(|| output.status.to_string(), str::to_owned);
    Err(Failure::Said(match said.starts_with(program) {
        true => said,
        false => format!("{program}: {said}"),
    }))
}

fn note(runtime_dir: &Path, made: &Made) -> io::Result<()> {
    let text = serde_json::to_vec(made)?;
    let (path, new): (PathBuf, _) = (runtime_dir.join(FILE), runtime_dir.join("firewall.json.new"));
    fs::write(&new, text)?;
    fs::rename(new, path)
}

fn forget(runtime_dir: &Path) {
    let _ = fs::remove_file(runtime_dir.join(FILE));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_program_says_is_told_in_one_line() {
        let said =
            run("sh", &["-c", "echo; echo first >&2; echo second >&2; exit 3"], String::new());
        assert_eq!(said.await, Err(Failure::Said("sh: first".to_owned())));
        let silent = run("sh", &["-c", "exit 3"], String::new()).await;
        assert_eq!(silent, Err(Failure::Said("sh: exit status: 3".to_owned())));
        let missing = run("no-such-program-here", &[], String::new()).await;
        assert_eq!(missing, Err(Failure::Absent("no-such-program-here".to_owned())));
        assert_eq!(run("sh", &["-c", "read line; test $line = a"], "a\n".into()).await, Ok(()));
    }

    #[test]
    fn who_has_none_of_the_programs_is_told_what_to_install() {
        let absent = ["nft", "iptables-restore"].map(|name| Failure::Absent(name.to_owned()));
        let mut spec = FirewallSpec::default();
        let said = explain(&absent, &spec);
        assert!(said.starts_with("nft: not installed; iptables-restore: not installed"), "{said}");
        assert!(said.contains("install the package nftables or iptables"), "{said}");
        spec.form.iptables = Some(Default::default());
        assert!(explain(&absent, &spec).contains("install the package iptables:"));
        let refused = [absent[0].clone(), Failure::Said("iptables-restore: no table".to_owned())];
        let said = explain(&refused, &spec);
        assert_eq!(said, "nft: not installed; iptables-restore: no table");
    }

    #[test]
    fn what_counts_is_where_rules_stand() {
        let made = |backend, form: &Firewall| Made {
            backend,
            families: BTreeSet::new(),
            form: form.clone(),
        };
        let one = Firewall::default();
        let counting = Firewall { counters: true, ..one.clone() };
        let elsewhere = Firewall { table: "other".into(), ..one.clone() };
        let (nft, legacy) = (Backend::Nftables, Backend::IptablesLegacy);
        assert!(made(nft, &one).is_where(&made(nft, &counting)));
        assert!(!made(nft, &one).is_where(&made(nft, &elsewhere)));
        assert!(made(legacy, &one).is_where(&made(legacy, &elsewhere)));
        assert!(!made(legacy, &one).is_where(&made(nft, &one)));
    }

    #[test]
    fn what_stands_survives_its_process() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), None);
        let families = [Family::V6].into();
        let made = Made { backend: Backend::Nftables, families, form: Firewall::default() };
        note(dir.path(), &made).unwrap();
        assert_eq!(read(dir.path()), Some(made));
        forget(dir.path());
        assert_eq!(read(dir.path()), None);
    }
}
