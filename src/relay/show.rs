//! From events to posts: which place hears of it, and in which words.

use std::time::Duration;

use super::{Means, Relays, Voice, tell};
use crate::clock;
use crate::config::{Relay, RelayPlace};
use crate::domain::address;
use crate::domain::ids::{InfluencerId, MessageId, RelayPostId, RelayThreadId};
use crate::domain::people::Influencer;
use crate::domain::relay::{self, About, Shown, Whose, choose_place};
use crate::domain::words::{Channel, Direction, EventType, Kind, RelaySort, Word as _};
use crate::hub::people;
use crate::store::event::EventRow;
use crate::store::reading::view::MessageView;
use crate::store::relay::{NewRelayPost, RelayThreadRow};
use crate::store::{StoreError, Tx};

/// Events looked at in one transaction.
pub(super) const BATCH: i64 = 100;
/// What happened longer ago than this, in business time, is shown to nobody any more.
const NEWS: Duration = Duration::from_hours(72);

impl Relays {
    /// Looks at the next events; whether there may be more.
    pub(super) async fn show_events(&self, tx: &mut Tx, means: &Means, at_most: i64) -> Result<bool, StoreError> {
        let last = tx.last_event_seq().await?;
        let Some(seen) = tx.relay_seen().await? else {
            // What happened before there was a relay is no news.
            tx.set_relay_seen(last).await?;
            return Ok(false);
        };
        let events = tx.list_events(seen, at_most).await?;
        for event in &events {
            if event.at.plus(NEWS) >= self.clock.now() {
                self.show_event(tx, means, event).await?;
            }
        }
        if let Some(seq) = events.last().and_then(|event| event.seq) {
            tx.set_relay_seen(seq).await?;
        }
        Ok(i64::try_from(events.len()).is_ok_and(|n| n == at_most))
    }

    async fn show_event(&self, tx: &mut Tx, means: &Means, event: &EventRow) -> Result<(), StoreError> {
        let Some(influencer) = event.influencer_id else { return Ok(()) };
        if event.kind == EventType::MessageReceived {
            return match event.message_id.filter(|_| is_theirs(event)) {
                Some(message) => self.show_message(tx, means, (influencer, message)).await,
                None => self.show_waiting(tx, means, (influencer, event)).await,
            };
        }
        if tell::is_only_of_theirs(event.kind) {
            let view = match event.message_id {
                Some(message) => tx.get_message_view(message).await?,
                None => None,
            };
            if view.is_none_or(|view| view.direction == Direction::Outbound) {
                return Ok(());
            }
        }
        if event.kind == EventType::TeamNotified {
            return self.show_notice(tx, means, (influencer, event)).await;
        }
        let Some(text) = tell::of_event(event) else { return Ok(()) };
        let word = match event.message_id {
            Some(message) => tx.find_relay_word_of(message).await?,
            None => None,
        };
        let thread = match &word {
            Some(word) => tx.get_relay_thread(word.thread_id).await?,
            // That something of a sequence was sent is no news; that it was not is.
            None if tell::is_only_of_answers(event.kind) => None,
            None => {
                let theirs = people::everyone_in(tx, influencer).await?;
                tx.newest_relay_thread(theirs).await?
            }
        };
        let Some(thread) = thread else { return Ok(()) };
        // A mail for every word of good news would be too many.
        if is_by_mail(means, &thread) && !tell::is_trouble(event.kind) {
            return Ok(());
        }
        let post = self.post_in(&thread, (RelaySort::Told, format!("evt:{}", event.id)), (event.message_id, text))?;
        tx.insert_relay_posts(vec![post]).await?;
        Ok(())
    }

