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

/// A text that grows, family by family: what is written later of a family stands with what was written before, as both
/// formats want it, however the facts come.
#[derive(Debug)]
pub(super) struct Exposition {
    format: Format,
    families: Vec<Family>,
    /// The one that is written.
    at: usize,
    /// Of an earlier text: where the same families grew to the same length, no memory is touched for the first time.
    spare: Vec<String>,
}

/// Labels of many samples, written once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Labels(String);

impl Labels {
    pub(super) fn new(labels: &[(&str, &str)]) -> Self {
        let mut text = String::with_capacity(64 * labels.len());
        write_labels(&mut text, labels);
        Self(text)
    }
}

#[derive(Debug)]
struct Family {
    name: &'static str,
    kind: Kind,
    text: String,
}

impl Exposition {
    /// Written into what `spare` holds, as far as that goes: the pieces of an earlier text, in their order.
    pub(super) fn new(format: Format, spare: Vec<String>) -> Self {
        Self { format, families: Vec::new(), at: 0, spare }
    }

    /// Begins a family, or goes on with it: `name` without `evenkeel_` and without `_total`.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        // What is written for one virtual server after the other comes in the same order each time.
        let next = self.at + 1;
        let is_next = self.families.get(next).is_some_and(|family| family.name == name);
        let known = || self.families.iter().position(|family| family.name == name);
        if let Some(at) = if is_next { Some(next) } else { known() } {
            self.at = at;
            return;
        }
        let word = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        };
        let total = if self.format == Format::Prometheus { ending(kind) } else { "" };
        self.at = self.families.len();
        let mut text = self.spare.get_mut(self.at).map(std::mem::take).unwrap_or_default();
        text.clear();
        let _ = writeln!(
            text,
            "# HELP evenkeel_{name}{total} {help}\n# TYPE evenkeel_{name}{total} {word}"
        );
        self.families.push(Family { name, kind, text });
    }

    /// One value of the family.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        if let Some(family) = self.families.get_mut(self.at) {
            family.write(ending(family.kind), labels, value);
        }
    }

    /// A number of the family, under labels that others have too.
    pub(super) fn number(&mut self, labels: &Labels, value: u64) {
        if let Some(family) = self.families.get_mut(self.at) {
            family.name(ending(family.kind));
            family.text.push_str(&labels.0);
            family.text.push(' ');
            family.text.push_str(itoa::Buffer::new().format(value));
            family.text.push('\n');
        }
    }

    /// The same for what is not a whole number.
    pub(super) fn shown(&mut self, labels: &Labels, value: impl std::fmt::Display) {
        if let Some(family) = self.families.get_mut(self.at) {
            family.name(ending(family.kind));
            family.text.push_str(&labels.0);
            let _ = writeln!(family.text, " {value}");
        }
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
        let Some(family) = self.families.get_mut(self.at) else { return };
        let mut count = 0;
        let mut labelled = labels.to_vec();
        for (bound, more) in within.chain(std::iter::once(("+Inf", longer))) {
            count += more;
            labelled.truncate(labels.len());
            labelled.push(("le", bound));
            family.write("_bucket", &labelled, count);
        }
        family.write("_sum", labels, sum);
        family.write("_count", labels, count);
    }

    /// The whole text, in pieces.
    pub(super) fn finish(self) -> Vec<String> {
        let end = (self.format == Format::OpenMetrics).then(|| "# EOF\n".to_owned());
        self.families.into_iter().map(|family| family.text).chain(end).collect()
    }
}

impl Family {
    fn write(&mut self, ending: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.name(ending);
        write_labels(&mut self.text, labels);
        let _ = writeln!(self.text, " {value}");
    }

    fn name(&mut self, ending: &str) {
        let Self { name, text, .. } = self;
        text.push_str("evenkeel_");
        text.push_str(name);
        text.push_str(ending);
    }
}

fn write_labels(text: &mut String, labels: &[(&str, &str)]) {
    for (at, (name, value)) in labels.iter().enumerate() {
        text.push(if at == 0 { '{' } else { ',' });
        text.push_str(name);
        text.push_str("=\"");
        escape(text, value);
        text.push('"');
    }
    if !labels.is_empty() {
        text.push('}');
    }
}

