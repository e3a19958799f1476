//! PURE: how long checks take, as a histogram for each virtual server and kind of check: enough to see a pool grow slow,
//! and few enough series for thousands of real servers. The latest time of each check is a gauge of its own.

use checkers::Latency;

use super::Micros;
use crate::lvs::status::VirtualServerStatus;
use crate::ops::exposition::{Exposition, Kind};

/// [`Latency::BOUNDS`], in seconds as Prometheus writes them.
const BOUNDS: [&str; Latency::BOUNDS.len()] = ["0.001", "0.005", "0.025", "0.1", "1.0"];

pub(super) fn write(to: &mut Exposition, services: &[VirtualServerStatus]) {
    to.family(
        "check_latency_seconds",
        Kind::Histogram,
        "How long probes took, all real servers together.",
    );
    for service in services {
        for (kind, Latency { within, longer, sum_us }) in &service.latencies {
            let labels = [("virtual_server", service.key.as_str()), ("check", kind)];
            let buckets = BOUNDS.into_iter().zip(*within);
            to.histogram(&labels, buckets, *longer, Micros(*sum_us));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_written_as_they_count() {
        for (written, bound) in BOUNDS.iter().zip(Latency::BOUNDS) {
            let millis = written.parse::<f64>().unwrap() * 1000.0;
            assert!((millis - bound as f64).abs() < 1e-9, "{written} is not {bound} ms");
        }
    }
}
