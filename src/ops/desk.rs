//! Between the admin API and the other processes: numbers each question, puts the parts of its answer together.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::{error, warn};

use super::events::Events;
use super::{api, privilege};
use crate::link::{Incoming, Link};
use crate::message::{Command, Message, Role};
use crate::spec_file;

/// Questions that wait for this task. Each comes from a request that waits for its answer, so a full queue just
/// lets further requests wait.
const ASKS: usize = 64;
/// An answer that grows beyond this is not one of ours.
const ANSWER_MAX: usize = 256 * 1024 * 1024;

/// How long answers may still go out when the director stops.
const FAREWELL: Duration = Duration::from_millis(100);

/// What the API asks of the desk.
#[derive(Debug)]
pub(super) enum Ask {
    /// The status of one process, as JSON.
    Status(Role, oneshot::Sender<Vec<u8>>),
    /// An operator's command.
    Command(Command, oneshot::Sender<Result<String, String>>),
    /// The kept events, as JSON.
    Events(oneshot::Sender<String>),
    /// The spec file of the configuration in force, as it is.
    Specs(oneshot::Sender<Vec<u8>>),
}

/// The task that owns the link.
#[derive(Debug)]
pub(super) struct Desk {
    link: Link,
    asks: mpsc::Receiver<Ask>,
    ask: mpsc::Sender<Ask>,
    next_id: u64,
    queries: BTreeMap<u64, (Vec<u8>, oneshot::Sender<Vec<u8>>)>,
    commands: BTreeMap<u64, oneshot::Sender<Result<String, String>>>,
    events: Events,
    /// The configuration in force. Nothing of it is held in memory here.
    specs: Option<OwnedFd>,
    // Ends with the desk: dropping it cancels the server, whose clients then see their connection close.
    servers: JoinSet<()>,
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
            commands: BTreeMap::new(),
            events: Events::default(),
            specs: None,
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
                        tokio::time::sleep(FAREWELL).await;
                        return Ok(());
                    }
                    Some(incoming) => self.handle_message(incoming).await?,
                },
                Some(ask) = self.asks.recv() => self.handle_ask(ask).await?,
            }
        }
    }

    async fn handle_message(&mut self, incoming: Incoming) -> io::Result<()> {
        match incoming.message {
            Message::Ping(number) => {
                self.link.send(Role::Supervisor, &Message::Pong(number)).await?;
            }
            Message::Configure(_) => {
                self.specs = incoming.descriptor;
                let summary = Ok(String::new());
                self.link.send(Role::Supervisor, &Message::Configured { summary }).await?;
            }
            Message::Listen => match incoming.descriptor {
                Some(socket) => self.serve(socket),
                None => error!("the admin socket did not come along"),
            },
            Message::Answer { id, last, json } => self.handle_answer(id, last, &json),
            Message::CommandDone { id, outcome } => {
                if let Some(reply) = self.commands.remove(&id) {
                    // Fails only when the client has gone.
                    let _ = reply.send(outcome);
                }
            }
            Message::Event(event) => self.events.push(event),
            Message::Stop
            | Message::LinkRecovered
            | Message::Pong(_)
            | Message::Configured { .. }
            | Message::Command { .. }
            | Message::Query { .. } => warn!(from = %incoming.from, "unexpected message"),
        }
        Ok(())
    }

    fn serve(&mut self, socket: OwnedFd) {
        let listener = std::os::unix::net::UnixListener::from(socket);
        let listener =
            listener.set_nonblocking(true).and_then(|()| UnixListener::from_std(listener));
        privilege::drop_root();
        match listener {
            Ok(listener) => drop(self.servers.spawn(api::serve(listener, self.ask.clone()))),
            Err(cause) => error!("the admin socket cannot be used: {cause}"),
        }
    }

    fn handle_answer(&mut self, id: u64, last: bool, json: &[u8]) {
        let Some((text, _)) = self.queries.get_mut(&id) else { return };
        text.extend_from_slice(json);
        let too_long = text.len() > ANSWER_MAX;
        if (last || too_long)
            && let Some((text, reply)) = self.queries.remove(&id)
            && !too_long
        {
            // Fails only when the client has gone.
            let _ = reply.send(text);
        }
    }

    async fn handle_ask(&mut self, ask: Ask) -> io::Result<()> {
        self.next_id += 1;
        let id = self.next_id;
        self.queries.retain(|_, (_, reply)| !reply.is_closed());
        self.commands.retain(|_, reply| !reply.is_closed());
        match ask {
            Ask::Status(role, reply) => {
                self.queries.insert(id, (Vec::new(), reply));
                self.link.send(role, &Message::Query { id }).await
            }
            Ask::Command(command, reply) => {
                self.commands.insert(id, reply);
                self.link.send(Role::Supervisor, &Message::Command { id, command }).await
            }
            Ask::Events(reply) => {
                let _ = reply.send(self.events.render());
                Ok(())
            }
            Ask::Specs(reply) => {
                let bytes = self.specs.as_ref().and_then(|specs| spec_file::read_bytes(specs).ok());
                let _ = reply.send(bytes.unwrap_or_default());
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link;
    use crate::message::{self, Address};

    #[tokio::test]
    async fn an_answer_is_put_together_from_its_parts() {
        let (parent, child) = link::pair().unwrap();
        let mut far = Link::new(parent, Role::Supervisor).unwrap();
        let desk = Desk::new(Link::new(child, Role::Ops).unwrap());
        let ask = desk.ask.clone();
        let answered = async {
            let (reply, answer) = oneshot::channel();
            ask.send(Ask::Status(Role::Lvs, reply)).await.unwrap();
            let asked = far.receive().await.unwrap().unwrap();
            let Message::Query { id } = asked.message else { panic!("{asked:?}") };
            let text = vec![b'7'; message::ANSWER_PART + 1];
            for part in message::answer(id, &text) {
                far.send(Role::Ops, &part).await.unwrap();
            }
            assert_eq!(answer.await.unwrap(), text);
            far.send(Role::Ops, &Message::Stop).await.unwrap();
        };
        let (ran, ()) = tokio::join!(desk.run(), answered);
        ran.unwrap();
        let _ = Address { from: Role::Ops, to: Role::Lvs };
    }
}
