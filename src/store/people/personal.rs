//! Which tables there are, what becomes of each when somebody is erased, and all rows that are about one person, for an export.
//!
//! A test walks the schema: a table that is not named here fails it, and so does one whose columns name people and that is
//! called impersonal.

use serde_json::{Map, Value};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::types::Json;
use sqlx::{Column as _, FromRow, Row as _, TypeInfo as _, ValueRef as _};
use uuid::Uuid;

use crate::domain::ids::{InfluencerId, MessageId};
use crate::domain::time::Micros;
use crate::store::reading::Place;
use crate::store::sql::{Sql, statements};
use crate::store::value::{hex, values};
use crate::store::{StoreError, Tx};

/// What becomes of a table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// What is about them goes, and is in their export.
    Erased,
    /// What is about them goes; it says nothing that the export does not say elsewhere.
    Derived,
    /// It stays, for this reason.
    Kept(&'static str),
    /// It is about nobody but ourselves.
    Impersonal,
}

/// Every table.
pub const TABLES: &[(&str, Care)] = &[
    ("influencer", Care::Erased),
    ("influencer_word", Care::Derived),
    ("influencer_tag", Care::Erased),
    ("influencer_network", Care::Erased),
    ("former_handle", Care::Erased),
    ("influencer_audience", Care::Erased),
    ("agent_influencer", Care::Erased),
    ("address", Care::Erased),
    ("consent", Care::Erased),
    ("suppression", Care::Erased),
    ("hold", Care::Erased),
    ("note", Care::Erased),
    ("merge_record", Care::Erased),
    ("event", Care::Erased),
    ("conversation", Care::Derived),
    ("message_ref", Care::Derived),
    ("thread", Care::Erased),
    ("participation", Care::Erased),
    ("message", Care::Erased),
    ("message_search", Care::Derived),
    // The mails themselves are files of the export.
    ("raw", Care::Derived),
    ("delivery", Care::Erased),
    ("provider_message", Care::Erased),
    ("revision", Care::Erased),
    ("relay_thread", Care::Erased),
    ("relay_post", Care::Erased),
    ("relay_word", Care::Erased),
    ("message_file", Care::Erased),
    // What is in the files is given as files of the export.
    ("file_piece", Care::Derived),
    ("stranger", Care::Erased),
    ("unmatched", Care::Erased),
    ("outbox", Care::Erased),
    ("outbox_recipient", Care::Erased),
    ("reservation", Care::Erased),
    ("enrollment", Care::Erased),
    ("enrollment_step", Care::Erased),
    ("task", Care::Erased),
    ("tracked_link", Care::Erased),
    ("hit", Care::Erased),
    ("hit_new", Care::Erased),
    ("hit_surplus", Care::Erased),
    // Forgotten after a day anyway.
    ("idempotency", Care::Derived),
    // They name an event and go with it.
    ("webhook_delivery", Care::Derived),
    ("webhook_attempt", Care::Derived),
    (
        "agent",
        Care::Kept("an agent is a person of their own, who may write for others; DELETE /v1/agents takes them away"),
    ),
    ("erased_address", Care::Kept("by a keyed hash it is known which addresses must not be written to")),
    ("erased_message", Care::Kept("by a keyed hash it is known which mail is not to be stored again")),
    ("erasure", Care::Kept("that somebody was erased, when and by whom, without who it was")),
    ("account", Care::Impersonal),
    ("handed_over", Care::Impersonal),
    ("webhook", Care::Impersonal),
    ("active_definition", Care::Impersonal),
    ("api_token", Care::Impersonal),
    ("definition", Care::Impersonal),
    ("erasure_key", Care::Impersonal),
    ("feed", Care::Impersonal),
    ("folder", Care::Impersonal),
    ("installation", Care::Impersonal),
    ("lease", Care::Impersonal),
    ("login", Care::Impersonal),
    ("login_pending", Care::Impersonal),
    ("pause", Care::Impersonal),
    ("relay", Care::Impersonal),
    ("relay_gone", Care::Impersonal),
    ("saved_view", Care::Impersonal),
    ("sequence", Care::Impersonal),
    ("sequence_version", Care::Impersonal),
    ("sequencer", Care::Impersonal),
    ("signing_key", Care::Impersonal),
];

