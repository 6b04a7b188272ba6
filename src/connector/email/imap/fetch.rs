//! Fetching messages: sizes of a batch with one command, the small ones with one more, large ones in parts.
//!
//! A size that the server states plans the work and is believed no further: every body is asked for with a bound, and
//! read on until the server has no more. What is returned ends before the first message that is not complete.

#![allow(clippy::wildcard_enum_match_arm, reason = "the enums of the IMAP parser are foreign and open")]

use std::collections::BTreeMap;

use async_imap::imap_proto::{AttributeValue, Response};
use jiff::fmt::strtime;

use super::session::{Session, lost};
use super::uids::uid_sets;
use crate::connector::{ConnectorError, FETCH_OCTETS_MAX, HeaderItem, RawItem};
use crate::domain::mail::TOKEN_HEADER;
use crate::domain::time::Micros;

/// Stated size up to which a message is fetched whole, together with others.
const WHOLE_MAX: u64 = 1024 * 1024;
/// Size of the parts in which larger ones are fetched, octets.
const PART: u64 = 256 * 1024;
/// Octets a server may send in answer to one batch before we stop listening, whatever sizes it stated.
const ANSWER_MAX: usize = 2 * FETCH_OCTETS_MAX;
/// Most octets kept of the identifying headers of one message.
const HEADERS_MAX: usize = 64 * 1024;

/// What the first command tells of a message.
#[derive(Debug, Clone, Default)]
struct Known {
    size: u64,
    received_at: Option<Micros>,
    conversation: Option<u64>,
    draft: bool,
}

/// One FETCH response, as far as it is of interest.
#[derive(Debug, Default)]
struct Fetched<'a> {
    uid: Option<u32>,
    size: Option<u64>,
    received_at: Option<Micros>,
    /// Gmail's id of the conversation.
    conversation: Option<u64>,
    /// Whether its flags say that nobody has sent it.
    draft: bool,
    /// Where the body part begins, and the part.
    body: Option<(u64, &'a [u8])>,
}

fn read_fetch<'a>(response: &'a Response<'_>) -> Option<Fetched<'a>> {
    let Response::Fetch(_, values) = response else { return None };
    let mut fetched = Fetched::default();
    for value in values {
        match value {
            AttributeValue::Uid(uid) => fetched.uid = Some(*uid),
            AttributeValue::Rfc822Size(size) => fetched.size = Some(u64::from(*size)),
            AttributeValue::InternalDate(date) => fetched.received_at = read_internal_date(date),
            AttributeValue::Flags(flags) => {
                fetched.draft = flags.iter().any(|flag| flag.eq_ignore_ascii_case("\\Draft"));
            }
            AttributeValue::GmailThrId(id) => fetched.conversation = Some(*id),
            AttributeValue::BodySection { index, data: Some(data), .. } => {
                fetched.body = Some((u64::from(index.unwrap_or(0)), data.as_ref()));
            }
            _ => {}
        }
    }
    Some(fetched)
}

/// Reads `17-Jul-1996 02:44:25 -0700`; the day may have a space for its first digit.
fn read_internal_date(text: &str) -> Option<Micros> {
    let parsed = strtime::parse("%d-%b-%Y %H:%M:%S %z", text.trim()).ok()?;
    parsed.to_timestamp().ok().map(|at| Micros(at.as_microsecond()))
}

/// A message as it is put together.
#[derive(Debug)]
struct Body {
    raw: Vec<u8>,
    /// Whether the server has nothing after [`Self::raw`].
    is_whole: bool,
}

impl Session {
    /// The messages with these ascending uids, as many of the first as fit [`FETCH_OCTETS_MAX`], at least one.
    /// The flag says whether the session must be dropped afterwards.
    pub(super) async fn fetch_messages(
        &mut self,
        uids: &[u32],
        message_max: u64,
    ) -> Result<(Vec<RawItem>, bool), ConnectorError> {
        let known = self.fetch_sizes(uids).await?;
        let mut small = Vec::new();
        let mut planned = BTreeMap::new();
        let mut total = 0_u64;
        for (uid, message) in known {
            let octets = message.size.min(message_max);
            total = total.saturating_add(octets);
            if !planned.is_empty() && total > FETCH_OCTETS_MAX as u64 {
                break;
            }
            if octets <= WHOLE_MAX {
                small.push(uid);
            }
            planned.insert(uid, message);
        }
        let (mut bodies, overrun) = self.fetch_small(&small, message_max).await?;
        let mut items = Vec::new();
        let mut kept = 0_usize;
        for (uid, known) in planned {
            let mut body = match bodies.remove(&uid) {
                Some(body) => body,
                // Listening on would cost too much; what is complete so far is returned, the caller asks for the rest.
                None if overrun => break,
                None => Body { raw: Vec::new(), is_whole: false },
            };
            // A size that was stated too small brought it here: there is no room for more of it in this batch.
            if !body.is_whole && !items.is_empty() && kept >= FETCH_OCTETS_MAX {
                break;
            }
            if !overrun {
                self.read_on(uid, &mut body, message_max).await?;
            }
            if !body.is_whole && body.raw.len() as u64 <= message_max {
                break;
            }
            if body.raw.is_empty() && !overrun && self.fetch_sizes(&[uid]).await?.is_empty() {
                continue;
            }
            kept = kept.saturating_add(body.raw.len());
            items.push(finish_item(uid, body.raw, &known, message_max));
        }
        if overrun && items.is_empty() {
            return Err(lost("the server sends far more than it announced"));
        }
        Ok((items, overrun))
    }

