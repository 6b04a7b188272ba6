//! Outreach: sequences and their versions, and whether they, an account or everything is paused.
//!
//! Runs stand in `enrollment`, what they have taken of the capacity in `reservation`. Nothing here decides anything.

use super::sql::{Sql, statements};
use super::value::values;
use super::{StoreError, Tx};
use crate::domain::time::Micros;

pub mod enrollment;
pub mod measure;
pub mod migration;
pub mod person;
pub mod reservation;
pub mod round;

/// A sequence.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SequenceRow {
    /// The name of its folder.
    pub id: String,
    /// The version that new runs begin with; none: it was deleted.
    pub active_hash: Option<String>,
    /// Since when it is paused.
    pub paused_at: Option<Micros>,
    /// Why.
    pub pause_reason: Option<String>,
}

/// Something beside a sequence that is paused: `all`, or `account:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PauseRow {
    /// What.
    pub scope: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub at: Micros,
}

impl Tx {
    /// Keeps a version of a sequence and begins new runs with it from now on; `false` where it was active already.
    pub async fn publish_sequence(&mut self, id: &str, hash: &str, body: &str, at: Micros) -> Result<bool, StoreError> {
        self.exec(&VERSION_INSERT, values![hash, id, body, at]).await?;
        Ok(self.exec(&SEQUENCE_PUBLISH, values![id, hash, at]).await? > 0)
    }

    /// Notes that a sequence has no definition any more; `false` where that was known.
    pub async fn remove_sequence(&mut self, id: &str, at: Micros) -> Result<bool, StoreError> {
        Ok(self.exec(&SEQUENCE_REMOVE, values![id, at]).await? > 0)
    }

    /// Every sequence ever published, by id.
    pub async fn list_sequences(&mut self) -> Result<Vec<SequenceRow>, StoreError> {
        self.all(&SEQUENCES, values![]).await
    }

    /// One sequence.
    pub async fn get_sequence(&mut self, id: &str) -> Result<Option<SequenceRow>, StoreError> {
        self.opt(&SEQUENCE_GET, values![id]).await
    }

    /// A version: its sequence and its body.
    pub async fn get_sequence_version(&mut self, hash: &str) -> Result<Option<(String, String)>, StoreError> {
        self.opt(&VERSION_GET, values![hash]).await
    }

    /// Pauses a sequence; `false` where it was paused, or is not there.
    pub async fn pause_sequence(&mut self, id: &str, reason: &str, at: Micros) -> Result<bool, StoreError> {
        Ok(self.exec(&SEQUENCE_PAUSE, values![id, at, reason]).await? > 0)
    }

    /// Ends the pause of a sequence; `false` where it was not paused.
    pub async fn resume_sequence(&mut self, id: &str) -> Result<bool, StoreError> {
        Ok(self.exec(&SEQUENCE_RESUME, values![id]).await? > 0)
    }

    /// Moves everything that names a sequence to another id: the folder was renamed.
    pub async fn rename_sequence(&mut self, from: &str, to: &str, at: Micros) -> Result<(), StoreError> {
        for sql in [&RENAME_ENROLLMENTS, &RENAME_RESERVATIONS, &RENAME_VERSIONS] {
            self.exec(sql, values![from, to]).await?;
        }
        self.exec(&SEQUENCE_REMOVE, values![from, at]).await?;
        Ok(())
    }

    /// Pauses something; `false` where it was paused.
    pub async fn insert_pause(&mut self, scope: &str, reason: &str, at: Micros) -> Result<bool, StoreError> {
        Ok(self.exec(&PAUSE, values![scope, reason, at]).await? > 0)
    }

    /// Ends a pause; `false` where there was none.
    pub async fn delete_pause(&mut self, scope: &str) -> Result<bool, StoreError> {
        Ok(self.exec(&UNPAUSE, values![scope]).await? > 0)
    }

    /// What is paused beside sequences.
    pub async fn list_pauses(&mut self) -> Result<Vec<PauseRow>, StoreError> {
        self.all(&PAUSES, values![]).await
    }
}

statements! {
    VERSION_INSERT = "INSERT INTO sequence_version (hash, sequence, body, published_at) VALUES ($1, $2, $3, $4) ON CONFLICT (hash) DO NOTHING";
    SEQUENCE_PUBLISH = "INSERT INTO sequence (id, active_hash, changed_at) VALUES ($1, $2, $3) \
        ON CONFLICT (id) DO UPDATE SET active_hash = excluded.active_hash, changed_at = excluded.changed_at \
        WHERE sequence.active_hash IS NULL OR sequence.active_hash <> excluded.active_hash";
    SEQUENCE_REMOVE = "UPDATE sequence SET active_hash = NULL, changed_at = $2 WHERE id = $1 AND active_hash IS NOT NULL";
    SEQUENCES = "SELECT id, active_hash, paused_at, pause_reason FROM sequence ORDER BY id";
    SEQUENCE_GET = "SELECT id, active_hash, paused_at, pause_reason FROM sequence WHERE id = $1";
    #[hot] VERSION_GET = "SELECT sequence, body FROM sequence_version WHERE hash = $1";
    SEQUENCE_PAUSE = "UPDATE sequence SET paused_at = $2, pause_reason = $3 WHERE id = $1 AND paused_at IS NULL";
    SEQUENCE_RESUME = "UPDATE sequence SET paused_at = NULL, pause_reason = NULL WHERE id = $1 AND paused_at IS NOT NULL";
    RENAME_ENROLLMENTS = "UPDATE enrollment SET sequence = $2 WHERE sequence = $1";
    RENAME_RESERVATIONS = "UPDATE reservation SET sequence = $2 WHERE sequence = $1";
    RENAME_VERSIONS = "UPDATE sequence_version SET sequence = $2 WHERE sequence = $1";
    PAUSE = "INSERT INTO pause (scope, reason, at) VALUES ($1, $2, $3) ON CONFLICT (scope) DO NOTHING";
    UNPAUSE = "DELETE FROM pause WHERE scope = $1";
    // Rounds over runs stand beside them.
    PAUSES = "SELECT scope, reason, at FROM pause WHERE scope NOT LIKE 'hold:%' AND scope NOT LIKE 'wake:%' ORDER BY scope";
}

/// The statements of this file and of those beside it.
pub(super) fn statement_lists() -> Vec<&'static Sql> {
    [
        STATEMENTS,
        enrollment::STATEMENTS,
        measure::STATEMENTS,
        migration::STATEMENTS,
        person::STATEMENTS,
        reservation::STATEMENTS,
        round::STATEMENTS,
    ]
    .concat()
}

/// Multi-row texts, likewise.
pub(super) fn many_lists() -> Vec<&'static super::dialect::Many> {
    [enrollment::MANY, reservation::MANY].concat()
}
