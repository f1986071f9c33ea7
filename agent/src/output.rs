//! What goes to stdout: one renderer a file.

pub mod context;
pub mod json;
pub mod path;
pub mod peers;
pub mod text;
