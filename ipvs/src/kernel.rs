//! The kernel's table over generic netlink: carries out changes and reads what is.
//!
//! It acts and reports, and decides nothing: what to change comes from `diff`, and after an error the
//! caller reads again. Calls block for as long as the kernel works (some 20 us for each change).

use std::collections::BTreeMap;

use netlink_packet_core::DecodeError;
use netlink_packet_generic::GenlMessage;
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};

use crate::daemon::{SyncDaemon, SyncRole};
use crate::destinations::Destinations;
use crate::error::{Error, Request};
use crate::info::Info;
use crate::key::ServiceKey;
use crate::message::{Command, Message};
use crate::op::Op;
use crate::record::{DestinationRecord, ServiceRecord};
use crate::service::{Service, Settings};
use crate::socket::{BATCH, Conversation, Lost, Outcome};
use crate::stats::{DestinationCounters, ServiceCounters};
use crate::table::Table;
use crate::timeouts::Timeouts;
use crate::window::Answer;

/// Services read in one send. Each answer takes a page of the socket's room, so that even a receive
/// buffer of the default size (208 KiB) holds them.
const READ_BATCH: usize = 32;

/// A family that no kernel gives out: its numbers end at 1023. Questions to it are answered as after IPVS was unloaded.
const NO_FAMILY: u16 = u16::MAX;

/// IPVS of the network namespace in which it was opened.
pub struct Kernel {
    conversation: Conversation,
    family: u16,
    skipped: u64,
}

impl Kernel {
    /// How many services [`Kernel::dump_services`] should be given at a time, so that one call stays
    /// within a millisecond or so and the caller's loop keeps turning.
    pub const SLICE: usize = 64;

    /// Opens a socket in this thread's network namespace and makes sure that IPVS answers us there.
    pub fn open() -> Result<Kernel, Error> {
        let mut conversation = Conversation::open()?;
        let family = resolve(&mut conversation)?;
        let mut kernel = Kernel { conversation, family, skipped: 0 };
        kernel.info()?;
        Ok(kernel)
    }

    /// For a host without IPVS: whatever is asked of this one, it says [`Error::Unavailable`].
    pub fn absent() -> Result<Kernel, Error> {
        Ok(Kernel { conversation: Conversation::open()?, family: NO_FAMILY, skipped: 0 })
    }

    /// Carries out changes in order, each with its own result: one that fails does not stop those after
    /// it, unless the socket itself fails.
    ///
    /// Removing what is gone is success. Adding what is there is not, for it may be there with other
    /// settings; see [`Error::is_already_there`].
    pub fn apply(&mut self, ops: &[Op]) -> Vec<Result<(), Error>> {
        let mut results = Vec::with_capacity(ops.len());
        let mut broken = false;
        for batch in ops.chunks(BATCH) {
            if broken {
                results.extend(batch.iter().map(|op| Err(Error::NotSent(change(op)))));
                continue;
            }
            let batch_results = self.apply_batch(batch);
            broken =
                batch_results.iter().any(|result| result.as_ref().is_err_and(Error::is_of_socket));
            results.extend(batch_results);
        }
        results
    }

    fn apply_batch(&mut self, ops: &[Op]) -> Vec<Result<(), Error>> {
        let (mut results, mut messages, mut sent) = (Vec::new(), Vec::new(), Vec::new());
        for (index, op) in ops.iter().enumerate() {
            results.push(match Message::for_op(op) {
                Ok(message) => {
                    messages.push(self.address(message));
                    sent.push(index);
                    Ok(())
                }
                Err(mismatch) => Err(mismatch.into()),
            });
        }
        match self.conversation.ask(messages, |_, _| {}) {
            Ok(outcomes) => {
                for (index, outcome) in sent.into_iter().zip(outcomes) {
                    results[index] = settle(outcome, || change(&ops[index]));
                }
            }
            Err(error) => {
                // The cause goes to the first, the others only say that they were not sent.
                let mut cause = Some(error);
                for index in sent {
                    let unsent = || Error::NotSent(change(&ops[index]));
                    results[index] = Err(cause.take().unwrap_or_else(unsent));
                }
            }
        }
        for (result, op) in results.iter_mut().zip(ops) {
            if result.as_ref().is_err_and(|error| error.is_already_gone(op)) {
                *result = Ok(());
            }
        }
        results
    }

    /// Reads the whole table. It is no snapshot: a service that goes while it is read may show without
    /// destinations.
    pub fn dump(&mut self) -> Result<Table, Error> {
        let services = self.services()?;
        self.with_destinations(services)
    }

