//! `max_auto_priority`: a loop that finds itself late goes into real-time scheduling, and further up each time that
//! this was not enough. Pure: it says the priority, and its loop asks the kernel for it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `max_auto_priority` and `min_auto_priority_delay`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoPriority {
    /// Highest real-time priority that is reached, 1..=99.
    pub most: u8,
    /// How late is late, 1 s.
    pub delay: Duration,
}

impl AutoPriority {
    /// `min_auto_priority_delay`.
    pub const DELAY: Duration = Duration::from_secs(1);
}

/// The priority of one thread as far as this has raised it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Raise {
    spec: Option<AutoPriority>,
    /// Real-time priority now; 0 for ordinary scheduling.
    is: u8,
}

impl Raise {
    /// What counts from now on.
    pub fn set(&mut self, spec: Option<AutoPriority>) {
        self.spec = spec;
    }

    /// The thread runs at this real-time priority.
    pub fn note(&mut self, priority: u8) {
        self.is = priority;
    }

    /// The loop woke up so late; the priority that it should go to.
    pub fn handle_lateness(&mut self, late: Duration) -> Option<u8> {
        let AutoPriority { most, delay } = self.spec?;
        if late < delay || self.is >= most {
            return None;
        }
        self.is += 1;
        Some(self.is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: Duration = Duration::from_millis(200);

    #[test]
    fn each_delay_raises_by_one_up_to_the_bound() {
        let mut raise = Raise::default();
        assert_eq!(raise.handle_lateness(LATE), None, "nothing is said of it");
        raise.set(Some(AutoPriority { most: 2, delay: LATE }));
        assert_eq!(raise.handle_lateness(LATE / 2), None);
        let raised: Vec<_> = (0..4).map(|_| raise.handle_lateness(LATE)).collect();
        assert_eq!(raised, [Some(1), Some(2), None, None]);
    }

    #[test]
    fn it_goes_on_from_where_the_thread_is() {
        let mut raise = Raise::default();
        raise.set(Some(AutoPriority { most: 50, delay: LATE }));
        raise.note(10);
        assert_eq!(raise.handle_lateness(LATE), Some(11));
        raise.note(60);
        assert_eq!(raise.handle_lateness(LATE), None, "it is above the bound already");
    }
}
