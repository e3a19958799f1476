//! Notify scripts of instances and sync groups: the same words in both.

use super::{Keyword, acts};
use crate::config::model::Notify;

/// A block with notify scripts.
pub(super) trait Notifies: Sized + 'static {
    /// What it has of them.
    fn notify(&mut self) -> &mut Notify;

    /// Its keywords for them.
    const NOTIFIES: &'static [Keyword<Self>] = &[
        acts("notify_master", SCRIPT, |decoder, directive, draft: &mut Self| {
            draft.notify().master = decoder.script(directive);
        }),
        acts("notify_backup", SCRIPT, |decoder, directive, draft: &mut Self| {
            draft.notify().backup = decoder.script(directive);
        }),
        acts("notify_fault", SCRIPT, |decoder, directive, draft: &mut Self| {
            draft.notify().fault = decoder.script(directive);
        }),
        acts("notify_stop", SCRIPT, |decoder, directive, draft: &mut Self| {
            draft.notify().stop = decoder.script(directive);
        }),
        acts("notify", SCRIPT, |decoder, directive, draft: &mut Self| {
            draft.notify().any = decoder.script(directive);
        }),
    ];
}

const SCRIPT: &str = "COMMAND [USER [GROUP]]";
