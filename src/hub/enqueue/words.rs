//! Words for a channel that is no mail, put into the outbox as a mail is: with its token, its places on timelines and its row.

use super::compose::{Letter, new_token, pack};
use super::place::{Place, Placed, place_in};
use super::recipients::Recipient;
use super::{AccountFrom, EnqueueError, Enqueued, Ground, fingerprint, write_all};
use crate::clock::Clock;
use crate::domain::chat::{self, Words};
use crate::domain::ids::{ConversationId, EnrollmentId, InfluencerId, MessageId};
use crate::domain::mail::Mailbox;
use crate::domain::time::Micros;
use crate::domain::words::{Channel, Direction, Kind, OutboxStatus, Role};
use crate::store::message::NewMessage;
use crate::store::outbox::{AddressOwner, NewOutbox, NewRecipient};
use crate::store::{StoreError, Tx};

/// Characters of a text message: the providers take no more.
pub const TEXT_CHARS_MAX: usize = 1_600;
/// Characters of a message to a workspace: Slack takes no more.
pub const TALK_CHARS_MAX: usize = 40_000;

/// What is to be said, to one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordsOrder {
    /// From whom.
    pub account: AccountFrom,
    /// How it travels.
    pub channel: Channel,
    /// To whom: a number, or a user of a workspace.
    pub to: Mailbox,
    /// The words.
    pub text: String,
    /// What it answers, where it is an answer.
    pub answers: Option<MessageId>,
    /// Not before this instant.
    pub due_at: Micros,
    /// The run and the step of a sequence it belongs to, whose they are, and under which id its place was reserved; nothing for what a
    /// person writes.
    pub step: Option<WordsStep>,
}

/// What makes words a step of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordsStep {
    /// The message's id, under which its place among others is reserved.
    pub id: MessageId,
    /// The run.
    pub enrollment_id: EnrollmentId,
    /// The step.
    pub step: String,
    /// Whose run it is.
    pub influencer_id: InfluencerId,
    /// Whether a person is to look at it first.
    pub review: bool,
}

/// Writes words and their outbox row. The caller commits, then wakes the dispatcher of the account.
///
/// # Errors
/// As [`compose_words`]; nothing was written then.
pub async fn enqueue_words(tx: &mut Tx, clock: &Clock, order: WordsOrder) -> Result<Enqueued, EnqueueError> {
    tx.lock_conversations().await?;
    let mut ground = Ground::default();
    let letter = compose_words(tx, clock, &mut ground, order).await?;
    let enqueued = letter.enqueued.clone();
    write_all(tx, clock, &mut ground, vec![letter]).await?;
    Ok(enqueued)
}

/// Makes of words the message that [`write_all`] writes. The conversations are locked; what is composed must be written, for the next
/// one is placed after it.
///
/// # Errors
/// [`EnqueueError::Stopped`] where the address must not be written to, [`EnqueueError::NoConsent`] where nobody agreed to text
/// messages.
pub async fn compose_words(
    tx: &mut Tx,
    clock: &Clock,
    ground: &mut Ground,
    order: WordsOrder,
) -> Result<Letter, EnqueueError> {
    check_text(&order)?;
    let (channel, key) =
        chat::channel_of(&order.to.address).ok_or_else(|| EnqueueError::Address(order.to.address.clone()))?;
    if channel != order.channel {
        return Err(EnqueueError::WrongChannel(order.to.address.clone(), order.channel));
    }
    ground.read_addresses(tx, [key.clone()].into()).await?;
    let envelope = vec![Recipient { mailbox: order.to.clone(), key, role: Role::Recipient }];
    let owners = ground.check(&envelope)?;
    let mut found = conversation_of(tx, &order, &envelope).await?;
    found.id = found.id.or_else(|| ground.begun(&found.key));
    if order.channel == Channel::Sms {
        check_consent(tx, &order, &envelope).await?;
    }
    let conversation = found.id.unwrap_or_else(|| ConversationId(clock.new_id()));
    ground.read_threads(tx, conversation).await?;
    compose_at(clock, ground, order, (found, conversation), (envelope, owners))
}

fn compose_at(
    clock: &Clock,
    ground: &mut Ground,
    order: WordsOrder,
    (found, conversation): (Found, ConversationId),
    (envelope, owners): (Vec<Recipient>, Vec<AddressOwner>),
) -> Result<Letter, EnqueueError> {
    let id = order.step.as_ref().map_or_else(|| MessageId(clock.new_id()), |step| step.id);
    let token = new_token()?;
    let words = Words {
        text: order.text.clone(),
        token: token.clone(),
        thread: found.thread,
        place: found.place,
        // Whoever hands it over knows whether the provider can reach us.
        callback: None,
    };
    let content = serde_json::to_vec(&words).map_err(|error| EnqueueError::Chance(error.to_string()))?;
    let raw = pack(&content)?;
    let place = Place {
        message: id,
        conversation,
        channel: order.channel,
        account: &order.account.name,
        subject: chat::subject_of(order.channel),
        at: order.due_at,
        thread: None,
        about: order.step.as_ref().map(|step| step.influencer_id),
    };
    let given = (String::new(), token);
    let Placed { enqueued, parts, strangers } = place_in(clock, ground, &place, (&envelope, &owners), given);
    let is_new = found.id.is_none();
    if is_new {
        ground.note_begun(&found.key, conversation);
    }
    Ok(Letter {
        is_new,
        refs: vec![(found.key, conversation)],
        message: message_of(clock, &order, (id, conversation), (&enqueued.token, raw.0.clone(), raw.1)),
        raws: vec![raw],
        links: Vec::new(),
        parts,
        strangers,
        by_hand: order.step.is_none().then(String::new),
        outbox: outbox_of(clock, order, &enqueued, envelope),
        enqueued,
    })
}

