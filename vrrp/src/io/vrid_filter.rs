//! Which virtual routers a VRRP socket hears: a filter in the kernel, so that the advertisements of others on the same
//! network wake nobody and fill no queue. What is wrong with a packet of ours is still ours to judge and to count.

use std::collections::BTreeSet;

use super::filter::{
    INDEX_HEADER, Instruction, JUMP_AT_LEAST, JUMP_GREATER, LOAD_BYTE, LOAD_BYTE_AT_INDEX, RETURN,
};
use crate::id::{Family, Vrid};

/// Version 2 and 3 alike (RFC 9568 section 5.1, RFC 3768 section 5.1): the byte after version and type.
const VRID_AT: u32 = 1;
/// Let the whole packet through.
const ALL: u32 = u32::MAX;

/// Lets through what names one of `vrids`. A raw socket of IPv4 sees the header too, one of IPv6 the message only.
pub(super) fn vrid_filter(family: Family, vrids: &BTreeSet<Vrid>) -> Vec<Instruction> {
    let mut filter = match family {
        Family::V4 => vec![(INDEX_HEADER, 0, 0, 0), (LOAD_BYTE_AT_INDEX, 0, 0, VRID_AT)],
        Family::V6 => vec![(LOAD_BYTE, 0, 0, VRID_AT)],
    };
    for (first, last) in ranges(vrids) {
        filter.push((JUMP_AT_LEAST, 0, 2, first));
        filter.push((JUMP_GREATER, 1, 0, last));
        filter.push((RETURN, 0, 0, ALL));
    }
    filter.push((RETURN, 0, 0, 0));
    filter
}

/// Numbers that follow each other as one range: at most 128 of them, three instructions each.
fn ranges(vrids: &BTreeSet<Vrid>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for vrid in vrids.iter().map(|vrid| u32::from(u8::from(*vrid))) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == vrid => *last = vrid,
            _ => ranges.push((vrid, vrid)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::super::filter::tests::run;
    use super::*;

    fn vrids(numbers: impl IntoIterator<Item = u8>) -> BTreeSet<Vrid> {
        numbers.into_iter().map(|number| Vrid::try_from(number).unwrap()).collect()
    }

    /// A message behind an IPv4 header of so many words, as a raw socket sees it.
    fn behind_header(words: u8, message: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; usize::from(words) * 4];
        packet[0] = 0x40 | words;
        packet.extend(message);
        packet
    }

    #[test]
    fn exactly_the_routers_named_pass() {
        let sets = [vec![], vec![51], vec![1, 2, 3, 7, 254, 255], (1..=255).collect::<Vec<_>>()];
        for set in sets {
            let (v4, v6) = (
                vrid_filter(Family::V4, &vrids(set.iter().copied())),
                vrid_filter(Family::V6, &vrids(set.iter().copied())),
            );
            for vrid in 0..=255 {
                let message = [0x31, vrid, 100, 1];
                let expected = if set.contains(&vrid) { ALL } else { 0 };
                assert_eq!(run(&v6, &message), expected, "{vrid} of {set:?}");
                for words in [5, 6, 15] {
                    assert_eq!(run(&v4, &behind_header(words, &message)), expected, "{vrid}");
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_with_ours_is_not_judged_here_and_what_has_no_number_goes() {
        let filter = vrid_filter(Family::V6, &vrids([51]));
        assert_eq!(run(&filter, &[0x99, 51]), ALL, "cut, and of no version");
        assert_eq!(run(&filter, &[0x31]), 0);
        assert_eq!(run(&vrid_filter(Family::V4, &vrids([51])), &[]), 0);
    }

    #[test]
    fn the_most_scattered_set_fits_the_kernel() {
        let filter = vrid_filter(Family::V4, &vrids((1..=255).step_by(2)));
        assert!(filter.len() <= 4096, "{}", filter.len());
        assert_eq!(run(&filter, &behind_header(5, &[0x31, 255])), ALL);
        assert_eq!(run(&filter, &behind_header(5, &[0x31, 254])), 0);
    }
}
