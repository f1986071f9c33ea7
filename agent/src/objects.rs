//! What OpenNebula sends and stores.

pub mod attribute;
pub mod document;
pub mod json;
pub mod path;
pub mod record;
pub mod state;
