//! The whole daemon from end to end: real configuration, real databases, real mail servers, read by the HTTP API alone.
//!
//! No fakes and no SQL here: what counts is what a person sees in the API, and what other programs (Python's imaplib and
//! email) find in the mailboxes.

pub mod api;
mod arrives;
mod command;
mod mails;
mod people;
mod refused;
mod sequence;
mod sorts;
mod world;
