//! The outermost level: which blocks there are, and what holds between them.

use std::collections::HashMap;

use ipvs::ServiceKey;
use vrrp::{Family, IfName, Vrid};

use super::complete::Finished;
use super::group::Group;
use super::script::Named;
use super::tracked::{Object, Objects};
use super::{
    At, Decoder, Keyword, Keywords, acts, addresses, global, instance, many, no_effect, not_yet,
    route, rule, sync_group, track_group,
};
use crate::config::diagnostic::Diagnostic;
use crate::config::landmarks::Subject;
use crate::config::model::{Config, GarpGroup, InterfaceDelay, TrackFile, TrackProcess};
use crate::config::packed::Packed;
use crate::config::source::Span;
use crate::config::suggest;
use crate::config::tree::{Directive, Form};

/// A name that becomes part of a path is not longer: sockets live below it (108 bytes, unix(7)).
const FOLDER_NAME_MAX: usize = 64;

/// The file as far as it was read.
#[derive(Default)]
pub(super) struct Draft {
    global: global::Draft,
    scripts: Vec<Named>,
    files: Vec<Object<TrackFile>>,
    interface_delays: Vec<InterfaceDelay>,
    static_addresses: Vec<addresses::Draft>,
    track_groups: Vec<track_group::Draft>,
    garp_groups: Vec<GarpGroup>,
    static_routes: Vec<route::Draft>,
    static_rules: Vec<rule::Draft>,
    processes: Vec<Object<TrackProcess>>,
    bfd_instances: Vec<super::bfd::Named>,
    heartbeat: Option<crate::router::heartbeat::HeartbeatSpec>,
    instances: Vec<instance::Draft>,
    sync_groups: Vec<sync_group::Draft>,
    groups: Vec<Group>,
    virtual_servers: Vec<At<ServiceKey>>,
}

const NO_NAMESPACE: &str = "the table stands where everything else runs: see `net_namespace`";