    /// Reads the services of these keys that exist, with their destinations; see [`Kernel::SLICE`].
    pub fn dump_services(&mut self, keys: &[ServiceKey]) -> Result<Table, Error> {
        let mut services = BTreeMap::new();
        self.read_services(keys, |record| {
            services.insert(record.key, record.settings);
        })?;
        self.with_destinations(services)
    }

    fn with_destinations(
        &mut self,
        services: BTreeMap<ServiceKey, Settings>,
    ) -> Result<Table, Error> {
        let mut table = Table::default();
        for (key, settings) in services {
            let destinations = self.destinations(key)?;
            table.services.insert(key, Service { settings, destinations });
        }
        Ok(table)
    }

    /// Reads all services, without their destinations.
    pub fn services(&mut self) -> Result<BTreeMap<ServiceKey, Settings>, Error> {
        let mut services = BTreeMap::new();
        let request = Message::bare(Command::GetService);
        self.read("read the services", request, |message| {
            let record = ServiceRecord::read(message)?;
            services.insert(record.key, record.settings);
            Ok(())
        })?;
        Ok(services)
    }

    /// Reads the destinations of a service; none where the service is not there.
    pub fn destinations(&mut self, service: ServiceKey) -> Result<Destinations, Error> {
        let mut rows = Vec::new();
        self.read_destinations(service, |record| rows.push((record.key, record.destination)))?;
        Ok(rows.into_iter().collect())
    }

    /// Reads the counters of the services of these keys that exist, and of their destinations.
    pub fn counters(
        &mut self,
        keys: &[ServiceKey],
    ) -> Result<BTreeMap<ServiceKey, ServiceCounters>, Error> {
        let mut counters = BTreeMap::new();
        self.read_services(keys, |ServiceRecord { key, stats, settings: _ }| {
            counters.insert(key, ServiceCounters { stats, destinations: BTreeMap::new() });
        })?;
        for (&key, service) in &mut counters {
            self.read_destinations(key, |record| {
                let DestinationRecord { key, connections, stats, destination: _ } = record;
                service.destinations.insert(key, DestinationCounters { connections, stats });
            })?;
        }
        Ok(counters)
    }

