//! What goes out, written: from a template to a message, from a draft to the octets of a mail. Pure: no clock, no chance, no store, no network.

pub mod mail;
pub mod shown;
pub mod template;
pub mod track;
