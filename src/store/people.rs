//! Influencers: the rows, and the views that programs outside see.
//!
//! Nothing here decides who may be created, moved or merged; the hub does, inside the same transaction.

use std::collections::HashMap;

use sqlx::types::Json;

use super::dialect::Many;
use super::sql::{Sql, statements};
use super::value::{Value, values};
use super::{StoreError, Tx};
use crate::domain::ids::InfluencerId;
use crate::domain::people::{Influencer, search_words};
use crate::domain::time::Micros;
use crate::domain::words::{Awaiting, Channel};

pub mod address;
pub mod agent;
pub mod attribute;
pub mod audience;
pub mod erase;
pub mod erased;
pub mod filter;
pub mod hold;
pub mod ledger;
pub mod list;
pub mod merge;
pub mod note;
pub mod personal;
pub mod view;

#[derive(sqlx::FromRow)]
struct InfluencerRow {
    id: InfluencerId,
    handle: String,
    first_name: String,
    last_name: String,
    stage: String,
    stage_pinned: bool,
    stage_at: Micros,
    owner: Option<String>,
    timezone: Option<String>,
    properties: Json<serde_json::Map<String, serde_json::Value>>,
    awaiting: Option<Awaiting>,
    last_message_at: Option<Micros>,
    held_until: Option<Micros>,
    created_at: Micros,
    updated_at: Micros,
    version: i64,
}

impl From<InfluencerRow> for Influencer {
    fn from(row: InfluencerRow) -> Self {
        Self {
            id: row.id,
            handle: row.handle,
            first_name: row.first_name,
            last_name: row.last_name,
            stage: row.stage,
            stage_pinned: row.stage_pinned,
            stage_at: row.stage_at,
            owner: row.owner,
            timezone: row.timezone,
            properties: row.properties.0,
            awaiting: row.awaiting,
            last_message_at: row.last_message_at,
            held_until: row.held_until,
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
        }
    }
}

/// The stage an influencer is in, for events, and what is needed to tell what follows from one.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct StageOf {
    /// Whose.
    #[sqlx(rename = "id")]
    pub influencer_id: InfluencerId,
    /// The id of the stage.
    pub stage: String,
    /// Whether a person pinned it.
    #[sqlx(rename = "stage_pinned")]
    pub pinned: bool,
    /// Since when they are in it.
    #[sqlx(rename = "stage_at")]
    pub since: Micros,
    /// Whether a run of a sequence is under way for them.
    pub running: bool,
    /// The hash of the stages in force; none where none were published yet.
    pub stages_hash: Option<String>,
}

/// The columns of [`StageOf`], of an influencer called `i`.
macro_rules! stage_of {
    () => {
        "i.id, i.stage, i.stage_pinned, i.stage_at, EXISTS (SELECT 1 FROM enrollment e WHERE e.influencer_id = i.id \
         AND e.state IN ('active', 'held', 'paused')) AS running, \
         (SELECT d.hash FROM active_definition d WHERE d.kind = 'stages') AS stages_hash"
    };
}
pub(super) use stage_of;

/// A move of somebody from the stage they were seen in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageStep {
    /// Who.
    pub influencer_id: InfluencerId,
    /// Where they were seen.
    pub from: String,
    /// Where to.
    pub to: String,
}

/// That a message of an influencer was stored or sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touch {
    /// Whose.
    pub influencer_id: InfluencerId,
    /// When it was said.
    pub last_message_at: Micros,
    /// Whose turn it is now; `None` leaves that as it is (automatic mail changes nobody's turn).
    pub awaiting: Option<Awaiting>,
}

/// The columns of [`InfluencerRow`], for texts that are put together.
pub(super) const COLUMNS: &str = "i.id, i.handle, i.first_name, i.last_name, i.stage, i.stage_pinned, i.stage_at, \
    i.owner, i.timezone, i.properties, i.awaiting, i.last_message_at, i.held_until, i.created_at, i.updated_at, i.version";

