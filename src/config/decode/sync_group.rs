//! `vrrp_sync_group NAME`, and the trackers of instances and groups: what needs the names of the whole file.

use std::collections::HashMap;

use super::complete::Finished;
use super::global::NO_MAIL;
use super::script::Named;
use super::track::Entry;
use super::{At, Decoder, Keyword, Keywords, acts, kept, many, not_yet};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{Notify, SyncGroup, TrackWeight, Tracked};
use crate::config::source::Span;
use crate::config::suggest;
use crate::config::tree::Directive;

/// The block as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    name: String,
    keyword: Option<Span>,
    members: Vec<At<String>>,
    track_interfaces: Vec<Entry>,
    track_scripts: Vec<Entry>,
    notify: Notify,
    smtp_alert: Option<bool>,
    tracking_weight: bool,
}

impl Keywords for Draft {
    const BLOCK: &'static str = "vrrp_sync_group";
    const TABLES: &'static [&'static [Keyword<Self>]] = &[&[
        many("group", "{ INSTANCE ... }", |decoder, directive, draft| {
            let members = decoder.list(directive);
            let members = members.iter();
            draft
                .members
                .extend(members.map(|word| At { value: word.text.to_string(), span: word.span }));
        }),
        many(
            "track_interface",
            "{ INTERFACE [weight N [reverse]] ... }",
            |decoder, directive, draft| {
                draft.track_interfaces.extend(decoder.tracked(directive));
            },
        ),
        many("track_script", "{ NAME [weight N [reverse]] ... }", |decoder, directive, draft| {
            draft.track_scripts.extend(decoder.tracked(directive));
        }),
        acts("notify_master", "COMMAND [USER [GROUP]]", |decoder, directive, draft| {
            draft.notify.master = decoder.script(directive);
        }),
        acts("notify_backup", "COMMAND [USER [GROUP]]", |decoder, directive, draft| {
            draft.notify.backup = decoder.script(directive);
        }),
        acts("notify_fault", "COMMAND [USER [GROUP]]", |decoder, directive, draft| {
            draft.notify.fault = decoder.script(directive);
        }),
        acts("notify_stop", "COMMAND [USER [GROUP]]", |decoder, directive, draft| {
            draft.notify.stop = decoder.script(directive);
        }),
        acts("notify", "COMMAND [USER [GROUP]]", |decoder, directive, draft| {
            draft.notify.any = decoder.script(directive);
        }),
        kept("smtp_alert", "[BOOL]", NO_MAIL, |decoder, directive, draft| {
            draft.smtp_alert = decoder.switch(directive);
        }),
        acts("sync_group_tracking_weight", "", |decoder, directive, draft| {
            draft.tracking_weight = decoder.flag(directive);
        }),
        many("global_tracking", "", |decoder, directive, draft| {
            decoder.old_name(directive, "sync_group_tracking_weight");
            draft.tracking_weight = decoder.flag(directive);
        }),
        not_yet("notify_priority_changes", "[BOOL]", "a change of priority is logged only"),
        not_yet("track_file", "{ NAME [weight N [reverse]] ... }", "the files are not watched"),
        not_yet(
            "track_process",
            "{ NAME [weight N [reverse]] ... }",
            "the processes are not counted",
        ),
        not_yet("track_bfd", "{ NAME [weight N [reverse]] ... }", "there is no BFD"),
    ]];
}

impl Draft {
    /// Its name and where it stands.
    pub(super) fn name_and_place(&self) -> Option<(&str, Span)> {
        self.keyword.map(|keyword| (self.name.as_str(), keyword))
    }
}

/// The scripts that may be tracked, by name.
pub(super) struct Scripts<'a> {
    named: &'a [Named],
    by_name: HashMap<&'a str, usize>,
    used: Vec<bool>,
}

impl<'a> Scripts<'a> {
    pub(super) fn new(named: &'a [Named]) -> Self {
        let by_name =
            named.iter().enumerate().map(|(at, one)| (one.name.value.as_str(), at)).collect();
        Self { named, by_name, used: vec![false; named.len()] }
    }

    /// Those that nothing tracks.
    pub(super) fn unused(&self) -> impl Iterator<Item = &Named> {
        self.named.iter().zip(&self.used).filter(|(_, used)| !**used).map(|(named, _)| named)
    }
}

