//! `AGENT_CHECK`: one line, in HAProxy's words.
//!
//! Unlike HAProxy, which remembers `drain` and `maint` until `ready`, each line stands for itself: an agent says `drain` for
//! as long as it means it. And an agent that does not answer has failed, where HAProxy leaves that to other checks.

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::lines::Lines;
use super::progress::{Progress, broken};
use super::{Miss, tcp};
use crate::failure::{Failure, Stage};
use crate::outcome::Weight;
use crate::spec::{AgentSpec, Target};

/// The line has at most so many bytes.
const LIMIT: u64 = 1024;

/// So much of it is told.
const SHOWN: usize = 80;

/// Asks once.
pub(super) async fn run(target: Target, spec: &AgentSpec) -> Result<Weight, Miss> {
    let within = spec.connection.timeout;
    let progress = Progress::default();
    match timeout(within, ask(target, spec, &progress)).await {
        Ok(heard) => heard,
        Err(_elapsed) => Err(progress.overdue(within).into()),
    }
}

async fn ask(target: Target, spec: &AgentSpec, progress: &Progress) -> Result<Weight, Miss> {
    let stream = tcp::connect(target, &spec.connection, tcp::Close::Orderly).await?;
    hear(spec, stream, progress).await
}

/// Question and line on a connection that stands.
pub(super) async fn hear<T>(
    spec: &AgentSpec,
    mut stream: T,
    progress: &Progress,
) -> Result<Weight, Miss>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    progress.enter(Stage::Greeting);
    let send = spec.send.as_bytes();
    if !send.is_empty() {
        stream.write_all(send).await.map_err(|error| broken(&error, progress))?;
        progress.enter(Stage::Request);
    }
    match Lines::new(stream, progress, LIMIT).next().await? {
        Some(line) => Ok(judge(&line)?),
        None => Err(Failure::Closed { bytes: 0 }.into()),
    }
}

/// Words between blanks and commas, up to a `#` with a text for people. Of several weights the last counts.
fn judge(line: &[u8]) -> Result<Weight, Failure> {
    let text = String::from_utf8_lossy(line);
    let line = text.split('\r').next().unwrap_or_default();
    let (words, remark) = line.split_once('#').unwrap_or((line, ""));
    let mut said = Said::default();
    for word in words.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
        said.hear(word);
    }
    let refusal = said.down.or(said.maint);
    if let Some(word) = refusal {
        let shown = remark.trim().chars().take(SHOWN).collect::<String>();
        let text = shown.escape_debug().to_string();
        return Err(Failure::Agent { word: word.to_owned(), text });
    }
    match (said.drain, said.weight, said.anything) {
        (true, ..) => Ok(Weight::Exactly(0)),
        (false, Some(weight), _) => Ok(weight),
        (false, None, true) => Ok(Weight::Configured),
        (false, None, false) => {
            let shown = &line.as_bytes()[..line.len().min(SHOWN)];
            Err(Failure::NotAgent { seen: shown.escape_ascii().to_string() })
        }
    }
}

/// What a line says.
#[derive(Debug, Default)]
struct Said {
    down: Option<&'static str>,
    maint: Option<&'static str>,
    drain: bool,
    weight: Option<Weight>,
    /// A word that an agent says, whatever it bears on.
    anything: bool,
}

impl Said {
    fn hear(&mut self, word: &str) {
        let known = self.anything;
        self.anything = true;
        match &*word.to_ascii_lowercase() {
            "up" | "ready" => {}
            // A limit on connections: here that is a threshold, and configured.
            word if word.starts_with("maxconn:") => {}
            "down" => self.down = Some("down"),
            "fail" => self.down = Some("fail"),
            "stopped" => self.down = Some("stopped"),
            "maint" => self.maint = Some("maint"),
            "drain" => self.drain = true,
            word => match weight(word) {
                Some(weight) => self.weight = Some(weight),
                None => self.anything = known,
            },
        }
    }
}

/// `75%` of the configured weight; HAProxy takes more than 100 % as well. It also takes plain numbers, which its manual
/// does not know: then any greeting with a number would be an agent.
fn weight(word: &str) -> Option<Weight> {
    let percent = word.strip_suffix('%')?;
    let digits = !percent.is_empty() && percent.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Weight::Percent(percent.parse().unwrap_or(u16::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_haproxys_agents_say() {
        for (line, wanted) in [
            ("up", Weight::Configured),
            ("ready", Weight::Configured),
            ("up ready", Weight::Configured),
            ("75%", Weight::Percent(75)),
            ("0%", Weight::Percent(0)),
            ("150%", Weight::Percent(150)),
            ("99999999%", Weight::Percent(u16::MAX)),
            ("UP 50%", Weight::Percent(50)),
            ("up,50%,\tmaxconn:30", Weight::Percent(50)),
            ("drain", Weight::Exactly(0)),
            ("drain 80%", Weight::Exactly(0)),
            ("maxconn:9", Weight::Configured),
            ("up # down for people", Weight::Configured),
            ("what is this? up", Weight::Configured),
        ] {
            assert_eq!(judge(line.as_bytes()), Ok(wanted), "{line}");
        }
    }

    #[test]
    fn what_takes_a_server_out_wins_over_all_else() {
        for (line, wanted) in [
            ("down", "the agent says down"),
            ("up down 100%", "the agent says down"),
            ("fail#disk 1 \t full ", "the agent says fail: \"disk 1 \\t full\""),
            ("stopped", "the agent says stopped"),
            ("maint 50%", "the agent says maint"),
            ("maint down", "the agent says down"),
        ] {
            assert_eq!(judge(line.as_bytes()).unwrap_err().to_string(), wanted, "{line}");
        }
        for (line, wanted) in [
            ("", "not an agent: \"\""),
            ("SSH-2.0-OpenSSH", "not an agent: \"SSH-2.0-OpenSSH\""),
            ("50%%", "not an agent: \"50%%\""),
            ("# up", "not an agent: \"# up\""),
            ("-5%", "not an agent: \"-5%\""),
            ("30", "not an agent: \"30\""),
            ("%", "not an agent: \"%\""),
        ] {
            assert_eq!(judge(line.as_bytes()).unwrap_err().to_string(), wanted, "{line}");
        }
    }
}
