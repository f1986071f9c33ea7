//! Why a cloud did not do what was asked.

/// Why a cloud did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such object.
    NotFound,
    /// The user has no right to do this; the reason in the cloud's words, as
    /// `[one.vm.action] User [2] : Not authorized to perform MANAGE VM [6].`
    NotAllowed(String),
    /// What was sent can't be stored exactly as it is; says which attribute and why (a 400 for the guest).
    Invalid(String),
    /// The record would exceed a limit; says which (a 413 for the guest).
    TooLarge(String),
    /// The cloud said no; the reason in its words, as
    /// `[one.vm.action] Error performing action "hold": This action is not available for state RUNNING`
    Failed(String),
    /// Nobody answers behind us, or nothing can be stored: worth another try. The cause is for the log, never for
    /// the guest.
    Unavailable(String),
    /// More is asked of it than it can do: worth another try after so many seconds.
    Busy(u32),
}

impl Refusal {
    /// The cause in a line, for the log.
    pub fn cause(&self) -> &str {
        match self {
            Self::NotFound => "there is no such object",
            Self::Busy(_) => "more calls wait than can be made in time",
            Self::NotAllowed(cause)
            | Self::Invalid(cause)
            | Self::TooLarge(cause)
            | Self::Failed(cause)
            | Self::Unavailable(cause) => cause,
        }
    }
}
