//! What comes in: a poller asks mailboxes, a listener the other channels; ingest writes one transaction per batch. Nothing here sends
//! anything.

pub mod faces;
mod files;
pub mod heard;
pub mod ingest;
pub mod listener;
pub mod poller;
mod tenure;
