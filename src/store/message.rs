//! Messages, the raw mail behind them, who takes part in them, and where they were seen. Writing; reading is elsewhere.

use super::dialect::Many;
use super::sql::statements;
use super::value::{Value, values};
use super::{StoreError, Tx};
use crate::domain::ids::{AgentId, ConversationId, FolderId, InfluencerId, MessageId, ThreadId};
use crate::domain::time::Micros;
use crate::domain::words::{Channel, Direction, Kind, OutboxStatus, Role, UnmatchedReason};

/// A message to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    /// Its id.
    pub id: MessageId,
    /// The conversation it belongs to.
    pub conversation_id: ConversationId,
    /// They or we.
    pub direction: Direction,
    /// Its sort.
    pub kind: Kind,
    /// How it travels.
    pub channel: Channel,
    /// Our account.
    pub account: String,
    /// Its Message-ID, without brackets.
    pub internet_message_id: Option<String>,
    /// 16 octets that are the same for every copy of one message.
    pub fingerprint: Vec<u8>,
    /// The author's name, as written.
    pub author_name: String,
    /// The author's address, as written.
    pub author_address: String,
    /// `{"to": […], "cc": […], "bcc": […], "reply_to": […]}`, each a list of name and address.
    pub recipients: serde_json::Value,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The text without quotes; `None` where it is the same as the text.
    pub reply_text: Option<String>,
    /// The attachments, where there are any.
    pub attachments: Option<serde_json::Value>,
    /// What was wrong with it, where anything was.
    pub flaws: Option<serde_json::Value>,
    /// Whether it has an HTML part.
    pub has_html: bool,
    /// Octets, as the provider holds it.
    pub size: i64,
    /// Its raw mail.
    pub raw_hash: Option<Vec<u8>>,
    /// Its place in time.
    pub at: Micros,
    /// When it was stored.
    pub stored_at: Micros,
    /// Whether it is old mail of a first sync, which fires nothing.
    pub backfilled: bool,
}

/// What is known of a stored message with a given fingerprint.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct KnownMessage {
    /// Its id.
    pub id: MessageId,
    /// Its fingerprint.
    pub fingerprint: Vec<u8>,
    /// The conversation it is in.
    pub conversation_id: ConversationId,
    /// The first 400 characters of its text.
    pub text_head: String,
    /// Its attachments, where it has any.
    pub attachments: Option<sqlx::types::Json<serde_json::Value>>,
}

/// A stored message found by its Message-ID or our token.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct OwnMessage {
    /// Its id.
    pub id: MessageId,
    /// The key it was found by.
    pub key: String,
    /// The conversation it is in.
    pub conversation_id: ConversationId,
    /// How its sending stands, where it went through the outbox.
    pub status: Option<OutboxStatus>,
    /// Its place in time.
    pub at: Micros,
}

#[derive(sqlx::FromRow)]
struct ByInternetId {
    #[sqlx(flatten)]
    message: OwnMessage,
    direction: Direction,
}

/// Someone's part in a message.
#[derive(Debug, Clone, PartialEq)]
pub struct NewParticipation {
    /// The message.
    pub message_id: MessageId,
    /// On whose timeline it shows.
    pub influencer_id: InfluencerId,
    /// In which thread of theirs.
    pub thread_id: ThreadId,
    /// As what.
    pub role: Role,
    /// The agent who wrote or got it for them.
    pub agent_id: Option<AgentId>,
    /// `false` where this was concluded from weak evidence and a person may want to look.
    pub assigned: bool,
    /// The message's place in time.
    pub at: Micros,
}

/// A place where a message was seen, or a uid that was left out.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDelivery {
    /// The folder.
    pub folder_id: FolderId,
    /// Its UIDVALIDITY.
    pub uid_validity: i64,
    /// The uid.
    pub uid: i64,
    /// The message.
    pub message_id: Option<MessageId>,
    /// Why it was left out.
    pub left_out: Option<&'static str>,
    /// When it was first seen there.
    pub seen_at: Micros,
}

/// A message that waits for a person to say whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct NewUnmatched {
    /// The message.
    pub message_id: MessageId,
    /// Why.
    pub reason: UnmatchedReason,
    /// Who wrote it.
    pub address: String,
    /// The same, for lookups.
    pub address_key: String,
    /// The name they use.
    pub name: String,
    /// Whose it may be.
    pub influencer_id: Option<InfluencerId>,
    /// The agent who wrote it.
    pub agent_id: Option<AgentId>,
    /// The message's place in time.
    pub at: Micros,
    /// What is to follow from it once it is known whose it is: `received`, `answer` and `answers` as its events would have
    /// them, and `reports`, what a bounce or complaint says of each address. Nothing for old mail, from which nothing follows.
    pub facts: Option<serde_json::Value>,
}

