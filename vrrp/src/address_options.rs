//! What may be said of an address besides where it stands: options of `ip address`, as keepalived takes them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Options of one address. The default is a plain address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AddressOptions {
    /// `peer`: the other end of a point-to-point link; the prefix length is its.
    pub peer: Option<IpAddr>,
    /// `preferred_lft`, seconds: after them it is no source address any more; `None` leaves what is usual, which is for
    /// ever, and not at all for a host address of IPv6.
    pub preferred: Option<u32>,
    /// `-nodad` (IPv6): used only after duplicate address detection (RFC 4862 section 5.4), a second or more.
    pub detects_duplicates: bool,
    /// `home` (IPv6): the home address of RFC 6275.
    pub home: bool,
    /// `mngtmpaddr` (IPv6): the kernel makes temporary addresses of it (RFC 8981).
    pub makes_temporary: bool,
    /// `autojoin` (IPv4 and IPv6): a multicast address is joined on the link.
    pub joins: bool,
}
