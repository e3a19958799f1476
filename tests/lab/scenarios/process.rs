//! What `global_defs` says of processes is what /proc shows of them.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use super::pair::{PRIORITIES, Pace, Pair, director};
use crate::daemon::Kind::Evenkeel;
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] =
    &[Scenario::together("process_keywords_are_seen_in_proc", 60, in_proc)];

fn with(words: &str) -> String {
    format!("global_defs {{\n{words}\n}}\n") + &director(Pace::Tenth, PRIORITIES[0])
}

/// A line of a file in /proc/PID that begins with this word, the rest of it.
fn shown(pid: i32, file: &str, word: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(word));
    line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// proc(5): the nice value is the nineteenth field, the seventeenth after the name.
fn nice(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16).unwrap().parse().unwrap()
}

fn name(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim_end().to_owned()
}

fn in_proc(keeper: &Arc<Keeper>) {
    let first = with(
        "vrrp_priority -5\nchecker_priority 4\nchecker_cpu_affinity 0\nchecker_no_swap\n\
         vrrp_rlimit_rttime 200000\nprocess_names\numask 027",
    );
    let configs = [first, director(Pace::Tenth, PRIORITIES[1])];
    let pair = Pair::start_with(keeper, [Evenkeel; 2], configs);
    let daemon = &pair.directors[0];
    let [vrrp, lvs] = ["vrrp", "lvs"].map(|role| daemon.worker(role).unwrap());
    assert_eq!([nice(vrrp), nice(lvs)], [-5, 4]);
    assert_eq!([name(vrrp), name(lvs)], ["evenkeel_vrrp", "evenkeel_lvs"]);
    assert_eq!([vrrp, lvs].map(|pid| shown(pid, "status", "Umask:")), ["0027", "0027"]);
    assert_eq!(shown(lvs, "status", "Cpus_allowed_list:"), "0");
    assert_ne!(shown(lvs, "status", "VmLck:"), "0 kB");
    let limit = shown(vrrp, "limits", "Max realtime timeout");
    assert!(limit.starts_with("200000 "), "{limit}");

    // A reload changes what it says and leaves the processes as they are.
    daemon.reload(&with("checker_priority 9\nvrrp_rlimit_rttime 300000\nlvs_process_name checks"));
    wait_for(Duration::from_secs(5), "the new values", || {
        nice(lvs) == 9 && nice(vrrp) == 0 && name(lvs) == "checks"
    });
    let limit = shown(vrrp, "limits", "Max realtime timeout");
    assert!(limit.starts_with("300000 "), "{limit}");
    assert_eq!(["vrrp", "lvs"].map(|role| daemon.worker(role)), [Some(vrrp), Some(lvs)]);
}