const MESSAGES: Many = Many {
    head: "INSERT INTO message (id, conversation_id, direction, kind, channel, account, internet_message_id, fingerprint, \
           author_name, author_address, recipients, subject, text, reply_text, attachments, flaws, has_html, size, \
           raw_hash, at, stored_at, backfilled)",
    columns: 22,
    tail: "",
};
/// Octets of raw mail in one statement: it ends after the mail that goes beyond.
const STATEMENT_OCTETS: usize = 16 * 1024 * 1024;
const RAWS: Many =
    Many { head: "INSERT INTO raw (hash, size, data)", columns: 3, tail: "ON CONFLICT (hash) DO NOTHING" };
const PARTICIPATIONS: Many = Many {
    head: "INSERT INTO participation (message_id, influencer_id, thread_id, role, agent_id, assigned, at)",
    columns: 7,
    tail: "ON CONFLICT (message_id, influencer_id) DO NOTHING",
};
const DELIVERIES: Many = Many {
    head: "INSERT INTO delivery (folder_id, uid_validity, uid, message_id, left_out, seen_at)",
    columns: 6,
    tail: "ON CONFLICT (folder_id, uid_validity, uid) DO NOTHING",
};
const UNMATCHED: Many = Many {
    head: "INSERT INTO unmatched (message_id, reason, address, address_key, name, influencer_id, agent_id, at, facts)",
    columns: 9,
    tail: "ON CONFLICT (message_id) DO NOTHING",
};
const STRANGERS: Many = Many {
    head: "INSERT INTO stranger (address_key, message_id, role)",
    columns: 3,
    tail: "ON CONFLICT (address_key, message_id) DO NOTHING",
};

impl Tx {
    /// Stored messages with any of these fingerprints.
    pub async fn find_fingerprints(&mut self, prints: Vec<Vec<u8>>) -> Result<Vec<KnownMessage>, StoreError> {
        self.all(&FINGERPRINTS, values![prints]).await
    }

