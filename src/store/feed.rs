//! Channels that are no mail, as their providers tell them: how far an account was read, under which ids a provider has messages, how
//! ours fare there, and what a message said before it was changed.

use std::time::Duration;

use super::dialect::Many;
use super::sql::statements;
use super::value::{Value, values};
use super::{StoreError, Tx};
use crate::domain::ids::{AgentId, InfluencerId, MessageId, ThreadId};
use crate::domain::time::Micros;
use crate::domain::words::{Channel, Direction, OutboxStatus, Progress, Word as _};

/// A message under the id that a provider has for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProviderMessage {
    /// Our account.
    pub account: String,
    /// The provider's id.
    pub provider_id: String,
    /// The message.
    pub message_id: MessageId,
}

/// The same as it is read.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ProviderMessageRow {
    /// Our account.
    pub account: String,
    /// The provider's id.
    pub provider_id: String,
    /// The message.
    pub message_id: MessageId,
    /// How it fares, as far as the provider told.
    pub progress: Option<Progress>,
    /// The provider's code: why one of ours failed, or what it read itself in one of theirs about wanting more.
    pub code: Option<String>,
}

/// What it takes to ask a provider for a message whose outcome is not known.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct SoughtRow {
    /// The message.
    pub id: MessageId,
    /// From which of our addresses.
    pub sender: String,
    /// To whom.
    pub address: String,
    /// Its words.
    pub text: String,
}

/// The last message that somebody wrote on a channel other than mail: how they are answered.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct LastWritten {
    /// The message.
    pub id: MessageId,
    /// Its thread.
    pub thread_id: ThreadId,
    /// How it came.
    pub channel: Channel,
    /// Our account.
    pub account: String,
    /// From which address of theirs.
    pub address: String,
}

/// Somebody who takes part in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct ShareRow {
    /// Whose timeline it is on.
    pub influencer_id: InfluencerId,
    /// The agent who wrote or got it for them.
    pub agent_id: Option<AgentId>,
    /// Whether they, or the agent for them, wrote it.
    pub is_author: bool,
    /// Whether it is surely theirs.
    pub assigned: bool,
}

/// A message that may be changed by its author.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Revised {
    /// Who said it.
    pub direction: Direction,
    /// What it says now.
    pub text: String,
    /// When it was said.
    pub said_at: Micros,
    /// When it was changed last.
    pub changed_at: Option<Micros>,
    /// How its sending stands, where it went through the outbox.
    pub status: Option<OutboxStatus>,
}

const PROVIDER_MESSAGES: Many = Many {
    head: "INSERT INTO provider_message (account, provider_id, message_id)",
    columns: 3,
    tail: "ON CONFLICT (account, provider_id) DO NOTHING",
};

/// The longest that whoever reads leaves a provider alone, whatever it asked for or our clock said then: it is asked again.
pub const READING_REST_MAX: Duration = Duration::from_hours(24);

/// A rest of whoever reads that is stored, as it is kept to here: for [`READING_REST_MAX`] at most from when it was seen first.
#[derive(Debug, Clone, Default)]
pub struct SeenRest(Option<(Micros, Micros)>);

impl SeenRest {
    /// Until when it is to be kept to; `None` where it is over, or there is none.
    pub fn until(&mut self, stored: Option<Micros>, now: Micros) -> Option<Micros> {
        let same = self.0.filter(|(known, _)| Some(*known) == stored);
        self.0 = same.or_else(|| stored.map(|stored| (stored, stored.min(now.plus(READING_REST_MAX)))));
        self.0.map(|(_, until)| until).filter(|until| *until > now)
    }
}

