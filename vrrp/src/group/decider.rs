//! Who is better where two machines disagree: each has the higher rank in some member of the group. If both yielded to
//! each other, nobody would be Master until the next election, and then the same again. So of all members that both
//! speak for, the one with the least number decides, on both sides; the word of a later member waits for that of the
//! earlier ones, which are told to the other at once: it answers, being better there, or yields.

use std::net::IpAddr;
use std::time::Instant;

use super::Group;
use crate::id::{Family, Vrid};
use crate::input::MasterView;
use crate::router::Router;
use crate::state::State;

/// What to make of a better Master of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The group yields.
    Yield,
    /// It stays Master, and says so for these members: what decides is what the other has to hear. For the better
    /// member it would only insist, and so on.
    Stay { tell: Vec<usize> },
}

impl Group {
    /// A better Master of this member has spoken.
    pub(super) fn judge(&mut self, member: usize, better: MasterView, now: Instant) -> Verdict {
        // Were it heard to be better in an earlier member, the group would have yielded. That it goes on to speak for this
        // one while we speak for the earlier ones means that it does not hear those, or that none are its own.
        let rivals = self.members[member].phase.rivals_mut();
        let goes_on =
            rivals.is_none_or(|rivals| rivals.hear_better(better.address, better.interval, now));
        let earlier = self.earlier_than(member);
        let is_lesser = |other: &usize| {
            let address = self.name_there(member, *other, better.address);
            let rivals = self.members[*other].phase.rivals();
            rivals.is_some_and(|rivals| rivals.has_lesser(address, now))
        };
        match earlier.iter().copied().find(is_lesser) {
            Some(decider) => Verdict::Stay { tell: vec![decider] },
            None if goes_on || earlier.is_empty() => Verdict::Yield,
            None => Verdict::Stay { tell: earlier },
        }
    }

    /// The members that decide before this one, the first of them first, as far as others can hear us there.
    fn earlier_than(&self, member: usize) -> Vec<usize> {
        let own = rank(&self.members[member]);
        let decides = |it: &Router| rank(it) < own && it.state() == State::Master && it.can_send();
        let mut earlier: Vec<_> =
            (0..self.members.len()).filter(|other| decides(&self.members[*other])).collect();
        earlier.sort_by_key(|other| rank(&self.members[*other]));
        earlier
    }

    /// What the machine that is known to one member by this address is called where another one is: the same on the same
    /// network. Elsewhere nobody can tell, and `None` stands for whoever speaks there.
    fn name_there(&self, member: usize, other: usize, address: IpAddr) -> Option<IpAddr> {
        let (here, there) = (self.members[member].id(), self.members[other].id());
        let is_same = (here.interface, here.family) == (there.interface, there.family);
        is_same.then_some(address)
    }
}

/// What both machines know of a member and have alike. Interfaces may have other names there; what one vrid on two of
/// them serves has not.
fn rank(router: &Router) -> (Vrid, Family, Option<IpAddr>) {
    let id = router.id();
    (id.vrid, id.family, router.spec.addresses.iter().min().copied())
}
