//! Everything that planning and writing need to know about some runs, read at once: people, addresses, steps, pauses.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::house::House;
use super::pause::{ALL, account_scope};
use super::{ExitReason, PAUSED, readable};
use crate::domain::expression::{Facts, StepFacts};
use crate::domain::ids::{EnrollmentId, InfluencerId};
use crate::domain::profile::Profile;
use crate::domain::sequence::Definition;
use crate::domain::stage::Stages;
use crate::domain::time::Micros;
use crate::domain::words::{Channel, EnrollmentState, StepState, SuppressionReason};
use crate::hub::people::refused::is_no;
use crate::hub::react;
use crate::render::template::{Context, Given, Owner, Sender, Writer};
use crate::store::outreach::enrollment::{EnrollmentRow, StepRow};
use crate::store::outreach::person::{PersonRow, PlaceRow};
use crate::store::outreach::{PauseRow, SequenceRow};
use crate::store::{StoreError, Tx};

/// What is known.
#[derive(Debug, Default)]
pub struct Dossier {
    persons: HashMap<InfluencerId, PersonRow>,
    places: HashMap<InfluencerId, Vec<PlaceRow>>,
    tags: HashMap<InfluencerId, Vec<String>>,
    steps: HashMap<EnrollmentId, Vec<StepRow>>,
    sequences: HashMap<String, SequenceRow>,
    pauses: Vec<PauseRow>,
    definitions: HashMap<String, Arc<Definition>>,
    /// Versions that can't be read, and why.
    unreadable: HashMap<String, String>,
    stages: Option<Arc<Stages>>,
}

/// Why time stands still for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// In words.
    pub why: String,
    /// Since when, where that is known.
    pub since: Option<Micros>,
    /// Until when, where that is known.
    pub until: Option<Micros>,
}

impl Blocked {
    /// Since when time stands still for a run that is found blocked: also where nobody looked at it for a while.
    pub fn held_at(&self, run: &EnrollmentRow, now: Micros) -> Micros {
        let since = self.since.map_or(now, |since| since.max(run.anchor_at).min(now));
        run.held_at.unwrap_or(since)
    }
}

impl Dossier {
    /// Reads what is known about these runs.
    pub async fn load(tx: &mut Tx, runs: &[EnrollmentRow]) -> Result<Self, StoreError> {
        let mut ids: Vec<InfluencerId> = runs.iter().map(|r| r.influencer_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let stages = Some(react::stages(tx).await?);
        let mut dossier = Self { pauses: tx.list_pauses().await?, stages, ..Self::default() };
        for person in tx.list_persons(ids.clone()).await? {
            dossier.persons.insert(person.id, person);
        }
        for place in tx.list_places(ids.clone()).await? {
            dossier.places.entry(place.influencer_id).or_default().push(place);
        }
        for (id, tag) in tx.list_tags(ids).await? {
            dossier.tags.entry(id).or_default().push(tag);
        }
        for step in tx.list_steps(runs.iter().map(|r| r.id).collect()).await? {
            dossier.steps.entry(step.enrollment_id).or_default().push(step);
        }
        for row in tx.list_sequences().await? {
            dossier.sequences.insert(row.id.clone(), row);
        }
        for run in runs {
            if dossier.definitions.contains_key(&run.version) || dossier.unreadable.contains_key(&run.version) {
                continue;
            }
            match readable(tx, &run.version).await? {
                Ok(definition) => drop(dossier.definitions.insert(run.version.clone(), definition)),
                Err(why) => drop(dossier.unreadable.insert(run.version.clone(), why)),
            }
        }
        Ok(dossier)
    }

    /// Somebody.
    pub fn person(&self, id: InfluencerId) -> Option<&PersonRow> {
        self.persons.get(&id)
    }

    /// The definition of a version.
    pub fn definition(&self, version: &str) -> Option<&Arc<Definition>> {
        self.definitions.get(version)
    }

    /// Why the definition of a version is not there.
    pub fn unreadable(&self, version: &str) -> &str {
        self.unreadable.get(version).map_or("its version is not known", String::as_str)
    }

    /// The steps of a run so far.
    pub fn steps(&self, run: EnrollmentId) -> &[StepRow] {
        self.steps.get(&run).map(Vec::as_slice).unwrap_or_default()
    }

    /// Every address of theirs, in the order they are written to.
    pub fn places(&self, id: InfluencerId) -> &[PlaceRow] {
        self.places.get(&id).map(Vec::as_slice).unwrap_or_default()
    }

    /// The address that mail goes to, or why there is none.
    pub fn place(&self, id: InfluencerId) -> Result<&PlaceRow, String> {
        choose_place(self.places(id), Channel::Email)
    }

    /// The same of any channel.
    pub fn place_on(&self, id: InfluencerId, channel: Channel) -> Result<&PlaceRow, String> {
        choose_place(self.places(id), channel)
    }

    /// Their number, where one is known: where it is from tells what time it is for them.
    pub fn phone(&self, id: InfluencerId) -> Option<&str> {
        own_phone(self.places(id))
    }

    /// By what it is known what time it is for whoever gets a message: their zone and a number. A text message rings at its own number,
    /// and an agent's is no clock of the influencer's.
    pub fn clock_of<'a>(
        &'a self,
        person: &'a PersonRow,
        rings: Option<&'a PlaceRow>,
    ) -> (Option<&'a str>, Option<&'a str>) {
        let zone = person.timezone.as_deref().filter(|_| rings.is_none_or(|place| place.agent_id.is_none()));
        (zone, rings.map(|place| place.value_key.as_str()).or_else(|| self.phone(person.id)))
    }

