//! Which boot of this machine it is.

use std::fs;
use std::sync::OnceLock;

/// Changes at every boot; times, addresses and tables of another boot mean nothing. Read once; empty where the kernel does
/// not say it (random(4)).
pub(crate) fn id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        text.trim().to_owned()
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_boot_has_a_name() {
        assert_eq!(super::id().len(), 36);
    }
}
