//! Writes metrics: one task, so that many scrapers at once share one text, and what they cost is bounded.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::api::{status_of, told};
use super::desk::Asks;
use super::events::Counts;
use super::exposition::Format;
use super::facts::{CutOff, Facts};
use super::metrics::Metrics;
use super::process;
use super::web::FRESH;
use crate::lvs::status::LvsStatus;
use crate::message::{Form, Role};
use crate::status::Status;

/// Scrapers that wait; further ones wait for a place in the queue.
const WAITING: usize = 64;
/// How long what was written serves others.
const KEEP: Duration = Duration::from_millis(500);

/// A text, in pieces that are shared.
pub(super) type Text = Arc<[Bytes]>;
/// A text is wanted in this format.
pub(super) type Order = (Format, oneshot::Sender<Result<Text, CutOff>>);
/// Where orders go.
pub(super) type Orders = mpsc::Sender<Order>;

/// The task.
#[derive(Debug)]
pub(super) struct Scribe {
    orders: mpsc::Receiver<Order>,
    asks: Asks,
    counts: Counts,
    written: Vec<(Format, tokio::time::Instant, Text)>,
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

    async fn text(&mut self, format: Format) -> Result<Text, CutOff> {
        self.written.retain(|(_, at, _)| at.elapsed() < KEEP);
        if let Some((.., text)) = self.written.iter().find(|(of, ..)| *of == format) {
            return Ok(Arc::clone(text));
        }
        let text = self.write(format).await?;
        self.written.push((format, tokio::time::Instant::now(), Arc::clone(&text)));
        Ok(text)
    }

    /// Virtual servers are written while they come.
    async fn write(&self, format: Format) -> Result<Text, CutOff> {
        let asks = &self.asks;
        let (director, vrrp, told, mut facts) = tokio::join!(
            status_of(asks, Role::Supervisor, FRESH),
            status_of(asks, Role::Vrrp, FRESH),
            told(asks),
            Facts::ask(asks, Form::Facts),
        );
        // One that does not answer has no metrics; one that breaks off makes no text.
        let lvs: Option<LvsStatus> = facts.next().await.unwrap_or_default();
        let is_there = lvs.is_some();
        let status = Status {
            director: serde_json::from_slice(&director).unwrap_or_default(),
            vrrp: serde_json::from_slice(&vrrp).unwrap_or_default(),
            lvs,
            told: serde_json::from_slice(&told).unwrap_or_default(),
        };
        let processes = process::of(&status);
        let mut metrics = Metrics::new(format, &status, &processes, &self.counts);
        if is_there {
            while let Some(service) = facts.next().await? {
                metrics.services(&[service]);
            }
            let mut counts = Facts::ask(asks, Form::Counts).await;
            while let Some(service) = counts.next().await? {
                metrics.counted(&[service]);
            }
        }
        Ok(metrics.finish().into_iter().map(Bytes::from).collect())
    }
}
