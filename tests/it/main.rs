

mod contract;
mod corpora;
mod fault;
mod house;
mod imap;
mod ingest;
mod peers;
mod people;
mod readme;
mod seed;
mod smtp;
mod smtp_script;
mod states;
mod stores;
mod supply;
