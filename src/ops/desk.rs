//! Between the admin API and the other processes: numbers each question, puts the parts of its answer together.

mod query;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tracing::{error, warn};

use self::query::{ANSWER_MAX, Query, Question};
pub(super) use self::query::{Piece, pieces};
use super::access::Rules;
use super::events::{Events, Followed};
use super::scribe::Scribe;
use super::spec::OpsSpec;
use super::told::{ReceiverStatus, Told};
use super::{api, door, dump, privilege, web};
use crate::config::model::Web;
use crate::link::{Incoming, Link};
use crate::lvs::overrides::Order;
use crate::lvs::selector::Selector;
use crate::message::{Command, Dump, Form, Message, Role, RouterOrder};
use crate::router::pair_order::PairOrder;
use crate::spec_file;

/// Questions that wait for this task. Each comes from a request that waits for its answer, so a full queue just
/// lets further requests wait.
const ASKS: usize = 64;

/// When a configuration that was taken over has left nothing to do but to wait for questions.
const SETTLED: Duration = Duration::from_secs(3);

/// How long answers may still go out when the director stops.
const FAREWELL: Duration = Duration::from_millis(100);

/// What the API asks of the desk.
#[derive(Debug)]
pub(super) enum Ask {
    /// How it goes with those who are told of events.
    Told(oneshot::Sender<Vec<ReceiverStatus>>),
    /// The status of one process, as JSON.
    Status {
        /// Which.
        role: Role,
        /// An answer that is no older serves as well: many readers cost the workers no more than one.
        max_age: Duration,
        /// To whom.
        reply: oneshot::Sender<Bytes>,
    },
    /// The status of virtual servers, piece by piece as it comes.
    Show {
        /// Only this one.
        of: Option<String>,
        /// How it is written.
        form: Form,
        /// To whom. What a slow reader has not taken waits here: as much as one answer at most.
        pieces: mpsc::Sender<Piece>,
    },
    /// What the kernel counts, as JSON.
    Count {
        /// Of these real servers, or of all.
        servers: Option<Selector>,
        /// As for the status; only an answer about all serves others.
        max_age: Duration,
        /// To whom.
        reply: oneshot::Sender<Bytes>,
    },
    /// An operator's command.
    Command(Errand, oneshot::Sender<Result<String, String>>),
    /// The kept events after `since`, the newest `limit` of them, and all that come.
    Events {
        /// Number of the last one known.
        since: u64,
        /// How many at most.
        limit: usize,
        /// To whom.
        reply: oneshot::Sender<Followed>,
    },
    /// The spec file of the configuration in force, as it is.
    Specs(oneshot::Sender<Vec<u8>>),
}

/// A command, by who carries it out.
#[derive(Debug, Clone)]
pub(super) enum Errand {
    /// The supervisor.
    Director(Command),
    /// The lvs worker.
    Lvs(Order),
    /// The vrrp worker.
    Vrrp(RouterOrder),
    /// The other director, by way of the vrrp worker; without an order it is asked whether there is a way.
    Pair(Option<PairOrder>),
}

impl Errand {
    fn message(self, id: u64) -> (Role, Message) {
        match self {
            Self::Director(command) => (Role::Supervisor, Message::Command { id, command }),
            Self::Lvs(order) => (Role::Lvs, Message::Order { id, order, peer: None }),
            Self::Pair(order) => (Role::Vrrp, Message::Pair { id, order }),
            Self::Vrrp(order) => (Role::Vrrp, Message::Operate { id, order }),
        }
    }
}

/// Where questions go.
pub(super) type Asks = mpsc::Sender<Ask>;

/// The task that owns the link.
#[derive(Debug)]
pub(super) struct Desk {
    link: Link,
    asks: mpsc::Receiver<Ask>,
    ask: Asks,
    next_id: u64,
    queries: BTreeMap<u64, Query>,
    /// The last answers, with when they were asked for.
    answers: BTreeMap<Question, (Instant, Bytes)>,
    commands: BTreeMap<u64, oneshot::Sender<Result<String, String>>>,
    events: Events,
    /// Who hears of them elsewhere.
    told: Told,
    /// The configuration in force. Nothing of it is held in memory here.
    specs: Option<OwnedFd>,
    /// `web` of the configuration in force.
    web: Option<Web>,
    /// Its servers.
    listening: BTreeMap<SocketAddr, AbortHandle>,
    /// When the memory that the start took is given back.
    settled_at: Option<Instant>,
    // Ends with the desk: dropping it cancels the server, whose clients then see their connection close.
    servers: JoinSet<()>,
}

