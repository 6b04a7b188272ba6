//! Plain types and pure decisions: no IO, no async, no clock, no chance.
//!
//! Everything here takes what it needs as an argument and returns what was decided, so the daemon, the
//! command line and the tests run the same rules.

pub mod address;
pub mod archive;
pub mod automatic;
pub mod bounce;
pub mod calendar;
pub mod chat;
pub mod consequence;
pub mod day;
pub mod delay;
pub mod envelope;
pub mod erasure;
pub mod expression;
pub mod file;
pub mod highlight;
pub mod hit;
pub mod html;
pub mod ids;
pub mod mail;
pub mod mail_auth;
pub mod oauth;
pub mod pace;
pub mod people;
pub mod phone;
pub mod profile;
pub mod range;
pub mod rate;
pub mod refusal;
pub mod relay;
pub mod reply;
pub mod retry;
pub mod schedule;
pub mod sequence;
pub mod sms;
pub mod stage;
pub mod subject;
pub mod threading;
pub mod time;
pub mod token;
pub mod veil;
pub mod webhook;
pub mod words;
pub mod zone;
