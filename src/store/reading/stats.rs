//! Counts by the stage that was met: what was sent, opened, clicked and answered, who moved on, and how long it took.

use crate::domain::time::Micros;
use crate::domain::words::{Direction, EventType};
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// How many messages, or clicks, met a stage.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct StageCount {
    /// The stage.
    pub stage: String,
    /// What happened.
    #[sqlx(rename = "type")]
    pub kind: EventType,
    /// Whether a machine did it, for opens and clicks; nothing where an open is only perhaps a person's.
    pub machine: Option<bool>,
    /// How many.
    pub events: i64,
}

/// How many people went from a stage to another.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct StageExit {
    /// The stage.
    pub stage: String,
    /// Where they went.
    pub next: String,
    /// Whether a person brought them back to where they had come from just before.
    pub back: bool,
    /// How many people.
    pub people: i64,
}

/// How long people stayed who left a stage.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct StageStay {
    /// The stage.
    pub stage: String,
    /// On average, seconds.
    pub mean: f64,
    /// The middle one (of an even number, the shorter), seconds.
    pub median: i64,
}

/// How many messages of an account, or clicks in them, something happened to.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AccountCount {
    /// The account.
    pub account: String,
    /// What happened.
    #[sqlx(rename = "type")]
    pub kind: EventType,
    /// Whether a machine did it, for opens and clicks; nothing where an open is only perhaps a person's.
    pub machine: Option<bool>,
    /// How many.
    pub events: i64,
}

/// How long one side took to answer in the threads of an account.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct TurnTime {
    /// The account.
    pub account: String,
    /// Of whom the answers are.
    pub direction: Direction,
    /// How many.
    pub answers: i64,
    /// On average, microseconds.
    pub mean: f64,
    /// The middle one (of an even number, the shorter), microseconds.
    pub median: i64,
}

impl Tx {
    /// Events of these sorts in a stretch of time, by the account of their message; people and machines apart.
    pub async fn count_by_account(
        &mut self,
        kinds: &[EventType],
        (since, until): (Micros, Micros),
    ) -> Result<Vec<AccountCount>, StoreError> {
        let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        self.all(&BY_ACCOUNT, values![kinds, since, until]).await
    }

    /// How long answers took that were given in a stretch of time: what people wrote, and what of ours was accepted. Several
    /// messages of one side in a row count as one, from the first of them.
    pub async fn measure_turns(&mut self, (since, until): (Micros, Micros)) -> Result<Vec<TurnTime>, StoreError> {
        self.all(&TURNS, values![since, until]).await
    }

    /// Events of these sorts in a stretch of time, by stage; people and machines apart.
    pub async fn count_by_stage(
        &mut self,
        kinds: &[EventType],
        (since, until): (Micros, Micros),
    ) -> Result<Vec<StageCount>, StoreError> {
        let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        self.all(&COUNTS, values![kinds, since, until]).await
    }

    /// Who left which stage for which in a stretch of time, and did not come back within it: what happens later changes no number
    /// of it.
    pub async fn count_stage_exits(&mut self, (since, until): (Micros, Micros)) -> Result<Vec<StageExit>, StoreError> {
        self.all(&EXITS, values![since, until]).await
    }

    /// How long those stayed who left a stage in a stretch of time.
    pub async fn measure_stage_stays(
        &mut self,
        (since, until): (Micros, Micros),
    ) -> Result<Vec<StageStay>, StoreError> {
        self.all(&STAYS, values![since, until]).await
    }

    /// How many people are in each stage now.
    pub async fn count_people_by_stage(&mut self) -> Result<Vec<(String, i64)>, StoreError> {
        self.all(&PEOPLE, values![]).await
    }
}

/// Whose an open or a click was: a machine's, a person's, or nobody's where an open is only perhaps a person's (the confidence from
/// which on it counts is that of [`crate::domain::hit::HUMAN_CONFIDENCE_MIN`], as a test says).
macro_rules! by_machine {
    () => {
        "CASE WHEN e.type = 'message.opened' AND NOT e.machine AND CAST(e.data ->> 'confidence' AS DOUBLE PRECISION) < 0.8 \
         THEN NULL ELSE e.machine END"
    };
}

/// What is counted of events: messages, each once whatever the number of people in it; and of clicks, each once.
macro_rules! things {
    () => {
        "COUNT(DISTINCT CASE WHEN e.type = 'message.clicked' THEN COALESCE(e.data ->> 'hit_id', CAST(e.id AS TEXT)) \
         ELSE CAST(COALESCE(e.message_id, e.id) AS TEXT) END)"
    };
}

