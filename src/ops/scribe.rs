//! Writes metrics: one task, so that many scrapers at once share one text, and what they cost is bounded.

use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::api::{counted, whole_status};
use super::desk::Asks;
use super::events::Counts;
use super::exposition::Format;
use super::metrics;
use super::process;
use super::web::FRESH;
use crate::lvs::counters::Counters;
use crate::status::Status;

/// Scrapers that wait; further ones wait for a place in the queue.
const WAITING: usize = 64;
/// How long what was written serves others.
const KEEP: Duration = Duration::from_millis(500);

/// A text is wanted in this format.
pub(super) type Order = (Format, oneshot::Sender<Bytes>);
/// Where orders go.
pub(super) type Orders = mpsc::Sender<Order>;

/// The task.
#[derive(Debug)]
pub(super) struct Scribe {
    orders: mpsc::Receiver<Order>,
    asks: Asks,
    counts: Counts,
    written: Vec<(Format, tokio::time::Instant, Bytes)>,
}

impl Scribe {
    pub(super) fn new(asks: Asks, counts: Counts) -> (Orders, Self) {
        let (send, orders) = mpsc::channel(WAITING);
        (send, Self { orders, asks, counts, written: Vec::new() })
    }

    /// Until nobody can order any more. Cancelling it loses nothing but the waiting scrapers' answers.
    pub(super) async fn run(mut self) {
        while let Some((format, reply)) = self.orders.recv().await {
            let text = self.text(format).await;
            // Fails only when the scraper has gone.
            let _ = reply.send(text);
        }
    }

    async fn text(&mut self, format: Format) -> Bytes {
        self.written.retain(|(_, at, _)| at.elapsed() < KEEP);
        if let Some((.., text)) = self.written.iter().find(|(of, ..)| *of == format) {
            return text.clone();
        }
        let (status, counters) =
            tokio::join!(whole_status(&self.asks, FRESH), counted(&self.asks, None, FRESH));
        let status: Status = serde_json::from_slice(&status).unwrap_or_default();
        let counters: Option<Counters> =
            counters.ok().and_then(|body| serde_json::from_slice(&body).ok());
        let processes = process::of(&status);
        let text = metrics::render(format, &status, counters.as_ref(), &processes, &self.counts);
        let text = Bytes::from(text);
        self.written.push((format, tokio::time::Instant::now(), text.clone()));
        text
    }
}
