//! What may be tracked in a whole file, and what follows from tracking it: names resolved, weights of owners and of
//! members of a sync group as in keepalived (vrrp.c: vrrp_complete_instance(), sync_group_tracking_init()).

use std::collections::HashMap;
use std::net::SocketAddr;

use ipvs::{Protocol, ServiceKey};

use super::complete::Finished;
use super::script::Named;
use super::track::{Entry, Trackers, WeightDraft};
use super::{At, Decoder, bfd};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{TrackFile, TrackProcess, TrackWeight, Tracked};
use crate::config::source::{Grammar, Span};
use crate::config::suggest;
use crate::config::tree::Directive;

/// A `track_file` or `vrrp_track_process`, and where it stands.
#[derive(Debug)]
pub(super) struct Object<T> {
    pub(super) name: At<String>,
    pub(super) keyword: Span,
    /// `None` where it cannot work, which has been told.
    pub(super) object: Option<T>,
}

impl<T> Object<T> {
    /// Its name and where it stands.
    pub(super) fn name_and_place(&self) -> (&str, Span) {
        (&self.name.value, self.keyword)
    }
}

/// The objects of one kind by name.
struct Known<'a> {
    block: &'static str,
    keyword: &'static str,
    by_name: HashMap<&'a str, One<'a>>,
}

struct One<'a> {
    name: &'a At<String>,
    /// Its own weight; `None` where it cannot work.
    weight: Option<TrackWeight>,
    used: bool,
}

impl<'a> Known<'a> {
    fn new(
        block: &'static str,
        keyword: &'static str,
        objects: impl Iterator<Item = (&'a At<String>, Option<TrackWeight>)>,
    ) -> Self {
        let one = |(name, weight): (&'a At<String>, Option<TrackWeight>)| {
            (name.value.as_str(), One { name, weight, used: false })
        };
        Self { block, keyword, by_name: objects.map(one).collect() }
    }
}

/// Everything that may be tracked by name.
pub(super) struct Objects<'a> {
    scripts: Known<'a>,
    files: Known<'a>,
    processes: Known<'a>,
    bfd: Known<'a>,
    services: &'a [At<ServiceKey>],
}

/// Something that nothing tracks: its block, the keyword that would, its name.
pub(super) type Unused = (&'static str, &'static str, At<String>);

impl<'a> Objects<'a> {
    pub(super) fn new(
        scripts: &'a [Named],
        files: &'a [Object<TrackFile>],
        processes: &'a [Object<TrackProcess>],
        bfd: &'a [bfd::Named],
        services: &'a [At<ServiceKey>],
    ) -> Self {
        // Those for checkers only are none of ours.
        let for_us = |one: &&'a bfd::Named| one.instance.as_ref().is_none_or(|it| it.for_vrrp);
        let session = |one: &'a bfd::Named| (&one.name, one.instance.as_ref().map(|it| it.weight));
        let script = |one: &'a Named| (&one.name, one.script.as_ref().map(|it| it.weight));
        let file =
            |one: &'a Object<TrackFile>| (&one.name, one.object.as_ref().map(|it| it.weight));
        let process =
            |one: &'a Object<TrackProcess>| (&one.name, one.object.as_ref().map(|it| it.weight));
        Self {
            scripts: Known::new("vrrp_script", "track_script", scripts.iter().map(script)),
            files: Known::new("track_file", "track_file", files.iter().map(file)),
            processes: Known::new(
                "vrrp_track_process",
                "track_process",
                processes.iter().map(process),
            ),
            bfd: Known::new("bfd_instance", "track_bfd", bfd.iter().filter(for_us).map(session)),
            services,
        }
    }

    /// What nothing tracks, in order of place.
    pub(super) fn unused(&self) -> Vec<Unused> {
        let mut unused: Vec<Unused> = Vec::new();
        for known in [&self.scripts, &self.files, &self.processes] {
            let idle = known.by_name.values().filter(|one| !one.used);
            let mut idle: Vec<_> =
                idle.map(|one| (known.block, known.keyword, one.name.clone())).collect();
            idle.sort_by_key(|(_, _, name)| name.span.start);
            unused.extend(idle);
        }
        unused
    }
}

/// The trackers of an instance or group, resolved.
pub(super) struct Resolved {
    pub(super) interfaces: Vec<Tracked>,
    pub(super) scripts: Vec<Tracked>,
    pub(super) files: Vec<Tracked>,
    pub(super) processes: Vec<Tracked>,
    pub(super) virtual_servers: Vec<Tracked>,
    pub(super) bfd: Vec<Tracked>,
}

