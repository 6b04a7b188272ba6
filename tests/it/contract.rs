//! The contract every store function keeps on both databases.

mod base;
mod people;
mod reading;
mod statements;
