//! `lvs_sync_daemon`, and `lvs_sync_daemon_interface` of an instance, its older form.

use super::Draft;
use crate::config::decode::options::{OptionWord, alone, value};
use crate::config::decode::{At, Decoder, instance};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{Global, SyncDaemon};
use crate::config::source::Span;
use crate::config::tree::Directive;

/// `lvs_sync_daemon` while its options are read.
struct SyncDraft {
    daemon: SyncDaemon,
    instance: Option<(String, Span)>,
}

const SYNC: &[OptionWord<SyncDraft>] = &[
    value("inst", |_, word, draft| draft.instance = Some((word.text.to_string(), word.span))),
    value("id", |decoder, word, draft| draft.daemon.id = decoder.number_in(word, 0..=255)),
    value("maxlen", |decoder, word, draft| {
        draft.daemon.max_len = decoder.number_in(word, 1..=65_507);
    }),
    value("port", |decoder, word, draft| {
        draft.daemon.port = decoder.number_in(word, 1..=u16::MAX);
    }),
    value("ttl", |decoder, word, draft| draft.daemon.ttl = decoder.number_in(word, 1..=255)),
    value("group", |decoder, word, draft| {
        draft.daemon.group = decoder.address(word);
        if draft.daemon.group.is_some_and(|group| !group.is_multicast()) {
            decoder.bad(word, "a multicast address");
        }
    }),
    // Accepted and skipped by keepalived at this place.
    alone("master", |_| ()),
];

pub(super) fn sync_daemon(decoder: &mut Decoder<'_>, directive: &Directive, draft: &mut Draft) {
    let Some((interface, options)) = directive.arguments.split_first() else {
        return decoder.missing(directive.name.span);
    };
    let Some(interface) = decoder.interface(interface) else { return };
    let mut sync = SyncDraft { daemon: plain(interface), instance: None };
    // The second word names the instance unless it is an option.
    let named = options.first().filter(|word| !SYNC.iter().any(|option| word.is(option.name)));
    let options = match named {
        Some(word) => {
            sync.instance = Some((word.text.to_string(), word.span));
            &options[1..]
        }
        None => options,
    };
    decoder.options(options, &directive.properties, SYNC, &mut sync);
    draft.sync_instance.clone_from(&sync.instance);
    let instance = sync.instance.map(|(name, _)| name);
    draft.global.lvs_sync_daemon = Some(SyncDaemon { instance, ..sync.daemon });
}

/// On an interface, with what the kernel takes for the rest.
fn plain(interface: vrrp::IfName) -> SyncDaemon {
    SyncDaemon {
        interface,
        instance: None,
        id: None,
        max_len: None,
        port: None,
        ttl: None,
        group: None,
    }
}

impl Decoder<'_> {
    /// The first `lvs_sync_daemon_interface` of an instance stands for `lvs_sync_daemon INTERFACE INSTANCE`, where that
    /// is not given; there is one daemon.
    pub(in crate::config::decode) fn sync_by_instance(
        &mut self,
        global: &mut Global,
        instances: &[instance::Draft],
    ) {
        let mut first = None;
        for draft in instances {
            let Some(At { value: interface, span }) = draft.sync_interface else { continue };
            if self.host.lacks_interface(interface.as_str()).is_some() {
                let message = format!("this host has no interface `{interface}`: no sync daemon");
                self.passed_over(Diagnostic::warning("no-interface", span, message));
            } else if global.lvs_sync_daemon.is_some() {
                let message = "there is one sync daemon, and this is not the first: left out";
                let told = Diagnostic::warning("twice", span, message);
                self.passed_over(match first {
                    Some(first) => told.related(first, "the first"),
                    None => told.help("`lvs_sync_daemon` in global_defs counts"),
                });
            } else {
                let message = format!(
                    "`lvs_sync_daemon_interface` is an old form of `lvs_sync_daemon {interface} {}`",
                    draft.name
                );
                self.report(
                    Diagnostic::warning("old-name", span, message)
                        .help("write that into global_defs"),
                );
                let instance = Some(draft.name.clone());
                global.lvs_sync_daemon = Some(SyncDaemon { instance, ..plain(interface) });
                first = Some(span);
            }
        }
    }
}
