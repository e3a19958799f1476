//! Line by line: what SMTP and agents speak, in bounded memory.

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader, Take};

use super::progress::{Progress, Watched, broken};
use crate::failure::Failure;

/// Reads ahead so much at most.
const BUFFER: usize = 512;

/// The lines of a stream, `limit` bytes in all.
#[derive(Debug)]
pub(super) struct Lines<'a, T> {
    reader: Take<BufReader<Watched<'a, T>>>,
    progress: &'a Progress,
    limit: u64,
}

impl<'a, T> Lines<'a, T>
where
    T: AsyncRead + Unpin,
{
    pub(super) fn new(stream: T, progress: &'a Progress, limit: u64) -> Self {
        let reader = BufReader::with_capacity(BUFFER, Watched { stream, progress }).take(limit);
        Self { reader, progress, limit }
    }

    /// The next line without its end; the last one may have none. `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let mut line = Vec::new();
        let read = self.reader.read_until(b'\n', &mut line).await;
        read.map_err(|error| broken(&error, self.progress))?;
        if self.reader.limit() == 0 && !line.ends_with(b"\n") {
            return Err(Failure::AnswerOverLimit { limit: self.limit });
        }
        if line.is_empty() {
            return Ok(None);
        }
        while line.pop_if(|last| matches!(last, b'\r' | b'\n')).is_some() {}
        Ok(Some(line))
    }

    /// The stream, to write to.
    pub(super) fn stream(&mut self) -> &mut T {
        &mut self.reader.get_mut().get_mut().stream
    }
}
