//! A log line as text or as JSON: when, how bad, which process, what, and the values as fields.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::limit::{Limit, Verdict};
use crate::message::Role;

/// Which of the two; may change while the process runs.
pub(super) static JSON: AtomicBool = AtomicBool::new(false);

/// Writes lines of one process. Which process says it matters more than which module.
pub(super) struct Line {
    pub(super) role: Role,
    pub(super) limit: Mutex<Limit>,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    #[expect(clippy::disallowed_methods, reason = "the edge: lines are counted by time")]
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        let level = event.metadata().level();
        let verdict = {
            let mut limit = self.limit.lock().unwrap_or_else(PoisonError::into_inner);
            limit.rule(said.identity(), Instant::now())
        };
        let json = JSON.load(Ordering::Relaxed);
        if let Verdict::WriteAfter(times) = verdict {
            let words = format!("{times} more lines like the next were not written");
            let repeated = Said { message: words, fields: Vec::new() };
            if json {
                repeated.json(&mut writer, self.role, level)?;
            } else {
                SystemTime.format_time(&mut writer)?;
                writeln!(writer, " {level:>5} {}: {}", self.role, repeated.message)?;
            }
        }
        match verdict {
            // Nothing written is nothing sent: the layer below writes the empty text, which is no system call.
            Verdict::Count => Ok(()),
            Verdict::Write | Verdict::WriteAfter(_) if json => {
                said.json(&mut writer, self.role, level)
            }
            Verdict::Write | Verdict::WriteAfter(_) => {
                SystemTime.format_time(&mut writer)?;
                write!(writer, " {level:>5} {}: ", self.role)?;
                context.field_format().format_fields(writer.by_ref(), event)?;
                writeln!(writer)
            }
        }
    }
}

/// What an event says.
#[derive(Debug, Default)]
struct Said {
    message: String,
    fields: Vec<(&'static str, serde_json::Value)>,
}

impl Said {
    /// Equal for lines that say the same of the same: numbers (how long, how many) may differ.
    fn identity(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.message.hash(&mut hasher);
        for (name, value) in &self.fields {
            if let serde_json::Value::String(text) = value {
                (name, text).hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    fn json(&self, writer: &mut Writer<'_>, role: Role, level: &tracing::Level) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        write!(writer, "{{\"time\":\"{time}\",\"level\":\"{level}\",\"process\":\"{role}\"")?;
        write!(writer, ",\"message\":{}", serde_json::Value::from(self.message.as_str()))?;
        for (name, value) in &self.fields {
            // A field may not take the place of ours.
            let mark = if ["time", "level", "process"].contains(name) { "_" } else { "" };
            write!(writer, ",\"{name}{mark}\":{value}")?;
        }
        writeln!(writer, "}}")
    }

    fn add(&mut self, field: &Field, value: serde_json::Value) {
        if field.name() == "message" {
            self.message = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        } else {
            self.fields.push((field.name(), value));
        }
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.add(field, u64::try_from(value).unwrap_or(u64::MAX).into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }
}
