//! The daemon as those who run it see it: the real binary, its numbers, its watchdog, its backups and its upgrades.

mod backups;
mod large;
mod moved;
mod packaging;
mod place;
mod upgrades;
mod watched;