/// Rows of a table, as an export tells them.
pub type Rows = Vec<Map<String, Value>>;

/// What a column holds, before it is told.
enum Cell {
    Plain(Value),
    Id(Uuid),
    Octets(Vec<u8>),
}

struct Named(Vec<(String, Cell)>);

impl FromRow<'_, SqliteRow> for Named {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let mut cells = Vec::with_capacity(row.len());
        for (n, column) in row.columns().iter().enumerate() {
            let raw = row.try_get_raw(n)?;
            let cell = if raw.is_null() {
                Cell::Plain(Value::Null)
            } else {
                match raw.type_info().name() {
                    "INTEGER" | "BOOLEAN" => Cell::Plain(row.try_get_unchecked::<i64, _>(n)?.into()),
                    "REAL" => Cell::Plain(row.try_get_unchecked::<f64, _>(n)?.into()),
                    "BLOB" => {
                        let octets: Vec<u8> = row.try_get_unchecked(n)?;
                        let id = if is_id(column.name()) { Uuid::from_slice(&octets).ok() } else { None };
                        id.map_or(Cell::Octets(octets), Cell::Id)
                    }
                    _ => Cell::Plain(row.try_get_unchecked::<String, _>(n)?.into()),
                }
            };
            cells.push((column.name().to_owned(), cell));
        }
        Ok(Self(cells))
    }
}

impl FromRow<'_, PgRow> for Named {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let mut cells = Vec::with_capacity(row.len());
        for (n, column) in row.columns().iter().enumerate() {
            let plain = |value: Option<Value>| Cell::Plain(value.unwrap_or(Value::Null));
            let cell = match column.type_info().name() {
                "INT8" => plain(row.try_get::<Option<i64>, _>(n)?.map(Value::from)),
                "BOOL" => plain(row.try_get::<Option<bool>, _>(n)?.map(Value::from)),
                "FLOAT8" => plain(row.try_get::<Option<f64>, _>(n)?.map(Value::from)),
                "UUID" => row.try_get::<Option<Uuid>, _>(n)?.map_or(Cell::Plain(Value::Null), Cell::Id),
                "BYTEA" => row.try_get::<Option<Vec<u8>>, _>(n)?.map_or(Cell::Plain(Value::Null), Cell::Octets),
                "JSONB" => plain(row.try_get::<Option<Json<Value>>, _>(n)?.map(|json| json.0)),
                _ => plain(row.try_get::<Option<String>, _>(n)?.map(Value::from)),
            };
            cells.push((column.name().to_owned(), cell));
        }
        Ok(Self(cells))
    }
}

/// Columns that are yes or no, which SQLite keeps as numbers.
const SWITCHES: [&str; 13] = [
    "changed",
    "taken_back",
    "is_primary",
    "stage_pinned",
    "hold_by_hand",
    "has_html",
    "backfilled",
    "assigned",
    "first",
    "pencilled",
    "file_copy",
    "machine",
    "deleted",
];
/// Columns of JSON, which SQLite keeps as text.
const DOCUMENTS: [&str; 9] =
    ["properties", "recipients", "attachments", "flaws", "data", "facts", "shifts", "filled", "reasons"];

fn is_id(column: &str) -> bool {
    column == "id" || column.ends_with("_id") || matches!(column, "kept" | "gone" | "merged_into" | "lease_holder")
}

/// What stands before an id of a column.
fn prefix(table: &str, column: &str) -> &'static str {
    match (table, column) {
        ("influencer", "id" | "merged_into") | ("merge_record", "kept" | "gone") | (_, "influencer_id") => "inf_",
        ("message" | "outbox", "id") | (_, "message_id" | "outbox_id") => "msg_",
        ("relay_thread", "id") | ("relay_post" | "relay_word", "thread_id") => "rth_",
        ("thread", "id" | "merged_into") | (_, "thread_id") => "thr_",
        (_, "conversation_id") => "cnv_",
        (_, "agent_id") => "agt_",
        ("enrollment", "id") | (_, "enrollment_id") => "enr_",
        ("task", "id") | (_, "task_id") => "tsk_",
        ("address", "id") => "adr_",
        ("consent" | "suppression", "id") => "led_",
        ("event", "id") => "evt_",
        ("note", "id") | (_, "note_id") => "nte_",
        ("relay_post", "id") => "rpo_",
        ("hit" | "hit_new", "id") => "hit_",
        ("merge_record", "id") => "mrg_",
        (_, "folder_id") => "fld_",
        _ => "",
    }
}

