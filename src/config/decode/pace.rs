//! How often and how patiently to check: keywords that virtual servers, real servers and checkers share, each level
//! overriding the one around it.

use std::num::NonZeroU32;
use std::time::Duration;

use checkers::{Cadence, First};

use super::{Keyword, acts};

/// Longest period or pause: a week, where keepalived takes any number.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);
/// Shortest period: keepalived takes a microsecond, which no check can keep.
const SHORTEST: Duration = Duration::from_millis(1);

/// What one level says; `None` leaves it to the level around it.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace {
    pub(super) delay_loop: Option<Duration>,
    pub(super) interval_down: Option<Duration>,
    pub(super) retry: Option<u32>,
    pub(super) delay_before_retry: Option<Duration>,
    pub(super) warmup: Option<Duration>,
    pub(super) alpha: Option<bool>,
    pub(super) rise: Option<NonZeroU32>,
    pub(super) fall: Option<NonZeroU32>,
    pub(super) jitter: Option<Duration>,
    pub(super) first: Option<First>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) log_failures: Option<bool>,
}

impl Pace {
    /// This level's values, and the outer one's where it has none.
    pub(super) fn or(&self, outer: &Self) -> Self {
        Self {
            delay_loop: self.delay_loop.or(outer.delay_loop),
            interval_down: self.interval_down.or(outer.interval_down),
            retry: self.retry.or(outer.retry),
            delay_before_retry: self.delay_before_retry.or(outer.delay_before_retry),
            warmup: self.warmup.or(outer.warmup),
            alpha: self.alpha.or(outer.alpha),
            rise: self.rise.or(outer.rise),
            fall: self.fall.or(outer.fall),
            jitter: self.jitter.or(outer.jitter),
            first: self.first.or(outer.first),
            connect_timeout: self.connect_timeout.or(outer.connect_timeout),
            log_failures: self.log_failures.or(outer.log_failures),
        }
    }

    /// The cadence of a checker whose kind has these defaults where no level says anything.
    pub(super) fn cadence(&self, retry: u32, delay_before_retry: Duration) -> Cadence {
        let default = Cadence::default();
        let delay_loop = self.delay_loop.unwrap_or(default.delay_loop);
        Cadence {
            delay_loop,
            interval_down: self.interval_down,
            retry: self.retry.unwrap_or(retry),
            delay_before_retry: self.delay_before_retry.unwrap_or(delay_before_retry),
            warmup: self.warmup.unwrap_or(delay_loop),
            first: self.first.unwrap_or_default(),
            jitter: self.jitter.unwrap_or(default.jitter),
            rise: self.rise.unwrap_or(default.rise),
            fall: self.fall,
            alpha: self.alpha.unwrap_or(default.alpha),
            log_failures: self.log_failures.unwrap_or(default.log_failures),
        }
    }
}

/// A block that has a pace.
pub(super) trait Paced: Sized + 'static {
    /// Its pace.
    fn pace(&mut self) -> &mut Pace;

    /// The keywords of any pace.
    const PACE: [Keyword<Self>; 10] = [
        acts("delay_loop", "SECONDS", |decoder, directive, draft| {
            let time = decoder.time(directive, SHORTEST..=LONGEST);
            draft.pace().delay_loop = time.or(draft.pace().delay_loop);
        }),
        acts("interval_down", "SECONDS", |decoder, directive, draft| {
            draft.pace().interval_down = decoder.time(directive, SHORTEST..=LONGEST);
        }),
        acts("retry", "TIMES", |decoder, directive, draft| {
            draft.pace().retry = decoder.number(directive, 0..=u32::MAX - 1);
        }),
        acts("delay_before_retry", "SECONDS", |decoder, directive, draft| {
            draft.pace().delay_before_retry = decoder.time(directive, Duration::ZERO..=LONGEST);
        }),
        acts("warmup", "SECONDS", |decoder, directive, draft| {
            draft.pace().warmup = decoder.time(directive, Duration::ZERO..=LONGEST);
        }),
        acts("alpha", "[BOOL]", |decoder, directive, draft| {
            draft.pace().alpha = decoder.switch(directive);
        }),
        acts("rise", "TIMES", |decoder, directive, draft| {
            draft.pace().rise = decoder.number(directive, NonZeroU32::MIN..=NonZeroU32::MAX);
        }),
        acts("fall", "TIMES", |decoder, directive, draft| {
            draft.pace().fall = decoder.number(directive, NonZeroU32::MIN..=NonZeroU32::MAX);
        }),
        acts("jitter", "SECONDS", |decoder, directive, draft| {
            draft.pace().jitter = decoder.time(directive, Duration::ZERO..=LONGEST);
        }),
        acts("first_check", "spread | at_once", |decoder, directive, draft| {
            const CHOICES: [(&str, First); 2] =
                [("spread", First::Spread), ("at_once", First::AtOnce)];
            let word = decoder.word(directive);
            draft.pace().first = word.and_then(|word| decoder.choice(word, &CHOICES));
        }),
    ];

    /// The keyword of those that connect.
    const CONNECT_TIMEOUT: [Keyword<Self>; 1] =
        [acts("connect_timeout", "SECONDS", |decoder, directive, draft| {
            draft.pace().connect_timeout = decoder.time(directive, SHORTEST..=LONGEST);
        })];

    /// The keyword of checkers, but not of the levels around them.
    const LOG: [Keyword<Self>; 1] =
        [acts("log_all_failures", "[BOOL]", |decoder, directive, draft| {
            draft.pace().log_failures = decoder.switch(directive);
        })];
}
