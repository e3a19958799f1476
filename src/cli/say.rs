//! `say!` and `sayln!`: standard output for commands. A reader that has gone (`| head`) ends the command without a word, as
//! it ends every other program; std's `println!` would panic.

use std::io::{self, Write};
use std::process;

macro_rules! say {
    ($($words:tt)*) => { $crate::cli::say::text(&format!($($words)*)) };
}

macro_rules! sayln {
    ($($words:tt)*) => { $crate::cli::say::text(&(format!($($words)*) + "\n")) };
}

/// Writes it at once. What cannot be written otherwise (a full disk) is a failure.
pub(super) fn text(text: &str) {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(gone) if gone.kind() == io::ErrorKind::BrokenPipe => process::exit(0),
        Err(cause) => {
            eprintln!("evenkeel: cannot write: {cause}");
            process::exit(1)
        }
    }
}
