//! PURE: `interface_up_down_delays`: an interface that goes down or comes up counts as such only when it has stayed so
//! for its time. What it was when it was first seen counts at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use vrrp::io::Link;

use crate::config::model::InterfaceDelay;

/// What interfaces count as.
#[derive(Debug, Default)]
pub(super) struct Damping {
    delays: BTreeMap<String, (Duration, Duration)>,
    seen: BTreeMap<String, Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    /// It counts as up.
    counted: bool,
    /// When it will count as the opposite, if it stays that.
    turns_at: Option<Instant>,
}

impl Damping {
    /// Takes the delays of a configuration; what counts goes on to count.
    pub(super) fn configure(&mut self, delays: &[InterfaceDelay]) {
        let delay = |it: &InterfaceDelay| (it.interface.to_string(), (it.down, it.up));
        self.delays = delays.iter().map(delay).collect();
        self.seen.retain(|name, _| self.delays.contains_key(name));
    }

    /// The interfaces that do not count as what they are, as they count.
    pub(super) fn adjusted<'a>(
        &mut self,
        links: impl Iterator<Item = &'a Link>,
        now: Instant,
    ) -> Vec<Link> {
        let mut adjusted = Vec::new();
        for link in links {
            let Some((down, up)) = self.delays.get(&link.name) else { continue };
            let fresh = Seen { counted: link.is_up, turns_at: None };
            let seen = self.seen.entry(link.name.clone()).or_insert(fresh);
            if seen.counted == link.is_up {
                seen.turns_at = None;
                continue;
            }
            let delay = if link.is_up { *up } else { *down };
            if *seen.turns_at.get_or_insert(now + delay) <= now {
                *seen = fresh;
            } else {
                adjusted.push(Link { is_up: seen.counted, ..link.clone() });
            }
        }
        adjusted
    }

    /// When one counts as something else.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.seen.values().filter_map(|seen| seen.turns_at).min()
    }
}

#[cfg(test)]
mod tests {
    use vrrp::io::AddressList;

    use super::*;

    fn link(is_up: bool) -> Link {
        Link {
            index: 2,
            name: "eth0".into(),
            is_up,
            hardware: None,
            is_loopback: false,
            mtu: 1500,
            addresses: AddressList::default(),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_change_counts_after_it_has_lasted_and_a_flap_not_at_all() {
        let second = Duration::from_secs(1);
        let interface = "eth0".parse().unwrap();
        let mut damping = Damping::default();
        damping.configure(&[InterfaceDelay { interface, down: second, up: second * 3 }]);
        let start = start();
        let mut counts = |is_up: bool, at: u32| {
            let link = link(is_up);
            let adjusted = damping.adjusted([&link].into_iter(), start + second * at);
            let counts = adjusted.first().map_or(is_up, |link| link.is_up);
            (counts, damping.poll_timeout().map(|at| (at - start).as_secs()))
        };
        assert_eq!(counts(true, 0), (true, None), "what it is at first counts at once");
        assert_eq!(counts(false, 1), (true, Some(2)));
        assert_eq!(counts(true, 1), (true, None), "a flap");
        assert_eq!(counts(false, 5), (true, Some(6)));
        assert_eq!(counts(false, 6), (false, None));
        assert_eq!(counts(true, 7), (false, Some(10)));
        assert_eq!(counts(true, 9), (false, Some(10)));
        assert_eq!(counts(true, 10), (true, None));
    }

    #[test]
    fn without_a_delay_everything_counts_as_it_is() {
        let mut damping = Damping::default();
        assert_eq!(damping.adjusted([&link(true)].into_iter(), start()), []);
        assert_eq!(damping.adjusted([&link(false)].into_iter(), start()), []);
        assert_eq!(damping.poll_timeout(), None);
    }
}
