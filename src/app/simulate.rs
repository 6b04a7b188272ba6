//! Runs the engine itself ahead of time: the cadence, the claim with its last look and the records of the daemon, over a
//! copy of what planning goes by, on a clock that jumps from one due instant to the next.
//!
//! Nothing leaves and nothing of the real store changes: the copy lies in a temporary directory and goes with it. The only
//! thing that is not the daemon's is the provider, which takes everything at once.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::ids::{InfluencerId, RunId};
use crate::domain::sequence::Definition;
use crate::domain::stage::Stages;
use crate::domain::time::Micros;
use crate::hub::outreach;
use crate::hub::outreach::enroll::{self, Again, ENROLL_MAX, EnrollError, Refusal};
use crate::hub::outreach::house::{Desk, House};
use crate::outbound::rehearsal::accept_due;
use crate::outbound::{SendingSettings, Tools, Watermark};
use crate::sequence::Cadence;
use crate::sequence::simulate::{DAYS_MAX, Ended, GIVEN_MAX, Given, INSTANTS_MAX, PEOPLE_MAX, Report};
use crate::store::{Store, StoreError, Tx};

mod acts;
mod journal;
mod trial;

pub use trial::run_tests;

use journal::Journal;

/// Rounds at one instant: a run goes through each of its steps once, so this is never reached by honest work.
const ROUNDS_MAX: usize = 1_000_000;

/// What is to be simulated.
#[derive(Debug, Clone)]
pub struct Order {
    /// The sequence; none: every one there is.
    pub sequence: Option<String>,
    /// Who is enrolled in what; where nobody is, those who are in it now are looked at.
    pub enroll: Vec<(String, Vec<InfluencerId>)>,
    /// When they are enrolled; none: now.
    pub from: Option<Micros>,
    /// How many days after that are looked at.
    pub days: u32,
    /// What shall happen, each to somebody or to all.
    pub given: Vec<(Option<InfluencerId>, Given)>,
    /// Whether those who had the sequence before may have it again.
    pub again: Again,
    /// The definition in place of the one that is published.
    pub local: Option<(Definition, String)>,
    /// How long people take to do the tasks of steps; none: they are left undone.
    pub tasks_after: Option<Duration>,
}

