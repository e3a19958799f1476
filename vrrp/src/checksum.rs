//! The Internet checksum (RFC 1071) over a message, with or without the pseudo-header of the IP header that carries it.

use std::net::IpAddr;

/// IP protocol number of VRRP (RFC 9568 section 5.1.1.4).
pub const PROTOCOL: u8 = 112;
/// ICMPv6, for neighbour advertisements.
pub(crate) const ICMPV6: u8 = 58;

/// A running one's complement sum of big-endian 16-bit words.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum(u32);

impl Sum {
    /// Adds bytes; an odd one at the end counts as if a zero followed.
    pub(crate) fn add(mut self, bytes: &[u8]) -> Self {
        let mut words = bytes.chunks_exact(2);
        for word in &mut words {
            self = self.word(u16::from_be_bytes([word[0], word[1]]));
        }
        match words.remainder() {
            [last] => self.word(u16::from_be_bytes([*last, 0])),
            _ => self,
        }
    }

    /// Adds the pseudo-header: RFC 793 section 3.1 for IPv4, RFC 8200 section 8.1 for IPv6. Both are sums of the two
    /// addresses, the protocol and the length; where the fields stand makes no difference to a sum.
    pub(crate) fn add_pseudo_header(
        self,
        source: IpAddr,
        destination: IpAddr,
        protocol: u8,
        length: usize,
    ) -> Self {
        // Messages are far shorter than 64 KiB: at most 8 + 255 * 16 bytes.
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        self.add_address(source).add_address(destination).word(u16::from(protocol)).word(length)
    }

    fn add_address(self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => self.add(&address.octets()),
            IpAddr::V6(address) => self.add(&address.octets()),
        }
    }

    fn word(self, word: u16) -> Self {
        let sum = self.0 + u32::from(word);
        Self((sum & 0xffff) + (sum >> 16))
    }

    /// The checksum field's value.
    pub(crate) fn complement(self) -> u16 {
        // word() keeps the sum within 16 bits.
        !(self.0 as u16)
    }

    /// True for a sum over a message that carries its right checksum.
    pub(crate) fn is_right(self) -> bool {
        self.0 == 0xffff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071_section_3() {
        let sum = Sum::default().add(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.complement(), !0xddf2);
    }

    #[test]
    fn an_odd_byte_counts_as_the_high_half_of_a_word() {
        assert_eq!(Sum::default().add(&[0xab]).complement(), !0xab00);
    }

    #[test]
    fn a_message_with_its_checksum_sums_to_all_ones() {
        let checksum = Sum::default().add(&[0x12, 0x34, 0x56, 0x78]).complement();
        assert!(
            Sum::default().add(&[0x12, 0x34, 0x56, 0x78]).add(&checksum.to_be_bytes()).is_right()
        );
        assert!(!Sum::default().add(&[0x12, 0x34, 0x56, 0x78, 0, 0]).is_right());
    }
}
