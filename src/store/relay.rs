//! The relay: in which thread the team talks about whom, what is shown to it there and how that stands, and what it says. Instants
//! of tries are the machine's, as those of leases.

use super::dialect::Many;
use super::sql::statements;
use super::value::{Value, values};
use super::{StoreError, Tx};
use crate::domain::ids::{InfluencerId, MessageId, NoteId, RelayPostId, RelayThreadId};
use crate::domain::time::Micros;
use crate::domain::words::{Channel, RelaySort, RelayState, RelayWay, RelayWordState};

/// The name under which it is kept how far events were looked through.
const EVENTS: &str = "events";

/// A thread in which the team talks about somebody.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RelayThreadRow {
    /// Its id.
    pub id: RelayThreadId,
    /// The relay it was begun by, as it was configured then.
    pub relay: String,
    /// Our account that speaks there.
    pub account: String,
    /// The conversation of the workspace, or the address of the teammate.
    pub place: String,
    /// About whom.
    pub influencer_id: InfluencerId,
    /// What words begin with here that are sent on.
    pub marker: String,
    /// The provider's id of what begins it; nothing until it stands there.
    pub root: Option<String>,
    /// When it was begun here.
    pub created_at: Micros,
}

/// Something to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRelayPost {
    /// Its id.
    pub id: RelayPostId,
    /// Where.
    pub thread_id: RelayThreadId,
    /// Our account that shows it.
    pub account: String,
    /// What it is.
    pub sort: RelaySort,
    /// What it is about: one of a thread is shown once.
    pub about: String,
    /// The message it shows, or tells of.
    pub message_id: Option<MessageId>,
    /// The words.
    pub text: String,
    /// Our token in it.
    pub token: String,
    /// When it was put in line; due at once.
    pub at: Micros,
}

/// The same as it is read.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RelayPostRow {
    /// Its id.
    pub id: RelayPostId,
    /// Where.
    pub thread_id: RelayThreadId,
    /// Our account that shows it.
    pub account: String,
    /// What it is.
    pub sort: RelaySort,
    /// The message it shows, or tells of.
    pub message_id: Option<MessageId>,
    /// The words.
    pub text: String,
    /// Our token in it.
    pub token: String,
    /// How it stands.
    pub state: RelayState,
    /// Tries so far.
    pub tries: i64,
    /// When the last one began.
    pub begun_at: Option<Micros>,
    /// The provider's id of it.
    pub provider_id: Option<String>,
    /// Why it is not there.
    pub why: Option<String>,
    /// When it was put in line.
    pub created_at: Micros,
}

/// Something that the team said in such a thread.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RelayWordRow {
    /// Our account that heard it.
    pub account: String,
    /// The provider's id of it.
    pub provider_id: String,
    /// Where it was said.
    pub thread_id: RelayThreadId,
    /// The message of theirs that it answers, where that is sure.
    pub answers: Option<MessageId>,
    /// How.
    pub way: RelayWay,
    /// Who, for people.
    pub author: String,
    /// The words, as they are now.
    pub text: String,
    /// Why it can't be sent on, where it was to be.
    pub refused: Option<String>,
    /// When it was said.
    pub at: Micros,
    /// When it was heard.
    pub heard_at: Micros,
    /// Whether the words were changed since.
    pub changed: bool,
    /// When they were changed last, by the provider's clock.
    pub changed_at: Option<Micros>,
    /// Whether it was taken back.
    pub taken_back: bool,
    /// Whether that was seen to.
    pub state: RelayWordState,
    /// The note it became.
    pub note_id: Option<NoteId>,
    /// The message it became.
    pub message_id: Option<MessageId>,
}

/// The newest thing somebody said to us, on a channel on which they can be answered.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct LastHeard {
    /// The message.
    pub id: MessageId,
    /// How it came.
    pub channel: Channel,
    /// Our account.
    pub account: String,
    /// From which address.
    pub author_address: String,
}

/// How much waits in a relay, and what failed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RelayStandingRow {
    /// The relay.
    pub relay: String,
    /// How its posts stand.
    pub state: RelayState,
    /// How many.
    pub posts: i64,
    /// The oldest of them.
    pub oldest: Micros,
}

const POSTS: Many = Many {
    head: "INSERT INTO relay_post (id, thread_id, account, sort, about, message_id, text, token, state, tries, due_at, created_at)",
    columns: 12,
    tail: "ON CONFLICT (thread_id, about) DO NOTHING",
};

