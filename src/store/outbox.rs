//! The outbox: what is to be sent, who has it in hand, and what became of it.
//!
//! A row is claimed under a lease, handed over, and then recorded; each of these is one guarded statement, so that of two
//! who try, one finds that the row is not theirs. This file writes rows and changes states; claiming is in `claim`, what
//! became of an attempt is in `outcome`. Nothing here decides what to do next.

use super::dialect::Many;
use super::people::{StageOf, stage_of};
use super::sql::statements;
use super::value::values;
use super::{StoreError, Tx};
use crate::domain::chat;
use crate::domain::ids::{AgentId, ConversationId, EnrollmentId, InfluencerId, MessageId, RunId, ThreadId};
use crate::domain::people::Suppression;
use crate::domain::time::Micros;
use crate::domain::words::{Channel, Direction, OutboxStatus, RecipientState, Word as _};

pub mod claim;
pub mod outcome;

/// A row to be written: its message must be there already.
#[derive(Debug, Clone, PartialEq)]
pub struct NewOutbox {
    /// The message.
    pub id: MessageId,
    /// Our account.
    pub account: String,
    /// Not before this instant.
    pub due_at: Micros,
    /// Our own token, as it stands in the mail.
    pub token: String,
    /// Whether a copy is to be filed in Sent when it is sent.
    pub file_copy: bool,
    /// Queued, or in review.
    pub status: OutboxStatus,
    /// The run and the step of a sequence it belongs to.
    pub step: Option<(EnrollmentId, String)>,
    /// The raw mail without pixel and counted links, where that is another than what is sent.
    pub clean_hash: Option<Vec<u8>>,
    /// Now.
    pub created_at: Micros,
    /// To whom, in envelope order.
    pub recipients: Vec<NewRecipient>,
}

/// A recipient to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecipient {
    /// The address as written.
    pub address: String,
    /// The same, for lookups.
    pub address_key: String,
    /// The name, or nothing.
    pub name: String,
}

/// A row as it is read.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct OutboxRow {
    /// The message.
    pub id: MessageId,
    /// Our account.
    pub account: String,
    /// Its state.
    pub status: OutboxStatus,
    /// Not before this instant.
    pub due_at: Micros,
    /// How often it was claimed.
    pub attempts: i64,
    /// How often a server refused it for now.
    pub failures: i64,
    /// Our own token.
    pub token: String,
    /// When it was first tried.
    pub first_try_at: Option<Micros>,
    /// When it was last handed over.
    pub handed_over_at: Option<Micros>,
    /// When it came to an end.
    pub finished_at: Option<Micros>,
    /// When an uncertain one is looked for next.
    pub look_at: Option<Micros>,
    /// The last words on it.
    pub detail: Option<String>,
    /// Why it does not leave, where it is held.
    pub held_reason: Option<String>,
    /// When a copy was filed.
    pub filed_at: Option<Micros>,
    /// Whether a copy is still to be filed.
    pub file_copy: bool,
    /// When it was written.
    pub created_at: Micros,
}

/// A recipient as it is read.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct RecipientRow {
    /// The message.
    pub outbox_id: MessageId,
    /// Its place in the envelope, from 0.
    pub position: i64,
    /// The address as written.
    pub address: String,
    /// The same, for lookups.
    pub address_key: String,
    /// The name, or nothing.
    pub name: String,
    /// How it stands.
    pub state: RecipientState,
    /// The last SMTP code.
    pub code: Option<i64>,
    /// The last words on it.
    pub detail: Option<String>,
}

/// Whose address it is.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct AddressOwner {
    /// The address.
    pub value_key: String,
    /// Whose timeline shows what is written to it; an agent's address has one row per influencer they stand for, or one
    /// row with none.
    pub influencer_id: Option<InfluencerId>,
    /// The agent whose address it is.
    pub agent_id: Option<AgentId>,
    /// Since when nothing arrives there.
    pub dead_at: Option<Micros>,
    /// Why.
    pub dead_reason: Option<String>,
}

/// What a reply needs of the message it answers.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Answered {
    /// The message.
    pub id: MessageId,
    /// Its conversation.
    pub conversation_id: ConversationId,
    /// Its Message-ID.
    pub internet_message_id: Option<String>,
    /// Its subject.
    pub subject: String,
    /// They or we.
    pub direction: Direction,
    /// How it travelled.
    pub channel: Channel,
    /// The author's name.
    pub author_name: String,
    /// The author's address.
    pub author_address: String,
    /// `{"to": […], "cc": […], "bcc": […], "reply_to": […]}`.
    pub recipients: sqlx::types::Json<serde_json::Value>,
}

/// How many messages an account has handed over.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct HandedOver {
    /// The account.
    pub account: String,
    /// How many; a release begins far above.
    pub count: i64,
}

