//! What a mail is, and where it shows: everything about it is decided here, nothing is read and nothing is written.

use std::cell::RefCell;

use sha2::{Digest, Sha256};
use zstd::bulk::Compressor;

use super::ground::{About, Ground};
use super::outreach::{self, Outreach};
use super::place::{Place, Placed, place_in};
use super::recipients::{self, Recipient};
use super::{EnqueueError, Enqueued, Order, SIZE_MAX, fingerprint};
use crate::clock::{self, Clock};
use crate::domain::address;
use crate::domain::ids::{ConversationId, MessageId};
use crate::domain::mail::{Attachment, Mailbox, TEXT_MAX};
use crate::domain::subject::reply_subject;
use crate::domain::threading::id_key;
use crate::domain::words::{Channel, Direction, Kind, OutboxStatus, Role};
use crate::render::mail::{self, Draft};
use crate::render::track::Link;
use crate::store::message::{NewMessage, NewParticipation};
use crate::store::outbox::{NewOutbox, NewRecipient};
use crate::store::tracking::LinkRow;

/// How hard raw mail is compressed.
const COMPRESSION: i32 = 3;

/// A message that is composed and has its place: what is left is to write it.
#[derive(Debug)]
pub struct Letter {
    pub(super) enqueued: Enqueued,
    /// Whether it begins its conversation.
    pub(super) is_new: bool,
    /// What ties others to its conversation.
    pub(super) refs: Vec<(String, ConversationId)>,
    pub(super) raws: Vec<Raw>,
    pub(super) message: NewMessage,
    pub(super) links: Vec<LinkRow>,
    pub(super) parts: Vec<NewParticipation>,
    pub(super) strangers: Vec<(String, MessageId, Role)>,
    pub(super) outbox: NewOutbox,
    /// The domain it goes to, where a person wrote it.
    pub(super) by_hand: Option<String>,
}

/// Raw mail: its hash, its octets, and what is kept.
pub(super) type Raw = (Vec<u8>, i64, Vec<u8>);

impl Letter {
    /// The message and its outbox row.
    pub fn id(&self) -> MessageId {
        self.enqueued.id
    }

    /// Its octets, as they are kept.
    pub fn octets(&self) -> usize {
        self.raws.iter().map(|(_, _, packed)| packed.len()).sum()
    }
}

/// The octets of a mail, and what they were made from.
struct Written {
    token: String,
    draft: Draft,
    raw: Vec<u8>,
    /// The same without pixel and counted links, where that is another.
    clean: Option<Vec<u8>>,
    links: Vec<Link>,
}

/// Makes of an order the message that [`super::write_all`] writes. What it goes by was read into `ground` before: the addresses of
/// its recipients, and what it answers. A letter that is composed must be written, for the next one is placed after it.
///
/// # Errors
/// As [`super::enqueue`], but for the store's.
pub fn compose(clock: &Clock, ground: &mut Ground, mut order: Order) -> Result<Letter, EnqueueError> {
    if order.text.len() > TEXT_MAX {
        return Err(EnqueueError::TooLarge { what: "text", octets: order.text.len(), most: TEXT_MAX });
    }
    ground.complete(&mut order)?;
    let envelope = recipients::envelope(&order.to, &order.cc)?;
    let owners = ground.check(&envelope)?;
    let about = ground.about(&order)?;
    let id = order.outreach.as_ref().map_or_else(|| MessageId(clock.new_id()), |o| o.reserved.id());
    let mut written = write(clock, ground, &order, about.as_ref())?;
    let conversation = about.as_ref().map_or_else(|| ConversationId(clock.new_id()), |a| a.message.conversation_id);
    let (is_new, thread) = (about.is_none(), about.and_then(|a| a.thread));
    let raw = pack(&written.raw)?;
    let clean = written.clean.as_deref().map(pack).transpose()?;
    let clean_hash = clean.as_ref().map(|(hash, ..)| hash.clone());
    let links = outreach::link_rows(id, std::mem::take(&mut written.links));
    let message = message_of(clock, &order, (id, conversation), &written, (raw.0.clone(), raw.1));
    let place = Place {
        message: id,
        conversation,
        channel: Channel::Email,
        account: &order.account.name,
        subject: &written.draft.subject,
        at: order.due_at,
        thread,
        about: order.outreach.as_ref().map(|outreach| outreach.influencer_id),
    };
    let given = (written.draft.message_id, written.token);
    let Placed { enqueued, parts, strangers } = place_in(clock, ground, &place, (&envelope, &owners), given);
    let domain = envelope.first().and_then(|r| address::domain(&r.mailbox.address)).unwrap_or_default();
    let by_hand = order.outreach.is_none().then_some(domain);
    let outbox = outbox_of(clock, order, (&enqueued, clean_hash), envelope);
    let raws = std::iter::once(raw).chain(clean).collect();
    let refs = vec![reference_of(&enqueued)];
    Ok(Letter { enqueued, is_new, refs, raws, message, links, parts, strangers, outbox, by_hand })
}

