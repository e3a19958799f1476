//! `global_defs`: SNMP and D-Bus, which evenkeel does not speak.

use super::Draft;
use crate::config::decode::{Keyword, no_effect};

const NO_SNMP: &str = "there is no SNMP agent";
const NO_DBUS: &str = "there is no D-Bus service; the admin socket serves programs";

pub(super) const SNMP: &[Keyword<Draft>] = &[
    no_effect("snmp_socket", "ADDRESS", NO_SNMP),
    no_effect("enable_traps", "", NO_SNMP),
    no_effect("enable_snmp_vrrp", "", NO_SNMP),
    no_effect("enable_snmp_checker", "", NO_SNMP),
    no_effect("enable_snmp_rfc", "", NO_SNMP),
    no_effect("enable_snmp_rfcv2", "", NO_SNMP),
    no_effect("enable_snmp_rfcv3", "", NO_SNMP),
    no_effect("enable_snmp_keepalived", "", NO_SNMP),
    no_effect("snmp_vs_stats_update_interval", "SECONDS", NO_SNMP),
    no_effect("snmp_rs_stats_update_interval", "SECONDS", NO_SNMP),
    no_effect("enable_dbus", "", NO_DBUS),
    no_effect("dbus_service_name", "NAME", NO_DBUS),
    no_effect("dbus_no_interface_name", "", NO_DBUS),
];
