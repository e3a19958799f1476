//! `FILE_CHECK`: what the number in a file means for a real server.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::outcome::Weight;

/// Largest amount by which a file moves a weight; beyond it, downwards, the real server is down (keepalived).
const MOST: i64 = 2_147_483_646;

/// A file that someone else writes a number into.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileSpec {
    /// Its absolute path.
    pub path: Box<str>,
    /// The number times this is added to the real server's weight. With 0 the number decides alone: 0 is good.
    pub weight: i32,
    /// What counts for and what against the real server change places.
    pub reverse: bool,
}

impl FileSpec {
    /// What `number` means.
    pub fn judge(&self, number: i64) -> Result<Weight, Failure> {
        let down = || Failure::File { path: self.path.clone().into(), number };
        if self.weight == 0 {
            return if (number != 0) == self.reverse {
                Ok(Weight::Configured)
            } else {
                Err(down())
            };
        }
        let sign = if self.reverse { -1 } else { 1 };
        let moved = number.saturating_mul(i64::from(self.weight)).saturating_mul(sign);
        match i32::try_from(moved.min(MOST)) {
            Ok(moved) if i64::from(moved) >= -MOST => Ok(Weight::Plus(moved)),
            Ok(_) | Err(_) => Err(down()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(weight: i32, reverse: bool, number: i64) -> Option<Weight> {
        FileSpec { path: "/x".into(), weight, reverse }.judge(number).ok()
    }

    #[test]
    fn without_a_weight_zero_is_good_or_in_reverse_anything_else() {
        let seen = [0, 1, -7].map(|number| (judged(0, false, number), judged(0, true, number)));
        let good = Some(Weight::Configured);
        assert_eq!(seen, [(good, None), (None, good), (None, good)]);
    }

    #[test]
    fn with_a_weight_the_number_moves_it_and_far_below_zero_is_down() {
        let wanted = [
            ((1, false, -5), Some(Weight::Plus(-5))),
            ((1, true, -5), Some(Weight::Plus(5))),
            ((3, false, 0), Some(Weight::Plus(0))),
            ((1, false, 2_147_483_647), Some(Weight::Plus(2_147_483_646))),
            ((1, false, i64::MAX), Some(Weight::Plus(2_147_483_646))),
            ((1, false, -2_147_483_646), Some(Weight::Plus(-2_147_483_646))),
            ((1, false, -2_147_483_647), None),
            ((i32::MIN, false, i64::MAX), None),
            ((i32::MIN, true, i64::MAX), Some(Weight::Plus(2_147_483_646))),
        ];
        for ((weight, reverse, number), seen) in wanted {
            assert_eq!(judged(weight, reverse, number), seen, "{weight} {reverse} {number}");
        }
    }
}
