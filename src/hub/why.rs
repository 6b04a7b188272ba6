//! Why: for every influencer, run and message what is planned next and when, which rules moved it, what holds or stopped it,
//! and why nothing is planned.
//!
//! Reads only. What it says of time is planned with the planner itself, and who may be enrolled is asked of the enrolment
//! itself; the words for people are in [`words`].

use std::sync::Arc;

use serde::Serialize;

use super::outreach::dossier::{Dossier, own_phone};
use super::outreach::elsewhere;
use super::outreach::enroll::{Again, would_take};
use super::outreach::house::House;
use super::outreach::is_live;
use super::outreach::overview::stopped_by;
use super::outreach::plan::{Planner, Taken, Who};
use crate::domain::ids::{EnrollmentId, InfluencerId, MessageId};
use crate::domain::time::Micros;
use crate::domain::words::{EnrollmentState, EventType, OutboxStatus, StepState};
use crate::domain::zone::{Zone, theirs_or_ours};
use crate::store::outbox::OutboxRow;
use crate::store::outreach::enrollment::{EnrollmentRow, StepRow};
use crate::store::{StoreError, Tx};

mod next;
mod withheld;
pub mod words;

pub use next::{Next, OrElse};

/// Events that are looked through for the cause of an end.
const EVENTS_LOOKED_AT: i64 = 50;

/// An instant in both zones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "InstantInBothZones")]
pub struct Instant {
    /// The instant.
    pub at: Micros,
    /// Where they are: `2026-03-02 09:12`.
    pub theirs: String,
    /// Where we are.
    pub ours: String,
}

/// What there is to say of somebody.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Why {
    /// Who.
    pub influencer_id: InfluencerId,
    /// What the team calls them.
    pub handle: String,
    /// Their stage.
    pub stage: String,
    /// The zone that counts for them, in the run that is under way where there is one.
    pub zone: String,
    /// Where it comes from.
    pub zone_from: String,
    /// Our zone.
    pub our_zone: String,
    /// Where they are reached.
    pub addresses: Vec<Reached>,
    /// Who holds them, until when and why.
    pub held: Option<Held>,
    /// Their runs, newest first.
    pub runs: Vec<RunWhy>,
    /// Of every sequence they are not in, whether it would take them.
    pub sequences: Vec<Taking>,
}

/// An address, and whether mail goes there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Reached {
    /// The address.
    pub address: String,
    /// Whether it is an agent's.
    pub agent: bool,
    /// Why nothing goes there; none: mail does.
    pub stopped: Option<String>,
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "HeldWhy")]
pub struct Held {
    /// Until when.
    pub until: Instant,
    /// Why.
    pub reason: Option<String>,
    /// Whether a person set it.
    pub by_hand: bool,
}

/// Whether a sequence would take them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Taking {
    /// The sequence.
    pub sequence: String,
    /// Why not; none: it would.
    pub refused: Option<String>,
}

/// What there is to say of a run.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct RunWhy {
    /// The run.
    pub enrollment_id: EnrollmentId,
    /// Whose it is.
    pub influencer_id: InfluencerId,
    /// Its sequence.
    pub sequence: String,
    /// How it stands.
    pub state: String,
    /// The account they hear from.
    pub account: String,
    /// The step that is next or under way.
    pub step: Option<String>,
    /// What is planned, and when.
    pub next: Option<Next>,
    /// What stands under the `else` of its step, where that may still come: when, and which text.
    pub or_else: Option<OrElse>,
    /// What it waits for.
    pub waits_for: Option<String>,
    /// What makes time stand still for it.
    pub blocked: Option<String>,
    /// Why nothing of its account leaves for the time being, whatever is planned.
    pub withheld: Option<String>,
    /// The limits of its next send, with what is taken of them.
    pub limits: Vec<Taken>,
    /// Its steps so far.
    pub steps: Vec<StepWhy>,
    /// Why and when it ended.
    pub ended: Option<End>,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct StepWhy {
    /// The step.
    pub step: String,
    /// Its kind.
    pub kind: String,
    /// How it stands.
    pub state: StepState,
    /// The template that was chosen.
    pub variant: Option<String>,
    /// For when it was planned.
    pub planned: Option<Instant>,
    /// When it was done.
    pub completed: Option<Instant>,
    /// Why.
    pub reason: Option<String>,
    /// What moved it.
    pub shifts: serde_json::Value,
    /// Its message.
    pub message_id: Option<MessageId>,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "RunEnd")]
