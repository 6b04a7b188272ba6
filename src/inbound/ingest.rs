//! Puts a batch of messages on timelines, in one transaction: seen before, who, which thread, what sort, what follows
//! from it, and how far the folder was read. Either all of it is kept, or none.
//!
//! No network here. What can't be parsed is stored all the same, flagged, and blocks nobody.

use std::collections::HashSet;

use serde_json::json;
use sha2::{Digest, Sha256};
use zstd::bulk::Compressor;

use crate::clock::Clock;
use crate::connector::{HeaderItem, RawItem};
use crate::domain::address;
use crate::domain::automatic::{self, Facts, classify_automatic};
use crate::domain::bounce::Report;
use crate::domain::ids::FolderId;
use crate::domain::mail::{Mailbox, ParsedMail};
use crate::domain::threading::{Identity, author_of, decide_direction, keys, keys_of, provider_key};
use crate::domain::time::Micros;
use crate::domain::words::{Direction, FolderRole};
use crate::store::again::again;
use crate::store::lease::Lease;
use crate::store::{Store, StoreError};
use crate::telemetry::metrics;

mod facts;
mod know;
mod place;
mod report;
mod team;
mod write;

/// Compression of raw mail: the level at which zstd is still faster than the disk.
const ZSTD_LEVEL: i32 = 3;
/// A Date header later than the provider's own stamp by more than this is wrong.
const DATE_AHEAD_MAX: std::time::Duration = std::time::Duration::from_hours(1);
/// Dates before 1990 are wrong. Seconds since the epoch.
const DATE_EARLIEST: i64 = 631_152_000;

/// Where a batch comes from, and what is to be kept in mind.
#[derive(Debug, Clone)]
pub struct Context {
    /// Our account.
    pub account: String,
    /// Who we are.
    pub identity: std::sync::Arc<Identity>,
    /// The folder.
    pub folder_id: FolderId,
    /// Its name, for people.
    pub folder: String,
    /// What it is for.
    pub role: FolderRole,
    /// Its UIDVALIDITY.
    pub uid_validity: i64,
    /// Uids up to this one are old mail and fire nothing.
    pub backfill_uid: i64,
    /// What the provider got, or what was written, before this instant fires nothing: it is from before the account was read,
    /// or, in a folder that is read anew, from before it was read last.
    pub fire_after: Option<Micros>,
    /// Whether the account's server is said to file what we send by itself.
    pub server_files_sent: bool,
    /// The lease under which this account is read; without it (a tool that runs alone) nothing is checked.
    pub lease: Option<(String, Lease)>,
}

/// One message, parsed, hashed and compressed: all the work that needs no database.
#[derive(Debug)]
pub struct Arrival {
    uid: i64,
    received_at: Option<Micros>,
    size: i64,
    conversation: Option<String>,
    draft: bool,
    mail: ParsedMail,
    weak: Vec<u8>,
    strong: Vec<u8>,
    raw_hash: Vec<u8>,
    raw_size: i64,
    raw_data: Vec<u8>,
    /// What the server says instead of giving it.
    withheld: Option<String>,
}

/// A mail that the server lists and does not give, though it gives others.
#[derive(Debug)]
pub struct Withheld {
    /// Its uid in the folder.
    pub uid: i64,
    /// Its headers, where those can be had.
    pub headers: Option<HeaderItem>,
    /// What the server says.
    pub why: String,
}

/// What a batch came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ingested {
    /// Messages that are new.
    pub new: usize,
    /// Copies of messages that were known.
    pub copies: usize,
    /// Messages left out (Junk from strangers, drafts).
    pub left_out: usize,
}

/// Why a batch was not kept.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Another node reads this account now: stop, and write nothing more.
    #[error("another node reads this account now")]
    LeaseLost,
    /// The database did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Parses, hashes and compresses messages. Work for the processor only: call it off the runtime's threads.
///
/// # Errors
/// Only where compression fails, which means that memory is gone.
#[allow(clippy::needless_pass_by_value, reason = "the raw mail, the largest thing there is, is freed here")]
pub fn prepare(items: Vec<RawItem>) -> std::io::Result<Vec<Arrival>> {
    // Its tables cost as much to make as a short mail to compress.
    let mut compressor = Compressor::new(ZSTD_LEVEL)?;
    items.iter().map(|item| prepare_one(item, &mut compressor)).collect()
}

