//! Runs of sequences and what became of their steps.
//!
//! A run is looked at when `next_at` has come; looking too early does no harm. `held_at` is since when time stands still
//! for it, for whatever reason.

use uuid::Uuid;

use crate::domain::ids::{EnrollmentId, InfluencerId, MessageId, TaskId};
use crate::domain::time::Micros;
use crate::domain::words::{EnrollmentState, OutboxStatus, Phase, StepState};
use crate::store::dialect::Many;
use crate::store::outbox::claim::{free, read};
use crate::store::sql::statements;
use crate::store::value::{Value, values};
use crate::store::{StoreError, Tx};

/// One influencer's run of one sequence.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct EnrollmentRow {
    /// Its id.
    pub id: EnrollmentId,
    /// The sequence.
    pub sequence: String,
    /// The version it is pinned to.
    pub version: String,
    /// Whose it is.
    pub influencer_id: InfluencerId,
    /// Which run of this sequence it is for them, from 1.
    pub run: i64,
    /// The account they hear from.
    pub account: String,
    /// How it stands.
    pub state: EnrollmentState,
    /// The step that is next or under way; none at the end.
    pub step: Option<String>,
    /// What it waits for.
    pub phase: Phase,
    /// When the step above was completed; the delay counts from here.
    pub anchor_at: Micros,
    /// When it is to be looked at.
    pub next_at: Option<Micros>,
    /// Whether nothing of it was sent yet.
    pub first: bool,
    /// What it waits for, in words.
    pub waiting_for: Option<String>,
    /// Since when time stands still for it.
    pub held_at: Option<Micros>,
    /// Why it ended.
    pub exit_reason: Option<String>,
    /// Variables that people filled in.
    #[sqlx(json)]
    pub filled: serde_json::Map<String, serde_json::Value>,
    /// When it began.
    pub started_at: Micros,
    /// When it ended.
    pub ended_at: Option<Micros>,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct StepRow {
    /// The run.
    pub enrollment_id: EnrollmentId,
    /// The step.
    pub step: String,
    /// How it stands.
    pub state: StepState,
    /// `email`, `task`, `wait_for`.
    pub kind: String,
    /// The template that was chosen.
    pub variant: Option<String>,
    /// For when it was planned.
    pub planned_at: Option<Micros>,
    /// What moved it there.
    #[sqlx(json(nullable))]
    pub shifts: Option<serde_json::Value>,
    /// When it was done, sent or skipped.
    pub completed_at: Option<Micros>,
    /// Its message.
    pub message_id: Option<MessageId>,
    /// Its task.
    pub task_id: Option<TaskId>,
    /// Why it was skipped, or what else there is to say.
    pub reason: Option<String>,
    /// When a person first opened it.
    pub opened_at: Option<Micros>,
    /// When a person first clicked in it.
    pub clicked_at: Option<Micros>,
    /// When they answered it.
    pub replied_at: Option<Micros>,
}

/// A row of the outbox that belongs to a run.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct StepMail {
    /// The message.
    pub id: MessageId,
    /// The run.
    pub enrollment_id: EnrollmentId,
    /// The step.
    pub step: String,
    /// The account it leaves from: of a channel that is no mail, another than that of its run.
    pub account: String,
    /// How the message stands.
    pub status: OutboxStatus,
    /// For when it is planned.
    pub due_at: Micros,
}

const INSERT: Many = Many {
    head: "INSERT INTO enrollment (id, sequence, version, influencer_id, run, account, state, step, phase, anchor_at, next_at, first, \
        waiting_for, held_at, exit_reason, filled, started_at, ended_at, updated_at)",
    columns: 19,
    tail: "ON CONFLICT DO NOTHING",
};
const STEPS: Many = Many {
    head: "INSERT INTO enrollment_step (enrollment_id, step, state, kind, variant, planned_at, shifts, completed_at, message_id, task_id, \
        reason, opened_at, clicked_at, replied_at)",
    columns: 14,
    tail: "ON CONFLICT (enrollment_id, step) DO UPDATE SET kind = excluded.kind, variant = excluded.variant, planned_at = excluded.planned_at, \
        shifts = excluded.shifts, message_id = excluded.message_id, task_id = excluded.task_id, state = excluded.state, \
        completed_at = excluded.completed_at, reason = excluded.reason WHERE enrollment_step.state = 'planned' AND enrollment_step.message_id IS NULL",
};

