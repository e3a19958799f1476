//! `vrrp_instance NAME`: what it says. What follows from that is `complete`'s.

use std::net::IpAddr;
use std::time::Duration;

use vrrp::{IfName, Priority, Version, Vrid};

use super::addresses;
use super::announce::{self, AnnounceDraft, Announces};
use super::authentication::Authentication;
use super::notify::Notifies;
use super::options::{OptionWord, value};
use super::track::{Trackers, Tracks};
use super::{
    At, Decoder, Keyword, Keywords, acts, many, no_effect, own_link, route, rule, signature,
};
use crate::config::diagnostic::Diagnostic;
use crate::config::keywords;
use crate::config::model::{InitialState, Notify, UnicastPeer};
use crate::config::source::Span;
use crate::config::suggest;
use crate::config::tree::{Directive, Form};

/// The least `advert_int`, one centisecond (RFC 9568 section 5.2.7).
const SHORTEST: Duration = Duration::from_millis(10);
/// The most that version 2 can say: 8 bits of seconds.
const LONGEST_V2: Duration = Duration::from_secs(255);
/// The most that a receive buffer may have: what the kernel's own limit allows at the utmost.
const MOST_BUFFER: u32 = i32::MAX as u32 / 2;
/// The block as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) keyword: Option<Span>,
    /// Whether these were given, rightly or wrongly: what is wrong has been told, and is not missing too.
    /// Where `interface` and `virtual_router_id` stand without counting, and how.
    pub(super) strays: [Option<(Span, &'static str)>; 2],
    pub(super) said_interface: bool,
    pub(super) said_vrid: bool,
    pub(super) said_addresses: bool,
    pub(super) state: Option<At<InitialState>>,
    pub(super) interface: Option<At<IfName>>,
    pub(super) vrid: Option<At<Vrid>>,
    pub(super) priority: Option<At<Priority>>,
    pub(super) version: Option<At<Version>>,
    pub(super) advert_int: Option<At<Duration>>,
    pub(super) authentication: Option<(Authentication, Span)>,
    pub(super) signature: Option<At<signature::Draft>>,
    pub(super) source: Option<At<IpAddr>>,
    pub(super) unicast_source: bool,
    pub(super) track_source: bool,
    pub(super) mcast_dst: Option<At<IpAddr>>,
    pub(super) unicast_peers: Vec<(UnicastPeer, Span)>,
    pub(super) unicast_peer: Option<Span>,
    pub(super) check_unicast_src: Option<bool>,
    pub(super) unicast_ttl: Option<u8>,
    pub(super) v3_checksum_as_v2: bool,
    pub(super) virtual_addresses: Vec<addresses::Draft>,
    pub(super) excluded_addresses: Vec<addresses::Draft>,
    pub(super) no_virtual_ipaddress: bool,
    pub(super) routes: Vec<route::Draft>,
    pub(super) rules: Vec<rule::Draft>,
    pub(super) promote_secondaries: bool,
    pub(super) vmac: Option<At<own_link::Vmac>>,
    pub(super) use_vmac_addr: bool,
    pub(super) vmac_xmit_base: Option<Span>,
    pub(super) ipvlan: Option<At<own_link::Ipvlan>>,
    pub(super) vrf: Option<At<IfName>>,
    pub(super) nopreempt: Option<Span>,
    pub(super) preempt_delay: Option<At<Duration>>,
    pub(super) accept: Option<At<bool>>,
    pub(super) strict: Option<At<bool>>,
    pub(super) dont_track_primary: bool,
    pub(super) skip_check_adv_addr: Option<bool>,
    pub(super) lower_prio_no_advert: Option<At<bool>>,
    pub(super) also_version_2: Option<At<bool>>,
    pub(super) higher_prio_send_advert: Option<At<bool>>,
    pub(super) down_timer_adverts: Option<At<u8>>,
    pub(super) hand_over: Option<bool>,
    pub(super) owner_ignores: Option<bool>,
    pub(super) yields_after_stall: Option<At<u8>>,
    pub(super) fault_no_peer: Option<Span>,
    pub(super) old_unicast_checksum: bool,
    pub(super) receive_buffer: Option<u32>,
    pub(super) announce: AnnounceDraft,
    pub(super) trackers: Trackers,
    pub(super) notify: Notify,
    pub(super) sync_interface: Option<At<IfName>>,
    pub(super) smtp_alert: Option<bool>,
    pub(super) notify_priority_changes: Option<bool>,
}

impl Announces for Draft {
    fn announce(&mut self) -> &mut AnnounceDraft {
        &mut self.announce
    }
}

impl Keywords for Draft {
    const BLOCK: &'static str = "vrrp_instance";
    const TABLES: &'static [&'static [Keyword<Self>]] =
        &[IDENTITY, TRANSPORT, ADDRESSES, RULES, Self::TRACKERS, TRACKING, Self::NOTIFIES];
}

