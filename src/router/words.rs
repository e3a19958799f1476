//! PURE: causes and notices as operators read them in logs and events.

use vrrp::{Cause, Notice, RouterId};

/// A stable name for the event log.
pub(super) fn event_name(state: vrrp::State) -> &'static str {
    match state {
        vrrp::State::Initialize => "instance_stopped",
        vrrp::State::Backup => "instance_backup",
        vrrp::State::Master => "instance_master",
        vrrp::State::HandingOver => "instance_handing_over",
        vrrp::State::Fault => "instance_fault",
    }
}

/// The same for a sync group.
pub(super) fn group_event_name(state: vrrp::State) -> &'static str {
    match state {
        vrrp::State::Initialize => "group_stopped",
        vrrp::State::Backup => "group_backup",
        vrrp::State::Master => "group_master",
        vrrp::State::HandingOver => "group_handing_over",
        vrrp::State::Fault => "group_fault",
    }
}

/// Why a router changed its state; `name` tells the operator's name of a router.
pub(super) fn cause<'a>(cause: Cause, name: impl FnOnce(RouterId) -> &'a str) -> String {
    match cause {
        Cause::Started => "started".into(),
        Cause::Owner => "owner of the addresses".into(),
        Cause::Resumed => "goes on after a restart of its process".into(),
        Cause::MasterDown { master: Some(master) } => format!("master {master} is silent"),
        Cause::MasterDown { master: None } => "no master heard".into(),
        Cause::MasterReleased { master } => format!("master {master} released the addresses"),
        Cause::Preempted { master, priority } => {
            format!("preempts {master}, which has priority {priority}")
        }
        Cause::Yielded { master, priority } => format!("yields to {master}, priority {priority}"),
        Cause::LinkDown => "interface down".into(),
        Cause::NoSource => "no address to send from".into(),
        Cause::Tracking => "a tracked object failed".into(),
        Cause::Recovered => "nothing is failing any more".into(),
        Cause::HoldFailed => "an address could not be added".into(),
        Cause::Resigned => "told to resign".into(),
        Cause::Stopped => "told to stop".into(),
        Cause::Removed => "no longer configured".into(),
        Cause::HandedOver => "the next master has announced every address".into(),
        Cause::HandOverTimedOut { unseen } => {
            format!("no next master has announced {unseen} of the addresses in time")
        }
        Cause::Member { router } => format!("follows {} in its sync group", name(router)),
    }
}

/// Something odd that was heard.
pub(super) fn notice(notice: Notice) -> String {
    match notice {
        Notice::LesserMaster { source, priority } => {
            format!("{source} with the lower priority {priority} says that it is master too")
        }
        Notice::SecondOwner { source } => {
            format!("{source} says that it owns the addresses too; only one may have priority 255")
        }
        Notice::OwnAddress { source, priority } => {
            format!("somebody sends from our own address {source}, priority {priority}")
        }
        Notice::IntervalMismatch { source, theirs, ours } => {
            format!("{source} advertises every {theirs:?}, we are told {ours:?}")
        }
        Notice::AddressMismatch { source, theirs, ours } => {
            format!("{source} advertises other addresses than ours ({theirs}, we have {ours})")
        }
        Notice::ChecksumForm { source, theirs } => {
            format!("{source} sends the checksum form {theirs:?}, which we accept but do not send")
        }
    }
}
