//! What keepalived does with keywords that do nothing here yet, or never will: the half of a warning that tells the
//! operator what is lost.

/// What keepalived does with a keyword, as the end of "keepalived ...".
pub(in crate::config) fn would(name: &str) -> Option<&'static str> {
    let row = WOULD.iter().find(|(names, _)| names.split(' ').any(|one| one == name));
    row.map(|(_, what)| *what)
}

/// Keywords, and what they do there.
const WOULD: &[(&str, &str)] = &[
    (
        "vrrp_netlink_cmd_rcv_bufs vrrp_netlink_monitor_rcv_bufs lvs_netlink_cmd_rcv_bufs lvs_netlink_monitor_rcv_bufs process_monitor_rcv_bufs vrrp_netlink_cmd_rcv_bufs_force vrrp_netlink_monitor_rcv_bufs_force lvs_netlink_cmd_rcv_bufs_force lvs_netlink_monitor_rcv_bufs_force process_monitor_rcv_bufs_force",
        "sets the receive buffer of a netlink socket",
    ),
    (
        "bfd_priority bfd_rt_priority bfd_cpu_affinity bfd_rlimit_rttime bfd_rlimit_rtime bfd_process_name bfd_no_swap",
        "sets how its BFD process is scheduled, named or kept in memory",
    ),
    (
        "vrrp_priority checker_priority vrrp_rt_priority checker_rt_priority vrrp_cpu_affinity checker_cpu_affinity vrrp_rlimit_rttime vrrp_rlimit_rtime checker_rlimit_rttime checker_rlimit_rtime",
        "sets how the process is scheduled",
    ),
    ("vrrp_no_swap checker_no_swap", "locks the process into memory"),
    (
        "process_name process_names vrrp_process_name checker_process_name lvs_process_name",
        "names the process in lists of processes",
    ),
    ("tmp_config_directory", "keeps the configuration that it works by in this folder"),
    ("reload_check_config", "checks a configuration before it reloads"),
    ("random_seed", "begins its random numbers at a fixed value"),
    ("umask", "sets the mode of the files that it creates"),
    ("use_pid_dir", "puts its pid files into a folder of their own"),
    (
        "net_namespace_ipvs namespace_with_ipsets",
        "keeps table or address sets in another network namespace",
    ),
    (
        "data_use_instance json_version state_dump_file stats_dump_file json_dump_file",
        "says where and how signals dump its state",
    ),
    ("iproute_usr_dir iproute_etc_dir", "says where names of routing tables are looked up"),
    ("log_unknown_vrids", "logs advertisements of routers that are not configured"),
    ("dynamic_interfaces", "starts though an interface is not there yet"),
    ("default_interface", "is the interface of static addresses that name none"),
    ("disable_local_igmp", "tells the kernel to send no IGMP for link-local groups"),
    ("set_supplementary_groups", "gives scripts all groups of their user"),
    ("use_symlink_paths", "runs scripts by the path with its symbolic links"),
    (
        "snmp_socket enable_traps enable_snmp_vrrp enable_snmp_checker enable_snmp_rfc enable_snmp_rfcv2 enable_snmp_rfcv3 enable_snmp_keepalived snmp_vs_stats_update_interval snmp_rs_stats_update_interval snmp_name",
        "answers an SNMP agent, or sends it traps",
    ),
    (
        "enable_dbus dbus_service_name dbus_no_interface_name",
        "shows its instances on the system bus",
    ),
    (
        "vrrp_iptables vrrp_ipsets nftables nftables_priority nftables_ifindex nftables_counters",
        "drops what is sent to addresses under no_accept, and what virtual MACs must not send",
    ),
    (
        "nftables_ipvs nftables_ipvs_priority nftables_ipvs_start_fwmark",
        "makes one marked service of a group of addresses",
    ),
    (
        "vrrp_notify_priority_changes notify_priority_changes",
        "notifies changes of priority, not of state alone",
    ),
    ("promote_secondaries", "keeps the other addresses of a network when the first goes"),
    (
        "kernel_rx_buf_size vrrp_rx_bufs_policy vrrp_rx_bufs_multiplier",
        "sets the receive buffer of VRRP sockets",
    ),
    (
        "use_vmac use_vmac_addr vmac_xmit_base vrf vmac_prefix vmac_addr_prefix",
        "gives the addresses a link-layer interface of their own, so that their MAC address moves with them",
    ),
    (
        "use_ipvlan",
        "speaks from an ipvlan with an address of its own, which shares the MAC address of its base",
    ),
    (
        "garp_extra_if vmac_garp_intvl vrrp_garp_extra_if vrrp_vmac_garp_intvl",
        "announces virtual MACs on other interfaces now and then",
    ),
    (
        "notification_email notification_email_from smtp_server smtp_helo_name smtp_connect_timeout smtp_alert smtp_alert_vrrp smtp_alert_checker no_email_faults no_checker_emails",
        "mails changes of state",
    ),
    (
        "notify_fifo vrrp_notify_fifo lvs_notify_fifo notify_fifo_script vrrp_notify_fifo_script lvs_notify_fifo_script fifo_write_vrrp_states_on_reload",
        "writes changes of state into a pipe",
    ),
    ("notify_master_rx_lower_pri", "runs a script when a MASTER hears one of lower priority"),
    ("rs_init_notifies", "notifies the first state of a real server too"),
    (
        "checker_log_all_failures log_all_failures",
        "logs each failure of a check, not changes alone",
    ),
    ("hashed", "sets a flag of the service"),
    ("ha_suspend", "checks only while the address is here"),
    ("regex_stack", "sets the stack of its pattern engine"),
    ("tls_compliant", "refuses servers that end TLS without saying so"),
    ("host", "asks at several places"),
    ("SSL password ca certificate key", "presents a certificate to servers"),
    (
        "garp_group garp_interval gna_interval interface interfaces",
        "spaces announcements over several interfaces together",
    ),
    ("track_group group", "ties static addresses to instances"),
    (
        "static_ipaddress static_routes static_rules",
        "keeps addresses, routes or rules all the time",
    ),
    ("virtual_routes virtual_rules", "moves routes or rules with the addresses"),
    ("linkbeat_use_polling linkbeat_interfaces", "asks interfaces for their state again and again"),
    ("interface_up_down_delays", "waits before it believes that a link went or came"),
    (
        "vrrp_track_process track_process process param_match full_command quorum quorum_max fork_delay terminate_delay delay",
        "counts processes",
    ),
    ("track_file vrrp_track_file file init_file", "takes a weight from a file"),
    (
        "bfd_instance track_bfd BFD_CHECK neighbor_ip neighbour_ip source_ip min_rx min_tx idle_tx multiplier passive ttl hoplimit max_hops multihop vrrp checker",
        "asks a neighbour many times a second whether it lives",
    ),
    ("FILE_CHECK", "takes a real server's state from a file"),
    ("auth_hmac active_key anti_replay time_window mode", "signs advertisements"),
    ("unicast_fault_no_peer", "is in FAULT without peers"),
    ("old_unicast_checksum", "speaks to keepalived before 1.3.6"),
    ("track_src_ip", "is in FAULT when its source address goes"),
    ("native_ipv6", "says that the addresses are IPv6"),
    ("timer_expired_backup thread_timer_expired", "becomes BACKUP when its timers were late"),
    ("vrrp_owner_ignore_adverts owner_ignore_adverts", "lets an owner hear no advertisements"),
    ("vrrp_delay_after_boot", "holds VRRP back for so long after boot"),
    ("lvs_sync_daemon lvs_sync_daemon_interface", "copies connections to the other director"),
    ("debug", "sets how much is logged"),
    ("weight name alpha", "sets the weight, name or first state"),
    ("peer home mngtmpaddr autojoin preferred_lft", "sets options of the address"),
    ("no_accept accept", "says whether the addresses answer"),
    ("virtualhost", "sets the host that is asked for"),
];
