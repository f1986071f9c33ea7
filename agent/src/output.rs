//! What goes to stdout: one renderer a file.

pub mod context;
