//! How a worker's process runs on its host: nice value, processors, memory, limits, name, umask. What `global_defs` says
//! of it is applied when it is new; what the host refuses is a warning, for the work goes on without.

mod raise;

use std::io;
use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::stat::{Mode, umask};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tracing::warn;

pub use self::raise::{AutoPriority, Raise};

/// CPU time that a thread under real-time scheduling may take without blocking, where nothing is said.
const FUSE: Duration = Duration::from_secs(1);
/// The kernel cuts a name here (prctl(2), PR_SET_NAME).
pub const NAME_MAX: usize = 15;

/// What a configuration says of one worker's process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// `vrrp_priority`, `checker_priority`: nice value.
    pub nice: Option<i8>,
    /// `vrrp_cpu_affinity`, `checker_cpu_affinity`: numbers of processors; empty for all.
    pub processors: Vec<u16>,
    /// `checker_rt_priority`, 1..=99. The vrrp worker's real-time thread has its own word.
    pub real_time: Option<u8>,
    /// `vrrp_rlimit_rttime`, `checker_rlimit_rttime`, 1 s.
    pub real_time_limit: Option<Duration>,
    /// `checker_no_swap`: memory is locked as it is touched. The vrrp worker always locks it.
    pub locked: bool,
    /// `vrrp_process_name`, `checker_process_name`, or what `process_names` makes of the role.
    pub name: Option<String>,
    /// `umask` of what is written and of scripts.
    pub umask: Option<u16>,
    /// `max_auto_priority`: what becomes of a loop that is late.
    pub auto: Option<AutoPriority>,
}

impl Process {
    /// The bound on real-time CPU use.
    pub fn fuse(&self) -> Duration {
        self.real_time_limit.unwrap_or(FUSE)
    }

    /// Makes this process so. `before` is what was applied last: only what differs is touched.
    pub fn apply(&self, before: &Self) {
        let Self {
            nice,
            processors,
            real_time,
            real_time_limit,
            locked,
            name,
            umask: mask,
            auto: _,
        } = self;
        if *nice != before.nice {
            let value = nice.unwrap_or(0);
            told("priority", each_thread(|thread| sys::sched::be_nice(thread, value)));
        }
        if *processors != before.processors {
            told("cpu_affinity", each_thread(|thread| place(thread, processors)));
        }
        if (*real_time_limit, *real_time) != (before.real_time_limit, before.real_time) {
            told("rlimit_rttime", sys::sched::limit_real_time(self.fuse()));
        }
        if *real_time != before.real_time {
            match real_time {
                Some(priority) => {
                    told("rt_priority", sys::sched::run_in_real_time(*priority));
                }
                None => warn!("rt_priority: taken back when the worker starts again"),
            }
        }
        if *locked && !before.locked {
            told("no_swap", sys::sched::lock_memory_as_touched());
        }
        if let (Some(name), true) = (name, *name != before.name) {
            // The first thread's name is the process's.
            told("process_name", std::fs::write("/proc/self/comm", name));
        }
        if let (Some(bits), true) = (mask, *mask != before.umask) {
            umask(Mode::from_bits_truncate(u32::from(*bits)));
        }
    }
}

fn told(what: &str, outcome: io::Result<()>) {
    if let Err(cause) = outcome {
        warn!("{what} has no effect here: {cause}");
    }
}

/// Nice value and processors belong to threads; a new one inherits them.
fn each_thread(change: impl Fn(i32) -> io::Result<()>) -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/task")? {
        let name = entry?.file_name();
        let Some(thread) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        change(thread)?;
    }
    Ok(())
}

fn place(thread: i32, processors: &[u16]) -> io::Result<()> {
    let mut set = CpuSet::new();
    let all = 0..u16::try_from(CpuSet::count()).unwrap_or(u16::MAX);
    let chosen = processors.iter().copied();
    let wanted: Vec<u16> = if processors.is_empty() { all.collect() } else { chosen.collect() };
    for processor in wanted {
        set.set(processor.into())?;
    }
    Ok(sched_setaffinity(Pid::from_raw(thread), &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thread's own row of /proc, so that other tests' threads do not matter.
    fn status(word: &str) -> String {
        let text = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(word)).unwrap();
        line.trim().to_owned()
    }

    #[test]
    fn what_is_said_is_seen_in_proc() {
        let before = Process::default();
        let first: u16 = status("Cpus_allowed_list:")
            .split(['-', ','])
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap();
        let wanted = Process { nice: Some(3), processors: vec![first], ..before.clone() };
        wanted.apply(&before);
        assert_eq!(status("Cpus_allowed_list:"), first.to_string());
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let after_name = stat.rsplit_once(')').unwrap().1;
        // proc(5): the name is the second field, the nice value the nineteenth.
        assert_eq!(after_name.split_whitespace().nth(16), Some("3"));
        before.apply(&Process { nice: None, ..wanted });
        assert_ne!(status("Cpus_allowed_list:"), "", "taken back");
    }
}
