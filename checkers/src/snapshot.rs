//! What a state file holds, so that a restarted process goes on with the verdicts that it had.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::probed::{Probed, SavedProbe};
use crate::spec::{CheckSpec, ProbeKey, Target};

/// All probes that have been asked, by value. Equal options are written once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    specs: Vec<Arc<CheckSpec>>,
    probes: Vec<(Target, u32, SavedProbe)>,
}

impl Snapshot {
    pub(crate) fn take<'a>(probes: impl Iterator<Item = &'a Probed>, now: Instant) -> Self {
        // Equal options are one copy among the probes: where it lies says which.
        let mut places: HashMap<*const CheckSpec, u32> = HashMap::new();
        let mut specs = Vec::new();
        // What was not asked yet begins anew there as it did here.
        let probes = probes
            .filter(|probe| !probe.is_untouched())
            .map(|probe| {
                let Probed { target, spec, .. } = probe;
                let place = *places.entry(Arc::as_ptr(spec)).or_insert_with(|| {
                    specs.push(Arc::clone(spec));
                    // A slot is a u32, so there are never more options than that.
                    u32::try_from(specs.len() - 1).unwrap_or(u32::MAX)
                });
                (*target, place, probe.save(now))
            })
            .collect();
        Self { specs, probes }
    }

    /// Entries that point nowhere are dropped: the file may be damaged.
    pub(crate) fn into_map(self) -> HashMap<ProbeKey, SavedProbe> {
        let Self { specs, probes } = self;
        probes
            .into_iter()
            .filter_map(|(target, place, saved)| {
                let spec = specs.get(usize::try_from(place).ok()?)?;
                Some((ProbeKey { target, spec: Arc::clone(spec) }, saved))
            })
            .collect()
    }

    /// How many probes it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.probes.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.probes.is_empty()
    }
}