/// Who holds which attempt of a row. Every write of an attempt carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grip {
    /// The row.
    pub id: MessageId,
    /// The holder of the lease.
    pub holder: RunId,
    /// Which attempt, from 1.
    pub attempt: i64,
}

const ROWS: Many = Many {
    head: "INSERT INTO outbox (id, account, due_at, token, file_copy, created_at, status, enrollment_id, step, clean_hash)",
    columns: 10,
    tail: "",
};
const RECIPIENTS: Many = Many {
    head: "INSERT INTO outbox_recipient (outbox_id, position, address, address_key, name, state)",
    columns: 6,
    tail: "",
};

impl Tx {
    /// Writes rows and their recipients.
    pub async fn insert_outbox(&mut self, new: Vec<NewOutbox>) -> Result<(), StoreError> {
        let (mut rows, mut recipients) = (Vec::with_capacity(new.len() * ROWS.columns), Vec::new());
        for row in new {
            let (enrollment_id, step) = row.step.unzip();
            for (n, r) in (0_i64..).zip(row.recipients) {
                recipients.extend(values![row.id, n, r.address, r.address_key, r.name, RecipientState::Pending]);
            }
            rows.extend(values![
                row.id,
                row.account,
                row.due_at,
                row.token,
                row.file_copy,
                row.created_at,
                row.status,
                enrollment_id,
                step,
                row.clean_hash
            ]);
        }
        self.insert_many(&ROWS, rows).await?;
        self.insert_many(&RECIPIENTS, recipients).await?;
        Ok(())
    }

    /// Whether anything was ever put into the outbox.
    pub async fn has_outbox(&mut self) -> Result<bool, StoreError> {
        let row: Option<(MessageId,)> = self.opt(&OUTBOX_ANY, values![]).await?;
        Ok(row.is_some())
    }

    /// One row.
    pub async fn get_outbox(&mut self, id: MessageId) -> Result<Option<OutboxRow>, StoreError> {
        self.opt(&OUTBOX_GET, values![id]).await
    }

    /// Rows, newest first, older than `before` where that is given; of one status, or of all.
    pub async fn list_outbox(
        &mut self,
        status: Option<OutboxStatus>,
        before: Option<MessageId>,
        limit: i64,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let before = before.unwrap_or(MessageId(uuid::Uuid::max()));
        match status {
            Some(status) => self.all(&OUTBOX_LIST_STATUS, values![status, before, limit]).await,
            None => self.all(&OUTBOX_LIST, values![before, limit]).await,
        }
    }

    /// How many rows of one account stand in each of these states. Costs as much as there are rows in them: ask for the
    /// open ones.
    pub async fn count_outbox(
        &mut self,
        account: &str,
        statuses: &[OutboxStatus],
    ) -> Result<Vec<(OutboxStatus, i64)>, StoreError> {
        let statuses: Vec<String> = statuses.iter().map(ToString::to_string).collect();
        self.all(&OUTBOX_COUNT, values![statuses, account]).await
    }

    /// The recipients of these rows, in order.
    pub async fn list_recipients(&mut self, ids: Vec<MessageId>) -> Result<Vec<RecipientRow>, StoreError> {
        self.all(&RECIPIENTS_OF, values![ids]).await
    }

    /// Sets how one recipient stands.
    pub async fn set_recipient(
        &mut self,
        id: MessageId,
        position: i64,
        state: RecipientState,
        said: (Option<i64>, Option<String>),
    ) -> Result<(), StoreError> {
        self.exec(&RECIPIENT_SET, values![id, position, state, said.0, said.1]).await?;
        Ok(())
    }

    /// Moves every recipient of a row that stands in one state to another; how many there were.
    pub async fn move_recipients(
        &mut self,
        id: MessageId,
        from: RecipientState,
        to: RecipientState,
        code: Option<i64>,
    ) -> Result<u64, StoreError> {
        self.exec(&RECIPIENTS_MOVE, values![id, from, to, code]).await
    }

    /// Whose these addresses are.
    pub async fn outbox_recipient_owners(&mut self, keys: Vec<String>) -> Result<Vec<AddressOwner>, StoreError> {
        self.all(&OWNERS, values![keys]).await
    }

    /// Which of these addresses must not be written to, and why.
    pub async fn outbox_suppressed(&mut self, keys: Vec<String>) -> Result<Vec<(String, String)>, StoreError> {
        let mut found: Vec<(String, String)> = self.all(&SUPPRESSED, values![keys.clone()]).await?;
        for channel in [Channel::Email, Channel::Sms, Channel::Slack] {
            let own: Vec<String> = keys.iter().filter(|key| is_of(channel, key)).cloned().collect();
            let kept = self.suppressed_when_erased(channel, &own).await?;
            let holds = |s: &Suppression| s.scope == "all" || s.scope == channel.as_str();
            found.extend(kept.into_iter().filter(holds).map(|s| (s.value_key, s.reason.to_string())));
        }
        Ok(found)
    }

