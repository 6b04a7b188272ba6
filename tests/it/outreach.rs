//! Runs of sequences: the engine on both databases, on a clock that is stepped from one due instant to the next.

mod model;
mod races;
mod rules;
mod world;
