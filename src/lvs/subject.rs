//! PURE: who wants to know of a probe, in twelve bytes: twenty thousand real servers have one each at least.
//!
//! Virtual and real servers have numbers here, which this process gives them and which stay theirs over reloads.

use ipvs::DestinationKey;

use super::spec::Servers;

/// One check of one real server of one virtual server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    /// The number of the virtual server.
    pub(super) service: u32,
    /// The number of the real server in it.
    server: u32,
    /// Which of its checks.
    pub(super) check: u16,
}

/// The numbers of a virtual server and its real servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Numbers {
    /// Its own.
    pub(super) service: u32,
    /// The one that the next new real server gets.
    next: u32,
    /// Those of the real servers, in the order of the spec; `None` where each has its place as its number.
    servers: Option<Box<[u32]>>,
}

impl Numbers {
    /// Of one that was not there before.
    pub(super) fn new(service: u32, servers: &Servers) -> Self {
        Self { service, next: number(servers.len()), servers: None }
    }

    /// As another list of real servers needs them: one that was there before keeps its number, no number is used again.
    pub(super) fn renewed(&self, before: &Servers, after: &Servers) -> Self {
        if before.keys().eq(after.keys()) {
            return self.clone();
        }
        let mut next = self.next;
        let mut number_of = |key: DestinationKey| match before.place(key) {
            Some(place) => self.of(place),
            None => {
                next += 1;
                next - 1
            }
        };
        let servers = after.keys().map(&mut number_of).collect();
        Self { service: self.service, next, servers: Some(servers) }
    }

    /// A check of the real server at this place.
    pub(super) fn subject(&self, place: usize, check: u16) -> Subject {
        Subject { service: self.service, server: self.of(place), check }
    }

    /// Which real server that is, by its place; it may be beyond the last.
    pub(super) fn place(&self, subject: Subject) -> Option<usize> {
        match &self.servers {
            None => usize::try_from(subject.server).ok(),
            Some(servers) => servers.iter().position(|number| *number == subject.server),
        }
    }

    fn of(&self, place: usize) -> u32 {
        match &self.servers {
            None => number(place),
            Some(servers) => servers.get(place).copied().unwrap_or(u32::MAX),
        }
    }
}

/// There are fewer real servers than that.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lvs::plan::tests::spec_of;

    #[test]
    fn a_real_server_keeps_its_number_and_no_other_gets_it() {
        let [first, second, third] =
            [&[3, 4, 5][..], &[4, 6], &[3, 4, 6]].map(|hosts| spec_of(hosts).servers);
        let one = Numbers::new(7, &first);
        assert_eq!(one.renewed(&first, &first), one);
        let two = one.renewed(&first, &second);
        let three = two.renewed(&second, &third);
        let numbers = |numbers: &Numbers, count| -> Vec<u32> {
            (0..count).map(|place| numbers.subject(place, 0).server).collect()
        };
        assert_eq!((numbers(&one, 3), numbers(&two, 2)), (vec![0, 1, 2], vec![1, 3]));
        assert_eq!(numbers(&three, 3), [4, 1, 3], "one that comes back is another one");
        assert_eq!(three.place(three.subject(2, 1)), Some(2));
        assert_eq!(two.place(one.subject(2, 0)), None);
        assert_eq!(size_of::<Subject>(), 12);
    }
}
