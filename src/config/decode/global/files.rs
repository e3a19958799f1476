//! `global_defs`: named pipes for events, and what makes a reload.

use super::Draft;
use crate::config::decode::{Decoder, Keyword, acts, no_effect, not_yet};
use crate::config::model::Fifo;
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
        draft.global.auto_reload = decoder.switch(directive).unwrap_or_default();
    }),
    no_effect("reload_check_config", "[LOGFILE]", RELOAD),
    not_yet(
        "reload_time_file",
        "PATH",
        "a reload is asked for by `evenkeel reload`, SIGHUP or `auto_reload`",
    ),
    not_yet(
        "reload_repeat",
        "",
        "a reload is asked for by `evenkeel reload`, SIGHUP or `auto_reload`",
    ),
    not_yet("reload_file", "[PATH]", "no file marks a reload"),
    not_yet("include_check", "FLAG ...", "a missing include is an error"),
    not_yet("config_save_dir", "DIR", "old configurations are not kept"),
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
