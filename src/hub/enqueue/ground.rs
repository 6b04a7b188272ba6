//! What composing needs to know beside its order, read ahead: with a handful of statements for one message as for hundreds.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::recipients::{self, Recipient};
use super::{Answers, EnqueueError, Order, Stopped};
use crate::domain::ids::{ConversationId, InfluencerId, MessageId, ThreadId};
use crate::domain::words::Channel;
use crate::store::outbox::{AddressOwner, Answered};
use crate::store::thread::ThreadRow;
use crate::store::{StoreError, Tx};

/// What was read of addresses, of messages that are answered, and of the threads these stand in. Only what was read is known:
/// an address that was not read is nobody's, and a message that was not read can't be answered. It holds under
/// [`Tx::lock_conversations`], until the end of the transaction.
#[derive(Debug, Default)]
pub struct Ground {
    suppressed: HashMap<String, String>,
    owners: HashMap<String, Vec<AddressOwner>>,
    /// The message that answers a thread answers, and whose thread it is.
    newest: HashMap<ThreadId, (MessageId, (InfluencerId, ThreadId))>,
    answered: HashMap<MessageId, Answered>,
    references: HashMap<MessageId, Vec<String>>,
    /// The threads of each conversation, as what was composed so far leaves them.
    threads: HashMap<ConversationId, Vec<ThreadRow>>,
    touched: HashSet<ThreadId>,
    /// The conversations that what was composed so far begins, by what ties others to them.
    begun: HashMap<String, ConversationId>,
}

/// What an order answers.
pub(super) struct About<'a> {
    pub(super) message: &'a Answered,
    /// The thread it is written in, where a person chose one.
    pub(super) thread: Option<(InfluencerId, ThreadId)>,
}

