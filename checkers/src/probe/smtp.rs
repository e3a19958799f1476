//! `SMTP_CHECK`: greeting, HELO, QUIT (RFC 5321 sections 3.1, 3.2 and 4.2.1).

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::lines::Lines;
use super::progress::{Progress, broken};
use super::{Miss, PASSED, tcp};
use crate::failure::{Failure, SmtpStep, Stage};
use crate::outcome::Weight;
use crate::spec::{SmtpSpec, Target};

/// Greeting and replies together; RFC 5321 section 4.5.3.1.5 has lines of 512 bytes.
const LIMIT: u64 = 16 * 1024;

/// So much of a reply is told.
const SHOWN: usize = 80;

/// Holds the dialogue up to QUIT. What becomes of that decides nothing.
pub(super) async fn run(target: Target, spec: &SmtpSpec) -> Result<Weight, Miss> {
    let within = spec.connection.timeout;
    let deadline = Instant::now() + within;
    let progress = Progress::default();
    let mut lines = match timeout_at(deadline, ask(target, spec, &progress)).await {
        Ok(asked) => asked?,
        Err(_elapsed) => return Err(progress.overdue(within).into()),
    };
    // A server that is closed on before it has said goodbye would log an error.
    timeout_at(deadline, farewell(&mut lines)).await.unwrap_or_default();
    PASSED
}

async fn ask<'a>(
    target: Target,
    spec: &SmtpSpec,
    progress: &'a Progress,
) -> Result<Lines<'a, TcpStream>, Miss> {
    let stream = tcp::connect(target, &spec.connection, tcp::Close::Orderly).await?;
    talk(spec, stream, progress).await
}

/// Greeting and HELO on a connection that stands.
pub(super) async fn talk<'a, T>(
    spec: &SmtpSpec,
    stream: T,
    progress: &'a Progress,
) -> Result<Lines<'a, T>, Miss>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    progress.enter(Stage::Greeting);
    let mut lines = Lines::new(stream, progress, LIMIT);
    expect(&mut lines, SmtpStep::Greeting, progress).await?;
    let helo = format!("HELO {}\r\n", spec.helo);
    let sent = lines.stream().write_all(helo.as_bytes()).await;
    sent.map_err(|error| broken(&error, progress))?;
    progress.enter(Stage::Request);
    expect(&mut lines, SmtpStep::Helo, progress).await?;
    Ok(lines)
}

/// Reads one reply; the last of its lines has a blank after the code, or nothing.
async fn expect<T>(
    lines: &mut Lines<'_, T>,
    step: SmtpStep,
    progress: &Progress,
) -> Result<(), Failure>
where
    T: AsyncRead + Unpin,
{
    loop {
        let Some(line) = lines.next().await? else {
            return Err(Failure::Closed { bytes: progress.received() });
        };
        let code = line.get(..3).and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
        if code != Some(step.wanted()) || !matches!(line.get(3), None | Some(b' ' | b'-')) {
            let seen = line[..line.len().min(SHOWN)].escape_ascii().to_string();
            return Err(Failure::Smtp { step, seen });
        }
        if line.get(3) != Some(&b'-') {
            return Ok(());
        }
    }
}

/// Errors mean that the server has gone already.
async fn farewell(lines: &mut Lines<'_, TcpStream>) {
    if lines.stream().write_all(b"QUIT\r\n").await.is_ok() {
        while let Ok(Some(_)) = lines.next().await {}
    }
}
