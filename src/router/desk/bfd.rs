//! The BFD sessions from the desk's side: which there are, what they say, in the log and to the lvs worker. The VRRP core
//! hears of them straight from their thread.

use tracing::{error, info, warn};

use super::{Desk, End};
use crate::config::model::BfdInstance;
use crate::message::{Message, Role};
use crate::router::REAL_TIME_PRIORITY;
use crate::router::bfd::{Bfd, Report, TellCore};
use crate::router::channel::Order;
use crate::router::priority::{Condition, Finding, TrackerKind};
use crate::router::spec::RouterWorkerSpec;
use crate::router::status::VrrpStatus;

/// The sessions, and what they last said.
#[derive(Debug, Default)]
pub(super) struct Paths {
    thread: Option<Bfd>,
    instances: Vec<BfdInstance>,
    up: std::collections::BTreeMap<String, bool>,
}

impl Paths {
    /// The next report; for ever where there are no sessions.
    pub(super) async fn next_report(&mut self) -> Option<Report> {
        match &mut self.thread {
            Some(thread) => thread.next_report().await,
            None => std::future::pending().await,
        }
    }

    fn of(&self, name: &str) -> Option<&BfdInstance> {
        self.instances.iter().find(|instance| instance.session.name == name)
    }

    /// What the lvs worker may know.
    fn for_checkers(&self) -> Vec<(String, bool)> {
        let wanted = |name: &str| self.of(name).is_some_and(|instance| instance.for_checkers);
        let up = self.up.iter().filter(|(name, _)| wanted(name));
        up.map(|(name, up)| (name.clone(), *up)).collect()
    }
}

impl Desk<'_> {
    /// These sessions from now on. After the core's configuration, so that what they say is not forgotten again.
    pub(super) fn configure_bfd(&mut self, spec: &RouterWorkerSpec) {
        let instances = spec.bfd.clone();
        if self.paths.thread.is_none() && !instances.is_empty() {
            let priority = spec.real_time_priority.unwrap_or(REAL_TIME_PRIORITY);
            match Bfd::start(priority, self.tell_core()) {
                Ok(thread) => self.paths.thread = Some(thread),
                Err(cause) => return error!("no BFD: {cause}"),
            }
        }
        self.paths.up.retain(|name, _| instances.iter().any(|it| it.session.name == *name));
        if let Some(thread) = &self.paths.thread {
            thread.configure(instances.iter().map(|it| it.session.clone()).collect());
        }
        self.paths.instances = instances;
        self.tell_paths();
    }

    fn tell_core(&self) -> TellCore {
        let orders = self.core.orders();
        Box::new(move |name, up| {
            let tracker = (TrackerKind::Bfd, name.to_owned());
            let finding = Finding::Is(Condition::from(up));
            orders.order(Order::Found { tracker, finding }).is_ok()
        })
    }

    /// Tells the lvs worker how the sessions stand that its checkers may follow.
    pub(super) fn tell_paths(&self) {
        let paths = self.paths.for_checkers();
        if !paths.is_empty() {
            // Full: it asks from time to time.
            let _ = self.link.offer(Role::Lvs, &Message::Paths(paths));
        }
    }

    /// Logs and passes on. The end of the thread is the worker's: a session that nobody watches must not count as up.
    pub(super) fn handle_bfd(&mut self, report: Option<Report>) -> Option<End> {
        match report {
            None => {
                error!("the BFD thread ended");
                return Some(End::CoreLost);
            }
            Some(Report::Trouble(text)) => warn!("{text}"),
            Some(Report::Changed { name, from, to, diagnostic }) => {
                info!(bfd_instance = name, %from, %to, %diagnostic, "BFD session");
            }
            Some(Report::Judged { name, up }) => {
                let before = self.paths.up.insert(name.clone(), up);
                if before.is_some_and(|before| before != up) {
                    let neighbor = self.paths.of(&name).map(|it| it.session.neighbor.to_string());
                    let neighbor = neighbor.unwrap_or_default();
                    let (event, words) = match up {
                        true => ("bfd_up", format!("the way to {neighbor} is open")),
                        false => ("bfd_down", format!("the way to {neighbor} is not open")),
                    };
                    match up {
                        true => info!(bfd_instance = name, "{words}"),
                        false => warn!(bfd_instance = name, "{words}"),
                    }
                    self.event(event, name, words);
                }
                self.tell_paths();
            }
        }
        None
    }

    /// Adds the sessions to what the core tells.
    pub(super) async fn complete_bfd(&self, status: &mut VrrpStatus) {
        if let Some(thread) = &self.paths.thread {
            status.bfd = thread.views().await;
        }
    }
}