    async fn fetch_sizes(&mut self, uids: &[u32]) -> Result<BTreeMap<u32, Known>, ConnectorError> {
        let mut known = BTreeMap::new();
        let conversation = if self.can("X-GM-EXT-1") { " X-GM-THRID" } else { "" };
        for set in uid_sets(uids) {
            let command = format!("UID FETCH {set} (UID FLAGS RFC822.SIZE INTERNALDATE{conversation})");
            self.run(&command, |response| {
                let Some(Fetched { uid: Some(uid), size: Some(size), received_at, conversation, draft, .. }) =
                    read_fetch(response)
                else {
                    return;
                };
                if uids.binary_search(&uid).is_ok() {
                    known.insert(uid, Known { size, received_at, conversation, draft });
                }
            })
            .await?;
        }
        Ok(known)
    }

    /// Bodies of small messages by uid, and whether so much came that we stopped listening.
    async fn fetch_small(
        &mut self,
        uids: &[u32],
        message_max: u64,
    ) -> Result<(BTreeMap<u32, Body>, bool), ConnectorError> {
        let mut bodies: BTreeMap<u32, Body> = BTreeMap::new();
        let mut octets = 0_usize;
        // One octet more than is kept tells whether there are more.
        let bound = WHOLE_MAX.min(message_max).saturating_add(1);
        for set in uid_sets(uids) {
            let command = format!("UID FETCH {set} (UID BODY.PEEK[]<0.{bound}>)");
            let done = self.run_while(&command, |response| {
                if let Some(Fetched { uid: Some(uid), body: Some((0, raw)), .. }) = read_fetch(response)
                    && uids.binary_search(&uid).is_ok()
                {
                    octets = octets.saturating_add(raw.len());
                    let is_whole = (raw.len() as u64) < bound;
                    bodies.insert(uid, Body { raw: raw.to_vec(), is_whole });
                }
                octets <= ANSWER_MAX
            });
            if !done.await? {
                return Ok((bodies, true));
            }
        }
        Ok((bodies, false))
    }

    /// Fetches parts until the message ends or is over the limit.
    async fn read_on(&mut self, uid: u32, body: &mut Body, message_max: u64) -> Result<(), ConnectorError> {
        while !body.is_whole && body.raw.len() as u64 <= message_max {
            let offset = body.raw.len() as u64;
            let wanted = PART.min(message_max.saturating_add(1).saturating_sub(offset));
            let mut part: Option<Vec<u8>> = None;
            let mut ignored_bounds = false;
            self.run(&format!("UID FETCH {uid} (UID BODY.PEEK[]<{offset}.{wanted}>)"), |response| {
                let Some(Fetched { uid: said, body: Some((at, raw)), .. }) = read_fetch(response) else { return };
                // A response without a uid can only be about the one message asked for.
                if said.is_some_and(|said| said != uid) {
                    return;
                }
                if at == offset {
                    part = Some(raw.to_vec());
                    ignored_bounds = raw.len() as u64 > wanted;
                } else if at == 0 {
                    // The whole message, from a server that knows no parts.
                    part = Some(raw.get(body.raw.len()..).unwrap_or_default().to_vec());
                    ignored_bounds = true;
                }
            })
            .await?;
            let part = part.unwrap_or_default();
            body.is_whole = ignored_bounds || (part.len() as u64) < wanted;
            body.raw.extend_from_slice(&part);
        }
        Ok(())
    }

    /// Only the headers that tell a message from others.
    pub(super) async fn fetch_header_items(&mut self, uids: &[u32]) -> Result<Vec<HeaderItem>, ConnectorError> {
        let mut items = BTreeMap::new();
        for set in uid_sets(uids) {
            let fields = format!("MESSAGE-ID DATE FROM TO CC SUBJECT IN-REPLY-TO REFERENCES {TOKEN_HEADER}");
            let command = format!("UID FETCH {set} (UID INTERNALDATE BODY.PEEK[HEADER.FIELDS ({fields})])");
            self.run(&command, |response| {
                let Some(Fetched { uid: Some(uid), received_at, body: Some((_, raw)), .. }) = read_fetch(response)
                else {
                    return;
                };
                if uids.binary_search(&uid).is_ok() {
                    let raw = raw.get(..raw.len().min(HEADERS_MAX)).unwrap_or_default().to_vec();
                    items.insert(uid, HeaderItem { uid: i64::from(uid), received_at, raw });
                }
            })
            .await?;
        }
        Ok(items.into_values().collect())
    }
}

/// A message as it is handed on. One that the server lists and gives no octet of is kept as one we have nothing of.
fn finish_item(uid: u32, mut raw: Vec<u8>, known: &Known, message_max: u64) -> RawItem {
    let kept = usize::try_from(message_max).unwrap_or(usize::MAX);
    let cut = raw.len() > kept || (raw.is_empty() && known.size > 0);
    raw.truncate(kept);
    let conversation = known.conversation.map(|id| format!("{id:x}"));
    let (received_at, size, draft) = (known.received_at, known.size, known.draft);
    RawItem { uid: i64::from(uid), received_at, size, raw, cut, conversation, draft }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_dates_are_read() {
        let at = Micros::parse("1996-07-17T09:44:25Z");
        assert_eq!(read_internal_date("17-Jul-1996 02:44:25 -0700"), at);
        assert_eq!(read_internal_date(" 7-Jul-1996 02:44:25 +0000"), Micros::parse("1996-07-07T02:44:25Z"));
        assert_eq!(read_internal_date("nonsense"), None);
    }
}
