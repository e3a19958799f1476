//! Being told: events go out as mails, by keepalived's rules, and as signed POSTs to webhooks.
//!
//! | file | noun |
//! |---|---|
//! | `spec` | what the configuration asks for |
//! | `wanted` | PURE: from the configuration to that |
//! | `rules` | PURE: which event becomes a mail |
//! | `queue` | PURE: what waits for one receiver: bounds, pauses after failures, digests in a storm |
//! | `letter` | PURE: events as the text of a mail |
//! | `mail`, `webhook` | one delivery, over the network |
//! | `courier` | the task between one queue and its receiver |
//!
//! Nobody waits for any of this: an event is offered to each courier, and a courier that is behind loses the oldest
//! events and says how many.

mod courier;
mod letter;
mod mail;
mod queue;
mod rules;
pub mod spec;
#[cfg(test)]
mod tests;
mod wanted;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::warn;

use self::courier::{Channel, Courier, Order};
use self::rules::Mailed;
use self::spec::ToldSpec;
pub use self::wanted::Said;
use super::events::Kept;

/// Orders that wait for one courier. Events come in bursts of some thousands at worst, and taking one is a matter of
/// microseconds; when full, the event is lost for that receiver and counted.
const ORDERS: usize = 1024;
/// How long the end of the director waits for the last deliveries.
const FAREWELL: Duration = Duration::from_secs(2);

/// How it goes with one receiver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiverStatus {
    /// `mail relay:25` or the webhook's address.
    pub to: String,
    /// Events that wait.
    pub waiting: usize,
    /// Events delivered.
    pub delivered: u64,
    /// Deliveries that failed and were tried again.
    pub failures: u64,
    /// Events that the receiver refused for good.
    pub refused: u64,
    /// Events that had no room or waited for too long.
    pub lost: u64,
    /// Why the latest delivery failed, until one succeeds.
    pub error: Option<String>,
}

#[derive(Debug)]
struct Receiver {
    orders: mpsc::Sender<Order>,
    status: watch::Receiver<ReceiverStatus>,
    missed: u64,
}

/// Everybody who is told. Dropping it ends the couriers, whatever they carry.
#[derive(Debug, Default)]
pub(super) struct Told {
    mailed: Option<Mailed>,
    receivers: BTreeMap<String, Receiver>,
    couriers: JoinSet<()>,
}

impl Told {
    /// Another configuration. A receiver that stays keeps what waits for it.
    pub(super) fn configure(&mut self, spec: ToldSpec) {
        let ToldSpec { director, mail, webhooks } = spec;
        let director: Arc<str> = director.unwrap_or_else(host_name).into();
        let mut wanted: BTreeMap<String, Channel> = BTreeMap::new();
        match &mail {
            Some(mail) if self.mailed.is_none() => {
                self.mailed = Some(Mailed::new(mail.rules.clone()));
            }
            Some(mail) => self.mailed.iter_mut().for_each(|it| it.configure(mail.rules.clone())),
            None => self.mailed = None,
        }
        if let Some(mail) = mail {
            wanted.insert("mail".to_owned(), Channel::Mail(mail.into()));
        }
        for hook in webhooks {
            wanted.insert(hook.url.clone(), Channel::Webhook(hook.into()));
        }
        self.receivers.retain(|name, _| wanted.contains_key(name));
        for (name, channel) in wanted {
            self.receive(name, channel, &director);
        }
    }

    fn receive(&mut self, name: String, channel: Channel, director: &Arc<str>) {
        if let Some(receiver) = self.receivers.get(&name) {
            let order = Order::Channel(channel.clone(), Arc::clone(director));
            if receiver.orders.try_send(order).is_ok() {
                return;
            }
            warn!("whoever is to be told is so far behind that it begins anew");
        }
        let (orders, taken) = mpsc::channel(ORDERS);
        let (courier, status) = Courier::new(channel, Arc::clone(director), taken);
        self.couriers.spawn(courier.run());
        self.receivers.insert(name, Receiver { orders, status, missed: 0 });
    }

    /// Something happened.
    pub(super) fn push(&mut self, kept: &Arc<Kept>) {
        // Those that have ended: their receivers are no longer configured.
        while self.couriers.try_join_next().is_some() {}
        let is_mailed = self.mailed.as_mut().is_some_and(|mailed| mailed.wants(&kept.event));
        for (name, receiver) in &mut self.receivers {
            if name == "mail" && !is_mailed {
                continue;
            }
            if receiver.orders.try_send(Order::Event(Arc::clone(kept))).is_err() {
                receiver.missed += 1;
            }
        }
    }

    /// How it goes, by receiver.
    pub(super) fn status(&self) -> Vec<ReceiverStatus> {
        let of = |receiver: &Receiver| {
            let mut status = receiver.status.borrow().clone();
            status.lost += receiver.missed;
            status
        };
        self.receivers.values().map(of).collect()
    }

    /// The director stops: what waits is tried once more, for a moment.
    pub(super) async fn close(&mut self) {
        self.receivers.clear();
        let joined = async { while self.couriers.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, joined).await.is_err() {
            warn!("the last events did not reach everybody who is to be told");
        }
    }
}

fn host_name() -> String {
    nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned()
}
