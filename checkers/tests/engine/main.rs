//! The engine under a virtual clock: who is asked when, who hears of it, and what a reload leaves alone.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod asking;
mod bench;
mod holding;
mod limits;
mod promises;
mod reload;
mod turns;
