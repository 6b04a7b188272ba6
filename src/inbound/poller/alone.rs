//! One mail that the server does not give, among others: each is asked for by itself, so that it stops no other, and is
//! entered as one that could not be read, with the folder and uid under which a person finds it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::connector::{ConnectorError, FETCH_OCTETS_MAX, RawItem, Source};
use crate::domain::ids::FolderId;
use crate::inbound::ingest::{Context, Withheld};

/// Other mails of the folder that are asked for to tell whether the server gives any at all, the nearest ones.
const NEIGHBOURS_MAX: usize = 3;
/// Mails refused in a row after which that is asked, however many there are in the batch.
const REFUSED_MAX: usize = 5;
/// The pause before a mail is asked for a second time.
const PAUSE: Duration = Duration::from_millis(200);

/// What came of asking for the mails of a batch one by one.
#[derive(Debug, Default)]
pub(super) struct Apart {
    /// What the server gave.
    pub(super) items: Vec<RawItem>,
    /// What it does not give.
    pub(super) withheld: Vec<Withheld>,
    /// The last uid that is settled.
    pub(super) last_uid: i64,
}

/// Since when the server refuses which mails, as long as this process runs.
#[derive(Debug, Default)]
pub(super) struct Refused(Mutex<HashMap<(FolderId, i64, i64), Instant>>);

impl Refused {
    /// What is settled of a batch: all up to the first mail that was not refused for long enough.
    ///
    /// # Errors
    /// Where that is the first of all: it is asked for again later.
    pub(super) fn ripe(
        &self,
        context: &Context,
        mut apart: Apart,
        patience: Duration,
    ) -> Result<Apart, ConnectorError> {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let mut waits: Option<(i64, String)> = None;
        for mail in &apart.withheld {
            let first = *since.entry((context.folder_id, context.uid_validity, mail.uid)).or_insert(now);
            if now.duration_since(first) < patience && waits.as_ref().is_none_or(|(uid, _)| mail.uid < *uid) {
                waits = Some((mail.uid, mail.why.clone()));
            }
        }
        let Some((uid, why)) = waits else {
            since.retain(|(folder, _, uid), _| *folder != context.folder_id || *uid > apart.last_uid);
            return Ok(apart);
        };
        apart.items.retain(|item| item.uid < uid);
        apart.withheld.retain(|mail| mail.uid < uid);
        apart.last_uid = uid.saturating_sub(1);
        if apart.items.is_empty() && apart.withheld.is_empty() {
            return Err(ConnectorError::Refused(format!("uid {uid} of `{}`: {why}", context.folder)));
        }
        Ok(apart)
    }
}

/// Asks for each mail of a batch that the server refused as a whole. `refused` is what it said then, and what is said again
/// where it gives no mail at all: then it is out of order, and that none can be read says nothing of any of them.
pub(super) async fn ask_apart(
    source: &mut dyn Source,
    uids: &[i64],
    refused: ConnectorError,
) -> Result<Apart, ConnectorError> {
    let mut apart = Apart::default();
    let mut held_back: Vec<(i64, ConnectorError)> = Vec::new();
    let (mut octets, mut gives) = (0_usize, false);
    for uid in uids {
        match ask_twice(source, *uid).await {
            Ok(items) => {
                gives |= !items.is_empty();
                octets = items.iter().fold(octets, |sum, item| sum.saturating_add(item.raw.len()));
                apart.items.extend(items);
            }
            Err(error) if error.is_about_what_was_asked() => held_back.push((*uid, error)),
            Err(error) => return Err(error),
        }
        apart.last_uid = *uid;
        if octets >= FETCH_OCTETS_MAX || (!gives && held_back.len() >= REFUSED_MAX) {
            break;
        }
    }
    if held_back.is_empty() {
        return Ok(apart);
    }
    let there = source.uids().await?;
    if !gives && !gives_another(source, &there, &held_back).await? {
        return Err(refused);
    }
    for (uid, why) in held_back.into_iter().filter(|(uid, _)| there.binary_search(uid).is_ok()) {
        let headers = match source.fetch_headers(&[uid]).await {
            Ok(items) => items.into_iter().find(|item| item.uid == uid),
            Err(error) if error.is_about_what_was_asked() => None,
            Err(error) => return Err(error),
        };
        apart.withheld.push(Withheld { uid, headers, why: why.to_string() });
    }
    Ok(apart)
}

async fn ask_twice(source: &mut dyn Source, uid: i64) -> Result<Vec<RawItem>, ConnectorError> {
    match source.fetch(&[uid]).await {
        Err(error) if error.is_about_what_was_asked() => {
            tokio::time::sleep(PAUSE).await;
            source.fetch(&[uid]).await
        }
        other => other,
    }
}

/// Whether the server gives another mail of this folder now. Where there is no other, that it lists the folder has to do.
async fn gives_another(
    source: &mut dyn Source,
    there: &[i64],
    held_back: &[(i64, ConnectorError)],
) -> Result<bool, ConnectorError> {
    let Some((first, _)) = held_back.first() else { return Ok(true) };
    let mut others: Vec<i64> =
        there.iter().copied().filter(|uid| !held_back.iter().any(|(held, _)| held == uid)).collect();
    others.sort_by_key(|uid| uid.abs_diff(*first));
    for uid in others.iter().take(NEIGHBOURS_MAX) {
        match source.fetch(&[*uid]).await {
            Ok(items) if !items.is_empty() => return Ok(true),
            Err(error) if !error.is_about_what_was_asked() => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(others.is_empty())
}
