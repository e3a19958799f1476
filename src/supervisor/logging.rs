//! How all processes log: the supervisor tells them, now and when they are started again.

use super::Supervisor;
use crate::log;
use crate::message::{Message, Role};

impl Supervisor {
    /// The format in force, for this process too: `--log-format` wins over the configuration.
    pub(super) fn apply_log_format(&self) {
        log::set_format(self.options.log_format.unwrap_or(self.header.log_format));
    }

    /// Tells a worker how to log.
    pub(super) fn send_log(&mut self, role: Role) {
        let format = self.options.log_format.unwrap_or(self.header.log_format);
        let levels = self.log_levels.clone();
        self.send(role, &Message::Log { format, levels }, None);
    }

    /// `evenkeel log`: here and everywhere. Levels that cannot be read change nothing.
    pub(super) fn set_levels(&mut self, levels: String) -> Result<String, String> {
        let said = log::set_levels(&levels)?;
        self.log_levels = levels;
        Role::WORKERS.into_iter().for_each(|role| self.send_log(role));
        Ok(said)
    }
}
