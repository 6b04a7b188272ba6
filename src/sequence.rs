//! Sequences: from the TOML and the templates people write to a published definition, and everything that is said of them
//! before anything is sent.
//!
//! Reads files; opens no connection, knows no store, plans nothing.

pub mod codes;
pub mod diff;
pub mod first;
mod lint;
pub mod load;
pub mod preview;

pub use codes::{CODES, Code};
pub use diff::{Change, Next, diff, plan_migration};
pub use load::{Known, Live, Loaded, load, load_one};
