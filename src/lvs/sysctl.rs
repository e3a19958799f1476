//! `lvs_sysctl`: settings of the kernel's IPVS that go with the configuration. What they were is remembered, in the state
//! file too, and put back when the configuration no longer asks for them and at a stop. Nothing else is touched.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use tracing::{info, warn};

/// Where the kernel has them.
const FOLDER: &str = "/proc/sys/net/ipv4/vs";

/// The settings of ours.
#[derive(Debug)]
pub(super) struct Sysctl {
    folder: PathBuf,
    /// What they were before.
    before: BTreeMap<String, String>,
    /// Why some are not as they should be.
    errors: Vec<String>,
}

impl Sysctl {
    /// `before`: what a process before this one has found and changed.
    pub(super) fn new(before: BTreeMap<String, String>) -> Self {
        Self { folder: FOLDER.into(), before, errors: Vec::new() }
    }

    /// What is to be put back one day.
    pub(super) fn before(&self) -> &BTreeMap<String, String> {
        &self.before
    }

    /// What `status` says.
    pub(super) fn errors(&self) -> &[String] {
        &self.errors
    }

    /// Takes note of what is there of `wanted` and is to be changed. True when that was not known: then it has to be
    /// written down before [`Sysctl::apply`].
    pub(super) fn remember(&mut self, wanted: &BTreeMap<String, u32>) -> bool {
        let known = self.before.len();
        for (name, value) in wanted {
            // What cannot be read cannot be set, which says so.
            let Ok(found) = fs::read_to_string(self.folder.join(name)) else { continue };
            let found = found.trim();
            if found != value.to_string() && !self.before.contains_key(name) {
                self.before.insert(name.clone(), found.to_owned());
            }
        }
        self.before.len() > known
    }

    /// Sets what is wanted and puts back what no longer is.
    pub(super) fn apply(&mut self, wanted: &BTreeMap<String, u32>) {
        self.errors.clear();
        let ended: Vec<String> =
            self.before.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        for name in ended {
            self.put_back(&name);
        }
        for (name, value) in wanted {
            if let Err(cause) = self.set(name, *value) {
                warn!("lvs_sysctl: {name} cannot be set to {value}: {cause}");
                self.errors.push(format!("{name} cannot be set to {value}: {cause}"));
            }
        }
    }

    /// At a stop.
    pub(super) fn restore(&mut self) {
        self.apply(&BTreeMap::new());
    }

    fn set(&mut self, name: &str, value: u32) -> io::Result<()> {
        let path = self.folder.join(name);
        let (found, value) = (fs::read_to_string(&path)?, value.to_string());
        let found = found.trim();
        if found == value {
            return Ok(());
        }
        fs::write(&path, &value)?;
        info!(before = found, after = value, "sysctl net.ipv4.vs.{name}");
        Ok(())
    }

    fn put_back(&mut self, name: &str) {
        let Some(value) = self.before.remove(name) else { return };
        match fs::write(self.folder.join(name), &value) {
            Ok(()) => info!(after = value, "sysctl net.ipv4.vs.{name} is as it was"),
            Err(cause) => warn!("sysctl net.ipv4.vs.{name} cannot be put back to {value}: {cause}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(all: &[(&str, u32)]) -> BTreeMap<String, u32> {
        all.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn what_was_changed_is_put_back_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let read = |name: &str| fs::read_to_string(file(name)).unwrap().trim().to_owned();
        for (name, value) in [("sloppy_tcp", "0\n"), ("backup_only", "1\n"), ("drop_entry", "0\n")]
        {
            fs::write(file(name), value).unwrap();
        }
        let mut sysctl = Sysctl { folder: folder.path().into(), ..Sysctl::new(BTreeMap::new()) };
        let first = wanted(&[("sloppy_tcp", 1), ("backup_only", 1), ("missing", 1)]);
        assert!(sysctl.remember(&first), "to be written down before anything is changed");
        assert_eq!(read("sloppy_tcp"), "0");
        assert!(!sysctl.remember(&first), "and once");
        sysctl.apply(&first);
        assert_eq!((read("sloppy_tcp"), read("backup_only")), ("1".into(), "1".into()));
        assert_eq!(sysctl.before(), &BTreeMap::from([("sloppy_tcp".into(), "0".into())]));
        assert_eq!(sysctl.errors().len(), 1, "{:?}", sysctl.errors());
        // A second value leaves what was there at first to be put back.
        let second = wanted(&[("sloppy_tcp", 0), ("drop_entry", 3)]);
        assert!(sysctl.remember(&second));
        sysctl.apply(&second);
        assert_eq!(sysctl.before()["sloppy_tcp"], "0");
        let mut next = Sysctl { before: sysctl.before().clone(), ..sysctl };
        next.restore();
        assert_eq!([read("sloppy_tcp"), read("backup_only"), read("drop_entry")], ["0", "1", "0"]);
        assert!(next.before().is_empty());
    }
}
