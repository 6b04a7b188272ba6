//! Rows to begin a test with: influencers, threads, messages and what belongs to them.

use crate::stores::Fresh;
use liaison::clock::Clock;
use liaison::domain::ids::{ConversationId, InfluencerId, MessageId, ThreadId};
use liaison::domain::time::Micros;
use liaison::domain::words::{Awaiting, Channel, Direction, Kind, Role};
use liaison::store::Place;
use liaison::store::message::{NewMessage, NewParticipation};
use liaison::store::thread::ThreadRow;
use sqlx::Connection;
use std::sync::atomic::{AtomicI64, Ordering};

static HANDLE: AtomicI64 = AtomicI64::new(1);

/// An instant `n` seconds into the test.
pub fn at(n: i64) -> Micros {
    Micros::from_seconds(1_772_355_600 + n)
}

/// Runs one statement past the store, where the store has no function for what a test needs to be there.
pub async fn run(fresh: &Fresh, sql: &str, ids: &[uuid::Uuid]) {
    match &fresh.place {
        Place::Sqlite { file } => {
            let mut c = sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()));
            for id in ids {
                query = query.bind(*id);
            }
            query.execute(&mut c).await.unwrap();
        }
        Place::Postgres { url, .. } => {
            let mut c = sqlx::PgConnection::connect(url).await.unwrap();
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()));
            for id in ids {
                query = query.bind(*id);
            }
            query.execute(&mut c).await.unwrap();
        }
    }
}

/// The one number of a statement.
pub async fn count(fresh: &Fresh, sql: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    match &fresh.place {
        Place::Sqlite { file } => {
            let mut c = sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
            sqlx::query_scalar(sql).fetch_one(&mut c).await.unwrap()
        }
        Place::Postgres { url, .. } => {
            let mut c = sqlx::PgConnection::connect(url).await.unwrap();
            sqlx::query_scalar(sql).fetch_one(&mut c).await.unwrap()
        }
    }
}

/// An influencer in the stage `prospect`.
pub async fn influencer(fresh: &Fresh, clock: &Clock) -> InfluencerId {
    let id = InfluencerId(clock.new_id());
    let n = HANDLE.fetch_add(1, Ordering::SeqCst);
    let sql = format!(
        "INSERT INTO influencer (id, handle, handle_key, first_name, last_name, stage, stage_at, properties, created_at, updated_at) \
         VALUES ($1, '@ana{n}', 'ana{n}', 'Ana', 'Runs', 'prospect', 0, '{{}}', 0, 0)"
    );
    run(fresh, &sql, &[id.0]).await;
    id
}

/// A thread of an influencer in a conversation of its own.
pub async fn thread(fresh: &Fresh, clock: &Clock, influencer: InfluencerId, last: i64) -> ThreadRow {
    let row = ThreadRow {
        id: ThreadId(clock.new_id()),
        conversation_id: ConversationId(clock.new_id()),
        influencer_id: influencer,
        channel: Channel::Email,
        account: "brand".into(),
        subject: format!("Subject {last}"),
        subject_key: format!("subject {last}"),
        message_count: 0,
        last_message_at: at(last),
        awaiting: Some(Awaiting::Us),
    };
    let mut tx = fresh.store.begin("test.thread").await.unwrap();
    tx.insert_conversations(vec![row.conversation_id], at(last)).await.unwrap();
    tx.upsert_threads(vec![row.clone()], at(last)).await.unwrap();
    tx.commit().await.unwrap();
    row
}

/// A message in a conversation, that shows nowhere yet.
pub fn message(clock: &Clock, conversation: ConversationId, n: i64) -> NewMessage {
    let id = MessageId(clock.new_id());
    NewMessage {
        id,
        conversation_id: conversation,
        direction: Direction::Inbound,
        kind: Kind::Human,
        channel: Channel::Email,
        account: "brand".into(),
        internet_message_id: Some(format!("{}@example.org", id.0.simple())),
        fingerprint: id.0.as_bytes().to_vec(),
        author_name: "Ana Runs".into(),
        author_address: "ana@example.org".into(),
        recipients: serde_json::json!({"to": [{"name": "Brand", "address": "brand@example.test"}], "cc": []}),
        subject: format!("Subject {n}"),
        text: format!("Text number {n} about running shoes"),
        reply_text: None,
        attachments: None,
        flaws: None,
        has_html: false,
        size: 100,
        raw_hash: None,
        at: at(n),
        stored_at: at(n),
        backfilled: false,
    }
}

/// A message of the influencer of a thread, in that thread.
pub async fn message_in(fresh: &Fresh, clock: &Clock, thread: &ThreadRow, n: i64) -> MessageId {
    let message = message(clock, thread.conversation_id, n);
    let id = message.id;
    put(fresh, message, vec![(thread.influencer_id, thread.id, Role::Author)]).await;
    id
}

/// Stores a message with those who take part.
pub async fn put(fresh: &Fresh, message: NewMessage, parts: Vec<(InfluencerId, ThreadId, Role)>) {
    let (id, at) = (message.id, message.at);
    let mut tx = fresh.store.begin("test.message").await.unwrap();
    tx.insert_messages(vec![message]).await.unwrap();
    let parts = parts
        .into_iter()
        .map(|(influencer_id, thread_id, role)| NewParticipation {
            message_id: id,
            influencer_id,
            thread_id,
            role,
            agent_id: None,
            assigned: true,
            at,
        })
        .collect();
    tx.insert_participations(parts).await.unwrap();
    tx.commit().await.unwrap();
}

/// So many messages in the conversation of a thread, each with these parts and shaped by its number.
pub async fn messages(
    fresh: &Fresh,
    clock: &Clock,
    thread: &ThreadRow,
    (count, parts): (i64, Vec<(InfluencerId, ThreadId, Role)>),
    shape: impl Fn(i64, &mut NewMessage),
) -> Vec<MessageId> {
    let mut ids = Vec::new();
    for n in 0..count {
        let mut message = message(clock, thread.conversation_id, n);
        shape(n, &mut message);
        ids.push(message.id);
        put(fresh, message, parts.clone()).await;
    }
    ids
}

/// The outbox row of an outbound message, with one recipient.
pub async fn outbox(fresh: &Fresh, id: MessageId, status: &str) {
    let token = id.0.simple();
    let sql = format!(
        "INSERT INTO outbox (id, account, status, due_at, token, created_at) VALUES ($1, 'brand', '{status}', {}, '{token}', {})",
        at(1).0,
        at(0).0
    );
    run(fresh, &sql, &[id.0]).await;
    run(
        fresh,
        "INSERT INTO outbox_recipient (outbox_id, position, address, address_key, name, state, code) \
         VALUES ($1, 0, 'ana@example.org', 'ana@example.org', 'Ana', 'rejected', 550)",
        &[id.0],
    )
    .await;
}
