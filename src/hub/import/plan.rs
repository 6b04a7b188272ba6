//! What a row of influencers means, given what is known: someone new, something new about someone, nothing, or a
//! contradiction. Pure: nothing is read or written here.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::json;

use super::row::{Mail, Row};
use super::{ImportOptions, Remark, Seen, Use};
use crate::clock::Clock;
use crate::domain::ids::{AddressId, AgentId, InfluencerId, LedgerId};
use crate::domain::people::{Address, Agent, Consent, Influencer, Network, Person, Suppression, handle_key};
use crate::domain::time::Micros;
use crate::domain::words::{Channel, EventType, SuppressionReason, Word as _};
use crate::hub::people::refused::is_no;
use crate::hub::signal::{self, Signal};
use crate::store::event::NewEvent;

/// What the store knows about the people of a batch.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// By handle key.
    pub(super) influencers: HashMap<String, Influencer>,
    /// Who has an address, by key.
    pub(super) owners: HashMap<String, Person>,
    /// What the influencers are called who have one of the addresses.
    pub(super) names: HashMap<InfluencerId, String>,
    /// The own addresses of the influencers.
    pub(super) addresses: HashMap<InfluencerId, Vec<Address>>,
    pub(super) tags: HashMap<InfluencerId, BTreeSet<String>>,
    pub(super) networks: HashMap<InfluencerId, Vec<Network>>,
    pub(super) agents: HashMap<InfluencerId, Vec<AgentId>>,
    /// By address key; a number is no mail address, so that one map does for both.
    pub(super) consents: HashMap<String, Vec<Consent>>,
    /// Addresses and numbers whose owner said no, and since when.
    pub(super) refused: HashMap<String, Micros>,
    /// Addresses that must not be written to, for whatever reason.
    pub(super) suppressed: HashSet<String>,
}

impl Known {
    /// Takes note of addresses that must not be written to.
    pub(super) fn heard(&mut self, listed: Vec<Suppression>) {
        self.suppressed.extend(listed.iter().map(|s| s.value_key.clone()));
        self.refused.extend(listed.into_iter().filter(|s| is_no(s.reason)).map(|s| (s.value_key, s.at)));
    }
}

/// What a batch is going to write.
#[derive(Debug, Default)]
pub(super) struct Writes {
    pub(super) influencers: Vec<Influencer>,
    pub(super) updates: Vec<Influencer>,
    pub(super) addresses: Vec<Address>,
    pub(super) agents: Vec<Agent>,
    pub(super) agent_updates: Vec<Agent>,
    pub(super) links: Vec<(AgentId, InfluencerId)>,
    pub(super) tags: Vec<(InfluencerId, String)>,
    pub(super) networks: Vec<(InfluencerId, Network)>,
    pub(super) consents: Vec<Consent>,
    pub(super) events: Vec<NewEvent>,
}

/// A property as a file spells it: a number that was set through the API is the same as its digits.
fn spelled(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// By which handle a row's influencer is known: the row may say one they had before.
fn called(row: &Row, existing: Option<&Influencer>) -> String {
    existing.and_then(|e| handle_key(&e.handle)).unwrap_or_else(|| row.handle_key.clone())
}

/// What a row came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Created,
    Updated,
    Unchanged,
}

/// Plans the rows of one batch, one after the other.
pub(super) struct Planner<'a> {
    pub(super) clock: &'a Clock,
    pub(super) options: &'a ImportOptions,
    /// What the store knows.
    pub(super) known: &'a Known,
    /// What was in the batches before.
    pub(super) before: &'a Seen,
    /// What was in this batch so far.
    pub(super) seen: Seen,
    pub(super) writes: Writes,
    pub(super) stages_left_alone: u64,
    pub(super) remarks: Vec<Remark>,
}

