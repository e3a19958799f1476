//! Keywords where they do not count: unknown ones, those of another block, and second ones.

use super::{Decoder, Keyword, Keywords};
use crate::config::diagnostic::Diagnostic;
use crate::config::keywords;
use crate::config::suggest;
use crate::config::tree::Directive;

/// Blocks of the outermost level. Where one stands inside another, a brace is missing, and passing it over as
/// keepalived does would lose a service.
const BLOCKS: [&str; 6] = [
    "global_defs",
    "vrrp_script",
    "vrrp_track_process",
    "vrrp_instance",
    "vrrp_sync_group",
    "virtual_server",
];

/// Calls: keepalived keeps the first, where the last line of anything else counts.
const FIRST_COUNTS: [&str; 9] = [
    "notify",
    "notify_master",
    "notify_backup",
    "notify_fault",
    "notify_stop",
    "notify_up",
    "notify_down",
    "quorum_up",
    "quorum_down",
];

impl Decoder<'_> {
    pub(super) fn unknown<T: Keywords>(&mut self, directive: &Directive) {
        let name = &*directive.name.text;
        let message = match T::BLOCK {
            "" => format!("`{name}` is no keyword"),
            block => format!("`{name}` is no keyword of `{block}`"),
        };
        if directive.block.is_some() && BLOCKS.contains(&name) {
            let diagnostic = Diagnostic::error("misplaced", directive.head(), message);
            let help = format!(
                "it belongs at the outermost level: a `}}` is missing before it, to end `{}`",
                T::BLOCK
            );
            return self.report(diagnostic.help(help));
        }
        let here = T::TABLES.iter().flat_map(|table| table.iter()).map(|known| known.name);
        let help = match keywords::blocks_of(name).as_slice() {
            [] => suggest::lookalike(name).or_else(|| {
                suggest::nearest(name, here).map(|near| format!("did you mean `{near}`?"))
            }),
            blocks => Some(format!("it belongs {}", blocks.join(" or "))),
        };
        let mut diagnostic = Diagnostic::warning("unknown-keyword", directive.head(), message);
        diagnostic.help = help;
        self.passed_over(diagnostic);
    }

    /// A keyword that stood before.
    pub(super) fn again<T>(
        &mut self,
        known: &Keyword<T>,
        directive: &Directive,
        first: &Directive,
        draft: &mut T,
    ) {
        let name = &directive.name.text;
        let the_first = FIRST_COUNTS.contains(&known.name);
        let which = if the_first { "first" } else { "last" };
        let message = format!("`{name}` stands here a second time; the {which} one counts");
        let diagnostic = Diagnostic::warning("twice", directive.head(), message);
        self.report(diagnostic.related(first.name.span, "the first"));
        if the_first {
            self.ignored.insert(directive.head());
            return;
        }
        self.take(known, directive, draft);
        if self.ignored.contains(&directive.head()) {
            // A line that is skipped changes nothing.
            self.take(known, first, draft);
        }
    }
}
