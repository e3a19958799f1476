//! PURE: which scripts a change calls for, with which arguments (keepalived's vrrp_notify.c): the state's own script
//! without further arguments, then the general one with type, name, state and priority.

use std::time::Duration;

use vrrp::{Cause, State};

use crate::config::model::{Notify, Script};
use crate::notify::{Job, NOTIFY_WITHIN};

/// How long each script of a stop may take, as in keepalived.
pub(super) const STOP_WITHIN: Duration = Duration::from_secs(1);

/// The states of keepalived's scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// Holds the addresses.
    Master,
    /// Listens.
    Backup,
    /// Cannot serve.
    Fault,
    /// The director stops.
    Stop,
    /// Removed by a reload, where that was asked to be told apart.
    Deleted,
    /// A Master hears one of lower rank.
    LesserHeard,
    /// Its priority changed while it is Master.
    MasterPriority,
    /// Its priority changed while it is not.
    BackupPriority,
}

impl Word {
    /// As scripts get it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Deleted => "DELETED",
            Self::LesserHeard => "MASTER_RX_LOWER_PRI",
            Self::MasterPriority => "MASTER_PRIORITY",
            Self::BackupPriority => "BACKUP_PRIORITY",
        }
    }
}

/// Whom a script is told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject<'a> {
    /// A router with its effective priority.
    Instance(&'a str, u8),
    /// A sync group.
    Group(&'a str),
}

/// What a change of a router amounts to in keepalived's words; `stopping` tells a stop of the whole director from a
/// removal. Nothing where scripts need not know: a router that hands over still serves, and one that goes on after a
/// restart was never gone.
pub(super) fn word_of(to: State, cause: Cause, stopping: bool, notify: &Notify) -> Option<Word> {
    match (to, cause) {
        (_, Cause::Resumed) | (State::HandingOver, _) => None,
        (State::Master, _) => Some(Word::Master),
        (State::Backup, _) => Some(Word::Backup),
        (State::Fault, _) => Some(Word::Fault),
        (State::Initialize, _) if stopping => Some(Word::Stop),
        (State::Initialize, _) if notify.deleted.is_some() => Some(Word::Deleted),
        (State::Initialize, _) => Some(Word::Fault),
    }
}

/// The same for a sync group, which has no cause of its own; it is being stopped or removed when it goes to Initialize.
pub(super) fn word_of_group(to: State) -> Option<Word> {
    match to {
        State::Master => Some(Word::Master),
        State::Backup => Some(Word::Backup),
        State::Fault => Some(Word::Fault),
        State::Initialize => Some(Word::Stop),
        State::HandingOver => None,
    }
}

/// The scripts for `word`, in order.
pub(super) fn jobs(notify: &Notify, subject: Subject<'_>, word: Word) -> Vec<Job> {
    let own = match word {
        Word::Master => &notify.master,
        Word::Backup => &notify.backup,
        Word::Fault => &notify.fault,
        Word::Stop => &notify.stop,
        Word::Deleted => notify.deleted.as_ref().unwrap_or(&None),
        // A script of its own, and no other hears of it.
        Word::LesserHeard => {
            let script = notify.master_rx_lower_pri.as_ref();
            return script.map(|it| job(it, Vec::new(), NOTIFY_WITHIN)).into_iter().collect();
        }
        Word::MasterPriority | Word::BackupPriority => &None,
    };
    let within = if word == Word::Stop { STOP_WITHIN } else { NOTIFY_WITHIN };
    let own = own.as_ref().map(|script| job(script, Vec::new(), within));
    let any = notify.any.as_ref().map(|script| job(script, arguments(subject, word), within));
    own.into_iter().chain(any).collect()
}

/// The line for the FIFOs.
pub(super) fn line(subject: Subject<'_>, word: Word) -> String {
    let [kind, name, word, priority] = parts(subject, word);
    format!("{kind} \"{name}\" {word} {priority}\n")
}

fn job(script: &Script, arguments: Vec<String>, within: Duration) -> Job {
    Job { script: script.clone(), arguments, within }
}

fn arguments(subject: Subject<'_>, word: Word) -> Vec<String> {
    parts(subject, word).to_vec()
}

fn parts(subject: Subject<'_>, word: Word) -> [String; 4] {
    let (kind, name, priority) = match subject {
        Subject::Instance(name, priority) => ("INSTANCE", name, priority),
        Subject::Group(name) => ("GROUP", name, 0),
    };
    [kind, name, word.as_str(), &priority.to_string()].map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Command;

    fn script(name: &str) -> Option<Script> {
        Some(Script { command: Command::Words(vec![name.into()]), user: None })
    }

    fn notify() -> Notify {
        Notify {
            master: script("master"),
            stop: script("stop"),
            any: script("any"),
            ..Notify::default()
        }
    }

    fn called(subject: Subject<'_>, word: Word) -> Vec<String> {
        let call = |job: Job| {
            let Command::Words(mut words) = job.script.command else { unreachable!() };
            words.extend(job.arguments);
            format!("{} ({} s)", words.join(" "), job.within.as_secs())
        };
        jobs(&notify(), subject, word).into_iter().map(call).collect()
    }

    #[test]
    fn the_states_own_script_comes_before_the_general_one() {
        let instance = Subject::Instance("VI_1", 150);
        assert_eq!(
            called(instance, Word::Master),
            ["master (60 s)", "any INSTANCE VI_1 MASTER 150 (60 s)"]
        );
        assert_eq!(called(instance, Word::Backup), ["any INSTANCE VI_1 BACKUP 150 (60 s)"]);
        assert_eq!(called(Subject::Group("G"), Word::Fault), ["any GROUP G FAULT 0 (60 s)"]);
        assert_eq!(
            called(instance, Word::Stop),
            ["stop (1 s)", "any INSTANCE VI_1 STOP 150 (1 s)"]
        );
    }

    #[test]
    fn fifos_hear_lines_of_four_words() {
        let instance = Subject::Instance("VI 1", 150);
        assert_eq!(line(instance, Word::Master), "INSTANCE \"VI 1\" MASTER 150\n");
        assert_eq!(
            line(instance, Word::LesserHeard),
            "INSTANCE \"VI 1\" MASTER_RX_LOWER_PRI 150\n"
        );
        assert_eq!(line(Subject::Group("G"), Word::Stop), "GROUP \"G\" STOP 0\n");
    }

    #[test]
    fn scripts_hear_keepalived_words() {
        let mut notify = notify();
        let word = |notify: &Notify, to, cause, stopping| word_of(to, cause, stopping, notify);
        let gone = State::Initialize;
        assert_eq!(word(&notify, gone, Cause::Removed, false), Some(Word::Fault));
        assert_eq!(word(&notify, gone, Cause::HandedOver, true), Some(Word::Stop));
        notify.deleted = Some(None);
        assert_eq!(word(&notify, gone, Cause::HandedOver, false), Some(Word::Deleted));
        assert_eq!(word(&notify, State::Backup, Cause::Started, false), Some(Word::Backup));
        assert_eq!(word(&notify, State::HandingOver, Cause::Stopped, true), None);
        assert_eq!(word(&notify, State::Master, Cause::Resumed, false), None);
    }
}