fn prepare_one(item: &RawItem, compressor: &mut Compressor<'_>) -> std::io::Result<Arrival> {
    let mut mail = crate::connector::email::parse::parse(&item.raw);
    if item.cut {
        mail.flaws.push(format!("larger than this account takes: only the first {} octets were kept", item.raw.len()));
    }
    let author = mail.author().and_then(|m| address::key(&m.address)).unwrap_or_default();
    let date = mail.date.map_or(0, |d| d.0);
    let raw_hash = digest(&[&item.raw]);
    let weak = match &mail.message_id {
        Some(id) => weak_print(id, date, &author),
        // Without an id nothing but the whole mail tells one from another.
        None => digest(&[b"no", &raw_hash]),
    };
    let files = json!(mail.attachments).to_string();
    let strong = digest(&[&weak, mail.text.as_bytes(), files.as_bytes()]);
    Ok(Arrival {
        uid: item.uid,
        received_at: item.received_at,
        size: i64::try_from(item.size).unwrap_or(i64::MAX),
        conversation: item.conversation.clone(),
        draft: item.draft,
        weak: weak.get(..16).unwrap_or_default().to_vec(),
        strong: strong.get(..16).unwrap_or_default().to_vec(),
        raw_hash,
        raw_size: i64::try_from(item.raw.len()).unwrap_or(i64::MAX),
        raw_data: compressor.compress(&item.raw)?,
        mail,
        withheld: None,
    })
}

/// Prepares what the server does not give: as much of it as is known, and that it could not be read.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_withheld(context: &Context, mails: Vec<Withheld>) -> std::io::Result<Vec<Arrival>> {
    let mut compressor = Compressor::new(ZSTD_LEVEL)?;
    let mut arrivals = Vec::new();
    for Withheld { uid, headers, why } in mails {
        let (received_at, raw) = headers.map(|item| (item.received_at, item.raw)).unwrap_or_default();
        let item = RawItem { uid, received_at, size: 0, raw, cut: false, conversation: None, draft: false };
        let mut arrival = prepare_one(&item, &mut compressor)?;
        if arrival.mail.message_id.is_none() {
            // Nothing tells one from another but where it lies.
            let place = [context.uid_validity.to_le_bytes(), uid.to_le_bytes()].concat();
            let print = digest(&[b"withheld", context.folder_id.0.as_bytes(), &place]);
            let print = print.get(..16).unwrap_or_default().to_vec();
            (arrival.weak, arrival.strong) = (print.clone(), print);
        }
        arrival.mail.flaws.push(format!("only its headers could be read: {why}"));
        arrival.withheld = Some(why);
        arrivals.push(arrival);
    }
    Ok(arrivals)
}

/// The weak fingerprint of a message of which only the identifying headers are known; empty where they do not tell.
pub fn weak_print_of_headers(headers: &[u8]) -> Vec<u8> {
    let mail = crate::connector::email::parse::parse(headers);
    let author = mail.author().and_then(|m| address::key(&m.address)).unwrap_or_default();
    let date = mail.date.map_or(0, |d| d.0);
    mail.message_id.map_or_else(Vec::new, |id| weak_print(&id, date, &author))
}

fn weak_print(id: &str, date: i64, author: &str) -> Vec<u8> {
    let mut print = digest(&[b"id", id.as_bytes(), &date.to_le_bytes(), author.as_bytes()]);
    print.truncate(16);
    print
}

fn digest(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            hash.update([0]);
        }
        hash.update(part);
    }
    hash.finalize().to_vec()
}

/// Stores a batch. `last_uid` is how far the folder was read with it.
///
/// # Errors
/// Nothing of the batch was kept (or, after [`StoreError::Commit`], it is not known): read on from the stored cursor; what
/// was kept is recognised.
pub async fn ingest(
    store: &Store,
    clock: &Clock,
    context: &Context,
    arrivals: &[Arrival],
    last_uid: i64,
) -> Result<Ingested, IngestError> {
    let overtaken =
        |error: &IngestError| matches!(error, IngestError::Store(StoreError::Conflict(_) | StoreError::Exists(_)));
    again(overtaken, || ingest_once(store, clock, context, arrivals, last_uid)).await
}

async fn ingest_once(
    store: &Store,
    clock: &Clock,
    context: &Context,
    arrivals: &[Arrival],
    last_uid: i64,
) -> Result<Ingested, IngestError> {
    let mut tx = store.begin("inbound.ingest").await?;
    if !tx.holds_lease_of(context.lease.as_ref()).await? {
        return Err(IngestError::LeaseLost);
    }
    tx.lock_conversations().await?;
    let uids = arrivals.iter().map(|a| a.uid).collect();
    let seen: HashSet<i64> =
        tx.find_deliveries(context.folder_id, context.uid_validity, uids).await?.into_iter().collect();
    let drafts: Vec<Draft<'_>> =
        arrivals.iter().filter(|a| !seen.contains(&a.uid)).map(|a| Draft::of(a, context, clock)).collect();
    let drafts = team::without_the_teams(&mut tx, clock, context, drafts).await?;
    let known = know::load(&mut tx, context, &drafts).await?;
    let plan = place::plan(clock, context, &drafts, known);
    let done = plan.summary();
    let received = plan.messages.iter().filter(|m| m.direction == Direction::Inbound).count();
    write::write(&mut tx, clock, context, plan).await?;
    tx.advance_folder(context.folder_id, context.uid_validity, last_uid).await?;
    tx.commit().await?;
    metrics::count(&metrics::MESSAGES_RECEIVED, &["email", &context.account], received);
    Ok(done)
}

