//! Reads what a batch needs to know, with one query for each question and not one for each message.

use std::collections::{HashMap, HashSet};

use super::{Context, Draft};
use crate::domain::address;
use crate::domain::bounce::Report;
use crate::domain::ids::{AgentId, InfluencerId, MessageId};
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
    /// Everyone concerned.
    pub(super) people: People,
    /// Conversations and threads.
    pub(super) books: Books,
    /// Recent threads of writers whose mail names no other mail.
    pub(super) by_subject: Vec<ThreadRow>,
}

pub(super) async fn load(tx: &mut Tx, context: &Context, drafts: &[Draft<'_>]) -> Result<Known, StoreError> {
    let mut known = Known::default();
    if drafts.is_empty() {
        return Ok(known);
    }
    let prints = drafts.iter().flat_map(|d| [d.arrival.weak.clone(), d.arrival.strong.clone()]).collect();
    known.prints = tx.find_fingerprints(prints).await?.into_iter().map(|m| (m.fingerprint.clone(), m)).collect();
    load_own(tx, drafts, &mut known).await?;
    load_people(tx, context, drafts, &mut known).await?;
    load_books(tx, drafts, &mut known).await?;
    Ok(known)
}

/// What we sent, and who took part in what is answered.
async fn load_own(tx: &mut Tx, drafts: &[Draft<'_>], known: &mut Known) -> Result<(), StoreError> {
    let tokens: Vec<String> = drafts.iter().filter_map(|d| d.arrival.mail.token.clone()).collect();
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
    let parts = tx.find_participations(rows.iter().map(|(m, _)| m.id).collect()).await?;
    let mut of_message: HashMap<MessageId, Vec<InfluencerId>> = HashMap::new();
    for (message, influencer, _) in parts {
        of_message.entry(message).or_default().push(influencer);
    }
    for (row, direction) in rows {
        if let Some(influencers) = of_message.get(&row.id) {
            known.parents.entry(row.key.clone()).or_default().extend(influencers.iter().copied());
        }
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

async fn load_people(
    tx: &mut Tx,
    context: &Context,
    drafts: &[Draft<'_>],
    known: &mut Known,
) -> Result<(), StoreError> {
    let keys: HashSet<&String> = drafts
        .iter()
        .flat_map(|d| d.author.iter().chain(&d.to).chain(&d.cc).chain(&d.reported))
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
        conversations.extend(known.by_subject.iter().map(|t| t.conversation_id));
    }
    if conversations.is_empty() {
        return Ok(());
    }
    for row in tx.find_threads_in(conversations.into_iter().collect()).await? {
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