fn row_values(r: EnrollmentRow, now: Micros) -> Vec<Value> {
    values![
        r.id,
        r.sequence,
        r.version,
        r.influencer_id,
        r.run,
        r.account,
        r.state,
        r.step,
        r.phase,
        r.anchor_at,
        r.next_at,
        r.first,
        r.waiting_for,
        r.held_at,
        r.exit_reason,
        serde_json::Value::Object(r.filled),
        r.started_at,
        r.ended_at,
        now
    ]
}

impl Tx {
    /// Begins runs; one that would be a second live one of the same influencer and sequence is left out. How many began.
    pub async fn insert_enrollments(&mut self, rows: Vec<EnrollmentRow>, now: Micros) -> Result<u64, StoreError> {
        let rows = rows.into_iter().flat_map(|r| row_values(r, now)).collect();
        self.insert_many(&INSERT, rows).await
    }

    /// Writes a run that the caller has locked.
    pub async fn update_enrollment(&mut self, r: EnrollmentRow, now: Micros) -> Result<(), StoreError> {
        let filled = serde_json::Value::Object(r.filled);
        let values = values![
            r.id,
            r.version,
            r.state,
            r.step,
            r.phase,
            r.anchor_at,
            r.next_at,
            r.first,
            r.waiting_for,
            r.held_at,
            r.exit_reason,
            filled,
            r.ended_at,
            now,
            r.account
        ];
        self.exec(&UPDATE, values).await?;
        Ok(())
    }

