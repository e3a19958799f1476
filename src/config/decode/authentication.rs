//! `authentication { ... }` of an instance: what it says.

use super::{At, Keyword, Keywords, acts};

/// `authentication { ... }`.
#[derive(Debug, Default)]
pub(super) struct Authentication {
    pub(super) kind: Option<At<Kind>>,
    pub(super) password: Option<At<String>>,
}

/// `auth_type`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// `PASS`.
    Pass,
    /// `AH`.
    Header,
}

impl Keywords for Authentication {
    const BLOCK: &'static str = "authentication";
    const TABLES: &'static [&'static [Keyword<Self>]] = &[&[
        acts("auth_type", "PASS | AH", |decoder, directive, draft| {
            let Some(word) = decoder.word(directive) else { return };
            const CHOICES: [(&str, Kind); 2] = [("PASS", Kind::Pass), ("AH", Kind::Header)];
            let kind = decoder.choice(word, &CHOICES);
            draft.kind = kind.map(|value| At { value, span: word.span });
        }),
        acts("auth_pass", "PASSWORD", |decoder, directive, draft| {
            let Some(word) = decoder.word(directive) else { return };
            draft.password = Some(At { value: word.text.to_string(), span: word.span });
        }),
    ]];
}