impl Planner<'_> {
    /// Decides what a row comes to, and notes what it takes; or says why it can't be.
    pub(super) fn plan(&mut self, line: u64, row: &Row) -> Result<Outcome, Vec<String>> {
        let existing = self.known.influencers.get(&row.handle_key);
        let reasons = self.contradictions(row, existing);
        if !reasons.is_empty() {
            return Err(reasons);
        }
        let key = called(row, existing);
        if key != row.handle_key {
            let handle = existing.map(|e| e.handle.as_str()).unwrap_or_default();
            let remark = format!("handle: {} is called {handle} now, and stays so", row.handle);
            self.remarks.push(Remark { line, remark });
        }
        self.seen.handles.insert(key, line);
        for (mail, role) in [(&row.email, Use::Own), (&row.phone, Use::Own), (&row.agent, Use::Agent)] {
            if let Some(mail) = mail {
                self.seen.addresses.insert(mail.key.clone(), (line, role));
            }
        }
        let outcome = match existing {
            None => {
                self.create(line, row);
                Outcome::Created
            }
            Some(existing) => {
                if row.stage.as_ref().is_some_and(|stage| *stage != existing.stage) {
                    self.stages_left_alone += 1;
                }
                self.update(line, row, existing.clone())
            }
        };
        Ok(outcome)
    }

    /// Where an address stood before in this file.
    pub(super) fn seen_address(&self, key: &str) -> Option<(u64, Use)> {
        self.seen.addresses.get(key).or_else(|| self.before.addresses.get(key)).copied()
    }

    fn contradictions(&self, row: &Row, existing: Option<&Influencer>) -> Vec<String> {
        let mut reasons = Vec::new();
        let key = called(row, existing);
        let earlier = self.seen.handles.get(&key).or_else(|| self.before.handles.get(&key));
        if let Some(line) = earlier {
            let who = existing
                .filter(|_| key != row.handle_key)
                .map_or(String::new(), |e| format!(", who is {} now,", e.handle));
            reasons.push(format!("handle: {}{who} is in line {line} already", row.handle));
        }
        reasons.extend(self.taken_over(row, existing));
        if let Some(email) = &row.email {
            let in_file = self.seen_address(&email.key).map(|(line, role)| match role {
                Use::Own => format!("email: {} is in line {line} already", email.value),
                Use::Agent => format!("email: {} is the address of an agent in line {line}", email.value),
            });
            reasons.extend(in_file.or_else(|| self.taken(Channel::Email, email, existing)));
            reasons.extend(self.unheard("suppressed", email, row.suppressed.as_deref()));
        }
        if let Some(phone) = &row.phone {
            let in_file = self
                .seen_address(&phone.key)
                .map(|(line, _)| format!("phone: {} is in line {line} already", phone.value));
            reasons.extend(in_file.or_else(|| self.taken(Channel::Sms, phone, existing)));
            reasons.extend(self.unheard("phone_suppressed", phone, row.phone_suppressed.as_deref()));
        }
        if let Some(agent) = &row.agent {
            reasons.extend(self.unheard("agent_suppressed", agent, row.agent_suppressed.as_deref()));
            let in_file = match self.seen_address(&agent.key) {
                Some((line, Use::Own)) => Some(format!(
                    "agent_email: {} is an influencer's own address in line {line}; an address is either theirs or their agent's",
                    agent.value
                )),
                _ => None,
            };
            reasons.extend(in_file.or_else(|| match self.known.owners.get(&agent.key) {
                Some(Person::Influencer(id)) => Some(format!(
                    "agent_email: {} is the own address of {}; an address is either theirs or their agent's",
                    agent.value,
                    self.name(*id)
                )),
                _ => None,
            }));
        }
        reasons
    }

    /// A no that is told of an address and not known here: it would be written to from then on.
    pub(super) fn unheard(&self, field: &str, mail: &Mail, why: Option<&str>) -> Option<String> {
        // That mail comes back from one address says nothing of the others of whoever said no.
        let says_no = |why: &str| SuppressionReason::from_word(why).is_some_and(is_no);
        let is_known = |why: &&str| {
            self.known.refused.contains_key(&mail.key) || (!says_no(why) && self.known.suppressed.contains(&mail.key))
        };
        let why = why.filter(|why| !is_known(why))?;
        let how = if says_no(why) { " --said-no" } else { "" };
        Some(format!(
            "{field}: {} must not be written to ({why}), and that is not known here; say so first: liaison suppression add {}{how}",
            mail.value, mail.value
        ))
    }

    /// Under a handle that somebody had before, an address that is not theirs, or not their agent's, may be that of somebody else
    /// who took the handle.
    fn taken_over(&self, row: &Row, existing: Option<&Influencer>) -> Option<String> {
        let existing = existing.filter(|e| called(row, Some(e)) != row.handle_key)?;
        let owner = |mail: &Mail| self.known.owners.get(&mail.key);
        let is_theirs = |mail: &&Mail| owner(mail) == Some(&Person::Influencer(existing.id));
        let is_agents = |mail: &&Mail| {
            let agents = self.known.agents.get(&existing.id);
            matches!(owner(mail), Some(Person::Agent(id)) if agents.is_some_and(|agents| agents.contains(id)))
        };
        // Their own address shows that it is them; without one, only who is their agent already does.
        let (strange, tie) = match (&row.email, &row.agent) {
            (Some(email), _) if !is_theirs(&email) => (email, "add the address to"),
            // Their own address shows that it is them, whatever number stands beside it.
            (Some(_), _) => return None,
            (None, Some(agent)) => (Some(agent).filter(|mail| !is_agents(mail))?, "tie the agent to"),
            (None, None) => (row.phone.as_ref().filter(|phone| !is_theirs(phone))?, "add the number to"),
        };
        Some(format!(
            "handle: {} was {}'s before, and {} is not known to be theirs: if it is the same person, {tie} {} by hand; if somebody \
             else has the handle now, add them by hand, too",
            row.handle, existing.handle, strange.value, existing.handle
        ))
    }

    /// Why an address or a number can't be theirs: it is somebody else's, or they have another one.
    fn taken(&self, channel: Channel, given: &Mail, existing: Option<&Influencer>) -> Option<String> {
        let (field, what) = if channel == Channel::Sms { ("phone", "number") } else { ("email", "address") };
        match (self.known.owners.get(&given.key), existing) {
            (Some(Person::Influencer(id)), Some(existing)) if *id == existing.id => None,
            (Some(Person::Influencer(id)), _) => {
                Some(format!("{field}: {} belongs to {} already; an import merges nobody", given.value, self.name(*id)))
            }
            (Some(Person::Agent(id)), _) => {
                Some(format!("{field}: {} is the {what} of an agent ({id}) already", given.value))
            }
            (None, None) => None,
            (None, Some(existing)) => {
                let own = self.known.addresses.get(&existing.id)?;
                let own = own.iter().find(|a| a.channel == channel)?;
                Some(format!(
                    "{field}: {} is there already with the {what} {}, not {}; if it is the same person, add the {what} by hand",
                    existing.handle, own.value, given.value
                ))
            }
        }
    }

    fn name(&self, id: InfluencerId) -> String {
        self.known.names.get(&id).map_or_else(|| id.to_string(), |handle| format!("{handle} ({id})"))
    }

    fn create(&mut self, line: u64, row: &Row) {
        let now = self.clock.now();
        let influencer = Influencer {
            id: InfluencerId(self.clock.new_id()),
            handle: row.handle.clone(),
            first_name: row.first_name.clone(),
            last_name: row.last_name.clone(),
            stage: row.stage.clone().unwrap_or_else(|| self.options.stages.start.clone()),
            stage_pinned: false,
            stage_at: now,
            owner: row.owner.clone(),
            timezone: row.timezone.clone(),
            properties: row.properties.iter().cloned().collect(),
            awaiting: None,
            last_message_at: None,
            held_until: None,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let id = influencer.id;
        self.attach(line, row, id);
        let data = json!({"handle": influencer.handle, "by": self.by()});
        self.event(EventType::InfluencerCreated, &influencer, data);
        self.writes.influencers.push(influencer);
    }

    fn update(&mut self, line: u64, row: &Row, mut influencer: Influencer) -> Outcome {
        let mut changed: BTreeSet<&'static str> = self.attach(line, row, influencer.id);
        let mut set = |field: &'static str, now: &mut String, given: &str| {
            if !given.is_empty() && now != given {
                given.clone_into(now);
                changed.insert(field);
            }
        };
        set("first_name", &mut influencer.first_name, &row.first_name);
        set("last_name", &mut influencer.last_name, &row.last_name);
        for (field, now, given) in
            [("owner", &mut influencer.owner, &row.owner), ("timezone", &mut influencer.timezone, &row.timezone)]
        {
            if given.is_some() && now != given {
                now.clone_from(given);
                changed.insert(field);
            }
        }
        for (name, value) in &row.properties {
            let same =
                |now: &serde_json::Value| now == value || value.as_str().is_some_and(|text| spelled(now) == text);
            if !influencer.properties.get(name).is_some_and(same) {
                influencer.properties.insert(name.clone(), value.clone());
                changed.insert("properties");
            }
        }
        if changed.is_empty() {
            return Outcome::Unchanged;
        }
        influencer.updated_at = self.clock.now();
        let data = json!({"changed": changed, "by": self.by()});
        self.event(EventType::InfluencerUpdated, &influencer, data);
        self.writes.updates.push(influencer);
        Outcome::Updated
    }

    /// Notes what hangs on an influencer and is not there yet; which sorts of it there were.
    fn attach(&mut self, line: u64, row: &Row, id: InfluencerId) -> BTreeSet<&'static str> {
        let mut changed = BTreeSet::new();
        let known = self.known;
        if let Some(email) = &row.email
            && !known.owners.contains_key(&email.key)
        {
            let address = self.address(Channel::Email, email, Person::Influencer(id));
            self.writes.addresses.push(address);
            changed.insert("addresses");
        }
        if let Some(phone) = &row.phone
            && !known.owners.contains_key(&phone.key)
        {
            let address = self.address(Channel::Sms, phone, Person::Influencer(id));
            self.writes.addresses.push(address);
            changed.insert("addresses");
        }
        if let Some(agent) = &row.agent {
            let agent = self.agent(agent);
            if !known.agents.get(&id).is_some_and(|agents| agents.contains(&agent)) {
                self.writes.links.push((agent, id));
                changed.insert("agent");
            }
        }
        for tag in &row.tags {
            if !known.tags.get(&id).is_some_and(|tags| tags.contains(tag)) {
                self.writes.tags.push((id, tag.clone()));
                changed.insert("tags");
            }
        }
        for network in &row.networks {
            let same = |n: &Network| {
                n.network == network.network
                    && n.handle == network.handle
                    && (network.followers.is_none() || n.followers == network.followers)
            };
            if !known.networks.get(&id).is_some_and(|networks| networks.iter().any(same)) {
                self.writes.networks.push((id, network.clone()));
                changed.insert("networks");
            }
        }
        for (channel, source, at) in &row.consents {
            let address = if *channel == Channel::Sms { &row.phone } else { &row.email };
            if address.as_ref().is_some_and(|address| self.consent(line, (*channel, address), (source, *at))) {
                changed.insert("consent");
            }
        }
        changed
    }

    /// Notes a consent unless it is known, or was taken back since.
    fn consent(&mut self, line: u64, (channel, address): (Channel, &Mail), (source, at): (&String, Micros)) -> bool {
        let known = self.known.consents.get(&address.key).map(Vec::as_slice).unwrap_or_default();
        let settled = |c: &Consent| (c.source == *source && c.at == at) || c.withdrawn_at.is_some_and(|w| w >= at);
        if known.iter().any(settled) {
            return false;
        }
        // Only a person takes a no back.
        if let Some(since) = self.known.refused.get(&address.key) {
            let what = if channel == Channel::Sms { "text messages" } else { "mail" };
            let remark = format!(
                "consent.{channel}: {} wants no {what} since {since}; the consent was left out, and they are not written to (if they took \
                 that back: liaison suppression remove {}, then import again)",
                address.value, address.value
            );
            self.remarks.push(Remark { line, remark });
            return false;
        }
        self.writes.consents.push(Consent {
            id: LedgerId(self.clock.new_id()),
            channel,
            value_key: address.key.clone(),
            source: source.clone(),
            evidence: format!("{}, line {line}", self.by()),
            at,
            withdrawn_at: None,
        });
        true
    }

    /// The agent with this address, made where there is none.
    fn agent(&mut self, mail: &Mail) -> AgentId {
        if let Some(Person::Agent(id)) = self.known.owners.get(&mail.key) {
            return *id;
        }
        if let Some(id) = self.seen.agents.get(&mail.key).or_else(|| self.before.agents.get(&mail.key)) {
            return *id;
        }
        self.create_agent(mail, "", "")
    }

    /// Notes a new agent.
    pub(super) fn create_agent(&mut self, mail: &Mail, first_name: &str, last_name: &str) -> AgentId {
        let now = self.clock.now();
        let id = AgentId(self.clock.new_id());
        let (first_name, last_name) = (first_name.to_owned(), last_name.to_owned());
        self.writes.agents.push(Agent { id, first_name, last_name, created_at: now, updated_at: now });
        let address = self.address(Channel::Email, mail, Person::Agent(id));
        self.writes.addresses.push(address);
        self.seen.agents.insert(mail.key.clone(), id);
        id
    }

    fn address(&self, channel: Channel, mail: &Mail, person: Person) -> Address {
        Address {
            id: AddressId(self.clock.new_id()),
            channel,
            value: mail.value.clone(),
            value_key: mail.key.clone(),
            person,
            is_primary: true,
            dead_at: None,
            dead_reason: None,
            created_at: self.clock.now(),
        }
    }

    fn by(&self) -> String {
        format!("import of {}", self.options.source)
    }

    fn event(&mut self, kind: EventType, influencer: &Influencer, data: serde_json::Value) {
        let (at, influencer_id) = (influencer.updated_at, influencer.id);
        let signal = Signal { what: kind, influencer: Some(influencer_id), message: None, at, data: Some(data) };
        self.writes.events.push(signal::event(self.clock, Some(&influencer.stage), signal));
    }
}
