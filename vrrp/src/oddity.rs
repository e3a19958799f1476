//! What a router has already told about the others on its network: an oddity is noticed once per sender, not once per
//! advertisement. Changes no state.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use crate::action::{Action, Notice};
use crate::counters::Counters;
use crate::id::{Family, Priority, Version};
use crate::input::Received;
use crate::spec::{ChecksumForm, RouterSpec};

/// The last sender of each oddity.
#[derive(Clone, Debug, Default)]
pub(crate) struct Oddities {
    interval: Option<(IpAddr, Duration)>,
    addresses: Option<IpAddr>,
    checksum: Option<(IpAddr, ChecksumForm)>,
    owner: Option<IpAddr>,
    own_address: Option<IpAddr>,
}

impl Oddities {
    /// Looks at an advertisement that passed every check. `is_new_sender`: the last one came from elsewhere.
    pub(crate) fn look(
        &mut self,
        received: &Received<'_>,
        spec: &RouterSpec,
        is_new_sender: bool,
        counters: &mut Counters,
        out: &mut VecDeque<Action>,
    ) {
        let advertisement = &received.advertisement;
        let source = received.header.source;
        let mut tell = |notice| out.push_back(Action::Noticed { router: spec.id, notice });

        // Version 2 refuses another interval (`receive`).
        let is_version_3 = advertisement.version == Version::V3;
        if advertisement.interval != spec.advert_int && is_version_3 {
            counters.interval_mismatch += 1;
            if replace(&mut self.interval, (source, advertisement.interval)) {
                let (theirs, ours) = (advertisement.interval, spec.advert_int);
                tell(Notice::IntervalMismatch { source, theirs, ours });
            }
        }
        let is_compared = is_new_sender || !spec.skip_check_adv_addr;
        if is_compared && !advertisement.addresses.is_same_set(&spec.addresses) {
            counters.address_mismatch += 1;
            if replace(&mut self.addresses, source) {
                let (theirs, ours) = (advertisement.addresses.len(), spec.addresses.len());
                tell(Notice::AddressMismatch { source, theirs, ours });
            }
        } else if is_compared && self.addresses == Some(source) {
            self.addresses = None;
        }
        let has_choice = is_version_3 && spec.id.family == Family::V4;
        let theirs = advertisement.checksum;
        if has_choice && theirs != spec.checksum && replace(&mut self.checksum, (source, theirs)) {
            tell(Notice::ChecksumForm { source, theirs });
        }
        let is_owner = advertisement.priority == u8::from(Priority::OWNER);
        if is_owner && spec.priority.is_owner() && replace(&mut self.owner, source) {
            tell(Notice::SecondOwner { source });
        }
    }

    /// Looks at an advertisement refused for having our own address as source.
    pub(crate) fn look_at_own(
        &mut self,
        received: &Received<'_>,
        spec: &RouterSpec,
        out: &mut VecDeque<Action>,
    ) {
        let source = received.header.source;
        if replace(&mut self.own_address, source) {
            let notice = Notice::OwnAddress { source, priority: received.advertisement.priority };
            out.push_back(Action::Noticed { router: spec.id, notice });
        }
    }
}

/// Remembers `value`; true when it is news.
fn replace<T: PartialEq>(last: &mut Option<T>, value: T) -> bool {
    let is_news = last.as_ref() != Some(&value);
    *last = Some(value);
    is_news
}
