//! `reload_time_file`, `reload_file`, `config_save_dir`: a reload at an appointed time, and what it leaves behind.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::pair::{PRIORITIES, Pace, Pair, SERVICE, instance, service};
use crate::daemon::Kind::Evenkeel;
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] =
    &[Scenario::together("reload_at_an_appointed_time_leaves_both_versions", 90, appointed)];

const SOON: Duration = Duration::from_secs(30);

/// `HH:MM:SSZ`, so much later than now.
fn later(by: Duration) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seconds = (now + by).as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}Z\n", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The versions that are kept, the oldest first: what is said of the first weight.
fn versions(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let text = |path: &Path| {
        let found = walk(path);
        assert_eq!(found.len(), 1, "{found:?}");
        fs::read_to_string(&found[0]).unwrap()
    };
    let weight = |text: String| {
        let line = text.lines().find(|line| line.contains("weight ")).unwrap();
        line.trim().to_owned()
    };
    paths.iter().map(|path| weight(text(path))).collect()
}

fn walk(path: &Path) -> Vec<std::path::PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    fs::read_dir(path).unwrap().flatten().flat_map(|entry| walk(&entry.path())).collect()
}

fn appointed(keeper: &Arc<Keeper>) {
    let folder = keeper.folder().to_owned();
    let [when, kept, mark] = ["when", "kept", "mark"].map(|name| folder.join(name));
    let words = format!(
        "global_defs {{\nreload_time_file {}\nconfig_save_dir {}\nreload_file {}\n}}\n",
        when.display(),
        kept.display(),
        mark.display()
    );
    let text = |priority, weights| {
        words.clone() + &instance(Pace::Tenth, priority, "") + &service(80, weights)
    };
    fs::write(&mark, "wait for me").unwrap();
    let configs = [
        text(PRIORITIES[0], [1, 1]),
        instance(Pace::Tenth, PRIORITIES[1], "") + &service(80, [1, 1]),
    ];
    let pair = Pair::start_with(keeper, [Evenkeel; 2], configs);
    let daemon = &pair.directors[0];
    let weights = || kernel_view::weights(pair.d1(), SERVICE).into_values().collect::<Vec<_>>();
    assert!(!mark.exists(), "the first reading is over");
    assert_eq!(versions(&kept), ["weight 1"]);

    fs::write(&daemon.config, text(PRIORITIES[0], [7, 8])).unwrap();
    fs::write(&when, later(Duration::from_secs(600))).unwrap();
    assert!(daemon.logs_within(SOON, "a reload is appointed for"), "{}", daemon.logged());
    assert_eq!(weights(), [1, 1], "it is not time yet");
    fs::write(&mark, "wait for me").unwrap();
    fs::write(&when, later(Duration::from_secs(3))).unwrap();
    wait_for(SOON, "the reload at its time", || weights() == [7, 8]);
    wait_for(SOON, "the time file's end", || !when.exists());
    wait_for(SOON, "the mark's end", || !mark.exists());
    assert_eq!(versions(&kept), ["weight 1", "weight 7"]);

    // The same again is no version of its own; a file that is taken away calls the time off.
    daemon.hang_up();
    wait_for(SOON, "the third reading", || daemon.logged().matches("reloaded:").count() == 2);
    fs::write(&when, later(Duration::from_secs(600))).unwrap();
    wait_for(SOON, "the second time", || daemon.logged().matches("is appointed").count() == 3);
    fs::remove_file(&when).unwrap();
    assert!(daemon.logs_within(SOON, "called off"), "{}", daemon.logged());
    assert_eq!(versions(&kept).len(), 2);
}
