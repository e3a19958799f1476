//! The bytes that a router sends: its advertisement in one version or the other, signed, or in an authentication header.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::Routers;
use crate::id::{RouterId, Version};
use crate::packet::{Outgoing, sum_again};
use crate::seal;
use crate::signature::{Claim, Wall};
use crate::spec::{Auth, Transport};

impl Routers {
    /// Writes the advertisement that a router sends to `destination` (checksums differ by it) into `buffer`; false
    /// when there is no such router or it has no source address.
    pub fn advertisement(
        &self,
        router: RouterId,
        priority: u8,
        destination: IpAddr,
        buffer: &mut Vec<u8>,
    ) -> bool {
        let version = self.router(router).map(|router| router.spec.version);
        version.is_some_and(|version| self.write(router, version, priority, destination, buffer))
    }

    /// The same in version 2, for a router that speaks both; false for every other. To be sent after the first
    /// (RFC 9568 section 8.4.2).
    pub fn version_2_advertisement(
        &self,
        router: RouterId,
        priority: u8,
        destination: IpAddr,
        buffer: &mut Vec<u8>,
    ) -> bool {
        let speaks = self.router(router).is_some_and(|router| router.spec.also_version_2);
        speaks && self.write(router, Version::V2, priority, destination, buffer)
    }

    fn write(
        &self,
        router: RouterId,
        version: Version,
        priority: u8,
        destination: IpAddr,
        buffer: &mut Vec<u8>,
    ) -> bool {
        let Some(router) = self.router(router) else { return false };
        let Some(source) = router.source() else { return false };
        let spec = &router.spec;
        let outgoing = Outgoing {
            version,
            vrid: spec.id.vrid,
            priority,
            interval: router.pause.map_or(spec.advert_int, |pause| pause.interval),
            addresses: &spec.addresses,
            auth: spec.auth,
            checksum: spec.checksum,
        };
        // The destination is in the pseudo-header alone.
        let group = Transport::group_of(spec.id.family);
        let destination = if spec.old_unicast_checksum { group } else { destination };
        outgoing.encode(source, destination, buffer);
        true
    }

    /// Signs an advertisement that was written into `message`, for a router of `auth_hmac` that signs; leaves it as it is
    /// for every other. To be called for each destination, whatever the version: each copy has a time of its own.
    pub fn sign(
        &mut self,
        router: RouterId,
        destination: IpAddr,
        now: Instant,
        message: &mut Vec<u8>,
    ) {
        let wall = self.wall;
        let Some(place) = self.places.get(&router) else { return };
        let router = &mut self.groups[place.group].members[place.member];
        let (Some(spec), Some(source)) = (&router.spec.signature, router.source()) else { return };
        let version = match message.first().map(|first| first >> 4) {
            Some(2) => Version::V2,
            _ => Version::V3,
        };
        let claim = Claim { version, vrid: router.spec.id.vrid, source };
        if router.stamps.sign(spec, claim, wall, now, message) && source.is_ipv6() {
            sum_again(source, destination, message);
        }
    }

    /// It is so long since 1970 now (UTC): what signatures say, and how old those of others are. To be told before
    /// packets are read or written, for clocks are set; without it only `anti_replay monotonic` works.
    pub fn handle_time(&mut self, utc: Duration, now: Instant) {
        self.wall = Wall::new(utc, now);
    }

    /// Some router signs, or checks signatures: [`Routers::handle_time`] is needed.
    pub fn needs_time(&self) -> bool {
        let mut members = self.groups.iter().flat_map(|group| &group.members);
        members.any(|member| member.spec.signature.is_some())
    }

    /// Puts an advertisement into the authentication header that a router of `auth_type AH` sends: the whole packet,
    /// from its IPv4 header on. False for other routers, whose message is sent as it is.
    pub fn seal(
        &mut self,
        router: RouterId,
        destination: IpAddr,
        ttl: u8,
        message: &[u8],
        buffer: &mut Vec<u8>,
    ) -> bool {
        let Some(place) = self.places.get(&router) else { return false };
        let router = &mut self.groups[place.group].members[place.member];
        let (Auth::Header(password), Some(IpAddr::V4(source)), IpAddr::V4(destination)) =
            (router.spec.auth, router.source(), destination)
        else {
            return false;
        };
        let sequence = router.numbers.next();
        seal::seal(password, sequence, [source, destination], ttl, message, buffer);
        true
    }

    /// The numbers of `auth_type AH` begin no lower than that, for every router there is: what a process sends must be
    /// newer than what the one before it sent.
    pub fn begin_numbers(&mut self, at_least: u32) {
        let members = self.groups.iter_mut().flat_map(|group| &mut group.members);
        members.for_each(|member| member.numbers.begin(at_least));
    }
}
