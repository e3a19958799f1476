//! PURE: events as the text of a mail. Subjects are keepalived's, so that the filters of those who read them go on to work.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use super::queue::Batch;
use crate::message::Event;
use crate::ops::events::Kept;

/// Subject and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) subject: String,
    pub(super) body: String,
}

/// The mail about these events of this director.
pub(super) fn write(director: &str, batch: &Batch<Arc<Kept>>) -> Letter {
    let events = || batch.events.iter().map(|kept| &kept.event);
    let subject = match batch.events.as_slice() {
        [only] if batch.lost == 0 => headline(&only.event),
        all => format!("{} events: {}", all.len(), counts(events())),
    };
    let mut body = String::new();
    for event in events() {
        let _ = write!(body, "{}  {}", time(event.at_ms), headline(event));
        if !event.cause.is_empty() {
            let _ = write!(body, "\n    {}", event.cause);
        }
        body.push('\n');
    }
    if batch.lost > 0 {
        let _ = writeln!(
            body,
            "\n{} earlier events could not be told; they are in the log.",
            batch.lost
        );
    }
    Letter { subject: format!("[{director}] {subject}"), body }
}

/// An event in keepalived's words.
fn headline(event: &Event) -> String {
    let Event { name, subject, .. } = event;
    let service = |key: &str| in_brackets(key, protocol(key));
    match name.as_str() {
        "virtual_server_up" => format!("Virtualserver {} - UP", service(subject)),
        "virtual_server_down" => format!("Virtualserver {} - DOWN", service(subject)),
        "real_server_up" | "real_server_down" | "check_changed" => {
            let state = match name.as_str() {
                "real_server_up" => "UP",
                "real_server_down" => "DOWN",
                _ => "check changed",
            };
            match subject.split_once(" of ") {
                Some((server, key)) => {
                    let server = in_brackets(server, protocol(key));
                    format!("Realserver {server} of virtual server {} - {state}", service(key))
                }
                None => format!("Realserver {subject} - {state}"),
            }
        }
        _ => routers_headline(name, subject),
    }
}

fn routers_headline(name: &str, subject: &str) -> String {
    let (whose, state) = match name.split_once('_') {
        Some(("instance", state)) => ("VRRP Instance", state),
        Some(("group", state)) => ("VRRP Group", state),
        _ => return format!("{} {subject}", name.replace('_', " ")),
    };
    match state {
        "stopped" => format!("{whose} {subject} - Stopping"),
        state => format!("{whose} {subject} - Entering {} state", state.to_uppercase()),
    }
}

/// `tcp` of `TCP 10.0.0.100:80`; none of `FWM 1`.
fn protocol(service: &str) -> Option<String> {
    let (word, _) = service.split_once(' ')?;
    (word != "FWM").then(|| word.to_lowercase())
}

/// `[10.0.0.3]:tcp:80`, as keepalived writes addresses.
fn in_brackets(key: &str, protocol: Option<String>) -> String {
    let Some(protocol) = protocol else { return key.to_owned() };
    let address = key.rsplit(' ').next().unwrap_or(key);
    match address.rsplit_once(':') {
        Some((host, port)) => {
            format!("[{}]:{protocol}:{port}", host.trim_start_matches('[').trim_end_matches(']'))
        }
        None => key.to_owned(),
    }
}

/// `30 real server down, 5 real server up`, the most frequent first.
fn counts<'a>(events: impl Iterator<Item = &'a Event>) -> String {
    let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
    events.for_each(|event| *by_name.entry(event.name.as_str()).or_default() += 1);
    let mut sorted: Vec<(&str, usize)> = by_name.into_iter().collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let word = |(name, count): &(&str, usize)| format!("{count} {}", name.replace('_', " "));
    sorted.iter().take(4).map(word).collect::<Vec<_>>().join(", ")
}

fn time(at_ms: u64) -> String {
    let millis = i64::try_from(at_ms).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| at_ms.to_string(), |time| format!("{time:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::ops::severity::Severity;

    fn event(name: &str, subject: &str) -> Arc<Kept> {
        let cause = "TCP_CHECK 10.0.0.3:80: connection refused".into();
        let (name, subject) = (name.into(), subject.into());
        let event = Event { at_ms: 1_790_000_000_123, name, subject, cause };
        Arc::new(Kept { id: 1, severity: Severity::Info, event })
    }

    fn subject(name: &str, of: &str) -> String {
        write("lb1", &Batch { events: vec![event(name, of)], lost: 0 }).subject
    }

    #[test]
    fn subjects_are_keepalived_s() {
        let cases = [
            (
                "real_server_down",
                "10.0.0.3:80 of TCP 10.0.0.100:80",
                "Realserver [10.0.0.3]:tcp:80 of virtual server [10.0.0.100]:tcp:80 - DOWN",
            ),
            (
                "real_server_up",
                "[fd00::3]:53 of UDP [fd00::100]:53",
                "Realserver [fd00::3]:udp:53 of virtual server [fd00::100]:udp:53 - UP",
            ),
            (
                "real_server_down",
                "10.0.0.3:80 of FWM 7",
                "Realserver 10.0.0.3:80 of virtual server FWM 7 - DOWN",
            ),
            (
                "virtual_server_down",
                "TCP 10.0.0.100:80",
                "Virtualserver [10.0.0.100]:tcp:80 - DOWN",
            ),
            ("instance_master", "VI_1", "VRRP Instance VI_1 - Entering MASTER state"),
            ("instance_stopped", "VI_1", "VRRP Instance VI_1 - Stopping"),
            ("group_fault", "G1", "VRRP Group G1 - Entering FAULT state"),
        ];
        for (name, of, wanted) in cases {
            assert_eq!(subject(name, of), format!("[lb1] {wanted}"));
        }
    }

    #[test]
    fn a_single_event_has_its_time_and_cause_in_the_body() {
        let events = vec![event("virtual_server_up", "FWM 1")];
        let letter = write("lb1", &Batch { events, lost: 0 });
        assert_eq!(
            letter.body,
            "2026-09-21T14:13:20Z  Virtualserver FWM 1 - UP\n    TCP_CHECK 10.0.0.3:80: connection refused\n"
        );
    }

    #[test]
    fn many_are_summed_up_and_listed_and_the_lost_are_told() {
        let mut events = vec![event("real_server_down", "10.0.0.3:80 of FWM 1"); 3];
        events.push(event("virtual_server_down", "FWM 1"));
        let letter = write("lb1", &Batch { events, lost: 12 });
        assert_eq!(letter.subject, "[lb1] 4 events: 3 real server down, 1 virtual server down");
        assert_eq!(letter.body.lines().count(), 10);
        assert!(letter.body.contains("12 earlier events"));
    }

    #[test]
    fn odd_subjects_do_no_harm() {
        for odd in ["", " of ", ":", "TCP ", "x of TCP", "a\r\nBcc: b of TCP c:1"] {
            assert!(subject("real_server_down", odd).starts_with("[lb1] Realserver "));
        }
    }
}