fn ending(kind: Kind) -> &'static str {
    match kind {
        Kind::Gauge | Kind::Histogram => "",
        Kind::Counter => "_total",
    }
}

fn escape(text: &mut String, value: &str) {
    if !value.contains(['\\', '"', '\n']) {
        return text.push_str(value);
    }
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
        let mut exposition = Exposition::new(format, Vec::new());
        exposition.family("up", Kind::Gauge, "It is there.");
        exposition.sample(&[], 1);
        exposition.family("runs", Kind::Counter, "How often.");
        exposition.sample(&[("name", "a\"b\\c\nd"), ("to", "x")], 7);
        exposition.finish().concat()
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
    fn what_comes_later_of_a_family_stands_with_it() {
        let mut exposition = Exposition::new(Format::Prometheus, Vec::new());
        for name in ["a", "b"] {
            exposition.family("up", Kind::Gauge, "Up.");
            exposition.sample(&[("name", name)], 1);
            exposition.family("runs", Kind::Gauge, "Runs.");
            exposition.sample(&[("name", name)], 2);
        }
        let pieces = exposition.finish();
        assert_eq!(pieces.len(), 2);
        assert!(pieces[0].ends_with("evenkeel_up{name=\"a\"} 1\nevenkeel_up{name=\"b\"} 1\n"));
        assert_eq!(pieces[1].matches("# TYPE").count(), 1);
    }

    #[test]
    fn a_text_is_the_same_in_the_pieces_of_an_earlier_one() {
        let write = |spare| {
            let mut exposition = Exposition::new(Format::OpenMetrics, spare);
            let labels = Labels::new(&[("name", "a\"b"), ("to", "x")]);
            exposition.family("up", Kind::Gauge, "Up.");
            exposition.number(&labels, u64::MAX);
            exposition.family("runs", Kind::Counter, "Runs.");
            exposition.shown(&labels, 0.5);
            exposition.sample(&[("name", "a\"b"), ("to", "x")], 7);
            exposition.finish()
        };
        let first = write(Vec::new());
        assert!(first[0].ends_with("evenkeel_up{name=\"a\\\"b\",to=\"x\"} 18446744073709551615\n"));
        let labels = "evenkeel_runs_total{name=\"a\\\"b\",to=\"x\"}";
        assert!(first[1].ends_with(&format!("{labels} 0.5\n{labels} 7\n")), "{}", first[1]);
        assert_eq!(write(first.clone()), first);
        assert_eq!(write(vec!["longer than before".repeat(99)]), first);
    }

    #[test]
    fn a_histogram_counts_upwards() {
        let mut exposition = Exposition::new(Format::OpenMetrics, Vec::new());
        exposition.family("took_seconds", Kind::Histogram, "How long.");
        let within = [("0.001", 2), ("0.1", 3)];
        exposition.histogram(&[("check", "X")], within.into_iter(), 1, "0.5");
        let wanted = "# HELP evenkeel_took_seconds How long.\n# TYPE evenkeel_took_seconds histogram\n\
            evenkeel_took_seconds_bucket{check=\"X\",le=\"0.001\"} 2\n\
            evenkeel_took_seconds_bucket{check=\"X\",le=\"0.1\"} 5\n\
            evenkeel_took_seconds_bucket{check=\"X\",le=\"+Inf\"} 6\n\
            evenkeel_took_seconds_sum{check=\"X\"} 0.5\n\
            evenkeel_took_seconds_count{check=\"X\"} 6\n# EOF\n";
        assert_eq!(exposition.finish().concat(), wanted);
    }

    #[test]
    fn the_format_is_what_the_client_accepts() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;q=0.5";
        assert_eq!(Format::wanted(Some(prometheus)), Format::OpenMetrics);
        assert_eq!(Format::wanted(Some("*/*")), Format::Prometheus);
        assert_eq!(Format::wanted(None), Format::Prometheus);
    }
}
