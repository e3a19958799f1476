//! Any bytes as a keepalived.conf: read, decoded, rendered as KDL, and every diagnostic shown.
#![no_main]

use evenkeel::config::{Grammar, Host, Style, convert_text, load_text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let loaded = load_text("fuzzed.conf", bytes, Grammar::Keepalived, Host::Any);
    let _ = loaded.diagnostics.render(Style::Plain);
    let is_whole = loaded.config.is_some();
    let kdl = convert_text("fuzzed.conf", bytes, Grammar::Keepalived).kdl;
    assert!(!is_whole || kdl.is_some(), "what loads converts");
});
