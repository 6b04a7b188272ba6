//! Email: IMAP in, SMTP out, and the two translations between raw mail and what the program knows of it.

pub mod compose;
mod envelope;
pub mod parse;
pub mod smtp;
pub mod imap;
pub mod tls;
