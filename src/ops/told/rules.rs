//! PURE: which event becomes a mail, by keepalived's rules.

use std::collections::BTreeMap;

use super::spec::{MailRules, Matter};
use crate::message::Event;

/// The rules, and what the latest mail of each router said.
#[derive(Debug)]
pub(super) struct Mailed {
    rules: MailRules,
    /// By instance or group: the state of its latest mail. A mail goes out only when the state is another one.
    states: BTreeMap<(Matter, String), String>,
}

impl Mailed {
    pub(super) fn new(rules: MailRules) -> Self {
        Self { rules, states: BTreeMap::new() }
    }

    pub(super) fn configure(&mut self, rules: MailRules) {
        self.rules = rules;
    }

    /// Whether this event goes out as a mail. Asked once for each event.
    pub(super) fn wants(&mut self, event: &Event) -> bool {
        let Some(matter) = matter(&event.name) else { return false };
        if event.name == "check_changed" && self.rules.no_checks {
            return false;
        }
        if event.name.ends_with("_fault") && self.rules.no_faults {
            return false;
        }
        if !self.rules.covers(matter, &event.subject) {
            return false;
        }
        match matter {
            Matter::RealServer | Matter::VirtualServer => true,
            Matter::Instance | Matter::Group => {
                let of = (matter, event.subject.clone());
                self.states.insert(of, event.name.clone()).as_ref() != Some(&event.name)
            }
        }
    }
}

impl MailRules {
    fn covers(&self, matter: Matter, subject: &str) -> bool {
        let by_default = match matter {
            Matter::RealServer => self.real_servers,
            Matter::VirtualServer => self.virtual_servers,
            Matter::Instance => self.instances,
            Matter::Group => self.groups,
        };
        by_default != self.except.contains(&(matter, subject.to_owned()))
    }
}

/// What keepalived would send a mail about; everything else goes to webhooks alone.
pub(super) fn matter(event: &str) -> Option<Matter> {
    match event {
        "real_server_down" | "real_server_up" | "check_changed" => Some(Matter::RealServer),
        "virtual_server_down" | "virtual_server_up" => Some(Matter::VirtualServer),
        "instance_master" | "instance_backup" | "instance_fault" | "instance_stopped" => {
            Some(Matter::Instance)
        }
        "group_master" | "group_backup" | "group_fault" | "group_stopped" => Some(Matter::Group),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::severity::EVENTS;

    fn event(name: &str, subject: &str) -> Event {
        Event { at_ms: 0, name: name.into(), subject: subject.into(), cause: String::new() }
    }

    fn mailed(rules: MailRules) -> Mailed {
        Mailed::new(rules)
    }

    #[test]
    fn every_name_that_is_mailed_exists() {
        let is_known = |name: &str| EVENTS.iter().any(|(known, ..)| *known == name);
        let mut mailed = 0;
        for (name, ..) in EVENTS {
            mailed += usize::from(matter(name).is_some());
        }
        assert_eq!(mailed, 13);
        assert!(is_known("check_changed") && is_known("group_fault"));
    }

    #[test]
    fn only_what_is_covered_is_mailed() {
        let except = [(Matter::RealServer, "10.0.0.4:80 of FWM 1".to_owned())].into();
        let mut mailed = mailed(MailRules { real_servers: true, except, ..MailRules::default() });
        assert!(mailed.wants(&event("real_server_down", "10.0.0.3:80 of FWM 1")));
        assert!(!mailed.wants(&event("real_server_down", "10.0.0.4:80 of FWM 1")));
        assert!(!mailed.wants(&event("virtual_server_down", "FWM 1")));
        assert!(!mailed.wants(&event("instance_master", "VI_1")));
        assert!(!mailed.wants(&event("table_drift", "FWM 1")), "keepalived has no such mail");
    }

    #[test]
    fn an_exception_turns_on_what_is_off() {
        let except = [(Matter::Instance, "VI_2".to_owned())].into();
        let mut mailed = mailed(MailRules { except, ..MailRules::default() });
        assert!(mailed.wants(&event("instance_master", "VI_2")));
        assert!(!mailed.wants(&event("instance_master", "VI_1")));
    }

    #[test]
    fn checks_and_faults_can_be_left_out() {
        let all = MailRules { real_servers: true, instances: true, ..MailRules::default() };
        assert!(mailed(all.clone()).wants(&event("check_changed", "a of b")));
        assert!(mailed(all.clone()).wants(&event("instance_fault", "VI_1")));
        let mut quiet = mailed(MailRules { no_faults: true, no_checks: true, ..all });
        assert!(!quiet.wants(&event("check_changed", "a of b")));
        assert!(!quiet.wants(&event("instance_fault", "VI_1")));
        assert!(quiet.wants(&event("real_server_down", "a of b")));
    }

    #[test]
    fn a_router_is_mailed_when_its_state_is_another_than_in_its_last_mail() {
        let rules = MailRules { instances: true, no_faults: true, ..MailRules::default() };
        let mut mailed = mailed(rules);
        assert!(mailed.wants(&event("instance_backup", "VI_1")));
        assert!(!mailed.wants(&event("instance_fault", "VI_1")));
        assert!(
            !mailed.wants(&event("instance_backup", "VI_1")),
            "that is what the last mail said"
        );
        assert!(mailed.wants(&event("instance_backup", "VI_2")));
        assert!(mailed.wants(&event("instance_master", "VI_1")));
    }
}