impl Notifies for Draft {
    fn notify(&mut self) -> &mut Notify {
        &mut self.notify
    }
}

impl Tracks for Draft {
    fn trackers(&mut self) -> &mut Trackers {
        &mut self.trackers
    }
}

const IDENTITY: &[Keyword<Draft>] =
    &[
        acts("state", "MASTER | BACKUP", |decoder, directive, draft| {
            let Some(word) = decoder.word(directive) else { return };
            const CHOICES: [(&str, InitialState); 2] =
                [("MASTER", InitialState::Master), ("BACKUP", InitialState::Backup)];
            let state = decoder.choice(word, &CHOICES);
            draft.state = state.map(|value| At { value, span: word.span });
        }),
        acts("interface", "INTERFACE", |decoder, directive, draft| {
            let Some(word) = decoder.word(directive) else { return };
            draft.interface = decoder.interface(word).map(|value| At { value, span: word.span });
            if word.is("lo") {
                let message = "no other router is heard on the loopback interface";
                decoder.report(Diagnostic::warning("loopback", word.span, message).help(
                    "keepalived does not run with it: name the interface to the other routers",
                ));
            }
        }),
        acts("virtual_router_id", "1..255", |decoder, directive, draft| {
            let Some(word) = decoder.word(directive) else { return };
            let id: Option<u8> = decoder.number_in(word, 1..=255);
            let id = id.and_then(|id| Vrid::try_from(id).ok());
            draft.vrid = id.map(|value| At { value, span: word.span });
        }),
        acts("priority", "1..255", |decoder, directive, draft| {
            let Some(word) = decoder.word(directive) else { return };
            let priority = match word.text.parse() {
                Ok(number @ 1..=255_u8) => Some(number),
                Ok(_) | Err(_) => decoder.no_priority(word),
            };
            let priority = priority.and_then(|priority| Priority::try_from(priority).ok());
            draft.priority = priority.map(|value| At { value, span: word.span });
        }),
        acts("version", "2 | 3", |decoder, directive, draft| {
            let span = directive.head();
            draft.version = decoder.version(directive).map(|value| At { value, span });
        }),
        acts("advert_int", "SECONDS", |decoder, directive, draft| {
            let Some(word) = decoder.word(directive) else { return };
            let time = decoder.time_in(word, SHORTEST..=LONGEST_V2);
            draft.advert_int = time.map(|value| At { value, span: word.span });
        }),
        acts(
            "authentication",
            "{ auth_type PASS | AH auth_pass PASSWORD }",
            |decoder, directive, draft| {
                let mut authentication = Authentication::default();
                decoder.block(directive, &mut authentication);
                draft.authentication = Some((authentication, directive.name.span));
            },
        ),
        acts("auth_hmac", "{ ... }", |decoder, directive, draft| {
            draft.signature = Some(decoder.auth_hmac(directive));
        }),
        acts("use_vmac", "[NAME] [MAC] [group GROUP]", |decoder, directive, draft| {
            draft.vmac = decoder.vmac(directive);
        }),
        acts("use_vmac_addr", "", |decoder, directive, draft| {
            draft.use_vmac_addr = decoder.flag(directive);
        }),
        acts("vmac_xmit_base", "", |decoder, directive, draft| {
            let is_on = decoder.flag(directive);
            draft.vmac_xmit_base = is_on.then(|| directive.head());
        }),
        acts(
            "use_ipvlan",
            "[NAME] [ADDRESS] [bridge | private | vepa] [group GROUP]",
            |decoder, directive, draft| {
                draft.ipvlan = decoder.ipvlan(directive);
            },
        ),
        acts("vrf", "INTERFACE", |decoder, directive, draft| {
            let Some(word) = decoder.word(directive) else { return };
            draft.vrf = decoder.interface(word).map(|value| At { value, span: word.span });
        }),
        no_effect("native_ipv6", "", "the family is that of the first address, as in keepalived"),
    ];

