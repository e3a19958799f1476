//! `min_in_pool` and `slow_start` of a virtual server: keywords of our own.

use std::time::Duration;

use super::{At, Decoder};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{MinInPool, RealServer, SlowStart};
use crate::config::tree::{Directive, Word};

/// Longest ramp: a day.
const LONGEST: Duration = Duration::from_secs(86_400);
/// Shortest: below it nothing is slow.
const SHORTEST: Duration = Duration::from_millis(100);

impl Decoder<'_> {
    /// `COUNT | PERCENT%`.
    pub(super) fn min_in_pool(&mut self, directive: &Directive) -> Option<At<MinInPool>> {
        let word = self.word(directive)?;
        let value = if word.text.ends_with('%') {
            MinInPool::Share(self.percent(word)?)
        } else {
            MinInPool::Count(self.number_in(word, 1..=u32::MAX)?)
        };
        Some(At { value, span: word.span })
    }

    /// `SECONDS [FLOOR%]`.
    pub(super) fn slow_start(&mut self, directive: &Directive) -> Option<At<SlowStart>> {
        self.surplus(directive, 2);
        let Some(word) = directive.arguments.first() else {
            self.missing(directive.name.span);
            return None;
        };
        let duration = self.time_in(word, SHORTEST..=LONGEST)?;
        let floor = match directive.arguments.get(1) {
            None => SlowStart::FLOOR,
            Some(word) => self.percent(word)?,
        };
        Some(At { value: SlowStart { duration, floor }, span: word.span })
    }

    /// `1%` to `100%`.
    fn percent(&mut self, word: &Word) -> Option<u8> {
        let number = word.text.strip_suffix('%').and_then(|number| number.parse().ok());
        let percent = number.filter(|percent| (1..=100).contains(percent));
        if percent.is_none() {
            self.bad(word, "a share from 1% to 100%");
        }
        percent
    }

    /// More than there are is all of them.
    pub(super) fn checked_min_in_pool(
        &mut self,
        given: Option<At<MinInPool>>,
        servers: &[RealServer],
    ) -> Option<MinInPool> {
        let At { value, span } = given?;
        let all = u32::try_from(servers.len()).unwrap_or(u32::MAX);
        match value {
            MinInPool::Count(count) if count > all => {
                let message =
                    format!("min_in_pool {count} is more than all real servers: {all} is taken");
                self.report(Diagnostic::warning("adjusted", span, message));
                Some(MinInPool::Count(all))
            }
            MinInPool::Count(_) | MinInPool::Share(_) => Some(value),
        }
    }

    /// Weights are whole numbers: one of 1 cannot grow.
    pub(super) fn checked_slow_start(
        &mut self,
        given: Option<At<SlowStart>>,
        servers: &[RealServer],
    ) -> Option<SlowStart> {
        let At { value, span } = given?;
        if let Some(one) = servers.iter().find(|server| server.weight.value() == 1) {
            let message = format!("slow_start has no effect on {}: its weight is 1", one.key);
            self.report(
                Diagnostic::warning("no-effect", span, message)
                    .help("weights are whole numbers: give all real servers ten times as much"),
            );
        }
        Some(value)
    }
}
