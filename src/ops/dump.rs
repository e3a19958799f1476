//! keepalived's dumps: what SIGUSR1, SIGUSR2 and the JSON signal leave in a file. The supervisor opens the file, since this
//! process may write nowhere.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;

use serde_json::{Value, json};
use vrrp::State;

use crate::message::Dump;
use crate::router::status::{InstanceStatus, VrrpStatus};
use crate::status::Status;

/// Writes one.
pub(super) fn write(dump: Dump, status: &Status, to: OwnedFd) -> io::Result<()> {
    let text = match dump {
        Dump::Data => serde_json::to_string_pretty(status).map_err(io::Error::other)?,
        Dump::Stats => stats(status.vrrp.as_ref()),
        Dump::Json => json(status.vrrp.as_ref()).to_string(),
    };
    let mut file = File::from(to);
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")
}

/// In the words of `/tmp/keepalived.stats`.
fn stats(vrrp: Option<&VrrpStatus>) -> String {
    let mut text = String::new();
    for instance in vrrp.iter().flat_map(|vrrp| &vrrp.instances) {
        let counters = &instance.counters;
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "VRRP Instance: {}\n  Advertisements:\n    Received: {}\n    Sent: {}\n  Became master: {}\n  \
             Released master: {}\n  Packet Errors:\n    Length: {}\n    TTL: {}\n    Invalid Type: {}\n    \
             Advertisement Interval: {}\n    Address List: {}\n  Authentication Errors:\n    \
             Type Mismatch: {}\n    Failure: {}\n  Priority Zero:\n    Received: {}\n    Sent: {}\n",
            instance.name,
            counters.received,
            counters.sent,
            counters.became_master,
            counters.left_master,
            counters.refused.length,
            counters.refused.ttl,
            counters.refused.r#type,
            counters.interval_mismatch,
            counters.address_mismatch,
            counters.refused.auth_type,
            counters.refused.auth_data,
            counters.received_release,
            counters.sent_release,
        );
    }
    text
}

/// In the names of `/tmp/keepalived.json` (json_version 1), as far as they mean something here.
fn json(vrrp: Option<&VrrpStatus>) -> Value {
    vrrp.iter().flat_map(|vrrp| &vrrp.instances).map(one).collect()
}

fn one(instance: &InstanceStatus) -> Value {
    let state = match instance.state {
        State::Initialize => 0,
        State::Backup => 1,
        State::Master | State::HandingOver => 2,
        State::Fault => 3,
    };
    let vips: Vec<String> = instance
        .addresses
        .iter()
        .map(|it| format!("{}/{} dev {}", it.address, it.prefix_length, it.interface))
        .collect();
    let counters = &instance.counters;
    json!({
        "data": {
            "iname": instance.name,
            "ifp_ifname": instance.interface,
            "vrid": instance.virtual_router_id,
            "state": state,
            "wantstate": state,
            "base_priority": instance.priority,
            "effective_priority": instance.effective_priority,
            "vipset": instance.holding,
            "vips": vips,
            "master_adver_int": instance.master.as_ref().map(|it| it.interval_ms / 1000),
            "master_priority": instance.master.as_ref().map(|it| it.priority),
        },
        "stats": {
            "advert_rcvd": counters.received,
            "advert_sent": counters.sent,
            "become_master": counters.became_master,
            "release_master": counters.left_master,
            "packet_len_err": counters.refused.length,
            "advert_interval_err": counters.interval_mismatch,
            "ip_ttl_err": counters.refused.ttl,
            "invalid_type_rcvd": counters.refused.r#type,
            "addr_list_err": counters.address_mismatch,
            "invalid_authtype": counters.refused.auth_type,
            "auth_failure": counters.refused.auth_data,
            "pri_zero_rcvd": counters.received_release,
            "pri_zero_sent": counters.sent_release,
        }
    })
}
