//! Timeouts of idle connections, one set for each network namespace.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Timeouts of idle connections (`ipvsadm --set`). To set, `None` leaves one as it is; read, all are there.
/// The kernel counts whole seconds, so a part of one is rounded up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Timeouts {
    /// Established TCP; the kernel starts with 15 minutes.
    pub tcp: Option<Duration>,
    /// TCP after a FIN; the kernel starts with 2 minutes.
    pub tcp_fin: Option<Duration>,
    /// UDP; the kernel starts with 5 minutes.
    pub udp: Option<Duration>,
}

/// Seconds as the kernel wants them: 0 leaves a timeout as it is.
pub(crate) fn to_wire(timeout: Option<Duration>) -> u32 {
    timeout.map_or(0, |timeout| {
        let seconds = timeout.as_secs().saturating_add(u64::from(timeout.subsec_nanos() > 0));
        u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
    })
}

pub(crate) fn from_wire(seconds: u32) -> Option<Duration> {
    Some(Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_up_and_saturate() {
        for (timeout, seconds) in [
            (None, 0),
            (Some(Duration::ZERO), 1),
            (Some(Duration::from_millis(1500)), 2),
            (Some(Duration::from_secs(900)), 900),
            (Some(Duration::MAX), u32::MAX),
        ] {
            assert_eq!(to_wire(timeout), seconds);
        }
    }
}