impl Ground {
    /// Reads whose these addresses (by [`crate::domain::address::key`]) are, and which must not be written to.
    pub async fn read_addresses(&mut self, tx: &mut Tx, keys: BTreeSet<String>) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = keys.into_iter().collect();
        self.suppressed.extend(tx.outbox_suppressed(keys.clone()).await?);
        for owner in tx.outbox_recipient_owners(keys).await? {
            self.owners.entry(owner.value_key.clone()).or_default().push(owner);
        }
        Ok(())
    }

    /// Reads what is answered: the messages, the ids a reply names, and the threads of their conversations.
    ///
    /// # Errors
    /// [`EnqueueError::UnknownAnswered`] where a thread is not there; the store's.
    pub async fn read_answered(&mut self, tx: &mut Tx, answers: &[Answers]) -> Result<(), EnqueueError> {
        let mut ids = BTreeSet::new();
        for answers in answers {
            ids.insert(match answers {
                Answers::Message(id) => *id,
                Answers::Thread(id) => {
                    let thread = tx.get_thread(*id).await?.ok_or(EnqueueError::UnknownAnswered)?;
                    let answered = tx.newest_answered(thread.id).await?.ok_or(EnqueueError::UnknownAnswered)?;
                    self.newest.insert(*id, (answered.id, (thread.influencer_id, thread.id)));
                    answered.id
                }
            });
        }
        Ok(self.read_messages(tx, ids).await?)
    }

    /// The same for messages alone; one that is not there is found out when it is answered.
    pub async fn read_messages(&mut self, tx: &mut Tx, ids: BTreeSet<MessageId>) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids: Vec<MessageId> = ids.into_iter().collect();
        for answered in tx.find_answered(ids.clone()).await? {
            self.answered.insert(answered.id, answered);
        }
        for (answered, id) in tx.list_reference_ids(ids).await? {
            self.references.entry(answered).or_default().push(id);
        }
        let conversations: BTreeSet<ConversationId> = self.answered.values().map(|a| a.conversation_id).collect();
        for thread in tx.find_threads_in(conversations.into_iter().collect()).await? {
            self.threads.entry(thread.conversation_id).or_default().push(thread);
        }
        Ok(())
    }

    /// Reads the threads of a conversation.
    pub(super) async fn read_threads(&mut self, tx: &mut Tx, conversation: ConversationId) -> Result<(), StoreError> {
        if let Entry::Vacant(place) = self.threads.entry(conversation) {
            place.insert(tx.find_threads_in(vec![conversation]).await?);
        }
        Ok(())
    }

    /// The subject of a message that was read.
    pub fn subject(&self, message: MessageId) -> Option<&str> {
        self.answered.get(&message).map(|answered| answered.subject.as_str())
    }

    /// Puts in who gets a reply that names nobody: everybody in the message it answers.
    pub(super) fn complete(&self, order: &mut Order) -> Result<(), EnqueueError> {
        if order.to.is_empty()
            && order.cc.is_empty()
            && let Some(about) = self.about(order)?
        {
            (order.to, order.cc) = recipients::of_answer(about.message, &order.account.address);
        }
        Ok(())
    }

    /// What an order answers, where it is a reply.
    pub(super) fn about(&self, order: &Order) -> Result<Option<About<'_>>, EnqueueError> {
        let (id, thread) = match order.answers {
            None => return Ok(None),
            Some(Answers::Message(id)) => (id, None),
            Some(Answers::Thread(id)) => {
                let (message, thread) = self.newest.get(&id).ok_or(EnqueueError::UnknownAnswered)?;
                (*message, Some(*thread))
            }
        };
        let message = self.answered.get(&id).ok_or(EnqueueError::UnknownAnswered)?;
        if message.channel != Channel::Email {
            return Err(EnqueueError::NotMail(message.channel));
        }
        Ok(Some(About { message, thread }))
    }

    /// The ids that a reply to a message puts into References, oldest first.
    pub(super) fn references(&self, answered: MessageId) -> &[String] {
        self.references.get(&answered).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whose the addresses are; an error that names every one that must not be written to.
    pub(super) fn check(&self, envelope: &[Recipient]) -> Result<Vec<AddressOwner>, EnqueueError> {
        let (mut stopped, mut owners) = (Vec::new(), Vec::new());
        for recipient in envelope {
            let own = self.owners.get(&recipient.key).map(Vec::as_slice).unwrap_or_default();
            let dead = || {
                let dead = own.iter().find(|o| o.dead_at.is_some())?;
                Some(format!("dead address: {}", dead.dead_reason.as_deref().unwrap_or("nothing arrives there")))
            };
            let suppressed = self.suppressed.get(&recipient.key).map(|reason| format!("suppressed: {reason}"));
            if let Some(reason) = suppressed.or_else(dead) {
                stopped.push(Stopped { address: recipient.mailbox.address.clone(), reason });
            }
            owners.extend(own.iter().cloned());
        }
        if stopped.is_empty() { Ok(owners) } else { Err(EnqueueError::Stopped(stopped)) }
    }

    /// The threads of a conversation.
    pub(super) fn threads(&self, conversation: ConversationId) -> &[ThreadRow] {
        self.threads.get(&conversation).map(Vec::as_slice).unwrap_or_default()
    }

    /// Notes threads of a conversation as a composed message leaves them, so that the next one begins there.
    pub(super) fn note(&mut self, conversation: ConversationId, threads: Vec<ThreadRow>) {
        let known = self.threads.entry(conversation).or_default();
        for thread in threads {
            self.touched.insert(thread.id);
            match known.iter_mut().find(|t| t.id == thread.id) {
                Some(there) => *there = thread,
                None => known.push(thread),
            }
        }
    }

    /// The conversation that something composed before begins under this reference.
    pub(super) fn begun(&self, reference: &str) -> Option<ConversationId> {
        self.begun.get(reference).copied()
    }

    /// Notes which conversation a composed message begins, so that the next one of the same reference belongs to it.
    pub(super) fn note_begun(&mut self, reference: &str, conversation: ConversationId) {
        self.begun.insert(reference.to_owned(), conversation);
    }

    /// The threads that composed messages show in, once each.
    pub(super) fn take_touched(&mut self) -> Vec<ThreadRow> {
        let touched = std::mem::take(&mut self.touched);
        let mut rows: Vec<ThreadRow> =
            self.threads.values().flatten().filter(|t| touched.contains(&t.id)).cloned().collect();
        // In one order, always, so that two who write the same threads do not wait for each other.
        rows.sort_by_key(|t| t.id);
        rows
    }
}
