//! Email: IMAP in, SMTP out, and the two translations between raw mail and what the program knows of it.

pub mod imap;
pub mod parse;
pub mod smtp;
pub mod tls;
