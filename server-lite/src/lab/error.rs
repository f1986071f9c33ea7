//! Why something in the lab was not understood, or not done.

use super::faults::GateFault;
use crate::http::LONGEST_HOLD;
use crate::objects::document::Id;
use crate::objects::refusal::Refusal;
use crate::objects::template::TemplateError;
use std::io;
use thiserror::Error;

/// A time that can't be read: what stands in its place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected a duration such as 30, 300ms, 2s, 5m or 1h, not '{0}'")]
pub struct NoDuration(pub String);

/// Why an order is none, or was not carried out. What it repeats is cut and printable already.
#[derive(Debug, Error)]
pub enum LabError {
    /// No JSON.
    #[error("this is no order: {0}")]
    NoOrder(#[from] serde_json::Error),
    /// The server has no such command.
    #[error("this server has no command '{0}'")]
    NoCommand(String),
    /// `vm set` without anything to set.
    #[error("what is to be set? expected KEY=VALUE, as in READY=YES")]
    NothingToSet,
    /// A word of `vm set`.
    #[error("'{0}': {1}")]
    NoAttribute(String, TemplateError),
    /// A wait for nothing.
    #[error("what is waited for? expected a condition, as in STATE=RUNNING")]
    NoConditions,
    /// A word that is no condition.
    #[error("'{0}' is no condition: expected KEY=VALUE or KEY!=VALUE, as in STATE=RUNNING")]
    NoCondition(String),
    /// `vm create` without a pattern.
    #[error("--like ID is missing: the VM that the new one is to be like")]
    NoPattern,
    /// A time.
    #[error(transparent)]
    NoDuration(#[from] NoDuration),
    /// The word of `clock`.
    #[error("'{0}': expected how far to put the clock ahead, as in +10m")]
    NoStep(String),
    /// The words of `gate`.
    #[error("'gate {0}': expected {forms}", forms = GateFault::FORMS)]
    NoFault(String),
    /// A percentage.
    #[error("'gate {0}': expected a percentage from 0% to 100%")]
    NoPercentage(String),
    /// Slower than a request is held.
    #[error("'gate {0}': {longest} s at most", longest = LONGEST_HOLD.as_secs())]
    TooSlow(String),
    /// There is no such VM or service.
    #[error("there is no {0} {1} in this cloud")]
    Nothing(&'static str, Id),
    /// The service has no such role.
    #[error("the service has no role '{0}'")]
    NoRole(String),
    /// A service has no such key.
    #[error(
        "a service has no '{0}': expected STATE, NAME, ROLE.STATE, ROLE.CARDINALITY or ROLE.RUNNING"
    )]
    NoKey(String),
    /// The cloud refuses it.
    #[error("{}", .0.cause())]
    Refused(Refusal),
    /// The server ends.
    #[error("the server ends")]
    Ending,
    /// What was waited for did not happen in so many seconds: to what, and which condition did not hold.
    #[error("{0}: {1}, after {2} s")]
    Late(String, String, f64),
    /// Whoever gave the order is gone.
    #[error("nobody reads the answer: {0}")]
    Gone(#[from] io::Error),
}
