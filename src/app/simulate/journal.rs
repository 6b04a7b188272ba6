//! Writes down what a simulation does, from the events the engine itself records.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::{SimulateError, World};
use crate::domain::ids::{EnrollmentId, EventId, InfluencerId, MessageId};
use crate::domain::time::Micros;
use crate::domain::words::{EventType, TaskKind, Word as _};
use crate::domain::zone::{Zone, theirs_or_ours};
use crate::hub::outreach::dossier::own_phone;
use crate::hub::outreach::enroll::Refusal;
use crate::hub::outreach::plan::{Planner, Who};
use crate::hub::outreach::{is_live, readable};
use crate::sequence::simulate::{Act, Ended, Entry, Given, Load, Moved, Report, Standing, What, When, clock_of};
use crate::store::event::EventRow;
use crate::store::outreach::enrollment::{EnrollmentRow, StepRow};
use crate::store::outreach::person::PlaceRow;
use crate::store::{StoreError, Tx};

/// Events read at once.
const AT_ONCE: i64 = 1_000;
/// Ids bound at once.
const IDS_AT_ONCE: usize = 500;

/// Somebody.
struct Person {
    handle: String,
    zone: Zone,
    zone_from: String,
}

/// A step that was sent or begun.
pub(super) struct Begun {
    pub(super) who: InfluencerId,
    pub(super) step: String,
    pub(super) at: Micros,
    pub(super) is_task: bool,
}

/// What was seen so far.
pub(super) struct Journal {
    sequence: Option<String>,
    focus: Vec<InfluencerId>,
    about: HashSet<InfluencerId>,
    people: HashMap<InfluencerId, Person>,
    ours: Zone,
    after: EventId,
    entries: Vec<Entry>,
    refused: HashMap<InfluencerId, String>,
    load: BTreeMap<(String, String), Load>,
}

/// The runs, steps and messages that a batch of events speaks of.
#[derive(Default)]
struct Known {
    runs: HashMap<EnrollmentId, EnrollmentRow>,
    steps: HashMap<(EnrollmentId, String), StepRow>,
    mails: HashMap<MessageId, Mail>,
}

/// A message of a step.
#[derive(Clone)]
struct Mail {
    run: EnrollmentId,
    step: String,
    /// The account it leaves from: of a channel that is no mail, another than that of its run.
    account: String,
}

impl Journal {
    /// A journal about these people, in their order.
    pub(super) async fn new(
        world: &World,
        sequence: Option<&str>,
        focus: Vec<InfluencerId>,
    ) -> Result<Self, SimulateError> {
        let mut journal = Self {
            sequence: sequence.map(str::to_owned),
            about: focus.iter().copied().collect(),
            focus,
            people: HashMap::new(),
            ours: world.desk.house().zone.clone(),
            after: EventId(world.clock.new_id()),
            entries: Vec::new(),
            refused: HashMap::new(),
            load: BTreeMap::new(),
        };
        journal.meet(world).await?;
        Ok(journal)
    }

    /// Learns the names and zones of those it is about.
    async fn meet(&mut self, world: &World) -> Result<(), SimulateError> {
        let mut tx = world.store.read().await?;
        let hash = match &self.sequence {
            Some(id) => tx.get_sequence(id).await?.and_then(|s| s.active_hash),
            None => None,
        };
        let of = match &hash {
            // Where it can't be read, their zones are told as they are without it.
            Some(hash) => readable(&mut tx, hash).await?.ok(),
            None => None,
        };
        let planner = Planner::new(world.desk.house(), world.clock.now());
        for ids in self.focus.chunks(IDS_AT_ONCE) {
            let mut places: HashMap<InfluencerId, Vec<PlaceRow>> = HashMap::new();
            for place in tx.list_places(ids.to_vec()).await? {
                places.entry(place.influencer_id).or_default().push(place);
            }
            for person in tx.list_persons(ids.to_vec()).await? {
                let timezone = person.timezone.as_deref();
                let phone = places.get(&person.id).and_then(|theirs| own_phone(theirs));
                let (zone, zone_from) = match &of {
                    Some(of) => planner.zone_told(&Who { definition: of, version: "", account: "", timezone, phone }),
                    None => theirs_or_ours(timezone, phone, &self.ours),
                };
                self.people.insert(person.id, Person { handle: person.handle, zone, zone_from });
            }
        }
        Ok(())
    }

    pub(super) fn focus(&self) -> &[InfluencerId] {
        &self.focus
    }

    pub(super) fn is_about(&self, who: InfluencerId) -> bool {
        self.about.contains(&who)
    }

    /// When something that is given for somebody happens.
    pub(super) fn resolve(&self, who: InfluencerId, when: &When, base: Micros) -> Option<Micros> {
        let zone = self.people.get(&who).map_or_else(|| self.ours.clone(), |p| p.zone.clone());
        when.resolve(base, &zone)
    }

    fn is_asked(&self, run: &EnrollmentRow) -> bool {
        self.sequence.as_ref().is_none_or(|id| run.sequence == *id)
    }

