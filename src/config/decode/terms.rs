//! What the routers of one instance must agree on to hear each other: version, interval, authentication. The rules are
//! keepalived's; where it changes a value it says so, and so do we.

use std::time::Duration;

use vrrp::{Family, Version};

use super::authentication::{Authentication, Kind};
use super::instance::Draft;
use super::{At, Decoder};
use crate::config::diagnostic::Diagnostic;
use crate::config::model::Authentication as Secret;

/// Bytes of `auth_pass` that count (RFC 2338 section 5.3.10).
const PASSWORD: usize = 8;
/// The most that version 3 can say: 12 bits of centiseconds.
const LONGEST_V3: Duration = Duration::from_millis(40_950);

impl Decoder<'_> {
    pub(super) fn instance_version(
        &mut self,
        draft: &Draft,
        family: Family,
        global: Version,
    ) -> Version {
        match (family, draft.version) {
            (Family::V6, Some(At { value: Version::V2, span })) => {
                let message = "version 2 knows no IPv6: version 3 is spoken";
                let help = "write `version 3`; all of its routers speak it then";
                self.report(Diagnostic::warning("adjusted", span, message).help(help));
                Version::V3
            }
            (Family::V6, _) => Version::V3,
            (Family::V4, version) => version.map_or(global, |version| version.value),
        }
    }

    pub(super) fn advert_int(&mut self, given: Option<At<Duration>>, version: Version) -> Duration {
        let Some(At { value, span }) = given else { return Duration::from_secs(1) };
        let shown = super::value::show_time(value);
        match version {
            Version::V2 if value.subsec_nanos() != 0 => {
                // keepalived rounds to the nearest second, and to no less than one.
                let seconds = Duration::from_secs(
                    (value.as_secs() + u64::from(value.subsec_millis() >= 500)).max(1),
                );
                self.report(
                    Diagnostic::warning("adjusted", span, format!("version 2 counts whole seconds: {shown} s becomes {} s", seconds.as_secs()))
                        .help("`version 3` in the instance counts in steps of 10 ms; all of its routers need it"),
                );
                seconds
            }
            Version::V2 => value,
            Version::V3 if value > LONGEST_V3 => {
                self.adjusted(
                    span,
                    format!("version 3 goes up to 40.95 s: {shown} s becomes 40.95 s"),
                );
                LONGEST_V3
            }
            Version::V3 => {
                let centis = (value + Duration::from_millis(5)).as_millis() / 10;
                let rounded = Duration::from_millis(u64::try_from(centis * 10).unwrap_or(10));
                if rounded != value {
                    let rounded = super::value::show_time(rounded);
                    self.adjusted(
                        span,
                        format!(
                            "version 3 counts in steps of 10 ms: {shown} s becomes {rounded} s"
                        ),
                    );
                }
                rounded
            }
        }
    }

    pub(super) fn authentication(
        &mut self,
        draft: &Draft,
        version: Version,
        strict: bool,
    ) -> Secret {
        let Some((Authentication { kind, password }, keyword)) = &draft.authentication else {
            return Secret::None;
        };
        match (kind, password) {
            _ if version == Version::V3 => {
                let message = "version 3 has no authentication: it is left out";
                self.report(
                    Diagnostic::warning("adjusted", *keyword, message)
                        .help(
                            "leave it out on all routers, or go back to `version 2` on all of them",
                        )
                        .with(draft.version.map(|at| at.span).or(self.version_at), "the version"),
                );
                Secret::None
            }
            _ if strict => {
                self.against_strict(*keyword, "strict mode has no authentication: it is left out");
                Secret::None
            }
            (Some(kind), Some(At { value, span })) => {
                if value.len() > PASSWORD {
                    let message = format!("only the first {PASSWORD} bytes of the password count");
                    let help = "cut it to them, so that nobody relies on the rest";
                    self.report(Diagnostic::warning("adjusted", *span, message).help(help));
                }
                let mut bytes = [0; PASSWORD];
                bytes.iter_mut().zip(value.bytes()).for_each(|(to, from)| *to = from);
                match kind.value {
                    Kind::Pass => Secret::Pass(bytes),
                    Kind::Header => Secret::Header(bytes),
                }
            }
            (Some(kind), None) => {
                self.report(
                    Diagnostic::warning(
                        "missing-keyword",
                        kind.span,
                        "`auth_type` without `auth_pass`: no authentication",
                    )
                    .help("add: auth_pass secret"),
                );
                Secret::None
            }
            (None, Some(password)) => {
                self.report(
                    Diagnostic::warning(
                        "missing-keyword",
                        password.span,
                        "`auth_pass` without `auth_type`: no authentication",
                    )
                    .help("add: auth_type PASS"),
                );
                Secret::None
            }
            (None, None) => Secret::None,
        }
    }
}
