//! The tests, a file per theme. Each scenario is a promise; its name says which.

mod lab;

use crate::runner::Scenario;

/// Every scenario there is.
pub(crate) fn all() -> Vec<Scenario> {
    [lab::SCENARIOS].into_iter().flatten().copied().collect()
}
