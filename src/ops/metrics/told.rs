//! PURE: how it goes with those who are told of events elsewhere.

use crate::ops::exposition::Exposition;
use crate::ops::exposition::Kind::{Counter, Gauge};
use crate::ops::told::ReceiverStatus;

type Value = fn(&ReceiverStatus) -> u64;

pub(super) fn write(to: &mut Exposition, receivers: &[ReceiverStatus]) {
    let families: [(&'static str, _, &str, Value); 6] = [
        ("told_waiting", Gauge, "Events that wait for a receiver.", |it| it.waiting as u64),
        ("told_failing", Gauge, "Whether the latest delivery failed.", |it| {
            it.error.is_some().into()
        }),
        ("told_delivered", Counter, "Events delivered.", |it| it.delivered),
        ("told_failures", Counter, "Deliveries that failed and were tried again.", |it| {
            it.failures
        }),
        ("told_refused", Counter, "Events that the receiver refused for good.", |it| it.refused),
        ("told_lost", Counter, "Events that had no room or waited for too long.", |it| it.lost),
    ];
    for (name, kind, help, value) in families {
        to.family(name, kind, help);
        for receiver in receivers {
            to.sample(&[("receiver", &receiver.to)], value(receiver));
        }
    }
}
