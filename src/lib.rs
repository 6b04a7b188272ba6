//! liaison: a self-hosted communications hub for influencer relations.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connector;
pub mod control;
pub mod domain;
pub mod http;
pub mod hub;
pub mod inbound;
pub mod lifecycle;
pub mod outbound;
pub mod render;
pub mod store;
pub mod telemetry;
pub mod worker;