pub struct End {
    /// When.
    pub when: Instant,
    /// Why; none: all its steps were done.
    pub reason: Option<String>,
    /// What happened at that moment: `thread.replied`.
    pub event: Option<EventType>,
    /// The message that brought it about.
    pub message_id: Option<MessageId>,
}

/// What there is to say of a message.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct MessageWhy {
    /// The message.
    pub message_id: MessageId,
    /// How it stands.
    pub status: OutboxStatus,
    /// When it leaves or left.
    pub due: Instant,
    /// Why it does not leave.
    pub held: Option<String>,
    /// Why nothing of its account leaves for the time being, where it has not left.
    pub withheld: Option<String>,
    /// The last words on it.
    pub detail: Option<String>,
    /// Its place in a run.
    pub step: Option<StepWhy>,
    /// That run.
    pub run: Option<RunWhy>,
}

/// What the answers are put together with.
struct Asker<'a> {
    house: &'a Arc<House>,
    now: Micros,
    planner: Planner,
    dossier: Dossier,
}

/// Why something is, or is not, planned for somebody; `None` where there is no such influencer.
pub async fn of_influencer(
    tx: &mut Tx,
    (house, now): (&Arc<House>, Micros),
    id: InfluencerId,
) -> Result<Option<Why>, StoreError> {
    let Some(person) = tx.list_persons(vec![id]).await?.pop() else { return Ok(None) };
    let runs = tx.list_enrollments_of(vec![id]).await?;
    let dossier = Dossier::load(tx, &runs).await?;
    let mut asker = Asker { house, now, planner: Planner::new(Arc::clone(house), now), dossier };
    let places = tx.list_places(vec![id]).await?;
    let (zone, zone_from) = match runs.iter().find(|run| is_live(run)) {
        Some(run) => asker.zone(run),
        None => theirs_or_ours(person.timezone.as_deref(), own_phone(&places), &house.zone),
    };
    let mut why = Why {
        influencer_id: id,
        handle: person.handle.clone(),
        stage: person.stage.clone(),
        zone: zone.name().to_owned(),
        zone_from,
        our_zone: house.zone.name().to_owned(),
        addresses: Vec::new(),
        held: None,
        runs: Vec::new(),
        sequences: Vec::new(),
    };
    for place in places {
        let dead = place.dead_at.map(|at| format!("nothing arrives there since {at}"));
        let stopped = place.suppressed.map(|reason| format!("must not be written to: {reason}")).or(dead);
        why.addresses.push(Reached { address: place.value, agent: place.agent_id.is_some(), stopped });
    }
    let by_hand = tx.list_holds(vec![id]).await?.pop().is_some_and(|hold| hold.hold_by_hand);
    if let Some(until) = person.held_until.filter(|until| *until > now) {
        why.held =
            Some(Held { until: instant(until, &zone, &house.zone), reason: person.hold_reason.clone(), by_hand });
    }
    for run in &runs {
        why.runs.push(asker.run(tx, run).await?);
    }
    for row in tx.list_sequences().await? {
        if row.active_hash.is_none() || runs.iter().any(|r| r.sequence == row.id && is_live(r)) {
            continue;
        }
        let refused = would_take(tx, &row.id, id, Again::Refused).await?;
        let paused = stopped_by(tx, &row).await?;
        let paused = paused.map(|pause| format!("it would, but {}", pause.words(&pause.since.to_string())));
        why.sequences.push(Taking { sequence: row.id, refused: refused.map(|r| r.to_string()).or(paused) });
    }
    Ok(Some(why))
}