const TRANSPORT: &[Keyword<Draft>] = &[
    acts("mcast_src_ip", "ADDRESS", |decoder, directive, draft| {
        draft.set_source(decoder, directive, false);
    }),
    acts("unicast_src_ip", "ADDRESS", |decoder, directive, draft| {
        draft.set_source(decoder, directive, true);
    }),
    acts("track_src_ip", "", |decoder, directive, draft| {
        draft.track_source = decoder.flag(directive);
    }),
    acts("mcast_dst_ip", "ADDRESS", |decoder, directive, draft| {
        let Some(word) = decoder.word(directive) else { return };
        match decoder.address(word) {
            Some(group) if !group.is_multicast() => decoder.bad(word, "a multicast address"),
            group => draft.mcast_dst = group.map(|value| At { value, span: word.span }),
        }
    }),
    acts("unicast_peer", "{ ADDRESS [min_ttl 0..255] [max_ttl 0..255] ... }", unicast_peers),
    acts("unicast_ttl", "0..255", |decoder, directive, draft| {
        draft.unicast_ttl = decoder.number(directive, 0..=255);
    }),
    acts("check_unicast_src", "", |decoder, directive, draft| {
        draft.check_unicast_src = Some(decoder.flag(directive));
    }),
    acts("v3_checksum_as_v2", "[BOOL]", |decoder, directive, draft| {
        draft.v3_checksum_as_v2 = decoder.switch(directive).unwrap_or_default();
    }),
    acts("unicast_fault_no_peer", "", |decoder, directive, draft| {
        draft.fault_no_peer = decoder.flag(directive).then_some(directive.head());
    }),
    acts("old_unicast_checksum", "[never]", |decoder, directive, draft| {
        decoder.surplus(directive, 1);
        draft.old_unicast_checksum = match directive.arguments.first() {
            Some(word) if word.is("never") || word.is("false") => false,
            Some(word) if !word.is("true") => return decoder.bad(word, "`never` or nothing"),
            Some(_) | None => true,
        };
    }),
    acts("kernel_rx_buf_size", "BYTES", |decoder, directive, draft| {
        draft.receive_buffer = decoder.number(directive, 1..=MOST_BUFFER);
    }),
];

const ADDRESSES: &[Keyword<Draft>] = &[
    many(
        "virtual_ipaddress",
        "{ ADDRESS[/PREFIX] [dev INTERFACE] [label NAME] ... }",
        |decoder, directive, draft| {
            draft.virtual_addresses.extend(decoder.virtual_addresses(directive));
        },
    ),
    many("virtual_ipaddress_excluded", "{ ADDRESS[/PREFIX] ... }", |decoder, directive, draft| {
        draft.excluded_addresses.extend(decoder.virtual_addresses(directive));
    }),
    acts("no_virtual_ipaddress", "", |decoder, directive, draft| {
        draft.no_virtual_ipaddress = decoder.flag(directive);
    }),
    many("virtual_routes", "{ ROUTE ... }", |decoder, directive, draft| {
        draft.routes.extend(decoder.route_lines(directive));
    }),
    many("virtual_rules", "{ RULE ... }", |decoder, directive, draft| {
        draft.rules.extend(decoder.rule_lines(directive));
    }),
    acts("promote_secondaries", "", |decoder, directive, draft| {
        draft.promote_secondaries = decoder.flag(directive);
    }),
];

