//! The daemon as those who run it see it: the real binary, its numbers, its watchdog, its backups and its upgrades.

mod backups;
mod canaries;
mod domains;
mod installed;
mod large;
mod machine;
mod moved;
mod packaging;
pub mod place;
mod restricted;
mod stranger;
mod upgrades;
pub mod watched;
