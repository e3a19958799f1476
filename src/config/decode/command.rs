//! Commands that the director runs, and as whom.
//!
//! The rules are keepalived 2's, seen on its 2.2.7: the first argument alone is the command, split as a shell splits
//! words but never run by one; what follows is user and group where the keyword takes them, and is lost where not.

use super::host::{Problem, Program};
use super::{At, Decoder};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{Command, Script, ScriptUser};
use crate::config::source::Span;
use crate::config::tree::{Directive, Word};

/// Words that a shell would act on and a program gets as they are.
const SHELL_WORDS: [&str; 13] =
    ["|", "||", "&", "&&", ";", ">", ">>", "<", "2>", "2>&1", ">&2", "1>&2", "&>"];

/// Whom a script runs as.
#[derive(Debug, Clone, Default)]
pub(super) enum Account {
    /// Nothing is said: `script_user`.
    #[default]
    Default,
    /// This one.
    Of(ScriptUser),
    /// One that this host does not have, which was told: it must not run as another.
    Unknown,
}

impl Decoder<'_> {
    /// A command without user: `script`, `misc_path`.
    pub(super) fn command(&mut self, directive: &Directive) -> Option<At<Command>> {
        let word = self.first_word(directive)?;
        if let [_, lost, ..] = &directive.arguments[..] {
            let last = directive.arguments.last().map_or(lost.span, |last| last.span);
            let span = lost.span.to(last);
            directive.arguments[1..].iter().for_each(|word| _ = self.ignored.insert(word.span));
            let message = "the words after the command are lost".to_owned();
            self.passed_over(Diagnostic::warning("surplus-word", span, message).help(format!(
                "keepalived drops them too; arguments go into the quotes: {} \"{}\"",
                self.keyword.0,
                directive.arguments.iter().map(|word| &*word.text).collect::<Vec<_>>().join(" ")
            )));
        }
        self.surplus_properties(directive);
        self.split(word)
    }

    /// A command with an optional user and group, ready to run: `notify_master`, `quorum_up`.
    pub(super) fn script(&mut self, directive: &Directive) -> Option<Script> {
        let word = self.first_word(directive)?;
        let mut user = directive.arguments.get(1);
        let mut group = directive.arguments.get(2);
        self.properties_read = true;
        for property in &directive.properties {
            match &*property.name.text {
                "user" => user = Some(&property.value),
                "group" => group = Some(&property.value),
                _ => self.surplus_word(property.name.span.to(property.value.span)),
            }
        }
        for word in directive.arguments.iter().skip(3) {
            self.surplus_word(word.span);
        }
        let command = self.split(word)?;
        let user = match user {
            None => Account::Default,
            Some(user) => match self.account(user, group) {
                Ok(account) => Account::Of(account),
                Err(diagnostic) => {
                    let span = directive.head();
                    let message =
                        format!("{}; `{}` is not run", diagnostic.message, directive.name.text);
                    let help = "the words after the command are user and group; its arguments go into the quotes";
                    self.passed_over(
                        Diagnostic { span: Some(span), message, ..diagnostic }.help(help),
                    );
                    return None;
                }
            },
        };
        self.runnable(command, user, directive.head())
    }

    fn first_word<'d>(&mut self, directive: &'d Directive) -> Option<&'d Word> {
        let word = directive.arguments.first();
        if word.is_none() {
            self.missing(directive.name.span);
        }
        word
    }

    fn split(&mut self, word: &Word) -> Option<At<Command>> {
        let span = word.span;
        if word.text.starts_with('<') {
            return Some(At { value: Command::Shell(word.text.to_string()), span });
        }
        let words = match shell_words::split(&word.text) {
            Ok(words) if words.is_empty() => {
                self.bad(word, "a program");
                return None;
            }
            Ok(words) => words,
            Err(_) => {
                let message = "a quote inside the command is not closed";
                let help = "add the missing quote; a backslash before it makes it a letter";
                self.report(Diagnostic::error("bad-value", span, message).help(help));
                return None;
            }
        };
        if let Some(sign) = words.iter().find(|word| SHELL_WORDS.contains(&word.as_str())) {
            let message =
                format!("no shell runs this: `{}` gets `{sign}` as an argument", words[0]);
            let help = "keepalived runs it so too; where a shell is meant: \"/bin/sh -c '...'\"";
            self.report(Diagnostic::warning("no-shell", span, message).help(help));
        }
        Some(At { value: Command::Words(words), span })
    }

    /// A user and, if it is not the account's own, a group: `nobody`, `nobody nogroup`, `nobody:nogroup`.
    pub(super) fn account(
        &mut self,
        user: &Word,
        group: Option<&Word>,
    ) -> Result<ScriptUser, Diagnostic> {
        let unknown = |what: &str, name: &str, word: &Word| {
            let message = format!("this host has no {what} `{name}`");
            Diagnostic::error("no-account", word.span, message)
        };
        let (name, after_colon) = match user.text.split_once(':') {
            Some((name, group)) => (name, Some(group)),
            None => (&*user.text, None),
        };
        let (uid, own_gid) = self.host.user(name).ok_or_else(|| unknown("user", name, user))?;
        let group_word = group.unwrap_or(user);
        let group = group.map(|word| word.text.trim_start_matches(':')).or(after_colon);
        let gid = match group {
            None => own_gid,
            Some(group) => {
                self.host.group(group).ok_or_else(|| unknown("group", group, group_word))?
            }
        };
        let group = group.map(str::to_owned);
        Ok(ScriptUser { name: name.to_owned(), group, uid, gid })
    }

    /// `user NAME [GROUP]` of a script. Without that account the script is left out.
    pub(super) fn script_account(&mut self, directive: &Directive) -> Account {
        let Some(user) = self.first_word(directive) else { return Account::Unknown };
        self.surplus(directive, 2);
        match self.account(user, directive.arguments.get(1)) {
            Ok(account) => Account::Of(account),
            Err(diagnostic) => {
                let message = format!("{}; the script is left out", diagnostic.message);
                self.passed_over(Diagnostic { message, ..diagnostic });
                Account::Unknown
            }
        }
    }

    /// `script_user`. Another account is not taken instead: that might be root's.
    pub(super) fn account_of(&mut self, directive: &Directive) -> Option<ScriptUser> {
        let user = self.first_word(directive)?;
        self.surplus(directive, 2);
        match self.account(user, directive.arguments.get(1)) {
            Ok(account) => Some(account),
            Err(diagnostic) => {
                self.report(diagnostic);
                None
            }
        }
    }

    /// Whom a check runs as. With script security and nobody named keepalived leaves it out, lest it run as root.
    pub(super) fn secured(&mut self, user: Account, span: Span) -> Account {
        let unnamed = matches!(user, Account::Default) && self.script_user.is_none();
        if !(unnamed && self.script_security && self.host.counts()) {
            return user;
        }
        let message = "enable_script_security without `script_user`, and this host has no account `keepalived_script`: it is left out, as in keepalived";
        self.passed_over(Diagnostic::warning("script-security", span, message).help(
            "say whom scripts run as: script_user root in global_defs, or create the account",
        ));
        Account::Unknown
    }

    /// Fills in the user, and leaves out what this host cannot or must not run, as keepalived does.
    pub(super) fn runnable(
        &mut self,
        command: At<Command>,
        user: Account,
        keyword: Span,
    ) -> Option<Script> {
        let user = match user {
            Account::Default => self.script_user.clone(),
            Account::Of(user) => Some(user),
            Account::Unknown => {
                self.ignored.insert(keyword);
                return None;
            }
        };
        let At { value: mut command, span } = command;
        if let Command::Words(words) = &mut command
            && self.host.counts()
        {
            let program = words.first().cloned().unwrap_or_default();
            match self.host.program(&program) {
                Err(problem) => {
                    self.cannot_run(&program, &problem, span, keyword);
                    return None;
                }
                Ok(found) => {
                    if !self.is_safe(&program, &found, user.as_ref(), span, keyword) {
                        return None;
                    }
                    if found.needs_shell {
                        words.insert(0, "/bin/sh".to_owned());
                    }
                }
            }
        }
        Some(Script { command, user })
    }

    fn cannot_run(&mut self, program: &str, problem: &Problem, span: Span, keyword: Span) {
        let (message, help) = match problem {
            Problem::Missing(why) => (
                format!("`{program}` cannot be run: {why}"),
                "check the path; a program outside PATH needs its full path".to_owned(),
            ),
            Problem::NoFile => {
                (format!("`{program}` is no file"), "name the program itself".to_owned())
            }
            Problem::NotExecutable => {
                (format!("`{program}` is not executable"), format!("chmod +x {program}"))
            }
        };
        self.ignored.insert(keyword);
        self.passed_over(
            Diagnostic::warning("script", span, format!("{message}; it is left out")).help(help),
        );
    }

    /// Whether nobody but root can change what would run as root.
    fn is_safe(
        &mut self,
        program: &str,
        found: &Program,
        user: Option<&ScriptUser>,
        span: Span,
        keyword: Span,
    ) -> bool {
        let as_root = user.map_or_else(|| self.host.is_root(), |user| user.uid == 0);
        let Some(part) = found.open_to_others.as_ref().filter(|_| as_root) else { return true };
        let message = format!(
            "`{program}` would run as root, and others than root can write to {}",
            part.display()
        );
        let help =
            format!("chown root and chmod go-w {}, or run it as another user", part.display());
        if self.script_security {
            self.ignored.insert(keyword);
            let message = format!("{message}; enable_script_security leaves it out");
            self.passed_over(Diagnostic::warning("script-security", span, message).help(help));
        } else {
            self.report(Diagnostic::warning("script-security", span, message).help(help));
        }
        !self.script_security
    }
}
