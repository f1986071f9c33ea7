//! Where this server differs from the recorded one on purpose: the one table, for the embedded cloud and for a real
//! OpenNebula behind it. A recorded case that is not here must be answered with the same status and the same JSON, or
//! the same words; one that is here must be answered as it says.

/// What is answered instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ours {
    /// This status, with these words in the body.
    Says(u16, &'static str),
    /// Success, and this is what then stands in the VM's attributes beside what was there: a JSON object, in which
    /// null stands for an attribute that is gone.
    Stores(&'static str),
}

/// A deliberate difference: the case's name, what is answered, and why.
pub type Difference = (&'static str, Ours, &'static str);

/// The difference for a case, whichever cloud is behind.
pub fn of(case: &str) -> Option<&'static Difference> {
    DIFFERENCES.iter().find(|(name, _, _)| *name == case)
}

/// The difference for a case with the embedded cloud.
pub fn of_embedded(case: &str) -> Option<&'static Difference> {
    let of_its_own = OF_THE_EMBEDDED_CLOUD
        .iter()
        .find(|(name, _, _)| *name == case);
    of(case).or(of_its_own)
}

/// The difference for a case with a real OpenNebula.
pub fn of_opennebula(case: &str) -> Option<&'static Difference> {
    let of_its_own = OF_OPENNEBULA.iter().find(|(name, _, _)| *name == case);
    of_its_own.or(of(case))
}

/// Whether this test shows a difference that was seen on a live installation.
pub fn is_shown_by(test: &str) -> bool {
    table::OBSERVED.iter().any(|(_, _, shows)| *shows == test)
}

pub use table::{DIFFERENCES, OF_OPENNEBULA, OF_THE_EMBEDDED_CLOUD};

mod table;
