//! What OpenNebula sends and stores.

pub mod action;
pub mod document;
pub mod json;
pub mod message;
pub mod refusal;
pub mod template;
pub mod token;
pub mod user_template;
pub mod vm_state;
