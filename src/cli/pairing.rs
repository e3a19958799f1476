//! `--pair COMMAND`: the same order on the other director, by the way to it that the operator has (`ssh lb2`). Nothing of
//! the director's own protocols carries orders: who may order is for the socket's rights and the login to say.

use std::process::{Command, ExitCode};

use clap::Args;

/// Where else an order goes.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Pair {
    /// The command that reaches the other director ("ssh lb2"): once done here, the same is ordered there
    #[arg(long, value_name = "COMMAND")]
    pair: Option<String>,
}

impl Pair {
    /// Orders there what this process was told to, after it was done here. The exit status is the first that is not 0.
    pub(super) fn follow(&self, done: ExitCode) -> ExitCode {
        let Some(pair) = &self.pair else { return done };
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
        } else if !value {
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
            "--pair",
            "ssh lb2",
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