impl Keywords for Draft {
    const BLOCK: &'static str = "";
    const TABLES: &'static [&'static [Keyword<Self>]] = &[&[
        many("global_defs", "{ ... }", |decoder, directive, draft| {
            decoder.surplus(directive, 0);
            decoder.block(directive, &mut draft.global);
        }),
        many("vrrp_script", "NAME { ... }", |decoder, directive, draft| {
            let script = decoder.vrrp_script(directive);
            draft.scripts.extend(script);
        }),
        many("vrrp_instance", "NAME { ... }", |decoder, directive, draft| {
            let instance = decoder.vrrp_instance(directive);
            draft.instances.extend(instance);
        }),
        many("vrrp_sync_group", "NAME { ... }", |decoder, directive, draft| {
            let group = decoder.vrrp_sync_group(directive);
            draft.sync_groups.extend(group);
        }),
        many(
            "virtual_server",
            "ADDRESS [PORT] | fwmark MARK | group NAME { ... }",
            |decoder, directive, draft| {
                let servers = decoder.virtual_server(directive, &mut draft.groups);
                draft.virtual_servers.extend(servers);
                decoder.specs.clear();
            },
        ),
        acts("web", "{ ... }", |decoder, directive, draft| {
            let web = decoder.web(directive);
            draft.global.set_web(web);
        }),
        acts("log", "{ ... }", |decoder, directive, draft| {
            let format = decoder.log(directive);
            draft.global.set_log_format(format);
        }),
        acts("net_namespace", "NAME", |decoder, directive, draft| {
            let name = decoder.folder_name(directive);
            decoder.go_into(directive, name.as_deref());
            draft.global.global_mut().daemon.net_namespace = name;
        }),
        not_yet("net_namespace_ipvs", "[NAME]", NO_NAMESPACE),
        no_effect("namespace_with_ipsets", "", "no sets of addresses are made, in no namespace"),
        no_effect("use_pid_dir", "", "the pid file is in the runtime directory"),
        acts("instance", "NAME", |decoder, directive, draft| {
            draft.global.global_mut().daemon.instance = decoder.folder_name(directive);
        }),
        many("child_wait_time", "SECONDS", |decoder, directive, draft| {
            let longest = std::time::Duration::from_secs(3600);
            let time = decoder.time(directive, std::time::Duration::ZERO..=longest);
            draft.global.set_child_wait_time(time);
        }),
        no_effect("linkbeat_use_polling", "", "the kernel tells of links by itself"),
        no_effect(
            "linkbeat_interfaces",
            "{ INTERFACE ... }",
            "the kernel tells of links by itself",
        ),
        many(
            "interface_up_down_delays",
            "{ INTERFACE DOWN [UP] ... }",
            |decoder, directive, draft| {
                draft.interface_delays.extend(decoder.interface_delays(directive));
            },
        ),
        many(
            "static_ipaddress",
            "{ ADDRESS[/PREFIX] [dev INTERFACE] ... }",
            |decoder, directive, draft| {
                draft.static_addresses.extend(decoder.virtual_addresses(directive));
            },
        ),
        many("static_routes", "{ ROUTE ... }", |decoder, directive, draft| {
            draft.static_routes.extend(decoder.route_lines(directive));
        }),
        many("static_rules", "{ RULE ... }", |decoder, directive, draft| {
            draft.static_rules.extend(decoder.rule_lines(directive));
        }),
        many("track_group", "NAME { group { INSTANCE ... } }", |decoder, directive, draft| {
            let group = decoder.track_group(directive);
            draft.track_groups.extend(group);
        }),
        not_yet("SSL", "{ ... }", "SSL_GET presents no certificate"),
        many("vrrp_track_process", "NAME { ... }", |decoder, directive, draft| {
            let process = decoder.vrrp_track_process(directive);
            draft.processes.extend(process);
        }),
        many("track_file", "NAME { ... }", |decoder, directive, draft| {
            let file = decoder.track_file(directive);
            draft.files.extend(file);
        }),
        many("vrrp_track_file", "NAME { ... }", |decoder, directive, draft| {
            decoder.old_name(directive, "track_file");
            let file = decoder.track_file(directive);
            draft.files.extend(file);
        }),
        many("garp_group", "{ ... }", |decoder, directive, draft| {
            let group = decoder.garp_group(directive);
            draft.garp_groups.extend(group);
        }),
        acts("heartbeat", "{ ... }", |decoder, directive, draft| {
            draft.heartbeat = decoder.heartbeat(directive);
        }),
        many("bfd_instance", "NAME { ... }", |decoder, directive, draft| {
            let session = decoder.bfd_instance(directive);
            draft.bfd_instances.extend(session);
        }),
        many(
            "virtual_server_group",
            "NAME { ADDRESS | FIRST-LAST | PREFIX [PORT] ... }",
            |decoder, directive, draft| {
                let group = decoder.virtual_server_group(directive);
                draft.groups.extend(group);
            },
        ),
    ]];
}

/// Decodes a whole file. `net_namespace` comes first wherever it stands, since interfaces are looked for there, then
/// `global_defs`, then groups and files: the rest builds on them.
pub(super) fn decode(decoder: &mut Decoder<'_>, mut tree: Packed) -> Config {
    let is_namespace = |name: &str| name == "net_namespace";
    let is_global = |name: &str| name == "global_defs";
    let is_early =
        |name: &str| matches!(name, "virtual_server_group" | "track_file" | "vrrp_track_file");
    let mut draft = Draft::default();
    decoder.directives(tree.take(is_namespace), &mut draft);
    decoder.directives(tree.take(is_global), &mut draft);
    decoder.log_failures = draft.global.global().checker_log_all_failures;
    decoder.dynamic_interfaces = draft.global.global().dynamic_interfaces;
    decoder.script_security = draft.global.global().enable_script_security;
    decoder.settle_script_user(&mut draft.global);
    decoder.directives(tree.take(is_early), &mut draft);
    decoder.directives(tree.take(|_| true), &mut draft);
    decoder.finish(draft)
}

