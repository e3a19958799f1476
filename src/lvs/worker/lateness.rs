//! `max_auto_priority`: this worker's thread goes into real-time scheduling when it wakes up late.

use std::time::Instant;

use tracing::warn;

use super::Worker;
use crate::process::Process;

impl Worker {
    /// What counts from now on; called before `new` replaces what was in force.
    pub(super) fn follow_lateness(&mut self, new: &Process) {
        self.raise.set(new.auto);
        if let (Some(priority), true) =
            (new.real_time, new.real_time != self.spec.process.real_time)
        {
            self.raise.note(priority);
        }
    }

    /// It slept until `until` and woke up now. What was due before it went to sleep says nothing.
    pub(super) fn note_lateness(&mut self, slept: Instant, until: Option<Instant>, now: Instant) {
        let Some(until) = until.filter(|until| *until > slept) else { return };
        let late = now.saturating_duration_since(until);
        self.latest = self.latest.max(late);
        let Some(priority) = self.raise.handle_lateness(late) else { return };
        let late_ms = late.as_millis();
        match sys::sched::run_in_real_time(priority) {
            Ok(()) => warn!(late_ms, "late: real-time priority {priority} from now on"),
            Err(cause) => {
                self.raise.set(None);
                warn!(late_ms, "late, and may not go to real-time priority {priority}: {cause}");
            }
        }
    }
}