fn told(table: &str, row: Named) -> Map<String, Value> {
    let tell = |(column, cell): (String, Cell)| {
        let name = column.as_str();
        let value = match cell {
            Cell::Id(id) => Value::String(format!("{}{}", prefix(table, name), id.simple())),
            Cell::Octets(octets) => Value::String(hex(&octets)),
            Cell::Plain(Value::Number(n)) if SWITCHES.contains(&name) => Value::Bool(n.as_i64() != Some(0)),
            Cell::Plain(Value::Number(n)) if is_instant(name) => {
                n.as_i64().map_or(Value::Null, |at| serde_json::json!(Micros(at)))
            }
            Cell::Plain(Value::String(text)) if DOCUMENTS.contains(&name) => {
                serde_json::from_str(&text).unwrap_or(Value::String(text))
            }
            Cell::Plain(value) => value,
        };
        (column, value)
    };
    row.0.into_iter().map(tell).collect()
}

fn is_instant(column: &str) -> bool {
    matches!(column, "at" | "until")
        || column.ends_with("_at")
        || column.ends_with("_until")
        || column == "sending_since"
}

/// By what the rows of a table are found for an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FoundBy {
    /// By whom they are about; there may be many of them.
    Person,
    /// The same; there are few of them.
    People,
    /// By an address of theirs.
    Address,
    /// By a message.
    Message,
}

/// Rows of one person read at once.
const ROWS_AT_ONCE: i64 = 500;

