//! What the worker holds of a configuration while nothing is due: built from a section as the worker builds it, without
//! a kernel and without the other processes, so that its size can be counted.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use checkers::{Checkers, Limits, Verdict};
use ipvs::{Op, ServiceKey, Table};

use super::applier::{Applier, Kernel};
use super::parcel::Section;
use super::scripts::Scripts;
use super::served::Served;
use super::state_file::Memory;
use super::subject::{Numbers, Subject};
use super::worker::{Parcels, subjects};

/// See the module. Its fields are held, and not looked at.
#[derive(Debug)]
#[expect(dead_code, reason = "what is counted is that they are there")]
pub struct Idle {
    parcels: Parcels,
    checkers: Checkers<Subject>,
    named: BTreeMap<u32, ServiceKey>,
    served: BTreeMap<ServiceKey, Box<Served>>,
    applier: Applier<Willing>,
    scripts: Scripts,
}

impl Idle {
    /// Everything that follows from this section.
    pub fn of(section: Vec<u8>, now: Instant) -> io::Result<Self> {
        let section = Section::read(section)?;
        let mut checkers = Checkers::new(Limits::default(), 7);
        let (mut parcels, mut opened) = (Vec::new(), Vec::new());
        let mut scripts = Scripts::default();
        let mut named = BTreeMap::new();
        for (at, digest) in section.digests() {
            let mut service = section.open(at)?;
            for check in &mut service.checks {
                *check = checkers.share(Arc::clone(check));
            }
            service.servers.share_scripts(&mut scripts);
            parcels.push((digest, service.key));
            let numbers =
                Numbers::new(u32::try_from(opened.len()).unwrap_or(u32::MAX), &service.servers);
            named.insert(numbers.service, service.key);
            opened.push((service, numbers));
        }
        drop(section);
        checkers.configure(opened.iter().flat_map(subjects), now);
        let mut served = BTreeMap::new();
        let mut plans = BTreeMap::new();
        for (service, numbers) in opened {
            let key = service.key;
            let mut one = Served::new(service, numbers, |_| Verdict::UP, Memory::default(), now);
            one.replan(now);
            plans.insert(key, Some(one.planned.service.clone()));
            served.insert(key, Box::new(one));
        }
        let mut applier = Applier::new(Willing, Table::default(), Default::default(), now);
        applier.want(plans, now);
        applier.pack();
        scripts.pack();
        let parcels = parcels.into_iter().collect();
        let served = served.into_iter().collect();
        let named = named.into_iter().collect();
        Ok(Self { parcels, checkers, named, served, applier, scripts })
    }
}

/// A kernel that does all that is asked.
#[derive(Debug)]
struct Willing;

impl Kernel for Willing {
    type Error = String;

    fn apply(&mut self, ops: &[Op]) -> Vec<Result<(), String>> {
        ops.iter().map(|_| Ok(())).collect()
    }

    fn read(&mut self, _: &[ServiceKey]) -> Result<Table, String> {
        Ok(Table::default())
    }
}
