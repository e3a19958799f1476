//! The codec against what ipvsadm and the kernel really say: `captured.txt` holds their bytes, each with the
//! command that produced them.
#![cfg(target_endian = "little")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod answers;
mod bytes;
mod changes;
mod requests;