async fn time_of(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Desk {
    pub(super) fn new(link: Link) -> Self {
        let (ask, asks) = mpsc::channel(ASKS);
        Self {
            link,
            asks,
            ask,
            next_id: 0,
            queries: BTreeMap::new(),
            answers: BTreeMap::new(),
            commands: BTreeMap::new(),
            events: Events::default(),
            told: Told::default(),
            specs: None,
            web: None,
            listening: BTreeMap::new(),
            settled_at: None,
            servers: JoinSet::new(),
        }
    }

    /// Until the supervisor says stop or is gone. Messages first: they are bounded by what others did, while
    /// questions come from outside.
    pub(super) async fn run(mut self) -> io::Result<()> {
        loop {
            tokio::select! {
                biased;
                incoming = self.link.receive() => match incoming? {
                    None => return Ok(()),
                    Some(Incoming { message: Message::Stop, .. }) => {
                        // Whoever asked for the stop still waits for the answer that is on its way.
                        let ((), ()) = tokio::join!(tokio::time::sleep(FAREWELL), self.told.close());
                        return Ok(());
                    }
                    Some(incoming) => self.handle_message(incoming).await?,
                },
                // One that was cancelled, or could not serve and has said so.
                Some(_) = self.servers.join_next() => {}
                Some(ask) = self.asks.recv() => self.handle_ask(ask).await?,
                () = time_of(self.settled_at) => {
                    self.settled_at = None;
                    sys::memory::give_back_start();
                }
            }
        }
    }

    async fn handle_message(&mut self, incoming: Incoming) -> io::Result<()> {
        match incoming.message {
            Message::Ping(number) => {
                self.link.send(Role::Supervisor, &Message::Pong(number)).await?;
            }
            Message::Configure(_) => {
                self.configure(incoming.descriptor);
                let summary = Ok(String::new());
                self.link.send(Role::Supervisor, &Message::Configured { summary }).await?;
                self.settled_at = Some(Instant::now() + SETTLED);
            }
            Message::Dump(dump) => match incoming.descriptor {
                Some(file) => self.dump(dump, file),
                None => error!("the file of a dump did not come along"),
            },
            Message::Log { format, levels } => crate::log::follow(format, &levels),
            Message::Listen => match incoming.descriptor {
                Some(socket) => self.serve(socket),
                None => error!("the admin socket did not come along"),
            },
            Message::ListenWeb(address) => match incoming.descriptor {
                Some(socket) => self.serve_web(address, socket),
                None => error!(%address, "a web socket did not come along"),
            },
            Message::Answer { id, last, json } => self.handle_answer(id, last, json),
            Message::CommandDone { id, outcome } => {
                if let Some(reply) = self.commands.remove(&id) {
                    // Fails only when the client has gone.
                    let _ = reply.send(outcome);
                }
            }
            Message::Event(event) => {
                let kept = self.events.push(event);
                self.told.push(&kept);
            }
            Message::Stop
            | Message::LinkRecovered
            | Message::TellInstances
            | Message::Instances(_)
            | Message::Order { .. }
            | Message::Pair { .. }
            | Message::Count { .. }
            | Message::Pong(_)
            | Message::Configured { .. }
            | Message::Command { .. }
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
            | Message::Pausing
            | Message::Show { .. }
            | Message::Query { .. } => warn!(from = %incoming.from, "unexpected message"),
        }
        Ok(())
    }

    /// What listens goes on, unless it was changed.
    fn configure(&mut self, specs: Option<OwnedFd>) {
        self.specs = specs;
        let read = self.specs.as_ref().and_then(|specs| spec_file::read(specs, Role::Ops).ok());
        let OpsSpec { global, told } = read.flatten().unwrap_or_default();
        self.told.configure(told);
        let web = global.web;
        if self.web != web {
            std::mem::take(&mut self.listening).into_values().for_each(|server| server.abort());
        }
        self.web = web;
    }

    fn serve_web(&mut self, address: SocketAddr, socket: OwnedFd) {
        let Some(web) = &self.web else { return };
        if self.listening.contains_key(&address) {
            return;
        }
        let (orders, scribe) = Scribe::new(self.ask.clone(), self.events.counts());
        self.servers.spawn(scribe.run());
        let router = web::router(self.ask.clone(), &web.hosts, orders);
        let server = self.servers.spawn(door::web(socket, router));
        self.listening.insert(address, server);
    }

    /// Asks the others first, so it is done beside this task, by way of the same questions as everybody's.
    fn dump(&mut self, dump: Dump, file: OwnedFd) {
        let asks = self.ask.clone();
        self.servers.spawn(async move {
            let status = api::whole_status(&asks, Duration::ZERO).await;
            let status = serde_json::from_slice(&status).unwrap_or_default();
            if let Err(cause) = dump::write(dump, &status, file) {
                return error!("{}: {cause}", dump.file());
            }
            let (reply, done) = oneshot::channel();
            let errand = Errand::Director(Command::Dumped(dump));
            if asks.send(Ask::Command(errand, reply)).await.is_ok() {
                // It logs itself how it went.
                let _ = done.await;
            }
        });
    }

    fn serve(&mut self, socket: OwnedFd) {
        let rules = Rules::of_this_host();
        privilege::drop_root();
        self.servers.spawn(door::admin(socket, api::router(self.ask.clone()), rules));
    }

    fn handle_answer(&mut self, id: u64, last: bool, json: Vec<u8>) {
        let (is_over, is_too_long) = match self.queries.get_mut(&id) {
            None => return,
            Some(Query::Whole { text, .. }) => {
                text.extend_from_slice(&json);
                (last, text.len() > ANSWER_MAX)
            }
            Some(Query::Pieces(length, pieces)) => {
                *length += json.len();
                let is_too_long = *length > ANSWER_MAX;
                // Fails when the client has gone or takes nothing, which ends the question too.
                let is_gone = pieces.try_send(Piece::Text(json.into())).is_err();
                if last && !is_too_long {
                    let _ = pieces.try_send(Piece::End);
                }
                (last || is_gone, is_too_long)
            }
        };
        if !is_over && !is_too_long {
            return;
        }
        let Some(Query::Whole { shared, text, replies }) = self.queries.remove(&id) else { return };
        if is_too_long {
            return;
        }
        let text = Bytes::from(text);
        for reply in replies {
            // Fails only when the client has gone.
            let _ = reply.send(text.clone());
        }
        if let Some((question, asked_at)) = shared {
            self.answers.insert(question, (asked_at, text));
        }
    }

    async fn handle_ask(&mut self, ask: Ask) -> io::Result<()> {
        self.queries.retain(|_, query| query.is_wanted());
        self.commands.retain(|_, reply| !reply.is_closed());
        match ask {
            Ask::Status { role, max_age, reply } => {
                self.ask(Question::Status(role), max_age, reply).await
            }
            Ask::Show { of, form, pieces } => {
                let id = self.number();
                self.queries.insert(id, Query::Pieces(0, pieces));
                self.link.send(Role::Lvs, &Message::Show { id, of, form }).await
            }
            Ask::Count { servers: None, max_age, reply } => {
                self.ask(Question::Count, max_age, reply).await
            }
            Ask::Count { servers, reply, .. } => {
                let id = self.number();
                let query = Query::Whole { shared: None, text: Vec::new(), replies: vec![reply] };
                self.queries.insert(id, query);
                self.link.send(Role::Lvs, &Message::Count { id, servers }).await
            }
            Ask::Command(errand, reply) => {
                let id = self.number();
                self.commands.insert(id, reply);
                let (role, message) = errand.message(id);
                self.link.send(role, &message).await
            }
            Ask::Events { since, limit, reply } => {
                let _ = reply.send(self.events.follow(since, limit));
                Ok(())
            }
            Ask::Told(reply) => {
                let _ = reply.send(self.told.status());
                Ok(())
            }
            Ask::Specs(reply) => {
                let bytes = self.specs.as_ref().and_then(|specs| spec_file::read_bytes(specs).ok());
                let _ = reply.send(bytes.unwrap_or_default());
                Ok(())
            }
        }
    }

    fn number(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// From the last answer or a question on its way, where that is recent enough; else the process is asked.
    async fn ask(
        &mut self,
        question: Question,
        max_age: Duration,
        reply: oneshot::Sender<Bytes>,
    ) -> io::Result<()> {
        let now = Instant::now();
        let recent = |at: Instant| now.duration_since(at) < max_age;
        if let Some((_, text)) = self.answers.get(&question).filter(|(at, _)| recent(*at)) {
            let _ = reply.send(text.clone());
            return Ok(());
        }
        for query in self.queries.values_mut() {
            if let Query::Whole { shared: Some((asked, at)), replies, .. } = query
                && *asked == question
                && recent(*at)
            {
                replies.push(reply);
                return Ok(());
            }
        }
        let id = self.number();
        let shared = Some((question, now));
        self.queries.insert(id, Query::Whole { shared, text: Vec::new(), replies: vec![reply] });
        let (role, message) = question.message(id);
        self.link.send(role, &message).await
    }
}

#[cfg(test)]
mod tests;
