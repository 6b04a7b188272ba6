//! Erasing one person: everything that is kept about them goes, in one transaction; that they must not be written to stays, as a
//! keyed hash, and so does the record that it was done.
//!
//! A message that is theirs alone, or that they wrote, goes whole. One that somebody else wrote, or that went to several, stays
//! for the others, and they are blotted out of it. What is in hand just now is not pulled from under the feet of whoever sends
//! it: then nothing is erased.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::addresses::once_theirs;
use super::{PeopleError, survivor};
use crate::clock::{self, Clock};
use crate::domain::erasure::{Blot, Blotted, KEY_OCTETS, Mark, blot_mail, is_in_octets};
use crate::domain::ids::{ConversationId, ErasureId, InfluencerId, LedgerId, MessageId, ThreadId};
use crate::domain::people::{Address, Influencer, SCOPE_ALL};
use crate::domain::threading::id_key;
use crate::domain::time::Micros;
use crate::domain::words::{Channel, EventType, FileState, OutboxStatus, SuppressionReason, Word as _};
use crate::domain::{address, chat};
use crate::hub::hold;
use crate::hub::settle::{self, SettleError};
use crate::hub::signal::{self, Signal};
use crate::store::people::erase::{Gone, LooseWords, MessageWords, TheirMessage};
use crate::store::people::erased::{ErasureRow, NewErasedAddress};
use crate::store::{StoreError, Tx};

/// Ids bound at once.
const AT_ONCE: usize = 500;
/// Octets at the end of a piece of a file that are looked at with the next one.
const SEAM: usize = 1_000;
/// How raw mail that was blotted is compressed.
const COMPRESSION: i32 = 3;

/// What was erased, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Erased {
    /// The record of it; none where it was only tried.
    pub id: Option<ErasureId>,
    /// Whose id it was.
    pub influencer_id: InfluencerId,
    /// Records of the same person that were merged into theirs, and went with it.
    pub merged_ids: Vec<InfluencerId>,
    /// Messages that went.
    pub messages: u64,
    /// Messages of others that stay without them.
    pub messages_blotted: u64,
    /// Of those, how many lost their raw mail because they could not be taken out of it.
    pub raw_mails_lost: u64,
    /// Addresses that are not written to any more, known by a keyed hash alone.
    pub addresses: u64,
    /// How many rows of each table went.
    pub rows: BTreeMap<String, u64>,
    /// Whether this was only tried.
    pub dry_run: bool,
}

/// Who is erased, and by what they are known.
struct Person {
    ids: Vec<InfluencerId>,
    addresses: Vec<Address>,
    keys: Vec<String>,
    blot: Blot,
}

