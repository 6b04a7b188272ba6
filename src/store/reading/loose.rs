//! Loose ends: people without a next step, threads that wait for us too long, runs that wait for somebody to mend something,
//! and holds that end only when somebody says so. Oldest first.

use serde::Serialize;
use serde_json::json;

use super::{Order, Page, Place, Slice};
use crate::domain::ids::{EnrollmentId, InfluencerId, ThreadId};
use crate::domain::time::Micros;
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// Which stages have loose ends, and from when on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LooseRules {
    /// Whoever is in one of these stages since before the instant needs a next step.
    pub needs_step: Vec<(String, Micros)>,
    /// A thread of somebody in one of these stages that waits for us since before the instant is late.
    pub answer_late: Vec<(String, Micros)>,
}

/// A loose end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow, schemars::JsonSchema)]
pub struct LooseEnd {
    /// `no_next_step`, `unanswered`, `stuck_run`, or `held` where a hold ends only when somebody says so.
    pub reason: String,
    /// Whose.
    pub influencer_id: InfluencerId,
    /// What the team calls them.
    pub influencer_handle: String,
    /// The stage they are in.
    pub stage: String,
    /// Who looks after them.
    pub owner: Option<String>,
    /// The thread that waits.
    pub thread_id: Option<ThreadId>,
    /// Its subject.
    pub subject: Option<String>,
    /// The run that is stuck.
    pub enrollment_id: Option<EnrollmentId>,
    /// Its sequence.
    pub sequence: Option<String>,
    /// What it waits for, or why they are held.
    pub waiting_for: Option<String>,
    /// When something was last said, since when they are in their stage or held, or since when the run is at its step.
    pub since: Micros,
    /// Where it stands in the list.
    #[serde(skip)]
    at: Micros,
}

impl LooseEnd {
    fn place(&self) -> Place {
        let thread_or_run = self.thread_id.map(|id| id.0).or(self.enrollment_id.map(|id| id.0));
        Place { at: self.at, id: thread_or_run.unwrap_or(self.influencer_id.0) }
    }
}

fn stages(rules: &[(String, Micros)]) -> serde_json::Value {
    rules.iter().map(|(stage, before)| json!({"stage": stage, "before": before.0})).collect()
}

impl Tx {
    /// A page of loose ends, oldest first; those with whom nothing was ever said come before all.
    pub async fn list_loose_ends(
        &mut self,
        rules: &LooseRules,
        now: Micros,
        page: Page,
    ) -> Result<Slice<LooseEnd>, StoreError> {
        let page = Page { order: Order::OldestFirst, ..page };
        let (from, limit) = (page.from(), page.fetch());
        let steps = stages(&rules.needs_step);
        let mut all: Vec<LooseEnd> = self.all(&NO_STEP, values![from.at, from.id, limit, steps, now]).await?;
        if !rules.answer_late.is_empty() {
            let late = stages(&rules.answer_late);
            all.extend(self.all::<LooseEnd>(&UNANSWERED, values![from.at, from.id, limit, late]).await?);
        }
        all.extend(self.all::<LooseEnd>(&STUCK, values![from.at, from.id, limit]).await?);
        all.extend(self.all::<LooseEnd>(&HELD, values![from.at, from.id, limit]).await?);
        all.sort_by_key(LooseEnd::place);
        Ok(page.cut(all, LooseEnd::place))
    }
}

