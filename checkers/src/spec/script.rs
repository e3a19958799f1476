//! What a script check runs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `MISC_CHECK`: exit code 0 is good.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScriptSpec {
    /// What is run.
    pub command: Command,
    /// From its start until its process group is ended (`misc_timeout`).
    pub timeout: Duration,
    /// Who runs it; without it, whoever runs the checker.
    pub user: Option<User>,
    /// Exit codes 2 to 255 are good and set the weight to code - 2 (`misc_dynamic`).
    pub dynamic: bool,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Command {
    /// A program and its arguments, run as they are. The first is a path, or a name to be found in PATH.
    Argv(Vec<String>),
    /// A line for `/bin/sh -c`.
    Shell(String),
}

/// Numeric user and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Words that only a shell knows.
const BUILTINS: &[&str] = &[
    ".", ":", "!", "case", "cd", "command", "eval", "exec", "exit", "export", "for", "if", "read",
    "return", "set", "shift", "source", "test", "trap", "ulimit", "umask", "unset", "until",
    "wait", "while", "{",
];

impl Command {
    /// A line as people write it: plain and quoted words are run as they are, anything that only a shell understands
    /// (`|`, `$`, `*`, `;`, a builtin, an assignment ...) goes to one. An empty line is no command.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        if line.trim().is_empty() {
            return None;
        }
        let words = split(line).filter(|words| {
            words.first().is_some_and(|first| !first.contains('=') && !is_builtin(first))
        });
        Some(words.map_or_else(|| Self::Shell(line.to_owned()), Self::Argv))
    }
}

fn is_builtin(word: &str) -> bool {
    BUILTINS.contains(&word)
}

/// The words of a line that needs no shell: the part of POSIX.1-2024 XCU 2.2 that only quotes.
fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        end if end == c => break,
                        '$' | '`' | '\\' if c == '"' => return None,
                        inside => word.push(inside),
                    }
                }
            }
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '$' | '`' | '\\' | '*' | '?' | '[' | '{'
            | '#' | '~' | '\n' | '\r' => return None,
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&str]) -> Option<Command> {
        Some(Command::Argv(words.iter().map(|&word| word.to_owned()).collect()))
    }

    #[test]
    fn plain_words_need_no_shell() {
        assert_eq!(Command::parse("killall -0 nginx"), argv(&["killall", "-0", "nginx"]));
        assert_eq!(
            Command::parse(" /bin/a\t'b c'\"d $\" '' "),
            Some(Command::Shell(" /bin/a\t'b c'\"d $\" '' ".into()))
        );
        assert_eq!(Command::parse(" /bin/a\t'b |c'\"d;\" '' "), argv(&["/bin/a", "b |cd;", ""]));
    }

    #[test]
    fn what_only_a_shell_understands_goes_to_one() {
        for line in [
            "a | b",
            "a; b",
            "a $HOME",
            "a *",
            "A=1 b",
            "exit 1",
            "[ -f /a ]",
            "a 'b",
            "a > /b",
            "! a",
            "test -f /a",
            "a\\ b",
            "a &",
            "a `b`",
            "{ a; }",
            "~/a",
        ] {
            assert_eq!(Command::parse(line), Some(Command::Shell(line.to_owned())), "{line}");
        }
    }

    #[test]
    fn an_empty_line_is_no_command() {
        assert_eq!(Command::parse(" \t"), None);
        assert_eq!(Command::parse(""), None);
    }
}
