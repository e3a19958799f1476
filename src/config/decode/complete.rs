//! What follows from a `vrrp_instance`: versions, priorities, addresses, strict mode. The rules are keepalived's
//! (vrrp_complete_instance() of vrrp.c); where it changes a value it says so, and so do we.

use vrrp::{Family, Priority, Version};

use super::addresses;
use super::instance::{Draft, MISSPELT};
use super::track::Trackers;
use super::{At, Decoder};
use crate::config::diagnostic::Diagnostic;
use crate::config::landmarks::Subject;
use crate::config::model::{
    Authentication, Global, Notify, OwnLinkKind, VirtualAddress, VrrpInstance,
};
use crate::config::source::{Grammar, Span};

/// An instance without its trackers, which need the rest of the file.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) instance: VrrpInstance,
    pub(super) vrid: Span,
    pub(super) priority: Option<Span>,
    pub(super) trackers: Trackers,
    /// Whether a sync group without `sync_group_tracking_weight` has it.
    pub(super) in_group: bool,
}

impl Decoder<'_> {
    /// What follows from what was given.
    pub(super) fn finish_instance(
        &mut self,
        mut draft: Draft,
        global: &Global,
    ) -> Option<Finished> {
        let keyword = draft.keyword?;
        let interface = draft.interface.map(|interface| interface.value);
        self.mark_instance(&draft, keyword);
        if !draft.said_interface {
            self.lacks(&draft, "interface", "interface eth0", keyword, draft.strays[0]);
        }
        if !draft.said_vrid {
            self.lacks(
                &draft,
                "virtual_router_id",
                "virtual_router_id 51, the same on all of its routers",
                keyword,
                draft.strays[1],
            );
        }
        let strict = draft.strict.map_or(global.vrrp_strict, |strict| strict.value);
        let everywhere = self.strict_at;
        self.strict_at = draft.strict.map(|strict| strict.span).or(everywhere);
        let family = self.family(&mut draft);
        let version = self.instance_version(&draft, family, global.vrrp_version);
        let (priority, state) = self.priority_and_state(&draft, strict, keyword);
        let advert_int = self.advert_int(draft.advert_int, version);
        let also_version_2 = self.also_version_2(&draft, family, version);
        // What version 2 has of it goes with what is sent in version 2.
        let authenticated = if also_version_2 { Version::V2 } else { version };
        let signature = self.finish_signature(&draft, advert_int, strict);
        let authentication = match signature {
            Some(_) => Authentication::None,
            None => self.authentication(&draft, authenticated, strict),
        };
        let (preempt, preempt_delay) = self.preemption(&draft, state, priority, strict);
        self.transport(&draft, family, strict);
        self.subnets(&draft);
        self.no_track_group(&draft.virtual_addresses);
        self.no_track_group(&draft.excluded_addresses);
        self.held_addresses(&mut draft, family, version, strict, keyword);
        let rules = self.rules(&draft, global, version, strict, priority, keyword);
        self.strict_at = everywhere;
        let (interface, vrid) = (interface?, draft.vrid?);
        let finish = |addresses: Vec<addresses::Draft>| -> Vec<VirtualAddress> {
            addresses
                .into_iter()
                .map(|it| it.finish(interface, family, draft.use_vmac_addr))
                .collect()
        };
        let own_link = self.finish_own_link(&draft, family, vrid.value, &global.vmac_prefix);
        let has_link = own_link.is_some();
        let has_vmac =
            own_link.as_ref().is_some_and(|link| matches!(link.kind, OwnLinkKind::Vmac(_)));
        let wanted = std::mem::take(&mut draft.routes).into_iter();
        let virtual_routes =
            wanted.filter_map(|it| self.finish_route(it, family, Some(interface))).collect();
        let wanted = std::mem::take(&mut draft.rules).into_iter();
        let virtual_rules = wanted.filter_map(|it| self.finish_rule(it, family)).collect();
        let yields_after_stall = self.yields_after_stall(&draft, preempt);
        let without_peers = draft.fault_no_peer.is_some() && !draft.is_unicast();
        let instance = VrrpInstance {
            name: draft.name,
            interface,
            vrid: vrid.value,
            family,
            version,
            state,
            priority,
            advert_int,
            authentication,
            signature,
            source: draft.source.map(|source| source.value),
            track_source: draft.track_source,
            mcast_dst: draft.mcast_dst.map(|group| group.value),
            unicast_peers: draft.unicast_peers.into_iter().map(|(peer, _)| peer).collect(),
            check_unicast_src: draft.check_unicast_src.unwrap_or(global.vrrp_check_unicast_src),
            unicast_ttl: draft.unicast_ttl.unwrap_or(255),
            v3_checksum_as_v2: draft.v3_checksum_as_v2,
            virtual_addresses: finish(draft.virtual_addresses),
            excluded_addresses: finish(draft.excluded_addresses),
            virtual_routes,
            virtual_rules,
            own_link,
            vmac_xmit_base: draft.vmac_xmit_base.is_some() && has_vmac,
            vrf: draft.vrf.filter(|_| has_link).map(|vrf| vrf.value),
            promote_secondaries: draft.promote_secondaries,
            preempt,
            preempt_delay,
            accept: rules.accept,
            strict,
            dont_track_primary: draft.dont_track_primary,
            skip_check_adv_addr: draft
                .skip_check_adv_addr
                .unwrap_or(global.vrrp_skip_check_adv_addr),
            lower_prio_no_advert: rules.lower_prio_no_advert,
            higher_prio_send_advert: rules.higher_prio_send_advert,
            down_timer_adverts: rules.down_timer_adverts,
            also_version_2,
            hand_over: draft.hand_over.unwrap_or(global.vrrp_hand_over),
            owner_ignores: draft.owner_ignores.unwrap_or(global.vrrp_owner_ignore_adverts),
            yields_after_stall,
            without_peers,
            old_unicast_checksum: draft.old_unicast_checksum,
            receive_buffer: draft.receive_buffer,
            announce: draft.announce.over(global.announce),
            track_interfaces: Vec::new(),
            track_scripts: Vec::new(),
            track_files: Vec::new(),
            track_processes: Vec::new(),
            track_virtual_servers: Vec::new(),
            track_bfd: Vec::new(),
            notify: Notify {
                priority_changes: draft
                    .notify_priority_changes
                    .unwrap_or(global.vrrp_notify_priority_changes),
                ..draft.notify
            },
            smtp_alert: draft.smtp_alert,
        };
        let (vrid, priority) = (vrid.span, draft.priority.map(|priority| priority.span));
        let trackers = draft.trackers;
        Some(Finished { instance, vrid, priority, trackers, in_group: false })
    }

    /// Notes where its parts stand, for what is said of it later.
    fn mark_instance(&mut self, draft: &Draft, keyword: Span) {
        let name = &draft.name;
        let marks = self.diagnostics.landmarks_mut();
        marks.mark(Subject::Instance(name.clone()), keyword);
        let keywords = [
            ("interface", draft.interface.map(|at| at.span)),
            ("virtual_router_id", draft.vrid.map(|at| at.span)),
            ("priority", draft.priority.map(|at| at.span)),
            ("source", draft.source.map(|at| at.span)),
            ("advert_int", draft.advert_int.map(|at| at.span)),
            ("version", draft.version.map(|at| at.span)),
            ("authentication", draft.authentication.as_ref().map(|(_, span)| *span)),
            ("state", draft.state.map(|at| at.span)),
        ];
        for (keyword, span) in keywords.into_iter().filter_map(|(name, at)| Some((name, at?))) {
            marks.mark(Subject::InstanceKeyword(name.clone(), keyword), span);
        }
        for held in draft.virtual_addresses.iter().chain(&draft.excluded_addresses) {
            let At { value, span } = held.address;
            marks.mark(Subject::Address(name.clone(), value), span);
        }
        for entry in draft.trackers.iter() {
            let At { value, span } = &entry.name;
            marks.mark(Subject::Tracker(name.clone(), value.clone()), *span);
        }
    }

    fn lacks(
        &mut self,
        draft: &Draft,
        what: &str,
        example: &str,
        keyword: Span,
        stray: Option<(Span, &str)>,
    ) {
        if let Some((span, MISSPELT)) = stray
            && self.diagnostics.sources().file(span.file).grammar() == Grammar::Kdl
        {
            // It was told as an error itself.
            return;
        }
        let message = format!("vrrp_instance `{}` has no `{what}`", draft.name);
        let diagnostic = Diagnostic::error("missing-keyword", keyword, message);
        let help = match stray {
            None => format!("add: {example}"),
            Some((_, MISSPELT)) => format!("write: {example}"),
            Some(_) => format!("write it on a line of its own: {example}"),
        };
        self.report(match stray {
            None => diagnostic.help(help),
            Some((span, how)) => diagnostic.related(span, how).help(help),
        });
    }

    /// A value that keepalived replaces, and so do we.
    pub(super) fn adjusted(&mut self, span: Span, message: impl Into<String>) {
        self.report(Diagnostic::warning("adjusted", span, message));
    }

    /// Likewise, because of strict mode.
    pub(super) fn against_strict(&mut self, span: Span, message: impl Into<String>) {
        let told = Diagnostic::warning("adjusted", span, message)
            .help("take the line out, or say `strict_mode off` in this instance");
        self.report(told.with(self.strict_at, "strict mode"));
    }

    fn transport(&mut self, draft: &Draft, family: Family, strict: bool) {
        if let Some(At { value, span }) = draft.source
            && Family::of(value) != family
        {
            let message = format!("{value} is no {family} address, as the virtual addresses are");
            let help = format!("give an {family} address that this router has on the interface");
            self.report(Diagnostic::error("family", span, message).help(help));
        }
        if let Some(At { value, span }) = draft.mcast_dst
            && Family::of(value) != family
        {
            let message = format!("{value} is no {family} group, as the virtual addresses are");
            self.report(Diagnostic::error("family", span, message));
        }
        if let Some(span) = draft.fault_no_peer.filter(|_| !draft.is_unicast()) {
            let message = "no peer: `unicast_fault_no_peer` keeps this instance in FAULT";
            self.report(Diagnostic::warning("adjusted", span, message));
            return;
        }
        let Some(keyword) = draft.unicast_peer else {
            if draft.unicast_source
                && let Some(source) = draft.source
            {
                self.report(Diagnostic::warning("adjusted", source.span, "`unicast_src_ip` without `unicast_peer`: advertisements go to the multicast group")
                    .help("write mcast_src_ip, or add unicast_peer { ADDRESS }"));
            }
            return;
        };
        for (peer, span) in &draft.unicast_peers {
            if Family::of(peer.address) != family {
                let message = format!(
                    "{} is no {family} address, as the virtual addresses are",
                    peer.address
                );
                self.report(Diagnostic::error("family", *span, message));
            }
        }
        if strict {
            // keepalived 2.2 goes on without a word, later ones refuse the instance.
            self.report(
                Diagnostic::warning(
                    "strict",
                    keyword,
                    "strict mode is multicast only; the peers get unicast all the same",
                )
                .with(self.strict_at, "strict mode")
                .help("leave out vrrp_strict, or say `strict_mode off` in this instance"),
            );
        }
        if !draft.is_unicast() {
            let message = "no peer: advertisements go to the multicast group";
            self.report(
                Diagnostic::warning("adjusted", keyword, message)
                    .help("add the other router's address, or take `unicast_peer` out"),
            );
        }
    }

    /// Both versions at once there are in IPv4 only, and it is the newer one that hears the older.
    fn also_version_2(&mut self, draft: &Draft, family: Family, version: Version) -> bool {
        let Some(At { value: true, span }) = draft.also_version_2 else { return false };
        let fits = version == Version::V3 && family == Family::V4;
        if !fits {
            let message = "`also_version_2` goes with version 3 over IPv4: it is left out";
            self.report(Diagnostic::warning("adjusted", span, message).help("write `version 3`"));
        }
        fits
    }

    fn rules(
        &mut self,
        draft: &Draft,
        global: &Global,
        version: Version,
        strict: bool,
        priority: Priority,
        keyword: Span,
    ) -> Rules {
        let switch = |own: Option<At<bool>>, global: bool| own.map_or(global, |own| own.value);
        let mut rules = Rules {
            accept: draft.accept.map_or(!strict, |accept| accept.value) || priority.is_owner(),
            lower_prio_no_advert: switch(
                draft.lower_prio_no_advert,
                global.vrrp_lower_prio_no_advert,
            ),
            higher_prio_send_advert: switch(
                draft.higher_prio_send_advert,
                global.vrrp_higher_prio_send_advert,
            ),
            down_timer_adverts: draft
                .down_timer_adverts
                .map_or(global.vrrp_down_timer_adverts, |adverts| adverts.value),
        };
        if !strict {
            return rules;
        }
        if !rules.accept {
            let message = format!(
                "strict mode: what is sent to the addresses of `{}` is dropped, not only pings",
                draft.name
            );
            self.report(
                Diagnostic::warning("strict", keyword, message)
                    .with(self.strict_at, "strict mode")
                    .help("leave out vrrp_strict, or say `accept` in version 3"),
            );
        }
        if let Some(At { value: true, span }) = draft.accept
            && version == Version::V2
            && !priority.is_owner()
        {
            self.against_strict(
                span,
                "strict mode: version 2 knows no `accept` (RFC 3768): it is left out",
            );
            rules.accept = false;
        }
        if let Some(At { value: false, span }) = draft.lower_prio_no_advert {
            self.against_strict(
                span,
                "strict mode answers no lower priority at once: `off` is left out",
            );
        }
        if let Some(At { value: false, span }) = draft.higher_prio_send_advert {
            self.against_strict(
                span,
                "strict mode answers a higher priority once: `off` is left out",
            );
        }
        if let Some(At { value, span }) = draft.down_timer_adverts
            && value != 3
        {
            self.against_strict(
                span,
                "strict mode waits for 3 advertisements: `down_timer_adverts` is left out",
            );
        }
        rules.lower_prio_no_advert = true;
        rules.higher_prio_send_advert = true;
        rules.down_timer_adverts = 3;
        rules
    }
}

/// What the standard fixes under strict mode.
struct Rules {
    accept: bool,
    lower_prio_no_advert: bool,
    higher_prio_send_advert: bool,
    down_timer_adverts: u8,
}
