//! Mail in: the poller asks the network, ingest writes one transaction per batch. Nothing here sends anything.

pub mod ingest;
pub mod poller;