    /// Outbound messages that carry any of these tokens of ours.
    pub async fn find_tokens(&mut self, tokens: Vec<String>) -> Result<Vec<OwnMessage>, StoreError> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        self.all(&TOKENS, values![tokens]).await
    }

    /// Messages with any of these Message-IDs, and who said them.
    pub async fn find_by_internet_ids(&mut self, ids: Vec<String>) -> Result<Vec<(OwnMessage, Direction)>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<ByInternetId> = self.all(&BY_INTERNET_IDS, values![ids]).await?;
        Ok(rows.into_iter().map(|row| (row.message, row.direction)).collect())
    }

    /// Writes messages and makes them searchable.
    pub async fn insert_messages(&mut self, messages: Vec<NewMessage>) -> Result<(), StoreError> {
        let ids: Vec<MessageId> = messages.iter().map(|m| m.id).collect();
        let mut rows: Vec<Value> = Vec::with_capacity(messages.len() * MESSAGES.columns);
        for m in messages {
            rows.extend(values![
                m.id,
                m.conversation_id,
                m.direction,
                m.kind,
                m.channel,
                m.account,
                m.internet_message_id,
                m.fingerprint,
                m.author_name,
                m.author_address,
                m.recipients,
                m.subject,
                m.text,
                m.reply_text,
                m.attachments,
                m.flaws,
                m.has_html,
                m.size,
                m.raw_hash,
                m.at,
                m.stored_at,
                m.backfilled,
            ]);
        }
        self.insert_many(&MESSAGES, rows).await?;
        self.index_messages(ids).await
    }

    /// Makes messages searchable that are not.
    pub(in crate::store) async fn index_messages(&mut self, ids: Vec<MessageId>) -> Result<(), StoreError> {
        self.exec(&SEARCH_INSERT, values![ids]).await?;
        Ok(())
    }

    /// Keeps raw mail by the hash of its content: (hash, octets before compression, compressed).
    pub async fn insert_raws(&mut self, raws: Vec<(Vec<u8>, i64, Vec<u8>)>) -> Result<(), StoreError> {
        let (mut list, mut octets): (Vec<Value>, usize) = (Vec::new(), 0);
        for (hash, size, data) in raws {
            octets += data.len();
            list.extend(values![hash, size, data]);
            // One statement of many large mails would be more than a database takes: PostgreSQL ends at 1 GiB.
            if octets >= STATEMENT_OCTETS {
                self.insert_many(&RAWS, std::mem::take(&mut list)).await?;
                octets = 0;
            }
        }
        self.insert_many(&RAWS, list).await?;
        Ok(())
    }

    /// The raw mail of a message, still compressed.
    pub async fn get_raw(&mut self, message: MessageId) -> Result<Option<Vec<u8>>, StoreError> {
        let row: Option<(Vec<u8>,)> = self.opt(&RAW_GET, values![message]).await?;
        Ok(row.map(|(data,)| data))
    }

    /// The raw mail of a message as people may look at it, still compressed: without pixel and counted links.
    pub async fn get_clean_raw(&mut self, message: MessageId) -> Result<Option<Vec<u8>>, StoreError> {
        let row: Option<(Vec<u8>,)> = self.opt(&RAW_CLEAN, values![message]).await?;
        Ok(row.map(|(data,)| data))
    }

    /// Writes who takes part; a part that is there already stays as it is.
    pub async fn insert_participations(&mut self, parts: Vec<NewParticipation>) -> Result<u64, StoreError> {
        let rows: Vec<Value> = parts
            .into_iter()
            .flat_map(|p| values![p.message_id, p.influencer_id, p.thread_id, p.role, p.agent_id, p.assigned, p.at])
            .collect();
        self.insert_many(&PARTICIPATIONS, rows).await
    }

    /// Who takes part in these messages: (message, influencer, thread).
    pub async fn find_participations(
        &mut self,
        messages: Vec<MessageId>,
    ) -> Result<Vec<(MessageId, InfluencerId, ThreadId)>, StoreError> {
        self.all(&PARTICIPATIONS_OF, values![messages]).await
    }

    /// Who is surely meant by these messages: not those who were shown one for want of knowing better; of the mail of a run,
    /// whose run it is.
    pub async fn find_sure_participations(
        &mut self,
        messages: Vec<MessageId>,
    ) -> Result<Vec<(MessageId, InfluencerId)>, StoreError> {
        self.all(&SURE_OF, values![messages]).await
    }

    /// Who is surely meant by some message of these conversations, as above.
    pub async fn find_sure_in(
        &mut self,
        conversations: Vec<ConversationId>,
    ) -> Result<Vec<(ConversationId, InfluencerId)>, StoreError> {
        self.all(&SURE_IN, values![conversations]).await
    }

    /// To whom these messages went: `{"to": […], "cc": […], "bcc": […], "reply_to": […]}`.
    pub async fn list_envelopes(
        &mut self,
        messages: Vec<MessageId>,
    ) -> Result<Vec<(MessageId, sqlx::types::Json<serde_json::Value>)>, StoreError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        self.all(&ENVELOPES, values![messages]).await
    }

    /// What left an account for these influencers since an instant, newest first: what a report may speak of that names no
    /// message.
    pub async fn list_sent_to(
        &mut self,
        influencers: Vec<InfluencerId>,
        account: &str,
        since: Micros,
    ) -> Result<Vec<SentTo>, StoreError> {
        if influencers.is_empty() {
            return Ok(Vec::new());
        }
        self.all(&SENT_TO, values![influencers, account, since]).await
    }

    /// Of these messages, those that wait for a person, with what is to follow once it is known whose they are.
    pub async fn list_waiting(&mut self, messages: Vec<MessageId>) -> Result<Vec<WaitingRow>, StoreError> {
        self.all(&WAITING, values![messages]).await
    }

    /// The messages that may be about these influencers and wait for a person to say so.
    pub async fn list_awaiting_assignment(&mut self, ids: Vec<InfluencerId>) -> Result<Vec<MayConcern>, StoreError> {
        self.all(&AWAITING_ASSIGNMENT, values![ids]).await
    }

    /// In whose threads a message stands by what it answers alone: nobody knows yet whether it is theirs. Not those who were shown it
    /// for an agent's sake, nor those it was sent to.
    pub async fn list_stands_unassigned(&mut self, message: MessageId) -> Result<Vec<InfluencerId>, StoreError> {
        let rows: Vec<(InfluencerId,)> = self.all(&STANDS_UNASSIGNED, values![message]).await?;
        Ok(rows.into_iter().map(|(influencer,)| influencer).collect())
    }

    /// Says of a message that waits that an agent wrote it, and that it is not known about whom.
    pub async fn wait_for_assignment(&mut self, message: MessageId, agent: AgentId) -> Result<(), StoreError> {
        self.exec(&UNMATCHED_AGENT, values![message, agent]).await?;
        Ok(())
    }

    /// The address that wrote a message, as written (empty where it named none), and whether the message is old mail of a
    /// first sync, from which nothing follows.
    pub async fn message_origin(&mut self, id: MessageId) -> Result<Option<(String, bool)>, StoreError> {
        self.opt(&ORIGIN, values![id]).await
    }

    /// Makes someone who was shown a message its author (after a match).
    pub async fn set_author(&mut self, message: MessageId, influencer: InfluencerId) -> Result<(), StoreError> {
        self.exec(&AUTHOR_SET, values![message, influencer]).await?;
        Ok(())
    }

    /// A message as if its writer were a stranger: for whoever turns out to be meant by it and was not shown it.
    pub async fn get_as_strangers(&mut self, message: MessageId) -> Result<Option<StrangerRow>, StoreError> {
        self.opt(&AS_STRANGERS, values![message]).await
    }

    /// Takes a message off the timelines on which it was shown for the sake of an agent alone.
    pub async fn withdraw_agents(&mut self, message: MessageId) -> Result<(), StoreError> {
        let parts: Vec<(InfluencerId, ThreadId)> = self.all(&AGENTS_WITHDRAW, values![message]).await?;
        self.withdrawn(parts).await
    }

    /// Takes a message off the timelines on which it was shown for want of knowing better. Who got a copy of it got it.
    pub async fn withdraw_unassigned(&mut self, message: MessageId) -> Result<(), StoreError> {
        self.exec(&COPIES_KEPT, values![message]).await?;
        let parts: Vec<(InfluencerId, ThreadId)> = self.all(&UNASSIGNED_WITHDRAW, values![message]).await?;
        self.withdrawn(parts).await
    }

    /// Takes a message off the timelines of these, where it is not known to be theirs.
    pub async fn withdraw_proposed(&mut self, message: MessageId, people: Vec<InfluencerId>) -> Result<(), StoreError> {
        if people.is_empty() {
            return Ok(());
        }
        let parts: Vec<(InfluencerId, ThreadId)> = self.all(&PROPOSED_WITHDRAW, values![message, people]).await?;
        self.withdrawn(parts).await
    }

    async fn withdrawn(&mut self, parts: Vec<(InfluencerId, ThreadId)>) -> Result<(), StoreError> {
        if parts.is_empty() {
            return Ok(());
        }
        let (people, threads) = parts.into_iter().unzip();
        self.recount_kept(people, threads).await
    }

    /// The same of those of these messages that waited for their writer to be known, stood in the threads of several and wait no more.
    pub async fn withdraw_settled(&mut self, messages: Vec<MessageId>) -> Result<(), StoreError> {
        let parts: Vec<(InfluencerId, ThreadId)> = self.all(&SETTLED_WITHDRAW, values![messages]).await?;
        self.withdrawn(parts).await
    }

    /// When something was first said in these threads.
    pub async fn list_thread_starts(&mut self, threads: Vec<ThreadId>) -> Result<Vec<(ThreadId, Micros)>, StoreError> {
        self.all(&THREAD_STARTS, values![threads]).await
    }

    /// Forgets that an address stood in a message as a stranger's.
    pub async fn delete_stranger(&mut self, key: &str, message: MessageId) -> Result<(), StoreError> {
        self.exec(&STRANGER_DELETE, values![key, message]).await?;
        Ok(())
    }

    /// Writes where messages were seen.
    pub async fn insert_deliveries(&mut self, deliveries: Vec<NewDelivery>) -> Result<u64, StoreError> {
        let rows: Vec<Value> = deliveries
            .into_iter()
            .flat_map(|d| values![d.folder_id, d.uid_validity, d.uid, d.message_id, d.left_out, d.seen_at])
            .collect();
        self.insert_many(&DELIVERIES, rows).await
    }

    /// Of these uids, those that were seen before.
    pub async fn find_deliveries(
        &mut self,
        folder: FolderId,
        uid_validity: i64,
        uids: Vec<i64>,
    ) -> Result<Vec<i64>, StoreError> {
        let rows: Vec<(i64,)> = self.all(&DELIVERIES_FIND, values![folder, uid_validity, uids]).await?;
        Ok(rows.into_iter().map(|(uid,)| uid).collect())
    }

    /// Every uid seen in a folder, ascending.
    pub async fn list_delivered_uids(&mut self, folder: FolderId, uid_validity: i64) -> Result<Vec<i64>, StoreError> {
        let rows: Vec<(i64,)> = self.all(&DELIVERIES_ALL, values![folder, uid_validity]).await?;
        Ok(rows.into_iter().map(|(uid,)| uid).collect())
    }

    /// Forgets where messages were seen in a folder under another UIDVALIDITY than this one.
    pub async fn delete_stale_deliveries(&mut self, folder: FolderId, uid_validity: i64) -> Result<(), StoreError> {
        self.exec(&DELIVERIES_STALE, values![folder, uid_validity]).await?;
        Ok(())
    }

    /// Puts messages on the list that waits for a person.
    pub async fn insert_unmatched(&mut self, unmatched: Vec<NewUnmatched>) -> Result<(), StoreError> {
        let rows: Vec<Value> = unmatched
            .into_iter()
            .flat_map(|u| {
                let mut row = values![
                    u.message_id,
                    u.reason,
                    u.address,
                    u.address_key,
                    u.name,
                    u.influencer_id,
                    u.agent_id,
                    u.at
                ];
                row.push(Value::from(u.facts));
                row
            })
            .collect();
        self.insert_many(&UNMATCHED, rows).await?;
        Ok(())
    }

    /// Remembers addresses that belong to nobody yet: (address key, message, role).
    pub async fn insert_strangers(&mut self, strangers: Vec<(String, MessageId, Role)>) -> Result<(), StoreError> {
        let rows: Vec<Value> = strangers.into_iter().flat_map(|(key, id, role)| values![key, id, role]).collect();
        self.insert_many(&STRANGERS, rows).await?;
        Ok(())
    }

    /// Messages in which these addresses stood when they belonged to nobody, oldest first.
    pub async fn find_strangers(&mut self, keys: Vec<String>) -> Result<Vec<StrangerRow>, StoreError> {
        self.all(&STRANGERS_FIND, values![keys]).await
    }

    /// Forgets that these addresses were strangers.
    pub async fn delete_strangers(&mut self, keys: Vec<String>) -> Result<(), StoreError> {
        self.exec(&STRANGERS_DELETE, values![keys]).await?;
        Ok(())
    }

    /// Messages of these conversations that wait because nobody known wrote them.
    pub async fn find_unmatched_in(
        &mut self,
        conversations: Vec<ConversationId>,
    ) -> Result<Vec<UnmatchedInConversation>, StoreError> {
        self.all(&UNMATCHED_IN, values![conversations]).await
    }

    /// Which of these addresses may be somebody's whom we know: a person is asked, and has not said.
    pub async fn find_proposed(&mut self, keys: Vec<String>) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(String,)> = self.all(&PROPOSED, values![keys]).await?;
        Ok(rows.into_iter().map(|(key,)| key).collect())
    }

    /// Turns a message of an unknown sender into a proposal.
    pub async fn propose_alias(&mut self, message: MessageId, influencer: InfluencerId) -> Result<(), StoreError> {
        self.exec(&UNMATCHED_PROPOSE, values![message, influencer]).await?;
        Ok(())
    }

    /// Takes messages off the waiting list.
    pub async fn resolve_unmatched(&mut self, messages: Vec<MessageId>, at: Micros) -> Result<u64, StoreError> {
        self.exec(&UNMATCHED_RESOLVE, values![messages, at]).await
    }

    /// The Message-IDs of the threads these messages show in, each with the message and oldest first: what a reply to it puts
    /// into References. Of a conversation with many people, only what these people have seen.
    pub async fn list_reference_ids(
        &mut self,
        answered: Vec<MessageId>,
    ) -> Result<Vec<(MessageId, String)>, StoreError> {
        let rows: Vec<(MessageId, String, Micros, MessageId)> = self.all(&REFERENCE_IDS, values![answered]).await?;
        Ok(rows.into_iter().map(|(answered, id, _, _)| (answered, id)).collect())
    }

    /// Moves a message to another instant, on every timeline (a queued message that was sent at last).
    pub async fn move_message_to(&mut self, message: MessageId, at: Micros) -> Result<(), StoreError> {
        self.exec(&MESSAGE_AT, values![message, at]).await?;
        self.exec(&PARTICIPATION_AT, values![message, at]).await?;
        Ok(())
    }
}