const RULES: &[Keyword<Draft>] = &[
    acts("nopreempt", "", |decoder, directive, draft| {
        draft.nopreempt = decoder.flag(directive).then_some(directive.head());
    }),
    acts("preempt", "", |decoder, directive, draft| {
        if decoder.flag(directive) {
            draft.nopreempt = None;
        }
    }),
    acts("preempt_delay", "SECONDS", |decoder, directive, draft| {
        let Some(word) = decoder.word(directive) else { return };
        let time = decoder.time_in(word, Duration::ZERO..=Duration::from_secs(1000));
        draft.preempt_delay = time.map(|value| At { value, span: word.span });
    }),
    acts("accept", "", |decoder, directive, draft| {
        let value = decoder.flag(directive);
        draft.accept = Some(At { value, span: directive.head() });
    }),
    acts("no_accept", "", |decoder, directive, draft| {
        let value = !decoder.flag(directive);
        draft.accept = Some(At { value, span: directive.head() });
    }),
    acts("strict_mode", "[BOOL]", |decoder, directive, draft| {
        let strict = decoder.switch(directive);
        draft.strict = strict.map(|value| At { value, span: directive.head() });
    }),
    acts("skip_check_adv_addr", "[BOOL]", |decoder, directive, draft| {
        draft.skip_check_adv_addr = decoder.switch(directive);
    }),
    acts("lower_prio_no_advert", "[BOOL]", |decoder, directive, draft| {
        let on = decoder.switch(directive);
        draft.lower_prio_no_advert = on.map(|value| At { value, span: directive.head() });
    }),
    acts("higher_prio_send_advert", "[BOOL]", |decoder, directive, draft| {
        let on = decoder.switch(directive);
        draft.higher_prio_send_advert = on.map(|value| At { value, span: directive.head() });
    }),
    acts("down_timer_adverts", "1..100", |decoder, directive, draft| {
        let adverts = decoder.number(directive, 1..=100);
        draft.down_timer_adverts = adverts.map(|value| At { value, span: directive.head() });
    }),
    acts("also_version_2", "[BOOL]", |decoder, directive, draft| {
        let on = decoder.switch(directive);
        draft.also_version_2 = on.map(|value| At { value, span: directive.head() });
    }),
    acts("hand_over", "[BOOL]", |decoder, directive, draft| {
        draft.hand_over = decoder.switch(directive);
    }),
    acts("garp_master_delay", "SECONDS", announce::delay),
    acts("garp_master_repeat", "TIMES", announce::repeat),
    acts("garp_master_refresh", "SECONDS", announce::refresh),
    acts("garp_master_refresh_repeat", "TIMES", announce::refresh_repeat),
    acts("garp_lower_prio_delay", "SECONDS", announce::lower_prio_delay),
    acts("garp_lower_prio_repeat", "TIMES", announce::lower_prio_repeat),
    acts("garp_extra_if", "[all] SECONDS", |decoder, directive, draft| {
        draft.announce.extra = decoder.extra_interfaces(directive);
    }),
    acts("vmac_garp_intvl", "[all] SECONDS", |decoder, directive, draft| {
        draft.announce.extra = decoder.extra_interfaces(directive);
    }),
    acts("timer_expired_backup", "[1..254]", timer_expired),
    acts("thread_timer_expired", "[1..254]", timer_expired),
    acts("owner_ignore_adverts", "[BOOL]", |decoder, directive, draft| {
        draft.owner_ignores = decoder.switch(directive);
    }),
    acts("notify_priority_changes", "[BOOL]", |decoder, directive, draft| {
        draft.notify_priority_changes = decoder.switch(directive);
    }),
    acts("lvs_sync_daemon_interface", "INTERFACE", |decoder, directive, draft| {
        let Some(word) = decoder.word(directive) else { return };
        let name = decoder.parsed(word);
        draft.sync_interface = name.map(|value| At { value, span: directive.head() });
    }),
    no_effect("linkbeat_use_polling", "", "the kernel tells of links by itself"),
    no_effect("debug", "0..4", "`evenkeel log` sets what is logged"),
];

const TRACKING: &[Keyword<Draft>] = &[
    acts("dont_track_primary", "", |decoder, directive, draft| {
        draft.dont_track_primary = decoder.flag(directive);
    }),
    acts("notify_deleted", "[COMMAND [USER [GROUP]]]", |decoder, directive, draft| {
        let given = !directive.arguments.is_empty();
        draft.notify.deleted = Some(given.then(|| decoder.script(directive)).flatten());
    }),
    acts("notify_master_rx_lower_pri", "COMMAND [USER [GROUP]]", |decoder, directive, draft| {
        draft.notify.master_rx_lower_pri = decoder.script(directive);
    }),
    acts("smtp_alert", "[BOOL]", |decoder, directive, draft| {
        draft.smtp_alert = decoder.switch(directive);
    }),
];

