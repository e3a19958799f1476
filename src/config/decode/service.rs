//! What follows from a `virtual_server`: the kernel's key and settings, the quorum, the ports of its real servers. The
//! rules are keepalived's (check_data.c, validate_check_config()), seen on its 2.2.7.

use std::collections::HashMap;

use ipvs::{
    DestinationKey, Family, Forwarding, Netmask, Persistence, Protocol, Scheduler, ServiceFlags,
    ServiceKey,
};

use super::virtual_server::{Draft, Flag, PERSISTENCE, Target};
use super::{At, Decoder, real_server};
use crate::config::diagnostic::Diagnostic;
use crate::config::landmarks::Subject;
use crate::config::model::{RealServer, SorryServer, VirtualServer};
use crate::config::source::Span;

impl Decoder<'_> {
    /// What the kernel and the plan are told.
    pub(super) fn finish_virtual_server(
        &mut self,
        target: &Target,
        mut draft: Draft,
        keyword: Span,
    ) -> Option<VirtualServer> {
        let drafts = std::mem::take(&mut draft.real_servers);
        if drafts.is_empty() && draft.refused {
            return None;
        }
        if drafts.is_empty() {
            let message = "this virtual server has no real server and is left out";
            self.report(
                Diagnostic::warning("empty", keyword, message)
                    .help("add: real_server ADDRESS PORT { weight 1 }"),
            );
            return None;
        }
        let key = self.service_key(target, &draft, &drafts, keyword);
        let forwarding = draft.forwarding.map_or(Forwarding::Masquerade, |method| method.value);
        if draft.forwarding.is_none()
            && !draft.said_method
            && drafts.iter().any(|one| one.forwarding.is_none())
        {
            self.report(
                Diagnostic::warning("default", keyword, "no `lb_kind`: NAT is taken")
                    .help("say which: lb_kind NAT, DR or TUN"),
            );
        }
        let scheduler =
            draft.scheduler.map(|scheduler| scheduler.value).or(Scheduler::new("wlc").ok())?;
        let flags = self.service_flags(&draft, &key, scheduler);
        let persistence = self.persistence(&draft, target, key.family(), keyword);
        let real_servers = self.real_servers(drafts, &draft, &key, forwarding);
        let sorry_server = self.sorry_server(&draft, &key, forwarding);
        let (quorum, hysteresis) = self.quorum(&draft, &real_servers, keyword);
        if let Some(scheduler) = &draft.scheduler {
            let subject = Subject::Scheduler(key);
            self.diagnostics.landmarks_mut().mark(subject, scheduler.span);
        }
        let min_in_pool = self.checked_min_in_pool(draft.min_in_pool, &real_servers);
        let slow_start = self.checked_slow_start(draft.slow_start, &real_servers);
        Some(VirtualServer {
            key,
            scheduler,
            flags,
            forwarding,
            persistence,
            persistence_engine: draft.engine,
            alpha: draft.pace.alpha.unwrap_or_default(),
            omega: draft.omega,
            quorum,
            hysteresis,
            quorum_up: draft.quorum_up,
            quorum_down: draft.quorum_down,
            sorry_server,
            min_in_pool,
            slow_start,
            ha_suspend: draft.ha_suspend,
            smtp_alert: draft.smtp_alert,
            real_servers,
        })
    }

    fn service_key(
        &mut self,
        target: &Target,
        draft: &Draft,
        servers: &[real_server::Draft],
        keyword: Span,
    ) -> ServiceKey {
        match *target {
            Target::Address(address, port) => {
                if draft.protocol.is_none() && !draft.said_protocol {
                    let message = "no `protocol`: UDP is taken, as keepalived does";
                    self.report(
                        Diagnostic::warning("default", keyword, message).help("add: protocol TCP"),
                    );
                }
                let protocol = draft.protocol.map_or(Protocol::Udp, |protocol| protocol.value);
                if let Some(At { value, span }) = draft.ip_family
                    && value != Family::of(address)
                {
                    self.passed_over(Diagnostic::warning(
                        "family",
                        span,
                        format!("{address} is of the other family: `ip_family` is left out"),
                    ));
                }
                ServiceKey::address(protocol, address, port)
            }
            Target::Mark(mark) => {
                if let Some(At { span, .. }) = draft.protocol {
                    self.report(Diagnostic::warning(
                        "no-effect",
                        span,
                        "a firewall mark stands for any protocol: `protocol` is left out",
                    ));
                }
                let first = servers.first().map_or(Family::V4, |one| Family::of(one.address));
                let family = draft.ip_family.map_or(first, |family| family.value);
                ServiceKey::fwmark(mark, family)
            }
        }
    }

    fn service_flags(
        &mut self,
        draft: &Draft,
        key: &ServiceKey,
        scheduler: Scheduler,
    ) -> ServiceFlags {
        let is_udp =
            !matches!(key, ServiceKey::Address { protocol: Protocol::Tcp | Protocol::Sctp, .. });
        let mut flags = ServiceFlags::empty();
        for (flag, span) in &draft.flags {
            match flag {
                Flag::OnePacket if is_udp => flags |= ServiceFlags::ONEPACKET,
                Flag::OnePacket => {
                    let message = "`ops` goes with UDP alone: it is left out";
                    let help = "write `protocol UDP`, or take the line out";
                    self.report(Diagnostic::warning("adjusted", *span, message).help(help));
                }
                Flag::Plain(plain) => flags |= *plain,
                Flag::Of(wanted, own) if scheduler.as_str() == *wanted => flags |= *own,
                Flag::Of(wanted, _) => {
                    let message = format!(
                        "this flag goes with the scheduler {wanted}, not with {scheduler}: it is left out"
                    );
                    self.report(
                        Diagnostic::warning("adjusted", *span, message)
                            .help(format!("write `lb_algo {wanted}`, or leave the flag out")),
                    );
                }
            }
        }
        flags
    }

    fn persistence(
        &mut self,
        draft: &Draft,
        target: &Target,
        family: Family,
        keyword: Span,
    ) -> Option<Persistence> {
        let every_port = matches!(target, Target::Address(_, 0));
        if let Some(span) = draft.no_persistence {
            self.no_persistence(span, every_port.then_some(keyword));
        }
        let implied = draft.granularity.is_some() || every_port;
        if every_port && !draft.said_persistence && draft.granularity.is_none() {
            let message = format!(
                "a service of all ports must be persistent: persistence_timeout {PERSISTENCE} is taken"
            );
            self.report(
                Diagnostic::warning("default", keyword, message)
                    .help("write the port after the address, or say persistence_timeout"),
            );
        }
        let timeout = draft.persistence_timeout.or(implied.then_some(PERSISTENCE))?;
        let netmask = match draft.granularity {
            None => Netmask::single(family),
            Some(At { value, .. }) if value.family() == family => value,
            Some(At { span, .. }) => {
                let wanted = if family == Family::V4 {
                    "a netmask such as 255.255.255.0"
                } else {
                    "a prefix length from 1 to 128"
                };
                let message =
                    format!("`persistence_granularity`: {wanted} is wanted for this family");
                self.passed_over(Diagnostic::warning("bad-value", span, message));
                Netmask::single(family)
            }
        };
        Some(Persistence { timeout, netmask })
    }

    /// `persistence_timeout 0`: no value for keepalived; beside a service of all ports it is a contradiction.
    fn no_persistence(&mut self, span: Span, every_port: Option<Span>) {
        self.report(match every_port {
            None => {
                let message =
                    "persistence lasts 1 to 2678400 seconds, not 0: the service is not persistent";
                return self.passed_over(
                    Diagnostic::warning("bad-value", span, message).help("leave the line out"),
                );
            }
            Some(keyword) => {
                let message =
                    "persistence 0 on port 0: the kernel takes all ports only for a persistent service";
                Diagnostic::error("contradiction", span, message)
                    .related(keyword, "all ports: the address has no port")
                    .help("write the port after the address, or a persistence_timeout from 1 s")
            }
        });
    }

    fn real_servers(
        &mut self,
        drafts: Vec<real_server::Draft>,
        outer: &Draft,
        key: &ServiceKey,
        forwarding: Forwarding,
    ) -> Vec<RealServer> {
        let mut servers = Vec::with_capacity(drafts.len());
        let mut seen: HashMap<DestinationKey, Span> = HashMap::with_capacity(drafts.len());
        for draft in drafts {
            let span = draft.keyword;
            let Some(server) = self.finish_real_server(draft, outer, key, forwarding) else {
                continue;
            };
            if let Some(first) = seen.get(&server.key) {
                let message = format!("{} stands here a second time and is left out", server.key);
                self.passed_over(
                    Diagnostic::warning("twice", span, message).related(*first, "the first"),
                );
                continue;
            }
            seen.insert(server.key, span);
            servers.push(server);
        }
        servers
    }

    fn sorry_server(
        &mut self,
        draft: &Draft,
        key: &ServiceKey,
        forwarding: Forwarding,
    ) -> Option<SorryServer> {
        let At { value: (address, port), span } = draft.sorry_server?;
        let forwarding = draft.sorry_forwarding.unwrap_or(forwarding);
        if Family::of(address) != key.family() && !matches!(forwarding, Forwarding::Tunnel(_)) {
            let message = format!(
                "{address} is of another family than the virtual server: only TUN reaches it"
            );
            self.report(Diagnostic::error("family", span, message));
            return None;
        }
        let port = self.real_port(port, key, forwarding, span);
        let key = DestinationKey::new(address, port);
        Some(SorryServer { key, forwarding, inhibit: draft.sorry_inhibit })
    }

    /// The port that the kernel is told: packets that are not rewritten keep theirs.
    pub(super) fn real_port(
        &mut self,
        given: Option<u16>,
        key: &ServiceKey,
        forwarding: Forwarding,
        span: Span,
    ) -> u16 {
        let rewritten = forwarding == Forwarding::Masquerade;
        let kept = match key {
            ServiceKey::Address { port, .. } => *port,
            ServiceKey::Fwmark { .. } => 0,
        };
        match given {
            Some(port) if rewritten => port,
            Some(port) if port != kept && port != 0 => {
                let message = match key {
                    ServiceKey::Address { .. } => format!(
                        "DR and TUN keep the port: {port} becomes {kept}, that of the virtual server"
                    ),
                    ServiceKey::Fwmark { .. } => format!(
                        "DR and TUN keep the port of each packet: {port} is used by checkers alone"
                    ),
                };
                let help = "lb_kind NAT rewrites ports; a checker has connect_port";
                self.report(Diagnostic::warning("adjusted", span, message).help(help));
                kept
            }
            Some(_) | None => kept,
        }
    }

    fn quorum(&mut self, draft: &Draft, servers: &[RealServer], keyword: Span) -> (u32, u32) {
        let weights: Vec<String> =
            servers.iter().take(6).map(|server| server.weight.value().to_string()).collect();
        let total = servers.iter().map(|server| u64::from(server.weight.value())).sum::<u64>();
        let total = u32::try_from(total).unwrap_or(u32::MAX).max(1);
        let mut quorum = draft.quorum.map_or(1, |quorum| quorum.value);
        if let Some(At { value, span }) = draft.quorum
            && value > total
        {
            let sum = match servers.len() {
                0 => "no real server".to_owned(),
                1..=6 => weights.join(" + "),
                servers => format!("{} ... of {servers} real servers", weights.join(" + ")),
            };
            let message = format!(
                "quorum {value} is more than all weights together ({sum}): {total} is taken, so that one real server \
                 down is quorum_down"
            );
            self.report(
                Diagnostic::warning("contradiction", span, message)
                    .related(keyword, "its real servers")
                    .help("the quorum counts weights, not servers: lower it, or raise the weights"),
            );
            quorum = total;
        }
        let mut hysteresis = draft.hysteresis.map_or(0, |hysteresis| hysteresis.value);
        if let Some(At { value, span }) = draft.hysteresis
            && value >= quorum
        {
            hysteresis = quorum - 1;
            // Where the quorum itself was lowered, that is what is wrong.
            if draft.quorum.is_none_or(|given| given.value == quorum) {
                let message = format!(
                    "hysteresis {value} must be less than the quorum {quorum}: {hysteresis} is taken"
                );
                let told = Diagnostic::warning("adjusted", span, message)
                    .help("the quorum is lost below quorum minus hysteresis: as written it never would be");
                self.report(told.with(draft.quorum.map(|quorum| quorum.span), "the quorum"));
            }
        }
        (quorum, hysteresis)
    }
}
