//! Tasks: made by steps, rules and people, done by people. A task that a step waits for lets its run go on.

use serde_json::json;

use super::signal::{self, Signal};
use crate::clock::Clock;
use crate::domain::ids::{EnrollmentId, InfluencerId, MessageId, TaskId};
use crate::domain::time::Micros;
use crate::domain::words::{EventType, TaskKind, TaskState};
use crate::store::task::TaskRow;
use crate::store::{StoreError, Tx};

/// A task to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
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
}

impl Default for NewTask {
    fn default() -> Self {
        Self {
            influencer_id: None,
            enrollment_id: None,
            step: None,
            kind: TaskKind::ByHand,
            text: String::new(),
            assignee: None,
            fills: None,
            message_id: None,
            due_at: None,
            expires_at: None,
        }
    }
}

/// Makes a task.
pub async fn create(tx: &mut Tx, clock: &Clock, new: NewTask) -> Result<TaskId, StoreError> {
    let id = TaskId(clock.new_id());
    let now = clock.now();
    let row = TaskRow {
        id,
        influencer_id: new.influencer_id,
        enrollment_id: new.enrollment_id,
        step: new.step,
        kind: new.kind,
        text: new.text,
        assignee: new.assignee,
        fills: new.fills,
        message_id: new.message_id,
        due_at: new.due_at,
        expires_at: new.expires_at,
        state: TaskState::Open,
        answer: None,
        created_at: now,
        completed_at: None,
        completed_by: None,
    };
    tx.insert_task(&row).await?;
    let data = json!({"task_id": id, "kind": row.kind, "text": row.text, "enrollment_id": row.enrollment_id, "step": row.step});
    let made = Signal {
        what: EventType::TaskCreated,
        influencer: row.influencer_id,
        message: row.message_id,
        at: now,
        data: Some(data),
    };
    signal::record(tx, clock, vec![made]).await?;
    Ok(id)
}

/// A task is done, with the answer where it asked for one; `false` where it was over. A run that waits for it goes on.
pub async fn complete(
    tx: &mut Tx,
    clock: &Clock,
    id: TaskId,
    (answer, by): (Option<&str>, &str),
) -> Result<bool, StoreError> {
    let Some(task) = tx.lock_task(id).await? else { return Ok(false) };
    let now = clock.now();
    if !tx.end_task(id, TaskState::Done, answer, (by, now)).await? {
        return Ok(false);
    }
    let data =
        json!({"task_id": id, "by": by, "answer": answer, "enrollment_id": task.enrollment_id, "step": task.step});
    let done = Signal {
        what: EventType::TaskCompleted,
        influencer: task.influencer_id,
        message: task.message_id,
        at: now,
        data: Some(data),
    };
    signal::record(tx, clock, vec![done]).await?;
    if let (Some(run), Some(step)) = (task.enrollment_id, &task.step) {
        super::outreach::task_done(tx, clock, run, step, (task.fills.as_deref(), answer)).await?;
    }
    Ok(true)
}