    /// Says that somebody unknown wrote in a conversation of theirs: what ended their run is told, and who is to say whose it is.
    async fn show_waiting(
        &self,
        tx: &mut Tx,
        means: &Means,
        (influencer, event): (InfluencerId, &EventRow),
    ) -> Result<(), StoreError> {
        let Some(text) = tell::of_waiting(event) else { return Ok(()) };
        let Some((relay, about, id)) = self.place_of(tx, means, influencer).await? else { return Ok(()) };
        let key = format!("evt:{}", event.id);
        self.post(tx, (relay, id), (&about, RelaySort::Told, key), (event.message_id, text)).await
    }

    /// Shows what a sequence tells the team.
    async fn show_notice(
        &self,
        tx: &mut Tx,
        means: &Means,
        (influencer, event): (InfluencerId, &EventRow),
    ) -> Result<(), StoreError> {
        let field = |name: &str| event.data.as_ref().and_then(|data| data.0.get(name)?.as_str().map(str::to_owned));
        let Some(text) = field("text") else { return Ok(()) };
        let Some((relay, about, id)) = self.place_of(tx, means, influencer).await? else {
            tracing::warn!(%influencer, event = %event.id, "the team was to be told something, and no relay is for it");
            return Ok(());
        };
        let text = relay::notice(&about, &field("sequence").unwrap_or_default(), &text);
        self.post(tx, (relay, id), (&about, RelaySort::Notify, format!("evt:{}", event.id)), (None, text)).await
    }

    /// Shows a message of theirs.
    async fn show_message(
        &self,
        tx: &mut Tx,
        means: &Means,
        (influencer, message): (InfluencerId, MessageId),
    ) -> Result<(), StoreError> {
        let Some(view) = tx.get_message_view(message).await? else { return Ok(()) };
        let Some((relay, about, id)) = self.place_of(tx, means, influencer).await? else { return Ok(()) };
        let text = relay::show(&about, &text_of(tx, &view, id).await?.as_shown());
        self.post(tx, (relay, id), (&about, RelaySort::Shown, format!("msg:{message}")), (Some(message), text)).await
    }

    /// The place that hears of somebody, and how they are told of; nothing where none does.
    pub(super) async fn place_of<'m>(
        &self,
        tx: &mut Tx,
        means: &'m Means,
        influencer: InfluencerId,
    ) -> Result<Option<(&'m Relay, About, InfluencerId)>, StoreError> {
        let id = people::survivor(tx, influencer).await?;
        let Some(person) = tx.get_influencer(id).await? else { return Ok(None) };
        let tags: Vec<String> = tx.list_tags(vec![id]).await?.into_iter().map(|(_, tag)| tag).collect();
        let owner = person.owner.clone().or_else(|| means.default_owner.clone());
        let whose = Whose { owner: owner.as_deref(), stage: &person.stage, tags: &tags };
        let rules = means.relays.iter().map(|(name, relay)| (name.as_str(), &relay.rules));
        let chosen = choose_place(rules, whose).and_then(|name| means.relays.get(name));
        Ok(chosen.map(|relay| (relay, about(&person, owner, relay.link.as_deref()), id)))
    }

    /// Puts a post in line, and before it what begins its thread, where there is none yet.
    pub(super) async fn post(
        &self,
        tx: &mut Tx,
        (relay, influencer): (&Relay, InfluencerId),
        (about, sort, key): (&About, RelaySort, String),
        (message, text): (Option<MessageId>, String),
    ) -> Result<(), StoreError> {
        let place = place_in(relay);
        let mut posts = Vec::new();
        // Where two became one, what was said of either goes on.
        let theirs = people::everyone_in(tx, influencer).await?;
        let thread = if let Some(thread) = tx.find_relay_thread(theirs, (&relay.account, &place)).await? {
            thread
        } else {
            let thread = RelayThreadRow {
                id: RelayThreadId(self.clock.new_id()),
                relay: relay.id.clone(),
                account: relay.account.clone(),
                place,
                influencer_id: influencer,
                marker: relay.marker.clone(),
                root: None,
                created_at: self.clock.now(),
            };
            tx.insert_relay_thread(&thread).await?;
            if matches!(relay.place, RelayPlace::Channel(_)) {
                let words = about.opening(Some(&relay.marker));
                posts.push(self.post_in(&thread, (RelaySort::Opening, "open".to_owned()), (None, words))?);
            }
            thread
        };
        posts.push(self.post_in(&thread, (sort, key), (message, text))?);
        tx.insert_relay_posts(posts).await?;
        Ok(())
    }

    /// A post in a thread.
    pub(super) fn post_in(
        &self,
        thread: &RelayThreadRow,
        (sort, about): (RelaySort, String),
        (message_id, text): (Option<MessageId>, String),
    ) -> Result<NewRelayPost, StoreError> {
        let octets: [u8; 16] = clock::random_octets().map_err(|error| StoreError::Damaged(error.to_string()))?;
        Ok(NewRelayPost {
            id: RelayPostId(self.clock.new_id()),
            thread_id: thread.id,
            account: thread.account.clone(),
            sort,
            about,
            message_id,
            text,
            token: format!("{}{}", relay::TOKEN, uuid::Uuid::from_bytes(octets).simple()),
            at: clock::machine_now(),
        })
    }
}

