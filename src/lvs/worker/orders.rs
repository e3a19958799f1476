//! What operators order: overrides and checks out of turn.

use std::collections::BTreeSet;
use std::time::Instant;

use ipvs::{DestinationKey, ServiceKey};

use super::Worker;
use crate::lvs::overrides::{By, Deed, Held, Order, Override};
use crate::lvs::selector::Selector;
use crate::lvs::tidings;

/// Named in an answer; the rest is counted.
const NAMED: usize = 8;

impl Worker {
    /// Carries an order out. The answer is one line that names the real servers, or why there are none.
    pub(super) fn handle_order(
        &mut self,
        order: Order,
        by: By,
        now: Instant,
    ) -> Result<String, String> {
        let Order { servers, deed } = order;
        let chosen = self.chosen(&servers);
        if chosen.is_empty() {
            return Err(format!("no virtual server has a real server {servers}"));
        }
        match deed {
            Deed::Override(ordered) => self.override_servers(&chosen, &ordered, by, now),
            Deed::Clear => self.clear_overrides(&chosen, by, now),
            Deed::CheckNow => self.check_now(&chosen, now),
        }
    }

    fn chosen(&self, servers: &Selector) -> Vec<(ServiceKey, DestinationKey)> {
        let services =
            self.served.values().filter(|served| servers.matches_service(served.spec.key));
        let all = services.flat_map(|served| {
            served.spec.servers.iter().map(|server| (served.spec.key, server.key))
        });
        all.filter(|(service, server)| servers.matches(*service, *server)).collect()
    }

    fn override_servers(
        &mut self,
        chosen: &[(ServiceKey, DestinationKey)],
        ordered: &Override,
        by: By,
        now: Instant,
    ) -> Result<String, String> {
        for (service, server) in chosen {
            let held = Held { ordered: ordered.clone(), since: now };
            let Some(served) = self.served.get_mut(service) else { continue };
            served.set_override(*server, Some(held), now);
            self.tell(tidings::overridden(*service, *server, ordered, by));
        }
        self.replan_chosen(chosen, now);
        Ok(format!("{}: {}", ordered.wish, named(chosen)))
    }

    fn clear_overrides(
        &mut self,
        chosen: &[(ServiceKey, DestinationKey)],
        by: By,
        now: Instant,
    ) -> Result<String, String> {
        let mut cleared = Vec::new();
        for &(service, server) in chosen {
            let served = self.served.get_mut(&service);
            if let Some(held) = served.and_then(|served| served.set_override(server, None, now)) {
                let why = format!("cleared by {by}");
                self.tell(tidings::override_over(service, server, &held, &why));
                cleared.push((service, server));
            }
        }
        if cleared.is_empty() {
            return Ok(format!("nothing to clear: {}", named(chosen)));
        }
        self.replan_chosen(&cleared, now);
        Ok(format!("cleared: {}", named(&cleared)))
    }

    fn check_now(
        &mut self,
        chosen: &[(ServiceKey, DestinationKey)],
        now: Instant,
    ) -> Result<String, String> {
        let subjects = chosen.iter().flat_map(|&(service, server)| {
            let served = self.served.get(&service).into_iter();
            served.flat_map(move |served| served.subjects_of(server))
        });
        match self.checkers.check_now(subjects, now) {
            0 => Err(format!("nothing to ask: {}", named(chosen))),
            1 => Ok(format!("1 probe asked at once: {}", named(chosen))),
            many => Ok(format!("{many} probes asked at once: {}", named(chosen))),
        }
    }

    fn replan_chosen(&mut self, chosen: &[(ServiceKey, DestinationKey)], now: Instant) {
        let services: BTreeSet<ServiceKey> = chosen.iter().map(|(service, _)| *service).collect();
        self.replan(&services, now);
        self.set_alarm();
        // On disk before the operator hears that it is so.
        self.write_state(now);
    }

    /// Overrides of these virtual servers that have ended by time.
    pub(super) fn end_overrides(&mut self, services: &BTreeSet<ServiceKey>, now: Instant) {
        for service in services {
            let Some(served) = self.served.get_mut(service) else { continue };
            for (server, held) in served.end_overrides(now) {
                self.tell(tidings::override_over(*service, server, &held, "its time is over"));
            }
        }
    }
}

fn named(chosen: &[(ServiceKey, DestinationKey)]) -> String {
    let names: Vec<String> = chosen
        .iter()
        .take(NAMED)
        .map(|(service, server)| format!("{server} of {service}"))
        .collect();
    match chosen.len().saturating_sub(NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}
