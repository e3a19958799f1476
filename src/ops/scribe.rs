//! Writes metrics: one task, so that many scrapers at once share one text, and what they cost is bounded.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

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

/// How long its memory is kept for the next scrape. Prometheus asks every 15 s to a minute.
const REST: Duration = Duration::from_secs(100);

/// A text, in pieces that are shared.
pub(super) type Text = Arc<Vec<Bytes>>;
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
    /// The last of each format.
    written: Vec<Written>,
}

type Written = (Format, Instant, Text);

impl Scribe {
    pub(super) fn new(asks: Asks, counts: Counts) -> (Orders, Self) {
        let (send, orders) = mpsc::channel(WAITING);
        (send, Self { orders, asks, counts, written: Vec::new() })
    }

    /// Until nobody can order any more. Cancelling it loses nothing but the waiting scrapers' answers.
    pub(super) async fn run(mut self) {
        loop {
            let order = match self.written.is_empty() {
                true => self.orders.recv().await,
                false => match timeout(REST, self.orders.recv()).await {
                    Ok(order) => order,
                    Err(_) => {
                        self.written.clear();
                        continue;
                    }
                },
            };
            let Some((format, reply)) = order else { return };
            let text = self.text(format).await;
            // Fails only when the scraper has gone.
            let _ = reply.send(text);
        }
    }

    async fn text(&mut self, format: Format) -> Result<Text, CutOff> {
        let is_recent = |(of, at, _): &&Written| *of == format && at.elapsed() < KEEP;
        if let Some((.., text)) = self.written.iter().find(is_recent) {
            return Ok(Arc::clone(text));
        }
        let same = self.written.iter().position(|(of, ..)| *of == format);
        let old = same.map(|at| self.written.swap_remove(at));
        let text = self.write(format, old.map(spare).unwrap_or_default()).await?;
        self.written.push((format, Instant::now(), Arc::clone(&text)));
        Ok(text)
    }

    /// Virtual servers are written while they come.
    async fn write(&self, format: Format, spare: Vec<String>) -> Result<Text, CutOff> {
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
        let mut metrics = Metrics::new(format, spare, &status, &processes, &self.counts);
        if is_there {
            while let Some(service) = facts.next().await? {
                metrics.services(&[service]);
            }
            let mut counts = Facts::ask(asks, Form::Counts).await;
            while let Some(service) = counts.next().await? {
                metrics.counted(&[service]);
            }
        }
        Ok(Arc::new(metrics.finish().into_iter().map(Bytes::from).collect()))
    }
}

/// The memory of a text that nobody reads any more: a first touch of a page costs more than what is written there.
fn spare((.., text): Written) -> Vec<String> {
    let pieces = Arc::into_inner(text).unwrap_or_default();
    let empty = |piece: Bytes| {
        let mut bytes = if piece.is_unique() { Vec::from(piece) } else { Vec::new() };
        bytes.clear();
        String::from_utf8(bytes).unwrap_or_default()
    };
    pieces.into_iter().map(empty).collect()
}
