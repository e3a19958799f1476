//! Messages: frames are read from every worker; what is for another worker goes on unopened, what is for the supervisor
//! is acted on.

use std::os::fd::OwnedFd;
use std::time::Instant;

use tracing::{error, info, warn};

use super::child::Child;
use super::watch::State;
use super::{Supervisor, Worker, status};
use crate::message::{self, Address, Command, FRAME_MAX, Form, Message, Role};

/// Events that wait for the ops worker's start; a table where more than so many changes were refused says enough.
const BEFORE_OPS: usize = 1024;

impl Supervisor {
    pub(super) fn child(&mut self, role: Role) -> Option<&mut Child> {
        self.workers.get_mut(&role)?.child.as_mut()
    }

    pub(super) fn send(&mut self, to: Role, message: &Message, descriptor: Option<OwnedFd>) {
        match message::encode(Address { from: Role::Supervisor, to }, message) {
            Ok(frame) => self.forward(to, frame, descriptor),
            Err(refused) => error!(worker = %to, "message not sent: {refused}"),
        }
    }

    pub(super) fn forward(&mut self, to: Role, frame: Vec<u8>, descriptor: Option<OwnedFd>) {
        match self.child(to) {
            Some(child) => child.send(frame, descriptor),
            None => self.dropped += 1,
        }
    }

    pub(super) fn handle_frames(&mut self, from: Role, buffer: &mut [u8; FRAME_MAX]) {
        // Bounded, so that one talkative worker cannot keep the others waiting.
        for _ in 0..64 {
            let Some(length) = self.child(from).and_then(|child| child.receive(buffer)) else {
                return;
            };
            let frame = &buffer[..length];
            match message::address(frame) {
                Ok(Address { to: Role::Supervisor, .. }) => match message::decode(frame) {
                    Ok((_, message)) => self.handle_message(from, message),
                    Err(refused) => warn!(worker = %from, "message refused: {refused}"),
                },
                Ok(Address { to: Role::Ops, .. })
                    if self.others_not_before.is_some() && self.before_ops.len() < BEFORE_OPS =>
                {
                    self.before_ops.push(frame.to_vec());
                }
                Ok(Address { to, .. }) if self.child(to).is_none() => {
                    self.answer_for_absent(to, frame)
                }
                Ok(Address { to, .. }) => self.forward(to, frame.to_vec(), None),
                Err(refused) => warn!(worker = %from, "message refused: {refused}"),
            }
        }
    }

    /// Nobody waits for a worker that does not run: a query gets `null`, an order is refused.
    pub(super) fn answer_for_absent(&mut self, absent: Role, frame: &[u8]) {
        self.dropped += 1;
        let Ok((Address { from, .. }, message)) = message::decode(frame) else { return };
        let answers = match message {
            Message::Query { id }
            | Message::Count { id, .. }
            | Message::Show { id, form: Form::Json, .. } => message::answer(id, b"null"),
            Message::Show { id, form: Form::Page | Form::Facts | Form::Counts, .. } => {
                message::answer(id, b"")
            }
            Message::Order { id, .. } | Message::Operate { id, .. } | Message::Pair { id, .. } => {
                let outcome = Err(self.why_absent(absent));
                vec![Message::CommandDone { id, outcome }]
            }
            _ => return,
        };
        for answer in answers {
            if let Ok(frame) = message::encode(Address { from: absent, to: from }, &answer) {
                self.forward(from, frame, None);
            }
        }
    }

    /// In an operator's words.
    fn why_absent(&self, absent: Role) -> String {
        let worker = self.workers.get(&absent);
        let is_wanted = worker.is_some_and(|worker| worker.watch.state() != State::Idle);
        match absent {
            _ if is_wanted => format!("worker {absent} is being restarted; try again in a moment"),
            Role::Vrrp if self.options.observe => {
                "this director only observes: it runs no VRRP instance".to_owned()
            }
            Role::Vrrp => "no VRRP instance runs here: none is configured".to_owned(),
            Role::Lvs => "no virtual server is served here: none is configured".to_owned(),
            Role::Supervisor | Role::Ops => format!("worker {absent} does not run"),
        }
    }

    pub(super) fn handle_message(&mut self, from: Role, message: Message) {
        match message {
            Message::Pong(_) => {
                if let Some(worker) = self.workers.get_mut(&from) {
                    worker.watch.answered();
                }
            }
            Message::Configured { summary } => self.handle_configured(from, summary),
            Message::Command { id, command: Command::Reload { drain } } => {
                self.reload(Some(id), drain);
            }
            Message::Command { id, command: Command::Log { levels } } => {
                let outcome = self.set_levels(levels);
                self.done(id, outcome);
            }
            Message::Command { id, command: Command::Dumped(dump) } => {
                let outcome = self.handle_dumped(dump);
                self.done(id, outcome);
            }
            Message::Command { id, command: Command::Stop } => {
                self.done(id, Ok("stopping".to_owned()));
                self.begin_stop();
            }
            Message::Command { id, command: Command::Upgrade } => self.upgrade(id),
            Message::Pausing => self.end_replaced(),
            Message::Query { id } => {
                let json = status::render(self);
                for part in message::answer(id, json.as_bytes()) {
                    self.send(from, &part, None);
                }
            }
            Message::Ping(_)
            | Message::Configure(_)
            | Message::Listen
            | Message::ListenWeb(_)
            | Message::Log { .. }
            | Message::Dump(_)
            | Message::Stop
            | Message::CommandDone { .. }
            | Message::Answer { .. }
            | Message::LinkRecovered
            | Message::TellInstances
            | Message::Instances(_)
            | Message::Order { .. }
            | Message::Pair { .. }
            | Message::Count { .. }
            | Message::Operate { .. }
            | Message::TellQuorums(_)
            | Message::Quorums(_)
            | Message::TellPaths
            | Message::Paths(_)
            | Message::TellDigests
            | Message::Digests(_)
            | Message::TellConnections
            | Message::Connections(_)
            | Message::Pause
            | Message::Show { .. }
            | Message::Event(_) => warn!(worker = %from, "unexpected message"),
        }
    }

    pub(super) fn handle_configured(&mut self, from: Role, summary: Result<String, String>) {
        if let (Some(worker), Ok(_)) = (self.workers.get_mut(&from), &summary) {
            worker.configured = true;
        }
        self.note_replaced(from);
        if let Some(applying) = &mut self.applying
            && applying.outstanding.contains(&from)
        {
            applying.outstanding.retain(|role| *role != from);
            match summary {
                Ok(line) if line.is_empty() => {}
                Ok(line) => applying.summary.push(line),
                Err(why) => applying.failures.push(format!("worker {from}: {why}")),
            }
            return self.finish_reload_if_done();
        }
        if let Err(why) = summary {
            error!(worker = %from, "{why}");
        }
        let runs = |worker: &Worker| worker.configured || worker.watch.state() == State::Idle;
        // One that gives up is never ready, whoever of its workers comes up meanwhile.
        if !self.ready && self.stop.is_none() && self.workers.values().all(runs) {
            self.ready = true;
            info!("ready");
            sys::memory::give_back_start();
            self.service_manager.ready(Instant::now());
        }
    }

    pub(super) fn done(&mut self, id: u64, outcome: Result<String, String>) {
        self.send(Role::Ops, &Message::CommandDone { id, outcome }, None);
    }
}
