//! The samples that the project shows to people run under keepalived and under evenkeel alike.
//!
//! Not here: `shared-pair` (Debian's keepalived 2.2.7 knows no macros with parameters) and `nginx-pair` (no IPVS).

use super::table::{Case, DIRECT, compare};
use crate::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::together("sample_dr_pair_as_keepalived", 120, |keeper| compare(keeper, &DR_PAIR)),
    Scenario::together("sample_dual_master_as_keepalived", 120, |keeper| {
        compare(keeper, &DUAL_MASTER);
    }),
    Scenario::together("sample_fwmark_as_keepalived", 120, |keeper| compare(keeper, &FWMARK)),
    Scenario::together("sample_group_as_keepalived", 120, |keeper| compare(keeper, &GROUP)),
    Scenario::together("sample_misc_check_as_keepalived", 120, |keeper| {
        compare(keeper, &MISC_CHECK)
    }),
    Scenario::together("sample_nat_as_keepalived", 120, |keeper| compare(keeper, &NAT)),
];

const DR_PAIR: Case = Case {
    config: include_str!("../../../configs/dr-pair-a.conf"),
    ports: &[
        "0.0.0.0:53",
        "0.0.0.0:80",
        "0.0.0.0:443",
        "0.0.0.0:3306",
        "0.0.0.0:8080",
        "tls:0.0.0.0:8443",
    ],
    addresses: &[
        ("d1", "10.0.1.1/24"),
        ("r1", "10.0.0.3/24"),
        ("r1", "10.0.1.3/24"),
        ("r2", "10.0.0.4/24"),
        ("r2", "10.0.1.4/24"),
    ],
    ..DIRECT
};
const DUAL_MASTER: Case =
    Case { config: include_str!("../../../configs/dual-master-a.conf"), ..DR_PAIR };
const FWMARK: Case = Case { config: include_str!("../../../configs/fwmark.conf"), ..DR_PAIR };
const GROUP: Case =
    Case { config: include_str!("../../../configs/group.conf"), vip: None, ..DR_PAIR };
const MISC_CHECK: Case =
    Case { config: include_str!("../../../configs/misc-check.conf"), vip: None, ..DR_PAIR };
const NAT: Case = Case { config: include_str!("../../../configs/nat.conf"), vip: None, ..DR_PAIR };