    /// The influencers who take part in a message, with the stage each is in.
    pub async fn outbox_parties(&mut self, id: MessageId) -> Result<Vec<StageOf>, StoreError> {
        self.all(&PARTIES, values![id]).await
    }

    /// Messages as those that are answered.
    pub async fn find_answered(&mut self, ids: Vec<MessageId>) -> Result<Vec<Answered>, StoreError> {
        self.all(&ANSWERED, values![ids]).await
    }

    /// The message of a thread that a reply answers: the newest that a person of theirs wrote, or else our newest, or else
    /// the newest. Never one of somebody else in the same conversation, and no automatic one while there is another.
    pub async fn newest_answered(&mut self, thread: ThreadId) -> Result<Option<Answered>, StoreError> {
        self.opt(&ANSWERED_NEWEST, values![thread]).await
    }

    /// Notes on these influencers, each named once, that we wrote, and when: the turn is theirs.
    pub async fn touch_written_to(&mut self, written: Vec<(InfluencerId, Micros)>) -> Result<(), StoreError> {
        let rows: serde_json::Value = written
            .into_iter()
            .map(|(id, at)| serde_json::json!({"id": id.0.simple().to_string(), "at": at.0}))
            .collect();
        self.exec(&TOUCH, values![rows]).await?;
        Ok(())
    }

    /// Notes on the threads and influencers of a message that it left at this instant.
    pub async fn touch_sent(&mut self, id: MessageId, at: Micros) -> Result<(), StoreError> {
        self.exec(&TOUCH_THREADS, values![id, at]).await?;
        self.exec(&TOUCH_PARTIES, values![id, at]).await?;
        Ok(())
    }

    /// Takes back what [`Tx::touch_written_to`] and the threads say of a message that did not leave: the turn and the time
    /// are again those of the newest message that counts.
    pub async fn untouch(&mut self, id: MessageId) -> Result<(), StoreError> {
        self.exec(&UNTOUCH_THREADS, values![id]).await?;
        self.exec(&UNTOUCH_PARTIES, values![id]).await?;
        Ok(())
    }

    /// Notes that nothing arrives at an address, where that was not known.
    pub async fn set_address_dead(&mut self, key: &str, at: Micros, reason: &str) -> Result<(), StoreError> {
        self.exec(&ADDRESS_DEAD, values![key, at, reason]).await?;
        Ok(())
    }
}

/// Whether an address is of a channel, by its form.
fn is_of(channel: Channel, key: &str) -> bool {
    chat::channel_of(key).is_some_and(|(of, _)| of == channel)
}

