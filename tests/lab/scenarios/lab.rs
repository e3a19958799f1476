//! The lab proves itself: what the other tests build on does what it says, with Debian's tools alone.

use std::sync::Arc;
use std::time::Duration;

use crate::capture::{Capture, Saying};
use crate::daemon::{Daemon, Kind};
use crate::host::wait_for;
use crate::keeper::Keeper;
use crate::kernel_view;
use crate::runner::Scenario;
use crate::topology::{Forwarding, Plan};

pub(super) const SCENARIOS: [Scenario; 1] =
    [Scenario::together("lab_keepalived_pair_fails_over_on_a_cut_link", 60, keepalived_pair)];

const VIP: &str = "10.0.0.100";

fn pair_config(priority: u8) -> String {
    format!(
        "vrrp_instance V {{
            state BACKUP
            interface eth0
            virtual_router_id 51
            priority {priority}
            advert_int 1
            virtual_ipaddress {{ {VIP}/32 }}
        }}"
    )
}

fn keepalived_pair(keeper: &Arc<Keeper>) {
    let net = Plan::new()
        .directors(2)
        .servers(1, Forwarding::Direct)
        .clients(1)
        .vips(&[VIP])
        .build(keeper);
    let (d1, d2) = (net.host("d1"), net.host("d2"));
    let capture = Capture::start(net.host("c1"));
    let _first = Daemon::start(Kind::Keepalived, d1, &pair_config(150));
    let _second = Daemon::start(Kind::Keepalived, d2, &pair_config(100));
    wait_for(Duration::from_secs(10), "VIP on d1", || kernel_view::holds(d1, VIP));
    net.cut("d1");
    wait_for(Duration::from_secs(10), "VIP on d2", || kernel_view::holds(d2, VIP));
    assert!(!kernel_view::holds(d1, VIP), "a pulled plug takes keepalived's instance to FAULT");

    let (last, claim) = capture.takeover(51, d1, VIP).expect("a takeover on the wire");
    assert_eq!(last.saying, Saying::Advert { version: 2, vrid: 51, priority: 150 });
    let took = claim.at.saturating_sub(last.at);
    keeper.figure(&format!("gratuitous ARP {took:?} after the last advertisement"));
    assert!(took > Duration::from_secs(3) && took < Duration::from_secs(5), "{took:?}");
}
