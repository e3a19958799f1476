//! `global_defs`: named pipes for events, and what makes a reload.

use std::path::PathBuf;

use super::Draft;
use crate::config::decode::{Decoder, Keyword, acts, many, no_effect};
use crate::config::include::Policy;
use crate::config::model::{Fifo, ReloadFile};
use crate::config::tree::Directive;

const RELOAD: &str = "every reload reads the whole file first, and a bad one changes nothing";
const NO_DUMP: &str = "`evenkeel status --json` gives the state";
pub(super) const FILES: &[Keyword<Draft>] = &[
    acts("notify_fifo", "PATH [USER [GROUP]]", |decoder, directive, draft| {
        decoder.fifo(directive, &mut draft.global.fifo);
    }),
    acts("vrrp_notify_fifo", "PATH [USER [GROUP]]", |decoder, directive, draft| {
        decoder.fifo(directive, &mut draft.global.vrrp_fifo);
    }),
    acts("lvs_notify_fifo", "PATH [USER [GROUP]]", |decoder, directive, draft| {
        decoder.fifo(directive, &mut draft.global.lvs_fifo);
    }),
    acts("notify_fifo_script", "SCRIPT [USER [GROUP]]", |decoder, directive, draft| {
        draft.global.fifo.script = decoder.script(directive);
    }),
    acts("vrrp_notify_fifo_script", "SCRIPT [USER [GROUP]]", |decoder, directive, draft| {
        draft.global.vrrp_fifo.script = decoder.script(directive);
    }),
    acts("lvs_notify_fifo_script", "SCRIPT [USER [GROUP]]", |decoder, directive, draft| {
        draft.global.lvs_fifo.script = decoder.script(directive);
    }),
    acts("fifo_write_vrrp_states_on_reload", "", |decoder, directive, draft| {
        draft.global.fifo_states_on_reload = decoder.flag(directive);
    }),
    acts("auto_reload", "[BOOL]", |decoder, directive, draft| {
        draft.global.daemon.auto_reload = decoder.switch(directive).unwrap_or_default();
    }),
    no_effect("reload_check_config", "[LOGFILE]", RELOAD),
    acts("reload_time_file", "PATH", |decoder, directive, draft| {
        draft.global.daemon.reload_time_file = decoder.path_from_root(directive);
    }),
    acts("reload_repeat", "", |decoder, directive, draft| {
        draft.global.daemon.reload_repeat = decoder.flag(directive);
    }),
    acts("reload_file", "[PATH]", |decoder, directive, draft| {
        draft.global.daemon.reload_file = match directive.arguments.is_empty() {
            true => Some(ReloadFile::Usual),
            false => decoder.path_from_root(directive).map(ReloadFile::Path),
        };
    }),
    // What follows it is read when files are, before this.
    many(
        "include_check",
        "[+|-] [read | match | wildcard_match | brace_match] ...",
        |decoder, directive, _| {
            let words: Vec<&str> = directive.arguments.iter().map(|word| &*word.text).collect();
            let wrong =
                Policy::LAX.changed(&words).err().and_then(|at| directive.arguments.get(at));
            if let Some(word) = wrong {
                decoder.bad(word, Policy::CHOICES);
            }
        },
    ),
    acts("config_save_dir", "DIR", |decoder, directive, draft| {
        draft.global.daemon.save_dir = decoder.path_from_root(directive);
    }),
    no_effect("tmp_config_directory", "DIR", "the configuration lives in sealed memory"),
    no_effect("data_use_instance", "[BOOL]", NO_DUMP),
    no_effect("json_version", "1 | 2", NO_DUMP),
    no_effect("state_dump_file", "PATH", NO_DUMP),
    no_effect("stats_dump_file", "PATH", NO_DUMP),
    no_effect("json_dump_file", "PATH", NO_DUMP),
    no_effect("iproute_usr_dir", "DIR", "names of scopes are built in"),
    no_effect("iproute_etc_dir", "DIR", "names of scopes are built in"),
];

impl Decoder<'_> {
    /// A path that does not depend on where the director was started.
    fn path_from_root(&mut self, directive: &Directive) -> Option<PathBuf> {
        let word = self.word(directive)?;
        if !word.text.starts_with('/') {
            self.bad(word, "a path from the root");
            return None;
        }
        Some(word.text.to_string().into())
    }

    /// `PATH [USER [GROUP]]` of a FIFO.
    fn fifo(&mut self, directive: &Directive, fifo: &mut Fifo) {
        self.surplus(directive, 3);
        let Some((path, owner)) = directive.arguments.split_first() else {
            return self.missing(directive.name.span);
        };
        if !path.text.starts_with('/') {
            return self.bad(path, "a path from the root");
        }
        fifo.path = Some(path.text.to_string().into());
        if let Some(user) = owner.first() {
            match self.account(user, owner.get(1)) {
                Ok(account) => fifo.owner = Some(account),
                Err(diagnostic) => self.report(diagnostic),
            }
        }
    }
}
