//! Tasks: what a person is to do, for whom, until when.

use super::sql::statements;
use super::value::values;
use super::{StoreError, Tx};
use crate::domain::ids::{EnrollmentId, InfluencerId, MessageId, TaskId};
use crate::domain::time::Micros;
use crate::domain::words::{TaskKind, TaskState};

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct TaskRow {
    /// Its id.
    pub id: TaskId,
    /// Whom it is about.
    pub influencer_id: Option<InfluencerId>,
    /// The run that waits for it, or that made it.
    pub enrollment_id: Option<EnrollmentId>,
    /// The step of that run.
    pub step: Option<String>,
    /// Why there is a task.
    pub kind: TaskKind,
    /// What is to be done.
    pub text: String,
    /// The teammate who is to do it.
    pub assignee: Option<String>,
    /// The variable its answer becomes.
    pub fills: Option<String>,
    /// The message it is about.
    pub message_id: Option<MessageId>,
    /// Late after this.
    pub due_at: Option<Micros>,
    /// Given up after this.
    pub expires_at: Option<Micros>,
    /// How it stands.
    pub state: TaskState,
    /// The answer.
    pub answer: Option<String>,
    /// When it was made.
    pub created_at: Micros,
    /// When it ended.
    pub completed_at: Option<Micros>,
    /// Who ended it.
    pub completed_by: Option<String>,
}

/// An open question whether something was a no.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct OpenRefusal {
    /// Of whom it is asked; nobody where it is one of several.
    pub influencer_id: Option<InfluencerId>,
    /// About which message; none where it was erased since.
    pub message_id: Option<MessageId>,
    /// Who wrote that.
    pub author_address: Option<String>,
}

impl Tx {
    /// Writes a task.
    pub async fn insert_task(&mut self, t: &TaskRow) -> Result<(), StoreError> {
        let values = values![
            t.id,
            t.influencer_id,
            t.enrollment_id,
            t.step.clone(),
            t.kind,
            t.text.clone(),
            t.assignee.clone(),
            t.fills.clone(),
            t.message_id,
            t.due_at,
            t.expires_at,
            t.state,
            t.created_at
        ];
        self.exec(&INSERT, values).await?;
        Ok(())
    }

    /// One task, locked until the end of the transaction.
    pub async fn lock_task(&mut self, id: TaskId) -> Result<Option<TaskRow>, StoreError> {
        self.opt(&LOCK, values![id]).await
    }

    /// The version of a task: grows with every change.
    pub async fn task_version(&mut self, id: TaskId) -> Result<i64, StoreError> {
        let row: Option<(i64,)> = self.opt(&VERSION, values![id]).await?;
        Ok(row.map_or(0, |(version,)| version))
    }

    /// Why there is a task; nothing is locked.
    pub async fn task_kind(&mut self, id: TaskId) -> Result<Option<TaskKind>, StoreError> {
        let row: Option<(TaskKind,)> = self.opt(&KIND, values![id]).await?;
        Ok(row.map(|(kind,)| kind))
    }

    /// Changes what an open task says, who is to do it and until when.
    pub async fn update_task(&mut self, t: &TaskRow) -> Result<(), StoreError> {
        self.exec(&UPDATE, values![t.id, t.text.clone(), t.assignee.clone(), t.due_at]).await?;
        Ok(())
    }

    /// Ends an open task; `false` where it was over.
    pub async fn end_task(
        &mut self,
        id: TaskId,
        state: TaskState,
        answer: Option<&str>,
        (by, at): (&str, Micros),
    ) -> Result<bool, StoreError> {
        Ok(self.exec(&END, values![id, state, answer, by, at]).await? > 0)
    }

    /// Whether there ever was a task of this kind about a message and this influencer, or about the message alone.
    pub async fn has_task_about(
        &mut self,
        message: MessageId,
        kind: TaskKind,
        influencer: Option<InfluencerId>,
    ) -> Result<bool, StoreError> {
        let row: Option<(TaskId,)> = self.opt(&ABOUT, values![message, kind, influencer]).await?;
        Ok(row.is_some())
    }

    /// The same, of those that are open.
    pub async fn has_open_task_about(
        &mut self,
        message: MessageId,
        kind: TaskKind,
        influencer: Option<InfluencerId>,
    ) -> Result<bool, StoreError> {
        let row: Option<(TaskId,)> = self.opt(&ABOUT_OPEN, values![message, kind, influencer]).await?;
        Ok(row.is_some())
    }

