//! What `global_defs` says of processes is what /proc shows of them.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use super::pair::{PRIORITIES, Pace, Pair, director};
use crate::daemon::Kind::Evenkeel;
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("process_keywords_are_seen_in_proc", 60, in_proc),
    Scenario::alone("process_that_was_late_goes_up", 90, late),
];

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

/// Real-time priority of a thread (proc(5): the fortieth field), and its policy behind it.
fn real_time(pid: i32, thread: i32) -> [u32; 2] {
    let stat = fs::read_to_string(format!("/proc/{pid}/task/{thread}/stat")).unwrap();
    let words: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    [words[37], words[38]].map(|word| word.parse().unwrap())
}

/// The thread of this name.
fn thread(pid: i32, name: &str) -> i32 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let mut ids = tasks.map(|entry| entry.file_name().to_str().unwrap().parse().unwrap());
    ids.find(|id| fs::read_to_string(format!("/proc/{pid}/task/{id}/comm")).unwrap().trim() == name)
        .unwrap()
}

fn late(keeper: &Arc<Keeper>) {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    const ROUND_ROBIN: u32 = 2;
    let words = with("max_auto_priority 12\nmin_auto_priority_delay 500000");
    let configs = [words, director(Pace::Tenth, PRIORITIES[1])];
    let pair = Pair::start_with(keeper, [Evenkeel; 2], configs);
    let daemon = &pair.directors[0];
    let [vrrp, lvs] = ["vrrp", "lvs"].map(|role| daemon.worker(role).unwrap());
    let core = thread(vrrp, "vrrp");
    let seen = || [real_time(vrrp, core), real_time(lvs, lvs)];
    assert_eq!(seen(), [[10, ROUND_ROBIN], [0, 0]]);
    let hold_up = || {
        let all = [vrrp, lvs].map(Pid::from_raw);
        all.iter().for_each(|pid| kill(*pid, Signal::SIGSTOP).unwrap());
        std::thread::sleep(Duration::from_secs(2));
        all.iter().for_each(|pid| kill(*pid, Signal::SIGCONT).unwrap());
    };
    hold_up();
    let soon = Duration::from_secs(30);
    wait_for(soon, "both gone up by one", || seen() == [[11, ROUND_ROBIN], [1, ROUND_ROBIN]]);
    hold_up();
    wait_for(soon, "the bound", || seen() == [[12, ROUND_ROBIN], [2, ROUND_ROBIN]]);
    hold_up();
    wait_for(soon, "the lvs worker still rising", || {
        seen() == [[12, ROUND_ROBIN], [3, ROUND_ROBIN]]
    });
    assert_eq!(["vrrp", "lvs"].map(|role| daemon.worker(role)), [Some(vrrp), Some(lvs)]);
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
    assert_ne!(shown(vrrp, "status", "VmLck:"), "0 kB", "always");
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