impl Decoder<'_> {
    /// keepalived runs scripts as the account `keepalived_script` where there is one and nothing else is said.
    fn settle_script_user(&mut self, draft: &mut global::Draft) {
        const ACCOUNT: &str = "keepalived_script";
        let said = draft.global().script_user.clone();
        let found = || {
            let (uid, gid) = self.host.counts().then(|| self.host.user(ACCOUNT)).flatten()?;
            Some(crate::config::model::ScriptUser {
                name: ACCOUNT.to_owned(),
                group: None,
                uid,
                gid,
            })
        };
        self.script_user = said.or_else(found);
        draft.set_script_user(self.script_user.clone());
    }

    fn finish(&mut self, draft: Draft) -> Config {
        let Draft {
            global,
            scripts,
            files,
            interface_delays,
            static_addresses,
            track_groups,
            garp_groups,
            static_routes,
            static_rules,
            processes,
            bfd_instances,
            heartbeat,
            instances,
            sync_groups,
            groups,
            virtual_servers,
        } = draft;
        self.groups_are_used(&groups);
        let (mut global, sync_instance) = global.finish();
        self.sync_by_instance(&mut global, &instances);
        self.unique(
            scripts.iter().map(|one| (one.name.value.as_str(), one.keyword)),
            "vrrp_script",
        );
        self.unique(processes.iter().map(Object::name_and_place), "vrrp_track_process");
        self.bfd_instances_fit(&bfd_instances);
        let named = instances.iter().filter_map(|one| Some((one.name.as_str(), one.keyword?)));
        self.unique(named, "vrrp_instance");
        self.unique(sync_groups.iter().filter_map(|one| one.name_and_place()), "vrrp_sync_group");
        let finished =
            instances.into_iter().filter_map(|draft| self.finish_instance(draft, &global));
        let mut finished: Vec<Finished> = finished.collect();
        self.one_router_each(&finished);
        let mut objects =
            Objects::new(&scripts, &files, &processes, &bfd_instances, &virtual_servers);
        let sync_groups = self.finish_groups(sync_groups, &mut finished, &mut objects);
        for instance in &mut finished {
            self.finish_trackers(instance, &mut objects);
        }
        self.all_are_tracked(objects.unused());
        if let Some((name, span)) = sync_instance
            && !finished.iter().any(|one| one.instance.name == name)
        {
            let message = format!("there is no vrrp_instance `{name}`");
            let known = finished.iter().map(|one| one.instance.name.as_str());
            let help = match suggest::nearest(&name, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "name the vrrp_instance whose MASTER sends the connections".to_owned(),
            };
            self.report(Diagnostic::error("unresolved", span, message).help(help));
        }
        self.one_service_each(&virtual_servers);
        self.closed_services(&finished, &virtual_servers);
        let default_interface = global.default_interface.or_else(|| "eth0".parse().ok());
        self.tie_groups(&track_groups, &static_addresses, default_interface, &mut finished);
        let static_addresses = self.finish_static(static_addresses, default_interface);
        let static_routes = static_routes.into_iter();
        let static_routes = static_routes
            .filter_map(|it| self.finish_route(it, Family::V4, default_interface))
            .collect();
        let static_rules = static_rules.into_iter();
        let static_rules = static_rules.filter_map(|it| self.finish_rule(it, Family::V4)).collect();
        let config = Config {
            static_addresses,
            garp_groups,
            static_routes,
            static_rules,
            global,
            scripts: scripts.into_iter().filter_map(|one| one.script).collect(),
            interface_delays,
            track_files: files.into_iter().filter_map(|one| one.object).collect(),
            track_processes: processes.into_iter().filter_map(|one| one.object).collect(),
            heartbeat,
            bfd_instances: bfd_instances.into_iter().filter_map(|one| one.instance).collect(),
            instances: finished.into_iter().map(|one| one.instance).collect(),
            sync_groups,
            virtual_servers: Vec::new(),
        };
        if config.instances.is_empty()
            && virtual_servers.is_empty()
            && config.bfd_instances.is_empty()
            && config.has_nothing_standing()
            && !self.diagnostics.has_errors()
        {
            let message = "neither a vrrp_instance nor a virtual_server: there is nothing to do";
            self.report(Diagnostic {
                severity: super::Severity::Warning,
                ..Diagnostic::of_file("empty", message)
            });
        }
        config
    }

    fn groups_are_used(&mut self, groups: &[Group]) {
        let named = groups.iter().map(|group| (group.name.value.as_str(), group.name.span));
        self.unique(named, "virtual_server_group");
        for (at, At { value, span }) in groups.iter().map(|one| &one.name).enumerate() {
            // A second one of its name was told as such.
            let again = groups[..at].iter().any(|one| one.name.value == *value);
            if groups[at].used || again {
                continue;
            }
            let message = format!("no virtual_server has the group `{value}`");
            self.report(
                Diagnostic::warning("unused", *span, message)
                    .help(format!("write: virtual_server group {value} {{ ... }}")),
            );
        }
    }

    pub(super) fn unique<'n>(&mut self, named: impl Iterator<Item = (&'n str, Span)>, block: &str) {
        let mut seen: HashMap<&str, Span> = HashMap::new();
        for (name, span) in named {
            if let Some(first) = seen.get(name) {
                let message = format!("a second {block} `{name}`");
                self.report(
                    Diagnostic::error("twice", span, message)
                        .related(*first, "the first")
                        .help("give it a name of its own"),
                );
            } else {
                seen.insert(name, span);
            }
        }
    }

    /// A virtual router id names one router of a family on an interface (RFC 9568 section 5.2.3).
    fn one_router_each(&mut self, instances: &[Finished]) {
        let mut seen: HashMap<(Vrid, Family, IfName), &Finished> = HashMap::new();
        for finished in instances {
            let instance = &finished.instance;
            let key = (instance.vrid, instance.family, instance.interface);
            self.one_virtual_link_each(instances, finished);
            let Some(first) = seen.insert(key, finished) else { continue };
            let message = format!(
                "`{}` and `{}` are both {} router {} on {}",
                first.instance.name,
                instance.name,
                instance.family,
                instance.vrid,
                instance.interface
            );
            self.report(
                Diagnostic::error("twice", finished.vrid, message)
                    .related(first.vrid, "the first")
                    .help("give one of them another virtual_router_id, here and on its peers"),
            );
        }
    }

    /// The kernel knows a service by address, port and protocol, or by its mark.
    fn one_service_each(&mut self, servers: &[At<ServiceKey>]) {
        let mut seen: HashMap<ServiceKey, Span> = HashMap::with_capacity(servers.len());
        for At { value: key, span } in servers {
            self.diagnostics.landmarks_mut().mark(Subject::Service(*key), *span);
            let Some(first) = seen.insert(*key, *span) else { continue };
            let message = format!("a second virtual_server {key}");
            self.report(
                Diagnostic::error("twice", *span, message)
                    .related(first, "the first")
                    .help("put all its real servers into one"),
            );
        }
    }
}