    /// Reads the timeouts of idle connections.
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let mut timeouts = Timeouts::default();
        self.query("read the timeouts", Message::bare(Command::GetConfig), |message| {
            timeouts = Timeouts::read(message);
            Ok(())
        })?;
        Ok(timeouts)
    }

    /// Sets the timeouts of idle connections; those that are `None` stay as they are.
    pub fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<(), Error> {
        self.command(Request::Question("set the timeouts"), Message::set_timeouts(timeouts))
    }

    /// Reads the sync daemons that run.
    pub fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        let mut daemons = Vec::new();
        let request = Message::bare(Command::GetDaemon);
        self.read("read the sync daemons", request, |message| {
            daemons.push(SyncDaemon::read(message)?);
            Ok(())
        })?;
        Ok(daemons)
    }

    /// Starts a sync daemon. One that runs in that role is an error; see [`Error::is_already_there`].
    pub fn start_daemon(&mut self, daemon: &SyncDaemon) -> Result<(), Error> {
        self.command(Request::Daemon("start the sync daemon"), Message::start_daemon(daemon))
    }

    /// Stops the sync daemon of a role; that none runs is success.
    pub fn stop_daemon(&mut self, role: SyncRole) -> Result<(), Error> {
        let request = Request::Daemon("stop the sync daemon");
        match self.command(request, Message::stop_daemon(role)) {
            Err(error) if error.is_missing() => Ok(()),
            // Linux gives no answer when it stops a daemon that was started but has not yet run:
            // kthread_stop() is then "interrupted".
            Err(error @ Error::NoAnswer(_)) => {
                let runs = self.daemons()?.iter().any(|daemon| daemon.role == role);
                if runs { Err(error) } else { Ok(()) }
            }
            result => result,
        }
    }

    /// Removes all services, ours or not.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.command(Request::Question("remove all services"), Message::bare(Command::Flush))
    }

    /// Sets the counters of a service and its destinations to zero, or all counters.
    pub fn zero(&mut self, service: Option<ServiceKey>) -> Result<(), Error> {
        self.command(Request::Question("zero the counters"), Message::zero(service))
    }

    /// Reads the version of IPVS and the size of its connection table.
    pub fn info(&mut self) -> Result<Info, Error> {
        let what = "read the version of IPVS";
        let mut info = None;
        self.query(what, Message::bare(Command::GetInfo), |message| {
            info = Some(Info::read(message)?);
            Ok(())
        })?;
        info.ok_or(Error::NoAnswer(Request::Question(what)))
    }

    /// Entries read since this was opened that are no values of ours, such as a service of a protocol
    /// that another program added, and so were left out.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Reads single services. Those that are not there are passed over.
    fn read_services(
        &mut self,
        keys: &[ServiceKey],
        mut each: impl FnMut(ServiceRecord),
    ) -> Result<(), Error> {
        let request = || Request::Question("read a service");
        for batch in keys.chunks(READ_BATCH) {
            let messages =
                batch.iter().map(|&key| self.address(Message::get_service(key))).collect();
            let mut skipped = 0;
            let outcomes = self.conversation.ask(messages, |_, content| {
                match content.and_then(|content| ServiceRecord::read(&content.payload)) {
                    Ok(record) => each(record),
                    Err(_) => skipped += 1,
                }
            })?;
            self.skipped += skipped;
            for outcome in outcomes {
                match settle(outcome, request) {
                    Err(error) if error.is_missing() => {}
                    result => result?,
                }
            }
        }
        Ok(())
    }

    fn read_destinations(
        &mut self,
        service: ServiceKey,
        mut each: impl FnMut(DestinationRecord),
    ) -> Result<(), Error> {
        let request = Message::get_destinations(service);
        self.read("read the destinations of a service", request, |message| {
            each(DestinationRecord::read(message, service.family())?);
            Ok(())
        })
    }

    /// Reads a list; entries that `each` refuses are left out and counted.
    fn read(
        &mut self,
        what: &'static str,
        message: Message,
        mut each: impl FnMut(&Message) -> Result<(), DecodeError>,
    ) -> Result<(), Error> {
        let request = self.address(message);
        let mut skipped = 0;
        let outcome = self.conversation.dump(request, |content| {
            if content.and_then(|content| each(&content.payload)).is_err() {
                skipped += 1;
            }
        })?;
        self.skipped += skipped;
        settle(outcome, || Request::Question(what))
    }

    /// Asks a question that has one answer.
    fn query(
        &mut self,
        what: &'static str,
        message: Message,
        mut each: impl FnMut(&Message) -> Result<(), DecodeError>,
    ) -> Result<(), Error> {
        let request = self.address(message);
        let mut malformed = None;
        let outcomes = self.conversation.ask(vec![request], |_, content| {
            malformed = content.and_then(|content| each(&content.payload)).err();
        })?;
        for outcome in outcomes {
            settle(outcome, || Request::Question(what))?;
        }
        match malformed {
            Some(error) => Err(Error::Malformed(Request::Question(what), error)),
            None => Ok(()),
        }
    }

    fn command(&mut self, request: Request, message: Message) -> Result<(), Error> {
        let message = self.address(message);
        let outcomes = self.conversation.ask(vec![message], |_, _| {})?;
        outcomes.into_iter().try_for_each(|outcome| settle(outcome, || request.clone()))
    }

    fn address(&self, message: Message) -> GenlMessage<Message> {
        let mut message = GenlMessage::from_payload(message);
        message.set_resolved_family_id(self.family);
        message
    }
}

fn change(op: &Op) -> Request {
    Request::Change(Box::new(*op))
}

fn settle(outcome: Outcome, request: impl FnOnce() -> Request) -> Result<(), Error> {
    match outcome {
        Ok(Answer::Done) => Ok(()),
        Ok(Answer::Refused { errno, said }) => Err(Error::refused(request(), errno, said)),
        Err(Lost::Overrun) => Err(Error::Overrun(request())),
        Err(Lost::NoAnswer) => Err(Error::NoAnswer(request())),
        Err(Lost::Truncated(len)) => Err(Error::Truncated(request(), len)),
    }
}

/// Asks `nlctrl` for the number of the family, which the kernel gives out when IPVS is loaded.
fn resolve(conversation: &mut Conversation) -> Result<u16, Error> {
    let request = GenlMessage::from_payload(GenlCtrl {
        cmd: GenlCtrlCmd::GetFamily,
        nlas: vec![GenlCtrlAttrs::FamilyName("IPVS".to_owned())],
    });
    let mut family = None;
    let outcomes = conversation.ask(vec![request], |_, content| {
        let nlas = content.map(|content| content.payload.nlas).unwrap_or_default();
        family = family.or(nlas.iter().find_map(|nla| match nla {
            GenlCtrlAttrs::FamilyId(id) => Some(*id),
            _ => None,
        }));
    })?;
    for outcome in outcomes {
        settle(outcome, || Request::Question("find IPVS"))?;
    }
    family.ok_or(Error::Unavailable)
}