/// Writes the mail itself.
fn write(clock: &Clock, ground: &Ground, order: &Order, about: Option<&About<'_>>) -> Result<Written, EnqueueError> {
    let token = new_token()?;
    let answered = about.map(|a| a.message);
    let subject = match (&order.subject, answered) {
        (Some(subject), _) => subject.clone(),
        (None, Some(answered)) => reply_subject(&answered.subject),
        (None, None) => String::new(),
    };
    let mut draft = Draft {
        from: Mailbox { name: order.account.display_name.clone(), address: order.account.address.clone() },
        to: order.to.clone(),
        cc: order.cc.clone(),
        reply_to: None,
        subject,
        text: order.text.clone(),
        html: order.html.clone(),
        attachments: order.attachments.clone(),
        message_id: mail::new_message_id(clock.new_id(), &order.message_id_domain),
        in_reply_to: answered.and_then(|a| a.internet_message_id.clone()),
        references: answered.map(|a| ground.references(a.id).to_vec()).unwrap_or_default(),
        token: token.clone(),
        list_unsubscribe: outreach::list_unsubscribe(order),
        extra: Vec::new(),
    };
    let mut raw = mail::compose(&draft)?;
    let (mut clean, mut links) = (None, Vec::new());
    if let Some(counted) = outreach::counted(order)? {
        draft.html = Some(counted.html);
        links = counted.links;
        clean = Some(std::mem::replace(&mut raw, mail::compose(&draft)?));
    }
    if raw.len() > SIZE_MAX {
        return Err(EnqueueError::TooLarge { what: "message", octets: raw.len(), most: SIZE_MAX });
    }
    Ok(Written { token, draft, raw, clean, links })
}

fn message_of(
    clock: &Clock,
    order: &Order,
    (id, conversation_id): (MessageId, ConversationId),
    written: &Written,
    (raw_hash, size): (Vec<u8>, i64),
) -> NewMessage {
    let draft = &written.draft;
    let attachments: Vec<Attachment> = draft
        .attachments
        .iter()
        .map(|a| Attachment {
            name: a.name.clone(),
            content_type: a.content_type.clone(),
            size: u64::try_from(a.content.len()).unwrap_or(u64::MAX),
            inline: false,
            content_id: None,
        })
        .collect();
    NewMessage {
        id,
        conversation_id,
        direction: Direction::Outbound,
        kind: Kind::Human,
        channel: Channel::Email,
        account: order.account.name.clone(),
        internet_message_id: Some(draft.message_id.clone()),
        fingerprint: fingerprint(&written.token),
        author_name: draft.from.name.clone(),
        author_address: draft.from.address.clone(),
        recipients: serde_json::json!({"to": draft.to, "cc": draft.cc, "bcc": [], "reply_to": []}),
        subject: draft.subject.clone(),
        text: draft.text.clone(),
        reply_text: None,
        attachments: if attachments.is_empty() { None } else { Some(serde_json::json!(attachments)) },
        flaws: None,
        has_html: order.html.is_some(),
        size,
        raw_hash: Some(raw_hash),
        at: order.due_at,
        stored_at: clock.now(),
        backfilled: false,
    }
}

fn outbox_of(
    clock: &Clock,
    order: Order,
    (enqueued, clean_hash): (&Enqueued, Option<Vec<u8>>),
    envelope: Vec<Recipient>,
) -> NewOutbox {
    NewOutbox {
        id: enqueued.id,
        account: order.account.name,
        due_at: order.due_at,
        token: enqueued.token.clone(),
        file_copy: order.file_copy,
        status: order.outreach.as_ref().map_or(OutboxStatus::Queued, Outreach::status),
        step: order.outreach.map(|o| (o.enrollment_id, o.step)),
        clean_hash,
        created_at: clock.now(),
        recipients: envelope
            .into_iter()
            .map(|r| NewRecipient { address: r.mailbox.address, address_key: r.key, name: r.mailbox.name })
            .collect(),
    }
}

/// What another mail names when it answers this one.
fn reference_of(enqueued: &Enqueued) -> (String, ConversationId) {
    (id_key(&enqueued.internet_message_id), enqueued.conversation_id)
}

thread_local! {
    /// Setting one up takes longer than to compress a mail with it.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// Raw mail as it is kept.
pub(super) fn pack(raw: &[u8]) -> Result<Raw, EnqueueError> {
    let size = i64::try_from(raw.len()).unwrap_or(i64::MAX);
    let packed = COMPRESSOR.with_borrow_mut(|kept| match kept {
        Some(compressor) => compressor.compress(raw),
        None => kept.insert(Compressor::new(COMPRESSION)?).compress(raw),
    })?;
    Ok((Sha256::digest(raw).to_vec(), size, packed))
}

pub(super) fn new_token() -> Result<String, EnqueueError> {
    let octets: [u8; 16] = clock::random_octets().map_err(|e| EnqueueError::Chance(e.to_string()))?;
    Ok(uuid::Uuid::from_bytes(octets).simple().to_string())
}
