//! Any bytes as KDL: read, decoded, and every diagnostic shown.
#![no_main]

use evenkeel::config::{Grammar, Host, Style, load_text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let loaded = load_text("fuzzed.kdl", bytes, Grammar::Kdl, Host::Any);
    let shown = loaded.diagnostics.render(Style::Plain);
    assert!(loaded.config.is_some() || !shown.is_empty(), "a refusal has a reason");
});