macro_rules! select_influencer {
    ($rest:literal) => {
        concat!(
            "SELECT i.id, i.handle, i.first_name, i.last_name, i.stage, i.stage_pinned, i.stage_at, i.owner, ",
            "i.timezone, i.properties, i.awaiting, i.last_message_at, i.held_until, i.created_at, i.updated_at, ",
            "i.version FROM influencer i ",
            $rest
        )
    };
}
use select_influencer;

const INFLUENCERS: Many = Many {
    head: "INSERT INTO influencer (id, handle, handle_key, first_name, last_name, stage, stage_pinned, stage_at, owner, \
           timezone, properties, awaiting, last_message_at, held_until, created_at, updated_at, version)",
    columns: 17,
    tail: "",
};
const WORDS: Many =
    Many { head: "INSERT INTO influencer_word (word, influencer_id)", columns: 2, tail: "ON CONFLICT DO NOTHING" };

fn key_of(handle: &str) -> Result<String, StoreError> {
    crate::domain::people::handle_key(handle).ok_or_else(|| StoreError::Damaged(format!("`{handle}` is not a handle")))
}

fn words_of(influencers: &[&Influencer]) -> Vec<Value> {
    let words = |i: &Influencer| search_words(&i.handle, &i.first_name, &i.last_name);
    influencers.iter().flat_map(|i| words(i).into_iter().flat_map(|word| values![word, i.id])).collect()
}

