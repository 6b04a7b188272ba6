//! Runs of sequences as they are read, and what became of each step, counted.

use serde::Serialize;

use super::{Order, Page, Place, Slice};
use crate::domain::ids::{EnrollmentId, InfluencerId, MessageId, TaskId};
use crate::domain::time::Micros;
use crate::domain::words::{EnrollmentState, OutboxStatus, Phase, StepState};
use crate::store::people::filter::{InfluencerFilter, Wanted};
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// Which runs are wanted; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EnrollmentFilter {
    /// Of this sequence.
    pub sequence: Option<String>,
    /// In this state.
    pub state: Option<EnrollmentState>,
    /// At this step.
    pub step: Option<String>,
    /// Of this influencer.
    pub influencer: Option<InfluencerId>,
    /// Of influencers like this.
    pub of: InfluencerFilter,
}

/// A run as programs outside see one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow, schemars::JsonSchema)]
pub struct EnrollmentView {
    /// Its id.
    pub id: EnrollmentId,
    /// Whose it is.
    pub influencer_id: InfluencerId,
    /// What the team calls them.
    pub influencer_handle: String,
    /// The sequence.
    pub sequence: String,
    /// The version it is pinned to.
    pub version: String,
    /// Which run of this sequence it is for them, from 1.
    pub run: i64,
    /// The account they hear from.
    pub account: String,
    /// How it stands.
    pub state: EnrollmentState,
    /// The step that is next or under way.
    pub step: Option<String>,
    /// What it waits for, in one word.
    pub phase: Phase,
    /// The same for people.
    pub waiting_for: Option<String>,
    /// When something happens next: its mail is sent, or it is looked at.
    pub next_at: Option<Micros>,
    /// Since when time stands still for it.
    pub held_at: Option<Micros>,
    /// Why it ended.
    pub exit_reason: Option<String>,
    /// When it began.
    pub started_at: Micros,
    /// When it ended.
    pub ended_at: Option<Micros>,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow, schemars::JsonSchema)]
pub struct EnrollmentStepView {
    /// The step.
    pub step: String,
    /// `email`, `task`, `wait_for`.
    pub kind: String,
    /// How it stands.
    pub state: StepState,
    /// The template that was chosen.
    pub variant: Option<String>,
    /// For when it was planned.
    pub planned_at: Option<Micros>,
    /// What moved it there.
    #[sqlx(json(nullable))]
    pub shifts: Option<serde_json::Value>,
    /// When it was done, sent or skipped.
    pub completed_at: Option<Micros>,
    /// Why it was skipped, or what else there is to say.
    pub reason: Option<String>,
    /// Its message.
    pub message_id: Option<MessageId>,
    /// How that stands in the outbox.
    pub message_status: Option<OutboxStatus>,
    /// Its task.
    pub task_id: Option<TaskId>,
    /// When a person first opened it.
    pub opened_at: Option<Micros>,
    /// When a person first clicked in it.
    pub clicked_at: Option<Micros>,
    /// When they answered it.
    pub replied_at: Option<Micros>,
    /// When it came back.
    pub bounced_at: Option<Micros>,
    /// When they called it spam.
    pub complained_at: Option<Micros>,
    /// When they wanted no more of it.
    pub opted_out_at: Option<Micros>,
}

/// What became of one variant of a step in all runs.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct FunnelRow {
    /// The version of the runs.
    pub version: String,
    /// The step.
    pub step: String,
    /// `email`, `task`, `wait_for`.
    pub kind: String,
    /// The template; none where it has none, or was skipped before one was chosen.
    pub variant: Option<String>,
    /// Runs that wait for it now.
    pub planned: i64,
    /// Its messages that were sent.
    pub sent: i64,
    /// Its tasks and waits that came to what was wanted.
    pub done: i64,
    /// Its tasks and waits that ran out.
    pub timed_out: i64,
    /// Runs that left it out.
    pub skipped: i64,
    /// Messages a person opened.
    pub opened: i64,
    /// Messages a person clicked in.
    pub clicked: i64,
    /// Messages a person answered.
    pub replied: i64,
    /// Messages that came back or were refused.
    pub bounced: i64,
    /// Messages that were called spam.
    pub complained: i64,
    /// Messages after which they wanted no more.
    pub opted_out: i64,
}

/// Why a step was left out, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow, schemars::JsonSchema)]
pub struct SkipRow {
    /// The step.
    #[serde(skip)]
    pub step: String,
    /// Why.
    pub reason: String,
    /// How often.
    pub count: i64,
}

/// A run whose mail is planned goes on at the instant of that mail.
macro_rules! run {
    () => {
        "SELECT e.id, e.influencer_id, i.handle AS influencer_handle, e.sequence, e.version, e.run, e.account, e.state, e.step, e.phase, \
         e.waiting_for, CASE WHEN e.phase = 'send' AND e.state = 'active' THEN s.planned_at ELSE e.next_at END AS next_at, e.held_at, \
         e.exit_reason, e.started_at, e.ended_at \
         FROM enrollment e JOIN influencer i ON i.id = e.influencer_id \
         LEFT JOIN enrollment_step s ON s.enrollment_id = e.id AND s.step = e.step AND s.state = 'planned' "
    };
}
macro_rules! narrowed {
    () => {
        "AND e.id < $1 AND ($3::text IS NULL OR e.state = $3) AND ($4::text IS NULL OR e.step = $4) ORDER BY e.id DESC LIMIT $2"
    };
}

