//! `track_group`: instances that a static address is tied to. When the interface of the address goes, they are in FAULT,
//! as if each tracked it.

use super::complete::Finished;
use super::{At, Decoder, Keyword, Keywords, addresses, many};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{TrackWeight, Tracked};
use crate::config::source::Span;
use crate::config::suggest;
use crate::config::tree::Directive;

/// The block as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) keyword: Option<Span>,
    members: Vec<At<String>>,
}

impl Keywords for Draft {
    const BLOCK: &'static str = "track_group";
    const TABLES: &'static [&'static [Keyword<Self>]] =
        &[&[many("group", "{ INSTANCE ... }", |decoder, directive, draft| {
            let members = decoder.list(directive).into_iter();
            draft
                .members
                .extend(members.map(|word| At { value: word.text.to_string(), span: word.span }));
        })]];
}

impl Draft {
    /// Its name and where it stands.
    pub(super) fn name_and_place(&self) -> Option<(&str, Span)> {
        self.keyword.map(|keyword| (self.name.as_str(), keyword))
    }
}

impl Decoder<'_> {
    /// Reads one `track_group`.
    pub(super) fn track_group(&mut self, directive: &Directive) -> Option<Draft> {
        let name = self.name(directive);
        let mut draft = Draft { keyword: Some(directive.head()), ..Draft::default() };
        self.block(directive, &mut draft);
        draft.name = name?.value;
        Some(draft)
    }

    /// Ties the instances of each group to the interfaces of its addresses.
    pub(super) fn tie_groups(
        &mut self,
        groups: &[Draft],
        addresses: &[addresses::Draft],
        default_interface: Option<vrrp::IfName>,
        instances: &mut [Finished],
    ) {
        self.unique(groups.iter().filter_map(Draft::name_and_place), "track_group");
        for group in groups {
            for At { value, span } in &group.members {
                if !instances.iter().any(|it| it.instance.name == *value) {
                    let names = instances.iter().map(|it| it.instance.name.as_str());
                    let near = suggest::nearest(value, names);
                    let mut told = Diagnostic::warning(
                        "unknown-name",
                        *span,
                        format!("no vrrp_instance `{value}`"),
                    );
                    told.help = near.map(|near| format!("did you mean `{near}`?"));
                    self.report(told);
                }
            }
        }
        for address in addresses {
            let Some(At { value, span }) = &address.track_group else { continue };
            let Some(group) = groups.iter().find(|group| group.name == *value) else {
                let message = format!("no track_group `{value}`");
                self.report(Diagnostic::warning("unknown-name", *span, message));
                continue;
            };
            let Some(interface) = address.interface().or(default_interface) else { continue };
            let is_member = |it: &&mut Finished| {
                group.members.iter().any(|member| member.value == it.instance.name)
            };
            for Finished { instance, .. } in instances.iter_mut().filter(is_member) {
                let name = interface.to_string();
                let own = instance.interface == interface;
                if !own && !instance.track_interfaces.iter().any(|tracked| tracked.name == name) {
                    let weight = TrackWeight { weight: 0, reverse: false };
                    instance.track_interfaces.push(Tracked { name, weight });
                }
            }
        }
    }

    /// Of an address that an instance holds, its own interface is what counts.
    pub(super) fn no_track_group(&mut self, addresses: &[addresses::Draft]) {
        for At { span, .. } in addresses.iter().filter_map(|it| it.track_group.as_ref()) {
            let message = "`track_group` is for static addresses: it is left out";
            self.report(Diagnostic::warning("adjusted", *span, message));
        }
    }
}
