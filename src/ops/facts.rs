//! Facts of the lvs worker for a reader in this process, one by one as they come: nobody holds those of thousands of real
//! servers at once, and nothing is written as JSON only to be read again.

use hyper::body::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::api::STATUS_WITHIN;
use super::desk::{Ask, Asks, Piece, pieces};
use crate::message::Form;

/// Bytes that say how long a fact is, little end first.
const LENGTH: usize = size_of::<u32>();

/// Writes one, for [`Facts`] to read.
pub(crate) fn write(to: &mut Vec<u8>, fact: &impl Serialize) -> Result<(), postcard::Error> {
    let at = to.len();
    to.extend_from_slice(&[0; LENGTH]);
    *to = postcard::to_extend(fact, std::mem::take(to))?;
    let length = u32::try_from(to.len() - at - LENGTH);
    let length = length.map_err(|_| postcard::Error::SerializeBufferFull)?;
    to[at..at + LENGTH].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// A question whose answer is read.
pub(super) struct Facts {
    pieces: mpsc::Receiver<Piece>,
    unread: Unread,
}

/// It was cut off, or is of another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CutOff;

impl Facts {
    /// [`Form::Facts`] or [`Form::Counts`].
    pub(super) async fn ask(asks: &Asks, form: Form) -> Self {
        let (to, read) = pieces();
        // Fails only when the director stops; then nothing comes.
        let _ = asks.send(Ask::Show { of: None, form, pieces: to }).await;
        Self { pieces: read, unread: Unread::default() }
    }

    /// The next one; `None` when there are no more.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, CutOff> {
        loop {
            if let Some(fact) = self.unread.take() {
                return postcard::from_bytes(fact).map(Some).map_err(|_| CutOff);
            }
            match timeout(STATUS_WITHIN, self.pieces.recv()).await {
                Ok(Some(Piece::Text(text))) => self.unread.add(&text),
                Ok(Some(Piece::End)) if self.unread.is_empty() => return Ok(None),
                Ok(Some(Piece::End) | None) | Err(_) => return Err(CutOff),
            }
        }
    }
}

#[derive(Default)]
struct Unread {
    bytes: Vec<u8>,
    at: usize,
}

impl Unread {
    fn add(&mut self, piece: &Bytes) {
        self.bytes.drain(..std::mem::take(&mut self.at));
        self.bytes.extend_from_slice(piece);
    }

    fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// A whole one, if there is one.
    fn take(&mut self) -> Option<&[u8]> {
        let left = self.bytes.get(self.at..)?;
        let length = usize::try_from(u32::from_le_bytes(*left.first_chunk::<LENGTH>()?)).ok()?;
        let fact = left.get(LENGTH..)?.get(..length)?;
        self.at += LENGTH + length;
        Some(fact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_however_they_are_cut() {
        let mut text = Vec::new();
        let facts = ["one".to_owned(), String::new(), "three".repeat(100)];
        facts.iter().for_each(|fact| write(&mut text, fact).unwrap());
        for size in [1, 2, 3, 5, 64, text.len()] {
            let mut unread = Unread::default();
            let mut read: Vec<String> = Vec::new();
            for piece in text.chunks(size) {
                unread.add(&Bytes::copy_from_slice(piece));
                while let Some(fact) = unread.take() {
                    read.push(postcard::from_bytes(fact).unwrap());
                }
            }
            assert_eq!(read, facts, "in pieces of {size}");
            assert!(unread.is_empty());
        }
    }
}
