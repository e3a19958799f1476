//! Debian packages that the commands need: which are missing, and installing them by root or sudo.

use std::path::Path;
use std::process::Command;

/// Name, program and user of each package; the lab reads the same list.
const LIST: &str = include_str!("../../tests/lab/packages.txt");
const FOLDERS: &[&str] =
    &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Which packages a command wants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// What the demo runs.
    Demo,
    /// All of them.
    All,
}

/// Installs what is missing, by its name and before everybody's eyes.
pub(crate) fn install(wanted: Wanted) -> Result<(), String> {
    let missing = missing(LIST, wanted, |program| {
        FOLDERS.iter().any(|folder| Path::new(folder).join(program).exists())
    });
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!("sudo apt-get install --no-install-recommends {}", missing.join(" "));
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(format!("these Debian packages are missing: {}", missing.join(" ")));
    }
    println!("xtask: installing {}", missing.join(" "));
    // An old package list may name versions that the mirror no longer has.
    let is_done = apt_get(&["update", "-q"])
        && apt_get(&[&["install", "-qy", "--no-install-recommends"], missing.as_slice()].concat());
    if is_done { Ok(()) } else { Err(format!("could not install; please run: {by_hand}")) }
}

fn missing(list: &str, wanted: Wanted, is_there: impl Fn(&str) -> bool) -> Vec<&str> {
    let rows = list.lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(|line| {
        let mut words = line.split_whitespace();
        let (name, program, user) = (words.next()?, words.next()?, words.next()?);
        let is_wanted = wanted == Wanted::All || user == "demo";
        (is_wanted && !is_there(program)).then_some(name)
    })
    .collect()
}

fn apt_get(arguments: &[&str]) -> bool {
    let mut command = if nix::unistd::geteuid().is_root() {
        Command::new("apt-get")
    } else {
        let mut command = Command::new("sudo");
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        command
    };
    command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_wanted_and_not_there() {
        let list = "# note\numl linux demo\nvs ipvsadm demo\nka keepalived test\n";
        let has_ipvsadm = |program: &str| program == "ipvsadm";
        assert_eq!(missing(list, Wanted::Demo, has_ipvsadm), ["uml"]);
        assert_eq!(missing(list, Wanted::All, has_ipvsadm), ["uml", "ka"]);
    }

    #[test]
    fn every_row_of_the_list_is_whole() {
        let rows = LIST.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(missing(LIST, Wanted::All, |_| false).len(), rows.count());
    }
}
