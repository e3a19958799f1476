//! What the configuration asks of the ops worker.

use serde::{Deserialize, Serialize};

use super::told::Said;
use super::told::spec::ToldSpec;
use crate::config::model::{Config, Global};

/// Everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpsSpec {
    /// `global_defs`.
    pub global: Global,
    /// Who is told of events.
    pub told: ToldSpec,
}

impl From<&Config> for OpsSpec {
    fn from(config: &Config) -> Self {
        Self { global: config.global.clone(), told: ToldSpec::from(config) }
    }
}

impl OpsSpec {
    /// The same where the virtual servers are not in the model.
    pub fn of(config: &Config, said: Said) -> Self {
        Self { global: config.global.clone(), told: ToldSpec::of(config, said) }
    }
}
