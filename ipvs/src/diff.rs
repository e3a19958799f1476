//! The changes that lead from one table to another, in an order that keeps every service serving.
//!
//! Pure: it compares values and knows nothing of the kernel but what an edit can reach. All but the key
//! of a service or destination can be edited in place; a changed key is a new entry and a removal.
//!
//! The order is the promise. New services come first and go live with their destinations; then each
//! changed service gets its settings, its additions and weight raises, and only then weight cuts and
//! removals; services that are gone leave last. So a service that had a destination of positive weight
//! before and has one after has one after every single op, also when no destination stays the same (a
//! sorry server that gives way to real servers).

use crate::destination::{Destination, DestinationKey};
use crate::key::ServiceKey;
use crate::op::Op;
use crate::service::Service;
use crate::table::Table;

/// The changes that make `actual` into `desired`, in a safe order.
///
/// Services that are not to be touched must be in both or in neither.
pub fn diff(actual: &Table, desired: &Table) -> Vec<Op> {
    let new = desired.services.iter().filter(|(key, _)| !actual.services.contains_key(key));
    let kept = desired.services.iter().filter(|(key, _)| actual.services.contains_key(key));
    let gone = actual.services.keys().filter(|key| !desired.services.contains_key(key));
    new.chain(kept)
        .map(|(key, service)| (*key, Some(service)))
        .chain(gone.map(|key| (*key, None)))
        .flat_map(|(key, service)| diff_service(key, actual.services.get(&key), service))
        .collect()
}

/// The changes that make one service into another, in a safe order; `None` is "no such service".
pub fn diff_service(
    key: ServiceKey,
    actual: Option<&Service>,
    desired: Option<&Service>,
) -> Vec<Op> {
    match (actual, desired) {
        (None, None) => Vec::new(),
        (None, Some(desired)) => added(key, desired),
        (Some(_), None) => vec![Op::DelService { key }],
        (Some(actual), Some(desired)) => changed(key, actual, desired),
    }
}

fn added(key: ServiceKey, desired: &Service) -> Vec<Op> {
    let Service { settings, destinations } = desired;
    let mut ops = Vec::with_capacity(1 + destinations.len());
    ops.push(Op::NewService { key, settings: *settings });
    ops.extend(destinations.iter().map(|&(destination_key, destination)| Op::NewDest {
        service: key,
        key: destination_key,
        destination,
    }));
    ops
}

fn changed(service: ServiceKey, actual: &Service, desired: &Service) -> Vec<Op> {
    let mut ops = Vec::new();
    if actual.settings != desired.settings {
        ops.push(Op::SetService { key: service, settings: desired.settings });
    }
    let set = |(key, _, destination): Edit| Op::SetDest { service, key, destination };
    let new = desired.destinations.iter().filter(|(key, _)| !actual.destinations.contains_key(key));
    ops.extend(new.map(|&(key, destination)| Op::NewDest { service, key, destination }));
    ops.extend(edits(actual, desired).filter(|edit| !is_cut(edit)).map(set));
    ops.extend(edits(actual, desired).filter(is_cut).map(set));
    let gone = actual.destinations.keys().filter(|key| !desired.destinations.contains_key(key));
    ops.extend(gone.map(|&key| Op::DelDest { service, key }));
    ops
}

/// A destination before and after.
type Edit = (DestinationKey, Destination, Destination);

fn edits<'a>(actual: &'a Service, desired: &'a Service) -> impl Iterator<Item = Edit> + 'a {
    desired.destinations.iter().filter_map(|&(key, after)| {
        let before = *actual.destinations.get(&key)?;
        (before != after).then_some((key, before, after))
    })
}

fn is_cut(&(_, before, after): &Edit) -> bool {
    after.weight < before.weight
}
