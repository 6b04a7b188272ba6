//! The one integration-test binary: each module below holds one subject. Real servers come from `peers`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unreachable,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::pedantic,
    clippy::too_many_lines,
    clippy::too_many_arguments,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    dead_code,
    reason = "a test that can't go on fails by panicking, with words; tests wait and print as they need"
)]

mod answers;
mod channels;
mod cli;
mod contract;
mod corpora;
mod cut;
mod daemon;
mod demo;
mod e2e;
mod erasure;
mod facts;
mod fault;
mod files;
mod foresee;
mod full;
mod house;
mod http;
mod imap;
mod ingest;
mod ingest_corpora;
mod kills;
mod ledger;
mod lines;
mod lint;
mod login;
mod mail_record;
mod nodes;
mod northlane;
mod operations;
mod outbound;
mod outbox_bench;
mod outreach;
mod peers;
mod people;
mod poller;
mod react;
mod readme;
mod relay;
mod reload;
mod schedules;
mod seed;
mod sequences;
mod sessions;
mod slack;
mod sms;
mod smtp;
mod smtp_script;
mod states;
mod steer;
mod stores;
mod supply;
mod tracking;
mod webhooks;