fn check_text(order: &WordsOrder) -> Result<(), EnqueueError> {
    let most = if order.channel == Channel::Sms { TEXT_CHARS_MAX } else { TALK_CHARS_MAX };
    let chars = order.text.chars().count();
    if order.text.trim().is_empty() {
        return Err(EnqueueError::NoWords);
    }
    if chars > most {
        return Err(EnqueueError::TooLong { chars, most, channel: order.channel });
    }
    Ok(())
}

/// Nobody gets a text message who did not agree to it, or wrote one to us first.
async fn check_consent(tx: &mut Tx, order: &WordsOrder, envelope: &[Recipient]) -> Result<(), EnqueueError> {
    let keys: Vec<String> = envelope.iter().map(|r| r.key.clone()).collect();
    if tx.list_consents(Channel::Sms, keys).await?.iter().any(|consent| consent.withdrawn_at.is_none()) {
        return Ok(());
    }
    for recipient in envelope {
        let conversation = chat::text_conversation(&order.account.address, &recipient.key);
        let key = chat::conversation_key(&order.account.name, &conversation);
        if order.step.is_some() || !tx.has_written_from(&order.account.name, &key).await? {
            return Err(EnqueueError::NoConsent(recipient.mailbox.address.clone()));
        }
    }
    Ok(())
}

/// Where it belongs.
struct Found {
    /// The conversation, where there is one.
    id: Option<ConversationId>,
    /// What ties it to others.
    key: String,
    /// What it is part of at the provider, where the channel has threads.
    thread: Option<String>,
    /// Where it is posted, where that is not to be found out by whom it is for.
    place: Option<String>,
}

async fn conversation_of(tx: &mut Tx, order: &WordsOrder, envelope: &[Recipient]) -> Result<Found, StoreError> {
    let to = envelope.first().map(|r| r.key.as_str()).unwrap_or_default();
    if order.channel == Channel::Sms {
        let key = chat::conversation_key(&order.account.name, &chat::text_conversation(&order.account.address, to));
        let id = tx.find_refs(vec![key.clone()]).await?.first().map(|(_, id)| *id);
        return Ok(Found { id, key, thread: None, place: None });
    }
    if let Some(message) = order.answers
        && let Some(answered) = tx.find_answered(vec![message]).await?.into_iter().next()
    {
        let own = chat::conversation_key(&order.account.name, "");
        let refs = tx.list_refs(vec![answered.conversation_id]).await?;
        let told = |key: &String| key.strip_prefix(own.as_str()).filter(|rest| !rest.contains(' ')).map(str::to_owned);
        // What stands alone in a direct conversation is answered there, and not in a thread below it.
        let told: Vec<String> = refs.iter().filter_map(told).collect();
        let whole = told.iter().find(|thread| chat::place_of(thread) == Some(thread.as_str()));
        if let Some(thread) = whole.or_else(|| told.iter().min()).cloned() {
            let place = chat::place_of(&thread).map(str::to_owned);
            let key = chat::conversation_key(&order.account.name, &thread);
            return Ok(Found { id: Some(answered.conversation_id), key, thread: Some(thread), place });
        }
    }
    let key = chat::direct_key(&order.account.name, to);
    let id = tx.find_refs(vec![key.clone()]).await?.first().map(|(_, id)| *id);
    Ok(Found { id, key, thread: None, place: None })
}

fn message_of(
    clock: &Clock,
    order: &WordsOrder,
    (id, conversation_id): (MessageId, ConversationId),
    (token, raw_hash, size): (&str, Vec<u8>, i64),
) -> NewMessage {
    let none: [Mailbox; 0] = [];
    NewMessage {
        id,
        conversation_id,
        direction: Direction::Outbound,
        kind: Kind::Human,
        channel: order.channel,
        account: order.account.name.clone(),
        internet_message_id: None,
        fingerprint: fingerprint(token),
        author_name: order.account.display_name.clone(),
        author_address: order.account.address.clone(),
        recipients: serde_json::json!({"to": [order.to], "cc": none, "bcc": none, "reply_to": none}),
        subject: chat::subject_of(order.channel).to_owned(),
        text: order.text.clone(),
        reply_text: None,
        attachments: None,
        flaws: None,
        has_html: false,
        size,
        raw_hash: Some(raw_hash),
        at: order.due_at,
        stored_at: clock.now(),
        backfilled: false,
    }
}

fn outbox_of(clock: &Clock, order: WordsOrder, enqueued: &Enqueued, envelope: Vec<Recipient>) -> NewOutbox {
    let is_reviewed = order.step.as_ref().is_some_and(|step| step.review);
    NewOutbox {
        id: enqueued.id,
        account: order.account.name,
        due_at: order.due_at,
        token: enqueued.token.clone(),
        file_copy: false,
        status: if is_reviewed { OutboxStatus::Review } else { OutboxStatus::Queued },
        step: order.step.map(|step| (step.enrollment_id, step.step)),
        clean_hash: None,
        created_at: clock.now(),
        recipients: envelope
            .into_iter()
            .map(|r| NewRecipient { address: r.mailbox.address, address_key: r.key, name: r.mailbox.name })
            .collect(),
    }
}
