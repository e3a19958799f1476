//! Times of day as operators read them: in the time zone of whoever looks.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `2026-01-02 03:04:05.678` of milliseconds since the epoch.
pub(super) fn local(at_ms: u64) -> String {
    format(at_ms, "%Y-%m-%d %H:%M:%S%.3f", &TimeZone::system())
}

fn format(at_ms: u64, form: &str, zone: &TimeZone) -> String {
    let stamp = i64::try_from(at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    stamp.unwrap_or(Timestamp::MAX).to_zoned(zone.clone()).strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_of_the_zone_and_never_fail() {
        let form = "%Y-%m-%d %H:%M:%S%.3f";
        assert_eq!(format(1_767_323_045_678, form, &TimeZone::UTC), "2026-01-02 03:04:05.678");
        assert!(format(u64::MAX, form, &TimeZone::UTC).starts_with("9999"));
    }
}
