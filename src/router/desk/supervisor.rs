//! What the desk and the other processes say to each other: the supervisor's orders, an operator's, questions, tidings of
//! virtual servers; and how it passes orders on to the real-time thread.

use std::collections::VecDeque;

use tracing::warn;

use super::{Desk, Known, Life};
use crate::config::model::Notify;
use crate::link::Incoming;
use crate::message::{Message, Role};
use crate::router::channel::{Configuration, Order, Start};
use crate::router::spec::RouterWorkerSpec;
use crate::spec_file;

impl Desk<'_> {
    /// Without a supervisor nobody would release the addresses later: now is the time.
    pub(super) fn lose_supervisor(&mut self, why: &str) {
        warn!("the supervisor is gone ({why}): handing over");
        self.stop();
    }

    pub(super) async fn send(&mut self, to: Role, message: &Message) {
        if let Err(cause) = self.link.send(to, message).await
            && self.state != Life::Stopping
        {
            self.lose_supervisor(&cause.to_string());
        }
    }

    pub(super) async fn handle_message(&mut self, incoming: Incoming) {
        match incoming.message {
            Message::Ping(number) => self.order(Order::Ping(number)),
            Message::Configure(_) => {
                let specs = incoming.descriptor.map(|file| spec_file::read(&file, Role::Vrrp));
                match specs {
                    Some(Ok(Some(spec))) => self.configure(spec, None).await,
                    Some(Ok(None)) => self.configure(RouterWorkerSpec::default(), None).await,
                    Some(Err(cause)) => self.refuse(format!("cannot read the specs: {cause}")),
                    None => self.refuse("no specs came along".to_owned()),
                }
            }
            Message::Log { format, levels } => crate::log::follow(format, &levels),
            Message::Stop => self.stop(),
            Message::Pause => self.order(Order::Pause),
            Message::Operate { id, order } => {
                let operation = self.next_query;
                self.next_query += 1;
                self.queries.insert(operation, (incoming.from, id));
                self.order(Order::Operate(operation, order));
            }
            Message::Pair { id, order } => self.handle_pair(id, order).await,
            Message::CommandDone { id, outcome } => self.handle_pair_outcome(id, outcome),
            Message::Quorums(quorums) => self.handle_quorums(quorums),
            Message::TellPaths => self.tell_paths(),
            Message::TellInstances => self.tell_instances(),
            Message::Digests(digests) => self.handle_digests(digests),
            Message::Connections(count) => self.handle_connections(count),
            Message::Query { id } => {
                let query = self.next_query;
                self.next_query += 1;
                self.queries.insert(query, (incoming.from, id));
                self.order(Order::Status(query));
            }
            Message::Pong(_)
            | Message::Configured { .. }
            | Message::Listen
            | Message::ListenWeb(_)
            | Message::Dump(_)
            | Message::Command { .. }
            | Message::Answer { .. }
            | Message::LinkRecovered
            | Message::Instances(_)
            | Message::Order { .. }
            | Message::Count { .. }
            | Message::TellQuorums(_)
            | Message::Paths(_)
            | Message::TellDigests
            | Message::TellConnections
            | Message::Pausing
            | Message::Show { .. }
            | Message::Event(_) => {
                warn!(from = %incoming.from, "a message that is not for this worker")
            }
        }
    }

    pub(super) async fn configure(&mut self, spec: RouterWorkerSpec, start: Option<Start>) {
        let resumed = start.as_ref().map(|start| start.scripts.clone()).unwrap_or_default();
        for work in &spec.routers {
            let (name, notify) = (work.router.name.clone(), work.notify.clone());
            let before = self.routers.remove(&work.router.id);
            let known = before.unwrap_or_else(|| Known {
                name: String::new(),
                notify: Notify::default(),
                changed: None,
                state: None,
                priority: work.router.priority.into(),
                transitions: VecDeque::new(),
            });
            self.routers.insert(work.router.id, Known { name, notify, ..known });
        }
        for work in &spec.groups {
            self.groups.insert(work.group.name.clone(), work.notify.clone());
        }
        self.pending = Some(spec.clone());
        self.start_scripts(&spec.scripts, &resumed);
        self.watch(&spec);
        self.barrier.apply(&spec.firewall).await;
        let sessions = spec.clone();
        // The core's thread is there already: what belongs to threads reaches it too.
        spec.process.apply(&self.process);
        self.process = spec.process.clone();
        self.fifos.adjust(&spec.fifos);
        self.order(Order::Configure(Box::new(Configuration {
            spec,
            seconds: super::record::seconds(),
            start,
        })));
        self.configure_bfd(&sessions);
        self.configure_watch(&sessions).await;
    }

    pub(super) fn refuse(&self, why: String) {
        let refused = Message::Configured { summary: Err(why) };
        if !self.link.offer(Role::Supervisor, &refused) {
            warn!("the supervisor does not read its link");
        }
    }

    pub(super) fn stop(&mut self) {
        if self.state != Life::Stopping {
            self.state = Life::Stopping;
            self.order(Order::Stop);
        }
    }

    pub(super) fn order(&mut self, order: Order) {
        if !self.refused_orders.is_empty() {
            self.refused_orders.push(order);
        } else if let Err(order) = self.core.order(order) {
            self.refused_orders.push(order);
        }
    }

    pub(super) fn retry_orders(&mut self) {
        for order in std::mem::take(&mut self.refused_orders) {
            self.order(order);
        }
    }
}