/// Whether a move leads back to where the one before it came from, and a person made it.
macro_rules! taken_back {
    () => {
        "COALESCE(w.made_by NOT IN ('', 'automation') AND w.came_from = w.next AND w.came_to = w.stage, FALSE)"
    };
}

statements! {
    #[hot] BY_ACCOUNT = concat!("SELECT m.account, e.type, ", by_machine!(), " AS machine, ", things!(), " AS events \
        FROM event e JOIN message m ON m.id = e.message_id \
        WHERE e.type = ANY($1::text[]) AND e.at >= $2 AND e.at < $3 GROUP BY m.account, e.type, ", by_machine!());
    TURNS = "WITH said AS (SELECT p.thread_id, m.account, m.direction, m.at, m.id, \
          LAG(m.direction) OVER (PARTITION BY p.thread_id ORDER BY m.at, m.id) AS before \
          FROM thread t JOIN participation p ON p.thread_id = t.id JOIN message m ON m.id = p.message_id \
          LEFT JOIN outbox o ON o.id = m.id WHERE t.merged_into IS NULL AND t.last_message_at >= $1 \
          AND (m.direction = 'outbound' OR m.kind = 'human') AND (o.id IS NULL OR o.status = 'confirmed')), \
        turns AS (SELECT account, direction, at, id, at - LAG(at) OVER (PARTITION BY thread_id ORDER BY at, id) AS took FROM said \
          WHERE before IS NULL OR before <> direction), \
        placed AS (SELECT account, direction, took, ROW_NUMBER() OVER (PARTITION BY account, direction ORDER BY took, id) AS n, \
          COUNT(*) OVER (PARTITION BY account, direction) AS total FROM turns WHERE took IS NOT NULL AND at >= $1 AND at < $2) \
        SELECT account, direction, COUNT(*) AS answers, CAST(AVG(took) AS DOUBLE PRECISION) AS mean, \
          CAST(MAX(CASE WHEN n = (total + 1) / 2 THEN took END) AS BIGINT) AS median FROM placed \
        GROUP BY account, direction ORDER BY account, direction";
    #[hot] COUNTS = concat!("SELECT e.stage, e.type, ", by_machine!(), " AS machine, ", things!(), " AS events FROM event e \
        WHERE e.type = ANY($1::text[]) AND e.at >= $2 AND e.at < $3 AND e.stage IS NOT NULL GROUP BY e.stage, e.type, ", by_machine!());
    // Each person once, by the last time they left; who came back has not left: it is where their last move led.
    #[hot] EXITS = concat!("SELECT w.stage, w.next, ", taken_back!(), " AS back, COUNT(*) AS people FROM (SELECT stage, \
          data ->> 'to' AS next, COALESCE(data ->> 'by', '') AS made_by, \
          LAG(stage) OVER (PARTITION BY influencer_id ORDER BY at, id) AS came_from, \
          LAG(data ->> 'to') OVER (PARTITION BY influencer_id ORDER BY at, id) AS came_to, \
          FIRST_VALUE(data ->> 'to') OVER (PARTITION BY influencer_id ORDER BY at DESC, id DESC) AS ended_in, \
          ROW_NUMBER() OVER (PARTITION BY stage, influencer_id ORDER BY at DESC, id DESC) AS n FROM event \
          WHERE type = 'influencer.stage_changed' AND at >= $1 AND at < $2 AND stage IS NOT NULL AND data ->> 'to' IS NOT NULL \
          AND stage <> data ->> 'to') w WHERE w.n = 1 AND w.ended_in <> w.stage GROUP BY w.stage, w.next, ", taken_back!());
    #[hot] STAYS = "SELECT w.stage, CAST(AVG(w.stayed) AS DOUBLE PRECISION) AS mean, CAST(MAX(CASE WHEN w.n = (w.total + 1) / 2 THEN w.stayed END) AS BIGINT) AS median \
        FROM (SELECT stage, CAST(data ->> 'stayed' AS BIGINT) AS stayed, \
          ROW_NUMBER() OVER (PARTITION BY stage ORDER BY CAST(data ->> 'stayed' AS BIGINT), id) AS n, COUNT(*) OVER (PARTITION BY stage) AS total \
          FROM event WHERE type = 'influencer.stage_changed' AND at >= $1 AND at < $2 AND stage IS NOT NULL AND data ->> 'stayed' IS NOT NULL \
          AND stage <> data ->> 'to') w GROUP BY w.stage";
    #[hot] PEOPLE = "SELECT stage, COUNT(*) FROM influencer WHERE merged_into IS NULL GROUP BY stage";
}