    /// The teammate who looks after somebody: theirs, or who owns what nobody else does. One who is not (or no longer) in the
    /// team looks after nobody.
    pub fn owner<'a>(&'a self, house: &'a House, id: InfluencerId) -> Option<&'a String> {
        let theirs = self.person(id).and_then(|person| person.owner.as_ref());
        theirs.filter(|owner| house.owners.contains_key(*owner)).or(house.default_owner.as_ref())
    }

    /// Why nothing of a sequence leaves from an account, where that is paused.
    pub fn paused_account(&self, account: &str) -> Option<String> {
        let scope = account_scope(account);
        let pause = self.pauses.iter().find(|pause| pause.scope == scope)?;
        Some(format!("the account {account} is paused since {}: {}", pause.at, pause.reason))
    }

    /// What makes time stand still for a run now, if anything does.
    pub fn blocked(&self, run: &EnrollmentRow, now: Micros) -> Option<Blocked> {
        let forever = |since: Micros, why: String| Some(Blocked { why, since: Some(since), until: None });
        if run.state == EnrollmentState::Paused {
            return forever(now, PAUSED.to_owned());
        }
        let paused = |scope: &str| self.pauses.iter().find(|p| p.scope == scope);
        if let Some(pause) = paused(ALL) {
            return forever(pause.at, format!("everything is paused since {}: {}", pause.at, pause.reason));
        }
        if let Some(pause) = paused(&account_scope(&run.account)) {
            let why = format!("the account {} is paused since {}: {}", run.account, pause.at, pause.reason);
            return forever(pause.at, why);
        }
        if self.sequences.get(&run.sequence).is_some_and(|sequence| sequence.active_hash.is_none()) {
            return forever(now, ExitReason::SequenceRemoved.to_string());
        }
        if let Some(sequence) = self.sequences.get(&run.sequence)
            && let Some(at) = sequence.paused_at
        {
            let reason = sequence.pause_reason.as_deref().unwrap_or("no reason given");
            return forever(at, format!("the sequence is paused since {at}: {reason}"));
        }
        let person = self.person(run.influencer_id)?;
        let until = person.held_until.filter(|until| *until > now)?;
        let reason = person.hold_reason.as_deref().unwrap_or("no reason given");
        Some(Blocked { why: format!("they are held until {until}: {reason}"), since: None, until: Some(until) })
    }

    /// The stage somebody is in who has reached what ends their run, though nobody ended it when they came there: the version
    /// it goes by, or the order of stages, is another since.
    pub fn reached(&self, run: &EnrollmentRow) -> Option<&str> {
        let stage = self.person(run.influencer_id)?.stage.as_str();
        self.definition(&run.version)?.reached(self.stages.as_deref()?, &stage.into()).map(|_| stage)
    }

