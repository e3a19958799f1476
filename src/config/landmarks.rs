//! Where the things of a model stand in the files: for what is said of a model after it was decoded, by what knows no
//! spans. One place for each subject; a configuration of thousands of real servers costs a few bytes a service.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use ipvs::ServiceKey;

use super::source::Span;

/// A thing of a model that has a place. Instances are named by their names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// `vrrp_instance NAME`.
    Instance(String),
    /// A keyword of an instance.
    InstanceKeyword(String, &'static str),
    /// One of its virtual addresses.
    Address(String, IpAddr),
    /// An entry of its `track_script` or `track_interface`.
    Tracker(String, String),
    /// `virtual_server ...`, or its entry in a group.
    Service(ServiceKey),
    /// `lb_algo` of a virtual server.
    Scheduler(ServiceKey),
    /// `script` of a `vrrp_script`.
    Script(String),
    /// `bindto ADDRESS`, the last of those that are equal.
    Bind(IpAddr),
}

/// The places of a configuration, and the directors that it speaks of.
#[derive(Debug, Default)]
pub struct Landmarks {
    places: HashMap<Subject, Span>,
    ids: BTreeSet<String>,
}

impl Landmarks {
    /// Where a thing stands; `None` if nothing was said of it.
    pub fn place(&self, subject: &Subject) -> Option<Span> {
        self.places.get(subject).copied()
    }

    /// The addresses that checkers are sent from, in order.
    pub fn bound(&self) -> Vec<IpAddr> {
        let mut found: Vec<IpAddr> = self
            .places
            .keys()
            .filter_map(|subject| match subject {
                Subject::Bind(address) => Some(*address),
                _ => None,
            })
            .collect();
        found.sort_unstable();
        found
    }

    /// The directors that conditions name (`@ID`, `when "ID"`), in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str)
    }

    pub(super) fn mark(&mut self, subject: Subject, span: Span) {
        self.places.insert(subject, span);
    }

    pub(super) fn mention(&mut self, id: &str) {
        if !self.ids.contains(id) {
            self.ids.insert(id.to_owned());
        }
    }
}
