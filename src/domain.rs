//! Plain types and pure decisions: no IO, no async, no clock, no chance.
//!
//! Everything here takes what it needs as an argument and returns what was decided, so the daemon, the
//! command line and the tests run the same rules.

pub mod address;
pub mod automatic;
pub mod bounce;
pub mod consequence;
pub mod delay;
pub mod envelope;
pub mod ids;
pub mod mail;
pub mod people;
pub mod reply;
pub mod retry;
pub mod sequence;
pub mod stage;
pub mod subject;
pub mod threading;
pub mod time;
pub mod words;
