//! What this worker may do: it reads answers of real servers, and needs little of what root has.
//!
//! The capabilities that stay are decided once, by the first configuration: what is given up does not come back. Programs
//! that it starts as root are not meant by this.

use sys::rights;
use tracing::warn;

use super::spec::LvsSpec;

/// For the table and for sockets; to run scripts as their users, and to end them; to read files that belong to others
/// (`track_file`, `tls_ca`); for what `global_defs` may ask of the process at any reload.
const ALWAYS: [u32; 10] = [
    rights::NET_ADMIN,
    rights::NET_RAW,
    rights::NET_BIND_SERVICE,
    rights::SETUID,
    rights::SETGID,
    rights::KILL,
    rights::DAC_READ_SEARCH,
    rights::SYS_NICE,
    rights::SYS_RESOURCE,
    rights::IPC_LOCK,
];

/// To give pipes to their owners, and to write into them then.
const FOR_FIFOS: [u32; 2] = [rights::CHOWN, rights::DAC_OVERRIDE];

/// Gives up the rest. That it cannot be given up is no reason not to work.
pub(super) fn keep_what_is_needed(spec: &LvsSpec) {
    if let Err(cause) = rights::keep(&needed(spec)) {
        warn!("the lvs worker keeps all capabilities: {cause}");
    }
}

fn needed(spec: &LvsSpec) -> Vec<u32> {
    let fifos = if spec.fifos.is_empty() { &[][..] } else { &FOR_FIFOS };
    [&ALWAYS, fifos].concat()
}
