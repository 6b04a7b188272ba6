//! What every room shares when something is to be changed: rules that hold wherever a change comes from.
//!
//! Functions here work inside the caller's transaction, so that a change and its event are kept together or not at
//! all; imports, which are too large for one transaction, open one per batch. No network here, ever.

pub mod account_stats;
pub mod enqueue;
pub mod fares;
pub mod hold;
pub mod import;
pub mod loose_ends;
pub mod matching;
pub mod outreach;
pub mod people;
pub mod react;
pub mod relay;
pub mod reread;
pub mod retention;
pub mod revise;
pub mod roster;
pub mod said;
pub mod seal;
pub mod sequencer;
pub mod settle;
pub mod signal;
pub mod signing;
pub mod stage_stats;
pub mod talk;
pub mod task;
pub mod thread;
pub mod token;
pub mod touch;
pub mod unmatched;
pub mod unsubscribe;
pub mod view;
pub mod webhook;
pub mod why;
