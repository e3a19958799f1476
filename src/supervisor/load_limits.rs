//! What a load child may take, and what its dying of it means to an operator. A file can ask for anything; whoever reads
//! it must be able to fail without harm.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;

/// Memory of its own. Twenty thousand real servers take 150 MB.
const MEMORY: u64 = 2 << 30;
/// CPU time. Twenty thousand real servers take 0.15 s.
const CPU: Duration = Duration::from_secs(30);
/// Wall time: a file may be a pipe that nobody fills, or lie on a file server that does not answer.
pub(super) const WITHIN: Duration = Duration::from_secs(60);

/// glibc's allocator (malloc tunables) takes memory in large steps, in huge pages where they are to be had, and gives
/// none back: the child lives for a moment and touches each page once. Measured with 20,000 real servers: 1,100 page
/// faults instead of 37,000, 121 ms of CPU time instead of 162.
pub(super) const ALLOCATOR: (&str, &str) = (
    "GLIBC_TUNABLES",
    "glibc.malloc.hugetlb=1:glibc.malloc.top_pad=67108864:glibc.malloc.trim_threshold=4294967296:\
     glibc.malloc.mmap_threshold=4294967296",
);

/// Puts the limits on this process: the load child's first act.
pub fn apply() -> Result<(), Errno> {
    lower(Resource::RLIMIT_DATA, MEMORY)?;
    lower(Resource::RLIMIT_CPU, CPU.as_secs())
}

/// Never above what somebody else has set.
fn lower(resource: Resource, limit: u64) -> Result<(), Errno> {
    let (soft, hard) = getrlimit(resource)?;
    setrlimit(resource, soft.min(limit), hard)
}

/// What to tell of a load child that was ended by a signal. `said` is what it had written by then, `late` that we
/// killed it after [`WITHIN`].
pub(super) fn explain(config: &Path, status: ExitStatus, late: bool, said: &str) -> String {
    let file = config.display();
    let signal = status.signal().and_then(|number| Signal::try_from(number).ok());
    let what = match signal {
        Some(Signal::SIGKILL) if late => format!(
            "reading it took more than {} s. Is it, or a file that it includes, a pipe or on a file server that does \
             not answer?",
            WITHIN.as_secs()
        ),
        Some(Signal::SIGXCPU) => {
            format!("reading it took more than {} s of CPU time. {GROWS}", CPU.as_secs())
        }
        Some(Signal::SIGABRT) if said.contains("memory allocation of") => format!(
            "reading it took more than the {} MiB of memory that a reader may use. {GROWS}",
            MEMORY >> 20
        ),
        Some(Signal::SIGKILL) => {
            "its reader was killed by somebody else; where memory is short, the kernel does that (see dmesg)".to_owned()
        }
        _ => format!(
            "its reader failed ({status}): a fault of evenkeel; please report it with the file, and try with fewer \
             included files to find the place"
        ),
    };
    let hint = format!("`evenkeel check {file}` shows the same at leisure");
    let said = said.trim_end();
    let rest = if said.is_empty() { String::new() } else { format!("\nIt had said:\n{said}") };
    format!("error[load]: {file}: {what}\n  {hint}{rest}\n")
}

const GROWS: &str =
    "Look for a definition, a repetition (~SEQ, ~LST) or an include that grows without bound.";

#[cfg(test)]
mod tests {
    use super::*;

    fn told(raw: i32, late: bool, said: &str) -> String {
        explain(Path::new("/etc/e.conf"), ExitStatus::from_raw(raw), late, said)
    }

    #[test]
    fn each_way_to_die_is_told_with_what_to_look_for() {
        let table = [
            (9, true, "", "took more than 60 s"),
            (9, false, "", "see dmesg"),
            (24, false, "", "30 s of CPU time. Look for a definition"),
            (6, false, "memory allocation of 48 bytes failed", "2048 MiB of memory"),
            (6, false, "something else", "a fault of evenkeel"),
            (11, false, "", "a fault of evenkeel"),
        ];
        for (raw, late, said, wanted) in table {
            let text = told(raw, late, said);
            assert!(text.contains(wanted), "signal {raw}: {text}");
            assert!(text.contains("/etc/e.conf") && text.contains("evenkeel check"), "{text}");
        }
    }

    #[test]
    fn what_it_had_said_is_kept() {
        assert!(told(6, false, "line 3: odd\n").ends_with("It had said:\nline 3: odd\n"));
    }
}
