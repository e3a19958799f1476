//! PURE: what the checks of a virtual server hold, in little room: nothing for those that pass and ask for nothing.

use checkers::Verdict;

use crate::lvs::seldom::Seldom;

/// Verdicts by place of the real server and number of the check; what is not there is up with the configured weight.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdicts(Seldom<(u32, u16), Verdict>);

impl Verdicts {
    /// A check holds this now.
    pub fn set(&mut self, place: usize, check: u16, verdict: Verdict) {
        let Ok(place) = u32::try_from(place) else { return };
        if verdict == Verdict::UP {
            self.0.remove(&(place, check));
        } else {
            self.0.insert((place, check), verdict);
        }
    }

    /// What the checks of one real server hold, without those that are up with the configured weight.
    pub fn of(&self, place: usize) -> impl Iterator<Item = Verdict> + '_ {
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        self.0.range((place, 0)..=(place, u16::MAX)).map(|(_, verdict)| *verdict)
    }

    /// Place and number of each check that is down, in order.
    pub fn down(&self) -> impl Iterator<Item = (u32, u16)> + '_ {
        self.0.iter().filter(|(_, verdict)| !verdict.is_up()).map(|(place, _)| *place)
    }
}
