//! What everybody shares, always inside the caller's transaction.

pub mod matching;
pub mod outcome;
pub mod signal;
pub mod token;
