//! Routers on our networks that are not ours, told of once each (`log_unknown_vrids`).

use super::CoreLoop;
use crate::router::channel::Report;

/// Strangers that are told of: a network of more is told of its first.
const STRANGERS: usize = 256;

impl CoreLoop {
    /// Those that were heard just now.
    pub(super) fn tell_strangers(&mut self) {
        for (router, source) in std::mem::take(&mut self.strangers) {
            if self.known_strangers.len() < STRANGERS
                && self.known_strangers.insert((router, source))
            {
                let text =
                    format!("{source} advertises virtual router {router}, which is not ours");
                self.end.report(Report::Trouble(text));
            }
        }
    }
}