    /// What templates and conditions of a run may speak of.
    pub fn context(&self, house: &House, run: &EnrollmentRow, unsubscribe_url: Option<String>) -> Option<Context> {
        let person = self.person(run.influencer_id)?;
        let definition = self.definition(&run.version)?;
        let owner_id = self.owner(house, person.id);
        let owner = owner_id.and_then(|id| house.owners.get(id));
        let sender = house.accounts.get(&run.account);
        let given = Given {
            influencer: Profile {
                handle: person.handle.clone(),
                first_name: person.first_name.clone(),
                last_name: person.last_name.clone(),
                stage: person.stage.clone(),
                timezone: person.timezone.clone(),
                email: self.place(person.id).ok().map(|p| p.value.clone()),
                owner: owner_id.cloned(),
                reach: person.reach,
                tags: self.tags.get(&person.id).cloned().unwrap_or_default(),
                properties: match &self.stages {
                    Some(stages) => stages.typed(&person.properties),
                    None => person.properties.clone(),
                },
            },
            owner: owner.map_or_else(Owner::default, |o| Owner {
                name: format!("{} {}", o.first_name, o.last_name).trim().to_owned(),
                first_name: o.first_name.clone(),
                email: o.email.clone(),
            }),
            account: sender.map_or_else(Writer::default, |s| Writer {
                name: if s.from.display_name.is_empty() { s.from.address.clone() } else { s.from.display_name.clone() },
                address: s.from.address.clone(),
            }),
            filled: run.filled.clone(),
            unsubscribe_url,
            sender: Some(Sender { name: house.sender_name.clone(), address: house.sender_address.clone() }),
        };
        Some(Context::new(given, &definition.variables))
    }

    /// What conditions of a run may ask about.
    pub fn facts(&self, house: &House, run: &EnrollmentRow) -> Option<Facts> {
        let definition = self.definition(&run.version)?;
        let mut steps: BTreeMap<String, StepFacts> =
            definition.steps.iter().map(|s| (s.id.clone(), StepFacts::default())).collect();
        for row in self.steps(run.id) {
            let facts = StepFacts {
                sent: row.state == StepState::Sent,
                opened: row.opened_at.is_some(),
                clicked: row.clicked_at.is_some(),
                replied: row.replied_at.is_some(),
                done: matches!(row.state, StepState::Sent | StepState::Done),
            };
            steps.insert(row.step.clone(), facts);
        }
        Some(self.context(house, run, None)?.facts(steps))
    }

    /// Notes a step that was just planned, so that what follows in the same transaction knows it.
    pub fn note_step(&mut self, row: StepRow) {
        self.steps.entry(row.enrollment_id).or_default().push(row);
    }
}

/// The number of somebody's own among their addresses.
pub fn own_phone(all: &[PlaceRow]) -> Option<&str> {
    all.iter().find(|p| p.channel == Channel::Sms && p.agent_id.is_none()).map(|p| p.value_key.as_str())
}

/// The no that somebody said themselves of a channel, where one of their own addresses on it carries it.
pub fn own_no(all: &[PlaceRow], channel: Channel) -> Option<&str> {
    let own = all.iter().filter(|p| p.agent_id.is_none() && p.channel == channel);
    own.filter_map(|p| p.suppressed.as_deref()).find(|reason| reason.parse::<SuppressionReason>().is_ok_and(is_no))
}

/// Of somebody's addresses on a channel, in the order they are written to, the one that is; or why there is none.
///
/// Who said no themselves is not written to over their agent either, and nobody gets a text message who did not agree to it.
pub fn choose_place(all: &[PlaceRow], channel: Channel) -> Result<&PlaceRow, String> {
    if let Some(no) = own_no(all, channel) {
        return Err(format!("no {channel}: they said no themselves ({no})"));
    }
    let of_channel = || all.iter().filter(|p| p.channel == channel);
    let open = || of_channel().filter(|p| p.dead_at.is_none() && p.suppressed.is_none());
    if let Some(open) = open().find(|p| p.agreed || channel != Channel::Sms) {
        return Ok(open);
    }
    Err(match of_channel().find_map(|p| p.suppressed.as_deref()) {
        Some(reason) => format!("no {channel}: they must not be written to ({reason})"),
        None if open().next().is_some() => format!("no {channel}: nobody has noted that they agree to text messages"),
        None if of_channel().next().is_none() => format!("no {channel}: no address is known"),
        None => format!("no {channel}: nothing arrives at their address"),
    })
}
