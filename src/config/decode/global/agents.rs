//! `global_defs`: SNMP and D-Bus, which evenkeel does not speak.

use super::Draft;
use crate::config::decode::{Keyword, not_yet};

const NO_SNMP: &str = "there is no SNMP agent";
const NO_DBUS: &str = "there is no D-Bus service; the admin socket serves programs";
pub(super) const SNMP: &[Keyword<Draft>] = &[
    not_yet("snmp_socket", "ADDRESS", NO_SNMP),
    not_yet("enable_traps", "", NO_SNMP),
    not_yet("enable_snmp_vrrp", "", NO_SNMP),
    not_yet("enable_snmp_checker", "", NO_SNMP),
    not_yet("enable_snmp_rfc", "", NO_SNMP),
    not_yet("enable_snmp_rfcv2", "", NO_SNMP),
    not_yet("enable_snmp_rfcv3", "", NO_SNMP),
    not_yet("enable_snmp_keepalived", "", NO_SNMP),
    not_yet("snmp_vs_stats_update_interval", "SECONDS", NO_SNMP),
    not_yet("snmp_rs_stats_update_interval", "SECONDS", NO_SNMP),
    not_yet("enable_dbus", "", NO_DBUS),
    not_yet("dbus_service_name", "NAME", NO_DBUS),
    not_yet("dbus_no_interface_name", "", NO_DBUS),
];
