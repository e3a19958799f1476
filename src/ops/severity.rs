//! How bad each event is. The names are stable: alert rules and scripts may rely on them.

use serde::{Deserialize, Serialize};

/// From good news to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A state changed as it should.
    Info,
    /// Look at it today.
    Warning,
    /// A service is gone or may be.
    Critical,
}

impl Severity {
    /// The word, as in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Every event that there is: name, severity, meaning.
pub const EVENTS: &[(&str, Severity, &str)] = {
    use Severity::{Critical, Info, Warning};
    &[
        (
            "addresses_repaired",
            Warning,
            "virtual addresses were gone from an interface and were put back",
        ),
        ("alarm_address_list_mismatch", Warning, "another router advertises other addresses"),
        ("alarm_authentication_mismatch", Critical, "another router's authentication is not ours"),
        ("alarm_checksum_form_mismatch", Warning, "another router sends the other checksum form"),
        ("alarm_cleared", Info, "an alarm is over; the cause names it"),
        ("alarm_duplicate_owner", Critical, "two routers have priority 255"),
        ("alarm_heartbeat_lost", Warning, "the peer is silent on the heartbeat path"),
        ("alarm_interval_mismatch", Warning, "another router advertises at another interval"),
        ("alarm_nobody_holds", Critical, "nobody answers for a virtual address"),
        ("alarm_peer_differs", Warning, "the peer has another configuration, version or table"),
        ("alarm_same_priority", Warning, "another router has the same priority"),
        ("alarm_two_masters", Critical, "a virtual address is held twice: a split brain"),
        ("alarm_vrid_clash", Critical, "a virtual router id is used for something else too"),
        ("bfd_down", Warning, "a BFD session is down: the way to its neighbor is not open"),
        ("bfd_up", Info, "a BFD session is up"),
        ("certificate_expires", Warning, "a certificate that a check saw ends before long"),
        ("certificate_renewed", Info, "a certificate that was near its end was replaced"),
        (
            "check_changed",
            Info,
            "a check passed or failed, without changing whether its real server is up",
        ),
        ("group_backup", Info, "a VRRP sync group is Backup"),
        ("group_fault", Critical, "a VRRP sync group cannot serve: a member failed"),
        ("group_handing_over", Info, "a VRRP sync group keeps its addresses for the moment"),
        ("group_master", Info, "a VRRP sync group is Master"),
        ("group_stopped", Info, "a VRRP sync group ended"),
        ("instance_backup", Info, "a VRRP instance is Backup"),
        (
            "instance_fault",
            Critical,
            "a VRRP instance cannot serve: its interface, address or a tracked thing failed",
        ),
        (
            "instance_handing_over",
            Info,
            "a VRRP instance keeps its addresses until the next director announces them",
        ),
        ("instance_master", Info, "a VRRP instance is Master"),
        ("instance_notice", Warning, "something is odd about a VRRP instance; the cause says what"),
        ("instance_stopped", Info, "a VRRP instance ended"),
        ("override_over", Info, "an operator's override of a real server ended"),
        ("override_set", Info, "an operator overrode the weight of a real server"),
        ("paths_repaired", Warning, "routes or rules of VRRP were gone and were put back"),
        ("real_server_down", Warning, "a real server failed its checks"),
        (
            "real_server_kept",
            Warning,
            "a failing real server stays in a pool that would be too small (min_in_pool)",
        ),
        ("real_server_up", Info, "a real server passes its checks again"),
        ("real_server_weight", Info, "a check changed the weight of a real server"),
        ("script_bad", Warning, "a tracked script fails"),
        ("script_good", Info, "a tracked script succeeds again"),
        ("table_caught_up", Info, "the kernel's table agrees with the plan again"),
        ("table_drift", Warning, "something else changed the kernel's table"),
        ("table_refused", Critical, "the kernel refused a change of its table; it is tried again"),
        ("tracked_changed", Info, "a tracked interface, file, process or virtual server changed"),
        ("virtual_server_down", Critical, "a virtual server lost its quorum"),
        ("virtual_server_up", Info, "a virtual server has its quorum again"),
    ]
};

/// The severity of an event by its name. A name that the table lacks is of a newer worker: worth a look.
pub fn of(name: &str) -> Severity {
    let known = EVENTS.binary_search_by(|(known, ..)| (*known).cmp(name));
    known.map_or(Severity::Warning, |at| EVENTS[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_found() {
        assert!(EVENTS.is_sorted_by(|a, b| a.0 < b.0));
        for (name, severity, _) in EVENTS {
            assert_eq!(of(name), *severity);
        }
        assert_eq!(of("no_such_event"), Severity::Warning);
    }

    #[test]
    fn every_alarm_is_in_the_table() {
        for alarm in crate::router::split_brain::Alarm::ALL {
            let name = format!("alarm_{}", alarm.name());
            assert!(EVENTS.iter().any(|(known, ..)| *known == name), "{name}");
        }
    }

    #[test]
    fn every_name_that_workers_give_is_in_the_table() {
        let texts = [
            include_str!("../lvs/tidings.rs"),
            include_str!("../router/words.rs"),
            include_str!("../router/desk.rs"),
            include_str!("../router/desk/bfd.rs"),
            include_str!("../router/desk/pair.rs"),
            include_str!("../router/desk/record.rs"),
            include_str!("../router/desk/trackers.rs"),
        ];
        let known = |name: &str| EVENTS.iter().any(|(known, ..)| *known == name);
        let kinds = [
            "real_server_",
            "virtual_server_",
            "table_",
            "instance_",
            "script_",
            "override_",
            "certificate_",
            "tracked_",
            "alarm_",
            "bfd_down",
            "bfd_up",
            "group_",
        ];
        let mut seen = 0;
        for word in texts.iter().flat_map(|text| text.split('"')) {
            let is_name = word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            if is_name && kinds.iter().any(|kind| word.starts_with(kind)) {
                assert!(known(word), "{word}");
                seen += 1;
            }
        }
        assert!(seen > 10, "{seen}");
    }
}
