//! The one integration binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    unreachable_pub,
    dead_code,
    reason = "tests stop at the first surprise, and wait and print as they need"
)]

mod contract;
mod outbound;
mod outbox_bench;
mod stores;
