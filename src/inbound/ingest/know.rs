//! Reads what a batch needs to know, with one query for each question and not one for each message.

use std::collections::{HashMap, HashSet};

use super::{Context, Draft};
use crate::domain::address;
use crate::domain::bounce::Report;
use crate::domain::erasure::Mark;
use crate::domain::ids::{AgentId, ConversationId, InfluencerId, MessageId};
use crate::domain::subject;
use crate::domain::threading::books::{Books, Entry};
use crate::domain::threading::{Owner, People};
use crate::domain::time::Micros;
use crate::domain::words::{Channel, Direction};
use crate::store::message::{KnownMessage, OwnMessage};
use crate::store::thread::ThreadRow;
use crate::store::{StoreError, Tx};

/// How far back a thread may lie that a mail without headers is tied to by its subject.
const SUBJECT_REACH: std::time::Duration = std::time::Duration::from_hours(30 * 24);

/// What is known of a batch's surroundings.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Stored messages, by fingerprint.
    pub(super) prints: HashMap<Vec<u8>, KnownMessage>,
    /// What we sent, by our token.
    pub(super) tokens: HashMap<String, OwnMessage>,
    /// What we sent, by Message-ID.
    pub(super) own_ids: HashMap<String, OwnMessage>,
    /// Who took part in the messages answered, by Message-ID.
    pub(super) parents: HashMap<String, Vec<InfluencerId>>,
    /// Of those, who is surely meant.
    pub(super) sure_parents: HashMap<String, Vec<InfluencerId>>,
    /// Who is surely meant by some message of a conversation, as it was called when that was learned.
    pub(super) sure_in: Vec<(ConversationId, InfluencerId)>,
    /// Threads that a person gave to somebody else: in which conversation, from whom, to whom.
    pub(super) given: Vec<(ConversationId, InfluencerId, InfluencerId)>,
    /// Address keys that the messages went to of which a report speaks.
    pub(super) envelopes: HashMap<MessageId, Vec<String>>,
    /// The newest message that left for an address, for reports that name none.
    pub(super) sent_to: HashMap<String, MessageId>,
    /// Everyone concerned.
    pub(super) people: People,
    /// Conversations and threads.
    pub(super) books: Books,
    /// Of what these messages are known by, what belongs to mail that was erased.
    pub(super) erased: HashSet<Mark>,
    /// Recent threads of writers whose mail names no other mail.
    pub(super) by_subject: Vec<ThreadRow>,
}

impl Known {
    /// Address keys that one of our messages went to, as far as a report speaks of it.
    pub(super) fn envelope(&self, message: MessageId) -> &[String] {
        self.envelopes.get(&message).map_or(&[], Vec::as_slice)
    }

    /// Who is meant where an address says that somebody is: whoever has their thread in this conversation now.
    pub(super) fn given(&self, conversation: ConversationId, influencer: InfluencerId) -> InfluencerId {
        let conversation = self.books.find(conversation);
        let mut given =
            self.given.iter().filter(|(id, from, _)| *from == influencer && self.books.find(*id) == conversation);
        given.next().map_or(influencer, |(_, _, to)| *to)
    }

    /// Who is surely meant by some message of a conversation.
    pub(super) fn sure_in(&self, conversation: ConversationId) -> Vec<InfluencerId> {
        let conversation = self.books.find(conversation);
        self.sure_in.iter().filter(|(id, _)| self.books.find(*id) == conversation).map(|(_, who)| *who).collect()
    }
}

