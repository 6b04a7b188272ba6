//! Values bound to statements: a closed set of types that both databases know.

use sqlx::Arguments;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::types::Json;
use uuid::Uuid;

use super::StoreError;
use crate::domain::ids::{
    AddressId, AgentId, ConversationId, EnrollmentId, ErasureId, EventId, FolderId, HitId, InfluencerId, LedgerId,
    MergeId, MessageId, NoteId, RelayPostId, RelayThreadId, RunId, TaskId, ThreadId, TokenId, WebhookDeliveryId,
    WebhookId,
};
use crate::domain::time::Micros;
use crate::domain::words::{
    AccountState, Awaiting, Channel, DeliveryState, Direction, DisabledWhy, EnrollmentState, EventType, FileState,
    FolderRole, HitKind, HoldSource, Kind, OutboxStatus, Phase, Progress, RecipientState, RelaySort, RelayState,
    RelayWay, RelayWordState, Role, StepState, SuppressionReason, TaskKind, TaskState, UnmatchedReason, Verdict,
    WebhookState, Word,
};

/// One bound value. `None` is NULL of that type, which PostgreSQL wants to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// TEXT.
    Text(Option<String>),
    /// BIGINT.
    Int(Option<i64>),
    /// BOOLEAN.
    Bool(Option<bool>),
    /// DOUBLE PRECISION; REAL on SQLite.
    Real(Option<f64>),
    /// UUID; BLOB on SQLite.
    Id(Option<Uuid>),
    /// BYTEA; BLOB on SQLite.
    Octets(Option<Vec<u8>>),
    /// JSONB; TEXT on SQLite.
    Json(Option<serde_json::Value>),
    /// A list for `= ANY($n::text[])`.
    Texts(Vec<String>),
    /// A list for `= ANY($n::uuid[])`.
    Ids(Vec<Uuid>),
    /// A list for `= ANY($n::bigint[])`.
    Ints(Vec<i64>),
    /// A list for `= ANY($n::bytea[])`.
    OctetLists(Vec<Vec<u8>>),
}

/// Values for a statement, in the order of its `$1`, `$2`, ….
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::value::Value::from($value)),*] };
}
pub(super) use values;

/// Lower-case hexadecimal digits.
pub fn hex(octets: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |n: u8| DIGITS.get(usize::from(n & 15)).copied().unwrap_or('0');
    octets.iter().flat_map(|o| [digit(o >> 4), digit(*o)]).collect()
}

fn json_text<T: serde::Serialize>(list: &[T]) -> Result<String, StoreError> {
    serde_json::to_string(list).map_err(|e| StoreError::Damaged(e.to_string()))
}

fn encode(result: Result<(), sqlx::error::BoxDynError>) -> Result<(), StoreError> {
    result.map_err(|e| StoreError::Unhandled(sqlx::Error::Encode(e)))
}

pub(super) fn sqlite(values: Vec<Value>) -> Result<SqliteArguments, StoreError> {
    let mut args = SqliteArguments::default();
    for value in values {
        encode(match value {
            Value::Text(v) => args.add(v),
            Value::Int(v) => args.add(v),
            Value::Bool(v) => args.add(v),
            Value::Real(v) => args.add(v),
            Value::Id(v) => args.add(v),
            Value::Octets(v) => args.add(v),
            Value::Json(v) => args.add(v.map(Json)),
            Value::Texts(v) => args.add(json_text(&v)?),
            Value::Ids(v) => args.add(json_text(&v.iter().map(|id| id.simple().to_string()).collect::<Vec<_>>())?),
            Value::Ints(v) => args.add(json_text(&v)?),
            Value::OctetLists(v) => args.add(json_text(&v.iter().map(|o| hex(o)).collect::<Vec<_>>())?),
        })?;
    }
    Ok(args)
}