statements! {
    OUTBOX_ANY = "SELECT id FROM outbox LIMIT 1";
    #[hot] OUTBOX_GET = "SELECT id, account, status, due_at, attempts, failures, token, first_try_at, handed_over_at, finished_at, \
        look_at, detail, held_reason, filed_at, file_copy, created_at FROM outbox WHERE id = $1";
    #[hot] OUTBOX_LIST_STATUS = "SELECT id, account, status, due_at, attempts, failures, token, first_try_at, handed_over_at, finished_at, \
        look_at, detail, held_reason, filed_at, file_copy, created_at FROM outbox WHERE status = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
    #[hot] OUTBOX_LIST = "SELECT id, account, status, due_at, attempts, failures, token, first_try_at, handed_over_at, finished_at, \
        look_at, detail, held_reason, filed_at, file_copy, created_at FROM outbox WHERE id < $1 ORDER BY id DESC LIMIT $2";
    #[hot] OUTBOX_COUNT = "SELECT status, COUNT(*) FROM outbox WHERE status = ANY($1::text[]) AND account = $2 GROUP BY status ORDER BY status";
    #[hot] RECIPIENTS_OF = "SELECT outbox_id, position, address, address_key, name, state, code, detail FROM outbox_recipient \
        WHERE outbox_id = ANY($1::uuid[]) ORDER BY outbox_id, position";
    #[hot] RECIPIENT_SET = "UPDATE outbox_recipient SET state = $3, code = $4, detail = $5 WHERE outbox_id = $1 AND position = $2";
    #[hot] RECIPIENTS_MOVE = "UPDATE outbox_recipient SET state = $3, code = $4 WHERE outbox_id = $1 AND state = $2";
    #[hot] OWNERS = "SELECT a.value_key, COALESCE(a.influencer_id, g.influencer_id) AS influencer_id, a.agent_id, a.dead_at, a.dead_reason \
        FROM address a LEFT JOIN agent_influencer g ON g.agent_id = a.agent_id WHERE a.value_key = ANY($1::text[])";
    #[hot] SUPPRESSED = "SELECT value_key, MIN(reason) FROM suppression WHERE value_key = ANY($1::text[]) \
        AND scope IN ('all', channel) GROUP BY value_key";
    #[hot] PARTIES = concat!("SELECT ", stage_of!(), " FROM participation p JOIN influencer i ON i.id = p.influencer_id \
        WHERE p.message_id = $1 ORDER BY p.influencer_id");
    #[hot] ANSWERED = "SELECT id, conversation_id, internet_message_id, subject, direction, channel, author_name, \
        author_address, recipients FROM message WHERE id = ANY($1::uuid[])";
    #[hot] ANSWERED_NEWEST = "SELECT m.id, m.conversation_id, m.internet_message_id, m.subject, m.direction, m.channel, m.author_name, \
        m.author_address, m.recipients FROM participation p JOIN message m ON m.id = p.message_id WHERE p.thread_id = $1 \
        ORDER BY CASE WHEN m.direction = 'inbound' AND m.kind = 'human' AND (m.internet_message_id IS NOT NULL OR m.channel IN ('sms', 'slack')) THEN 0 \
          WHEN m.direction = 'outbound' THEN 1 ELSE 2 END, p.at DESC, m.id DESC LIMIT 1";
    #[hot] TOUCH = "UPDATE influencer SET awaiting = 'them', last_message_at = CASE WHEN last_message_at > n.at THEN last_message_at ELSE n.at END \
        FROM jsonb_to_recordset($1::jsonb) AS n(id uuid, at bigint) WHERE influencer.id = n.id",
        sqlite: "UPDATE influencer SET awaiting = 'them', last_message_at = CASE WHEN last_message_at > n.at THEN last_message_at ELSE n.at END \
        FROM (SELECT unhex(value ->> 'id') AS id, value ->> 'at' AS at FROM json_each($1)) n WHERE influencer.id = n.id";
    #[hot] TOUCH_THREADS = "UPDATE thread SET last_message_at = $2 WHERE last_message_at < $2 \
        AND id IN (SELECT thread_id FROM participation WHERE message_id = $1)";
    #[hot] TOUCH_PARTIES = "UPDATE influencer SET last_message_at = $2 WHERE last_message_at < $2 \
        AND id IN (SELECT influencer_id FROM participation WHERE message_id = $1)";
    #[hot] UNTOUCH_THREADS = "UPDATE thread SET awaiting = (SELECT CASE WHEN m.direction = 'inbound' THEN 'us' ELSE 'them' END FROM participation p JOIN message m ON m.id = p.message_id \
          LEFT JOIN outbox o ON o.id = m.id WHERE p.thread_id = thread.id AND m.kind = 'human' \
          AND (o.status IS NULL OR o.status NOT IN ('cancelled', 'rejected')) ORDER BY p.at DESC, p.message_id DESC LIMIT 1), \
        last_message_at = COALESCE((SELECT p.at FROM participation p JOIN message m ON m.id = p.message_id \
          LEFT JOIN outbox o ON o.id = m.id WHERE p.thread_id = thread.id AND m.kind = 'human' \
          AND (o.status IS NULL OR o.status NOT IN ('cancelled', 'rejected')) ORDER BY p.at DESC, p.message_id DESC LIMIT 1), last_message_at) \
        WHERE id IN (SELECT thread_id FROM participation WHERE message_id = $1)";
    #[hot] UNTOUCH_PARTIES = "UPDATE influencer SET awaiting = (SELECT CASE WHEN m.direction = 'inbound' THEN 'us' ELSE 'them' END FROM participation p JOIN message m ON m.id = p.message_id \
          LEFT JOIN outbox o ON o.id = m.id WHERE p.influencer_id = influencer.id AND m.kind = 'human' \
          AND (o.status IS NULL OR o.status NOT IN ('cancelled', 'rejected')) ORDER BY p.at DESC, p.message_id DESC LIMIT 1), \
        last_message_at = COALESCE((SELECT p.at FROM participation p JOIN message m ON m.id = p.message_id \
          LEFT JOIN outbox o ON o.id = m.id WHERE p.influencer_id = influencer.id AND m.kind = 'human' \
          AND (o.status IS NULL OR o.status NOT IN ('cancelled', 'rejected')) ORDER BY p.at DESC, p.message_id DESC LIMIT 1), last_message_at) \
        WHERE id IN (SELECT influencer_id FROM participation WHERE message_id = $1)";
    #[hot] ADDRESS_DEAD = "UPDATE address SET dead_at = $2, dead_reason = $3 WHERE value_key = $1 AND dead_at IS NULL";
}

/// Multi-row texts of this file, for the tests.
pub(super) static MANY: &[&Many] = &[&ROWS, &RECIPIENTS];
