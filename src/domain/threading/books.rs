//! Union-find over message ids: the conversations of one batch of messages, on top of those that are stored.

use std::collections::HashMap;

use crate::domain::ids::{ConversationId, InfluencerId, ThreadId};
use crate::domain::time::Micros;
use crate::domain::words::Awaiting;

/// A thread of the batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its id.
    pub id: ThreadId,
    /// Its account.
    pub account: String,
    /// The subject of its first message.
    pub subject: String,
    /// The same without prefixes.
    pub subject_key: String,
    /// Messages in it.
    pub message_count: i64,
    /// The instant of its newest message.
    pub last_message_at: Micros,
    /// Whose turn it is.
    pub awaiting: Option<Awaiting>,
    /// Whether it must be written.
    pub changed: bool,
}

/// What has to be done to the store so that it agrees with the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// A thread goes along with its conversation.
    Thread(ThreadId, ConversationId),
    /// Two threads of one influencer become one: the first is joined into the second.
    Threads(ThreadId, ThreadId),
    /// The first conversation is joined into the second.
    Conversations(ConversationId, ConversationId),
}

/// Conversations and threads, as far as a batch needs them.
#[derive(Debug, Default)]
pub struct Books {
    refs: HashMap<String, ConversationId>,
    joined: HashMap<ConversationId, ConversationId>,
    threads: HashMap<ConversationId, Vec<(InfluencerId, Entry)>>,
    moves: Vec<Move>,
    fresh: Vec<ConversationId>,
    new_refs: Vec<String>,
}

impl Books {
    /// Enters what is stored: an id and its conversation.
    pub fn know_ref(&mut self, key: String, conversation: ConversationId) {
        self.refs.insert(key, conversation);
    }

    /// Enters what is stored: a thread.
    pub fn know_thread(&mut self, conversation: ConversationId, influencer: InfluencerId, entry: Entry) {
        self.threads.entry(conversation).or_default().push((influencer, entry));
    }

    /// The conversation that one has become.
    pub fn find(&self, mut id: ConversationId) -> ConversationId {
        // A chain has at most one link per merge of the batch.
        while let Some(next) = self.joined.get(&id) {
            id = *next;
        }
        id
    }

    /// Whether any of these keys is known.
    pub fn knows_any(&self, keys: &[String]) -> bool {
        keys.iter().any(|key| self.refs.contains_key(key))
    }

    /// The conversation of a message with these keys, joined with `also` where given: the oldest of those that the keys
    /// name, which all become one; `fresh` where they name none.
    pub fn place(
        &mut self,
        keys: &[String],
        also: Option<ConversationId>,
        fresh: impl FnOnce() -> ConversationId,
    ) -> ConversationId {
        let mut found: Vec<ConversationId> =
            keys.iter().filter_map(|key| self.refs.get(key)).chain(also.as_ref()).map(|id| self.find(*id)).collect();
        found.sort_unstable();
        found.dedup();
        let mut found = found.into_iter();
        let winner = found.next().unwrap_or_else(|| {
            let id = fresh();
            self.fresh.push(id);
            id
        });
        for loser in found {
            self.join(loser, winner);
        }
        for key in keys {
            if !self.refs.contains_key(key) {
                self.refs.insert(key.clone(), winner);
                self.new_refs.push(key.clone());
            }
        }
        winner
    }

    fn join(&mut self, loser: ConversationId, winner: ConversationId) {
        for (influencer, entry) in self.threads.remove(&loser).unwrap_or_default() {
            let list = self.threads.entry(winner).or_default();
            if let Some((_, kept)) = list.iter_mut().find(|(id, _)| *id == influencer) {
                self.moves.push(Move::Threads(entry.id, kept.id));
                kept.message_count += entry.message_count;
                if entry.last_message_at > kept.last_message_at {
                    kept.last_message_at = entry.last_message_at;
                    kept.awaiting = entry.awaiting;
                }
                kept.changed = true;
            } else {
                self.moves.push(Move::Thread(entry.id, winner));
                list.push((influencer, entry));
            }
        }
        self.joined.insert(loser, winner);
        self.moves.push(Move::Conversations(loser, winner));
    }

    /// The subjects of a conversation's threads, without marks.
    pub fn subjects_in(&self, conversation: ConversationId) -> impl Iterator<Item = &str> {
        self.threads.get(&self.find(conversation)).into_iter().flatten().map(|(_, entry)| entry.subject_key.as_str())
    }

    /// Influencers with a thread in a conversation.
    pub fn influencers_in(&self, conversation: ConversationId) -> Vec<InfluencerId> {
        self.threads.get(&self.find(conversation)).map_or_else(Vec::new, |l| l.iter().map(|(id, _)| *id).collect())
    }

    /// The thread of an influencer in a conversation, made by `fresh` where there is none.
    pub fn thread(
        &mut self,
        conversation: ConversationId,
        influencer: InfluencerId,
        fresh: impl FnOnce() -> Entry,
    ) -> &mut Entry {
        let list = self.threads.entry(self.find(conversation)).or_default();
        let place = list.iter().position(|(id, _)| *id == influencer).unwrap_or_else(|| {
            list.push((influencer, fresh()));
            list.len() - 1
        });
        #[allow(clippy::indexing_slicing, reason = "the place was found or made in the lines above")]
        &mut list[place].1
    }

    /// The id of an influencer's thread in a conversation, where there is one.
    pub fn thread_id(&self, conversation: ConversationId, influencer: InfluencerId) -> Option<ThreadId> {
        let list = self.threads.get(&self.find(conversation))?;
        list.iter().find(|(id, _)| *id == influencer).map(|(_, entry)| entry.id)
    }

    /// What the store has to do, in order.
    pub fn moves(&self) -> &[Move] {
        &self.moves
    }

    /// Conversations that are new and were not joined into another.
    pub fn new_conversations(&self) -> &[ConversationId] {
        &self.fresh
    }

    /// Ids that are new, with the conversation they belong to now.
    pub fn new_refs(&self) -> Vec<(String, ConversationId)> {
        self.new_refs.iter().filter_map(|key| self.refs.get(key).map(|id| (key.clone(), self.find(*id)))).collect()
    }

    /// Threads that are new or changed: (conversation, influencer, thread).
    pub fn changed_threads(&self) -> impl Iterator<Item = (ConversationId, InfluencerId, &Entry)> {
        self.threads
            .iter()
            .flat_map(|(conversation, list)| list.iter().map(|(influencer, entry)| (*conversation, *influencer, entry)))
            .filter(|(_, _, entry)| entry.changed)
    }
}
