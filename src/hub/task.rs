//! Tasks: made by steps, rules and people, done by people. A task that a step waits for lets its run go on.

use serde_json::json;

use super::people::PeopleError;
use super::signal::{self, Signal};
use crate::clock::Clock;
use crate::domain::ids::{EnrollmentId, InfluencerId, MessageId, TaskId};
use crate::domain::time::Micros;
use crate::domain::words::{EventType, TaskKind, TaskState};
use crate::store::task::TaskRow;
use crate::store::{StoreError, Tx};

mod question;

/// Characters of what is to be done, and of an answer.
const TEXT_MAX: usize = 4_000;

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

/// What the definition of the team is kept as.
pub const TEAM: &str = "team";

/// Who may be asked to do something, as the configuration says.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Team {
    /// Who does what nobody else does.
    pub default_owner: Option<String>,
    /// Everybody.
    pub teammates: Vec<String>,
}

/// Who does what a rule asks about somebody with this owner: the owner, or who does what nobody else does where there is none or
/// they are not in the team any more.
async fn assignee_for(tx: &mut Tx, owner: Option<String>) -> Result<Option<String>, StoreError> {
    let Some((_, body)) = tx.active_definition(TEAM).await? else { return Ok(owner) };
    let team: Team =
        serde_json::from_str(&body).map_err(|error| StoreError::Damaged(format!("the published team: {error}")))?;
    Ok(owner.filter(|owner| team.teammates.contains(owner)).or(team.default_owner))
}

/// Makes a task that a rule asks for: whoever looks after whom it is about is to do it.
pub async fn create_by_rule(tx: &mut Tx, clock: &Clock, new: NewTask) -> Result<TaskId, StoreError> {
    let owner = match new.influencer_id {
        Some(id) => tx.get_influencer(id).await?.and_then(|influencer| influencer.owner),
        None => None,
    };
    let assignee = assignee_for(tx, owner).await?;
    create(tx, clock, NewTask { assignee, ..new }).await
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

/// Why a task was not made, done or cancelled.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// There is no such task.
    #[error("there is no task `{0}`")]
    Unknown(TaskId),
    /// It is over.
    #[error("the task {id} is {state} already")]
    Over {
        /// Which.
        id: TaskId,
        /// How it stands.
        state: TaskState,
    },
    /// It was changed since it was seen.
    #[error("the task {id} was changed meanwhile: it is at version {version} now; read it again")]
    Changed {
        /// Which.
        id: TaskId,
        /// Its version now.
        version: i64,
    },
    /// It asks for an answer, which becomes a variable.
    #[error("the task {id} asks for an answer (`{fills}`): say it, for without it nothing goes on")]
    NoAnswer {
        /// Which.
        id: TaskId,
        /// What the answer becomes.
        fills: String,
    },
    /// It asks something that nothing goes on without, and that was not answered.
    #[error("the task {id} {asks}")]
    Question {
        /// Which.
        id: TaskId,
        /// What it asks, and how that is answered.
        asks: String,
    },
    /// A text that is empty or too long.
    #[error("{field}: {reason}")]
    Text {
        /// Which.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// There is no such influencer.
    #[error("there is no influencer `{0}`")]
    NoInfluencer(InfluencerId),
    /// What an answer says of a person can't be done.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn check(field: &'static str, text: &str) -> Result<String, TaskError> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > TEXT_MAX {
        return Err(TaskError::Text { field, reason: format!("between 1 and {TEXT_MAX} characters") });
    }
    Ok(text.to_owned())
}

/// A person makes a task.
///
/// # Errors
/// [`TaskError::Text`], [`TaskError::NoInfluencer`].
pub async fn add(tx: &mut Tx, clock: &Clock, mut new: NewTask) -> Result<TaskId, TaskError> {
    let text = check("text", &new.text)?;
    let assignee = new.assignee.as_deref().map(|a| check("assignee", a)).transpose()?;
    if let Some(id) = new.influencer_id {
        if tx.get_influencer(id).await?.is_none() {
            return Err(TaskError::NoInfluencer(id));
        }
        new.influencer_id = Some(super::people::survivor(tx, id).await?);
    }
    Ok(create(tx, clock, NewTask { text, assignee, ..new }).await?)
}

