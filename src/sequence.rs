//! Sequences at work: what is due is planned, rendered and put into the outbox.
//!
//! Nothing is sent here. What ends a run or holds it is the hub's; this room only looks at runs whose time has come.

pub mod cadence;
