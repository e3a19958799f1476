//! A small generator of repeatable randomness: jitter and discriminators need to differ, not to be secret.

use std::num::NonZeroU32;
use std::time::Duration;

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// `least` to `most` percent of `whole`.
    pub(crate) fn percent_of(&mut self, whole: Duration, least: u32, most: u32) -> Duration {
        let steps = u64::from(most.saturating_sub(least)) * 100 + 1;
        // Hundredths of a percent: at most 10,000.
        let share = least * 100 + u32::try_from(self.word() % steps).unwrap_or(0);
        whole * share / 10_000
    }

    /// A discriminator (RFC 5880 section 6.3: unique and not zero; randomness keeps old packets out).
    pub(crate) fn discriminator(&mut self) -> NonZeroU32 {
        loop {
            // The low half of the word.
            if let Some(word) = NonZeroU32::new(self.word() as u32) {
                return word;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_stay_within_their_bounds_and_reach_them() {
        let mut random = Random::new(1);
        let whole = Duration::from_millis(100);
        let drawn: Vec<_> = (0..100_000).map(|_| random.percent_of(whole, 75, 90)).collect();
        assert_eq!(drawn.iter().min(), Some(&Duration::from_millis(75)));
        assert_eq!(drawn.iter().max(), Some(&Duration::from_millis(90)));
    }
}
