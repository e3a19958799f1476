//! Who comes first: priority, `state`, and what goes with them or does not. The rules are keepalived's
//! (vrrp_complete_instance() of vrrp.c).

use std::time::Duration;

use vrrp::Priority;

use super::instance::Draft;
use super::{At, Decoder};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::InitialState;
use crate::config::source::Span;

impl Decoder<'_> {
    /// The priority, and how it begins.
    pub(super) fn priority_and_state(
        &mut self,
        draft: &Draft,
        strict: bool,
        keyword: Span,
    ) -> (Priority, InitialState) {
        let wish = draft.state.map(|state| state.value);
        let priority = match (draft.priority, draft.state) {
            (Some(priority), _) => priority.value,
            (None, Some(At { value: InitialState::Master, span })) => {
                self.report(
                    Diagnostic::warning(
                        "adjusted",
                        span,
                        "MASTER without a priority means priority 255, the owner of the addresses",
                    )
                    .help("add a priority; the peer needs a lower one"),
                );
                Priority::OWNER
            }
            (None, Some(At { value: InitialState::Backup, .. }) | None) => Priority::DEFAULT,
        };
        let follows = match priority.is_owner() {
            true => InitialState::Master,
            false => InitialState::Backup,
        };
        let state = wish.unwrap_or(follows);
        if strict && state != follows {
            let span = draft.state.map_or(keyword, |state| state.span);
            let wanted = if priority.is_owner() { "MASTER" } else { "BACKUP" };
            let message = format!(
                "strict mode: only priority 255 begins as MASTER, so priority {priority} begins as {wanted}"
            );
            self.report(
                Diagnostic::warning("adjusted", span, message)
                    .with(self.strict_at, "strict mode")
                    .help(format!("write `state {wanted}`: the router with the higher priority becomes MASTER all the same")),
            );
            return (priority, follows);
        }
        (priority, state)
    }

    /// Whether it takes the addresses from a lesser router, and after what delay.
    pub(super) fn preemption(
        &mut self,
        draft: &Draft,
        state: InitialState,
        priority: Priority,
        strict: bool,
    ) -> (bool, Duration) {
        let mut preempt = draft.nopreempt.is_none();
        if let Some(span) = draft.nopreempt {
            if priority.is_owner() {
                let message = "`nopreempt` does not go with priority 255: it is left out";
                self.report(
                    Diagnostic::warning("adjusted", span, message)
                        .help("the owner of the addresses always takes them; give it a priority up to 254")
                        .with(draft.priority.map(|priority| priority.span), "the priority"),
                );
                preempt = true;
            } else if state == InitialState::Master {
                self.report(
                    Diagnostic::warning(
                        "adjusted",
                        span,
                        "`nopreempt` does not go with `state MASTER`: it is left out",
                    )
                    .help("write `state BACKUP` on both routers; the priority decides")
                    .with(draft.state.map(|state| state.span), "the state"),
                );
                preempt = true;
            } else if draft.state.is_some_and(|given| given.value == InitialState::Master) {
                let message = "`nopreempt` does not go with `state MASTER`; it holds because strict mode begins as BACKUP";
                self.report(
                    Diagnostic::warning("contradiction", span, message)
                        .help("write `state BACKUP` on both routers; the priority decides")
                        .with(draft.state.map(|state| state.span), "the state")
                        .with(self.strict_at, "strict mode"),
                );
            }
        }
        let Some(At { value, span }) = draft.preempt_delay else {
            return (preempt, Duration::ZERO);
        };
        let (against, other, help) = if strict {
            ("strict mode", self.strict_at, "leave one of the two out")
        } else if state == InitialState::Master {
            let state = draft.state.map(|state| state.span);
            let help = "write `state BACKUP` on both routers: the one with the higher priority waits so long, then takes over";
            ("`state MASTER`", state.or(draft.priority.map(|priority| priority.span)), help)
        } else if !preempt {
            ("`nopreempt`", draft.nopreempt, "a router that never preempts has no delay for it")
        } else {
            return (preempt, value);
        };
        let message = format!("`preempt_delay` does not go with {against}: it is left out");
        self.report(
            Diagnostic::warning("adjusted", span, message).with(other, "the other").help(help),
        );
        (preempt, Duration::ZERO)
    }

    /// `timer_expired_backup`, where it has a meaning.
    pub(super) fn yields_after_stall(&mut self, draft: &Draft, preempt: bool) -> Option<u8> {
        let At { value, span } = draft.yields_after_stall?;
        if preempt {
            let message = "`timer_expired_backup` without `nopreempt` is left out";
            self.report(
                Diagnostic::warning("adjusted", span, message)
                    .help("a router that preempts takes the addresses back anyway; add: nopreempt"),
            );
        }
        (!preempt).then_some(value)
    }
}