    /// Whether a task of this kind is open for an influencer.
    pub async fn has_open_task(&mut self, influencer: InfluencerId, kind: TaskKind) -> Result<bool, StoreError> {
        let row: Option<(TaskId,)> = self.opt(&OPEN_OF_KIND, values![influencer, kind]).await?;
        Ok(row.is_some())
    }

    /// What the open tasks of this kind ask for an influencer.
    pub async fn list_open_texts(
        &mut self,
        influencer: InfluencerId,
        kind: TaskKind,
    ) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(String,)> = self.all(&OPEN_TEXTS, values![influencer, kind]).await?;
        Ok(rows.into_iter().map(|(text,)| text).collect())
    }

    /// The open tasks of this kind about a message and nobody in particular, locked until the end of the transaction.
    pub async fn lock_tasks_about(&mut self, message: MessageId, kind: TaskKind) -> Result<Vec<TaskId>, StoreError> {
        let rows: Vec<(TaskId,)> = self.all(&LOCK_ABOUT, values![message, kind]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// The open questions whether something was a no: whom each is asked of (nobody where it is one of several), about which message, and
    /// who wrote that.
    pub async fn list_open_refusals(&mut self) -> Result<Vec<OpenRefusal>, StoreError> {
        self.all(&OPEN_REFUSALS, values![]).await
    }

    /// Asks of somebody else what is asked of these about a message.
    pub async fn give_refusals(
        &mut self,
        message: MessageId,
        from: Vec<InfluencerId>,
        to: InfluencerId,
    ) -> Result<u64, StoreError> {
        self.exec(&GIVE_REFUSALS, values![message, from, to]).await
    }

    /// Cancels the open tasks of these runs.
    pub async fn cancel_tasks_of(&mut self, runs: Vec<EnrollmentId>, at: Micros) -> Result<u64, StoreError> {
        self.exec(&CANCEL_OF, values![runs, at]).await
    }
}

statements! {
    #[hot] INSERT = "INSERT INTO task (id, influencer_id, enrollment_id, step, kind, text, assignee, fills, message_id, due_at, expires_at, \
        state, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    #[hot] ABOUT = "SELECT id FROM task WHERE message_id = $1 AND kind = $2 AND influencer_id IS NOT DISTINCT FROM $3::uuid LIMIT 1";
    #[hot] ABOUT_OPEN = "SELECT id FROM task WHERE message_id = $1 AND kind = $2 AND influencer_id IS NOT DISTINCT FROM $3::uuid \
        AND state = 'open' LIMIT 1";
    #[hot] LOCK_ABOUT = "SELECT id FROM task WHERE message_id = $1 AND kind = $2 AND influencer_id IS NULL AND state = 'open' FOR UPDATE";
    #[hot] OPEN_OF_KIND = "SELECT id FROM task WHERE influencer_id = $1 AND kind = $2 AND state = 'open' LIMIT 1";
    #[hot] OPEN_TEXTS = "SELECT text FROM task WHERE influencer_id = $1 AND kind = $2 AND state = 'open' ORDER BY id LIMIT 100";
    #[hot] OPEN_REFUSALS = "SELECT t.influencer_id, t.message_id, m.author_address FROM task t LEFT JOIN message m ON m.id = t.message_id \
        WHERE t.state = 'open' AND t.kind = 'refusal' AND (t.message_id IS NOT NULL OR t.influencer_id IS NOT NULL) ORDER BY t.id";
    #[hot] GIVE_REFUSALS = "UPDATE task SET influencer_id = $3, version = version + 1 WHERE message_id = $1 AND influencer_id = ANY($2::uuid[]) \
        AND state = 'open' AND kind = 'refusal'";
    #[hot] LOCK = "SELECT id, influencer_id, enrollment_id, step, kind, text, assignee, fills, message_id, due_at, expires_at, state, answer, \
        created_at, completed_at, completed_by FROM task WHERE id = $1 FOR UPDATE";
    #[hot] KIND = "SELECT kind FROM task WHERE id = $1";
    #[hot] VERSION = "SELECT version FROM task WHERE id = $1";
    #[hot] UPDATE = "UPDATE task SET text = $2, assignee = $3, due_at = $4, version = version + 1 WHERE id = $1 AND state = 'open'";
    #[hot] END = "UPDATE task SET state = $2, answer = $3, completed_by = $4, completed_at = $5, version = version + 1 WHERE id = $1 AND state = 'open'";
    #[hot] CANCEL_OF = "UPDATE task SET state = 'cancelled', completed_at = $2, version = version + 1 WHERE enrollment_id = ANY($1::uuid[]) AND state = 'open' AND kind = 'step'";
}
