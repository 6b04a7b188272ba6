//! What mail of a sequence has beside its words: its place in the run, a way to say no, and counted links.
//!
//! Mail that a person writes has none of it.

use super::{EnqueueError, Order};
use crate::clock::Clock;
use crate::domain::ids::{EnrollmentId, InfluencerId, MessageId};
use crate::domain::token::{Keys, Token};
use crate::domain::words::{HitKind, OutboxStatus};
use crate::hub::signing;
use crate::render::mail::{self, ListUnsubscribe};
use crate::render::track::{self, Link, Wanted};
use crate::store::Tx;
use crate::store::tracking::LinkRow;

pub use crate::render::track::Counting;

/// The id of a message that is still to be written, and the links that go with it: a template can say how to unsubscribe
/// before there is a message. Reserving writes nothing that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    id: MessageId,
    base_url: Option<String>,
    keys: Keys,
}

impl Reserved {
    /// The id the message will have.
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// Where its reader says no; `None` where this hub has no address on the web.
    pub fn unsubscribe_url(&self) -> Option<String> {
        Some(format!("{}/u/{}", self.base_url.as_deref()?, self.token(HitKind::Unsubscribe, 0)))
    }

    fn token(&self, kind: HitKind, link: u16) -> String {
        self.keys.sign(Token { kind, message: self.id, link })
    }
}

/// Whether a message waits for a person first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It leaves when it is due.
    Queued,
    /// It leaves when a person has approved it.
    Review,
}

/// What makes a message one of a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outreach {
    /// Its id and links.
    pub reserved: Reserved,
    /// The run.
    pub enrollment_id: EnrollmentId,
    /// Whose run it is.
    pub influencer_id: InfluencerId,
    /// The step of that run. No step is sent twice: the store refuses a second message.
    pub step: String,
    /// Whether opens are counted; only where the hub has an address on the web.
    pub opens: Counting,
    /// Whether clicks are; likewise.
    pub clicks: Counting,
    /// Whether it waits for a person.
    pub start: Start,
}

impl Outreach {
    pub(super) fn status(&self) -> OutboxStatus {
        match self.start {
            Start::Queued => OutboxStatus::Queued,
            Start::Review => OutboxStatus::Review,
        }
    }
}

/// What ids and links of messages are reserved with: for as many messages as there are.
#[derive(Debug, Clone)]
pub struct Reserving {
    base_url: Option<String>,
    keys: Keys,
}

impl Reserving {
    /// Reserves the id of a message.
    pub fn reserve(&self, clock: &Clock) -> Reserved {
        Reserved { id: MessageId(clock.new_id()), base_url: self.base_url.clone(), keys: self.keys.clone() }
    }
}

/// Reads what ids are reserved with. `base_url` is the hub's address on the web (`https://host`), where it has one.
///
/// # Errors
/// Where no key can be made or read.
pub async fn reserving(tx: &mut Tx, clock: &Clock, base_url: Option<&str>) -> Result<Reserving, EnqueueError> {
    let keys = signing::keys(tx, clock).await?;
    Ok(Reserving { base_url: base_url.map(|url| url.trim_end_matches('/').to_owned()), keys })
}

/// Reserves the id of one message; see [`reserving`].
///
/// # Errors
/// Where no key can be made or read.
pub async fn reserve(tx: &mut Tx, clock: &Clock, base_url: Option<&str>) -> Result<Reserved, EnqueueError> {
    Ok(reserving(tx, clock, base_url).await?.reserve(clock))
}

/// The HTML part as it is sent, and where its links lead.
pub(super) struct Counted {
    pub(super) html: String,
    pub(super) links: Vec<Link>,
}

/// The counted form of an order's HTML part; `None` where nothing is counted.
pub(super) fn counted(order: &Order) -> Result<Option<Counted>, EnqueueError> {
    let Some(outreach) = &order.outreach else { return Ok(None) };
    let Some(base_url) = outreach.reserved.base_url.as_deref() else { return Ok(None) };
    if outreach.opens == Counting::Off && outreach.clicks == Counting::Off {
        return Ok(None);
    }
    let unsubscribe_url = outreach.reserved.unsubscribe_url();
    let wanted = Wanted {
        opens: outreach.opens,
        clicks: outreach.clicks,
        base_url,
        unsubscribe_url: unsubscribe_url.as_deref(),
        token: &|kind, link| outreach.reserved.token(kind, link),
    };
    let html = order.html.clone().unwrap_or_else(|| mail::text_to_document(&order.text));
    let tracked = track::rewrite(&html, &wanted)?;
    Ok(Some(Counted { html: tracked.html, links: tracked.links }))
}

/// The ways to say no that stand in the header: a link, and a mail to the account.
pub(super) fn list_unsubscribe(order: &Order) -> Option<ListUnsubscribe> {
    let reserved = &order.outreach.as_ref()?.reserved;
    let token = reserved.token(HitKind::Unsubscribe, 0);
    let mailto = format!("mailto:{}?subject=unsubscribe%20{token}", in_mailto(&order.account.address));
    Some(ListUnsubscribe { url: reserved.unsubscribe_url(), mailto: Some(mailto) })
}

/// An address as RFC 6068 §2 wants it in a mailto.
fn in_mailto(address: &str) -> String {
    let mut out = String::new();
    for octet in address.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~!$'*+@".contains(&octet) {
            out.push(char::from(octet));
        } else {
            out.push('%');
            for half in [octet >> 4, octet & 15] {
                out.extend(char::from_digit(u32::from(half), 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
    out
}

/// The links as they are kept.
pub(super) fn link_rows(message: MessageId, links: Vec<Link>) -> Vec<LinkRow> {
    let row = |l: Link| LinkRow { message_id: message, n: i64::from(l.n), url: l.url, label: l.label };
    links.into_iter().map(row).collect()
}