impl Decoder<'_> {
    /// A name that becomes one of a folder: in the runtime directory, of a namespace.
    fn folder_name(&mut self, directive: &Directive) -> Option<String> {
        let word = self.word(directive)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | ':');
        let is_name = word.text.len() <= FOLDER_NAME_MAX
            && word.text.chars().all(fits)
            && word.text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !is_name {
            self.bad(word, "a name of at most 64 letters, digits, `-`, `_`, `.`");
            return None;
        }
        Some(word.text.to_string())
    }

    /// Interfaces are those of `net_namespace`.
    fn go_into(&mut self, directive: &Directive, name: Option<&str>) {
        let Some(name) = name else { return };
        if !self.host.look_into(name) {
            let message = format!("this host has no network namespace `{name}`");
            let help = format!("make it first: ip netns add {name}");
            self.report(Diagnostic::error("no-namespace", directive.head(), message).help(help));
        }
    }

    /// `INTERFACE DOWN [UP]` a line. Without UP it counts as up at once, as in keepalived, whatever its manual says.
    fn interface_delays(&mut self, directive: &Directive) -> Vec<InterfaceDelay> {
        let mut delays = Vec::new();
        for line in directive.children() {
            if line.name.form == Form::Other {
                continue;
            }
            let Some(interface) = self.interface(&line.name) else { continue };
            self.surplus(line, 2);
            let Some(down) = line.arguments.first() else {
                self.missing(line.name.span);
                continue;
            };
            let range = std::time::Duration::ZERO..=std::time::Duration::from_secs(255);
            let up = line.arguments.get(1);
            let up =
                up.map_or(Some(std::time::Duration::ZERO), |up| self.time_in(up, range.clone()));
            if let (Some(down), Some(up)) = (self.time_in(down, range.clone()), up) {
                delays.push(InterfaceDelay { interface, down, up });
            }
        }
        if directive.children().is_empty() {
            self.empty(directive);
        }
        delays
    }
}