    fn blank(&self, who: InfluencerId, at: Micros, what: What) -> Entry {
        let person = self.people.get(&who);
        let zone = person.map_or_else(|| self.ours.clone(), |p| p.zone.clone());
        Entry {
            at,
            theirs: clock_of(&zone, at),
            ours: clock_of(&self.ours, at),
            influencer_id: who,
            handle: person.map_or_else(|| who.to_string(), |p| p.handle.clone()),
            zone: zone.name().to_owned(),
            sequence: None,
            enrollment_id: None,
            step: None,
            what,
            variant: None,
            account: None,
            planned_at: None,
            shifts: Vec::new(),
            detail: String::new(),
        }
    }

    pub(super) fn refused(&mut self, (who, sequence): (InfluencerId, &str), why: &Refusal, at: Micros) {
        self.refused.insert(who, why.to_string());
        let sequence = Some(sequence.to_owned());
        let entry = Entry { sequence, detail: why.to_string(), ..self.blank(who, at, What::Refused) };
        self.entries.push(entry);
    }

    pub(super) fn given(&mut self, who: InfluencerId, given: &Given, said: &str, at: Micros) {
        let detail = if said.is_empty() { given.to_string() } else { format!("{given} ({said})") };
        if let Act::Manual(account) = &given.act {
            self.load_of(at, account).by_hand += 1;
        }
        let entry = Entry { detail, ..self.blank(who, at, What::Given) };
        self.entries.push(entry);
    }

    fn load_of(&mut self, at: Micros, account: &str) -> &mut Load {
        let day = self.ours.wall(at).day().to_string();
        let blank = Load { day: day.clone(), account: account.to_owned(), sent: 0, others: 0, by_hand: 0 };
        self.load.entry((day, account.to_owned())).or_insert(blank)
    }

    /// Reads what was written since the last time; the steps that were sent or begun.
    pub(super) async fn read(&mut self, world: &World) -> Result<Vec<Begun>, SimulateError> {
        let mut begun = Vec::new();
        let mut tx = world.store.read().await?;
        loop {
            let events = tx.list_events_written(self.after, AT_ONCE).await?;
            let Some(last) = events.last() else { return Ok(begun) };
            self.after = last.id;
            let known = Known::load(&mut tx, &events).await?;
            for event in &events {
                self.note(event, &known, &mut begun);
            }
        }
    }

    fn note(&mut self, event: &EventRow, known: &Known, begun: &mut Vec<Begun>) {
        let Some(who) = event.influencer_id else { return };
        let data = event.data.as_ref().map(|d| &d.0);
        let text = |name: &str| data.and_then(|d| d.get(name)).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mail = event.message_id.and_then(|id| known.mails.get(&id)).cloned();
        let said: Option<EnrollmentId> = text("enrollment_id").parse().ok();
        let run = mail.as_ref().map(|mail| mail.run).or(said).and_then(|id| known.runs.get(&id));
        let step = mail.as_ref().map(|mail| mail.step.clone()).or_else(|| Some(text("step")).filter(|s| !s.is_empty()));
        let row = run.zip(step.as_ref()).and_then(|(run, step)| known.steps.get(&(run.id, step.clone())));
        if let (EventType::MessageSent, Some(run), Some(mail)) = (event.kind, run, &mail) {
            let is_asked = self.is_about(who) && self.is_asked(run);
            let load = self.load_of(event.at, &mail.account);
            if is_asked { load.sent += 1 } else { load.others += 1 }
        }
        if !self.is_about(who) {
            return;
        }
        let Some((what, detail)) = told(event, &text, row) else { return };
        let mut entry = self.blank(who, event.at, what);
        entry.detail = detail;
        entry.sequence = run.map(|r| r.sequence.clone());
        entry.enrollment_id = run.map(|r| r.id);
        entry.step.clone_from(&step);
        if let (What::Sent, Some(mail), Some(row)) = (what, mail, row) {
            entry.variant.clone_from(&row.variant);
            entry.account = Some(mail.account);
            entry.planned_at = row.planned_at;
            entry.shifts = row.shifts.as_ref().map(moves).unwrap_or_default();
        }
        if let (What::Sent | What::Task, Some(step)) = (what, step) {
            begun.push(Begun { who, step, at: event.at, is_task: what == What::Task });
        }
        self.entries.push(entry);
    }

