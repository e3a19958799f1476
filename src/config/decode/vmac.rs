//! `use_vmac`: the interface of a virtual router, its name and its MAC address.

use vrrp::{Family, IfName, Vrid};

use super::{At, Decoder, instance};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::Vmac;
use crate::config::tree::Directive;

/// What was given.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Draft {
    name: Option<IfName>,
    mac: Option<Mac>,
}

/// A MAC address as written.
#[derive(Debug, Clone, Copy)]
enum Mac {
    Whole([u8; 6]),
    /// The virtual router id is the last byte.
    Beginning([u8; 5]),
}

impl Decoder<'_> {
    /// `use_vmac [NAME] [MAC]`.
    pub(super) fn vmac(&mut self, directive: &Directive) -> Option<At<Draft>> {
        let mut draft = Draft::default();
        for word in &directive.arguments {
            if word.is("netlink_notify_msg") || word.is("true") {
                continue;
            }
            if word.is("false") {
                return None;
            }
            if word.text.contains(':') {
                draft.mac = mac(&word.text);
                if draft.mac.is_none() {
                    self.bad(word, "a MAC address of 6 bytes, or its first 5, that is no group's,");
                }
            } else if draft.name.is_none() {
                draft.name = self.parsed(word);
            } else {
                self.surplus_word(word.span);
            }
        }
        Some(At { value: draft, span: directive.head() })
    }

    /// What follows from it, and what of the instance makes no sense without it.
    pub(super) fn finish_vmac(
        &mut self,
        draft: &instance::Draft,
        family: Family,
        vrid: Vrid,
        prefix: &str,
    ) -> Option<Vmac> {
        let Some(At { value, span }) = draft.vmac else {
            if let Some(vrf) = draft.vrf {
                self.adjusted(
                    vrf.span,
                    "`vrf` without `use_vmac` is left out: the interface stays in its own",
                );
            }
            return None;
        };
        let six = if family == Family::V6 { "6" } else { "" };
        let name = value.name.or_else(|| format!("{prefix}{six}.{vrid}").parse().ok())?;
        if draft.interface.is_some_and(|interface| interface.value == name) {
            let message = format!("`{name}` is the interface that it is to stand on");
            self.report(
                Diagnostic::error("bad-value", span, message)
                    .help("name another, or none: use_vmac"),
            );
        }
        let mac = value.mac.map(|mac| match mac {
            Mac::Whole(mac) => mac,
            Mac::Beginning([a, b, c, d, e]) => [a, b, c, d, e, vrid.into()],
        });
        Some(Vmac { name, mac })
    }
}

fn mac(text: &str) -> Option<Mac> {
    let bytes = text.split(':').map(|byte| match byte.len() {
        1 | 2 => u8::from_str_radix(byte, 16).ok(),
        _ => None,
    });
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    // The lowest bit of the first byte marks a group.
    if bytes.first().is_some_and(|first| first & 1 != 0) {
        return None;
    }
    let whole = <[u8; 6]>::try_from(bytes.as_slice()).map(Mac::Whole).ok();
    whole.or_else(|| <[u8; 5]>::try_from(bytes.as_slice()).map(Mac::Beginning).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_address_has_six_bytes_or_five_and_is_no_groups() {
        assert!(matches!(mac("02:00:00:00:00:33"), Some(Mac::Whole([2, 0, 0, 0, 0, 0x33]))));
        assert!(matches!(mac("2:0:5e:0:1"), Some(Mac::Beginning([2, 0, 0x5e, 0, 1]))));
        for wrong in
            ["", ":", "02:00:00:00", "01:00:5e:00:00:12", "02:00:00:00:00:00:01", "0x:0:0:0:0"]
        {
            assert!(mac(wrong).is_none(), "{wrong}");
        }
    }
}