impl Tx {
    /// From where an account goes on being read; nothing where it was not read yet.
    pub async fn get_feed_cursor(&mut self, account: &str) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = self.opt(&CURSOR, values![account]).await?;
        Ok(row.map(|(cursor,)| cursor))
    }

    /// Notes from where it goes on.
    pub async fn set_feed_cursor(&mut self, account: &str, cursor: &str, at: Micros) -> Result<(), StoreError> {
        self.exec(&CURSOR_SET, values![account, cursor, at]).await?;
        Ok(())
    }

    /// Notes under which ids a provider has messages; what is noted already stays. How many are new.
    pub async fn insert_provider_messages(&mut self, rows: Vec<NewProviderMessage>) -> Result<u64, StoreError> {
        let rows: Vec<Value> =
            rows.into_iter().flat_map(|row| values![row.account, row.provider_id, row.message_id]).collect();
        self.insert_many(&PROVIDER_MESSAGES, rows).await
    }

    /// Notes under which id a provider has a message that went through the outbox. Where it was read before as one that was written
    /// elsewhere, it is known now whose it is.
    pub async fn take_provider_message(
        &mut self,
        account: &str,
        provider_id: &str,
        message: MessageId,
    ) -> Result<(), StoreError> {
        self.exec(&TAKE, values![account, provider_id, message]).await?;
        Ok(())
    }

    /// The messages that a provider has under these ids.
    pub async fn find_provider_messages(
        &mut self,
        account: &str,
        ids: Vec<String>,
    ) -> Result<Vec<ProviderMessageRow>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.all(&BY_ID, values![account, ids]).await
    }

    /// Under which ids providers have these messages.
    pub async fn list_provider_messages(
        &mut self,
        messages: Vec<MessageId>,
    ) -> Result<Vec<ProviderMessageRow>, StoreError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        self.all(&BY_MESSAGE, values![messages]).await
    }

    /// Forgets under which ids providers have a message: a person says that it is to be sent again, whatever they have.
    pub async fn forget_provider_messages(&mut self, id: MessageId) -> Result<(), StoreError> {
        self.exec(&FORGET, values![id]).await?;
        Ok(())
    }

    /// Notes how a message of ours fares at its provider. `false` where it was known to be as far, or farther: what comes late changes
    /// nothing, and nothing follows an arrival or a failure.
    pub async fn set_progress(
        &mut self,
        account: &str,
        provider_id: &str,
        (progress, code): (Progress, Option<&str>),
        at: Micros,
    ) -> Result<bool, StoreError> {
        Ok(self.exec(&PROGRESS, values![account, provider_id, progress, code, at]).await? == 1)
    }

    /// Notes what a provider itself read in a message of theirs. `false` where that was noted before.
    pub async fn set_read_there(&mut self, account: &str, provider_id: &str, code: &str) -> Result<bool, StoreError> {
        Ok(self.exec(&READ_THERE, values![account, provider_id, code]).await? == 1)
    }

    /// Messages as a provider is asked for them.
    pub async fn list_sought(&mut self, messages: Vec<MessageId>) -> Result<Vec<SoughtRow>, StoreError> {
        self.all(&SOUGHT, values![messages]).await
    }

    /// The last message that somebody wrote by themselves on a channel that is no mail and no touch.
    pub async fn last_written_by(
        &mut self,
        id: InfluencerId,
        channel: Channel,
    ) -> Result<Option<LastWritten>, StoreError> {
        self.opt(&LAST_WRITTEN, values![id, channel]).await
    }

    /// The account that somebody knows on a channel that is no mail: through which they wrote last by themselves, or were written to
    /// last. What never left does not count.
    pub async fn known_account(&mut self, id: InfluencerId, channel: Channel) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = self.opt(&KNOWN_ACCOUNT, values![id, channel]).await?;
        Ok(row.map(|(account,)| account))
    }

    /// The last message that somebody wrote by themselves on one of these channels.
    pub async fn last_written(
        &mut self,
        id: InfluencerId,
        channels: Vec<Channel>,
    ) -> Result<Option<LastWritten>, StoreError> {
        let channels: Vec<String> = channels.into_iter().map(|channel| channel.as_str().to_owned()).collect();
        self.opt(&LAST_WRITTEN_AT_ALL, values![id, channels]).await
    }

    /// Messages with these words that are on their way from an account to an address, or may be, and were handed over by an instant:
    /// two of them at most.
    pub async fn find_under_way(
        &mut self,
        account: &str,
        (to, text): (&str, &str),
        until: Micros,
    ) -> Result<Vec<MessageId>, StoreError> {
        let rows: Vec<(MessageId,)> = self.all(&UNDER_WAY, values![account, to, text, until]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Who takes part in a message.
    pub async fn list_parts_of(&mut self, id: MessageId) -> Result<Vec<ShareRow>, StoreError> {
        self.all(&PARTS_OF, values![id]).await
    }

    /// Through which account a message came or went, and how.
    pub async fn message_account(&mut self, id: MessageId) -> Result<Option<(String, Channel)>, StoreError> {
        self.opt(&ACCOUNT_OF, values![id]).await
    }

    /// Of these rows of the outbox, those that have to wait: something of ours is on its way to the same address, or went there after an
    /// instant, or the same words did and nobody knows whether they arrived.
    pub async fn find_busy(
        &mut self,
        rows: Vec<MessageId>,
        account: &str,
        after: Micros,
    ) -> Result<Vec<MessageId>, StoreError> {
        let rows: Vec<(MessageId,)> = self.all(&BUSY, values![rows, account, after]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Keeps others from claiming rows of an account until the end of the transaction.
    pub async fn lock_account(&mut self, name: &str) -> Result<(), StoreError> {
        let _: Option<(String,)> = self.opt(&ACCOUNT_LOCK, values![name]).await?;
        Ok(())
    }

    /// Whether somebody wrote from an address to an account.
    pub async fn has_written_from(&mut self, account: &str, conversation: &str) -> Result<bool, StoreError> {
        Ok(self.opt::<(MessageId,)>(&WRITTEN_IN, values![account, conversation]).await?.is_some())
    }

    /// Writes what is to follow from a message that waits, once it is known whose it is.
    pub async fn set_waiting_facts(&mut self, id: MessageId, facts: serde_json::Value) -> Result<(), StoreError> {
        self.exec(&WAITING_FACTS, values![id, facts]).await?;
        Ok(())
    }

    /// A message as its author may change it.
    pub async fn get_revised(&mut self, id: MessageId) -> Result<Option<Revised>, StoreError> {
        self.opt(&REVISED, values![id]).await
    }

    /// Keeps what a message said until it was changed at that instant, or taken back. `false` where a change of that instant is kept
    /// already.
    pub async fn insert_revision(
        &mut self,
        (id, at): (MessageId, Micros),
        said: &str,
        deleted: bool,
    ) -> Result<bool, StoreError> {
        Ok(self.exec(&REVISION_INSERT, values![id, at, said, deleted]).await? == 1)
    }

    /// What a message said before, the oldest first: until when, what, and whether it was then taken back.
    pub async fn list_revisions(&mut self, id: MessageId) -> Result<Vec<(Micros, String, bool)>, StoreError> {
        self.all(&REVISIONS, values![id]).await
    }

    /// Until when an account's provider wants to be left alone by whoever sends. The later instant stays.
    pub async fn rest_account(&mut self, name: &str, until: Micros) -> Result<(), StoreError> {
        self.exec(&REST, values![name, until]).await?;
        Ok(())
    }

    /// The same by whoever reads, or looks for what was sent.
    pub async fn rest_reading(&mut self, name: &str, until: Micros) -> Result<(), StoreError> {
        self.exec(&READING_REST, values![name, until]).await?;
        Ok(())
    }

    /// Ends what the provider asked for, of whoever sends and of whoever reads; `false` where neither was to rest.
    pub async fn end_rest(&mut self, name: &str, now: Micros) -> Result<bool, StoreError> {
        Ok(self.exec(&REST_END, values![name, now]).await? == 1)
    }
}

statements! {
    #[hot] CURSOR = "SELECT cursor FROM feed WHERE account = $1";
    #[hot] CURSOR_SET = "INSERT INTO feed (account, cursor, read_at) VALUES ($1, $2, $3) \
        ON CONFLICT (account) DO UPDATE SET cursor = excluded.cursor, read_at = excluded.read_at";
    #[hot] BY_ID = "SELECT account, provider_id, message_id, progress, code FROM provider_message \
        WHERE account = $1 AND provider_id = ANY($2::text[])";
    #[hot] BY_MESSAGE = "SELECT account, provider_id, message_id, progress, code FROM provider_message \
        WHERE message_id = ANY($1::uuid[]) ORDER BY message_id, account, provider_id";
    #[hot] FORGET = "DELETE FROM provider_message WHERE message_id = $1";
    #[hot] PROGRESS = "UPDATE provider_message SET progress = $3, code = $4, progress_at = $5 WHERE account = $1 AND provider_id = $2 \
        AND (progress IS NULL OR progress = 'taken' OR (progress = 'sent' AND $3::text <> 'taken')) AND progress IS DISTINCT FROM $3";
    #[hot] READ_THERE = "UPDATE provider_message SET code = $3 WHERE account = $1 AND provider_id = $2 AND progress IS NULL AND code IS NULL";
    #[hot] SOUGHT = "SELECT m.id, m.author_address AS sender, r.address, m.text FROM message m \
        JOIN outbox_recipient r ON r.outbox_id = m.id AND r.position = 0 WHERE m.id = ANY($1::uuid[])";
    #[hot] TAKE = "INSERT INTO provider_message (account, provider_id, message_id) VALUES ($1, $2, $3) \
        ON CONFLICT (account, provider_id) DO UPDATE SET message_id = excluded.message_id \
        WHERE NOT EXISTS (SELECT 1 FROM outbox o WHERE o.id = provider_message.message_id)";
    #[hot] LAST_WRITTEN = "SELECT m.id, p.thread_id, m.channel, m.account, m.author_address AS address FROM participation p \
        JOIN message m ON m.id = p.message_id WHERE p.influencer_id = $1 AND p.role = 'author' AND p.agent_id IS NULL \
        AND m.channel = $2 AND m.kind = 'human' ORDER BY p.at DESC, p.message_id DESC LIMIT 1";
    #[hot] KNOWN_ACCOUNT = "SELECT m.account FROM participation p JOIN message m ON m.id = p.message_id WHERE p.influencer_id = $1 \
        AND m.channel = $2 AND ((m.direction = 'inbound' AND m.kind = 'human' AND p.role = 'author' AND p.agent_id IS NULL) \
          OR (m.direction = 'outbound' AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.id = m.id \
            AND o.status NOT IN ('handed_over', 'uncertain', 'confirmed')))) ORDER BY p.at DESC, p.message_id DESC LIMIT 1";
    #[hot] LAST_WRITTEN_AT_ALL = "SELECT m.id, p.thread_id, m.channel, m.account, m.author_address AS address FROM participation p \
        JOIN message m ON m.id = p.message_id WHERE p.influencer_id = $1 AND p.role = 'author' AND p.agent_id IS NULL \
        AND m.channel = ANY($2::text[]) AND m.kind = 'human' ORDER BY p.at DESC, p.message_id DESC LIMIT 1";
    #[hot] UNDER_WAY = "SELECT o.id FROM outbox_recipient r JOIN outbox o ON o.id = r.outbox_id JOIN message m ON m.id = o.id \
        WHERE r.address_key = $2 AND o.account = $1 AND o.status IN ('handed_over', 'uncertain') AND m.text = $3 AND o.handed_over_at <= $4 LIMIT 2";
    #[hot] PARTS_OF = "SELECT influencer_id, agent_id, role = 'author' AS is_author, assigned FROM participation WHERE message_id = $1 ORDER BY influencer_id";
    #[hot] WAITING_FACTS = "UPDATE unmatched SET facts = CAST($2 AS JSONB) WHERE message_id = $1",
        sqlite: "UPDATE unmatched SET facts = $2 WHERE message_id = $1";
    #[hot] ACCOUNT_OF = "SELECT account, channel FROM message WHERE id = $1";
    #[hot] BUSY = "SELECT r.outbox_id FROM outbox_recipient r JOIN message m ON m.id = r.outbox_id WHERE r.outbox_id = ANY($1::uuid[]) \
        AND EXISTS (SELECT 1 FROM outbox_recipient x JOIN outbox o ON o.id = x.outbox_id JOIN message n ON n.id = o.id \
          WHERE x.address_key = r.address_key AND x.outbox_id <> r.outbox_id AND o.account = $2 \
          AND (o.status IN ('claimed', 'handed_over') OR o.handed_over_at > $3 OR (o.status = 'uncertain' AND n.text = m.text)))";
    #[hot] ACCOUNT_LOCK = "SELECT name FROM account WHERE name = $1 FOR UPDATE";
    #[hot] WRITTEN_IN = "SELECT m.id FROM message_ref r JOIN message m ON m.conversation_id = r.conversation_id \
        WHERE r.ref = $2 AND m.account = $1 AND m.direction = 'inbound' LIMIT 1";
    #[hot] REVISED = "SELECT m.direction, m.text, m.at AS said_at, (SELECT MAX(v.at) FROM revision v WHERE v.message_id = m.id) AS changed_at, o.status \
        FROM message m LEFT JOIN outbox o ON o.id = m.id WHERE m.id = $1";
    #[hot] REVISION_INSERT = "INSERT INTO revision (message_id, at, text, deleted) VALUES ($1, $2, $3, $4) ON CONFLICT (message_id, at) DO NOTHING";
    #[hot] REVISIONS = "SELECT at, text, deleted FROM revision WHERE message_id = $1 ORDER BY at";
    #[hot] REST = "UPDATE account SET rest_until = $2 WHERE name = $1 AND (rest_until IS NULL OR rest_until < $2)";
    #[hot] READING_REST = "UPDATE account SET reading_rest_until = $2 WHERE name = $1 AND (reading_rest_until IS NULL OR reading_rest_until < $2)";
    #[hot] REST_END = "UPDATE account SET rest_until = NULL, reading_rest_until = NULL WHERE name = $1 \
        AND (rest_until > $2 OR reading_rest_until > $2)";
}

/// Multi-row texts of this file, for the tests.
pub(super) static MANY: &[&Many] = &[&PROVIDER_MESSAGES];