/// Why nothing was simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The order can't be carried out as it is.
    #[error("{0}")]
    Order(String),
    /// There is no such sequence.
    #[error("there is no sequence `{0}`")]
    NoSequence(String),
    /// No temporary directory.
    #[error("no temporary directory can be made: {0}")]
    Place(#[from] std::io::Error),
    /// A store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Something that is still to happen.
struct Pending {
    /// When; none while the step it is counted from is not there yet.
    at: Option<Micros>,
    who: InfluencerId,
    given: Given,
}

/// The engine over a store of its own.
pub(super) struct World {
    store: Store,
    clock: Clock,
    desk: Desk,
    cadence: Cadence,
    tools: Tools,
    accounts: Vec<String>,
    sending: Vec<SendingSettings>,
    /// Goes, with everything in it, when this does.
    _place: tempfile::TempDir,
}

impl World {
    /// A world as `source` is at `now`, as far as these people go and all who have a live run; without a source an empty one.
    async fn open(
        source: Option<(&Store, &[InfluencerId])>,
        now: Micros,
        house: House,
        stages: Option<&Stages>,
    ) -> Result<Self, SimulateError> {
        let place = tempfile::Builder::new().prefix("liaison-simulation-").tempdir()?;
        let store = Store::open_scratch(&place.path().join("simulation.db")).await?;
        let clock = Clock::stepped(now);
        let mut tx = store.begin("simulate.copy").await?;
        if let Some((source, people)) = source {
            let mut from = source.snapshot().await?;
            let most = i64::try_from(PEOPLE_MAX).unwrap_or(i64::MAX);
            let mut all: BTreeSet<InfluencerId> =
                from.list_people_of_live_runs(most.saturating_add(1)).await?.into_iter().collect();
            all.extend(people);
            if all.len() > PEOPLE_MAX {
                let why = format!("{} people would be simulated; at most {PEOPLE_MAX}", all.len());
                return Err(SimulateError::Order(why));
            }
            let all: Vec<InfluencerId> = all.into_iter().collect();
            tx.copy_outreach(&mut from, &all, now).await?;
        }
        let accounts: Vec<String> = house.accounts.keys().cloned().collect();
        for (name, sender) in &house.accounts {
            tx.ensure_account(name, "simulated", &sender.from.address, now).await?;
        }
        if let Some(stages) = stages {
            let body = serde_json::to_string(stages).map_err(|e| StoreError::Damaged(e.to_string()))?;
            let hash = super::installation::hash_of(&body);
            tx.publish_definition("stages", &hash, &body, now).await?;
        }
        tx.commit().await?;
        let desk = Desk::new(house);
        let cadence = Cadence { store: store.clone(), clock: clock.clone(), desk: desk.clone() };
        let run = RunId(clock.new_id());
        let watermark = Watermark::none();
        let tools = Tools { store: store.clone(), clock: clock.clone(), run, desk: desk.clone(), watermark };
        let sending = accounts.iter().map(SendingSettings::new).collect();
        Ok(Self { store, clock, desk, cadence, tools, accounts, sending, _place: place })
    }

    /// Does what is due at this instant, until nothing is.
    async fn settle(&self) -> Result<(), SimulateError> {
        for _ in 0..ROUNDS_MAX {
            let (looked, _) = self.cadence.tick().await?;
            if looked.runs > 0 || looked.left {
                continue;
            }
            let mut taken = 0;
            for settings in &self.sending {
                taken += accept_due(&self.tools, settings).await?.len();
            }
            if taken == 0 {
                // The last look may have ended or moved something on its way.
                if self.cadence.tick().await?.0.runs == 0 {
                    return Ok(());
                }
            }
        }
        Err(SimulateError::Order(format!("the work of {} does not come to an end", self.clock.now())))
    }

    /// The next instant at which something is due by itself.
    async fn next_due(&self) -> Result<Option<Micros>, StoreError> {
        let now = self.clock.now();
        let mut next = self.cadence.next_due().await?.filter(|at| *at > now);
        let mut tx = self.store.read().await?;
        for account in &self.accounts {
            let due = tx.next_due_outbox(account).await?.filter(|at| *at > now);
            next = [next, due].into_iter().flatten().min();
        }
        Ok(next)
    }
}

/// Looks ahead. `source` is only read.
///
/// # Errors
/// [`SimulateError::Order`] says what to change.
pub async fn simulate(
    (source, now): (&Store, Micros),
    house: House,
    stages: Option<&Stages>,
    order: Order,
) -> Result<Report, SimulateError> {
    let from = order.from.unwrap_or(now);
    if from < now {
        let why = format!("it would begin at {from}, which is over: what was sent then is in `liaison why`");
        return Err(SimulateError::Order(why));
    }
    if order.days == 0 || order.days > DAYS_MAX {
        return Err(SimulateError::Order(format!("{} days; 1 to {DAYS_MAX} can be looked at", order.days)));
    }
    let who: Vec<InfluencerId> = order.enroll.iter().flat_map(|(_, who)| who).copied().collect();
    let world = World::open(Some((source, &who)), now, house, stages).await?;
    Run::new(&world, order, from).await?.finish().await
}

/// Whether the steps that events name are there: in the version new runs begin with, or in one that a live run is on.
async fn judge_given(tx: &mut Tx, sequence: &str, order: &Order) -> Result<(), SimulateError> {
    let active = tx.get_sequence(sequence).await?.and_then(|s| s.active_hash);
    let live = tx.count_live_steps(sequence).await?.into_iter().map(|(version, ..)| version);
    let mut versions = Vec::new();
    let mut unread = false;
    for hash in active.into_iter().chain(live) {
        match outreach::readable(tx, &hash).await? {
            Ok(version) => versions.push(version),
            Err(_) => unread = true,
        }
    }
    for (_, given) in &order.given {
        let judged = versions.iter().map(|version| given.judge(version)).collect::<Vec<_>>();
        // What a version says that can't be read is not known: the step may be there.
        if let (Some(Err(why)), false, false) = (judged.first(), judged.iter().any(Result::is_ok), unread) {
            return Err(SimulateError::Order(format!("`{given}`: {why}")));
        }
    }
    Ok(())
}

/// A simulation under way.
struct Run<'w> {
    world: &'w World,
    order: Order,
    from: Micros,
    until: Micros,
    journal: Journal,
    pending: Vec<Pending>,
}

