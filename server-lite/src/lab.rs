//! What makes the embedded cloud a place to test in: a timeline of what happens in it, faults on demand, VMs that run.
//!
//! The OneGate protocol's code knows nothing of it: it watches what is committed and what requests came to, and acts on
//! the cloud as an operator does.

pub mod event;
pub mod observer;
pub mod timeline;