/// `timer_expired_backup [PRIORITY]`: the highest one that a late Master yields to.
fn timer_expired(decoder: &mut Decoder<'_>, directive: &Directive, draft: &mut Draft) {
    decoder.surplus(directive, 1);
    let word = directive.arguments.first();
    let most = match word {
        Some(word) if word.is("true") => Some(254),
        Some(word) if word.is("false") => return,
        Some(word) => decoder.number_in(word, 1..=254),
        None => Some(254),
    };
    draft.yields_after_stall = most.map(|value| At { value, span: directive.head() });
}

const TTLS: &[OptionWord<UnicastPeer>] = &[
    value("min_ttl", |decoder, word, peer| {
        peer.min_ttl = decoder.number_in(word, 0..=255).unwrap_or_default();
    }),
    value("max_ttl", |decoder, word, peer| {
        peer.max_ttl = decoder.number_in(word, 0..=255).unwrap_or(255);
    }),
];

fn unicast_peers(decoder: &mut Decoder<'_>, directive: &Directive, draft: &mut Draft) {
    draft.unicast_peer = Some(directive.name.span);
    for word in &directive.arguments {
        let peer = decoder.address(word);
        let Some(address) = peer else { continue };
        let mut peer = UnicastPeer { address, min_ttl: 0, max_ttl: 255 };
        decoder.options(&[], &directive.properties, TTLS, &mut peer);
        draft.unicast_peers.push((peer, word.span));
    }
    for line in directive.children() {
        if line.name.form == Form::Other {
            continue;
        }
        let Some(address) = decoder.address(&line.name) else { continue };
        let mut peer = UnicastPeer { address, min_ttl: 0, max_ttl: 255 };
        decoder.options(&line.arguments, &line.properties, TTLS, &mut peer);
        draft.unicast_peers.push((peer, line.name.span));
    }
}

/// How a keyword stands that is misspelt.
pub(super) const MISSPELT: &str = "meant for it";

/// Where a keyword stands that is none: behind another one, or misspelt.
fn stray(directive: &Directive, keyword: &'static str) -> Option<(Span, &'static str)> {
    let behind = directive.strays(keyword).map(|span| (span, "it stands behind another keyword"));
    behind.or_else(|| {
        let unknown = directive.children().iter().map(|child| &child.name);
        let mut unknown = unknown.filter(|name| !keywords::is_keyword(&name.text));
        let near = unknown.find(|name| suggest::nearest(&name.text, [keyword]).is_some())?;
        Some((near.span, MISSPELT))
    })
}

impl Draft {
    fn set_source(&mut self, decoder: &mut Decoder<'_>, directive: &Directive, unicast: bool) {
        let Some(word) = decoder.word(directive) else { return };
        let address = decoder.address(word);
        self.source = address.map(|value| At { value, span: word.span }).or(self.source);
        self.unicast_source |= unicast;
    }

    /// Whether advertisements go to peers.
    pub(super) fn is_unicast(&self) -> bool {
        self.unicast_peer.is_some() && !self.unicast_peers.is_empty()
    }
}

impl Decoder<'_> {
    /// Reads one `vrrp_instance`.
    pub(super) fn vrrp_instance(&mut self, directive: &Directive) -> Option<Draft> {
        let name = self.name(directive);
        let addresses = ["virtual_ipaddress", "virtual_ipaddress_excluded"];
        let mut draft = Draft {
            keyword: Some(directive.head()),
            strays: ["interface", "virtual_router_id"].map(|keyword| stray(directive, keyword)),
            said_interface: directive.has("interface"),
            said_vrid: directive.has("virtual_router_id"),
            said_addresses: addresses.iter().any(|keyword| directive.has(keyword)),
            ..Draft::default()
        };
        if directive.block.is_none() && directive.properties.is_empty() {
            (draft.said_interface, draft.said_vrid, draft.said_addresses) = (true, true, true);
        }
        self.block(directive, &mut draft);
        draft.name = name?.value;
        Some(draft)
    }
}
