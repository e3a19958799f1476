//! `FILE_CHECK`: reads the number in a file.
//!
//! Read where it stands, without a thread: it is for small local files. Nothing that could block is opened as anything
//! but a file, and no more than a number's length is read.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;

use nix::libc::O_NONBLOCK;

use super::{Miss, socket};
use crate::outcome::Weight;
use crate::spec::FileSpec;

/// More than the longest number with its line end.
const LONGEST: u64 = 64;

/// Reads and judges. A file that is not there, or is no file, says 0, as for keepalived.
pub(super) fn run(spec: &FileSpec) -> Result<Weight, Miss> {
    let mut text = Vec::new();
    let read = File::options()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open(&*spec.path)
        .and_then(|file| file.take(LONGEST).read_to_end(&mut text));
    match read {
        Ok(_) => {}
        Err(error) if is_ours(&error) => return Err(socket::fault("open", &error)),
        Err(_) => text.clear(),
    }
    Ok(spec.judge(number(&text))?)
}

/// Short of descriptors or memory: that says nothing of the real server.
fn is_ours(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM))
}

/// The number at the beginning, 0 where there is none; as strtol(3) reads it.
fn number(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let size = digits.fold(0_i64, |number, digit| {
        number.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
    });
    if negative { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_at_the_beginning_counts_and_nothing_is_zero() {
        let wanted: [(&[u8], i64); 9] = [
            (b"12\n", 12),
            (b"  -3 rest", -3),
            (b"+4", 4),
            (b"", 0),
            (b"down", 0),
            (b"-", 0),
            (b"\xff\x00", 0),
            (b"99999999999999999999999", i64::MAX),
            (b"7\x008", 7),
        ];
        for (text, seen) in wanted {
            assert_eq!(number(text), seen, "{text:?}");
        }
    }
}