/// What can be said of an arrival before the store is asked.
#[derive(Debug)]
struct Draft<'a> {
    arrival: &'a Arrival,
    /// Who wrote it, as it stands there, and as a key.
    writer: Mailbox,
    author: Option<String>,
    direction: Direction,
    to: Vec<String>,
    cc: Vec<String>,
    reported: Vec<String>,
    keys: Vec<String>,
    at: Micros,
    fires: bool,
}

impl<'a> Draft<'a> {
    fn of(arrival: &'a Arrival, context: &Context, clock: &Clock) -> Self {
        let mail = &arrival.mail;
        let writer = author_of(&context.identity, mail, context.role).cloned().unwrap_or_default();
        let author = address::key(&writer.address);
        let direction = decide_direction(&context.identity, author.as_deref(), context.role);
        let mut cc = keys(&mail.cc);
        cc.extend(keys(&mail.bcc));
        let fires =
            arrival.uid > context.backfill_uid && context.fire_after.is_none_or(|after| is_since(arrival, after));
        Self {
            arrival,
            writer,
            author,
            direction,
            to: keys(&mail.to),
            cc,
            reported: reported(mail),
            keys: keys_with(mail, context, arrival.conversation.as_deref()),
            at: place_in_time(mail.date, arrival.received_at, clock.now()),
            fires,
        }
    }
}

/// Whether a mail is from that instant on, by its provider's stamp and by its own. A move within a mailbox may stamp an old mail
/// with the day of the move; and where the clock of its writer is wrong, the server that took it last tells. Of one that could
/// not be read that is not known: it is told rather than not.
fn is_since(arrival: &Arrival, after: Micros) -> bool {
    let own = arrival.mail.date.max(arrival.mail.delivered_at).filter(|_| arrival.withheld.is_none());
    [arrival.received_at, own].into_iter().flatten().all(|at| at >= after)
}

/// Every key that ties a message to a conversation: its own, and the one its provider gives, which holds for one account.
fn keys_with(mail: &ParsedMail, context: &Context, conversation: Option<&str>) -> Vec<String> {
    let mut keys = keys_of(mail);
    keys.extend(conversation.map(|id| provider_key(&context.account, id)));
    keys
}

/// What sort of message it is. `parent_at` is when the message of ours that it answers was sent.
fn sort_of(draft: &Draft<'_>, parent_at: Option<Micros>) -> automatic::Verdict {
    match draft.direction {
        Direction::Outbound => automatic::Verdict::human(Vec::new()),
        Direction::Inbound => {
            // The provider's clock is not ours: an answer from before it was asked tells nothing.
            let stamps = parent_at.zip(draft.arrival.received_at).filter(|(sent, got)| got >= sent);
            let answered_within = stamps.map(|(sent, got)| got.since(sent));
            classify_automatic(&draft.arrival.mail, &Facts { answered_within })
        }
    }
}

/// Address keys that a bounce or complaint speaks of.
fn reported(mail: &ParsedMail) -> Vec<String> {
    match &mail.report {
        Some(Report::Bounce(bounce)) => bounce.recipients.iter().filter_map(|r| address::key(&r.address)).collect(),
        Some(Report::Complaint(complaint)) => complaint.recipients.iter().filter_map(|r| address::key(r)).collect(),
        None => Vec::new(),
    }
}

/// Where on the timeline a message stands: its Date, unless that is impossible; else when the provider got it.
fn place_in_time(date: Option<Micros>, received: Option<Micros>, now: Micros) -> Micros {
    let latest = received.unwrap_or(now);
    match date {
        Some(date) if date.seconds() >= DATE_EARLIEST && date <= latest.plus(DATE_AHEAD_MAX) => date,
        _ => latest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_dates_give_way_to_the_providers_stamp() {
        let (now, got) = (Micros::from_seconds(2_000_000_000), Micros::from_seconds(1_800_000_000));
        let sent = Micros::from_seconds(1_799_999_000);
        assert_eq!(place_in_time(Some(sent), Some(got), now), sent);
        assert_eq!(place_in_time(Some(Micros::from_seconds(1_900_000_000)), Some(got), now), got);
        assert_eq!(place_in_time(Some(Micros::from_seconds(0)), Some(got), now), got);
        assert_eq!(place_in_time(None, None, now), now);
    }
}