impl Tx {
    /// How far the relay has looked through the events; nothing before its first look.
    pub async fn relay_seen(&mut self) -> Result<Option<i64>, StoreError> {
        let row: Option<(i64,)> = self.opt(&SEEN, values![EVENTS]).await?;
        Ok(row.map(|(seq,)| seq))
    }

    /// Notes how far it has looked.
    pub async fn set_relay_seen(&mut self, seq: i64) -> Result<(), StoreError> {
        self.exec(&SEEN_SET, values![EVENTS, seq]).await?;
        Ok(())
    }

    /// Keeps a new thread.
    pub async fn insert_relay_thread(&mut self, row: &RelayThreadRow) -> Result<(), StoreError> {
        let values = values![
            row.id,
            &row.relay,
            &row.account,
            &row.place,
            row.influencer_id,
            &row.marker,
            row.root.clone(),
            row.created_at
        ];
        self.exec(&THREAD_INSERT, values).await?;
        Ok(())
    }

    /// A thread.
    pub async fn get_relay_thread(&mut self, id: RelayThreadId) -> Result<Option<RelayThreadRow>, StoreError> {
        self.opt(&THREAD, values![id]).await
    }

    /// The thread at a place about somebody, under any of the records that are theirs.
    pub async fn find_relay_thread(
        &mut self,
        theirs: Vec<InfluencerId>,
        (account, place): (&str, &str),
    ) -> Result<Option<RelayThreadRow>, StoreError> {
        self.opt(&THREAD_AT, values![theirs, account, place]).await
    }

    /// The thread about somebody that was begun last, likewise.
    pub async fn newest_relay_thread(
        &mut self,
        theirs: Vec<InfluencerId>,
    ) -> Result<Option<RelayThreadRow>, StoreError> {
        self.opt(&THREAD_NEWEST, values![theirs]).await
    }

    /// The thread that a provider knows by this.
    pub async fn find_relay_thread_by_root(
        &mut self,
        account: &str,
        root: &str,
    ) -> Result<Option<RelayThreadRow>, StoreError> {
        self.opt(&THREAD_BY_ROOT, values![account, root]).await
    }

    /// Notes under which id the provider has what begins a thread.
    pub async fn set_relay_root(&mut self, id: RelayThreadId, root: &str) -> Result<(), StoreError> {
        self.exec(&ROOT_SET, values![id, root]).await?;
        Ok(())
    }

    /// Puts posts in line; what is about the same thing as one before it in its thread is not put there again.
    pub async fn insert_relay_posts(&mut self, new: Vec<NewRelayPost>) -> Result<u64, StoreError> {
        let rows: Vec<Value> = new
            .into_iter()
            .flat_map(|post| {
                values![
                    post.id,
                    post.thread_id,
                    post.account,
                    post.sort,
                    post.about,
                    post.message_id,
                    post.text,
                    post.token,
                    RelayState::Waiting,
                    0_i64,
                    post.at,
                    post.at
                ]
            })
            .collect();
        self.insert_many(&POSTS, rows).await
    }

    /// The post of an account that is next: the first of its thread that does not stand there, where it is due.
    pub async fn next_relay_post(&mut self, account: &str, now: Micros) -> Result<Option<RelayPostRow>, StoreError> {
        self.opt(&POST_NEXT, values![account, now]).await
    }

    /// A post.
    pub async fn get_relay_post(&mut self, id: RelayPostId) -> Result<Option<RelayPostRow>, StoreError> {
        self.opt(&POST, values![id]).await
    }

    /// Marks a try as begun.
    pub async fn begin_relay_post(&mut self, id: RelayPostId, now: Micros) -> Result<(), StoreError> {
        self.exec(&POST_BEGIN, values![id, now]).await?;
        Ok(())
    }

    /// Notes that a post stands there, under the provider's id.
    pub async fn set_relay_posted(&mut self, id: RelayPostId, provider_id: Option<&str>) -> Result<(), StoreError> {
        self.exec(&POST_DONE, values![id, provider_id.map(str::to_owned)]).await?;
        Ok(())
    }

    /// Puts a post off, or gives it up.
    pub async fn put_relay_post_off(
        &mut self,
        id: RelayPostId,
        (state, due_at): (RelayState, Micros),
        why: &str,
    ) -> Result<(), StoreError> {
        self.exec(&POST_OFF, values![id, state, due_at, why]).await?;
        Ok(())
    }

    /// Notes that a post that was handed over did not arrive.
    pub async fn fail_relay_post(&mut self, id: RelayPostId, why: &str) -> Result<(), StoreError> {
        self.exec(&POST_FAILED, values![id, why]).await?;
        Ok(())
    }

