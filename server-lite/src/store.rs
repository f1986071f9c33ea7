//! The embedded cloud's documents: in memory, in a transaction, in the database file.

pub mod commit;
pub mod database;
pub mod state;