/// Erases somebody. Where it is only tried, the caller drops the transaction.
///
/// # Errors
/// [`PeopleError::NoInfluencer`]; [`PeopleError::InHand`] where something to them is being handed over right now.
pub async fn erase(
    tx: &mut Tx,
    clock: &Clock,
    id: InfluencerId,
    by: &str,
    dry_run: bool,
) -> Result<Erased, PeopleError> {
    tx.overwrite_what_is_deleted().await?;
    // First of all, as those do who store messages: nobody writes one to them meanwhile.
    tx.lock_conversations().await?;
    let id = survivor(tx, id).await?;
    let influencer = tx.lock_influencer(id).await?.ok_or_else(|| PeopleError::NoInfluencer(id.to_string()))?;
    let mut person = know(tx, &influencer).await?;
    tx.lock_live_enrollments(person.ids.clone()).await?;
    let theirs = tx.messages_of_people(person.ids.clone()).await?;
    if let Some(busy) = theirs.iter().find(|m| is_in_hand(m.status)) {
        return Err(PeopleError::InHand(busy.id));
    }
    let (gone, stays): (Vec<TheirMessage>, Vec<TheirMessage>) =
        theirs.into_iter().partition(|m| !m.shared || is_of(&m.author_address, &person.keys));
    take_back(tx, clock, &stays).await?;
    let mut erased = Erased {
        id: None,
        influencer_id: id,
        merged_ids: person.ids.iter().copied().filter(|other| *other != id).collect(),
        messages: count(gone.len()),
        messages_blotted: 0,
        raw_mails_lost: 0,
        addresses: count(person.keys.len()),
        rows: BTreeMap::new(),
        dry_run,
    };
    keep_marks(tx, clock, &person, &gone).await?;
    name_more(tx, &mut person, &stays).await?;
    forget_requests(tx, &person, &mut erased).await?;
    let once = tx.once_merged_with(person.ids.clone()).await?;
    blot_others(tx, &person, (&stays, &once), &mut erased).await?;
    hold::ask_writers(tx, &person.ids).await?;
    let others = others_in(tx, &person, &gone).await?;
    let mut asked = hold::asked_among(tx, &ids_of(&gone)).await?;
    asked.retain(|id| !person.ids.contains(id));
    let threads = tx.find_threads_of(person.ids.clone(), Micros(i64::MIN)).await?;
    let conversations = gone.iter().map(|m| m.conversation_id).chain(threads.into_iter().map(|t| t.conversation_id));
    let conversations: BTreeSet<ConversationId> = conversations.collect();
    take_out(tx, &person, (&gone, &stays), &mut erased).await?;
    let (people, threads): (Vec<InfluencerId>, _) = others.into_iter().unzip();
    let empty = tx.recount(people.clone(), threads).await?;
    add(&mut erased.rows, vec![("thread", empty)]);
    // What went with its writer asks nothing of others any more.
    asked.extend(people);
    hold::release_answered(tx, clock, asked, &hold::ASKED).await?;
    close_conversations(tx, conversations, &mut erased).await?;
    record(tx, clock, by, &mut erased).await?;
    Ok(erased)
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn add(rows: &mut BTreeMap<String, u64>, gone: Gone) {
    for (table, n) in gone.into_iter().filter(|(_, n)| *n > 0) {
        *rows.entry(table.to_owned()).or_default() += n;
    }
}

fn is_in_hand(status: Option<OutboxStatus>) -> bool {
    matches!(status, Some(OutboxStatus::Claimed | OutboxStatus::HandedOver))
}

fn is_of(written: &str, keys: &[String]) -> bool {
    // A number stands in messages as it is looked up.
    keys.iter().any(|key| key == written) || address::key(written).is_some_and(|key| keys.contains(&key))
}

/// Everything they are known by: their records, addresses, handles and names.
async fn know(tx: &mut Tx, influencer: &Influencer) -> Result<Person, StoreError> {
    let mut ids = vec![influencer.id];
    let mut last = ids.clone();
    loop {
        let below = tx.merged_into_any(last).await?;
        last = below.into_iter().filter(|id| !ids.contains(id)).collect();
        if last.is_empty() {
            break;
        }
        ids.extend(&last);
    }
    let addresses = tx.list_addresses_of_influencers(ids.clone()).await?;
    let once = once_theirs(tx, &ids).await?;
    let mut keys: Vec<String> = addresses.iter().map(|a| a.value_key.clone()).chain(once).collect();
    keys.sort_unstable();
    keys.dedup();
    let blot = blot_of(&addresses, &keys, &names_of(tx, &ids).await?);
    Ok(Person { ids, addresses, keys, blot })
}

/// Their handles, here and on networks, and their whole names: one word of a name is anybody's.
async fn names_of(tx: &mut Tx, ids: &[InfluencerId]) -> Result<BTreeSet<String>, StoreError> {
    let networks = tx.list_networks(ids.to_vec()).await?;
    let mut names: BTreeSet<String> = networks.into_iter().map(|(_, network)| network.handle).collect();
    for Influencer { handle, first_name, last_name, .. } in tx.get_influencers(ids.to_vec()).await? {
        names.insert(handle);
        if !first_name.trim().is_empty() && !last_name.trim().is_empty() {
            names.insert(format!("{} {}", first_name.trim(), last_name.trim()));
            names.insert(format!("{}, {}", last_name.trim(), first_name.trim()));
        }
    }
    Ok(names)
}

/// `keys` are those of the addresses, and of such that were theirs once.
fn blot_of(addresses: &[Address], keys: &[String], names: &BTreeSet<String>) -> Blot {
    let written = addresses.iter().map(|a| a.value.as_str()).chain(keys.iter().map(String::as_str));
    let names = names.iter().map(|name| name.trim().trim_start_matches('@'));
    Blot::new(written, names)
}

/// What others called them in the messages that stay.
async fn name_more(tx: &mut Tx, person: &mut Person, stays: &[TheirMessage]) -> Result<(), StoreError> {
    let mut names = BTreeSet::new();
    for ids in ids_of(stays).chunks(AT_ONCE) {
        for words in tx.message_words(ids.to_vec()).await? {
            for entry in entries(&words.recipients) {
                let text = |name: &str| entry.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
                let name = text("name");
                if is_of(&text("address"), &person.keys) && name.trim().contains(' ') {
                    names.insert(name);
                }
            }
        }
    }
    if !names.is_empty() {
        names.extend(names_of(tx, &person.ids).await?);
        person.blot = blot_of(&person.addresses, &person.keys, &names);
    }
    Ok(())
}

fn entries(recipients: &serde_json::Value) -> impl Iterator<Item = &serde_json::Value> {
    recipients.as_object().into_iter().flat_map(|sorts| sorts.values()).filter_map(|list| list.as_array()).flatten()
}

fn ids_of(messages: &[TheirMessage]) -> Vec<MessageId> {
    messages.iter().map(|m| m.id).collect()
}

/// What waits to be sent to them and to others is not sent to anybody.
async fn take_back(tx: &mut Tx, clock: &Clock, stays: &[TheirMessage]) -> Result<(), PeopleError> {
    for message in stays {
        let waits =
            matches!(message.status, Some(OutboxStatus::Review | OutboxStatus::Queued | OutboxStatus::Deferred));
        if waits {
            match settle::cancel(tx, clock, message.id, "one of those it was for was erased").await {
                Ok(_) => {}
                Err(SettleError::Store(error)) => return Err(error.into()),
                Err(SettleError::Unknown | SettleError::State(_)) => return Err(PeopleError::InHand(message.id)),
            }
        }
    }
    Ok(())
}

/// Keeps what their addresses and mail are known by when they come back.
async fn keep_marks(tx: &mut Tx, clock: &Clock, person: &Person, gone: &[TheirMessage]) -> Result<(), PeopleError> {
    let now = clock.now();
    let key = if let Some(key) = tx.erasure_key().await? {
        key
    } else {
        let octets: [u8; KEY_OCTETS] = clock::random_octets().map_err(|e| PeopleError::Chance(e.to_string()))?;
        tx.ensure_erasure_key(octets.to_vec(), now).await?
    };
    let mut rows = Vec::new();
    let mut by_channel: BTreeMap<&str, (Channel, Vec<String>)> = BTreeMap::new();
    for address in &person.addresses {
        let (_, keys) = by_channel.entry(address.channel.as_str()).or_insert((address.channel, Vec::new()));
        keys.push(address.value_key.clone());
    }
    let is_now = |key: &&String| person.addresses.iter().any(|a| a.value_key == **key);
    for key in person.keys.iter().filter(|key| !is_now(key)) {
        let channel = chat::channel_of(key).map_or(Channel::Email, |(channel, _)| channel);
        let (_, keys) = by_channel.entry(channel.as_str()).or_insert((channel, Vec::new()));
        keys.push(key.clone());
    }
    for (channel, keys) in by_channel.into_values() {
        let suppressed = tx.suppressed(channel, keys.clone()).await?;
        let hash = |value: &String| Mark::Address(channel.to_string(), value.clone()).hash(&key);
        for s in &suppressed {
            let hash = hash(&s.value_key);
            rows.push(NewErasedAddress { id: s.id, hash, scope: s.scope.clone(), reason: s.reason, at: s.at });
        }
        let held = |value: &String| suppressed.iter().any(|s| s.value_key == *value && s.scope == SCOPE_ALL);
        for value in keys.iter().filter(|value| !held(value)) {
            let (id, scope) = (LedgerId(clock.new_id()), SCOPE_ALL.to_owned());
            rows.push(NewErasedAddress { id, hash: hash(value), scope, reason: SuppressionReason::Erased, at: now });
        }
    }
    tx.insert_erased_addresses(rows).await?;
    let mut marks: Vec<Vec<u8>> = gone.iter().flat_map(marks_of).map(|mark| mark.hash(&key)).collect();
    for ids in ids_of(gone).chunks(AT_ONCE) {
        // What a provider tells again of them is known as well.
        let told = tx.list_provider_messages(ids.to_vec()).await?.into_iter();
        marks.extend(told.map(|row| Mark::Print(chat::print_of(&row.account, &row.provider_id)).hash(&key)));
    }
    tx.insert_erased_messages(marks, now).await?;
    Ok(())
}

fn marks_of(message: &TheirMessage) -> Vec<Mark> {
    let mut marks = vec![Mark::Print(message.fingerprint.clone())];
    if let Some(token) = &message.token {
        marks.push(Mark::Token(token.clone()));
        marks.extend(message.internet_message_id.clone().map(Mark::OwnId));
    }
    marks
}

/// Answers that were kept for requests about them.
async fn forget_requests(tx: &mut Tx, person: &Person, erased: &mut Erased) -> Result<(), StoreError> {
    let ids: Vec<String> = person.ids.iter().map(ToString::to_string).collect();
    let mut after = (crate::domain::ids::TokenId(Uuid::nil()), String::new());
    loop {
        let page = tx.list_kept_requests((after.0, &after.1), 200).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = (last.token_id, last.key.clone());
        for request in page {
            let text = request.answer.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            let key_too = person.blot.is_in(&request.key);
            if key_too || person.blot.is_in(&text) || ids.iter().any(|id| text.contains(id.as_str())) {
                tx.erase_kept_request(&request, key_too).await?;
                add(&mut erased.rows, vec![("idempotency", 1)]);
            }
        }
    }
}

/// Blots them out of what stays: messages they share with others, and what is said elsewhere about those.
async fn blot_others(
    tx: &mut Tx,
    person: &Person,
    (stays, once): (&[TheirMessage], &[InfluencerId]),
    erased: &mut Erased,
) -> Result<(), PeopleError> {
    for message in stays {
        if blot_message(tx, person, message).await? {
            erased.messages_blotted += 1;
        }
        if blot_raw(tx, person, message).await? == Blotted::Lost {
            erased.raw_mails_lost += 1;
        }
        let files = files_with(tx, person, message.id).await?;
        tx.let_some_files_go(message.id, files, "somebody who is, or may be, in it was erased").await?;
    }
    for ids in ids_of(stays).chunks(AT_ONCE) {
        let n = tx.erase_recipients(ids.to_vec(), person.keys.clone()).await?;
        let hits = tx.erase_hits_of(ids.to_vec(), person.ids.clone()).await?;
        add(&mut erased.rows, vec![("outbox_recipient", n), ("hit", hits)]);
    }
    let messages = ids_of(stays);
    let threads: Vec<ThreadId> = others_in(tx, person, stays).await?.into_iter().map(|(_, thread)| thread).collect();
    for ids in messages.chunks(AT_ONCE) {
        blot_words(tx, person, (ids.to_vec(), Vec::new(), Vec::new())).await?;
    }
    blot_words(tx, person, (Vec::new(), once.to_vec(), threads)).await?;
    Ok(())
}

async fn blot_message(tx: &mut Tx, person: &Person, message: &TheirMessage) -> Result<bool, StoreError> {
    let Some(mut words) = tx.message_words(vec![message.id]).await?.pop() else { return Ok(false) };
    let before = words.clone();
    if let Some(sorts) = words.recipients.as_object_mut() {
        for list in sorts.values_mut().filter_map(|list| list.as_array_mut()) {
            let written = |entry: &serde_json::Value| {
                entry.get("address").and_then(|a| a.as_str()).is_some_and(|a| is_of(a, &person.keys))
            };
            list.retain(|entry| !written(entry));
        }
    }
    blot_texts(&person.blot, &mut words);
    let changed = words != before;
    if changed {
        tx.rewrite_message(words).await?;
    }
    Ok(changed)
}

fn blot_texts(blot: &Blot, words: &mut MessageWords) {
    for text in [&mut words.author_name, &mut words.subject, &mut words.text] {
        if let Some(clean) = blot.text(text) {
            *text = clean;
        }
    }
    if let Some(clean) = words.reply_text.as_deref().and_then(|text| blot.text(text)) {
        words.reply_text = Some(clean);
    }
    if let Some(clean) = blot.json(&words.recipients) {
        words.recipients = clean;
    }
    for document in [&mut words.attachments, &mut words.flaws].into_iter().flatten() {
        if let Some(clean) = blot.json(&document.0) {
            document.0 = clean;
        }
    }
}

/// The raw mail of a message that stays. The one that people look at is kept, and takes the place of the one that was sent.
async fn blot_raw(tx: &mut Tx, person: &Person, message: &TheirMessage) -> Result<Blotted, PeopleError> {
    let old: Vec<Vec<u8>> = message.raw_hash.iter().chain(&message.clean_hash).cloned().collect();
    let Some(raw) = tx.get_raw_mail(message.id).await? else { return Ok(Blotted::Same) };
    let result = blot_mail(&raw, &person.blot);
    let hash = match &result {
        Blotted::Same => return Ok(result),
        Blotted::Lost => None,
        Blotted::Changed(clean) => {
            let hash = Sha256::digest(clean).to_vec();
            let packed = zstd::bulk::compress(clean, COMPRESSION).map_err(|e| StoreError::Damaged(e.to_string()))?;
            tx.insert_raws(vec![(hash.clone(), i64::try_from(clean.len()).unwrap_or(i64::MAX), packed)]).await?;
            Some(hash)
        }
    };
    tx.replace_raw(message.id, hash).await?;
    tx.erase_raws(old).await?;
    Ok(result)
}

/// The files beside a message that stays in which they are found, or in which nobody can look yet. What others sent can't be changed,
/// only let go.
async fn files_with(tx: &mut Tx, person: &Person, message: MessageId) -> Result<Vec<i64>, StoreError> {
    let mut found = Vec::new();
    'files: for (place, file) in tx.list_files(message).await? {
        let Some(hash) = file.hash else {
            if file.state == FileState::Waiting {
                found.push(place);
            }
            continue;
        };
        let mut read = Vec::new();
        for position in 0.. {
            let Some(piece) = tx.get_file_piece(&hash, position).await? else { break };
            // A name may begin in one piece and end in the next.
            read.drain(..read.len().saturating_sub(SEAM));
            read.extend(piece.unpack()?);
            if is_in_octets(&person.blot, &read) {
                found.push(place);
                continue 'files;
            }
        }
    }
    Ok(found)
}

