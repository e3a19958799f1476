//! `lvs_sync_daemon`.

use super::Draft;
use crate::config::decode::Decoder;
use crate::config::decode::options::{OptionWord, alone, value};
use crate::config::model::SyncDaemon;
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
    let daemon = SyncDaemon {
        interface,
        instance: None,
        id: None,
        max_len: None,
        port: None,
        ttl: None,
        group: None,
    };
    let mut sync = SyncDraft { daemon, instance: None };
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
