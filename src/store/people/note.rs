//! Notes on a timeline.

use crate::domain::ids::{InfluencerId, NoteId};
use crate::domain::people::Note;
use crate::domain::time::Micros;
use crate::store::dialect::Many;
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

#[derive(sqlx::FromRow)]
struct NoteRow {
    id: NoteId,
    influencer_id: InfluencerId,
    author: String,
    text: String,
    at: Micros,
}

const NOTES: Many = Many { head: "INSERT INTO note (id, influencer_id, author, text, at)", columns: 5, tail: "" };

impl Tx {
    /// Adds a note.
    pub async fn insert_note(&mut self, note: &Note) -> Result<(), StoreError> {
        let row = values![note.id, note.influencer_id, &note.author, &note.text, note.at];
        self.insert_many(&NOTES, row).await?;
        Ok(())
    }

    /// Gives a note other words: its author changed them where they were written.
    pub async fn set_note_text(&mut self, id: NoteId, text: &str) -> Result<(), StoreError> {
        self.exec(&NOTE_TEXT, values![id, text]).await?;
        Ok(())
    }

    /// Takes a note away: its author took it back where it was written.
    pub async fn delete_note(&mut self, id: NoteId) -> Result<(), StoreError> {
        self.exec(&NOTE_DELETE, values![id]).await?;
        Ok(())
    }

    /// Notes about one influencer before a place in time, newest first.
    pub async fn list_timeline_notes(
        &mut self,
        influencer: InfluencerId,
        before: (Micros, uuid::Uuid),
        limit: i64,
    ) -> Result<Vec<Note>, StoreError> {
        let rows: Vec<NoteRow> = self.all(&NOTES_TIMELINE, values![influencer, before.0, before.1, limit]).await?;
        let read =
            |r: NoteRow| Note { id: r.id, influencer_id: r.influencer_id, author: r.author, text: r.text, at: r.at };
        Ok(rows.into_iter().map(read).collect())
    }
}

statements! {
    #[hot] NOTE_TEXT = "UPDATE note SET text = $2 WHERE id = $1";
    #[hot] NOTE_DELETE = "DELETE FROM note WHERE id = $1";
    #[hot] NOTES_TIMELINE = "SELECT id, influencer_id, author, text, at FROM note \
        WHERE influencer_id = $1 AND (at, id) < ($2, $3) ORDER BY at DESC, id DESC LIMIT $4";
}

/// Multi-row texts of this file, for the tests.
pub(in crate::store) static MANY: &[&Many] = &[&NOTES];
