//! `--pair`: the same order on the other director. It travels over the heartbeat path of the pair; with `--pair="ssh lb2"`
//! by the way to it that the operator has, for pairs without such a path.

use std::process::{Command, ExitCode};

use clap::Args;

/// Where else an order goes.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Pair {
    /// The same on the other director, by the heartbeat path; with a command that reaches it (--pair="ssh lb2") by that
    #[arg(
        long,
        value_name = "COMMAND",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ""
    )]
    pair: Option<String>,
}

impl Pair {
    /// The director has it done there, too.
    pub(super) fn by_heartbeat(&self) -> bool {
        self.pair.as_ref().is_some_and(String::is_empty)
    }

    /// Orders there what this process was told to, after it was done here. The exit status is the first that is not 0.
    pub(super) fn follow(&self, done: ExitCode) -> ExitCode {
        let Some(pair) = self.pair.as_ref().filter(|pair| !pair.is_empty()) else { return done };
        if done != ExitCode::SUCCESS {
            eprintln!("evenkeel: not ordered on the other director either");
            return done;
        }
        match there(pair, &own(std::env::args().skip(1))) {
            Ok(()) => done,
            Err(why) => {
                eprintln!("evenkeel: done here, but not on the other director: {why}");
                ExitCode::FAILURE
            }
        }
    }
}

/// Words of this command line, without those that are about this host.
fn own(mut words: impl Iterator<Item = String>) -> Vec<String> {
    const LOCAL: [&str; 2] = ["--pair", "--runtime-dir"];
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        let (name, value) =
            word.split_once('=').map_or((word.as_str(), false), |(name, _)| (name, true));
        if !LOCAL.contains(&name) {
            kept.push(word);
        } else if !value && name != "--pair" {
            words.next();
        }
    }
    kept
}

fn there(pair: &str, order: &[String]) -> Result<(), String> {
    let words = words(pair, order)?;
    let (program, rest) = words.split_first().ok_or("--pair: names no command")?;
    let status = Command::new(program).args(rest).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{}: {status}", words.join(" "))),
        Err(cause) => Err(format!("{program}: {cause}")),
    }
}

/// `ssh` joins its words with blanks and hands them to a shell: each is quoted for it. One that needs no quotes reads the
/// same with and without that shell.
fn words(pair: &str, order: &[String]) -> Result<Vec<String>, String> {
    let mut words = shell_words::split(pair).map_err(|cause| format!("--pair: {cause}"))?;
    let is_remote = words.first().is_some_and(|program| program.rsplit('/').next() == Some("ssh"));
    let quoted = |word: &String| match is_remote {
        true => shell_words::quote(word).into_owned(),
        false => word.clone(),
    };
    words.push("evenkeel".to_owned());
    words.extend(order.iter().map(quoted));
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_remote_shell_would_split_is_quoted_for_it() {
        let order = [
            "drain",
            "--pair=ssh lb2",
            "FWM 1/10.0.0.3",
            "--runtime-dir=/x",
            "--reason",
            "new disk; reboot",
        ];
        let order = own(order.into_iter().map(str::to_owned));
        assert_eq!(order, ["drain", "FWM 1/10.0.0.3", "--reason", "new disk; reboot"]);
        let wanted = [
            "ssh",
            "lb2",
            "evenkeel",
            "drain",
            "'FWM 1/10.0.0.3'",
            "--reason",
            "'new disk; reboot'",
        ];
        assert_eq!(words("ssh lb2", &order).unwrap(), wanted);
        let wanted = [
            "ip",
            "netns",
            "exec",
            "d2",
            "evenkeel",
            "drain",
            "FWM 1/10.0.0.3",
            "--reason",
            "new disk; reboot",
        ];
        assert_eq!(words("ip netns exec d2", &order).unwrap(), wanted);
        assert!(words("ssh 'half", &order).is_err());
    }
}
