//! The other Masters that a Master hears beside itself, and how each compares: what a group has to know where two
//! machines are each better in some of its members (`group::decider`). Kept in the state of Master and gone with it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// More are not remembered, the oldest is forgotten: all Masters but one yield, so that there are never many for long,
/// and anybody can make up senders.
const RIVALS_MAX: usize = 8;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rivals(Vec<Rival>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rival {
    address: IpAddr,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Behind us, and until when that counts.
    Lesser { until: Instant },
    /// Before us, and not yielded to yet: since when, and when it was last heard.
    Better { since: Instant, last: Instant },
}

impl Rivals {
    /// A lesser one has spoken: that counts until then.
    pub(crate) fn hear_lesser(&mut self, address: IpAddr, until: Instant) {
        self.set(address, Standing::Lesser { until });
    }

    /// A better one that advertises so often has spoken. True when it goes on to do so for about an interval: what it
    /// was asked meanwhile it has not answered, and what it was told has not made it yield.
    pub(crate) fn hear_better(
        &mut self,
        address: IpAddr,
        interval: Duration,
        now: Instant,
    ) -> bool {
        let last_standing = self.0.iter().find(|it| it.address == address).map(|it| it.standing);
        let since = match last_standing {
            Some(Standing::Better { since, last }) if now < last + interval * 3 => since,
            // Silent meanwhile, or lesser: a story of its own.
            Some(Standing::Better { .. } | Standing::Lesser { .. }) | None => now,
        };
        self.set(address, Standing::Better { since, last: now });
        // The second of two that come in time counts, though a timer or the network was a little early.
        now.saturating_duration_since(since) >= interval - interval / 4
    }

    /// Whether that one, or with `None` whoever else, was heard to be lesser.
    pub(crate) fn has_lesser(&self, address: Option<IpAddr>, now: Instant) -> bool {
        self.0.iter().filter(|it| address.is_none_or(|address| address == it.address)).any(|it| {
            match it.standing {
                Standing::Lesser { until } => now < until,
                Standing::Better { .. } => false,
            }
        })
    }

    fn set(&mut self, address: IpAddr, standing: Standing) {
        match self.0.iter_mut().find(|it| it.address == address) {
            Some(rival) => rival.standing = standing,
            None => {
                if self.0.len() >= RIVALS_MAX {
                    self.0.remove(0);
                }
                self.0.push(Rival { address, standing });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(1);

    #[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning")]
    fn start() -> Instant {
        Instant::now()
    }

    fn host(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn a_lesser_one_counts_for_itself_and_for_a_time() {
        let (mut rivals, now) = (Rivals::default(), start());
        rivals.hear_lesser(host(1), now + INTERVAL * 3);
        assert!(rivals.has_lesser(Some(host(1)), now));
        assert!(rivals.has_lesser(None, now));
        assert!(!rivals.has_lesser(Some(host(2)), now));
        assert!(!rivals.has_lesser(None, now + INTERVAL * 3));
        rivals.hear_better(host(1), INTERVAL, now);
        assert!(!rivals.has_lesser(Some(host(1)), now), "it is better now");
    }

    #[test]
    fn a_better_one_has_gone_on_when_its_next_in_time_is_heard() {
        let now = start();
        // (when it is heard, in ms; what comes of the last)
        let table: [(&[u64], bool); 6] = [
            (&[0], false),
            (&[0, 10, 20], false),
            (&[0, 990], true),
            (&[0, 400, 1000], true),
            (&[0, 3000], false),
            (&[0, 3000, 4000], true),
        ];
        for (heard, goes_on) in table {
            let mut rivals = Rivals::default();
            let mut last = false;
            for at in heard {
                // Another one in between changes nothing.
                rivals.hear_better(host(2), INTERVAL, now + Duration::from_millis(*at));
                last = rivals.hear_better(host(1), INTERVAL, now + Duration::from_millis(*at));
            }
            assert_eq!(last, goes_on, "{heard:?}");
        }
    }

    #[test]
    fn however_many_there_are_few_are_remembered() {
        let (mut rivals, now) = (Rivals::default(), start());
        for last in 0..=255 {
            rivals.hear_lesser(host(last), now + INTERVAL);
        }
        assert_eq!(rivals.0.len(), RIVALS_MAX);
        assert!(rivals.has_lesser(Some(host(255)), now));
        assert!(!rivals.has_lesser(Some(host(0)), now));
    }
}
