//! Weights of trackers that cannot move a priority, however good or bad things are: what can be said of one router
//! alone. What its peer has to do with it is `pair`'s.

use super::Decoder;
use super::complete::Finished;
use crate::config::diagnostic::Diagnostic;
use crate::config::landmarks::Subject;
use crate::config::model::Tracked;

impl Decoder<'_> {
    /// Tells each weight that is lost because priorities end at 1 and 254, or that moves the priority by one alone:
    /// no priority lies between.
    pub(super) fn weights_count(&mut self, finished: &Finished) {
        let instance = &finished.instance;
        if instance.priority.is_owner() {
            return;
        }
        let base = i32::from(u8::from(instance.priority));
        let all: Vec<&Tracked> =
            [&instance.track_scripts, &instance.track_interfaces, &instance.track_processes]
                .into_iter()
                .chain([&instance.track_virtual_servers])
                .flatten()
                .collect();
        let bonus: i32 = all.iter().map(|one| i32::from(one.weight.weight.max(0))).sum();
        for one in &all {
            let weight = i32::from(one.weight.weight);
            if weight == 0 {
                continue;
            }
            let (good, bad) = (base + bonus, base + bonus - weight.abs());
            let (high, low) = (good.clamp(1, 254), bad.clamp(1, 254));
            let sum = if bonus > 0 { format!("{base} + {bonus}") } else { base.to_string() };
            let message = match high - low {
                0 => format!(
                    "`{}` never changes the priority: {sum} = {good} is held at {high}, and {good} - {} = {bad} at {low}",
                    one.name,
                    weight.abs()
                ),
                1 => format!(
                    "`{}` moves the priority from {high} to {low}, and no priority lies between: a peer below {high} \
                     never takes over",
                    one.name
                ),
                _ => continue,
            };
            let subject = Subject::Tracker(instance.name.clone(), one.name.clone());
            let at = self.diagnostics.landmarks().place(&subject).unwrap_or(finished.vrid);
            self.report(
                Diagnostic::warning("weak-weight", at, message)
                    .with(finished.priority, "the priority")
                    .help("a weight must be more than what lies between this router's priority and its peer's"),
            );
        }
    }
}
