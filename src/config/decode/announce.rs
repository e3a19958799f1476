//! `garp_*` and `vrrp_garp_*`: how often addresses are announced, at two levels.

use std::time::Duration;

use super::Decoder;
use super::global::DAY;
use crate::config::model::Announce;
use crate::config::tree::Directive;

/// `garp_*` as far as they were given.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AnnounceDraft {
    pub(super) delay: Option<Duration>,
    pub(super) repeat: Option<u32>,
    pub(super) refresh: Option<Duration>,
    pub(super) refresh_repeat: Option<u32>,
    pub(super) lower_prio_delay: Option<Duration>,
    pub(super) lower_prio_repeat: Option<u32>,
    pub(super) min: Option<bool>,
    /// `garp_extra_if [all] SECONDS`.
    pub(super) extra: Option<(bool, Duration)>,
}

/// A block with such keywords. They have other names at each level, and do the same.
pub(super) trait Announces {
    /// Where they go.
    fn announce(&mut self) -> &mut AnnounceDraft;
}

pub(super) fn delay(decoder: &mut Decoder<'_>, directive: &Directive, draft: &mut impl Announces) {
    draft.announce().delay = decoder.time(directive, Duration::ZERO..=DAY);
}

pub(super) fn repeat(decoder: &mut Decoder<'_>, directive: &Directive, draft: &mut impl Announces) {
    draft.announce().repeat = decoder.bursts(directive, 1);
}

pub(super) fn refresh(
    decoder: &mut Decoder<'_>,
    directive: &Directive,
    draft: &mut impl Announces,
) {
    draft.announce().refresh = decoder.time(directive, Duration::ZERO..=DAY);
}

pub(super) fn refresh_repeat(
    decoder: &mut Decoder<'_>,
    directive: &Directive,
    draft: &mut impl Announces,
) {
    draft.announce().refresh_repeat = decoder.bursts(directive, 1);
}

pub(super) fn lower_prio_delay(
    decoder: &mut Decoder<'_>,
    directive: &Directive,
    draft: &mut impl Announces,
) {
    draft.announce().lower_prio_delay = decoder.time(directive, Duration::ZERO..=DAY);
}

pub(super) fn lower_prio_repeat(
    decoder: &mut Decoder<'_>,
    directive: &Directive,
    draft: &mut impl Announces,
) {
    draft.announce().lower_prio_repeat = decoder.bursts(directive, 0);
}

impl AnnounceDraft {
    /// With the defaults of the level around it.
    pub(super) fn over(self, outer: Announce) -> Announce {
        Announce {
            delay: self.delay.unwrap_or(outer.delay),
            repeat: self.repeat.unwrap_or(outer.repeat),
            refresh: self.refresh.unwrap_or(outer.refresh),
            refresh_repeat: self.refresh_repeat.unwrap_or(outer.refresh_repeat),
            lower_prio_delay: self.lower_prio_delay.unwrap_or(outer.lower_prio_delay),
            lower_prio_repeat: self.lower_prio_repeat.unwrap_or(outer.lower_prio_repeat),
            extra: self.extra.map_or(outer.extra, |(_, pause)| pause),
            extra_all: self.extra.map_or(outer.extra_all, |(all, _)| all),
        }
    }

    /// At the outermost level, where the second kind of burst defaults to the first.
    pub(super) fn finish(self) -> Announce {
        let mut base = Announce::default();
        if self.min == Some(true) {
            base.repeat = 1;
            base.delay = Duration::ZERO;
        }
        base.lower_prio_delay = self.delay.unwrap_or(base.delay);
        base.lower_prio_repeat = self.repeat.unwrap_or(base.repeat);
        self.over(base)
    }
}

impl Decoder<'_> {
    /// `garp_extra_if [all] SECONDS`.
    pub(super) fn extra_interfaces(&mut self, directive: &Directive) -> Option<(bool, Duration)> {
        let all = directive.arguments.first().is_some_and(|word| word.is("all"));
        let Some(word) = directive.arguments.get(usize::from(all)) else {
            self.missing(directive.name.span);
            return None;
        };
        self.surplus(directive, usize::from(all) + 1);
        Some((all, self.time_in(word, Duration::ZERO..=DAY)?))
    }

    /// How many packets an announcement repeats; 0 means 1 where there must be one.
    fn bursts(&mut self, directive: &Directive, least: u32) -> Option<u32> {
        self.number(directive, 0..=255).map(|times: u32| times.max(least))
    }
}
