//! Which checks a real server has, in little room.

use checkers::Target;
use ipvs::DestinationKey;
use serde::{Deserialize, Serialize};

/// One check of a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRef {
    /// Who is asked.
    pub target: Target,
    /// Index into [`super::ServiceSpec::checks`].
    pub check: u32,
}

/// The checks of a real server. Most have one, and it asks where the real server serves: that takes no room of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked(Form);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Form {
    /// One check of the real server's own address and port: its index.
    Itself(u32),
    /// Anything else, in the order of the configuration.
    List(Box<[CheckRef]>),
}

impl Asked {
    /// The checks of the real server `of`. Equal checks have one form alone.
    pub fn new(of: DestinationKey, checks: impl Iterator<Item = CheckRef>) -> Self {
        let list: Box<[CheckRef]> = checks.collect();
        Self(match *list {
            [CheckRef { target, check }] if target == own(of) => Form::Itself(check),
            _ => Form::List(list),
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        match &self.0 {
            Form::Itself(_) => 1,
            Form::List(list) => list.len(),
        }
    }

    /// All of them; `of` is whose they are.
    pub fn each(&self, of: DestinationKey) -> impl Iterator<Item = CheckRef> + '_ {
        let (one, list) = match &self.0 {
            Form::Itself(check) => (Some(CheckRef { target: own(of), check: *check }), &[][..]),
            Form::List(list) => (None, &**list),
        };
        one.into_iter().chain(list.iter().copied())
    }
}

fn own(DestinationKey { addr, port }: DestinationKey) -> Target {
    Target { addr, port }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_and_the_usual_one_is_small() {
        let of = DestinationKey::new([10, 0, 0, 1].into(), 80);
        let own = CheckRef { target: own(of), check: 3 };
        let other = CheckRef { target: Target { port: 81, ..own.target }, check: 4 };
        for list in [vec![], vec![own], vec![other], vec![own, other], vec![own, own]] {
            let asked = Asked::new(of, list.iter().copied());
            assert_eq!(
                (asked.each(of).collect::<Vec<_>>(), asked.count()),
                (list.clone(), list.len())
            );
            assert_eq!(matches!(asked.0, Form::Itself(3)), list == [own]);
        }
        assert_eq!(size_of::<Asked>(), 16);
    }
}
