//! Who may do what over the Unix socket. The socket's mode (0660, group `evenkeel` where it exists) says who may
//! connect; the credentials of the peer, which the kernel vouches for, say whether that is for reading or for control.

use nix::unistd::{Group, Uid};

/// Members of this group may control; those who may connect otherwise only read.
const CONTROL_GROUP: &str = "evenkeel-admin";

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// Ask.
    Read,
    /// Ask and steer.
    Control,
}

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Supplementary groups.
    pub(super) groups: Vec<u32>,
}

/// Who controls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// The account that the director was started as.
    pub(super) owner: u32,
    /// The group [`CONTROL_GROUP`], where it exists.
    pub(super) group: Option<u32>,
}

impl Rules {
    /// As of now: to be asked before privileges are given up.
    pub(super) fn of_this_host() -> Self {
        let group = Group::from_name(CONTROL_GROUP).ok().flatten();
        Self { owner: Uid::effective().as_raw(), group: group.map(|group| group.gid.as_raw()) }
    }

    /// What `peer` may do.
    pub(super) fn right(&self, peer: &Peer) -> Right {
        let belongs = |group| peer.gid == group || peer.groups.contains(&group);
        let controls = peer.uid == 0 || peer.uid == self.owner || self.group.is_some_and(belongs);
        if controls { Right::Control } else { Right::Read }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_the_owner_and_the_group_control_and_others_read() {
        let rules = Rules { owner: 500, group: Some(70) };
        let peer = |uid, gid, groups: &[u32]| Peer { uid, gid, groups: groups.to_vec() };
        assert_eq!(rules.right(&peer(0, 0, &[])), Right::Control);
        assert_eq!(rules.right(&peer(500, 500, &[])), Right::Control);
        assert_eq!(rules.right(&peer(1000, 70, &[])), Right::Control);
        assert_eq!(rules.right(&peer(1000, 1000, &[4, 70])), Right::Control);
        assert_eq!(rules.right(&peer(1000, 1000, &[4, 71])), Right::Read);
        let without = Rules { group: None, ..rules };
        assert_eq!(without.right(&peer(1000, 0, &[0, 70])), Right::Read);
    }
}