/// Events and single texts that stay.
async fn blot_words(
    tx: &mut Tx,
    person: &Person,
    (messages, people, threads): (Vec<MessageId>, Vec<InfluencerId>, Vec<ThreadId>),
) -> Result<(), StoreError> {
    for (id, data) in tx.event_words(messages.clone(), people.clone()).await? {
        if let Some(clean) = person.blot.json(&data.0) {
            tx.rewrite_event(id, clean).await?;
        }
    }
    for (what, id, n, text) in tx.loose_words((messages, people, threads)).await? {
        let clean = if what == LooseWords::UnmatchedFacts {
            serde_json::from_str(&text).ok().and_then(|facts| person.blot.json(&facts)).map(|facts| facts.to_string())
        } else {
            person.blot.text(&text)
        };
        if let Some(clean) = clean {
            tx.rewrite_loose((what, id, n), clean).await?;
        }
    }
    Ok(())
}

async fn others_in(
    tx: &mut Tx,
    person: &Person,
    messages: &[TheirMessage],
) -> Result<Vec<(InfluencerId, ThreadId)>, StoreError> {
    let mut others = BTreeSet::new();
    for ids in ids_of(messages).chunks(AT_ONCE) {
        others.extend(tx.others_in(ids.to_vec(), person.ids.clone()).await?);
    }
    Ok(others.into_iter().collect())
}

