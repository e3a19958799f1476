//! `vrrp_sync_group NAME`.

use std::collections::HashMap;

use super::complete::Finished;
use super::notify::Notifies;
use super::track::{Trackers, Tracks};
use super::tracked::Objects;
use super::{At, Decoder, Keyword, Keywords, acts, many};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{Notify, SyncGroup};
use crate::config::source::Span;
use crate::config::suggest;
use crate::config::tree::Directive;

/// The block as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    name: String,
    keyword: Option<Span>,
    members: Vec<At<String>>,
    trackers: Trackers,
    notify: Notify,
    smtp_alert: Option<bool>,
    tracking_weight: bool,
}

impl Keywords for Draft {
    const BLOCK: &'static str = "vrrp_sync_group";
    const TABLES: &'static [&'static [Keyword<Self>]] = &[GROUP, Self::TRACKERS, Self::NOTIFIES];
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

const GROUP: &[Keyword<Draft>] = &[
    many("group", "{ INSTANCE ... }", |decoder, directive, draft| {
        let members = decoder.list(directive);
        let members = members.iter();
        draft
            .members
            .extend(members.map(|word| At { value: word.text.to_string(), span: word.span }));
    }),
    acts("smtp_alert", "[BOOL]", |decoder, directive, draft| {
        draft.smtp_alert = decoder.switch(directive);
    }),
    acts("sync_group_tracking_weight", "", |decoder, directive, draft| {
        draft.tracking_weight = decoder.flag(directive);
    }),
    many("global_tracking", "", |decoder, directive, draft| {
        decoder.old_name(directive, "sync_group_tracking_weight");
        draft.tracking_weight = decoder.flag(directive);
    }),
    acts("notify_priority_changes", "[BOOL]", |decoder, directive, draft| {
        draft.notify.priority_changes = decoder.switch(directive).unwrap_or_default();
    }),
];

impl Draft {
    /// Its name and where it stands.
    pub(super) fn name_and_place(&self) -> Option<(&str, Span)> {
        self.keyword.map(|keyword| (self.name.as_str(), keyword))
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
        objects: &mut Objects<'_>,
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
                        Diagnostic::warning("twice", *span, message)
                            .related(*first, "the first")
                            .help(
                                "an instance is in one group: merge the two, or take it out of one",
                            ),
                    );
                    continue;
                }
                owner.insert(at, *span);
                if !draft.tracking_weight {
                    instances[at].in_group = true;
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
                    let help = "add the instance that is to move with it, or take the group out";
                    self.report(Diagnostic::warning("empty", keyword, message).help(help));
                }
                _ => {}
            }
            let resolved = self.resolve(draft.trackers, objects);
            groups.push(SyncGroup {
                name: draft.name,
                members,
                track_interfaces: resolved.interfaces,
                track_scripts: resolved.scripts,
                track_files: resolved.files,
                track_processes: resolved.processes,
                track_virtual_servers: resolved.virtual_servers,
                track_bfd: resolved.bfd,
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
}
