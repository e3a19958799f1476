//! PURE: metrics as text, in OpenMetrics 1.0 or in the older format that Prometheus calls its own (0.0.4). They differ in
//! how counters are announced and in the end mark.

use std::fmt::Write;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Version 1.0.
    OpenMetrics,
    /// Version 0.0.4.
    Prometheus,
}

impl Format {
    /// From a request's `Accept`.
    pub(super) fn wanted(accept: Option<&str>) -> Self {
        let named = accept.is_some_and(|accept| accept.contains("application/openmetrics-text"));
        if named { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// What a family measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only goes up; its samples end in `_total`.
    Counter,
    /// How many were within each of some bounds: [`Exposition::histogram`].
    Histogram,
}

/// A text that grows.
#[derive(Debug)]
pub(super) struct Exposition {
    format: Format,
    text: String,
    name: &'static str,
    kind: Kind,
}

impl Exposition {
    pub(super) fn new(format: Format) -> Self {
        Self { format, text: String::with_capacity(64 * 1024), name: "", kind: Kind::Gauge }
    }

    /// Begins a family: `name` without `evenkeel_` and without `_total`.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        (self.name, self.kind) = (name, kind);
        let word = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        };
        let total = if self.format == Format::Prometheus { self.ending() } else { "" };
        let _ = writeln!(self.text, "# HELP evenkeel_{name}{total} {help}");
        let _ = writeln!(self.text, "# TYPE evenkeel_{name}{total} {word}");
    }

    /// One value of the family.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.write(self.ending(), labels, value);
    }

    /// One histogram of the family: each bound, as it is written, with how many were within it and above the bound
    /// before; how many were above them all; and their sum.
    pub(super) fn histogram(
        &mut self,
        labels: &[(&str, &str)],
        within: impl Iterator<Item = (&'static str, u64)>,
        longer: u64,
        sum: impl std::fmt::Display,
    ) {
        let mut count = 0;
        let mut labelled = labels.to_vec();
        for (bound, more) in within.chain(std::iter::once(("+Inf", longer))) {
            count += more;
            labelled.truncate(labels.len());
            labelled.push(("le", bound));
            self.write("_bucket", &labelled, count);
        }
        self.write("_sum", labels, sum);
        self.write("_count", labels, count);
    }

    fn write(&mut self, ending: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let _ = write!(self.text, "evenkeel_{}{ending}", self.name);
        for (at, (name, value)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{name}=\"");
            escape(&mut self.text, value);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// The whole text.
    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn ending(&self) -> &'static str {
        match self.kind {
            Kind::Gauge | Kind::Histogram => "",
            Kind::Counter => "_total",
        }
    }
}

fn escape(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(format: Format) -> String {
        let mut exposition = Exposition::new(format);
        exposition.family("up", Kind::Gauge, "It is there.");
        exposition.sample(&[], 1);
        exposition.family("runs", Kind::Counter, "How often.");
        exposition.sample(&[("name", "a\"b\\c\nd"), ("to", "x")], 7);
        exposition.finish()
    }

    #[test]
    fn both_formats_are_as_they_are_described() {
        let open = "# HELP evenkeel_up It is there.\n# TYPE evenkeel_up gauge\nevenkeel_up 1\n\
            # HELP evenkeel_runs How often.\n# TYPE evenkeel_runs counter\n\
            evenkeel_runs_total{name=\"a\\\"b\\\\c\\nd\",to=\"x\"} 7\n# EOF\n";
        assert_eq!(text(Format::OpenMetrics), open);
        let older = "# HELP evenkeel_up It is there.\n# TYPE evenkeel_up gauge\nevenkeel_up 1\n\
            # HELP evenkeel_runs_total How often.\n# TYPE evenkeel_runs_total counter\n\
            evenkeel_runs_total{name=\"a\\\"b\\\\c\\nd\",to=\"x\"} 7\n";
        assert_eq!(text(Format::Prometheus), older);
    }

    #[test]
    fn a_histogram_counts_upwards() {
        let mut exposition = Exposition::new(Format::OpenMetrics);
        exposition.family("took_seconds", Kind::Histogram, "How long.");
        let within = [("0.001", 2), ("0.1", 3)];
        exposition.histogram(&[("check", "X")], within.into_iter(), 1, "0.5");
        let wanted = "# HELP evenkeel_took_seconds How long.\n# TYPE evenkeel_took_seconds histogram\n\
            evenkeel_took_seconds_bucket{check=\"X\",le=\"0.001\"} 2\n\
            evenkeel_took_seconds_bucket{check=\"X\",le=\"0.1\"} 5\n\
            evenkeel_took_seconds_bucket{check=\"X\",le=\"+Inf\"} 6\n\
            evenkeel_took_seconds_sum{check=\"X\"} 0.5\n\
            evenkeel_took_seconds_count{check=\"X\"} 6\n# EOF\n";
        assert_eq!(exposition.finish(), wanted);
    }

    #[test]
    fn the_format_is_what_the_client_accepts() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;q=0.5";
        assert_eq!(Format::wanted(Some(prometheus)), Format::OpenMetrics);
        assert_eq!(Format::wanted(Some("*/*")), Format::Prometheus);
        assert_eq!(Format::wanted(None), Format::Prometheus);
    }
}