/// A person did a task; `version` is the one that was seen, where that matters.
///
/// # Errors
/// [`TaskError::Unknown`], [`TaskError::Over`], [`TaskError::NoAnswer`] where it asks for one, [`TaskError::Question`],
/// [`TaskError::Text`].
pub async fn finish(
    tx: &mut Tx,
    clock: &Clock,
    (id, version): (TaskId, Option<i64>),
    (answer, by): (Option<&str>, &str),
) -> Result<(), TaskError> {
    question::lock_first(tx, id).await?;
    let task = lock_seen(tx, id, version).await?;
    let answer = answer.filter(|a| !a.trim().is_empty()).map(|a| check("answer", a)).transpose()?;
    if let (Some(fills), None) = (&task.fills, &answer) {
        return Err(TaskError::NoAnswer { id, fills: fills.clone() });
    }
    let held = match question::asked(tx, &task).await? {
        // A task that is ticked off lets nobody go on after what may be their no.
        Some(question) => question.answer(tx, clock, &task, (answer.as_deref(), by)).await?,
        None => None,
    };
    complete(tx, clock, id, (answer.as_deref(), by)).await?;
    if let Some(held) = held {
        held.let_go(tx, clock).await?;
    }
    Ok(())
}

/// What is to change of a task; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::option_option, reason = "not said, said to be nothing, and a value are three things")]
pub struct TaskChange {
    /// What is to be done.
    pub text: Option<String>,
    /// The teammate who is to do it.
    pub assignee: Option<Option<String>>,
    /// Late after this.
    pub due_at: Option<Option<Micros>>,
}

/// A person changes an open task. `version` is the one that was seen.
///
/// # Errors
/// [`TaskError::Unknown`], [`TaskError::Over`], [`TaskError::Changed`], [`TaskError::Text`].
pub async fn change(tx: &mut Tx, id: TaskId, (change, version): (TaskChange, Option<i64>)) -> Result<(), TaskError> {
    let mut task = lock_seen(tx, id, version).await?;
    if let Some(text) = change.text {
        task.text = check("text", &text)?;
    }
    if let Some(assignee) = change.assignee {
        task.assignee = assignee.as_deref().map(|a| check("assignee", a)).transpose()?;
    }
    if let Some(due_at) = change.due_at {
        task.due_at = due_at;
    }
    tx.update_task(&task).await?;
    Ok(())
}

/// An open task, locked, where it is as it was seen.
async fn lock_seen(tx: &mut Tx, id: TaskId, seen: Option<i64>) -> Result<TaskRow, TaskError> {
    let task = tx.lock_task(id).await?.ok_or(TaskError::Unknown(id))?;
    let version = tx.task_version(id).await?;
    if seen.is_some_and(|seen| seen != version) {
        return Err(TaskError::Changed { id, version });
    }
    if task.state == TaskState::Open { Ok(task) } else { Err(TaskError::Over { id, state: task.state }) }
}

/// A person takes a task away that is not to be done any more; `by` says who. A task of a step is done or skipped, never
/// taken away: its run would wait for ever.
///
/// # Errors
/// [`TaskError::Unknown`], [`TaskError::Over`], [`TaskError::Question`]; [`TaskError::Text`] for the task of a step.
pub async fn cancel(
    tx: &mut Tx,
    clock: &Clock,
    (id, version): (TaskId, Option<i64>),
    by: &str,
) -> Result<(), TaskError> {
    question::lock_first(tx, id).await?;
    let task = lock_seen(tx, id, version).await?;
    if task.kind == TaskKind::Step {
        let reason = "a step of a sequence waits for it; do it, or skip the step".to_owned();
        return Err(TaskError::Text { field: "task", reason });
    }
    if let Some(question) = question::asked(tx, &task).await? {
        return Err(question.unanswered(&task));
    }
    tx.end_task(id, TaskState::Cancelled, None, (by, clock.now())).await?;
    Ok(())
}