/// The same of one run.
pub async fn of_enrollment(
    tx: &mut Tx,
    (house, now): (&Arc<House>, Micros),
    id: EnrollmentId,
) -> Result<Option<RunWhy>, StoreError> {
    let Some(run) = tx.get_enrollment(id).await? else { return Ok(None) };
    let dossier = Dossier::load(tx, std::slice::from_ref(&run)).await?;
    let mut asker = Asker { house, now, planner: Planner::new(Arc::clone(house), now), dossier };
    asker.run(tx, &run).await.map(Some)
}

/// Why a message leaves or left when it does, and what became of it; `None` where it is none of ours.
pub async fn of_message(
    tx: &mut Tx,
    (house, now): (&Arc<House>, Micros),
    id: MessageId,
) -> Result<Option<MessageWhy>, StoreError> {
    let Some(row) = tx.get_outbox(id).await? else { return Ok(None) };
    let row_of_run = match tx.step_of_message(id).await? {
        Some(mail) => tx.get_enrollment(mail.enrollment_id).await?,
        None => None,
    };
    // Nobody's run: mail that one of us wrote, whose clock is ours.
    let (run, zone) = match row_of_run {
        Some(run) => {
            let dossier = Dossier::load(tx, std::slice::from_ref(&run)).await?;
            let mut asker = Asker { house, now, planner: Planner::new(Arc::clone(house), now), dossier };
            (Some(asker.run(tx, &run).await?), asker.zone(&run).0)
        }
        None => (None, house.zone.clone()),
    };
    let step = run.as_ref().and_then(|r| r.steps.iter().find(|s| s.message_id == Some(id))).cloned();
    let withheld = if matches!(
        row.status,
        OutboxStatus::Review | OutboxStatus::Queued | OutboxStatus::Claimed | OutboxStatus::Deferred
    ) {
        withheld::of_account(tx, &row.account).await?
    } else {
        None
    };
    let unread = match &step {
        Some(_) => unread(tx, (house, now), &row).await?,
        None => None,
    };
    Ok(Some(MessageWhy {
        message_id: id,
        status: row.status,
        due: instant(row.handed_over_at.unwrap_or(row.due_at), &zone, &house.zone),
        held: row.held_reason.or_else(|| unread.map(|what| format!("it waits for {what}"))),
        withheld,
        detail: row.detail,
        step,
        run,
    }))
}

/// Of a step's message that is due: what it waits for where the account it leaves from, or another that they talk with, was not read to
/// its end.
async fn unread(
    tx: &mut Tx,
    (house, now): (&House, Micros),
    message: &OutboxRow,
) -> Result<Option<String>, StoreError> {
    let waits = matches!(message.status, OutboxStatus::Queued | OutboxStatus::Deferred);
    if !waits || message.due_at > now {
        return Ok(None);
    }
    let mut accounts = Vec::new();
    if !tx.is_mailbox_read(&message.account).await? {
        accounts.push(message.account.clone());
    }
    let unread = elsewhere::unread_but(tx, house, &message.account).await?;
    accounts.extend(elsewhere::waiting_for(tx, vec![message.id], unread).await?.into_iter().map(|(_, name)| name));
    let names = accounts.join(", ");
    let (what, which) = match accounts.as_slice() {
        [] => return Ok(None),
        [_] => ("the account", "which is to be read to its end first"),
        _ => ("the accounts", "which are to be read to their ends first"),
    };
    Ok(Some(format!("{what} {names}, {which}: a no or an answer may lie there")))
}

fn instant(at: Micros, theirs: &Zone, ours: &Zone) -> Instant {
    Instant { at, theirs: theirs.wall(at).to_string(), ours: ours.wall(at).to_string() }
}

