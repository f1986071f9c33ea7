//! `onegate context show` and `onegate context env`.

use crate::context::{Context, Missing};

/// What was found and where, the token as `present, 24 characters`; with a [`Missing`], what is missing and why.
pub fn show(_found: &Result<Context, Missing>) -> String {
    String::new()
}

/// The three as shell assignments, safely quoted for `eval`.
pub fn env(_context: &Context) -> String {
    String::new()
}