/// Takes their messages out, and then themselves.
async fn take_out(
    tx: &mut Tx,
    person: &Person,
    (gone, stays): (&[TheirMessage], &[TheirMessage]),
    erased: &mut Erased,
) -> Result<(), StoreError> {
    close_refs(tx, (gone, stays), erased).await?;
    for messages in gone.chunks(AT_ONCE) {
        let rows = tx.erase_messages(ids_of(messages)).await?;
        add(&mut erased.rows, rows);
        let hashes = messages.iter().flat_map(|m| m.raw_hash.iter().chain(&m.clean_hash)).cloned().collect();
        let mails = tx.erase_raws(hashes).await?;
        add(&mut erased.rows, vec![("raw", mails)]);
    }
    let rows = tx.erase_people(person.ids.clone(), person.keys.clone()).await?;
    add(&mut erased.rows, rows);
    Ok(())
}

/// The header of a mail: whatever it names stands there, and the rest of it may be large.
fn head_of(raw: &[u8]) -> String {
    let end = raw.windows(2).zip(0..).find_map(|(pair, at)| {
        let rest = raw.get(at..).unwrap_or_default();
        (pair == b"\n\n" || rest.starts_with(b"\n\r\n")).then_some(at)
    });
    String::from_utf8_lossy(raw.get(..end.unwrap_or(raw.len())).unwrap_or_default()).into_owned()
}

