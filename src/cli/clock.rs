//! Times of day as operators read them: in the time zone of whoever looks.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `2026-01-02 03:04:05.678` of milliseconds since the epoch.
pub(super) fn local(at_ms: u64) -> String {
    format(at_ms, "%Y-%m-%d %H:%M:%S%.3f", &TimeZone::system())
}

/// The time of day so many milliseconds ago, with the date where that was long ago.
#[expect(clippy::disallowed_methods, reason = "the edge: a time counted back from now")]
pub(super) fn ago(millis: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
    let form = if millis < 12 * 3_600_000 { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    format(now.saturating_sub(millis), form, &TimeZone::system())
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