    /// The post that carries a token.
    pub async fn find_relay_post(&mut self, token: &str) -> Result<Option<RelayPostRow>, StoreError> {
        self.opt(&POST_BY_TOKEN, values![token]).await
    }

    /// The post of an account that stands under this id of its provider's.
    pub async fn find_relay_post_by_id(&mut self, account: &str, id: &str) -> Result<Option<RelayPostRow>, StoreError> {
        self.opt(&POST_BY_PROVIDER_ID, values![account, id]).await
    }

    /// Keeps what the team said; `false` where it is known.
    pub async fn insert_relay_word(&mut self, row: &RelayWordRow) -> Result<bool, StoreError> {
        let values = values![
            &row.account,
            &row.provider_id,
            row.thread_id,
            row.answers,
            row.way,
            &row.author,
            &row.text,
            row.refused.clone(),
            row.at,
            row.heard_at,
            row.changed,
            row.taken_back,
            row.state
        ];
        Ok(self.exec(&WORD_INSERT, values).await? > 0)
    }

    /// What the team said, under the provider's id.
    pub async fn find_relay_word(
        &mut self,
        account: &str,
        provider_id: &str,
    ) -> Result<Option<RelayWordRow>, StoreError> {
        self.opt(&WORD, values![account, provider_id]).await
    }

    /// What the team said that became this message.
    pub async fn find_relay_word_of(&mut self, message: MessageId) -> Result<Option<RelayWordRow>, StoreError> {
        self.opt(&WORD_OF_MESSAGE, values![message]).await
    }

    /// Writes how words stand now: their text, how they came, whether they were changed or taken back, and whether that was seen to.
    pub async fn update_relay_word(&mut self, row: &RelayWordRow) -> Result<(), StoreError> {
        let values = values![
            &row.account,
            &row.provider_id,
            row.way,
            &row.author,
            &row.text,
            row.changed,
            row.taken_back,
            row.state,
            row.note_id,
            row.message_id,
            row.refused.clone(),
            row.changed_at
        ];
        self.exec(&WORD_UPDATE, values).await?;
        Ok(())
    }

    /// Words that nobody has seen to yet, in the order in which they were heard.
    pub async fn list_waiting_relay_words(&mut self, limit: i64) -> Result<Vec<RelayWordRow>, StoreError> {
        self.all(&WORDS_WAITING, values![limit]).await
    }

    /// Whether there is anything to see to for these accounts: words, events past this number, posts that are due.
    pub async fn has_relay_work(&mut self, seen: i64) -> Result<bool, StoreError> {
        let row: Option<(i64,)> = self.opt(&WORK, values![seen]).await?;
        Ok(row.is_some())
    }

    /// The newest thing somebody, or an agent for them, said to us.
    pub async fn last_heard(&mut self, influencer: InfluencerId) -> Result<Option<LastHeard>, StoreError> {
        self.opt(&LAST_HEARD, values![influencer]).await
    }

    /// How the posts of each relay stand.
    pub async fn list_relay_standings(&mut self) -> Result<Vec<RelayStandingRow>, StoreError> {
        self.all(&STANDINGS, values![]).await
    }

    /// The newest post that was given up, or is being tried again, of a relay: why.
    pub async fn last_relay_trouble(&mut self, relay: &str) -> Result<Option<String>, StoreError> {
        let row: Option<(Option<String>,)> = self.opt(&TROUBLE, values![relay]).await?;
        Ok(row.and_then(|(why,)| why))
    }

    /// Whether the team is somewhere there, in a conversation that its provider knows by this id.
    pub async fn is_relay_place(&mut self, account: &str, place: &str) -> Result<bool, StoreError> {
        let row: Option<(RelayThreadId,)> = self.opt(&PLACE, values![account, place]).await?;
        Ok(row.is_some())
    }

    /// Notes that something was changed, or taken back, that is not known yet.
    pub async fn note_relay_gone(
        &mut self,
        (account, provider_id): (&str, &str),
        taken_back: bool,
        at: Micros,
    ) -> Result<(), StoreError> {
        self.exec(&GONE_NOTE, values![account, provider_id, taken_back, at]).await?;
        Ok(())
    }

    /// Whether that was noted: `true` where it was taken back, `false` where it was changed.
    pub async fn find_relay_gone(&mut self, account: &str, provider_id: &str) -> Result<Option<bool>, StoreError> {
        let row: Option<(bool,)> = self.opt(&GONE, values![account, provider_id]).await?;
        Ok(row.map(|(taken_back,)| taken_back))
    }

