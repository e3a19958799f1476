//! What the director's processes use, as /proc tells it to everybody.

use std::fs;

use crate::status::Status;

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Usage {
    /// `supervisor`, `vrrp`, `lvs` or `ops`.
    pub(super) role: String,
    /// Processor time since its start, milliseconds.
    pub(super) cpu_ms: u64,
    /// Memory that is resident, bytes.
    pub(super) resident: u64,
}

/// All that run.
pub(super) fn of(status: &Status) -> Vec<Usage> {
    let Some(director) = &status.director else { return Vec::new() };
    let workers =
        director.workers.iter().filter_map(|worker| Some((worker.role.as_str(), worker.pid?)));
    let all = std::iter::once(("supervisor", director.pid)).chain(workers);
    all.filter_map(|(role, pid)| usage(role, pid)).collect()
}

fn usage(role: &str, pid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten()?;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten()?;
    let (cpu, pages) = read(&stat)?;
    let (ticks, page) = (u64::try_from(ticks).ok()?, u64::try_from(page).ok()?);
    Some(Usage {
        role: role.to_owned(),
        cpu_ms: cpu.saturating_mul(1000).checked_div(ticks)?,
        resident: pages.saturating_mul(page),
    })
}

/// Ticks of processor time and resident pages (proc_pid_stat(5): utime 14, stime 15, rss 24). The name in parentheses
/// may hold anything.
fn read(stat: &str) -> Option<(u64, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let user: u64 = fields.nth(11)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let resident: u64 = fields.nth(8)?.parse().ok()?;
    Some((user + system, resident))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_after_the_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 99 1000 321 18446744073709551615";
        assert_eq!(read(stat), Some((200, 321)));
        assert_eq!(read("7 (x"), None);
        let own = usage("ops", std::process::id()).unwrap();
        assert!(own.resident > 100_000, "{own:?}");
    }
}