    /// Writes what runs that the caller has locked wait for, each named once: their phase, from where they count, when they are
    /// looked at, in which words and since when time stands still. All else of them stays, and so do the indexes on it.
    pub async fn move_enrollments(&mut self, rows: Vec<EnrollmentRow>, now: Micros) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let rows: serde_json::Value = rows
            .into_iter()
            .map(|r| {
                serde_json::json!({
                    "id": r.id.0.simple().to_string(),
                    "phase": r.phase.to_string(),
                    "anchor_at": r.anchor_at.0,
                    "next_at": r.next_at.map(|at| at.0),
                    // PostgreSQL's JSON has no NUL.
                    "waiting_for": r.waiting_for.map(|text| text.replace('\0', "\u{fffd}")),
                    "held_at": r.held_at.map(|at| at.0),
                })
            })
            .collect();
        self.exec(&MOVE_MANY, values![rows, now]).await?;
        Ok(())
    }

    /// Runs that are to be looked at, locked until the end of the transaction: those that sent something already come
    /// first. Those that another node has locked are left to it.
    pub async fn lock_due_enrollments(&mut self, now: Micros, at_most: i64) -> Result<Vec<EnrollmentRow>, StoreError> {
        let mut rows: Vec<EnrollmentRow> = self.all(&DUE, values![false, now, at_most]).await?;
        let left = at_most.saturating_sub(i64::try_from(rows.len()).unwrap_or(i64::MAX));
        if left > 0 {
            rows.extend(self.all::<EnrollmentRow>(&DUE, values![true, now, left]).await?);
        }
        Ok(rows)
    }

    /// When the next run is to be looked at.
    pub async fn next_due_enrollment(&mut self) -> Result<Option<Micros>, StoreError> {
        let follow_up: Option<(Micros,)> = self.opt(&DUE_NEXT, values![false]).await?;
        let first: Option<(Micros,)> = self.opt(&DUE_NEXT, values![true]).await?;
        Ok([follow_up, first].into_iter().flatten().map(|(at,)| at).min())
    }

    /// One run.
    pub async fn get_enrollment(&mut self, id: EnrollmentId) -> Result<Option<EnrollmentRow>, StoreError> {
        self.opt(&GET, values![id]).await
    }

    /// One run, locked until the end of the transaction.
    pub async fn lock_enrollment(&mut self, id: EnrollmentId) -> Result<Option<EnrollmentRow>, StoreError> {
        self.opt(&LOCK_ONE, values![id]).await
    }

    /// These runs, locked until the end of the transaction, in the order of their ids.
    pub async fn lock_enrollments(&mut self, ids: Vec<EnrollmentId>) -> Result<Vec<EnrollmentRow>, StoreError> {
        self.all(&LOCK_MANY, values![ids]).await
    }

    /// The runs that mail of an account that is due belongs to, locked until the end of the transaction; those that
    /// another has locked are left to it. Runs are locked before their mail, always: so nobody waits in a circle.
    pub async fn lock_runs_of_due(
        &mut self,
        account: &str,
        now: Micros,
        at_most: i64,
    ) -> Result<Vec<EnrollmentRow>, StoreError> {
        self.all(&LOCK_DUE_RUNS, values![account, now, at_most]).await
    }

    /// The same on a channel on which messages to one address wait for each other: the runs of those that [`Tx::lock_due_free`] takes,
    /// so that what has to wait keeps the runs of no others from being locked.
    pub async fn lock_runs_of_free(
        &mut self,
        account: &str,
        (now, after): (Micros, Micros),
        at_most: i64,
    ) -> Result<Vec<EnrollmentRow>, StoreError> {
        self.all(&LOCK_FREE_RUNS, values![account, now, at_most, after]).await
    }

    /// The runs of what [`Tx::lock_due_read`] takes.
    pub async fn lock_runs_of_due_read(
        &mut self,
        account: &str,
        now: Micros,
        unread: &[String],
        at_most: i64,
    ) -> Result<Vec<EnrollmentRow>, StoreError> {
        self.all(&LOCK_DUE_RUNS_READ, values![account, now, at_most, unread.to_vec()]).await
    }

    /// The runs of what [`Tx::lock_due_free_read`] takes.
    pub async fn lock_runs_of_free_read(
        &mut self,
        account: &str,
        (now, after): (Micros, Micros),
        unread: &[String],
        at_most: i64,
    ) -> Result<Vec<EnrollmentRow>, StoreError> {
        self.all(&LOCK_FREE_RUNS_READ, values![account, now, at_most, after, unread.to_vec()]).await
    }

    /// Locks the run a message belongs to, if it does, until the end of the transaction. Nothing to do on SQLite, where
    /// one writes at a time.
    pub async fn lock_run_of(&mut self, message: MessageId) -> Result<(), StoreError> {
        if !self.is_sqlite() {
            let _: Option<(EnrollmentId,)> = self.opt(&LOCK_RUN_OF, values![message]).await?;
        }
        Ok(())
    }

    /// Locks the runs that these messages belong to, as [`Tx::lock_run_of`] does for one, in the order of their ids.
    pub async fn lock_runs_of(&mut self, messages: Vec<MessageId>) -> Result<(), StoreError> {
        if !self.is_sqlite() && !messages.is_empty() {
            let _: Vec<(EnrollmentId,)> = self.all(&LOCK_RUNS_OF, values![messages]).await?;
        }
        Ok(())
    }

    /// The live runs of these influencers, locked until the end of the transaction.
    pub async fn lock_live_enrollments(
        &mut self,
        influencers: Vec<InfluencerId>,
    ) -> Result<Vec<EnrollmentRow>, StoreError> {
        self.all(&LOCK_LIVE, values![influencers]).await
    }

    /// The runs of these influencers, live or over, newest first.
    pub async fn list_enrollments_of(
        &mut self,
        influencers: Vec<InfluencerId>,
    ) -> Result<Vec<EnrollmentRow>, StoreError> {
        self.all(&OF_INFLUENCERS, values![influencers]).await
    }

    /// Runs of a sequence (or of all) in a state (or in any), after an id.
    pub async fn list_enrollments(
        &mut self,
        sequence: Option<&str>,
        state: Option<EnrollmentState>,
        after: Option<EnrollmentId>,
        limit: i64,
    ) -> Result<Vec<EnrollmentRow>, StoreError> {
        let after = after.unwrap_or(EnrollmentId(Uuid::nil()));
        self.all(&LIST, values![sequence, state, after, limit]).await
    }

    /// Some live runs of a sequence, locked; none where it has none. Costs as much as there are, however many are over.
    pub async fn lock_some_of_sequence(
        &mut self,
        sequence: &str,
        at_most: i64,
    ) -> Result<Vec<EnrollmentRow>, StoreError> {
        for state in [EnrollmentState::Active, EnrollmentState::Held, EnrollmentState::Paused] {
            let rows: Vec<EnrollmentRow> = self.all(&LOCK_SOME_OF, values![sequence, state, at_most]).await?;
            if !rows.is_empty() {
                return Ok(rows);
            }
        }
        Ok(Vec::new())
    }

    /// Those who are in a sequence, in the order they came.
    pub async fn list_people_in(&mut self, sequence: &str) -> Result<Vec<InfluencerId>, StoreError> {
        let rows: Vec<(InfluencerId,)> = self.all(&PEOPLE_IN, values![sequence]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// How many runs of a sequence are in each state.
    pub async fn count_enrollments(&mut self, sequence: &str) -> Result<Vec<(EnrollmentState, i64)>, StoreError> {
        self.all(&COUNT, values![sequence]).await
    }

    /// How many live runs of a sequence are at each step, by version.
    pub async fn count_live_steps(&mut self, sequence: &str) -> Result<Vec<(String, Option<String>, i64)>, StoreError> {
        self.all(&COUNT_STEPS, values![sequence]).await
    }

    /// Time stands still for the live runs of an influencer from now on.
    pub async fn hold_enrollments(&mut self, of: InfluencerId, now: Micros) -> Result<u64, StoreError> {
        self.exec(&HOLD_INFLUENCER, values![of, now]).await
    }

    /// Has those runs of these influencers looked at now that wait for something to be mended.
    pub async fn wake_stuck_of(&mut self, influencers: Vec<InfluencerId>, now: Micros) -> Result<u64, StoreError> {
        self.exec(&WAKE_STUCK_OF, values![influencers, now]).await
    }

    /// Has the live runs of an influencer looked at now. One that is due already keeps its instant, which says when it went on.
    pub async fn wake_enrollments(&mut self, of: InfluencerId, now: Micros) -> Result<u64, StoreError> {
        self.exec(&WAKE_INFLUENCER, values![of, now]).await
    }

    /// Has the runs looked at now that wait for somebody to mend something.
    pub async fn wake_stuck(&mut self, now: Micros) -> Result<u64, StoreError> {
        self.exec(&WAKE_STUCK, values![now]).await
    }

    /// Writes what is planned or done. A step that was only pencilled in is written anew; one that has a mail or is done keeps
    /// its row. How many were written.
    pub async fn insert_steps(&mut self, rows: Vec<StepRow>) -> Result<u64, StoreError> {
        let rows: Vec<Value> = rows
            .into_iter()
            .flat_map(|r| {
                values![
                    r.enrollment_id,
                    r.step,
                    r.state,
                    r.kind,
                    r.variant,
                    r.planned_at,
                    r.shifts,
                    r.completed_at,
                    r.message_id,
                    r.task_id,
                    r.reason,
                    r.opened_at,
                    r.clicked_at,
                    r.replied_at
                ]
            })
            .collect();
        self.insert_many(&STEPS, rows).await
    }

    /// The steps of these runs, in the order they were planned.
    pub async fn list_steps(&mut self, runs: Vec<EnrollmentId>) -> Result<Vec<StepRow>, StoreError> {
        self.all(&STEPS_OF, values![runs]).await
    }

    /// Ends a step that was planned; `false` where it was not (any more).
    pub async fn complete_step(
        &mut self,
        run: EnrollmentId,
        step: &str,
        state: StepState,
        (at, reason): (Micros, Option<&str>),
    ) -> Result<bool, StoreError> {
        Ok(self.exec(&STEP_COMPLETE, values![run, step, state, at, reason]).await? > 0)
    }

    /// Forgets a step that was planned, so that something else can be done in its place.
    pub async fn delete_planned_step(&mut self, run: EnrollmentId, step: &str) -> Result<(), StoreError> {
        self.exec(&STEP_DELETE, values![run, step]).await?;
        Ok(())
    }

    /// Moves a planned step to another instant, with the reason.
    pub async fn replan_step(
        &mut self,
        run: EnrollmentId,
        step: &str,
        at: Micros,
        shifts: Option<serde_json::Value>,
    ) -> Result<(), StoreError> {
        self.exec(&STEP_REPLAN, values![run, step, at, shifts]).await?;
        Ok(())
    }

    /// Notes on the step of a message that a person opened, clicked or answered it; the first instant stays.
    pub async fn mark_step(&mut self, message: MessageId, mark: Mark, at: Micros) -> Result<(), StoreError> {
        let sql = match mark {
            Mark::Opened => &MARK_OPENED,
            Mark::Clicked => &MARK_CLICKED,
            Mark::Replied => &MARK_REPLIED,
        };
        self.exec(sql, values![message, at]).await?;
        Ok(())
    }

    /// The run and step a message belongs to.
    pub async fn step_of_message(&mut self, id: MessageId) -> Result<Option<StepMail>, StoreError> {
        self.opt(&MAIL_GET, values![id]).await
    }

    /// Of these messages, those that belong to a run.
    pub async fn steps_of_messages(&mut self, ids: Vec<MessageId>) -> Result<Vec<StepMail>, StoreError> {
        self.all(&MAIL_MANY, values![ids]).await
    }

    /// The accounts from which mail of runs waits to leave.
    pub async fn list_waiting_accounts(&mut self) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(String,)> = self.all(&WAITING_ACCOUNTS, values![]).await?;
        Ok(rows.into_iter().map(|(account,)| account).collect())
    }

    /// The mail of these runs that has not come to an end.
    pub async fn open_mail_of(&mut self, runs: Vec<EnrollmentId>) -> Result<Vec<StepMail>, StoreError> {
        self.all(&MAIL_OPEN, values![runs]).await
    }

    /// Moves mail that waits to another instant; `false` where it does not wait.
    pub async fn reschedule_outbox(
        &mut self,
        id: MessageId,
        due_at: Micros,
        held: Option<&str>,
    ) -> Result<bool, StoreError> {
        Ok(self.exec(&RESCHEDULE, values![id, due_at, held]).await? > 0)
    }

    /// Of these messages of runs, those whose influencer talks with one of these accounts, and with which.
    pub async fn find_talks_elsewhere(
        &mut self,
        ids: Vec<MessageId>,
        accounts: Vec<String>,
    ) -> Result<Vec<(MessageId, String)>, StoreError> {
        self.all(&TALKS_ELSEWHERE, values![ids, accounts]).await
    }

    /// Lets mail that a person has read go out, with a word on who did; `false` where it does not wait for that.
    pub async fn approve_outbox(&mut self, id: MessageId, due_at: Micros, said: &str) -> Result<bool, StoreError> {
        Ok(self.exec(&APPROVE, values![id, due_at, said]).await? > 0)
    }
}

