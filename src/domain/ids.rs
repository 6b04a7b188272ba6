//! Newtype ids. Each is a `UUIDv7` made by [`crate::clock`], written for people as `prefix_` and 32 hex digits,
//! so that ids sort by the time they were made and a pasted id says what it names.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Why a text is not an id of the wanted sort.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not an id of this sort: expected `{prefix}_` and 32 hex digits")]
pub struct IdError {
    /// The prefix that was wanted, without the underscore.
    pub prefix: &'static str,
    /// What was given.
    pub given: String,
}

macro_rules! id {
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl $name {
            /// What stands before the underscore.
            pub const PREFIX: &'static str = $prefix;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|rest| rest.len() == 32)
                    .and_then(|rest| Uuid::try_parse(rest).ok())
                    .map(Self)
                    .ok_or_else(|| IdError { prefix: $prefix, given: text.chars().take(80).collect() })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": concat!("^", $prefix, "_[0-9a-f]{32}$") })
            }
        }
    };
}

id!(/** A person the brand has a relationship with. */ InfluencerId, "inf");
id!(/** Someone who writes for one or several influencers. */ AgentId, "agt");
id!(/** One address of theirs. */ AddressId, "adr");
id!(/** One thing said. An outbound message and its outbox row share this id. */ MessageId, "msg");
id!(/** Messages that answer each other. */ ConversationId, "cnv");
id!(/** A conversation as one influencer sees it. */ ThreadId, "thr");
id!(/** One fact that happened. */ EventId, "evt");
id!(/** A note on a timeline. */ NoteId, "nte");
id!(/** One folder of one account. */ FolderId, "fld");
id!(/** A place where a message was seen. */ DeliveryId, "dlv");
id!(/** One API token. */ TokenId, "tok");
id!(/** One consent, refusal of contact or import: rows of the ledgers. */ LedgerId, "led");
id!(/** The record that somebody was erased. */ ErasureId, "ers");
id!(/** One joining of two records of the same person. */ MergeId, "mrg");
id!(/** One influencer's run of one sequence. */ EnrollmentId, "enr");
id!(/** Something a person is to do. */ TaskId, "tsk");
id!(/** One fetch of a pixel, link or page. */ HitId, "hit");
id!(/** One address that is told what happens. */ WebhookId, "whk");
id!(/** One event (or test) for one webhook. */ WebhookDeliveryId, "whd");
id!(/** A thread in which the team talks about somebody. */ RelayThreadId, "rth");
id!(/** Something shown to the team there. */ RelayPostId, "rpo");
id!(/** One start of a process; owns leases. */ RunId, "run");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_reads_back_what_it_prints_and_refuses_other_sorts() {
        let id = InfluencerId(Uuid::from_u128(7));
        assert_eq!(id.to_string().parse::<InfluencerId>(), Ok(id));
        assert!(id.to_string().parse::<AgentId>().is_err());
        assert!("inf_xyz".parse::<InfluencerId>().is_err());
    }
}