impl Decoder<'_> {
    /// `weight N [reverse]` of an object's own block.
    pub(super) fn weight_of(&mut self, directive: &Directive, draft: &mut WeightDraft) {
        let Some((weight, options)) = directive.arguments.split_first() else {
            return self.missing(directive.name.span);
        };
        self.take_weight(weight, draft);
        self.weight_options(options, &directive.properties, draft);
    }

    /// Says what is configured for nothing.
    pub(super) fn all_are_tracked(&mut self, unused: Vec<Unused>) {
        for (block, keyword, At { value, span }) in unused {
            if block == "track_file" && self.is_checked(&value) {
                continue;
            }
            let what = match block {
                "vrrp_script" => "it is not run",
                "track_file" => "it is not read",
                _ => "it is not watched",
            };
            let message = format!("nothing tracks {block} `{value}`: {what}");
            self.report(
                Diagnostic::warning("unused", span, message)
                    .help(format!("add to an instance: {keyword} {{ {value} }}")),
            );
        }
    }

    /// Resolves the trackers of an instance.
    pub(super) fn finish_trackers(&mut self, finished: &mut Finished, objects: &mut Objects<'_>) {
        let owner = finished.instance.priority.is_owner();
        let in_group = finished.in_group;
        let mut trackers = std::mem::take(&mut finished.trackers);
        if owner {
            trackers.interfaces.retain(|entry| !self.owner_weight(entry, entry.weight.finish()));
        }
        if in_group {
            trackers.interfaces.iter_mut().for_each(|entry| self.unweight_interface(entry));
        }
        let entries =
            [&trackers.scripts, &trackers.processes, &trackers.virtual_servers, &trackers.bfd];
        let entries: Vec<Entry> = entries.into_iter().flatten().cloned().collect();
        let file_entries = trackers.files.clone();
        let mut resolved = self.resolve(trackers, objects);
        for tracked in [
            &mut resolved.scripts,
            &mut resolved.processes,
            &mut resolved.virtual_servers,
            &mut resolved.bfd,
        ] {
            tracked.retain(|one| {
                let Some(entry) = entries.iter().find(|entry| entry.is_for(&one.name)) else {
                    return true;
                };
                if one.weight.weight != 0 && owner {
                    return !self.owner_weight(entry, one.weight);
                }
                one.weight.weight == 0 || !in_group || self.leave_out(entry)
            });
        }
        if in_group {
            resolved.files.retain_mut(|one| {
                let Some(entry) = file_entries.iter().find(|entry| entry.is_for(&one.name)) else {
                    return true;
                };
                match one.weight.weight {
                    0 => true,
                    // The weight of a file that has none of its own.
                    1 => {
                        self.adjusted(
                            entry.name.span,
                            "a member of a sync group may only track without weight: what is not 0 is a fault",
                        );
                        one.weight.weight = 0;
                        true
                    }
                    _ => self.leave_out(entry),
                }
            });
        }
        let Resolved { interfaces, scripts, files, processes, virtual_servers, bfd } = resolved;
        let instance = &mut finished.instance;
        instance.track_interfaces = interfaces;
        instance.track_scripts = scripts;
        instance.track_files = files;
        instance.track_processes = processes;
        instance.track_virtual_servers = virtual_servers;
        instance.track_bfd = bfd;
        self.weights_count(finished);
    }

    /// Looks up what is tracked.
    pub(super) fn resolve(&mut self, trackers: Trackers, objects: &mut Objects<'_>) -> Resolved {
        let Trackers { interfaces, scripts, files, processes, virtual_servers, bfd } = trackers;
        Resolved {
            interfaces: self.interfaces(interfaces),
            scripts: self.named(scripts, &mut objects.scripts),
            files: self.named(files, &mut objects.files),
            processes: self.named(processes, &mut objects.processes),
            virtual_servers: self.services(virtual_servers, objects.services),
            bfd: self.named(bfd, &mut objects.bfd),
        }
    }

    /// Members of a group have one priority to go by: keepalived makes a weighted interface a plain one.
    fn unweight_interface(&mut self, entry: &mut Entry) {
        if entry.weight.is_given() && entry.weight.finish().weight != 0 {
            let message = "a member of a sync group may only track without weight: the interface's loss is a fault";
            self.report(
                Diagnostic::warning("adjusted", entry.name.span, message)
                    .help("track it in the group, or say sync_group_tracking_weight there"),
            );
            entry.weight = WeightDraft::default();
        }
    }

    /// And it drops whatever else is weighted; always false.
    fn leave_out(&mut self, entry: &Entry) -> bool {
        let message = format!(
            "a member of a sync group may only track without weight: `{}` is left out",
            entry.name.value
        );
        self.report(
            Diagnostic::warning("adjusted", entry.name.span, message)
                .help("track it in the group, or say sync_group_tracking_weight there"),
        );
        false
    }

    /// Whether a tracker is dropped because an owner's priority never changes.
    fn owner_weight(&mut self, entry: &Entry, weight: TrackWeight) -> bool {
        if weight.weight == 0 {
            return false;
        }
        let message = format!(
            "priority 255 does not change: the weight of `{}` is lost, and it is not tracked",
            entry.name.value
        );
        self.report(
            Diagnostic::warning("adjusted", entry.name.span, message)
                .help("give the router a priority up to 254"),
        );
        true
    }

    fn interfaces(&mut self, entries: Vec<Entry>) -> Vec<Tracked> {
        let mut tracked: Vec<Tracked> = Vec::new();
        for Entry { name, weight } in entries {
            if let Err(error) = name.value.parse::<vrrp::IfName>() {
                let message = format!("`{}`: {error}", name.value);
                self.report(Diagnostic::error("bad-value", name.span, message));
                continue;
            }
            if self.host.lacks_interface(&name.value).is_some() {
                let message =
                    format!("this host has no interface `{}`; it is not tracked", name.value);
                self.passed_over(Diagnostic::warning("no-interface", name.span, message));
                continue;
            }
            self.track(&mut tracked, name, weight.finish());
        }
        tracked
    }

    fn named(&mut self, entries: Vec<Entry>, known: &mut Known<'_>) -> Vec<Tracked> {
        let mut tracked = Vec::new();
        for Entry { name, weight } in entries {
            let Some(one) = known.by_name.get_mut(name.value.as_str()) else {
                let message =
                    format!("there is no {} `{}`; it is not tracked", known.block, name.value);
                let mut diagnostic = Diagnostic::warning("unresolved", name.span, message);
                let near = suggest::nearest(&name.value, known.by_name.keys().copied());
                diagnostic.help = Some(match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!(
                        "define it at the outermost level: {} {} {{ ... }}",
                        known.block, name.value
                    ),
                });
                // The one that was meant is not unused too.
                let meant = near.map(ToOwned::to_owned);
                meant
                    .and_then(|near| known.by_name.get_mut(near.as_str()))
                    .into_iter()
                    .for_each(|one| one.used = true);
                self.passed_over(diagnostic);
                continue;
            };
            one.used = true;
            let (here, there) = (name.span, one.name.span);
            if (here.file, here.via) == (there.file, there.via)
                && here.start < there.start
                && self.diagnostics.sources().file(here.file).grammar() == Grammar::Keepalived
            {
                let message = format!(
                    "{} `{}` stands further down: keepalived does not find it from here and does not track it; here it is tracked",
                    known.block, name.value
                );
                let told = Diagnostic::warning("order", here, message).related(there, "it stands");
                self.report(told.help("put it before what tracks it"));
            }
            match one.weight {
                Some(own) => self.track(&mut tracked, name, weight.over(own)),
                // It was left out, and is not there to be tracked.
                None => _ = self.ignored.insert(name.span),
            }
        }
        tracked
    }

    fn services(&mut self, entries: Vec<Entry>, services: &[At<ServiceKey>]) -> Vec<Tracked> {
        let mut tracked = Vec::new();
        for Entry { name: At { value, span }, weight } in entries {
            let Some(key) = service_key(&value) else {
                let message = format!("`{value}` names no virtual server");
                self.report(
                    Diagnostic::error("bad-value", span, message)
                        .help("write 10.0.0.100:80, [fd00::100]:80, 10.0.0.100:53/udp or fwmark:7"),
                );
                continue;
            };
            let found = services.iter().map(|service| service.value);
            let Some(key) = found.into_iter().find(|it| is_same(*it, key)) else {
                let message = format!("there is no virtual_server {key}");
                self.report(
                    Diagnostic::error("unresolved", span, message)
                        .help("an instance can follow the virtual servers of this file only"),
                );
                continue;
            };
            let name = At { value: key.to_string(), span };
            self.track(&mut tracked, name, weight.finish());
        }
        tracked
    }

    fn track(&mut self, tracked: &mut Vec<Tracked>, name: At<String>, weight: TrackWeight) {
        if tracked.iter().any(|one| one.name == name.value) {
            let message = format!("`{}` is tracked here already", name.value);
            self.passed_over(Diagnostic::warning("twice", name.span, message));
        } else {
            tracked.push(Tracked { name: name.value, weight });
        }
    }
}

