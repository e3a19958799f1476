//! How a router asks for its addresses, and what it does when it does not get them.

use std::collections::VecDeque;
use std::time::Instant;

use crate::action::Action;
use crate::router::Router;
use crate::timing;

impl Router {
    /// Its addresses could not be held: it tries again later and later. What failed long after the time before is
    /// another story.
    pub(crate) fn hold_failed(&mut self, now: Instant) {
        self.counters.hold_failed += 1;
        if now.saturating_duration_since(self.since) > timing::HOLD_PAUSE_MAX {
            self.hold_failures = 0;
        }
        self.hold_again = Some(now + timing::hold_pause(self.hold_failures));
        self.hold_failures = self.hold_failures.saturating_add(1);
    }

    /// What kept its addresses off may be over.
    pub(crate) fn hold_anew(&mut self) {
        (self.hold_failures, self.hold_again) = (0, None);
    }

    /// Asks for the addresses to be there.
    pub(crate) fn hold(&mut self, out: &mut VecDeque<Action>) {
        let router = self.id();
        out.push_back(if std::mem::replace(&mut self.holding, true) {
            Action::Readdress { router }
        } else {
            Action::Hold { router }
        });
    }

    /// Asks to remove the addresses, if they are there.
    pub(crate) fn release(&mut self, out: &mut VecDeque<Action>) {
        if std::mem::take(&mut self.holding) {
            out.push_back(Action::Release { router: self.id() });
        }
    }
}