impl<'w> Run<'w> {
    /// Enrolls whom it is about at its time.
    async fn new(world: &'w World, order: Order, from: Micros) -> Result<Self, SimulateError> {
        let until = from.plus(Duration::from_secs(u64::from(order.days) * 86_400));
        if let Some((definition, hash)) = &order.local {
            let body = serde_json::to_string(definition).map_err(|e| StoreError::Damaged(e.to_string()))?;
            let mut tx = world.store.begin("simulate.publish").await?;
            tx.publish_sequence(&definition.id, hash, &body, world.clock.now()).await?;
            tx.commit().await?;
        }
        let mut tx = world.store.read().await?;
        for id in order.sequence.iter().chain(order.enroll.iter().map(|(id, _)| id)) {
            if tx.get_sequence(id).await?.and_then(|s| s.active_hash).is_none() {
                return Err(SimulateError::NoSequence(id.clone()));
            }
        }
        let mut focus: Vec<InfluencerId> = order.enroll.iter().flat_map(|(_, who)| who).copied().collect();
        let most = i64::try_from(PEOPLE_MAX).unwrap_or(i64::MAX);
        match &order.sequence {
            None => focus.extend(tx.list_people_of_live_runs(most).await?),
            Some(id) if focus.is_empty() => focus = tx.list_people_in(id).await?,
            Some(_) => {}
        }
        let mut seen = BTreeSet::new();
        focus.retain(|id| seen.insert(*id));
        if let Some(id) = &order.sequence {
            judge_given(&mut tx, id, &order).await?;
        }
        drop(tx);
        let journal = Journal::new(world, order.sequence.as_deref(), focus).await?;
        Ok(Self { world, order, from, until, journal, pending: Vec::new() })
    }

    async fn finish(mut self) -> Result<Report, SimulateError> {
        // Planned first: what it is counted from may happen at once.
        self.plan_given()?;
        self.go_to(self.from).await?;
        self.world.clock.advance_to(self.from);
        self.enroll().await?;
        let ended = self.go_to(self.until).await?;
        self.journal.report(self.world, (self.from, self.until), ended).await
    }

    async fn enroll(&mut self) -> Result<(), SimulateError> {
        for (sequence, who) in std::mem::take(&mut self.order.enroll) {
            for ids in who.chunks(ENROLL_MAX) {
                self.enroll_some(&sequence, ids).await?;
            }
        }
        Ok(())
    }

    async fn enroll_some(&mut self, sequence: &str, ids: &[InfluencerId]) -> Result<(), SimulateError> {
        let mut tx = self.world.store.begin("simulate.enroll").await?;
        let outcomes = enroll::enroll(&mut tx, &self.world.clock, sequence, ids, self.order.again).await;
        let outcomes = outcomes.map_err(|error| match error {
            EnrollError::Store(error) => SimulateError::Store(error),
            EnrollError::NoSequence(id) => SimulateError::NoSequence(id),
            EnrollError::TooMany(_) => SimulateError::Order(error.to_string()),
        })?;
        tx.commit().await?;
        for outcome in outcomes {
            match outcome.result {
                // Those who are in it already are looked at as they stand.
                Ok(_) | Err(Refusal::AlreadyIn) => {}
                Err(refusal) => self.journal.refused((outcome.influencer_id, sequence), &refusal, self.from),
            }
        }
        Ok(())
    }

