//! What every room shares, always inside the caller's transaction: anything that is to leave, and anything that was learned.
//!
//! Nothing here talks to a provider.

pub mod enqueue;
pub mod settle;
