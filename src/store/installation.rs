//! Which installation a database belongs to, whether it may send, and the definitions that are in force.

use super::sql::statements;
use super::value::values;
use super::{StoreError, Tx};
use crate::domain::time::Micros;
use uuid::Uuid;

/// The one row that says whose database this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Installation {
    /// Made when the database was; a copy has the same.
    pub id: Uuid,
    /// Sending waits for a person's word.
    pub held: bool,
}

impl Tx {
    /// The installation; none in a new database.
    pub async fn get_installation(&mut self) -> Result<Option<Installation>, StoreError> {
        self.opt(&INSTALLATION_GET, values![]).await
    }

    /// Writes the one row of a new database.
    pub async fn insert_installation(&mut self, id: Uuid, at: Micros) -> Result<(), StoreError> {
        self.exec(&INSTALLATION_INSERT, values![id, at]).await?;
        Ok(())
    }

    /// Where this database was moved to, whence it is not to send any more.
    pub async fn get_moved_to(&mut self) -> Result<Option<String>, StoreError> {
        let row: Option<(Option<String>,)> = self.opt(&INSTALLATION_MOVED, values![]).await?;
        Ok(row.and_then(|(to,)| to))
    }

    /// Forgets that it was moved.
    pub async fn forget_move(&mut self) -> Result<(), StoreError> {
        self.exec(&INSTALLATION_MOVE_FORGET, values![]).await?;
        Ok(())
    }

    /// Holds or releases all sending.
    pub async fn set_installation_held(&mut self, held: bool) -> Result<(), StoreError> {
        self.exec(&INSTALLATION_HOLD, values![held]).await?;
        Ok(())
    }

    /// Keeps a definition (stages, a sequence) by its content hash and puts it in force.
    pub async fn publish_definition(
        &mut self,
        kind: &str,
        hash: &str,
        body: &str,
        at: Micros,
    ) -> Result<(), StoreError> {
        self.exec(&DEFINITION_INSERT, values![hash, kind, body, at]).await?;
        self.exec(&DEFINITION_ACTIVATE, values![kind, hash, at]).await?;
        Ok(())
    }

    /// The definition of this kind that is in force: its hash and body.
    pub async fn active_definition(&mut self, kind: &str) -> Result<Option<(String, String)>, StoreError> {
        self.opt(&DEFINITION_ACTIVE, values![kind]).await
    }

    /// The hash of the definition of this kind that is in force.
    pub async fn active_definition_hash(&mut self, kind: &str) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = self.opt(&DEFINITION_ACTIVE_HASH, values![kind]).await?;
        Ok(row.map(|(hash,)| hash))
    }
}

statements! {
    #[hot] DEFINITION_ACTIVE_HASH = "SELECT hash FROM active_definition WHERE kind = $1";
    INSTALLATION_GET = "SELECT id, held FROM installation LIMIT 1";
    INSTALLATION_INSERT = "INSERT INTO installation (id, installed_at, held) VALUES ($1, $2, FALSE)";
    INSTALLATION_MOVED = "SELECT moved_to FROM installation LIMIT 1";
    INSTALLATION_MOVE_FORGET = "UPDATE installation SET moved_to = NULL";
    INSTALLATION_HOLD = "UPDATE installation SET held = $1";
    DEFINITION_INSERT = "INSERT INTO definition (hash, kind, body, at) VALUES ($1, $2, $3, $4) ON CONFLICT (hash) DO NOTHING";
    DEFINITION_ACTIVATE = "INSERT INTO active_definition (kind, hash, at) VALUES ($1, $2, $3) \
        ON CONFLICT (kind) DO UPDATE SET hash = excluded.hash, at = excluded.at";
    DEFINITION_ACTIVE = "SELECT d.hash, d.body FROM active_definition a JOIN definition d ON d.hash = a.hash WHERE a.kind = $1";
}