    /// What is given, for each whom it concerns.
    fn plan_given(&mut self) -> Result<(), SimulateError> {
        for (who, given) in std::mem::take(&mut self.order.given) {
            let whom: Vec<InfluencerId> = match who {
                Some(who) if self.journal.is_about(who) => vec![who],
                Some(_) => {
                    let why = format!("`{given}` is about somebody who is not in this simulation");
                    return Err(SimulateError::Order(why));
                }
                None => self.journal.focus().to_vec(),
            };
            for who in whom {
                let at =
                    if given.when.step().is_some() { None } else { self.journal.resolve(who, &given.when, self.from) };
                self.pending.push(Pending { at, who, given: given.clone() });
            }
            if self.pending.len() > GIVEN_MAX {
                return Err(SimulateError::Order(format!("more than {GIVEN_MAX} events")));
            }
        }
        Ok(())
    }

    /// Lets time pass until an instant, everything of it included.
    async fn go_to(&mut self, end: Micros) -> Result<Ended, SimulateError> {
        for _ in 0..INSTANTS_MAX {
            self.act().await?;
            self.world.settle().await?;
            self.learn().await?;
            if self.pending.iter().any(|p| p.at.is_some_and(|at| at <= self.world.clock.now())) {
                continue;
            }
            let given = self.pending.iter().filter_map(|p| p.at).min();
            let next = [self.world.next_due().await?, given].into_iter().flatten().min();
            match next {
                Some(next) if next <= end => self.world.clock.advance_to(next),
                Some(_) => return Ok(Ended::Days),
                None => {
                    let mut tx = self.world.store.read().await?;
                    let held = tx.get_installation().await?.is_some_and(|i| i.held);
                    return Ok(if held { Ended::Installation } else { Ended::Quiet });
                }
            }
        }
        Err(SimulateError::Order(format!("more than {INSTANTS_MAX} instants; look at fewer days or people")))
    }

    /// Carries out what is given for now or before.
    async fn act(&mut self) -> Result<(), SimulateError> {
        let now = self.world.clock.now();
        let mut due = Vec::new();
        self.pending.retain_mut(|p| {
            let is_due = p.at.is_some_and(|at| at <= now);
            if is_due {
                due.push((p.who, p.given.clone()));
            }
            !is_due
        });
        for (who, given) in due {
            let said = acts::carry_out(self.world, who, &given.act).await?;
            self.journal.given(who, &given, &said, now);
        }
        Ok(())
    }

    /// Reads what was written, and sets the time of what is counted from it.
    async fn learn(&mut self) -> Result<(), SimulateError> {
        let begun = self.journal.read(self.world).await?;
        for step in begun {
            for pending in &mut self.pending {
                let waits = pending.at.is_none() && pending.who == step.who;
                if waits && pending.given.when.step() == Some(step.step.as_str()) {
                    pending.at = self.journal.resolve(pending.who, &pending.given.when, step.at);
                }
            }
            if let (true, Some(after)) = (step.is_task, self.order.tasks_after) {
                let act = crate::sequence::simulate::Act::Task { step: step.step.clone(), answer: ANSWER.to_owned() };
                let when = crate::sequence::simulate::When::At(String::new());
                let given = Given { who: None, when, act, text: format!("the task of {} is done", step.step) };
                self.pending.push(Pending { at: Some(step.at.plus(after)), who: step.who, given });
            }
        }
        Ok(())
    }
}

/// What is filled in where tasks do themselves.
const ANSWER: &str = "(what a person will write)";