/// The ids by which mail that goes was tied to conversations that stay: those that nothing that stays names.
async fn close_refs(
    tx: &mut Tx,
    (gone, stays): (&[TheirMessage], &[TheirMessage]),
    erased: &mut Erased,
) -> Result<(), StoreError> {
    let shared: BTreeSet<ConversationId> = gone.iter().filter(|m| m.shared).map(|m| m.conversation_id).collect();
    let mixed: BTreeSet<ConversationId> = stays.iter().map(|m| m.conversation_id).chain(shared).collect();
    for conversation in mixed {
        let ours: Vec<&TheirMessage> = gone.iter().filter(|m| m.conversation_id == conversation).collect();
        if ours.is_empty() {
            continue;
        }
        let left = tx.messages_left_in(vec![conversation]).await?;
        let (mut kept_ids, mut kept_mail, mut gone_mail) = (HashSet::new(), Vec::new(), Vec::new());
        for (id, internet_id) in left {
            let raw = tx.get_raw_mail(id).await?.map(|raw| head_of(&raw));
            if ours.iter().any(|m| m.id == id) {
                gone_mail.extend(raw);
            } else {
                kept_mail.extend(raw);
                kept_ids.extend(internet_id);
            }
        }
        let named = |mails: &[String], key: &str| mails.iter().any(|mail| mail.contains(key));
        let goes = |key: &String| {
            let Some(id) = key.strip_prefix(&id_key("")) else { return false };
            let theirs = ours.iter().any(|m| m.internet_message_id.as_deref() == Some(id)) || named(&gone_mail, id);
            theirs && !kept_ids.contains(id) && !named(&kept_mail, id)
        };
        let refs: Vec<String> = tx.list_refs(vec![conversation]).await?.into_iter().filter(goes).collect();
        let n = tx.erase_refs(refs).await?;
        add(&mut erased.rows, vec![("message_ref", n)]);
    }
    Ok(())
}

