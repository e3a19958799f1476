//! Programs that run inside a host of the lab, each in a process of its own: this executable with `--tool NAME`.
//! They print JSON, which the other half of each module reads.

pub(crate) mod client;
pub(crate) mod flood;
pub(crate) mod forger;
mod hostile;
mod prober;
pub(crate) mod responder;
mod sight;
mod talker;

use std::process::ExitCode;

/// Runs the tool that the arguments name.
pub(crate) fn main(args: &[String]) -> ExitCode {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["client", target, every, request] => client::serve(target, every, request),
        ["responder", name, control, listen @ ..] => responder::serve(name, control, listen),
        ["flood", source, group, seconds] => flood::send(source, group, seconds),
        ["talker", servers @ ..] => talker::serve(servers),
        ["prober", first, count, period, seconds, kind] => {
            prober::ask(first, count, period, seconds, kind)
        }
        ["filled", last, each, count] => sight::filled(last, each, count),
        ["weighs", service, destination, weight] => sight::weighs(service, destination, weight),
        ["forge", packet, target, ttl] => forger::send(packet, target, ttl),
        _ => Err(format!("no such tool: {args:?}").into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab tool {args:?}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The command line that starts a tool.
pub(crate) fn command(words: &[&str]) -> Vec<String> {
    let executable = std::env::current_exe().unwrap().display().to_string();
    let words = words.iter().map(|word| (*word).to_owned());
    [executable, "--tool".to_owned()].into_iter().chain(words).collect()
}
