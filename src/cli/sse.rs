//! PURE: the lines of a server-sent event stream (WHATWG HTML, section 9.2), from however the bytes come.

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// `event:`.
    pub(super) name: String,
    /// `data:`, its lines joined.
    pub(super) data: String,
}

/// A stream as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
    name: String,
    data: Vec<String>,
}

impl Lines {
    /// Takes the next bytes; the events that they complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for byte in bytes {
            if *byte == b'\n' {
                let line = std::mem::take(&mut self.partial);
                let line = String::from_utf8_lossy(&line);
                events.extend(self.line(line.trim_end_matches('\r')));
            } else {
                self.partial.push(*byte);
            }
        }
        events
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            return (!data.is_empty()).then(|| Event { name, data: data.join("\n") });
        }
        // A comment has an empty field name.
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => self.data.push(value.to_owned()),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_the_bytes_are_cut() {
        let text = b": alive\n\nevent: event\nid: 7\ndata: {\"a\":1}\n\nevent:missed\r\ndata: 3\ndata: 4\r\n\r\n";
        let wanted = [
            Event { name: "event".into(), data: "{\"a\":1}".into() },
            Event { name: "missed".into(), data: "3\n4".into() },
        ];
        for step in 1..text.len() {
            let mut lines = Lines::default();
            let events: Vec<Event> = text.chunks(step).flat_map(|part| lines.feed(part)).collect();
            assert_eq!(events, wanted, "in steps of {step}");
        }
    }
}
