//! Giving up root: the ops worker parses what operators and the network send, so it must not be able to touch what
//! the others hold.

use nix::unistd::{Gid, Uid, User, setgid, setgroups, setuid};
use tracing::{debug, warn};

/// Accounts to run as, the first that exists.
const ACCOUNTS: [&str; 2] = ["evenkeel", "nobody"];

/// Becomes an ordinary user. The kernel clears every capability when all user ids leave 0. Without root there is
/// nothing to give up.
pub(super) fn drop_root() {
    if !Uid::effective().is_root() {
        return;
    }
    let account = ACCOUNTS.iter().find_map(|name| User::from_name(name).ok().flatten());
    let Some(account) = account else {
        warn!("neither of the accounts {ACCOUNTS:?} exists: the ops worker keeps root");
        return;
    };
    match become_user(account.uid, account.gid) {
        Ok(()) => debug!(user = account.name, "gave up root"),
        Err(errno) => warn!(user = account.name, "cannot give up root: {errno}"),
    }
}

fn become_user(uid: Uid, gid: Gid) -> nix::Result<()> {
    setgroups(&[])?;
    setgid(gid)?;
    setuid(uid)
}
