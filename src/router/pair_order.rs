//! PURE: overrides that an operator orders for both directors of a pair, on their way over the heartbeat path. They travel
//! in its beats, so that what protects those protects them: the key, the count, and the echo of a recent beat of the
//! receiver's. Nothing but overrides of real servers has a form here.
//!
//! One order of ours is on its way at a time. It stands in every beat until the peer has said how it went, or until
//! six seconds are over: then whoever asked is told that the peer did not answer. The peer carries an order out once,
//! however often it hears it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::lvs::overrides::{Deed, Order, Override};
use crate::lvs::selector::Selector;

/// From an order to the word that the peer did not answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(6);
/// Orders that wait for their turn: each has an operator behind it, who is told when there is no room.
const WAITING: usize = 8;
/// Orders of the peer that are remembered. A recording can only be among those of the last eight beats of ours, and each
/// order that was carried out took one.
const REMEMBERED: usize = 32;
/// The longest words of an operator, and the longest line of how it went, in bytes.
const WORDS: usize = 400;

/// An override for the peer's real servers, or the end of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairOrder {
    /// Which.
    pub servers: Selector,
    /// What is wanted of them; `None`: no override any more.
    pub wanted: Option<Override>,
}

/// What a beat carries besides what the routers are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mail {
    /// The order that is on its way, with its number.
    order: Option<(u64, PairOrder)>,
    /// How the last order of the other side went.
    done: Option<Done>,
}

/// How an order went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Done {
    /// Whose it was: the process, and its number there.
    of: (u64, u64),
    outcome: Outcome,
}

/// A line, or why it was refused.
pub(super) type Outcome = Result<String, String>;

/// What is to be done about an order of ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// As it was asked.
    pub(super) id: u64,
    /// For the operator.
    pub(super) outcome: Outcome,
}

/// Both directions.
#[derive(Debug)]
pub(super) struct PairOrders {
    /// This process, as its beats name it.
    node: u64,
    waiting: VecDeque<Waiting>,
    number: u64,
    carried_out: VecDeque<CarriedOut>,
    tickets: u64,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    number: u64,
    order: PairOrder,
    until: Instant,
}

/// An order of the peer's.
#[derive(Debug)]
struct CarriedOut {
    /// Process of the peer's, and number there.
    of: (u64, u64),
    ticket: u64,
    /// `None` while the lvs worker has it.
    outcome: Option<Outcome>,
}

impl PairOrder {
    /// As the lvs worker takes it.
    pub fn order(self) -> Order {
        let Self { servers, wanted } = self;
        Order { servers, deed: wanted.map_or(Deed::Clear, Deed::Override) }
    }

    /// Of an order; `None` where it is no override.
    pub fn of(order: &Order) -> Option<Self> {
        let wanted = match &order.deed {
            Deed::Override(wanted) => Some(wanted.clone()),
            Deed::Clear => None,
            Deed::CheckNow => return None,
        };
        Some(Self { servers: order.servers, wanted })
    }

    fn is_too_long(&self) -> bool {
        let reason = self.wanted.as_ref().and_then(|wanted| wanted.reason.as_ref());
        reason.is_some_and(|reason| reason.len() > WORDS)
    }
}

impl Mail {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_none() && self.done.is_none()
    }
}

impl PairOrders {
    /// `node` is what the beats of this process say.
    pub(super) fn new(node: u64) -> Self {
        let (waiting, carried_out) = Default::default();
        Self { node, waiting, number: 0, carried_out, tickets: 0 }
    }

    /// An operator's, to be sent. `Err` when too many wait.
    pub(super) fn handle_order(
        &mut self,
        id: u64,
        order: PairOrder,
        now: Instant,
    ) -> Result<(), Told> {
        if self.waiting.len() >= WAITING {
            let outcome = Err(format!("{WAITING} orders are on their way to the peer already"));
            return Err(Told { id, outcome });
        }
        self.number += 1;
        let (number, until) = (self.number, now + PATIENCE);
        self.waiting.push_back(Waiting { id, number, order, until });
        Ok(())
    }

    /// What the next beat carries.
    pub(super) fn mail(&self) -> Mail {
        let order = self.waiting.front().map(|it| (it.number, it.order.clone()));
        let last = self.carried_out.back();
        let done = last.and_then(|it| Some(Done { of: it.of, outcome: it.outcome.clone()? }));
        Mail { order, done }
    }

    /// What a beat of this process of the peer's brought, which proves itself: how ours went, and a new order with the
    /// ticket under which [`PairOrders::handle_outcome`] takes how it went.
    pub(super) fn handle_mail(
        &mut self,
        node: u64,
        mail: Mail,
    ) -> (Option<Told>, Option<(u64, PairOrder)>) {
        let Mail { order, done } = mail;
        let told = done.and_then(|Done { of, outcome }| {
            self.waiting.front().filter(|it| (self.node, it.number) == of)?;
            let Waiting { id, .. } = self.waiting.pop_front()?;
            Some(Told { id, outcome: shortened(outcome) })
        });
        let new = order.and_then(|(number, order)| {
            let of = (node, number);
            if order.is_too_long() || self.carried_out.iter().any(|it| it.of == of) {
                return None;
            }
            if self.carried_out.len() >= REMEMBERED {
                self.carried_out.pop_front();
            }
            self.tickets += 1;
            self.carried_out.push_back(CarriedOut { of, ticket: self.tickets, outcome: None });
            Some((self.tickets, order))
        });
        (told, new)
    }

    /// How the peer's order of this ticket went. True when there is something to send.
    pub(super) fn handle_outcome(&mut self, ticket: u64, outcome: Outcome) -> bool {
        let open = |it: &&mut CarriedOut| it.ticket == ticket && it.outcome.is_none();
        let found = self.carried_out.iter_mut().find(open);
        found.map(|it| it.outcome = Some(shortened(outcome))).is_some()
    }

    /// When the peer has not answered the next order.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.front().map(|it| it.until)
    }

    /// An order that the peer has not answered in time.
    pub(super) fn poll_late(&mut self, now: Instant) -> Option<Told> {
        self.waiting.front().filter(|it| it.until <= now)?;
        let Waiting { id, .. } = self.waiting.pop_front()?;
        let seconds = PATIENCE.as_secs();
        Some(Told {
            id,
            outcome: Err(format!("the peer did not answer within {seconds} s; it may still do it")),
        })
    }

    /// The path goes: whoever waits is told.
    pub(super) fn give_up(&mut self) -> Vec<Told> {
        let gone = || Err("the heartbeat path was configured anew".to_owned());
        self.waiting.drain(..).map(|it| Told { id: it.id, outcome: gone() }).collect()
    }
}

fn shortened(outcome: Outcome) -> Outcome {
    let short = |mut line: String| {
        line.truncate(line.floor_char_boundary(WORDS));
        line
    };
    outcome.map(short).map_err(short)
}

#[cfg(test)]
mod tests;