/// What a person did with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Opened it.
    Opened,
    /// Clicked in it; then it was opened too.
    Clicked,
    /// Answered it.
    Replied,
}

macro_rules! columns {
    () => {
        "e.id, e.sequence, e.version, e.influencer_id, e.run, e.account, e.state, e.step, e.phase, e.anchor_at, e.next_at, e.first, \
         e.waiting_for, e.held_at, e.exit_reason, e.filled, e.started_at, e.ended_at"
    };
}
macro_rules! live {
    () => {
        "state IN ('active', 'held', 'paused')"
    };
}

statements! {
    #[hot] UPDATE = "UPDATE enrollment SET version = $2, state = $3, step = $4, phase = $5, anchor_at = $6, next_at = $7, first = $8, \
        waiting_for = $9, held_at = $10, exit_reason = $11, filled = $12, ended_at = $13, updated_at = $14, account = $15 WHERE id = $1";
    #[hot] MOVE_MANY = "UPDATE enrollment SET phase = n.phase, anchor_at = n.anchor_at, next_at = n.next_at, waiting_for = n.waiting_for, \
        held_at = n.held_at, updated_at = $2 FROM jsonb_to_recordset($1::jsonb) \
        AS n(id uuid, phase text, anchor_at bigint, next_at bigint, waiting_for text, held_at bigint) WHERE enrollment.id = n.id",
        sqlite: "UPDATE enrollment SET phase = n.phase, anchor_at = n.anchor_at, next_at = n.next_at, waiting_for = n.waiting_for, \
        held_at = n.held_at, updated_at = $2 FROM (SELECT unhex(value ->> 'id') AS id, value ->> 'phase' AS phase, \
        value ->> 'anchor_at' AS anchor_at, value ->> 'next_at' AS next_at, value ->> 'waiting_for' AS waiting_for, \
        value ->> 'held_at' AS held_at FROM json_each($1)) n WHERE enrollment.id = n.id";
    #[hot] DUE = concat!("SELECT ", columns!(), " FROM enrollment e WHERE e.first = $1 AND e.next_at <= $2 \
        ORDER BY e.next_at, e.id LIMIT $3 FOR UPDATE SKIP LOCKED");
    #[hot] DUE_NEXT = "SELECT next_at FROM enrollment WHERE first = $1 AND next_at IS NOT NULL ORDER BY next_at, id LIMIT 1";
    #[hot] GET = concat!("SELECT ", columns!(), " FROM enrollment e WHERE e.id = $1");
    #[hot] LOCK_ONE = concat!("SELECT ", columns!(), " FROM enrollment e WHERE e.id = $1 FOR UPDATE");
    #[hot] LOCK_MANY = concat!("SELECT ", columns!(), " FROM enrollment e WHERE e.id = ANY($1::uuid[]) ORDER BY e.id FOR UPDATE");
    #[hot] LOCK_LIVE = concat!("SELECT ", columns!(), " FROM enrollment e WHERE e.influencer_id = ANY($1::uuid[]) AND ", live!(), " \
        ORDER BY e.id FOR UPDATE");
    #[hot] LOCK_DUE_RUNS = concat!("SELECT ", columns!(), " FROM enrollment e WHERE e.id IN (SELECT o.enrollment_id FROM outbox o \
        WHERE o.account = $1 AND o.status IN ('queued', 'deferred') AND o.due_at <= $2 AND o.held_reason IS NULL AND o.enrollment_id IS NOT NULL \
        ORDER BY o.due_at, o.id LIMIT $3) ORDER BY e.id FOR UPDATE SKIP LOCKED");
    #[hot] LOCK_FREE_RUNS = concat!("SELECT ", columns!(), " FROM enrollment e WHERE e.id IN (SELECT o.enrollment_id FROM outbox o \
        WHERE o.account = $1 AND o.status IN ('queued', 'deferred') AND o.due_at <= $2 AND o.held_reason IS NULL AND o.enrollment_id IS NOT NULL \
        AND ", free!(), " ORDER BY o.due_at, o.id LIMIT $3) ORDER BY e.id FOR UPDATE SKIP LOCKED");
    #[hot] LOCK_DUE_RUNS_READ = concat!("SELECT ", columns!(), " FROM enrollment e WHERE e.id IN (SELECT o.enrollment_id FROM outbox o \
        WHERE o.account = $1 AND o.status IN ('queued', 'deferred') AND o.due_at <= $2 AND o.held_reason IS NULL AND o.enrollment_id IS NOT NULL \
        AND ", read!("$4"), " ORDER BY o.due_at, o.id LIMIT $3) ORDER BY e.id FOR UPDATE SKIP LOCKED");
    #[hot] LOCK_FREE_RUNS_READ = concat!("SELECT ", columns!(), " FROM enrollment e WHERE e.id IN (SELECT o.enrollment_id FROM outbox o \
        WHERE o.account = $1 AND o.status IN ('queued', 'deferred') AND o.due_at <= $2 AND o.held_reason IS NULL AND o.enrollment_id IS NOT NULL \
        AND ", read!("$5"), " AND ", free!(), " ORDER BY o.due_at, o.id LIMIT $3) ORDER BY e.id FOR UPDATE SKIP LOCKED");
    #[hot] LOCK_RUN_OF = "SELECT id FROM enrollment WHERE id = (SELECT enrollment_id FROM outbox WHERE id = $1) FOR UPDATE";
    #[hot] LOCK_RUNS_OF = "SELECT id FROM enrollment WHERE id IN (SELECT enrollment_id FROM outbox WHERE id = ANY($1::uuid[])) ORDER BY id FOR UPDATE";
    #[hot] OF_INFLUENCERS = concat!("SELECT ", columns!(), " FROM enrollment e WHERE e.influencer_id = ANY($1::uuid[]) ORDER BY e.id DESC");
    LIST = concat!("SELECT ", columns!(), " FROM enrollment e WHERE ($1::text IS NULL OR e.sequence = $1) \
        AND ($2::text IS NULL OR e.state = $2) AND e.id > $3 ORDER BY e.id LIMIT $4");
    #[hot] LOCK_SOME_OF = concat!("SELECT ", columns!(), " FROM enrollment e WHERE e.sequence = $1 AND e.state = $2 ORDER BY e.id LIMIT $3 FOR UPDATE");
    #[hot] PEOPLE_IN = concat!("SELECT influencer_id FROM enrollment WHERE sequence = $1 AND ", live!(), " ORDER BY id");
    COUNT = "SELECT state, COUNT(*) FROM enrollment WHERE sequence = $1 GROUP BY state ORDER BY state";
    COUNT_STEPS = concat!("SELECT version, step, COUNT(*) FROM enrollment WHERE sequence = $1 AND ", live!(), " GROUP BY version, step ORDER BY version, step");
    #[hot] HOLD_INFLUENCER = concat!("UPDATE enrollment SET held_at = COALESCE(held_at, $2) WHERE influencer_id = $1 AND ", live!());
    #[hot] WAKE_INFLUENCER = concat!("UPDATE enrollment SET next_at = CASE WHEN next_at < $2 THEN next_at ELSE $2 END WHERE influencer_id = $1 AND ", live!());
    #[hot] WAKE_STUCK = "UPDATE enrollment SET next_at = $1 WHERE state = 'held' AND held_at IS NULL AND (next_at IS NULL OR next_at > $1)";
    #[hot] WAKE_STUCK_OF = "UPDATE enrollment SET next_at = $2 WHERE influencer_id = ANY($1::uuid[]) AND state = 'held' AND held_at IS NULL \
        AND (next_at IS NULL OR next_at > $2)";
    #[hot] STEPS_OF = "SELECT enrollment_id, step, state, kind, variant, planned_at, shifts, completed_at, message_id, task_id, reason, \
        opened_at, clicked_at, replied_at FROM enrollment_step WHERE enrollment_id = ANY($1::uuid[]) ORDER BY enrollment_id, planned_at, step";
    #[hot] STEP_COMPLETE = "UPDATE enrollment_step SET state = $3, completed_at = $4, reason = COALESCE($5, reason) \
        WHERE enrollment_id = $1 AND step = $2 AND state = 'planned'";
    #[hot] STEP_DELETE = "DELETE FROM enrollment_step WHERE enrollment_id = $1 AND step = $2 AND state = 'planned'";
    #[hot] STEP_REPLAN = "UPDATE enrollment_step SET planned_at = $3, shifts = COALESCE($4, shifts) WHERE enrollment_id = $1 AND step = $2 AND state = 'planned'";
    #[hot] MARK_OPENED = "UPDATE enrollment_step SET opened_at = COALESCE(opened_at, $2) WHERE message_id = $1";
    #[hot] MARK_CLICKED = "UPDATE enrollment_step SET clicked_at = COALESCE(clicked_at, $2), opened_at = COALESCE(opened_at, $2) WHERE message_id = $1";
    #[hot] MARK_REPLIED = "UPDATE enrollment_step SET replied_at = COALESCE(replied_at, $2), opened_at = COALESCE(opened_at, $2) WHERE message_id = $1";
    #[hot] MAIL_GET = "SELECT id, enrollment_id, step, account, status, due_at FROM outbox WHERE id = $1 AND enrollment_id IS NOT NULL";
    #[hot] MAIL_MANY = "SELECT id, enrollment_id, step, account, status, due_at FROM outbox WHERE id = ANY($1::uuid[]) AND enrollment_id IS NOT NULL ORDER BY due_at, id";
    #[hot] MAIL_OPEN = "SELECT id, enrollment_id, step, account, status, due_at FROM outbox WHERE enrollment_id = ANY($1::uuid[]) \
        AND status NOT IN ('confirmed', 'rejected', 'cancelled') ORDER BY id";
    WAITING_ACCOUNTS = "SELECT DISTINCT account FROM outbox WHERE status IN ('queued', 'deferred') AND enrollment_id IS NOT NULL \
        AND held_reason IS NULL ORDER BY account";
    #[hot] RESCHEDULE = "UPDATE outbox SET due_at = $2, held_reason = $3 WHERE id = $1 AND status IN ('review', 'queued', 'deferred')";
    #[hot] TALKS_ELSEWHERE = "SELECT DISTINCT o.id, t.account FROM outbox o JOIN enrollment e ON e.id = o.enrollment_id \
        JOIN thread t ON t.influencer_id = e.influencer_id WHERE o.id = ANY($1::uuid[]) AND t.account = ANY($2::text[])";
    #[hot] APPROVE = "UPDATE outbox SET status = 'queued', due_at = $2, detail = $3 WHERE id = $1 AND status = 'review'";
}

/// Multi-row texts of this file, for the tests.
pub(super) static MANY: &[&Many] = &[&INSERT, &STEPS];
