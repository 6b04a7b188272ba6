//! Tasks as they are read: what is to be done, the most urgent first.

use serde::Serialize;

use super::{Order, Page, Place, Slice};
use crate::domain::ids::{EnrollmentId, InfluencerId, MessageId, TaskId};
use crate::domain::time::Micros;
use crate::domain::words::{TaskKind, TaskState};
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// Which tasks are wanted; what is `None` does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFilter {
    /// How they stand.
    pub state: TaskState,
    /// Who is to do them.
    pub assignee: Option<String>,
    /// Why they are there.
    pub kind: Option<TaskKind>,
    /// Whom they are about.
    pub influencer: Option<InfluencerId>,
    /// Due before this instant.
    pub due_before: Option<Micros>,
}

impl Default for TaskFilter {
    fn default() -> Self {
        Self { state: TaskState::Open, assignee: None, kind: None, influencer: None, due_before: None }
    }
}

/// A task as programs outside see one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow, schemars::JsonSchema)]
pub struct TaskView {
    /// Its id.
    pub id: TaskId,
    /// How it stands.
    pub state: TaskState,
    /// Why there is a task.
    pub kind: TaskKind,
    /// What is to be done.
    pub text: String,
    /// Whom it is about.
    pub influencer_id: Option<InfluencerId>,
    /// What the team calls them.
    pub influencer_handle: Option<String>,
    /// The message it is about.
    pub message_id: Option<MessageId>,
    /// The run that waits for it, or that made it.
    pub enrollment_id: Option<EnrollmentId>,
    /// The step of that run.
    pub step: Option<String>,
    /// The variable its answer becomes.
    pub fills: Option<String>,
    /// The teammate who is to do it.
    pub assignee: Option<String>,
    /// Late after this.
    pub due_at: Option<Micros>,
    /// Whether it is open and late.
    pub late: bool,
    /// Given up after this.
    pub expires_at: Option<Micros>,
    /// The answer.
    pub answer: Option<String>,
    /// When it was made.
    pub created_at: Micros,
    /// When it ended.
    pub completed_at: Option<Micros>,
    /// Who ended it.
    pub completed_by: Option<String>,
    /// Grows with every change; `If-Match` takes it.
    pub version: i64,
}

impl Tx {
    /// Tasks, what is due first; what is never due comes last, in the order in which it was made.
    pub async fn list_tasks(
        &mut self,
        filter: &TaskFilter,
        now: Micros,
        page: Page,
    ) -> Result<Slice<TaskView>, StoreError> {
        let page = Page { order: Order::OldestFirst, ..page };
        let from = page.from();
        let TaskFilter { state, assignee, kind, influencer, due_before } = filter.clone();
        let mut bound = values![from.at, from.id, page.fetch(), state, now, assignee, kind, due_before];
        let rows: Vec<TaskView> = if let Some(id) = influencer {
            bound.extend(values![id]);
            self.all(&TASKS_OF_INFLUENCER, bound).await?
        } else {
            self.all(&TASKS, bound).await?
        };
        Ok(page.cut(rows, |t: &TaskView| Place { at: t.due_at.unwrap_or(Micros(i64::MAX)), id: t.id.0 }))
    }

    /// Some tasks.
    pub(super) async fn list_task_views(
        &mut self,
        ids: Vec<uuid::Uuid>,
        now: Micros,
    ) -> Result<Vec<TaskView>, StoreError> {
        self.all(&TASKS_BY_ID, values![ids, now]).await
    }

    /// One task.
    pub async fn get_task_view(&mut self, id: TaskId, now: Micros) -> Result<Option<TaskView>, StoreError> {
        self.opt(&TASK, values![id, now]).await
    }
}

macro_rules! task_columns {
    ($now:literal) => {
        concat!(
            "SELECT t.id, t.state, t.kind, t.text, t.influencer_id, i.handle AS influencer_handle, t.message_id, \
             t.enrollment_id, t.step, t.fills, t.assignee, t.due_at, \
             (t.state = 'open' AND t.due_at IS NOT NULL AND t.due_at < ",
            $now,
            ") AS late, t.expires_at, t.answer, t.created_at, t.completed_at, t.completed_by, t.version \
             FROM task t LEFT JOIN influencer i ON i.id = t.influencer_id "
        )
    };
}
/// The place of a task: the far end of time where it is never due.
macro_rules! due {
    () => {
        "COALESCE(t.due_at, 9223372036854775807)"
    };
}

statements! {
    #[hot] TASK = concat!(task_columns!("$2"), "WHERE t.id = $1");
    #[hot] TASKS = concat!(task_columns!("$5"), "WHERE t.state = $4 AND (", due!(), ", t.id) > ($1, $2) \
        AND ($6::text IS NULL OR t.assignee = $6) AND ($7::text IS NULL OR t.kind = $7) \
        AND ($8::bigint IS NULL OR t.due_at < $8) ORDER BY ", due!(), ", t.id LIMIT $3");
    #[hot] TASKS_BY_ID = concat!(task_columns!("$2"), "WHERE t.id = ANY($1::uuid[])");
    #[hot] TASKS_OF_INFLUENCER = concat!(task_columns!("$5"), "WHERE t.influencer_id = $9 AND t.state = $4 \
        AND (", due!(), ", t.id) > ($1, $2) AND ($6::text IS NULL OR t.assignee = $6) AND ($7::text IS NULL OR t.kind = $7) \
        AND ($8::bigint IS NULL OR t.due_at < $8) ORDER BY ", due!(), ", t.id LIMIT $3");
}
