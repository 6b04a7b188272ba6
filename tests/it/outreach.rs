//! Runs of sequences: the engine on both databases, on a clock that is stepped from one due instant to the next.

mod address;
mod calm;
mod ends;
mod files;
mod many;
mod migrate;
mod model;
mod nights;
mod nodes;
mod numbers;
mod paused;
mod publish;
mod races;
mod rules;
mod says;
mod steer;
mod stuck;
mod threads;
mod unreadable;
mod why;
mod world;