statements! {
    #[hot] NO_STEP = "SELECT 'no_next_step' AS reason, i.id AS influencer_id, i.handle AS influencer_handle, i.stage, i.owner, \
        CAST(NULL AS UUID) AS thread_id, CAST(NULL AS TEXT) AS subject, CAST(NULL AS UUID) AS enrollment_id, CAST(NULL AS TEXT) AS sequence, \
        CAST(NULL AS TEXT) AS waiting_for, COALESCE(i.last_message_at, i.stage_at) AS since, COALESCE(i.last_message_at, 0) AS at \
        FROM influencer i WHERE (COALESCE(i.last_message_at, 0), i.id) > ($1, $2) AND i.merged_into IS NULL \
        AND i.stage_at < (SELECT n.before FROM jsonb_to_recordset($4::jsonb) AS n (stage text, before bigint) WHERE n.stage = i.stage) \
        AND (i.waiting_until IS NULL OR i.waiting_until <= $5) AND (i.held_until IS NULL OR i.held_until <= $5) \
        AND NOT EXISTS (SELECT 1 FROM task t WHERE t.influencer_id = i.id AND t.state = 'open') \
        AND NOT EXISTS (SELECT 1 FROM enrollment e WHERE e.influencer_id = i.id AND e.state IN ('active', 'held')) \
        AND NOT EXISTS (SELECT 1 FROM participation p JOIN outbox o ON o.id = p.message_id WHERE p.influencer_id = i.id \
          AND o.status IN ('review', 'queued', 'claimed', 'handed_over', 'deferred', 'uncertain')) \
        ORDER BY COALESCE(i.last_message_at, 0), i.id LIMIT $3",
        sqlite: "SELECT 'no_next_step' AS reason, i.id AS influencer_id, i.handle AS influencer_handle, i.stage, i.owner, \
        NULL AS thread_id, NULL AS subject, NULL AS enrollment_id, NULL AS sequence, NULL AS waiting_for, COALESCE(i.last_message_at, i.stage_at) AS since, COALESCE(i.last_message_at, 0) AS at \
        FROM influencer i WHERE (COALESCE(i.last_message_at, 0), i.id) > ($1, $2) AND i.merged_into IS NULL \
        AND i.stage_at < (SELECT value ->> 'before' FROM json_each($4) WHERE value ->> 'stage' = i.stage) \
        AND (i.waiting_until IS NULL OR i.waiting_until <= $5) AND (i.held_until IS NULL OR i.held_until <= $5) \
        AND NOT EXISTS (SELECT 1 FROM task t WHERE t.influencer_id = i.id AND t.state = 'open') \
        AND NOT EXISTS (SELECT 1 FROM enrollment e WHERE e.influencer_id = i.id AND e.state IN ('active', 'held')) \
        AND NOT EXISTS (SELECT 1 FROM participation p JOIN outbox o ON o.id = p.message_id WHERE p.influencer_id = i.id \
          AND o.status IN ('review', 'queued', 'claimed', 'handed_over', 'deferred', 'uncertain')) \
        ORDER BY COALESCE(i.last_message_at, 0), i.id LIMIT $3";
    #[hot] UNANSWERED = "SELECT 'unanswered' AS reason, i.id AS influencer_id, i.handle AS influencer_handle, i.stage, i.owner, \
        t.id AS thread_id, t.subject, CAST(NULL AS UUID) AS enrollment_id, CAST(NULL AS TEXT) AS sequence, CAST(NULL AS TEXT) AS waiting_for, \
        t.last_message_at AS since, t.last_message_at AS at \
        FROM thread t JOIN influencer i ON i.id = t.influencer_id WHERE t.awaiting = 'us' AND t.merged_into IS NULL \
        AND (t.last_message_at, t.id) > ($1, $2) AND t.last_message_at < \
        (SELECT n.before FROM jsonb_to_recordset($4::jsonb) AS n (stage text, before bigint) WHERE n.stage = i.stage) \
        ORDER BY t.last_message_at, t.id LIMIT $3",
        sqlite: "SELECT 'unanswered' AS reason, i.id AS influencer_id, i.handle AS influencer_handle, i.stage, i.owner, \
        t.id AS thread_id, t.subject, NULL AS enrollment_id, NULL AS sequence, NULL AS waiting_for, t.last_message_at AS since, t.last_message_at AS at \
        FROM thread t JOIN influencer i ON i.id = t.influencer_id WHERE t.awaiting = 'us' AND t.merged_into IS NULL \
        AND (t.last_message_at, t.id) > ($1, $2) AND t.last_message_at < \
        (SELECT value ->> 'before' FROM json_each($4) WHERE value ->> 'stage' = i.stage) \
        ORDER BY t.last_message_at, t.id LIMIT $3";
    #[hot] HELD = "SELECT 'held' AS reason, i.id AS influencer_id, i.handle AS influencer_handle, i.stage, i.owner, \
        CAST(NULL AS UUID) AS thread_id, CAST(NULL AS TEXT) AS subject, CAST(NULL AS UUID) AS enrollment_id, CAST(NULL AS TEXT) AS sequence, \
        h.reason AS waiting_for, h.made_at AS since, h.made_at AS at FROM hold h JOIN influencer i ON i.id = h.influencer_id \
        WHERE h.until IS NULL AND i.merged_into IS NULL AND (h.made_at, h.influencer_id) > ($1, $2) ORDER BY h.made_at, h.influencer_id LIMIT $3",
        sqlite: "SELECT 'held' AS reason, i.id AS influencer_id, i.handle AS influencer_handle, i.stage, i.owner, \
        NULL AS thread_id, NULL AS subject, NULL AS enrollment_id, NULL AS sequence, \
        h.reason AS waiting_for, h.made_at AS since, h.made_at AS at FROM hold h JOIN influencer i ON i.id = h.influencer_id \
        WHERE h.until IS NULL AND i.merged_into IS NULL AND (h.made_at, h.influencer_id) > ($1, $2) ORDER BY h.made_at, h.influencer_id LIMIT $3";
    #[hot] STUCK = "SELECT 'stuck_run' AS reason, i.id AS influencer_id, i.handle AS influencer_handle, i.stage, i.owner, \
        CAST(NULL AS UUID) AS thread_id, CAST(NULL AS TEXT) AS subject, e.id AS enrollment_id, e.sequence, e.waiting_for, \
        e.anchor_at AS since, e.anchor_at AS at FROM enrollment e JOIN influencer i ON i.id = e.influencer_id \
        WHERE e.state = 'held' AND e.held_at IS NULL AND (e.anchor_at, e.id) > ($1, $2) ORDER BY e.anchor_at, e.id LIMIT $3",
        sqlite: "SELECT 'stuck_run' AS reason, i.id AS influencer_id, i.handle AS influencer_handle, i.stage, i.owner, \
        NULL AS thread_id, NULL AS subject, e.id AS enrollment_id, e.sequence, e.waiting_for, \
        e.anchor_at AS since, e.anchor_at AS at FROM enrollment e JOIN influencer i ON i.id = e.influencer_id \
        WHERE e.state = 'held' AND e.held_at IS NULL AND (e.anchor_at, e.id) > ($1, $2) ORDER BY e.anchor_at, e.id LIMIT $3";
}