impl Tx {
    /// Runs, the one that began last first, or the one that began first.
    pub async fn list_enrollment_views(
        &mut self,
        filter: &EnrollmentFilter,
        page: Page,
    ) -> Result<Slice<EnrollmentView>, StoreError> {
        if !filter.of.is_empty() || page.order == Order::OldestFirst {
            return self.list_enrollments_like(filter, page).await;
        }
        let (from, limit) = (page.from().id, page.fetch());
        let EnrollmentFilter { sequence, state, step, influencer, of: _ } = filter.clone();
        let rows: Vec<EnrollmentView> = match (influencer, sequence) {
            (Some(id), sequence) => self.all(&OF_INFLUENCER, values![from, limit, state, step, sequence, id]).await?,
            (None, Some(sequence)) => self.all(&OF_SEQUENCE, values![from, limit, state, step, sequence]).await?,
            (None, None) => self.all(&RUNS, values![from, limit, state, step]).await?,
        };
        // Ordered by id alone: an id tells when the run began.
        Ok(page.cut(rows, |r: &EnrollmentView| Place { at: r.started_at, id: r.id.0 }))
    }

    /// The same, of influencers like these.
    async fn list_enrollments_like(
        &mut self,
        filter: &EnrollmentFilter,
        page: Page,
    ) -> Result<Slice<EnrollmentView>, StoreError> {
        let EnrollmentFilter { sequence, state, step, influencer, of } = filter;
        let mut wanted = Wanted::new(self.is_sqlite(), values![page.from().id, page.fetch()]);
        let state = state.map(|state| state.to_string());
        for (column, value) in [("state", &state), ("step", step)] {
            if let Some(value) = value {
                let value = wanted.bind(value);
                wanted.and(format!("e.{column} = {value}"));
            }
        }
        if let Some(sequence) = sequence {
            let sequence = wanted.bind(sequence);
            wanted.and(format!("e.sequence = {sequence}"));
        }
        if let Some(id) = influencer {
            let id = wanted.bind(*id);
            wanted.and(format!("e.influencer_id = {id}"));
        }
        of.conditions(&mut wanted);
        let (beyond, order) = page.order.words();
        let text = format!("{}WHERE TRUE{} AND e.id {beyond} $1 ORDER BY e.id {order} LIMIT $2", run!(), wanted.text());
        let rows: Vec<EnrollmentView> = self.all_listed(text, wanted.bound).await?;
        Ok(page.cut(rows, |r: &EnrollmentView| Place { at: r.started_at, id: r.id.0 }))
    }

    /// One run.
    pub async fn get_enrollment_view(&mut self, id: EnrollmentId) -> Result<Option<EnrollmentView>, StoreError> {
        self.opt(&RUN, values![id]).await
    }

    /// What became of the steps of a run, in the order they were planned.
    pub async fn list_step_views(&mut self, id: EnrollmentId) -> Result<Vec<EnrollmentStepView>, StoreError> {
        self.all(&STEPS, values![id]).await
    }

    /// What became of every step and variant of a sequence, for the runs of each version.
    pub async fn count_funnel(&mut self, sequence: &str) -> Result<Vec<FunnelRow>, StoreError> {
        self.all(&FUNNEL, values![sequence]).await
    }

    /// Why steps of a sequence were left out, the most frequent reason first.
    pub async fn count_skips(&mut self, sequence: &str) -> Result<Vec<SkipRow>, StoreError> {
        self.all(&SKIPS, values![sequence]).await
    }
}

statements! {
    #[hot] RUN = concat!(run!(), "WHERE e.id = $1");
    #[hot] RUNS = concat!(run!(), "WHERE TRUE ", narrowed!());
    #[hot] OF_SEQUENCE = concat!(run!(), "WHERE e.sequence = $5 ", narrowed!());
    #[hot] OF_INFLUENCER = concat!(run!(), "WHERE e.influencer_id = $6 AND ($5::text IS NULL OR e.sequence = $5) ", narrowed!());
    #[hot] STEPS = "SELECT s.step, s.kind, s.state, s.variant, s.planned_at, s.shifts, s.completed_at, s.reason, s.message_id, \
        o.status AS message_status, s.task_id, s.opened_at, s.clicked_at, s.replied_at, s.bounced_at, s.complained_at, s.opted_out_at \
        FROM enrollment_step s LEFT JOIN outbox o ON o.id = s.message_id WHERE s.enrollment_id = $1 ORDER BY s.planned_at, s.step";
    #[hot] FUNNEL = "SELECT e.version, s.step, s.kind, s.variant, COUNT(CASE WHEN s.state = 'planned' THEN 1 END) AS planned, \
        COUNT(CASE WHEN s.state = 'sent' THEN 1 END) AS sent, COUNT(CASE WHEN s.state = 'done' THEN 1 END) AS done, \
        COUNT(CASE WHEN s.state = 'timed_out' THEN 1 END) AS timed_out, COUNT(CASE WHEN s.state = 'skipped' THEN 1 END) AS skipped, \
        COUNT(s.opened_at) AS opened, COUNT(s.clicked_at) AS clicked, \
        COUNT(CASE WHEN s.replied_at < COALESCE(s.opted_out_at, s.replied_at + 1) THEN 1 END) AS replied, COUNT(s.bounced_at) AS bounced, \
        COUNT(s.complained_at) AS complained, COUNT(s.opted_out_at) AS opted_out \
        FROM enrollment e JOIN enrollment_step s ON s.enrollment_id = e.id WHERE e.sequence = $1 GROUP BY e.version, s.step, s.kind, s.variant";
    #[hot] SKIPS = "SELECT s.step, COALESCE(s.reason, 'no reason was kept') AS reason, COUNT(*) AS count \
        FROM enrollment e JOIN enrollment_step s ON s.enrollment_id = e.id WHERE e.sequence = $1 AND s.state = 'skipped' \
        GROUP BY s.step, COALESCE(s.reason, 'no reason was kept') ORDER BY COUNT(*) DESC, s.step, COALESCE(s.reason, 'no reason was kept') LIMIT 500";
}