/// Whether a message is surely of the person it is told of.
fn is_theirs(event: &EventRow) -> bool {
    let data = event.data.as_ref().map(|data| &data.0);
    let field = |name: &str| data.and_then(|data| data.get(name));
    field("waiting").is_none_or(serde_json::Value::is_null)
        && field("role").and_then(serde_json::Value::as_str) == Some("author")
}

pub(super) fn is_by_mail(means: &Means, thread: &RelayThreadRow) -> bool {
    matches!(means.voices.get(&thread.account), Some(Voice::Mail { .. })) || thread.place.contains('@')
}

/// The place of a relay, as threads name it.
fn place_in(relay: &Relay) -> String {
    match &relay.place {
        RelayPlace::Channel(id) => id.clone(),
        RelayPlace::Teammate { address: to, .. } => address::key(to).unwrap_or_else(|| to.clone()),
    }
}

pub(super) fn about(person: &Influencer, owner: Option<String>, link: Option<&str>) -> About {
    let handle = person.handle.trim_start_matches('@').to_owned();
    let link = link.map(|link| link.replace("{id}", &person.id.to_string()).replace("{handle}", &handle));
    let name = format!("{} {}", person.first_name, person.last_name).trim().to_owned();
    About { handle, name, stage: person.stage.clone(), owner, link }
}

/// What is shown of a message, whole.
struct Whole {
    by: Option<String>,
    channel: &'static str,
    account: String,
    subject: String,
    text: String,
    files: Vec<String>,
    sort: Option<&'static str>,
}

impl Whole {
    fn as_shown(&self) -> Shown<'_> {
        Shown {
            by: self.by.as_deref(),
            channel: self.channel,
            account: &self.account,
            subject: &self.subject,
            text: &self.text,
            files: &self.files,
            sort: self.sort,
        }
    }
}

async fn text_of(tx: &mut Tx, view: &MessageView, id: InfluencerId) -> Result<Whole, StoreError> {
    let agent = view.participants.iter().find(|p| p.influencer_id == id).and_then(|p| p.agent_id);
    let by = match agent {
        Some(agent) => tx.get_agent(agent).await?.map(|agent| {
            let name = format!("{} {}", agent.first_name, agent.last_name).trim().to_owned();
            if name.is_empty() { view.from.address.clone() } else { name }
        }),
        None => None,
    };
    let text = if view.reply_text.trim().is_empty() { &view.text } else { &view.reply_text };
    Ok(Whole {
        by,
        channel: view.channel.as_str(),
        account: view.account.clone(),
        subject: if view.channel == Channel::Email { view.subject.clone() } else { String::new() },
        text: text.clone(),
        files: view.attachments.iter().map(|file| file.about.name.clone()).collect(),
        sort: (view.kind != Kind::Human).then(|| view.kind.as_str()),
    })
}
