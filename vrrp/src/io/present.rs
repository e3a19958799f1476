//! The addresses of one interface, in the order in which the kernel told of them, found by address and prefix length
//! without a search: a director may hold thousands.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::address::{PresentAddress, VRRP_PROTOCOL};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct AddressList {
    in_order: BTreeMap<u64, PresentAddress>,
    places: BTreeMap<(IpAddr, u8), u64>,
    /// Those that VRRP did not put there.
    others: BTreeSet<u64>,
    next: u64,
}

impl AddressList {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &PresentAddress> + Clone {
        self.in_order.values()
    }

    /// Those that VRRP did not put there, as far as the kernel tells; a handful, however many VIPs there are.
    pub fn others(&self) -> impl Iterator<Item = &PresentAddress> + Clone {
        self.others.iter().filter_map(|number| self.in_order.get(number))
    }

    /// The one with this prefix length.
    pub fn find(&self, address: IpAddr, prefix_length: u8) -> Option<&PresentAddress> {
        self.in_order.get(self.places.get(&(address, prefix_length))?)
    }

    /// Those with this address; more than one only with different prefix lengths.
    pub fn with_address(&self, address: IpAddr) -> impl Iterator<Item = &PresentAddress> + Clone {
        let places = self.places.range((address, 0)..=(address, u8::MAX));
        places.filter_map(|(_, number)| self.in_order.get(number))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.in_order.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.in_order.is_empty()
    }

    /// Takes an address in, or what is new about it; true if anything is.
    pub fn insert(&mut self, address: PresentAddress) -> bool {
        let place = (address.address, address.prefix_length);
        let number = *self.places.entry(place).or_insert_with(|| {
            self.next += 1;
            self.next
        });
        if address.protocol == VRRP_PROTOCOL {
            self.others.remove(&number);
        } else {
            self.others.insert(number);
        }
        let before = self.in_order.insert(number, address);
        before.as_ref() != self.in_order.get(&number)
    }

    /// Takes an address out; true if it was there.
    pub fn remove(&mut self, address: IpAddr, prefix_length: u8) -> bool {
        let Some(number) = self.places.remove(&(address, prefix_length)) else { return false };
        self.others.remove(&number);
        self.in_order.remove(&number).is_some()
    }
}

impl PartialEq for AddressList {
    fn eq(&self, other: &Self) -> bool {
        self.in_order.values().eq(other.in_order.values())
    }
}

impl Eq for AddressList {}

impl FromIterator<PresentAddress> for AddressList {
    fn from_iter<T: IntoIterator<Item = PresentAddress>>(addresses: T) -> Self {
        let mut list = Self::default();
        for address in addresses {
            list.insert(address);
        }
        list
    }
}

impl<'a> IntoIterator for &'a AddressList {
    type Item = &'a PresentAddress;
    type IntoIter = std::collections::btree_map::Values<'a, u64, PresentAddress>;

    fn into_iter(self) -> Self::IntoIter {
        self.in_order.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str, prefix_length: u8, protocol: u8) -> PresentAddress {
        let address = text.parse().unwrap();
        PresentAddress {
            interface: 2,
            address,
            prefix_length,
            protocol,
            tentative: false,
            peer: None,
        }
    }

    #[test]
    fn addresses_keep_their_order_and_are_found() {
        let [own, vip, wide] = [("10.0.0.1", 24, 0), ("10.0.0.100", 32, 18), ("10.0.0.1", 16, 0)]
            .map(|(text, length, protocol)| address(text, length, protocol));
        let mut list: AddressList = [own.clone(), vip.clone(), wide.clone()].into_iter().collect();
        assert!(!list.insert(vip.clone()), "nothing new");
        assert!(list.iter().eq([&own, &vip, &wide]));
        assert!(list.others().eq([&own, &wide]));
        assert!(list.with_address(own.address).eq([&wide, &own]));
        assert_eq!(list.find(vip.address, 32), Some(&vip));
        assert_eq!(list.find(vip.address, 24), None);
        assert!(list.insert(PresentAddress { tentative: true, ..own }));
        assert!(list.iter().next().is_some_and(|first| first.tentative), "in its old place");
        assert!(list.remove(vip.address, 32) && !list.remove(vip.address, 32));
        assert_eq!(list.len(), 2);
    }

    #[test]
    fn an_address_that_somebody_else_puts_back_is_somebody_elses() {
        let mut list: AddressList = [address("10.0.0.100", 32, 18)].into_iter().collect();
        assert_eq!(list.others().count(), 0);
        assert!(list.insert(address("10.0.0.100", 32, 0)));
        assert_eq!(list.others().count(), 1);
        assert!(list.remove("10.0.0.100".parse().unwrap(), 32));
        assert!(list.is_empty() && list.others().count() == 0);
    }
}