    /// Everything, with where all of them stand now.
    pub(super) async fn report(
        mut self,
        world: &World,
        (from, until): (Micros, Micros),
        ended: Ended,
    ) -> Result<Report, SimulateError> {
        let mut sent: HashMap<InfluencerId, usize> = HashMap::new();
        for entry in self.entries.iter().filter(|e| e.what == What::Sent) {
            *sent.entry(entry.influencer_id).or_default() += 1;
        }
        let mut tx = world.store.read().await?;
        let mut people = Vec::with_capacity(self.focus.len());
        for ids in self.focus.chunks(IDS_AT_ONCE) {
            let mut runs: HashMap<InfluencerId, EnrollmentRow> = HashMap::new();
            for run in tx.list_enrollments_of(ids.to_vec()).await? {
                if self.is_asked(&run) && runs.get(&run.influencer_id).is_none_or(|r| r.id < run.id) {
                    runs.insert(run.influencer_id, run);
                }
            }
            let persons: HashMap<_, _> = tx.list_persons(ids.to_vec()).await?.into_iter().map(|p| (p.id, p)).collect();
            for id in ids {
                let Some(known) = self.people.get(id) else { continue };
                let (state, why) = standing(runs.get(id), self.refused.get(id));
                people.push(Standing {
                    influencer_id: *id,
                    handle: known.handle.clone(),
                    zone: known.zone.name().to_owned(),
                    zone_from: known.zone_from.clone(),
                    stage: persons.get(id).map(|p| p.stage.clone()).unwrap_or_default(),
                    sent: sent.get(id).copied().unwrap_or(0),
                    state,
                    why,
                });
            }
        }
        self.entries.sort_by_key(|e| e.at);
        Ok(Report {
            sequence: self.sequence,
            from,
            until,
            zone: self.ours.name().to_owned(),
            ended,
            entries: self.entries,
            people,
            load: self.load.into_values().collect(),
        })
    }
}

fn standing(run: Option<&EnrollmentRow>, refused: Option<&String>) -> (String, String) {
    match (run, refused) {
        (_, Some(why)) => ("refused".to_owned(), why.clone()),
        (None, None) => ("not enrolled".to_owned(), String::new()),
        (Some(run), None) if is_live(run) => {
            let step = run.step.as_deref().unwrap_or("the end");
            let waits = run.waiting_for.clone().unwrap_or_else(|| format!("{step} is next"));
            (run.state.to_string(), waits)
        }
        (Some(run), None) => (run.state.to_string(), run.exit_reason.clone().unwrap_or_default()),
    }
}

/// What an event comes to in the table, and what there is to say of it.
fn told(event: &EventRow, text: &impl Fn(&str) -> String, row: Option<&StepRow>) -> Option<(What, String)> {
    #[allow(clippy::wildcard_enum_match_arm, reason = "nothing else is of a run")]
    Some(match event.kind {
        EventType::MessageSent if row.is_some() => (What::Sent, String::new()),
        EventType::EnrollmentStarted => (What::Started, String::new()),
        EventType::EnrollmentStepDone if !text("skipped").is_empty() => (What::Skipped, text("skipped")),
        EventType::EnrollmentStepDone => {
            let ran_out = event.data.as_ref().is_some_and(|d| d.0.get("timed_out").is_some());
            // That a message was sent, or the team told, is said where it was.
            row.filter(|r| !matches!(r.kind.as_str(), "email" | "sms" | "slack" | "notify") || ran_out)?;
            (if ran_out { What::TimedOut } else { What::Done }, String::new())
        }
        EventType::EnrollmentFinished => (What::Finished, String::new()),
        EventType::EnrollmentExited => (What::Exited, text("reason")),
        EventType::EnrollmentHeld => (What::Held, text("reason")),
        EventType::InfluencerHeld if !text("until").is_empty() => {
            (What::Held, format!("until {}: {}", text("until"), text("reason")))
        }
        EventType::TaskCreated if text("kind") == TaskKind::Step.as_str() => (What::Task, text("text")),
        EventType::TaskCreated => (What::Done, format!("a task for a person: {}", text("text"))),
        EventType::TeamNotified => (What::Done, format!("the team is told: {}", text("text"))),
        EventType::InfluencerStageChanged => (What::Stage, format!("{} to {}", text("from"), text("to"))),
        _ => return None,
    })
}

fn moves(shifts: &Value) -> Vec<Moved> {
    serde_json::from_value(shifts.clone()).unwrap_or_default()
}

impl Known {
    async fn load(tx: &mut Tx, events: &[EventRow]) -> Result<Self, StoreError> {
        let mut known = Self::default();
        let messages: Vec<MessageId> = events.iter().filter_map(|e| e.message_id).collect();
        let mut ids: Vec<EnrollmentId> = Vec::new();
        for messages in messages.chunks(IDS_AT_ONCE) {
            for mail in tx.steps_of_messages(messages.to_vec()).await? {
                ids.push(mail.enrollment_id);
                let of = Mail { run: mail.enrollment_id, step: mail.step, account: mail.account };
                known.mails.insert(mail.id, of);
            }
        }
        let said = |e: &EventRow| e.data.as_ref()?.0.get("enrollment_id")?.as_str()?.parse::<EnrollmentId>().ok();
        ids.extend(events.iter().filter_map(said));
        ids.sort_unstable();
        ids.dedup();
        for ids in ids.chunks(IDS_AT_ONCE) {
            for run in tx.lock_enrollments(ids.to_vec()).await? {
                known.runs.insert(run.id, run);
            }
            for step in tx.list_steps(ids.to_vec()).await? {
                known.steps.insert((step.enrollment_id, step.step.clone()), step);
            }
        }
        Ok(known)
    }
}
