//! The receive checks that need a router's configuration (RFC 9568 section 7.1, RFC 3768 section 7.1). Whatever passes
//! here is an advertisement of this virtual router by another one of its routers; what it means is `router`'s business.

use std::net::IpAddr;
use std::time::Duration;

use crate::id::Version;
use crate::input::{Header, Received};
use crate::packet::{Advertisement, Refusal, WireAuth, whole_seconds};
use crate::spec::{RouterSpec, Transport};

/// Checks an advertisement for `spec`, which sends from `source`.
pub(crate) fn check(
    received: &Received<'_>,
    spec: &RouterSpec,
    source: Option<IpAddr>,
) -> Result<(), Refusal> {
    let Received { interface: _, header, advertisement } = received;
    let is_older = advertisement.version == Version::V2 && spec.also_version_2;
    if advertisement.version != spec.version && !is_older {
        let seen = match advertisement.version {
            Version::V2 => 2,
            Version::V3 => 3,
        };
        return Err(Refusal::Version { seen });
    }
    check_path(header, &spec.transport)?;
    if source == Some(header.source) {
        return Err(Refusal::Own { source_address: header.source });
    }
    match advertisement.version {
        Version::V2 => check_version_2(advertisement, spec),
        // Another interval is learned (RFC 9568 section 6.4.2).
        Version::V3 => Ok(()),
    }
}

/// It came the way that is configured.
fn check_path(header: &Header, transport: &Transport) -> Result<(), Refusal> {
    match transport {
        Transport::Multicast { group } if header.destination == *group => Ok(()),
        Transport::Unicast { peers, check_source } if !header.destination.is_multicast() => {
            let peer = peers.iter().find(|peer| peer.address == header.source);
            match (peer, header.ttl) {
                (Some(peer), Some(ttl)) if !(peer.min_ttl..=peer.max_ttl).contains(&ttl) => {
                    Err(Refusal::Ttl { seen: header.ttl })
                }
                (None, _) if *check_source => {
                    Err(Refusal::Source { source_address: header.source })
                }
                _ => Ok(()),
            }
        }
        Transport::Multicast { .. } | Transport::Unicast { .. } => {
            Err(Refusal::Destination { destination: header.destination })
        }
    }
}

fn check_version_2(advertisement: &Advertisement<'_>, spec: &RouterSpec) -> Result<(), Refusal> {
    let ours = WireAuth::of(spec.auth);
    let theirs = advertisement.auth;
    if theirs.kind != ours.kind {
        return Err(Refusal::AuthType { seen: theirs.kind, wanted: ours.kind });
    }
    // Type 0 ignores the data (RFC 3768 section 5.3.7), type 2 has none.
    if ours.kind == 1 && theirs.data != ours.data {
        return Err(Refusal::AuthData);
    }
    // A router of version 3 that hears version 2 as well learns its interval (RFC 9568 section 8.4.2).
    let wanted = Duration::from_secs(u64::from(whole_seconds(spec.advert_int)));
    if advertisement.interval != wanted && spec.version == Version::V2 {
        return Err(Refusal::Interval { seen: advertisement.interval, wanted });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