impl Tx {
    /// Adds influencers, with the words they are found by.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where one has a handle that is taken; nothing was added then.
    pub async fn insert_influencers(&mut self, influencers: &[Influencer]) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(influencers.len() * INFLUENCERS.columns);
        for i in influencers {
            rows.extend(values![i.id, &i.handle, key_of(&i.handle)?, &i.first_name, &i.last_name, &i.stage]);
            rows.extend(values![i.stage_pinned, i.stage_at, i.owner.clone(), i.timezone.clone()]);
            rows.extend(values![serde_json::Value::Object(i.properties.clone()), i.awaiting, i.last_message_at]);
            rows.extend(values![i.held_until, i.created_at, i.updated_at, i.version]);
        }
        self.insert_many(&INFLUENCERS, rows).await?;
        self.insert_many(&WORDS, words_of(&influencers.iter().collect::<Vec<_>>())).await?;
        Ok(())
    }

    /// One influencer.
    pub async fn get_influencer(&mut self, id: InfluencerId) -> Result<Option<Influencer>, StoreError> {
        let row: Option<InfluencerRow> = self.opt(&INFLUENCER_GET, values![id]).await?;
        Ok(row.map(Influencer::from))
    }

    /// One influencer, locked until the end of the transaction; not one who was merged into another.
    pub async fn lock_influencer(&mut self, id: InfluencerId) -> Result<Option<Influencer>, StoreError> {
        let row: Option<InfluencerRow> = self.opt(&INFLUENCER_LOCK, values![id]).await?;
        Ok(row.map(Influencer::from))
    }

    /// Locks influencers until the end of the transaction, in the order of their ids.
    pub async fn lock_influencers(&mut self, ids: Vec<InfluencerId>) -> Result<(), StoreError> {
        let _: Vec<(InfluencerId,)> = self.all(&INFLUENCERS_LOCK, values![ids]).await?;
        Ok(())
    }

    /// Several influencers by id, in no order.
    pub async fn get_influencers(&mut self, ids: Vec<InfluencerId>) -> Result<Vec<Influencer>, StoreError> {
        self.influencers(&INFLUENCERS_GET, values![ids]).await
    }

    /// One influencer by the handle in its looked-up form ([`crate::domain::people::handle_key`]).
    pub async fn get_influencer_by_handle(&mut self, handle_key: &str) -> Result<Option<Influencer>, StoreError> {
        Ok(self.get_influencers_by_handles(vec![handle_key.to_owned()]).await?.pop())
    }

    /// Several influencers by handle, in no order.
    pub async fn get_influencers_by_handles(&mut self, keys: Vec<String>) -> Result<Vec<Influencer>, StoreError> {
        self.influencers(&INFLUENCERS_BY_HANDLE, values![keys]).await
    }

    /// The influencer whose own address this is.
    pub async fn get_influencer_by_address(
        &mut self,
        channel: Channel,
        value_key: &str,
    ) -> Result<Option<Influencer>, StoreError> {
        let row: Option<InfluencerRow> = self.opt(&INFLUENCER_BY_ADDRESS, values![channel, value_key]).await?;
        Ok(row.map(Influencer::from))
    }

    /// Writes what a person or an import may change (handle, names, owner, zone, properties, hold) if nobody else did
    /// meanwhile: `false` where the version is another one by now. The version grows by one.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where the new handle is taken.
    pub async fn update_influencer(&mut self, i: &Influencer) -> Result<bool, StoreError> {
        let mut row = values![i.id, i.version, &i.handle, key_of(&i.handle)?, &i.first_name, &i.last_name];
        row.extend(values![i.owner.clone(), i.timezone.clone(), serde_json::Value::Object(i.properties.clone())]);
        row.extend(values![i.held_until, i.updated_at]);
        if self.exec(&INFLUENCER_UPDATE, row).await? == 0 {
            return Ok(false);
        }
        self.exec(&WORDS_DELETE, values![i.id]).await?;
        self.insert_many(&WORDS, words_of(&[i])).await?;
        Ok(true)
    }

    /// The stages some influencers are in, in no order.
    pub async fn influencer_stages(&mut self, ids: Vec<InfluencerId>) -> Result<Vec<StageOf>, StoreError> {
        self.all(&INFLUENCER_STAGES, values![ids]).await
    }

    /// Moves an influencer to a stage; `false` where there is no such influencer.
    pub async fn set_influencer_stage(
        &mut self,
        id: InfluencerId,
        stage: &str,
        pinned: bool,
        at: Micros,
    ) -> Result<bool, StoreError> {
        Ok(self.exec(&INFLUENCER_SET_STAGE, values![id, stage, pinned, at]).await? > 0)
    }

    /// Moves influencers who are still where they were seen and not pinned; who was moved. At most one step for each.
    pub async fn step_stages(&mut self, steps: &[StageStep], at: Micros) -> Result<Vec<InfluencerId>, StoreError> {
        let row = |s: &StageStep| serde_json::json!({"id": s.influencer_id.0.simple().to_string(), "was": s.from, "next": s.to});
        let rows = serde_json::Value::Array(steps.iter().map(row).collect());
        let moved: Vec<(InfluencerId,)> = self.all(&INFLUENCERS_STEP, values![rows, at]).await?;
        Ok(moved.into_iter().map(|(id,)| id).collect())
    }

    /// Keeps the newest message time of each influencer, and whose turn it is since then. An older touch than what is
    /// stored changes nothing; of several for one influencer the newest counts.
    pub async fn touch_influencers(&mut self, touches: Vec<Touch>) -> Result<(), StoreError> {
        let mut newest: HashMap<InfluencerId, Touch> = HashMap::with_capacity(touches.len());
        for touch in touches {
            let kept = newest.entry(touch.influencer_id).or_insert(touch);
            if touch.last_message_at >= kept.last_message_at {
                *kept = Touch { awaiting: touch.awaiting.or(kept.awaiting), ..touch };
            }
        }
        if newest.is_empty() {
            return Ok(());
        }
        let rows: Vec<serde_json::Value> = newest
            .values()
            .map(|t| serde_json::json!({"id": t.influencer_id.0.simple().to_string(), "at": t.last_message_at.0, "awaiting": t.awaiting}))
            .collect();
        self.exec(&INFLUENCERS_TOUCH, values![serde_json::Value::Array(rows)]).await?;
        Ok(())
    }

    pub(super) async fn influencers(
        &mut self,
        sql: &'static Sql,
        values: Vec<Value>,
    ) -> Result<Vec<Influencer>, StoreError> {
        let rows: Vec<InfluencerRow> = self.all(sql, values).await?;
        Ok(rows.into_iter().map(Influencer::from).collect())
    }
}

