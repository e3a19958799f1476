//! How the whole director is: what `/v1/status` answers, and metrics, pages and explanations are made of.

pub mod page;

use serde::{Deserialize, Serialize};

use crate::lvs::status::LvsStatus;
use crate::ops::told::ReceiverStatus;
use crate::router::status::VrrpStatus;
use crate::supervisor::status::DirectorStatus;

/// A part is `null` where its process has no work or does not answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The supervisor and its workers.
    pub director: Option<DirectorStatus>,
    /// The vrrp worker.
    pub vrrp: Option<VrrpStatus>,
    /// The lvs worker.
    pub lvs: Option<LvsStatus>,
    /// Who is told of events elsewhere, and how that goes.
    #[serde(default)]
    pub told: Vec<ReceiverStatus>,
}