pub(super) fn postgres(values: Vec<Value>) -> Result<PgArguments, StoreError> {
    let mut args = PgArguments::default();
    for value in values {
        encode(match value {
            // PostgreSQL has no NUL in text; what a stranger sends may have one.
            Value::Text(v) => args.add(v.map(|t| if t.contains('\0') { t.replace('\0', "\u{fffd}") } else { t })),
            Value::Int(v) => args.add(v),
            Value::Bool(v) => args.add(v),
            Value::Real(v) => args.add(v),
            Value::Id(v) => args.add(v),
            Value::Octets(v) => args.add(v),
            Value::Json(v) => args.add(v.map(Json)),
            Value::Texts(v) => args.add(v),
            Value::Ids(v) => args.add(v),
            Value::Ints(v) => args.add(v),
            Value::OctetLists(v) => args.add(v),
        })?;
    }
    Ok(args)
}

macro_rules! from {
    ($($type:ty => |$v:ident| $value:expr, $null:expr;)+) => { $(
        impl From<$type> for Value { fn from($v: $type) -> Self { $value } }
        impl From<Option<$type>> for Value {
            fn from(v: Option<$type>) -> Self { match v { Some(v) => Self::from(v), None => $null } }
        }
    )+ };
}
from! {
    String => |v| Self::Text(Some(v)), Self::Text(None);
    &str => |v| Self::Text(Some(v.to_owned())), Self::Text(None);
    &String => |v| Self::Text(Some(v.clone())), Self::Text(None);
    bool => |v| Self::Bool(Some(v)), Self::Bool(None);
    f64 => |v| Self::Real(Some(v)), Self::Real(None);
    i64 => |v| Self::Int(Some(v)), Self::Int(None);
    Micros => |v| Self::Int(Some(v.0)), Self::Int(None);
    Uuid => |v| Self::Id(Some(v)), Self::Id(None);
    Vec<u8> => |v| Self::Octets(Some(v)), Self::Octets(None);
    serde_json::Value => |v| Self::Json(Some(v)), Self::Json(None);
}
impl From<Vec<String>> for Value {
    fn from(v: Vec<String>) -> Self {
        Self::Texts(v)
    }
}
impl From<Vec<Uuid>> for Value {
    fn from(v: Vec<Uuid>) -> Self {
        Self::Ids(v)
    }
}
impl From<Vec<i64>> for Value {
    fn from(v: Vec<i64>) -> Self {
        Self::Ints(v)
    }
}
impl From<Vec<Vec<u8>>> for Value {
    fn from(v: Vec<Vec<u8>>) -> Self {
        Self::OctetLists(v)
    }
}

macro_rules! from_id {
    ($($type:ty),+) => { $(
        impl From<$type> for Value { fn from(v: $type) -> Self { Self::Id(Some(v.0)) } }
        impl From<Option<$type>> for Value { fn from(v: Option<$type>) -> Self { Self::Id(v.map(|id| id.0)) } }
        impl From<Vec<$type>> for Value {
            fn from(v: Vec<$type>) -> Self { Self::Ids(v.into_iter().map(|id| id.0).collect()) }
        }
    )+ };
}
from_id!(
    InfluencerId,
    AgentId,
    AddressId,
    MessageId,
    ConversationId,
    ThreadId,
    EventId,
    NoteId,
    FolderId,
    TokenId,
    LedgerId,
    RunId,
    EnrollmentId,
    TaskId,
    HitId,
    MergeId,
    WebhookId,
    WebhookDeliveryId,
    ErasureId,
    RelayThreadId,
    RelayPostId
);

macro_rules! from_word {
    ($($type:ty),+) => { $(
        impl From<$type> for Value { fn from(v: $type) -> Self { Self::Text(Some(v.as_str().to_owned())) } }
        impl From<Option<$type>> for Value {
            fn from(v: Option<$type>) -> Self { Self::Text(v.map(|w| w.as_str().to_owned())) }
        }
    )+ };
}
from_word!(
    Channel,
    Direction,
    Kind,
    OutboxStatus,
    Role,
    FolderRole,
    AccountState,
    Awaiting,
    UnmatchedReason,
    RecipientState,
    Progress,
    FileState,
    EventType,
    SuppressionReason,
    EnrollmentState,
    Phase,
    StepState,
    TaskState,
    TaskKind,
    HitKind,
    HoldSource,
    Verdict,
    WebhookState,
    DisabledWhy,
    DeliveryState,
    RelaySort,
    RelayState,
    RelayWay,
    RelayWordState
);