statements! {
    #[hot] INFLUENCER_GET = select_influencer!("WHERE i.id = $1");
    #[hot] INFLUENCER_LOCK = select_influencer!("WHERE i.id = $1 AND i.merged_into IS NULL FOR UPDATE");
    #[hot] INFLUENCERS_LOCK = "SELECT id FROM influencer WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE";
    #[hot] INFLUENCERS_GET = select_influencer!("WHERE i.id = ANY($1::uuid[])");
    #[hot] INFLUENCERS_BY_HANDLE = select_influencer!("WHERE i.handle_key = ANY($1::text[])");
    #[hot] INFLUENCER_BY_ADDRESS = select_influencer!(
        "JOIN address a ON a.influencer_id = i.id WHERE a.channel = $1 AND a.value_key = $2");
    #[hot] INFLUENCER_UPDATE = "UPDATE influencer SET handle = $3, handle_key = $4, first_name = $5, last_name = $6, \
        owner = $7, timezone = $8, properties = $9, held_until = $10, updated_at = $11, version = version + 1 \
        WHERE id = $1 AND version = $2 AND merged_into IS NULL";
    #[hot] WORDS_DELETE = "DELETE FROM influencer_word WHERE influencer_id = $1";
    #[hot] INFLUENCER_STAGES = concat!("SELECT ", stage_of!(), " FROM influencer i WHERE i.id = ANY($1::uuid[])");
    #[hot] INFLUENCERS_STEP = "UPDATE influencer SET stage = n.next, stage_at = $2, updated_at = $2, version = version + 1 \
        FROM jsonb_to_recordset($1::jsonb) AS n (id uuid, was text, next text) \
        WHERE influencer.id = n.id AND influencer.stage = n.was AND NOT influencer.stage_pinned RETURNING influencer.id",
        sqlite: "UPDATE influencer SET stage = n.next, stage_at = $2, updated_at = $2, version = version + 1 \
        FROM (SELECT unhex(value ->> 'id') AS id, value ->> 'was' AS was, value ->> 'next' AS next FROM json_each($1)) n \
        WHERE influencer.id = n.id AND influencer.stage = n.was AND NOT influencer.stage_pinned RETURNING influencer.id";
    #[hot] INFLUENCER_SET_STAGE = "UPDATE influencer SET stage = $2, stage_pinned = $3, stage_at = $4, updated_at = $4, \
        version = version + 1 WHERE id = $1";
    #[hot] INFLUENCERS_TOUCH = "UPDATE influencer SET last_message_at = n.at, awaiting = COALESCE(n.awaiting, influencer.awaiting) \
        FROM jsonb_to_recordset($1::jsonb) AS n (id uuid, at bigint, awaiting text) \
        WHERE influencer.id = n.id AND COALESCE(influencer.last_message_at, 0) <= n.at",
        sqlite: "UPDATE influencer SET last_message_at = n.at, awaiting = COALESCE(n.awaiting, influencer.awaiting) \
        FROM (SELECT unhex(value ->> 'id') AS id, value ->> 'at' AS at, value ->> 'awaiting' AS awaiting FROM json_each($1)) n \
        WHERE influencer.id = n.id AND COALESCE(influencer.last_message_at, 0) <= n.at";
}

/// Multi-row texts of this file, for the tests.
pub(super) static MANY: &[&Many] = &[&INFLUENCERS, &WORDS];

/// The statements of the files below this one.
pub(super) fn statement_lists() -> Vec<&'static Sql> {
    [
        STATEMENTS,
        address::STATEMENTS,
        agent::STATEMENTS,
        attribute::STATEMENTS,
        audience::STATEMENTS,
        erase::STATEMENTS,
        erased::STATEMENTS,
        hold::STATEMENTS,
        ledger::STATEMENTS,
        merge::STATEMENTS,
        note::STATEMENTS,
        personal::STATEMENTS,
        view::STATEMENTS,
    ]
    .concat()
}

/// The multi-row texts of the files below this one.
pub(super) fn many_lists() -> Vec<&'static Many> {
    [MANY, address::MANY, agent::MANY, attribute::MANY, audience::MANY, erased::MANY, ledger::MANY, note::MANY].concat()
}