/// A message in which an address stood when it belonged to nobody.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct StrangerRow {
    /// The address.
    pub address_key: String,
    /// The message.
    pub message_id: MessageId,
    /// As what.
    pub role: Role,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// They or we.
    pub direction: Direction,
    /// Its sort.
    pub kind: Kind,
    /// Our account.
    pub account: String,
    /// How it travels.
    pub channel: Channel,
    /// The subject.
    pub subject: String,
    /// Its place in time.
    pub at: Micros,
}

/// A message of an unknown sender in a conversation.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct UnmatchedInConversation {
    /// The message.
    pub message_id: MessageId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Its sort.
    pub kind: Kind,
    /// Our account.
    pub account: String,
    /// How it travels.
    pub channel: Channel,
    /// The subject.
    pub subject: String,
    /// Its place in time.
    pub at: Micros,
    /// When it was stored.
    pub stored_at: Micros,
    /// What is to follow from it; see [`NewUnmatched::facts`]. Null where nothing is.
    #[sqlx(json)]
    pub facts: serde_json::Value,
}

/// A message that waits for a person.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct WaitingRow {
    /// The message.
    pub message_id: MessageId,
    /// Why it waits.
    pub reason: UnmatchedReason,
    /// The agent who wrote it.
    pub agent_id: Option<AgentId>,
    /// What is to follow from it; see [`NewUnmatched::facts`]. Null where nothing is.
    #[sqlx(json)]
    pub facts: serde_json::Value,
    /// Its sort.
    pub kind: Kind,
}

