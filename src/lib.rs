//! liaison: a self-hosted communications hub for influencer relations.
//!
//! One daemon reads and sends mail, text messages and what is said in Slack, puts every message on one timeline per influencer, and
//! keeps every promise it makes about sending: once, at the right hour, never again after a no. It runs outreach sequences written as
//! files.
//!
//! # The map
//!
//! | room | what it is for |
//! |---|---|
//! | [`domain`] | plain types and pure decisions: parsing results, threading, classification, retries, stages. No IO |
//! | [`clock`] | business time, machine time, ids, chance: nothing else asks the machine for them |
//! | [`config`] | TOML with places: every mistake at once, with file, line, column and what to do |
//! | [`lifecycle`] | supervised tasks, signals, soft and hard stop, the service manager; [`control`] the command socket |
//! | [`store`] | SQLite and PostgreSQL, one SQL text; the only room that knows of a database |
//! | [`connector`] | what speaks to a provider, behind a few traits: of mail, and of channels that are no mail (`feed`); never sees a transaction |
//! | [`render`] | from a draft to the octets of a mail; pure |
//! | [`worker`] | the loop that claims work under a lease and drains on a stop |
//! | [`hub`] | what all share, always inside the caller's transaction: enqueue, settle, events, people, matching, what is said and revised and how it fares |
//! | [`login`] | signing in with OAuth, and tokens that are renewed before they end |
//! | [`inbound`] | the poller asks mailboxes, the listener the feeds of other channels; ingest and heard write one transaction per batch, and hooks end in heard as well |
//! | [`outbound`] | the dispatcher hands over; record writes the outcome; reconcile looks for what is uncertain, in the mailbox or the provider's ledger |
//! | [`tracking`] | hits on pixels and links, kept before they are answered; judged when their session has settled |
//! | [`webhooks`] | numbered events become signed requests to programs of others, in order, at least once each |
//! | [`relay`] | what influencers write is shown to the team, in a channel or by mail, and what it says there becomes notes, or answers |
//! | [`sequence`] | from the TOML and templates of a sequence to its published definition, with every mistake at its place |
//! | [`http`], [`cli`] | how programs and people reach it |
//! | [`app`] | the composition root: opens, builds, spawns; no logic |
//! | [`telemetry`] | logs, numbers and pulses of loops, with every name in one place |
//!
//! Who may use whom is held by a test (`tests/it/house`).
//!
//! # What always holds
//!
//! 1. sqlx only in [`store`], axum only in [`http`] and [`app`].
//! 2. No network call while a transaction is open: a transaction and a connector never meet in one signature.
//! 3. Every effect is a leased row first. Nothing is sent or retried from memory alone.
//! 4. One change, one transaction: a message, its thread, its events and the mailbox cursor are kept together or not at all.
//! 5. Two clocks: business time may be simulated, machine time never; leases on PostgreSQL go by the database's clock.
//! 6. Every loop, queue, body, header list, recursion and page has a named limit.
//! 7. A task that dies takes the process down with a failing exit code; leases make a restart safe.
//! 8. Raw mail is kept as it came. What can't be parsed is stored, flagged and shown, and blocks nobody.
//! 9. What comes in is hostile: parsed with limits, never a template, never a header.
//!
//! # Words
//!
//! *influencer*: the person the brand has a relationship with. *agent*: someone who writes for one or several of them.
//! *address*: theirs. *account*: ours. *message*: one thing said. *delivery*: where a message was seen. *conversation*:
//! messages that answer each other. *thread*: a conversation as one influencer sees it. *timeline*: everything about one
//! influencer in time order. *outbox*: the only way anything leaves. *event*: one fact that happened, with the stage it
//! met. *stage*: where the relationship stands. *suppression*: an address that must not be written to. *uncertain*: handed
//! over, outcome unknown. *connector*: code that speaks to one provider.

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
pub mod login;
pub mod outbound;
pub mod relay;
pub mod render;
pub mod sequence;
pub mod store;
pub mod telemetry;
pub mod tracking;
pub mod webhooks;
pub mod worker;