    /// The newest thing that these said and that stands in a thread, on a channel on which they can be answered. What others said may
    /// stand there as well, who were taken for the same person then.
    pub async fn last_shown(
        &mut self,
        thread: RelayThreadId,
        theirs: Vec<InfluencerId>,
    ) -> Result<Option<LastHeard>, StoreError> {
        self.opt(&LAST_SHOWN, values![thread, theirs]).await
    }

    /// A message, as it is answered.
    pub async fn get_heard(&mut self, message: MessageId) -> Result<Option<LastHeard>, StoreError> {
        self.opt(&HEARD, values![message]).await
    }

    /// Forgets words that were seen to, and what was gone before it was heard, of before an instant.
    pub async fn prune_relay_words(&mut self, before: Micros) -> Result<u64, StoreError> {
        let words = self.exec(&WORDS_PRUNE, values![before]).await?;
        Ok(words.saturating_add(self.exec(&GONE_PRUNE, values![before]).await?))
    }

    /// Gives up what waits since before an instant: nobody could show it, or nobody is told to any more. How many.
    pub async fn expire_relay_posts(&mut self, before: Micros, why: &str) -> Result<u64, StoreError> {
        self.exec(&POSTS_EXPIRE, values![before, why]).await
    }

    /// Forgets posts of before an instant, however they stand, a batch; how many.
    pub async fn prune_relay_posts(&mut self, before: Micros, at_most: i64) -> Result<u64, StoreError> {
        self.exec(&POSTS_PRUNE, values![before, at_most]).await
    }
}

macro_rules! thread_columns {
    () => {
        "SELECT id, relay, account, place, influencer_id, marker, root, created_at FROM relay_thread "
    };
}

macro_rules! post_columns {
    () => {
        "SELECT p.id, p.thread_id, p.account, p.sort, p.message_id, p.text, p.token, p.state, p.tries, p.begun_at, p.provider_id, \
         p.why, p.created_at FROM relay_post p "
    };
}

macro_rules! word_columns {
    () => {
        "SELECT account, provider_id, thread_id, answers, way, author, text, refused, at, heard_at, changed, changed_at, taken_back, state, \
         note_id, message_id FROM relay_word "
    };
}