async fn close_conversations(
    tx: &mut Tx,
    ids: BTreeSet<ConversationId>,
    erased: &mut Erased,
) -> Result<(), StoreError> {
    for ids in ids.into_iter().collect::<Vec<_>>().chunks(AT_ONCE) {
        let rows = tx.erase_conversations(ids.to_vec()).await?;
        add(&mut erased.rows, rows);
    }
    Ok(())
}

/// Keeps the record that it was done, and tells whoever keeps copies.
async fn record(tx: &mut Tx, clock: &Clock, by: &str, erased: &mut Erased) -> Result<(), StoreError> {
    let (id, at) = (ErasureId(clock.new_id()), clock.now());
    let counts = json!({"messages": erased.messages, "messages_blotted": erased.messages_blotted, "rows": erased.rows});
    let influencer_id = erased.influencer_id;
    let row = ErasureRow { id, influencer_id, by: by.to_owned(), at, counts, overwritten_at: None };
    tx.insert_erasure(row).await?;
    let all = std::iter::once(influencer_id).chain(erased.merged_ids.iter().copied());
    let told = |influencer| Signal {
        what: EventType::InfluencerErased,
        influencer: Some(influencer),
        message: None,
        at,
        data: Some(json!({"erasure_id": id})),
    };
    tx.insert_events(all.map(|id| signal::event(clock, None, told(id))).collect()).await?;
    erased.id = (!erased.dry_run).then_some(id);
    Ok(())
}
