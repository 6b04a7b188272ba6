//! The contract every store function keeps on both databases.

mod base;
mod copy;
pub mod desk;
mod feed;
mod file;
mod gone;
mod idempotency;
mod login;
mod merge;
mod outbox;
mod people;
mod reading;
mod relay;
mod retention;
mod statements;
mod steer;
mod stuck;
mod tracking;
mod transfer;
mod webhook;