/// A message that may be about somebody, and waits for a person to say so.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct MayConcern {
    /// Whom it may be about.
    pub influencer_id: InfluencerId,
    /// The message.
    pub message_id: MessageId,
    /// As [`WaitingRow::facts`].
    #[sqlx(json)]
    pub facts: serde_json::Value,
    /// When it was stored.
    pub stored_at: Micros,
}

/// A message of ours, and to whom it went.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct SentTo {
    /// The message.
    pub id: MessageId,
    /// As [`NewMessage::recipients`].
    pub recipients: sqlx::types::Json<serde_json::Value>,
    /// Its place in time.
    pub at: Micros,
}

/// What makes messages searchable, by their ids.
pub(in crate::store) fn search_insert() -> &'static super::sql::Sql {
    &SEARCH_INSERT
}

statements! {
    #[hot] ORIGIN = "SELECT author_address, backfilled FROM message WHERE id = $1";
    #[hot] SURE_OF = "SELECT p.message_id, p.influencer_id FROM participation p LEFT JOIN outbox o ON o.id = p.message_id \
        LEFT JOIN enrollment e ON e.id = o.enrollment_id WHERE p.message_id = ANY($1::uuid[]) \
        AND (e.influencer_id = p.influencer_id OR (e.id IS NULL AND p.assigned))";
    #[hot] SURE_IN = "SELECT DISTINCT t.conversation_id, p.influencer_id FROM thread t JOIN participation p ON p.thread_id = t.id \
        LEFT JOIN outbox o ON o.id = p.message_id LEFT JOIN enrollment e ON e.id = o.enrollment_id \
        WHERE t.conversation_id = ANY($1::uuid[]) AND t.merged_into IS NULL \
        AND (e.influencer_id = p.influencer_id OR (e.id IS NULL AND p.assigned))";
    #[hot] ENVELOPES = "SELECT id, recipients FROM message WHERE id = ANY($1::uuid[])";
    #[hot] SENT_TO = "SELECT m.id, m.recipients, m.at FROM participation p JOIN message m ON m.id = p.message_id \
        LEFT JOIN outbox o ON o.id = m.id WHERE p.influencer_id = ANY($1::uuid[]) AND p.at >= $3 AND m.direction = 'outbound' \
        AND m.account = $2 AND (o.id IS NULL OR o.handed_over_at IS NOT NULL) ORDER BY m.at DESC, m.id DESC LIMIT 200";
    #[hot] WAITING = "SELECT u.message_id, u.reason, u.agent_id, COALESCE(u.facts, 'null'::jsonb) AS facts, m.kind FROM unmatched u JOIN message m ON m.id = u.message_id \
        WHERE u.message_id = ANY($1::uuid[]) AND u.resolved_at IS NULL";
    #[hot] AWAITING_ASSIGNMENT = "SELECT p.influencer_id, p.message_id, COALESCE(u.facts, 'null'::jsonb) AS facts, m.stored_at \
        FROM participation p JOIN unmatched u ON u.message_id = p.message_id JOIN message m ON m.id = p.message_id WHERE p.influencer_id = ANY($1::uuid[]) AND u.resolved_at IS NULL AND NOT m.backfilled \
        AND (NOT p.assigned OR (m.kind = 'human' AND u.facts -> 'answer' ->> 'verdict' = 'opt_out' AND NOT EXISTS \
        (SELECT 1 FROM participation o WHERE o.message_id = p.message_id AND NOT o.assigned))) \
        AND ((m.kind = 'human' AND (u.reason IN ('agent_unassigned', 'unknown_sender') OR u.facts -> 'answer' ->> 'verdict' = 'opt_out')) \
        OR (m.kind = 'automatic' AND (u.facts -> 'answer' ->> 'verdict' IN ('opt_out', 'refusal') \
        OR (p.agent_id IS NULL AND u.facts -> 'answer' ->> 'verdict' = 'unsure'))))";
    #[hot] STANDS_UNASSIGNED = "SELECT influencer_id FROM participation WHERE message_id = $1 AND NOT assigned AND agent_id IS NULL \
        ORDER BY influencer_id";
    #[hot] UNMATCHED_AGENT = "UPDATE unmatched SET reason = 'agent_unassigned', agent_id = $2, influencer_id = NULL WHERE message_id = $1";
    #[hot] FINGERPRINTS = "SELECT id, fingerprint, conversation_id, SUBSTR(text, 1, 400) AS text_head, attachments FROM message \
        WHERE fingerprint = ANY($1::bytea[])";
    #[hot] TOKENS = "SELECT m.id, o.token AS key, m.conversation_id, o.status, m.at FROM outbox o JOIN message m ON m.id = o.id \
        WHERE o.token = ANY($1::text[])";
    #[hot] BY_INTERNET_IDS = "SELECT m.id, m.internet_message_id AS key, m.conversation_id, o.status, m.at, m.direction FROM message m \
        LEFT JOIN outbox o ON o.id = m.id WHERE m.internet_message_id = ANY($1::text[]) AND m.internet_message_id IS NOT NULL";
    // A tsvector holds 1 MB at most, and words with hyphens count twice: more characters than this could make a mail
    // that the database refuses, and that stops its mailbox for ever.
    #[hot] SEARCH_INSERT = "INSERT INTO message_search (n, document) SELECT n, to_tsvector('simple', \
        left(subject || ' ' || author_name || ' ' || author_address || ' ' || text, 100000)) FROM message WHERE id = ANY($1::uuid[])",
        sqlite: "INSERT INTO message_search (rowid, subject, body, names) SELECT n, subject, text, author_name || ' ' || author_address \
        FROM message WHERE id IN (SELECT unhex(value) FROM json_each($1))";
    #[hot] RAW_GET = "SELECT r.data FROM message m JOIN raw r ON r.hash = m.raw_hash WHERE m.id = $1";
    #[hot] RAW_CLEAN = "SELECT r.data FROM message m LEFT JOIN outbox o ON o.id = m.id \
        JOIN raw r ON r.hash = COALESCE(o.clean_hash, m.raw_hash) WHERE m.id = $1";
    #[hot] PARTICIPATIONS_OF = "SELECT message_id, influencer_id, thread_id FROM participation WHERE message_id = ANY($1::uuid[])";
    #[hot] AUTHOR_SET = "UPDATE participation SET role = 'author', assigned = TRUE WHERE message_id = $1 AND influencer_id = $2";
    #[hot] UNASSIGNED_WITHDRAW = "DELETE FROM participation WHERE message_id = $1 AND NOT assigned RETURNING influencer_id, thread_id";
    #[hot] PROPOSED_WITHDRAW = "DELETE FROM participation WHERE influencer_id = ANY($2::uuid[]) AND NOT assigned AND (message_id = $1 \
        OR (influencer_id = (SELECT u.influencer_id FROM unmatched u WHERE u.message_id = $1 AND u.reason = 'alias_proposed') \
          AND message_id IN (SELECT a.id FROM message m JOIN message a ON a.conversation_id = m.conversation_id \
            WHERE m.id = $1 AND a.direction = 'outbound') \
          AND NOT EXISTS (SELECT 1 FROM message m JOIN message b ON b.conversation_id = m.conversation_id \
            JOIN participation q ON q.message_id = b.id WHERE m.id = $1 AND b.id <> $1 AND b.direction = 'inbound' \
            AND q.influencer_id = participation.influencer_id))) RETURNING influencer_id, thread_id";
    #[hot] COPIES_KEPT = "UPDATE participation SET assigned = TRUE WHERE message_id = $1 AND NOT assigned AND role = 'cc' AND agent_id IS NULL";
    #[hot] SETTLED_WITHDRAW = "DELETE FROM participation WHERE message_id = ANY($1::uuid[]) AND NOT assigned AND message_id IN \
        (SELECT u.message_id FROM unmatched u WHERE u.message_id = ANY($1::uuid[]) AND u.reason = 'unknown_sender' AND u.resolved_at IS NOT NULL) \
        RETURNING influencer_id, thread_id";
    #[hot] THREAD_STARTS = "SELECT thread_id, MIN(at) FROM participation WHERE thread_id = ANY($1::uuid[]) GROUP BY thread_id";
    #[hot] AGENTS_WITHDRAW = "DELETE FROM participation WHERE message_id = $1 AND NOT assigned AND agent_id IS NOT NULL \
        RETURNING influencer_id, thread_id";
    #[hot] STRANGER_DELETE = "DELETE FROM stranger WHERE address_key = $1 AND message_id = $2";
    #[hot] AS_STRANGERS = "SELECT author_address AS address_key, id AS message_id, 'author' AS role, conversation_id, direction, kind, account, \
        channel, subject, at FROM message WHERE id = $1";
    #[hot] DELIVERIES_FIND = "SELECT uid FROM delivery WHERE folder_id = $1 AND uid_validity = $2 AND uid = ANY($3::bigint[])";
    #[hot] DELIVERIES_ALL = "SELECT uid FROM delivery WHERE folder_id = $1 AND uid_validity = $2 ORDER BY uid";
    DELIVERIES_STALE = "DELETE FROM delivery WHERE folder_id = $1 AND uid_validity <> $2";
    #[hot] STRANGERS_FIND = "SELECT s.address_key, s.message_id, s.role, m.conversation_id, m.direction, m.kind, m.account, m.channel, \
        m.subject, m.at FROM stranger s JOIN message m ON m.id = s.message_id WHERE s.address_key = ANY($1::text[]) ORDER BY m.at, m.id";
    #[hot] STRANGERS_DELETE = "DELETE FROM stranger WHERE address_key = ANY($1::text[])";
    #[hot] UNMATCHED_IN = "SELECT u.message_id, m.conversation_id, m.kind, m.account, m.channel, m.subject, m.at, m.stored_at, COALESCE(u.facts, 'null'::jsonb) AS facts FROM message m \
        JOIN unmatched u ON u.message_id = m.id WHERE m.conversation_id = ANY($1::uuid[]) \
        AND u.resolved_at IS NULL AND u.reason = 'unknown_sender'";
    #[hot] PROPOSED = "SELECT DISTINCT address_key FROM unmatched WHERE address_key = ANY($1::text[]) AND resolved_at IS NULL \
        AND reason = 'alias_proposed' ORDER BY address_key";
    #[hot] UNMATCHED_PROPOSE = "UPDATE unmatched SET reason = 'alias_proposed', influencer_id = $2 WHERE message_id = $1";
    #[hot] UNMATCHED_RESOLVE = "UPDATE unmatched SET resolved_at = $2 WHERE message_id = ANY($1::uuid[]) AND resolved_at IS NULL";
    #[hot] REFERENCE_IDS = "SELECT DISTINCT a.message_id, m.internet_message_id, m.at, m.id FROM participation a \
        JOIN participation p ON p.thread_id = a.thread_id JOIN message m ON m.id = p.message_id \
        WHERE a.message_id = ANY($1::uuid[]) AND m.internet_message_id IS NOT NULL ORDER BY a.message_id, m.at, m.id";
    #[hot] MESSAGE_AT = "UPDATE message SET at = $2 WHERE id = $1";
    #[hot] PARTICIPATION_AT = "UPDATE participation SET at = $2 WHERE message_id = $1";
}

/// Multi-row texts of this file, for the tests.
pub(super) static MANY: &[&Many] = &[&MESSAGES, &RAWS, &PARTICIPATIONS, &DELIVERIES, &UNMATCHED, &STRANGERS];
