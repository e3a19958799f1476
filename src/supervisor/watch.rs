//! PURE: the life of one worker as its parent sees it: heartbeats, deadlines, back-off. No clock, no process.

use std::time::{Duration, Instant};

/// How often a worker is asked whether it is there, unless it is said otherwise.
pub(super) const PING_EVERY: Duration = Duration::from_secs(1);
/// How long an answer may take before the worker counts as hung and is killed.
pub(super) const PONG_WITHIN: Duration = Duration::from_secs(10);
/// Longest pause before a restart, as in keepalived.
pub(super) const BACK_OFF_MAX: Duration = Duration::from_secs(60);
/// A parent that wakes up later than this was itself not running: nobody's silence counts then.
pub(super) const OWN_DELAY_MAX: Duration = Duration::from_millis(500);

/// Where the worker is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The configuration has no work for it.
    Idle,
    /// Died; comes back at that time.
    Waiting {
        /// When it is started again.
        until: Instant,
    },
    /// A process exists.
    Running {
        /// Since when.
        since: Instant,
        /// When the next ping goes out.
        ping_at: Instant,
        /// By when the outstanding ping must be answered.
        pong_by: Option<Instant>,
    },
    /// Asked to stop.
    Stopping {
        /// When it is killed.
        kill_at: Instant,
    },
}

/// What the parent has to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Start a process.
    Start,
    /// Send a ping.
    Ping,
    /// It hangs: kill it.
    KillHung,
    /// It did not stop in time: kill it.
    KillStopping,
}

/// One worker's watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Watch {
    state: State,
    back_off: Duration,
    every: Duration,
}

impl Default for Watch {
    fn default() -> Self {
        Self { state: State::Idle, back_off: Duration::ZERO, every: PING_EVERY }
    }
}

impl Watch {
    /// Where it is.
    pub(super) fn state(&self) -> State {
        self.state
    }

    /// How often it is asked, instead of [`PING_EVERY`].
    pub(super) fn ask_every(&mut self, every: Duration) {
        self.every = every;
    }

    /// The configuration has work for it: start as soon as possible, unless it runs or waits already.
    pub(super) fn wanted(&mut self, now: Instant) {
        if self.state == State::Idle {
            self.state = State::Waiting { until: now };
        }
    }

    /// A process was started.
    pub(super) fn started(&mut self, now: Instant) {
        self.state = State::Running { since: now, ping_at: now + self.every, pong_by: None };
    }

    /// An answer came.
    pub(super) fn answered(&mut self) {
        if let State::Running { pong_by, .. } = &mut self.state {
            *pong_by = None;
        }
    }

    /// The worker was asked to stop and has until `kill_at`.
    pub(super) fn stopping(&mut self, kill_at: Instant) {
        self.state = match self.state {
            State::Running { .. } => State::Stopping { kill_at },
            State::Idle | State::Waiting { .. } => State::Idle,
            State::Stopping { .. } => self.state,
        };
    }

    /// The process is gone. After a life longer than the current back-off the restart is immediate; the pause
    /// then grows 0, 1, 2, 4 ... 60 s (keepalived's respawn rule).
    pub(super) fn died(&mut self, now: Instant) {
        self.state = match self.state {
            State::Running { since, .. } => {
                if now.saturating_duration_since(since) > self.back_off.max(PING_EVERY) {
                    self.back_off = Duration::ZERO;
                }
                let until = now + self.back_off;
                self.back_off = (self.back_off * 2).clamp(PING_EVERY, BACK_OFF_MAX);
                State::Waiting { until }
            }
            State::Stopping { .. } | State::Idle => State::Idle,
            State::Waiting { until } => State::Waiting { until },
        };
    }

    /// When [`Watch::poll`] has something next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Waiting { until } => Some(until),
            State::Running { ping_at, pong_by, .. } => Some(pong_by.unwrap_or(ping_at)),
            State::Stopping { kill_at } => Some(kill_at),
        }
    }

    /// What is due. The caller performs it and, for [`Due::Start`], reports [`Watch::started`].
    pub(super) fn poll(&mut self, now: Instant) -> Option<Due> {
        match &mut self.state {
            State::Idle => None,
            State::Waiting { until } => (now >= *until).then_some(Due::Start),
            State::Running { ping_at, pong_by, .. } => match pong_by {
                Some(by) if now >= *by => {
                    *pong_by = None;
                    *ping_at = now + PONG_WITHIN;
                    Some(Due::KillHung)
                }
                Some(_) => None,
                None if now >= *ping_at => {
                    *ping_at = now + self.every;
                    *pong_by = Some(now + PONG_WITHIN);
                    Some(Due::Ping)
                }
                None => None,
            },
            State::Stopping { kill_at } => {
                let due = now >= *kill_at;
                if due {
                    *kill_at = now + PING_EVERY;
                }
                due.then_some(Due::KillStopping)
            }
        }
    }

    /// The parent itself was late: what it did not hear in that time proves nothing.
    pub(super) fn parent_was_late(&mut self, now: Instant) {
        if let State::Running { pong_by: Some(by), .. } = &mut self.state {
            *by = now + PONG_WITHIN;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
    fn origin() -> Instant {
        Instant::now()
    }

    fn running(now: Instant) -> Watch {
        let mut watch = Watch::default();
        watch.wanted(now);
        assert_eq!(watch.poll(now), Some(Due::Start));
        watch.started(now);
        watch
    }

    #[test]
    fn a_worker_that_answers_is_asked_once_a_second() {
        let start = origin();
        let mut watch = running(start);
        for second in 1..5 {
            let now = start + PING_EVERY * second;
            assert_eq!(watch.deadline(), Some(now));
            assert_eq!(watch.poll(now), Some(Due::Ping));
            assert_eq!(watch.poll(now), None);
            watch.answered();
        }
    }

    #[test]
    fn silence_kills_but_not_when_the_parent_was_late_itself() {
        let start = origin();
        let mut watch = running(start);
        let asked = start + PING_EVERY;
        assert_eq!(watch.poll(asked), Some(Due::Ping));
        let late = asked + PONG_WITHIN * 3;
        watch.parent_was_late(late);
        assert_eq!(watch.poll(late), None);
        assert_eq!(watch.poll(late + PONG_WITHIN), Some(Due::KillHung));
    }

    #[test]
    fn restarts_back_off_and_a_long_life_resets_that() {
        let mut now = origin();
        let mut watch = running(now);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            watch.died(now);
            let State::Waiting { until } = watch.state() else { panic!("{watch:?}") };
            pauses.push((until - now).as_secs());
            now = until;
            assert_eq!(watch.poll(now), Some(Due::Start));
            watch.started(now);
        }
        assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
        now += Duration::from_secs(61);
        watch.died(now);
        assert_eq!(watch.state(), State::Waiting { until: now });
    }

    #[test]
    fn one_that_does_not_stop_is_killed_and_stays_away() {
        let start = origin();
        let mut watch = running(start);
        watch.stopping(start + Duration::from_secs(5));
        assert_eq!(watch.poll(start + Duration::from_secs(4)), None);
        assert_eq!(watch.poll(start + Duration::from_secs(5)), Some(Due::KillStopping));
        watch.died(start + Duration::from_secs(5));
        assert_eq!((watch.state(), watch.deadline()), (State::Idle, None));
    }
}