statements! {
    SEEN = "SELECT seen_seq FROM relay WHERE name = $1";
    SEEN_SET = "INSERT INTO relay (name, seen_seq) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET seen_seq = excluded.seen_seq";
    THREAD_INSERT = "INSERT INTO relay_thread (id, relay, account, place, influencer_id, marker, root, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    #[hot] THREAD = concat!(thread_columns!(), "WHERE id = $1");
    #[hot] THREAD_AT = concat!(thread_columns!(), "WHERE influencer_id = ANY($1::uuid[]) AND account = $2 AND place = $3 ORDER BY id DESC LIMIT 1");
    #[hot] THREAD_NEWEST = concat!(thread_columns!(), "WHERE influencer_id = ANY($1::uuid[]) ORDER BY id DESC LIMIT 1");
    #[hot] THREAD_BY_ROOT = concat!(thread_columns!(), "WHERE account = $1 AND root = $2 LIMIT 1");
    #[hot] ROOT_SET = "UPDATE relay_thread SET root = $2 WHERE id = $1";
    #[hot] POST_NEXT = concat!(post_columns!(), "WHERE p.account = $1 AND p.state IN ('waiting', 'begun') AND p.due_at <= $2 \
        AND NOT EXISTS (SELECT 1 FROM relay_post q WHERE q.thread_id = p.thread_id AND q.state IN ('waiting', 'begun') AND q.id < p.id) \
        ORDER BY p.id LIMIT 1");
    #[hot] POST = concat!(post_columns!(), "WHERE p.id = $1");
    #[hot] POST_BEGIN = "UPDATE relay_post SET state = 'begun', tries = tries + 1, begun_at = COALESCE(begun_at, $2) WHERE id = $1";
    #[hot] POST_DONE = "UPDATE relay_post SET state = 'posted', provider_id = COALESCE($2, provider_id), why = NULL WHERE id = $1";
    #[hot] POST_OFF = "UPDATE relay_post SET state = $2, due_at = $3, why = $4, \
        begun_at = CASE WHEN $2 = 'begun' THEN begun_at END WHERE id = $1 AND state <> 'posted'";
    #[hot] POST_FAILED = "UPDATE relay_post SET state = 'failed', why = $2 WHERE id = $1";
    #[hot] POST_BY_TOKEN = concat!(post_columns!(), "WHERE p.token = $1");
    #[hot] POST_BY_PROVIDER_ID = concat!(post_columns!(), "WHERE p.account = $1 AND p.provider_id = $2 LIMIT 1");
    #[hot] WORD_INSERT = "INSERT INTO relay_word (account, provider_id, thread_id, answers, way, author, text, refused, at, heard_at, changed, \
        taken_back, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (account, provider_id) DO NOTHING";
    #[hot] WORD = concat!(word_columns!(), "WHERE account = $1 AND provider_id = $2");
    #[hot] WORD_OF_MESSAGE = concat!(word_columns!(), "WHERE message_id = $1 LIMIT 1");
    #[hot] WORD_UPDATE = "UPDATE relay_word SET way = $3, author = $4, text = $5, changed = $6, taken_back = $7, state = $8, note_id = $9, \
        message_id = $10, refused = $11, changed_at = $12 WHERE account = $1 AND provider_id = $2";
    #[hot] WORDS_WAITING = concat!(word_columns!(), "WHERE state = 'waiting' ORDER BY heard_at, at LIMIT $1");
    #[hot] WORK = "SELECT 1::bigint FROM (SELECT 1 FROM relay_word WHERE state = 'waiting' LIMIT 1) w \
        UNION ALL SELECT 1::bigint FROM sequencer WHERE name = 'event' AND last_seq > $1 LIMIT 1";
    #[hot] LAST_HEARD = "SELECT m.id, m.channel, m.account, m.author_address FROM participation p JOIN message m ON m.id = p.message_id \
        WHERE p.influencer_id = $1 AND p.role = 'author' AND m.direction = 'inbound' AND m.kind = 'human' AND m.channel <> 'manual' \
        ORDER BY p.at DESC, p.message_id DESC LIMIT 1";
    STANDINGS = "SELECT t.relay, p.state, COUNT(*) AS posts, MIN(p.created_at) AS oldest FROM relay_post p \
        JOIN relay_thread t ON t.id = p.thread_id WHERE p.state <> 'posted' GROUP BY t.relay, p.state ORDER BY t.relay, p.state";
    TROUBLE = "SELECT p.why FROM relay_post p JOIN relay_thread t ON t.id = p.thread_id WHERE t.relay = $1 AND p.state <> 'posted' \
        AND p.why IS NOT NULL ORDER BY p.id DESC LIMIT 1";
    #[hot] POSTS_EXPIRE = "UPDATE relay_post SET state = 'failed', why = COALESCE(why, $2) \
        WHERE created_at < $1 AND state IN ('waiting', 'begun')";
    #[hot] POSTS_PRUNE = "DELETE FROM relay_post WHERE id IN (SELECT id FROM relay_post WHERE created_at < $1 LIMIT $2)";
    #[hot] WORDS_PRUNE = "DELETE FROM relay_word WHERE state = 'done' AND heard_at < $1";
    #[hot] GONE_PRUNE = "DELETE FROM relay_gone WHERE at < $1";
    #[hot] GONE_NOTE = "INSERT INTO relay_gone (account, provider_id, taken_back, at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (account, provider_id) DO UPDATE SET taken_back = excluded.taken_back OR relay_gone.taken_back",
        sqlite: "INSERT INTO relay_gone (account, provider_id, taken_back, at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (account, provider_id) DO UPDATE SET taken_back = max(excluded.taken_back, taken_back)";
    #[hot] GONE = "SELECT taken_back FROM relay_gone WHERE account = $1 AND provider_id = $2";
    #[hot] PLACE = "SELECT id FROM relay_thread WHERE account = $1 AND place = $2 LIMIT 1";
    #[hot] LAST_SHOWN = "SELECT m.id, m.channel, m.account, m.author_address FROM relay_post p JOIN message m ON m.id = p.message_id \
        WHERE p.thread_id = $1 AND p.sort = 'shown' AND p.state = 'posted' AND m.kind = 'human' AND m.channel <> 'manual' \
        AND EXISTS (SELECT 1 FROM participation t WHERE t.message_id = m.id AND t.influencer_id = ANY($2::uuid[]) \
          AND t.role = 'author') \
        ORDER BY p.id DESC LIMIT 1";
    #[hot] HEARD = "SELECT id, channel, account, author_address FROM message WHERE id = $1";
}

/// Multi-row texts of this file, for the tests.
pub(super) static MANY: &[&Many] = &[&POSTS];