pub(super) async fn load(tx: &mut Tx, context: &Context, drafts: &[Draft<'_>]) -> Result<Known, StoreError> {
    let mut known = Known::default();
    if drafts.is_empty() {
        return Ok(known);
    }
    let prints = drafts.iter().flat_map(|d| [d.arrival.weak.clone(), d.arrival.strong.clone()]).collect();
    known.prints = tx.find_fingerprints(prints).await?.into_iter().map(|m| (m.fingerprint.clone(), m)).collect();
    known.erased = tx.find_erased_messages(drafts.iter().flat_map(marks_of).collect()).await?;
    load_own(tx, drafts, &mut known).await?;
    load_envelopes(tx, drafts, &mut known).await?;
    load_people(tx, context, drafts, &mut known).await?;
    load_sent_to(tx, context, drafts, &mut known).await?;
    load_books(tx, drafts, &mut known).await?;
    Ok(known)
}

/// What a message would be known by if it had been erased.
pub(super) fn marks_of(draft: &Draft<'_>) -> Vec<Mark> {
    let (arrival, mail) = (draft.arrival, &draft.arrival.mail);
    let mut marks = vec![Mark::Print(arrival.weak.clone()), Mark::Print(arrival.strong.clone())];
    if draft.direction == Direction::Outbound {
        marks.extend(mail.token.clone().map(Mark::Token));
        marks.extend(mail.message_id.clone().map(Mark::OwnId));
    }
    marks
}

/// What we sent, and who took part in what is answered.
async fn load_own(tx: &mut Tx, drafts: &[Draft<'_>], known: &mut Known) -> Result<(), StoreError> {
    let token = |d: &Draft<'_>| d.arrival.mail.token.clone().or_else(|| reported_token(d).map(str::to_owned));
    let tokens: Vec<String> = drafts.iter().filter_map(token).collect();
    known.tokens = tx.find_tokens(tokens).await?.into_iter().map(|m| (m.key.clone(), m)).collect();
    let mut ids: HashSet<String> = HashSet::new();
    for draft in drafts {
        let mail = &draft.arrival.mail;
        ids.extend(mail.message_id.iter().cloned());
        ids.extend(mail.in_reply_to.iter().cloned());
        ids.extend(mail.references.last().cloned());
        ids.extend(original_id(draft).map(str::to_owned));
    }
    let rows = tx.find_by_internet_ids(ids.into_iter().collect()).await?;
    let messages: Vec<MessageId> = rows.iter().map(|(m, _)| m.id).collect();
    let sure = if messages.is_empty() { Vec::new() } else { tx.find_sure_participations(messages.clone()).await? };
    let parts = tx.find_participations(messages).await?;
    let mut of_message: HashMap<MessageId, Vec<InfluencerId>> = HashMap::new();
    for (message, influencer, _) in parts {
        of_message.entry(message).or_default().push(influencer);
    }
    for (row, direction) in rows {
        if let Some(influencers) = of_message.get(&row.id) {
            known.parents.entry(row.key.clone()).or_default().extend(influencers.iter().copied());
        }
        let meant = sure.iter().filter(|(message, _)| *message == row.id).map(|(_, influencer)| *influencer);
        known.sure_parents.entry(row.key.clone()).or_default().extend(meant);
        if direction == Direction::Outbound {
            known.own_ids.insert(row.key.clone(), row);
        }
    }
    Ok(())
}

/// The Message-ID that a report speaks of.
pub(super) fn original_id<'a>(draft: &'a Draft<'_>) -> Option<&'a str> {
    match draft.arrival.mail.report.as_ref()? {
        Report::Bounce(bounce) => bounce.original_message_id.as_deref(),
        Report::Complaint(complaint) => complaint.original_message_id.as_deref(),
    }
}

/// Our token in the mail that a report returns.
fn reported_token<'a>(draft: &'a Draft<'_>) -> Option<&'a str> {
    match draft.arrival.mail.report.as_ref()? {
        Report::Bounce(bounce) => bounce.token.as_deref(),
        Report::Complaint(complaint) => complaint.token.as_deref(),
    }
}

/// Whether a report says at all which message it is about.
pub(super) fn names_a_message(draft: &Draft<'_>) -> bool {
    original_id(draft).is_some() || reported_token(draft).is_some()
}

/// The message of ours that a report speaks of: by our token, or its Message-ID.
pub(super) fn reported_on<'k>(draft: &Draft<'_>, known: &'k Known) -> Option<&'k OwnMessage> {
    let by_token = reported_token(draft).and_then(|token| known.tokens.get(token));
    by_token.or_else(|| original_id(draft).and_then(|id| known.own_ids.get(id)))
}

/// To whom the messages went that are reported on.
async fn load_envelopes(tx: &mut Tx, drafts: &[Draft<'_>], known: &mut Known) -> Result<(), StoreError> {
    let named: Vec<MessageId> = drafts.iter().filter_map(|d| reported_on(d, known)).map(|own| own.id).collect();
    for (message, recipients) in tx.list_envelopes(named).await? {
        known.envelopes.insert(message, address::written_to(&recipients.0));
    }
    Ok(())
}

/// What left not long ago for the addresses of reports that name no message.
async fn load_sent_to(
    tx: &mut Tx,
    context: &Context,
    drafts: &[Draft<'_>],
    known: &mut Known,
) -> Result<(), StoreError> {
    let reports = || drafts.iter().filter(|d| d.arrival.mail.report.is_some());
    let (mut whose, mut since) = (HashSet::new(), Micros(i64::MAX));
    for draft in reports().filter(|d| !names_a_message(d)) {
        for owner in draft.reported.iter().filter_map(|key| known.people.owners.get(key)) {
            match owner {
                Owner::Influencer(id) => whose.extend([*id]),
                Owner::Agent(agent) => whose.extend(known.people.stands_for.get(agent).into_iter().flatten().copied()),
            }
            since = since.min(draft.at.minus(SUBJECT_REACH));
        }
    }
    for sent in tx.list_sent_to(whose.into_iter().collect(), &context.account, since).await? {
        for key in address::written_to(&sent.recipients.0) {
            known.sent_to.entry(key).or_insert(sent.id);
        }
    }
    Ok(())
}

async fn load_people(
    tx: &mut Tx,
    context: &Context,
    drafts: &[Draft<'_>],
    known: &mut Known,
) -> Result<(), StoreError> {
    let keys: HashSet<&String> = drafts
        .iter()
        .flat_map(|d| d.author.iter().chain(&d.to).chain(&d.cc).chain(&d.reported))
        .chain(known.envelopes.values().flatten())
        .filter(|key| !context.identity.is_ours(key))
        .collect();
    let owners = tx.find_addresses(Channel::Email, keys.into_iter().cloned().collect()).await?;
    let mut agents: Vec<AgentId> = Vec::new();
    for row in owners {
        let owner = match (row.influencer_id, row.agent_id) {
            (Some(id), _) => Owner::Influencer(id),
            (None, Some(id)) => {
                agents.push(id);
                Owner::Agent(id)
            }
            (None, None) => continue,
        };
        known.people.owners.insert(row.value_key, owner);
    }
    if !agents.is_empty() {
        for (agent, influencer) in tx.influencers_of_agents(agents).await? {
            known.people.stands_for.entry(agent).or_default().push(influencer);
        }
    }
    Ok(())
}

async fn load_books(tx: &mut Tx, drafts: &[Draft<'_>], known: &mut Known) -> Result<(), StoreError> {
    let keys: HashSet<&String> = drafts.iter().flat_map(|d| &d.keys).collect();
    let mut conversations = HashSet::new();
    for (key, conversation) in tx.find_refs(keys.into_iter().cloned().collect()).await? {
        conversations.insert(conversation);
        known.books.know_ref(key, conversation);
    }
    let (mut writers, mut since) = (Vec::new(), Micros(i64::MAX));
    for draft in drafts.iter().filter(|d| asks_by_subject(d)) {
        if let Some(Owner::Influencer(id)) = draft.author.as_ref().and_then(|key| known.people.owners.get(key)) {
            writers.push(*id);
            since = since.min(draft.at.minus(SUBJECT_REACH));
        }
    }
    if !writers.is_empty() {
        known.by_subject = tx.find_threads_of(writers, since).await?;
        // No mail answers what was said elsewhere.
        known.by_subject.retain(|thread| thread.channel == Channel::Email);
        conversations.extend(known.by_subject.iter().map(|t| t.conversation_id));
    }
    if conversations.is_empty() {
        return Ok(());
    }
    let conversations: Vec<ConversationId> = conversations.into_iter().collect();
    // Only an agent's mail asks for it.
    if drafts.iter().any(|d| d.author.iter().chain(&d.to).chain(&d.cc).any(|key| is_agents(known, key))) {
        known.sure_in = tx.find_sure_in(conversations.clone()).await?;
    }
    known.given = tx.list_given(conversations.clone()).await?;
    for row in tx.find_threads_in(conversations).await? {
        let entry = Entry {
            id: row.id,
            account: row.account,
            subject: row.subject,
            subject_key: row.subject_key,
            message_count: row.message_count,
            last_message_at: row.last_message_at,
            awaiting: row.awaiting,
            changed: false,
        };
        known.books.know_thread(row.conversation_id, row.influencer_id, entry);
    }
    Ok(())
}

fn is_agents(known: &Known, key: &str) -> bool {
    matches!(known.people.owners.get(key), Some(Owner::Agent(_)))
}

/// Whether a mail names no other mail and yet answers one: only then its subject counts.
pub(super) fn asks_by_subject(draft: &Draft<'_>) -> bool {
    let mail = &draft.arrival.mail;
    draft.direction == Direction::Inbound
        && mail.in_reply_to.is_empty()
        && mail.references.is_empty()
        && mail.thread_index.is_none()
        && mail.report.is_none()
        && subject::is_reply(&mail.subject)
}

/// The one recent thread of this writer with the same subject.
pub(super) fn by_subject<'k>(draft: &Draft<'_>, known: &'k Known) -> Option<&'k ThreadRow> {
    if !asks_by_subject(draft) {
        return None;
    }
    let key = draft.author.as_ref()?;
    let Some(Owner::Influencer(writer)) = known.people.owners.get(key) else { return None };
    let base = subject::base_subject(&draft.arrival.mail.subject);
    if base.is_empty() || address::key(key).is_none() {
        return None;
    }
    let mut found = known.by_subject.iter().filter(|t| {
        t.influencer_id == *writer
            && t.subject_key == base
            && t.last_message_at >= draft.at.minus(SUBJECT_REACH)
            && t.last_message_at <= draft.at.plus(SUBJECT_REACH)
    });
    match (found.next(), found.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}
