//! The kernel's counters for everybody who reads over TCP: one reading a second at most, however many ask.

use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::api::counted;
use super::desk::Asks;
use super::refusal::Refusal;
use super::web::FRESH;

/// Readers that wait. Each comes from a request that waits for its answer, so a full queue lets further ones wait.
const ORDERS: usize = 16;

/// Where readers ask.
pub(super) type Readers = mpsc::Sender<oneshot::Sender<Result<Bytes, Refusal>>>;

/// The task; it ends with its last reader.
pub(super) struct Tally {
    orders: mpsc::Receiver<oneshot::Sender<Result<Bytes, Refusal>>>,
    asks: Asks,
    read: Option<(Instant, Bytes)>,
}

impl Tally {
    pub(super) fn new(asks: Asks) -> (Readers, Self) {
        let (readers, orders) = mpsc::channel(ORDERS);
        (readers, Self { orders, asks, read: None })
    }

    pub(super) async fn run(mut self) {
        while let Some(reply) = self.orders.recv().await {
            let counters = self.counters().await;
            // Fails only when the reader has gone.
            let _ = reply.send(counters);
        }
    }

    async fn counters(&mut self) -> Result<Bytes, Refusal> {
        if let Some((at, body)) = &self.read
            && at.elapsed() < FRESH
        {
            return Ok(body.clone());
        }
        let body = counted(&self.asks, None, Duration::ZERO).await?;
        self.read = Some((Instant::now(), body.clone()));
        Ok(body)
    }
}