impl Asker<'_> {
    async fn run(&mut self, tx: &mut Tx, run: &EnrollmentRow) -> Result<RunWhy, StoreError> {
        self.planner.load(tx, &[&run.account], &[&run.sequence]).await?;
        let zone = self.zone(run).0;
        let live = is_live(run);
        let blocked = if live { self.dossier.blocked(run, self.now).map(|b| b.why) } else { None };
        let (next, limits) = if live { self.next(run, &zone) } else { (None, Vec::new()) };
        let mut waits_for = run.waiting_for.clone();
        if live
            && run.state != EnrollmentState::Held
            && let Some(id) =
                self.dossier.steps(run.id).iter().find(|s| s.state == StepState::Planned).and_then(|s| s.message_id)
            && let Some(mail) = tx.get_outbox(id).await?
        {
            waits_for = unread(tx, (self.house, self.now), &mail).await?.or(waits_for);
        }
        let or_else = if live { self.or_else(run, &zone) } else { None };
        let withheld = if live { withheld::of_account(tx, &run.account).await? } else { None };
        let ended = match run.ended_at {
            Some(at) => Some(self.end(tx, run, (at, &zone)).await?),
            None => None,
        };
        Ok(RunWhy {
            enrollment_id: run.id,
            influencer_id: run.influencer_id,
            sequence: run.sequence.clone(),
            state: run.state.to_string(),
            account: run.account.clone(),
            step: run.step.clone(),
            next: next.filter(|_| blocked.is_none()),
            or_else: or_else.filter(|_| blocked.is_none()),
            waits_for,
            blocked,
            withheld,
            limits,
            steps: self.dossier.steps(run.id).iter().map(|s| self.step(s, &zone)).collect(),
            ended,
        })
    }

    /// The zone that planning goes by, and where it comes from.
    fn zone(&self, run: &EnrollmentRow) -> (Zone, String) {
        let timezone = self.dossier.person(run.influencer_id).and_then(|p| p.timezone.as_deref());
        let phone = self.dossier.phone(run.influencer_id);
        match self.dossier.definition(&run.version) {
            Some(definition) => {
                let (version, account) = (run.version.as_str(), run.account.as_str());
                self.planner.zone_told(&Who { definition, version, account, timezone, phone })
            }
            None => theirs_or_ours(timezone, phone, &self.house.zone),
        }
    }

    fn step(&self, row: &StepRow, zone: &Zone) -> StepWhy {
        let when = |at: Option<Micros>| at.map(|at| instant(at, zone, &self.house.zone));
        StepWhy {
            step: row.step.clone(),
            kind: row.kind.clone(),
            state: row.state,
            variant: row.variant.clone(),
            planned: when(row.planned_at),
            completed: when(row.completed_at),
            reason: row.reason.clone(),
            shifts: row.shifts.clone().unwrap_or_default(),
            message_id: row.message_id,
        }
    }

    /// Why it ended: what brought it about, and in which message, as the event of its end says.
    async fn end(&self, tx: &mut Tx, run: &EnrollmentRow, (at, zone): (Micros, &Zone)) -> Result<End, StoreError> {
        let before = (Micros(at.0.saturating_add(1)), uuid::Uuid::nil());
        let events = tx.list_timeline_events(run.influencer_id, before, EVENTS_LOOKED_AT).await?;
        let id = serde_json::json!(run.id);
        let cause = events.into_iter().filter(|e| e.kind == EventType::EnrollmentExited).find_map(|e| {
            let data = e.data.filter(|data| data.get("enrollment_id") == Some(&id))?;
            serde_json::from_value::<BecauseOf>(data.get("because_of")?.clone()).ok()
        });
        Ok(End {
            when: instant(at, zone, &self.house.zone),
            reason: run.exit_reason.clone(),
            event: cause.as_ref().map(|c| c.event),
            message_id: cause.and_then(|c| c.message_id),
        })
    }
}

/// What the event of an end says of its cause.
#[derive(serde::Deserialize)]
struct BecauseOf {
    event: EventType,
    message_id: Option<MessageId>,
}