/// `10.0.0.100:80`, `[fd00::100]:53/udp`, `fwmark:7`: a virtual server in one word.
fn service_key(text: &str) -> Option<ServiceKey> {
    if let Some(mark) = text.strip_prefix("fwmark:") {
        let mark = mark.parse().ok()?;
        return Some(ServiceKey::Fwmark { mark, family: ipvs::Family::V4 });
    }
    let (address, protocol) = match text.split_once('/') {
        None => (text, Protocol::Tcp),
        Some((address, "tcp")) => (address, Protocol::Tcp),
        Some((address, "udp")) => (address, Protocol::Udp),
        Some((address, "sctp")) => (address, Protocol::Sctp),
        Some(_) => return None,
    };
    let address: SocketAddr = address.parse().ok()?;
    Some(ServiceKey::Address { protocol, addr: address.ip(), port: address.port() })
}

impl Entry {
    /// Whether it is what became of this name.
    fn is_for(&self, name: &str) -> bool {
        let service = || {
            let (ours, wanted) = (name.parse::<ServiceKey>().ok()?, service_key(&self.name.value)?);
            Some(is_same(ours, wanted))
        };
        self.name.value == name || service() == Some(true)
    }
}

/// A mark is one word for both families.
fn is_same(ours: ServiceKey, wanted: ServiceKey) -> bool {
    match (ours, wanted) {
        (ServiceKey::Fwmark { mark: ours, .. }, ServiceKey::Fwmark { mark, .. }) => ours == mark,
        (ours, wanted) => ours == wanted,
    }
}