fn statement(list: &'static [(&str, &Sql)], table: &str) -> Result<&'static Sql, StoreError> {
    let found = list.iter().find(|(name, _)| *name == table);
    found.map(|(_, sql)| *sql).ok_or_else(|| StoreError::Damaged(format!("no rows of {table} are exported so")))
}

/// Where a row stands among those of its table.
fn place(row: &Named) -> Option<Place> {
    let cell = |wanted: &str| row.0.iter().find(|(name, _)| name == wanted).map(|(_, cell)| cell);
    let (Some(Cell::Plain(at)), Some(Cell::Id(id))) = (cell("at"), cell("id").or_else(|| cell("message_id"))) else {
        return None;
    };
    Some(Place { at: Micros(at.as_i64()?), id: *id })
}

impl Tx {
    /// A page of the rows about one influencer of a table that is found by [`FoundBy::Person`], and from where it goes on.
    pub async fn rows_of_person(
        &mut self,
        table: &str,
        id: InfluencerId,
        after: Place,
    ) -> Result<(Rows, Option<Place>), StoreError> {
        let bound = values![vec![id], after.at, after.id, ROWS_AT_ONCE];
        let rows: Vec<Named> = self.all(statement(OF_PERSON, table)?, bound).await?;
        let is_full = rows.len() == usize::try_from(ROWS_AT_ONCE).unwrap_or(usize::MAX);
        let next = rows.last().filter(|_| is_full).and_then(place);
        Ok((rows.into_iter().map(|row| told(table, row)).collect(), next))
    }

    /// All rows about these influencers of a table that is found by [`FoundBy::People`].
    pub async fn rows_of_people(&mut self, table: &str, ids: Vec<InfluencerId>) -> Result<Rows, StoreError> {
        self.rows_of(table, statement(OF_PEOPLE, table)?, values![ids]).await
    }

    /// All rows about these addresses of a table that is found by [`FoundBy::Address`].
    pub async fn rows_of_addresses(&mut self, table: &str, keys: Vec<String>) -> Result<Rows, StoreError> {
        self.rows_of(table, statement(OF_ADDRESSES, table)?, values![keys]).await
    }

    /// All rows about these messages of a table that is found by [`FoundBy::Message`].
    pub async fn rows_of_messages(&mut self, table: &str, ids: Vec<MessageId>) -> Result<Rows, StoreError> {
        self.rows_of(table, statement(OF_MESSAGES, table)?, values![ids]).await
    }

    async fn rows_of(
        &mut self,
        table: &str,
        sql: &'static Sql,
        bound: Vec<crate::store::value::Value>,
    ) -> Result<Rows, StoreError> {
        let rows: Vec<Named> = self.all(sql, bound).await?;
        Ok(rows.into_iter().map(|row| told(table, row)).collect())
    }
}

static OF_PERSON: &[(&str, &Sql)] = &[("event", &EVENT), ("participation", &PARTICIPATION)];
static OF_PEOPLE: &[(&str, &Sql)] = &[
    ("influencer", &INFLUENCER),
    ("influencer_tag", &TAG),
    ("influencer_network", &NETWORK),
    ("former_handle", &FORMER),
    ("influencer_audience", &AUDIENCE),
    ("agent_influencer", &AGENT),
    ("address", &ADDRESS),
    ("hold", &HOLD),
    ("note", &NOTE),
    ("relay_thread", &RELAY_THREAD),
    ("relay_post", &RELAY_POST),
    ("relay_word", &RELAY_WORD),
    ("merge_record", &MERGE),
    ("thread", &THREAD),
    ("enrollment", &ENROLLMENT),
    ("enrollment_step", &STEP),
    ("task", &TASK),
];
static OF_ADDRESSES: &[(&str, &Sql)] = &[("consent", &CONSENT), ("suppression", &SUPPRESSION)];
static OF_MESSAGES: &[(&str, &Sql)] = &[
    ("message", &MESSAGE),
    ("delivery", &DELIVERY),
    ("provider_message", &PROVIDER),
    ("revision", &REVISION),
    ("message_file", &FILE),
    ("stranger", &STRANGER),
    ("unmatched", &UNMATCHED),
    ("outbox", &OUTBOX),
    ("outbox_recipient", &RECIPIENT),
    ("reservation", &RESERVATION),
    ("tracked_link", &LINK),
    ("hit", &HIT),
    ("hit_new", &HIT_NEW),
    ("hit_surplus", &SURPLUS),
];

/// The tables whose rows are in an export, by their names.
pub fn exported() -> Vec<(&'static str, FoundBy)> {
    let lists = [
        (OF_PERSON, FoundBy::Person),
        (OF_PEOPLE, FoundBy::People),
        (OF_ADDRESSES, FoundBy::Address),
        (OF_MESSAGES, FoundBy::Message),
    ];
    let mut all: Vec<(&str, FoundBy)> =
        lists.into_iter().flat_map(|(list, by)| list.iter().map(move |(table, _)| (*table, by))).collect();
    all.sort_unstable();
    all
}

statements! {
    #[hot] INFLUENCER = "SELECT * FROM influencer WHERE id = ANY($1::uuid[]) ORDER BY id";
    #[hot] TAG = "SELECT * FROM influencer_tag WHERE influencer_id = ANY($1::uuid[]) ORDER BY influencer_id, tag";
    #[hot] NETWORK = "SELECT * FROM influencer_network WHERE influencer_id = ANY($1::uuid[]) ORDER BY influencer_id, network";
    #[hot] FORMER = "SELECT * FROM former_handle WHERE influencer_id = ANY($1::uuid[]) ORDER BY influencer_id, handle_key";
    #[hot] AUDIENCE = "SELECT * FROM influencer_audience WHERE influencer_id = ANY($1::uuid[]) ORDER BY influencer_id, dimension, key";
    #[hot] AGENT = "SELECT l.agent_id, l.influencer_id, a.first_name, a.last_name FROM agent_influencer l JOIN agent a ON a.id = l.agent_id \
        WHERE l.influencer_id = ANY($1::uuid[]) ORDER BY l.influencer_id, l.agent_id";
    #[hot] ADDRESS = "SELECT * FROM address WHERE influencer_id = ANY($1::uuid[]) ORDER BY id";
    #[hot] HOLD = "SELECT * FROM hold WHERE influencer_id = ANY($1::uuid[]) ORDER BY influencer_id, source";
    #[hot] NOTE = "SELECT * FROM note WHERE influencer_id = ANY($1::uuid[]) ORDER BY at, id";
    #[hot] RELAY_THREAD = "SELECT * FROM relay_thread WHERE influencer_id = ANY($1::uuid[]) ORDER BY id";
    #[hot] RELAY_POST = "SELECT * FROM relay_post WHERE thread_id IN \
        (SELECT id FROM relay_thread WHERE influencer_id = ANY($1::uuid[])) ORDER BY id";
    #[hot] RELAY_WORD = "SELECT * FROM relay_word WHERE thread_id IN \
        (SELECT id FROM relay_thread WHERE influencer_id = ANY($1::uuid[])) ORDER BY account, provider_id";
    #[hot] MERGE = "SELECT * FROM merge_record WHERE kept = ANY($1::uuid[]) OR gone = ANY($1::uuid[]) ORDER BY id";
    #[hot] EVENT = "SELECT * FROM event WHERE influencer_id = ANY($1::uuid[]) AND (at, id) > ($2, $3) ORDER BY at, id LIMIT $4";
    #[hot] THREAD = "SELECT * FROM thread WHERE influencer_id = ANY($1::uuid[]) ORDER BY id";
    #[hot] PARTICIPATION = "SELECT * FROM participation WHERE influencer_id = ANY($1::uuid[]) AND (at, message_id) > ($2, $3) \
        ORDER BY at, message_id LIMIT $4";
    #[hot] ENROLLMENT = "SELECT * FROM enrollment WHERE influencer_id = ANY($1::uuid[]) ORDER BY id";
    #[hot] STEP = "SELECT s.* FROM enrollment_step s WHERE s.enrollment_id IN \
        (SELECT e.id FROM enrollment e WHERE e.influencer_id = ANY($1::uuid[])) ORDER BY s.enrollment_id, s.planned_at, s.step";
    #[hot] TASK = "SELECT * FROM task WHERE influencer_id = ANY($1::uuid[]) ORDER BY id";
    #[hot] CONSENT = "SELECT * FROM consent WHERE value_key = ANY($1::text[]) ORDER BY id";
    #[hot] SUPPRESSION = "SELECT * FROM suppression WHERE value_key = ANY($1::text[]) ORDER BY id";
    #[hot] STRANGER = "SELECT * FROM stranger WHERE message_id = ANY($1::uuid[]) ORDER BY message_id, address_key";
    #[hot] MESSAGE = "SELECT * FROM message WHERE id = ANY($1::uuid[]) ORDER BY at, id";
    #[hot] DELIVERY = "SELECT d.*, f.account, f.name AS folder FROM delivery d JOIN folder f ON f.id = d.folder_id \
        WHERE d.message_id = ANY($1::uuid[]) ORDER BY d.message_id, d.folder_id, d.uid";
    #[hot] PROVIDER = "SELECT * FROM provider_message WHERE message_id = ANY($1::uuid[]) ORDER BY message_id, account, provider_id";
    #[hot] REVISION = "SELECT * FROM revision WHERE message_id = ANY($1::uuid[]) ORDER BY message_id, at";
    #[hot] FILE = "SELECT * FROM message_file WHERE message_id = ANY($1::uuid[]) ORDER BY message_id, position";
    #[hot] UNMATCHED = "SELECT * FROM unmatched WHERE message_id = ANY($1::uuid[]) ORDER BY message_id";
    #[hot] OUTBOX = "SELECT * FROM outbox WHERE id = ANY($1::uuid[]) ORDER BY id";
    #[hot] RECIPIENT = "SELECT * FROM outbox_recipient WHERE outbox_id = ANY($1::uuid[]) ORDER BY outbox_id, position";
    #[hot] RESERVATION = "SELECT * FROM reservation WHERE id = ANY($1::uuid[]) ORDER BY id";
    #[hot] LINK = "SELECT * FROM tracked_link WHERE message_id = ANY($1::uuid[]) ORDER BY message_id, n";
    #[hot] HIT = "SELECT * FROM hit WHERE message_id = ANY($1::uuid[]) ORDER BY message_id, at, id";
    // Without an index, for it holds what came within seconds.
    HIT_NEW = "SELECT * FROM hit_new WHERE message_id = ANY($1::uuid[]) ORDER BY message_id, at, id";
    #[hot] SURPLUS = "SELECT * FROM hit_surplus WHERE message_id = ANY($1::uuid[]) ORDER BY message_id";
}
