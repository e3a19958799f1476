//! Orders for both directors of a pair, from the desk's side: an operator's goes to the peer with the next beat, the peer's
//! goes to the lvs worker as an operator's here does.

use tracing::info;

use super::Desk;
use super::pair::now;
use crate::message::{Message, Role};
use crate::router::pair_order::{Outcome, PairOrder, Told};

impl Desk<'_> {
    /// An operator's, from the ops worker. Without an order: whether there is a way to the peer.
    pub(super) async fn handle_pair(&mut self, id: u64, order: Option<PairOrder>) {
        let told = match (self.watch.peer_hears(), order) {
            (Err(why), _) => Some(Told { id, outcome: Err(why) }),
            (Ok(peer), None) => Some(Told { id, outcome: Ok(peer.to_string()) }),
            (Ok(_), Some(order)) => self.watch.post(id, order).err(),
        };
        self.tell_of_orders(told).await;
    }

    /// The peer's.
    pub(super) fn carry_out(&mut self, ticket: u64, order: PairOrder) {
        let Some(peer) = self.watch.peer_address() else { return };
        info!(%peer, servers = %order.servers, "the peer's operator orders of real servers here");
        let message = Message::Order { id: ticket, order: order.order(), peer: Some(peer) };
        if !self.link.offer(Role::Lvs, &message) {
            self.watch.handle_outcome(ticket, Err("it has no time for orders".to_owned()));
        }
    }

    /// How the lvs worker carried out the peer's order, or why there is none that could.
    pub(super) fn handle_pair_outcome(&mut self, ticket: u64, outcome: Outcome) {
        self.watch.handle_outcome(ticket, outcome);
    }

    /// Tells whoever waits for the peer.
    pub(super) async fn tell_of_orders(&mut self, told: impl IntoIterator<Item = Told>) {
        for Told { id, outcome } in told {
            self.send(Role::Ops, &Message::CommandDone { id, outcome }).await;
        }
    }
}

impl super::pair::Watch {
    /// Takes an order for the peer; the next beat, which carries it, is due now.
    fn post(&mut self, id: u64, order: PairOrder) -> Result<(), Told> {
        let nowhere = Told { id, outcome: Err("there is no heartbeat path".to_owned()) };
        let path = self.path.as_mut().ok_or(nowhere)?;
        path.orders.handle_order(id, order, now())?;
        path.heartbeat.hasten(now());
        Ok(())
    }

    fn handle_outcome(&mut self, ticket: u64, outcome: Outcome) {
        let Some(path) = &mut self.path else { return };
        if path.orders.handle_outcome(ticket, outcome) {
            path.heartbeat.hasten(now());
        }
    }

    fn peer_address(&self) -> Option<std::net::IpAddr> {
        self.path.as_ref().map(|path| path.spec.peer.ip())
    }

    /// The peer's address, where it has just been heard; else why not.
    fn peer_hears(&self) -> Result<std::net::IpAddr, String> {
        let path = self.path.as_ref().ok_or(
            "no heartbeat to the other director is configured (heartbeat { peer ...; key ... })",
        )?;
        let peer = path.spec.peer.ip();
        if path.heartbeat.peer(now()).is_some() {
            return Ok(peer);
        }
        let key = match path.heartbeat.wrong_key {
            0 => "",
            _ => "; beats from its address came with another key",
        };
        Err(format!("the peer {peer} is silent on the heartbeat path{key}"))
    }
}