impl Decoder<'_> {
    /// Reads one `vrrp_sync_group`.
    pub(super) fn vrrp_sync_group(&mut self, directive: &Directive) -> Option<Draft> {
        let name = self.name(directive);
        let mut draft = Draft { keyword: Some(directive.head()), ..Draft::default() };
        self.block(directive, &mut draft);
        draft.name = name?.value;
        Some(draft)
    }

    /// Resolves the members and their trackers.
    pub(super) fn finish_groups(
        &mut self,
        drafts: Vec<Draft>,
        instances: &mut [Finished],
        scripts: &mut Scripts<'_>,
    ) -> Vec<SyncGroup> {
        let by_name: HashMap<String, usize> =
            instances.iter().enumerate().map(|(at, one)| (one.instance.name.clone(), at)).collect();
        let mut owner: HashMap<usize, Span> = HashMap::new();
        let mut groups = Vec::new();
        for draft in drafts {
            let Some(keyword) = draft.keyword else { continue };
            let mut members = Vec::new();
            for At { value, span } in &draft.members {
                let Some(&at) = by_name.get(value) else {
                    self.no_instance(value, *span, by_name.keys().map(String::as_str));
                    continue;
                };
                if let Some(first) = owner.get(&at) {
                    let message =
                        format!("`{value}` is in a sync group already and is left out here");
                    self.passed_over(
                        Diagnostic::warning("twice", *span, message).related(*first, "the first"),
                    );
                    continue;
                }
                owner.insert(at, *span);
                if !draft.tracking_weight {
                    self.unweight(&mut instances[at]);
                }
                members.push(value.clone());
            }
            match members.len() {
                0 => {
                    let message =
                        format!("vrrp_sync_group `{}` has no member and is left out", draft.name);
                    self.report(
                        Diagnostic::warning("empty", keyword, message)
                            .help("add: group { VI_1 VI_2 }"),
                    );
                    continue;
                }
                1 => {
                    let message = format!(
                        "vrrp_sync_group `{}` has one member: nothing to keep in step",
                        draft.name
                    );
                    self.report(Diagnostic::warning("empty", keyword, message));
                }
                _ => {}
            }
            groups.push(SyncGroup {
                name: draft.name,
                members,
                track_interfaces: self.interfaces(draft.track_interfaces),
                track_scripts: self.scripts(draft.track_scripts, scripts),
                notify: draft.notify,
                smtp_alert: draft.smtp_alert,
            });
        }
        groups
    }

    fn no_instance<'n>(&mut self, name: &str, span: Span, known: impl Iterator<Item = &'n str>) {
        let message = format!("there is no vrrp_instance `{name}`; it is left out");
        let mut diagnostic = Diagnostic::warning("unresolved", span, message);
        diagnostic.help =
            suggest::nearest(name, known).map(|near| format!("did you mean `{near}`?"));
        self.passed_over(diagnostic);
    }

    /// Members of a group have one priority to go by: keepalived makes a weighted interface a plain one, and drops a
    /// weighted script.
    fn unweight(&mut self, member: &mut Finished) {
        for entry in &mut member.track_interfaces {
            if entry.weight.is_given() && entry.weight.finish().weight != 0 {
                let message = "a member of a sync group tracks without weight: the interface's loss is a fault";
                self.report(
                    Diagnostic::warning("adjusted", entry.name.span, message)
                        .help("track it in the group, or say sync_group_tracking_weight there"),
                );
                entry.weight = Default::default();
            }
        }
        member.in_group = true;
    }

    /// Resolves the trackers of an instance.
    pub(super) fn finish_trackers(&mut self, finished: &mut Finished, scripts: &mut Scripts<'_>) {
        let owner = finished.instance.priority.is_owner();
        let mut interfaces = std::mem::take(&mut finished.track_interfaces);
        if owner {
            interfaces.retain(|entry| !self.owner_weight(entry, entry.weight.finish()));
        }
        finished.instance.track_interfaces = self.interfaces(interfaces);
        let entries = std::mem::take(&mut finished.track_scripts);
        let spans: Vec<Entry> = entries.clone();
        let mut tracked = self.scripts(entries, scripts);
        tracked.retain(|one| {
            let Some(entry) = spans.iter().find(|entry| entry.name.value == one.name) else {
                return true;
            };
            if one.weight.weight != 0 && owner {
                return !self.owner_weight(entry, one.weight);
            }
            if one.weight.weight != 0 && finished.in_group {
                let message = format!(
                    "a member of a sync group tracks without weight: `{}` is left out",
                    one.name
                );
                self.report(
                    Diagnostic::warning("adjusted", entry.name.span, message)
                        .help("track it in the group, or say sync_group_tracking_weight there"),
                );
                return false;
            }
            true
        });
        finished.instance.track_scripts = tracked;
        self.weights_count(finished);
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

    fn scripts(&mut self, entries: Vec<Entry>, scripts: &mut Scripts<'_>) -> Vec<Tracked> {
        let mut tracked = Vec::new();
        for Entry { name, weight } in entries {
            let Some(&at) = scripts.by_name.get(name.value.as_str()) else {
                let message =
                    format!("there is no vrrp_script `{}`; it is not tracked", name.value);
                let mut diagnostic = Diagnostic::warning("unresolved", name.span, message);
                let near = suggest::nearest(&name.value, scripts.by_name.keys().copied());
                // The one that was meant is not unused too.
                near.into_iter().for_each(|near| scripts.used[scripts.by_name[near]] = true);
                diagnostic.help = near.map(|near| format!("did you mean `{near}`?"));
                self.passed_over(diagnostic);
                continue;
            };
            scripts.used[at] = true;
            if let Some(script) = &scripts.named[at].script {
                self.track(&mut tracked, name, weight.over(script.weight));
            }
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
