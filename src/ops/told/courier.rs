//! The task between one queue and its receiver. It ends when its orders do: then it tries what waits once more, without
//! pauses, and gives up at the first failure; cancelling it drops what it carries.
#![expect(
    clippy::disallowed_methods,
    reason = "the edge: it reads the clock that the queue is given"
)]

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::queue::{Batch, Pace, Queue};
use super::spec::{MailSpec, WebhookSpec};
use super::{ReceiverStatus, letter, mail, webhook};
use crate::ops::events::Kept;

/// Ten mails a minute, then one a minute.
const MAILS: Pace = Pace { singles: 10, per: Duration::from_secs(60), together: 500 };
/// A POST takes all that waits, at most four times a second.
const POSTS: Pace = Pace { singles: 0, per: Duration::from_millis(250), together: 500 };

/// How a receiver is reached.
#[derive(Debug, Clone)]
pub(super) enum Channel {
    Mail(Arc<MailSpec>),
    Webhook(Arc<WebhookSpec>),
}

/// Why a delivery failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Undelivered {
    /// In words, without anything secret.
    pub(super) why: String,
    /// It would fail the same way again.
    pub(super) is_final: bool,
}

/// What a courier is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Something happened.
    Event(Arc<Kept>),
    /// The configuration says otherwise now.
    Channel(Channel, Arc<str>),
}

type Delivery = Pin<Box<dyn Future<Output = Result<(), Undelivered>> + Send>>;

/// One receiver's courier.
pub(super) struct Courier {
    channel: Channel,
    director: Arc<str>,
    queue: Queue<Arc<Kept>>,
    orders: mpsc::Receiver<Order>,
    delivery: Option<Delivery>,
    told: watch::Sender<ReceiverStatus>,
    status: ReceiverStatus,
    is_closing: bool,
}

impl Courier {
    pub(super) fn new(
        channel: Channel,
        director: Arc<str>,
        orders: mpsc::Receiver<Order>,
    ) -> (Self, watch::Receiver<ReceiverStatus>) {
        let status = ReceiverStatus { to: channel.name(), ..ReceiverStatus::default() };
        let (told, heard) = watch::channel(status.clone());
        let queue = Queue::new(channel.pace());
        let delivery = None;
        let is_closing = false;
        (Self { channel, director, queue, orders, delivery, told, status, is_closing }, heard)
    }

    /// Orders first: they are bounded, and what they bring may go out with what waits.
    pub(super) async fn run(mut self) {
        loop {
            self.begin_delivery();
            self.tell();
            if self.is_closing && self.delivery.is_none() {
                return;
            }
            let due = self.queue.poll_timeout();
            tokio::select! {
                biased;
                order = self.orders.recv(), if !self.is_closing => self.handle_order(order),
                outcome = finished(&mut self.delivery) => self.handle_outcome(outcome),
                () = until(due) => {}
            }
        }
    }

    fn handle_order(&mut self, order: Option<Order>) {
        match order {
            Some(Order::Event(kept)) => {
                if self.channel.wants(&kept) {
                    self.queue.handle_event(kept, Instant::now());
                }
            }
            Some(Order::Channel(channel, director)) => {
                self.status.to = channel.name();
                self.channel = channel;
                self.director = director;
                // What failed may do now.
                self.queue.hurry();
            }
            None => {
                self.is_closing = true;
                self.queue.hurry();
            }
        }
    }

    fn begin_delivery(&mut self) {
        if self.delivery.is_none()
            && let Some(batch) = self.queue.poll_batch(Instant::now())
        {
            self.delivery = Some(self.channel.deliver(&self.director, &batch));
        }
    }

    fn handle_outcome(&mut self, outcome: Result<(), Undelivered>) {
        self.delivery = None;
        let to = &self.status.to;
        match outcome {
            Ok(()) => {
                if self.status.error.take().is_some() {
                    info!(to, "reached again");
                }
                self.status.delivered += self.queue.handle_delivered() as u64;
            }
            Err(Undelivered { why, is_final: true }) => {
                let count = self.queue.handle_refused();
                warn!(to, why, count, "events refused; not tried again");
                self.status.refused += count as u64;
                self.status.error = Some(why);
            }
            Err(Undelivered { why, is_final: false }) => {
                let pause = self.queue.handle_failed(Instant::now());
                let (waiting, pause_s) = (self.queue.len(), pause.as_secs());
                warn!(to, why, waiting, pause_s, "events not delivered; tried again");
                self.status.failures += 1;
                self.status.error = Some(why);
            }
        }
        if self.is_closing {
            self.queue_is_over_if_it_failed();
        }
    }

    fn queue_is_over_if_it_failed(&mut self) {
        match &self.status.error {
            Some(_) => self.queue = Queue::new(self.channel.pace()),
            None => self.queue.hurry(),
        }
    }

    fn tell(&mut self) {
        self.status.waiting = self.queue.len();
        self.status.lost = self.queue.lost();
        self.told.send_if_modified(|told| {
            let is_new = *told != self.status;
            if is_new {
                told.clone_from(&self.status);
            }
            is_new
        });
    }
}

impl Channel {
    fn name(&self) -> String {
        match self {
            Self::Mail(spec) => format!("mail by {}:{}", spec.host, spec.port),
            Self::Webhook(spec) => webhook::shown(&spec.url),
        }
    }

    fn pace(&self) -> Pace {
        match self {
            Self::Mail(_) => MAILS,
            Self::Webhook(_) => POSTS,
        }
    }

    fn wants(&self, kept: &Kept) -> bool {
        match self {
            // Sorted out before, by rules that remember.
            Self::Mail(_) => true,
            Self::Webhook(spec) => kept.severity >= spec.severity,
        }
    }

    fn deliver(&self, director: &Arc<str>, batch: &Batch<Arc<Kept>>) -> Delivery {
        match self {
            Self::Mail(spec) => {
                let letter = letter::write(director, batch);
                Box::pin(mail::send(Arc::clone(spec), letter))
            }
            Self::Webhook(spec) => {
                let body = webhook::body(director, batch);
                Box::pin(webhook::post(Arc::clone(spec), body))
            }
        }
    }
}

async fn finished(delivery: &mut Option<Delivery>) -> Result<(), Undelivered> {
    match delivery {
        Some(delivery) => delivery.await,
        None => pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => pending().await,
    }
}
