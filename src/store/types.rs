//! How domain types are read from a row: ids as UUIDs, instants as microseconds, words as text.

use sqlx::error::BoxDynError;
use sqlx::{Database, Decode, Postgres, Sqlite, Type};
use uuid::Uuid;

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
    WebhookState,
};

macro_rules! read_as {
    ($($name:ty as $inner:ty, $from:expr;)+) => { $(
        read_as!(@ $name, $inner, $from, Sqlite);
        read_as!(@ $name, $inner, $from, Postgres);
    )+ };
    (@ $name:ty, $inner:ty, $from:expr, $db:ty) => {
        impl Type<$db> for $name {
            fn type_info() -> <$db as Database>::TypeInfo { <$inner as Type<$db>>::type_info() }
            fn compatible(ty: &<$db as Database>::TypeInfo) -> bool { <$inner as Type<$db>>::compatible(ty) }
        }
        impl<'r> Decode<'r, $db> for $name {
            fn decode(value: <$db as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
                let inner = <$inner as Decode<'r, $db>>::decode(value)?;
                ($from)(inner)
            }
        }
    };
}

#[allow(clippy::needless_pass_by_value, reason = "one shape for all conversions")]
fn word<W: std::str::FromStr>(text: String) -> Result<W, BoxDynError>
where
    W::Err: std::error::Error + Send + Sync + 'static,
{
    Ok(text.parse::<W>()?)
}

read_as! {
    InfluencerId as Uuid, |v| Ok(Self(v));
    AgentId as Uuid, |v| Ok(Self(v));
    AddressId as Uuid, |v| Ok(Self(v));
    MessageId as Uuid, |v| Ok(Self(v));
    ConversationId as Uuid, |v| Ok(Self(v));
    ThreadId as Uuid, |v| Ok(Self(v));
    EventId as Uuid, |v| Ok(Self(v));
    NoteId as Uuid, |v| Ok(Self(v));
    FolderId as Uuid, |v| Ok(Self(v));
    TokenId as Uuid, |v| Ok(Self(v));
    LedgerId as Uuid, |v| Ok(Self(v));
    RunId as Uuid, |v| Ok(Self(v));
    EnrollmentId as Uuid, |v| Ok(Self(v));
    TaskId as Uuid, |v| Ok(Self(v));
    HitId as Uuid, |v| Ok(Self(v));
    MergeId as Uuid, |v| Ok(Self(v));
    WebhookId as Uuid, |v| Ok(Self(v));
    WebhookDeliveryId as Uuid, |v| Ok(Self(v));
    RelayThreadId as Uuid, |v| Ok(Self(v));
    RelayPostId as Uuid, |v| Ok(Self(v));
    ErasureId as Uuid, |v| Ok(Self(v));
    Micros as i64, |v| Ok(Self(v));
    Channel as String, word;
    Direction as String, word;
    Kind as String, word;
    OutboxStatus as String, word;
    Role as String, word;
    FolderRole as String, word;
    AccountState as String, word;
    Awaiting as String, word;
    UnmatchedReason as String, word;
    RecipientState as String, word;
    Progress as String, word;
    RelaySort as String, word;
    RelayState as String, word;
    RelayWay as String, word;
    RelayWordState as String, word;
    FileState as String, word;
    EventType as String, word;
    SuppressionReason as String, word;
    EnrollmentState as String, word;
    Phase as String, word;
    StepState as String, word;
    TaskState as String, word;
    TaskKind as String, word;
    HitKind as String, word;
    HoldSource as String, word;
    Verdict as String, word;
    WebhookState as String, word;
    DisabledWhy as String, word;
    DeliveryState as String, word;
}
