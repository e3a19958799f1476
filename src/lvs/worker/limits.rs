//! How much may run at once, and the descriptors that it takes.

use std::num::NonZeroU32;

use checkers::Limits;
use tracing::warn;

use crate::lvs::spec::LvsSpec;

/// Files that are not sockets of probes: the link, netlink, scripts, the state file.
const SPARE_FILES: u64 = 256;

/// The bounds that a configuration sets.
pub(super) fn of(spec: &LvsSpec) -> Limits {
    let default = Limits::default();
    let most = |given: Option<NonZeroU32>| given.and_then(|most| usize::try_from(most.get()).ok());
    let sockets = most(spec.max_in_flight).unwrap_or(default.sockets);
    let scripts = default.scripts.min(sockets);
    Limits { sockets, scripts, starts_per_second: spec.max_per_second, ..default }
}

/// Each probe in flight, and each connection that is held, is a socket; the usual limit of 1,024 files is for programs with
/// few.
pub(super) fn allow_sockets(sockets: usize) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let wanted = u64::try_from(sockets).unwrap_or(u64::MAX).saturating_add(SPARE_FILES);
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft < wanted
        && let Err(errno) = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted))
    {
        warn!(wanted, soft, "the limit of open files stays: {errno}; probes beyond it wait");
    }
}
