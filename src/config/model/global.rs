//! `global_defs`.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Announce, Daemon, DriftPolicy, Fifo, Firewall, FlushOnStop, LogFormat, LvsTimeouts, ScriptUser,
    SmtpServer, SyncDaemon, Web,
};
use crate::ops::told::spec::{Login, Security, WebhookSpec};
use crate::process::Process;

/// `global_defs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Global {
    /// `router_id`: the name of this director in mails; `None` means the host name.
    pub router_id: Option<String>,
    /// `notification_email { ... }`.
    pub notification_email: Vec<String>,
    /// `notification_email_from`.
    pub notification_email_from: Option<String>,
    /// `smtp_server HOST [PORT]`; port 25 unless given.
    pub smtp_server: Option<SmtpServer>,
    /// `smtp_connect_timeout`, 30 s.
    pub smtp_connect_timeout: Duration,
    /// `smtp_helo_name`.
    pub smtp_helo_name: Option<String>,
    /// `smtp_alert`, `None` where not given.
    pub smtp_alert: Option<bool>,
    /// `smtp_alert_vrrp`: for instances and sync groups, before `smtp_alert`.
    pub smtp_alert_vrrp: Option<bool>,
    /// `smtp_alert_checker`: for virtual and real servers, before `smtp_alert`.
    pub smtp_alert_checker: Option<bool>,
    /// `no_email_faults`: no mail when a router falls into FAULT.
    pub no_email_faults: bool,
    /// `no_checker_emails`: no mail of a check that changes without changing its real server's state.
    pub no_checker_emails: bool,
    /// `smtp_tls` (evenkeel's own), off.
    pub smtp_tls: Security,
    /// `smtp_auth` (evenkeel's own).
    pub smtp_auth: Option<Login>,
    /// `webhook` (evenkeel's own), in order.
    pub webhooks: Vec<WebhookSpec>,
    /// `script_user`, else the account `keepalived_script` where this host has it.
    pub script_user: Option<ScriptUser>,
    /// `enable_script_security`: a script that a non-root user could alter does not run as root.
    pub enable_script_security: bool,
    /// `notify_fifo` and `notify_fifo_script`: every event.
    pub fifo: Fifo,
    /// `vrrp_notify_fifo` and `vrrp_notify_fifo_script`: those of routers.
    pub vrrp_fifo: Fifo,
    /// `lvs_notify_fifo` and `lvs_notify_fifo_script`: those of virtual and real servers.
    pub lvs_fifo: Fifo,
    /// `fifo_write_vrrp_states_on_reload`.
    pub fifo_states_on_reload: bool,
    /// `vrrp_notify_priority_changes`.
    pub vrrp_notify_priority_changes: bool,
    /// `vrrp_version`, 2. IPv6 instances are always version 3.
    pub vrrp_version: vrrp::Version,
    /// `vrrp_mcast_group4`, 224.0.0.18.
    pub vrrp_mcast_group4: std::net::Ipv4Addr,
    /// `vrrp_mcast_group6`, ff02::12.
    pub vrrp_mcast_group6: std::net::Ipv6Addr,
    /// `vrrp_strict`.
    pub vrrp_strict: bool,
    /// `vrrp_skip_check_adv_addr`.
    pub vrrp_skip_check_adv_addr: bool,
    /// `vrrp_check_unicast_src`.
    pub vrrp_check_unicast_src: bool,
    /// `vrrp_garp_master_*` and `vrrp_garp_lower_prio_*`: what instances inherit.
    pub announce: Announce,
    /// `vrrp_garp_interval`: pause between two gratuitous ARP packets on an interface, 0.
    pub vrrp_garp_interval: Duration,
    /// `vrrp_gna_interval`: pause between two unsolicited neighbour advertisements on an interface, 0.
    pub vrrp_gna_interval: Duration,
    /// `vrrp_down_timer_adverts`, 3.
    pub vrrp_down_timer_adverts: u8,
    /// `vrrp_lower_prio_no_advert`.
    pub vrrp_lower_prio_no_advert: bool,
    /// `vrrp_higher_prio_send_advert`.
    pub vrrp_higher_prio_send_advert: bool,
    /// `vrrp_startup_delay`, 0.
    pub vrrp_startup_delay: Duration,
    /// `vrrp_delay_after_boot`, 0: since the kernel's start.
    pub vrrp_delay_after_boot: Duration,
    /// `vrrp_owner_ignore_adverts`.
    pub vrrp_owner_ignore_adverts: bool,
    /// `disable_local_igmp`: the kernel reports no group of 224.0.0.0/24.
    pub disable_local_igmp: bool,
    /// `log_unknown_vrids`.
    pub log_unknown_vrids: bool,
    /// `vrrp_hand_over` (evenkeel's own), on: a router that stops keeps its addresses until the next one announced them.
    pub vrrp_hand_over: bool,
    /// `vrrp_watch_holders` (evenkeel's own), on: ask the network who has our addresses.
    pub vrrp_watch_holders: bool,
    /// `vrrp_rt_priority` 1..=99; `None`: evenkeel's own default where it is permitted.
    pub vrrp_rt_priority: Option<u8>,
    /// `dynamic_interfaces`: an interface may be missing at the start.
    pub dynamic_interfaces: bool,
    /// `nftables`, `vrrp_iptables` and their like.
    pub firewall: Firewall,
    /// `vmac_addr_prefix`, `vmac_prefix`: likewise, of those that addresses have on other interfaces.
    pub vmac_addr_prefix: Option<String>,
    /// `vmac_prefix`, `vrrp`: how names of virtual interfaces begin.
    pub vmac_prefix: String,
    /// `default_interface`, `eth0` unless given: where static addresses go that name none.
    pub default_interface: Option<vrrp::IfName>,
    /// `lvs_timeouts`, in seconds; 0 leaves the kernel's value.
    pub lvs_timeouts: Option<LvsTimeouts>,
    /// `lvs_flush`: clear the whole table at start, foreign services included.
    pub lvs_flush: bool,
    /// `lvs_flush_on_stop`.
    pub lvs_flush_on_stop: FlushOnStop,
    /// `lvs_sync_daemon`.
    pub lvs_sync_daemon: Option<SyncDaemon>,
    /// `lvs_sync_wait` (evenkeel's own), zero: how long a director that starts leaves a lesser master alone at most, until the
    /// connections of the other one have arrived.
    pub lvs_sync_wait: Duration,
    /// `lvs_resync` (evenkeel's own): how often the kernel's table is read again, 5 s; zero never.
    pub lvs_resync: Duration,
    /// `lvs_resync SECONDS [repair | observe]`: what becomes of rows that something else has changed.
    pub lvs_drift: DriftPolicy,
    /// `lvs_sysctl` (evenkeel's own): settings below `net.ipv4.vs` by name.
    pub lvs_sysctl: std::collections::BTreeMap<String, u32>,
    /// `checker_log_all_failures`.
    pub checker_log_all_failures: bool,
    /// `checker_max_in_flight` (evenkeel's own): probes that run at once, 4096.
    pub checker_max_in_flight: Option<NonZeroU32>,
    /// `checker_max_per_second` (evenkeel's own): probes that start in a second; `None` for any number.
    pub checker_max_per_second: Option<NonZeroU32>,
    /// `rs_init_notifies`.
    pub rs_init_notifies: bool,
    /// `vrrp_priority`, `vrrp_cpu_affinity` and their like: how the vrrp worker's process runs.
    pub vrrp_process: Process,
    /// The same of the lvs worker's, in keepalived's words the checker.
    pub checker_process: Process,
    /// The director's own process.
    pub daemon: Daemon,
    /// `child_wait_time`: how long a stop waits for the workers, 5 s.
    pub child_wait_time: Duration,
    /// `web` (evenkeel's own).
    pub web: Option<Web>,
    /// `log { format }` (evenkeel's own), text.
    pub log_format: LogFormat,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            router_id: None,
            notification_email: Vec::new(),
            notification_email_from: None,
            smtp_server: None,
            smtp_connect_timeout: Duration::from_secs(30),
            smtp_helo_name: None,
            smtp_alert: None,
            smtp_alert_vrrp: None,
            smtp_alert_checker: None,
            no_email_faults: false,
            no_checker_emails: false,
            smtp_tls: Security::None,
            smtp_auth: None,
            webhooks: Vec::new(),
            script_user: None,
            enable_script_security: false,
            fifo: Fifo::default(),
            vrrp_fifo: Fifo::default(),
            lvs_fifo: Fifo::default(),
            fifo_states_on_reload: false,
            vrrp_notify_priority_changes: false,
            vrrp_version: vrrp::Version::V2,
            vrrp_mcast_group4: std::net::Ipv4Addr::new(224, 0, 0, 18),
            vrrp_mcast_group6: std::net::Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12),
            vrrp_strict: false,
            vrrp_skip_check_adv_addr: false,
            vrrp_check_unicast_src: false,
            announce: Announce::default(),
            vrrp_garp_interval: Duration::ZERO,
            vrrp_gna_interval: Duration::ZERO,
            vrrp_down_timer_adverts: 3,
            vrrp_lower_prio_no_advert: false,
            vrrp_higher_prio_send_advert: false,
            vrrp_startup_delay: Duration::ZERO,
            vrrp_delay_after_boot: Duration::ZERO,
            vrrp_owner_ignore_adverts: false,
            disable_local_igmp: false,
            log_unknown_vrids: false,
            vrrp_hand_over: true,
            vrrp_watch_holders: true,
            vrrp_rt_priority: None,
            dynamic_interfaces: false,
            firewall: Firewall::default(),
            vmac_addr_prefix: None,
            vmac_prefix: "vrrp".to_owned(),
            default_interface: None,
            lvs_timeouts: None,
            lvs_flush: false,
            lvs_flush_on_stop: FlushOnStop::Off,
            lvs_sync_daemon: None,
            lvs_sync_wait: Duration::ZERO,
            lvs_resync: Duration::from_secs(5),
            lvs_drift: DriftPolicy::Repair,
            lvs_sysctl: std::collections::BTreeMap::new(),
            checker_log_all_failures: false,
            checker_max_in_flight: None,
            checker_max_per_second: None,
            rs_init_notifies: false,
            vrrp_process: Process::default(),
            checker_process: Process::default(),
            daemon: Daemon::default(),
            child_wait_time: Duration::from_secs(5),
            web: None,
            log_format: LogFormat::Text,
        }
    }
}
