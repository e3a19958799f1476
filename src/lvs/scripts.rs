//! Notify scripts of real servers, each kept once: the same command mostly stands at every one of them, and takes more room than
//! all else that is known of a real server.

use std::collections::HashSet;
use std::sync::Arc;

use crate::config::model::Script;

/// Those that real servers have.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    known: HashSet<Arc<Script>>,
}

impl Scripts {
    /// Makes this one the copy that others have, where there is one.
    pub(super) fn share(&mut self, script: &mut Arc<Script>) {
        match self.known.get(&**script) {
            Some(known) => *script = Arc::clone(known),
            None => drop(self.known.insert(Arc::clone(script))),
        }
    }

    /// Forgets those that nobody has any more.
    pub(super) fn pack(&mut self) {
        self.known.retain(|script| Arc::strong_count(script) > 1);
        self.known.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Command;

    #[test]
    fn equal_ones_are_one_and_what_nobody_has_is_forgotten() {
        let script = |word: &str| {
            let command = Command::Words(vec!["/usr/bin/told".to_owned(), word.to_owned()]);
            Arc::new(Script { command, user: None })
        };
        let mut scripts = Scripts::default();
        let mut all = [script("up"), script("up"), script("down")];
        all.iter_mut().for_each(|one| scripts.share(one));
        assert!(Arc::ptr_eq(&all[0], &all[1]));
        assert_eq!(all, [script("up"), script("up"), script("down")]);
        drop(all);
        scripts.pack();
        assert!(scripts.known.is_empty());
    }
}
