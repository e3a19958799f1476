//! A map that mostly is empty: then it takes eight bytes, and each virtual server has several.

use std::collections::BTreeMap;
use std::ops::Deref;

/// Looked at as the map that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::box_collection, reason = "an empty map would take three words")]
pub struct Seldom<K, V>(Option<Box<BTreeMap<K, V>>>);

impl<K: Ord + 'static, V: 'static> Seldom<K, V> {
    const EMPTY: &'static BTreeMap<K, V> = &BTreeMap::new();

    /// Puts one in, and gives what was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.get_or_insert_default().insert(key, value)
    }

    /// Takes one out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let before = self.0.as_mut()?.remove(key);
        self.drop_empty();
        before
    }

    /// Takes out all that is not meant to stay.
    pub fn retain(&mut self, stays: impl FnMut(&K, &mut V) -> bool) {
        if let Some(map) = &mut self.0 {
            map.retain(stays);
            self.drop_empty();
        }
    }

    /// Takes out what is meant, and gives it.
    pub fn extract(&mut self, is_meant: impl FnMut(&K, &mut V) -> bool) -> Vec<(K, V)> {
        let taken = self.0.as_mut().map(|map| map.extract_if(.., is_meant).collect());
        self.drop_empty();
        taken.unwrap_or_default()
    }

    /// Takes out all.
    pub fn clear(&mut self) {
        self.0 = None;
    }

    fn drop_empty(&mut self) {
        self.0.take_if(|map| map.is_empty());
    }
}

impl<K: Ord + 'static, V: 'static> Deref for Seldom<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &BTreeMap<K, V> {
        self.0.as_deref().unwrap_or(Self::EMPTY)
    }
}

impl<K, V> Default for Seldom<K, V> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Seldom<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let map: BTreeMap<K, V> = entries.into_iter().collect();
        Self((!map.is_empty()).then(|| Box::new(map)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_map_and_an_empty_one_takes_no_room() {
        let mut map: Seldom<u8, u8> = Seldom::default();
        assert_eq!((map.get(&1), map.len()), (None, 0));
        assert_eq!(map.remove(&1), None);
        map.retain(|_, _| true);
        assert_eq!((map.insert(1, 2), map.insert(1, 3), map.insert(4, 5)), (None, Some(2), None));
        assert_eq!(map.get(&1), Some(&3));
        assert_eq!(map.extract(|key, _| *key == 4), [(4, 5)]);
        assert_eq!(map, [(1, 3)].into_iter().collect());
        map.retain(|_, _| false);
        assert_eq!(map, Seldom::default());
        assert_eq!(size_of::<Seldom<[u64; 9], [u64; 9]>>(), 8);
    }
}
