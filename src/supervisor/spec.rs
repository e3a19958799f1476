//! What a configuration says of the director itself: the one section of a spec file that the supervisor reads.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::model::{Daemon, ReloadFile};

/// The supervisor's section.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisorSpec {
    /// What the file says.
    pub daemon: Daemon,
    /// The files that the configuration stands in, where `auto_reload` asks that they be watched.
    pub files: Vec<PathBuf>,
    /// Wrong values that are passed over as in keepalived.
    pub wrong_values: BTreeSet<String>,
}

impl SupervisorSpec {
    /// The runtime directory of this director, below the one of the command line where it has a name.
    pub(super) fn runtime_dir(&self, given: &Path) -> PathBuf {
        self.daemon.folder().map_or_else(|| given.to_owned(), |folder| given.join(folder))
    }

    /// The file that is there while the configuration is read.
    pub(super) fn reload_mark(&self, runtime_dir: &Path) -> Option<PathBuf> {
        Some(match self.daemon.reload_file.as_ref()? {
            ReloadFile::Usual => runtime_dir.join("evenkeel.reload"),
            ReloadFile::Path(path) => path.clone(),
        })
    }

    /// The wrong values that `new` has and this one has not: what was changed last was changed by mistake.
    pub(super) fn mistaken_by<'n>(&'n self, new: &'n Self) -> Vec<&'n str> {
        new.wrong_values.difference(&self.wrong_values).map(String::as_str).collect()
    }

    /// What cannot change while the director runs, where `new` says otherwise.
    pub(super) fn fixed(&self, new: &Self) -> Option<&'static str> {
        let (is, wanted) = (&self.daemon, &new.daemon);
        if is.net_namespace != wanted.net_namespace {
            Some("net_namespace")
        } else if is.instance != wanted.instance {
            Some("instance")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_a_folder_and_stay() {
        let named = |space: Option<&str>, name: Option<&str>| {
            let daemon = Daemon {
                net_namespace: space.map(str::to_owned),
                instance: name.map(str::to_owned),
                ..Daemon::default()
            };
            SupervisorSpec { daemon, ..SupervisorSpec::default() }
        };
        let folder = |spec: &SupervisorSpec| spec.runtime_dir("/run/evenkeel".as_ref());
        assert_eq!(folder(&named(None, None)), Path::new("/run/evenkeel"));
        assert_eq!(folder(&named(None, Some("a"))), Path::new("/run/evenkeel/a"));
        assert_eq!(folder(&named(Some("blue"), None)), Path::new("/run/evenkeel/blue"));
        assert_eq!(folder(&named(Some("blue"), Some("a"))), Path::new("/run/evenkeel/blue_a"));
        assert_eq!(named(None, None).fixed(&named(None, Some("a"))), Some("instance"));
        assert_eq!(named(None, None).fixed(&named(Some("b"), Some("a"))), Some("net_namespace"));
        assert_eq!(named(None, Some("a")).fixed(&named(None, Some("a"))), None);
    }

    #[test]
    fn only_wrong_values_that_were_not_there_before_are_mistakes_of_a_change() {
        let with = |wrong: &[&str]| SupervisorSpec {
            wrong_values: wrong.iter().map(ToString::to_string).collect(),
            ..SupervisorSpec::default()
        };
        assert_eq!(with(&["a", "b"]).mistaken_by(&with(&["b", "c"])), ["c"]);
        assert!(with(&["a"]).mistaken_by(&with(&["a"])).is_empty());
        assert!(with(&["a"]).mistaken_by(&with(&[])).is_empty());
    }
}
