//! One mail that the server does not give, among others: each is asked for by itself, so that it stops no other, and is
//! entered as one that could not be read, with the folder and uid under which a person finds it.

use std::time::Duration;

use crate::connector::{ConnectorError, FETCH_OCTETS_MAX, RawItem, Source};
use crate::inbound::ingest::Withheld;

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
