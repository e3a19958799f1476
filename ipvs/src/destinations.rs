//! The destinations of a service: a sorted table that is small, shared by its copies, and replaced as a whole.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::destination::{Destination, DestinationKey};

type Row = (DestinationKey, Destination);

/// Destinations by address and port, in that order. A copy costs nothing, a change as much as the table is long: made
/// in one go from rows, it is what a plan makes and a kernel holds, and twenty thousand rows of both lie in memory once.
#[derive(Clone, PartialEq, Eq)]
pub struct Destinations(Arc<[Row]>);

impl Destinations {
    /// The destination of this key.
    pub fn get(&self, key: &DestinationKey) -> Option<&Destination> {
        self.place(key).ok().map(|at| &self.0[at].1)
    }

    /// Whether there is one of this key.
    pub fn contains_key(&self, key: &DestinationKey) -> bool {
        self.place(key).is_ok()
    }

    /// Where it is, or where it would be.
    pub fn place(&self, key: &DestinationKey) -> Result<usize, usize> {
        self.0.binary_search_by_key(key, |(key, _)| *key)
    }

    /// The one at this place.
    pub fn at(&self, place: usize) -> Option<&(DestinationKey, Destination)> {
        self.0.get(place)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, (DestinationKey, Destination)> {
        self.0.iter()
    }

    /// Their keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &DestinationKey> {
        self.0.iter().map(|(key, _)| key)
    }

    /// What they are, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &Destination> {
        self.0.iter().map(|(_, destination)| destination)
    }

    /// Puts one in, and gives what was there.
    pub fn insert(&mut self, key: DestinationKey, value: Destination) -> Option<Destination> {
        let mut rows = self.0.to_vec();
        let before = match self.place(&key) {
            Ok(at) => Some(std::mem::replace(&mut rows[at].1, value)),
            Err(at) => {
                rows.insert(at, (key, value));
                None
            }
        };
        self.0 = rows.into();
        before
    }

    /// Takes one out.
    pub fn remove(&mut self, key: &DestinationKey) -> Option<Destination> {
        let at = self.place(key).ok()?;
        let mut rows = self.0.to_vec();
        let (_, before) = rows.remove(at);
        self.0 = rows.into();
        Some(before)
    }
}

impl Default for Destinations {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl fmt::Debug for Destinations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(key, value)| (key, value))).finish()
    }
}

/// Of two with one key the later stays.
impl FromIterator<Row> for Destinations {
    fn from_iter<I: IntoIterator<Item = Row>>(rows: I) -> Self {
        let mut rows: Vec<Row> = rows.into_iter().collect();
        if !rows.is_sorted_by(|(one, _), (next, _)| one < next) {
            rows.reverse();
            // Stable: the later of two stands before the other, and stays.
            rows.sort_by_key(|(key, _)| *key);
            rows.dedup_by_key(|(key, _)| *key);
        }
        Self(rows.into())
    }
}

impl<'a> IntoIterator for &'a Destinations {
    type Item = &'a (DestinationKey, Destination);
    type IntoIter = std::slice::Iter<'a, Row>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// As a map, so that stored tables are readable.
impl Serialize for Destinations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (key, destination) in self {
            map.serialize_entry(key, destination)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Destinations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(|map: BTreeMap<_, _>| map.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::{Forwarding, Weight};

    fn row(host: u8, weight: u16) -> Row {
        let key = DestinationKey::new(IpAddr::from([10, 0, 0, host]), 80);
        (key, Destination::new(Forwarding::Route, Weight::from(weight)))
    }

    #[test]
    fn it_is_a_map_in_order_in_which_the_later_counts() {
        let mut table: Destinations = [row(3, 1), row(1, 1), row(3, 2)].into_iter().collect();
        assert_eq!(table.iter().copied().collect::<Vec<_>>(), [row(1, 1), row(3, 2)]);
        let before = table.clone();
        assert_eq!(table.insert(row(2, 5).0, row(2, 5).1), None);
        assert_eq!(table.insert(row(2, 6).0, row(2, 6).1), Some(row(2, 5).1));
        assert_eq!(table.get(&row(2, 0).0), Some(&row(2, 6).1));
        assert_eq!((table.len(), before.len()), (3, 2), "a copy stays as it was");
        assert_eq!(table.remove(&row(2, 0).0), Some(row(2, 6).1));
        assert_eq!(table, before);
        assert_eq!(table.remove(&row(9, 0).0), None);
        let text = serde_json::to_string(&table).unwrap();
        assert_eq!(serde_json::from_str::<Destinations>(&text).unwrap(), table);
    }
}
