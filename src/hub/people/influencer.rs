//! Creating and updating one influencer, by hand or by the API.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::addresses::{Named, make_primary, seen};
use super::{KnownStages, PeopleError};
use crate::clock::Clock;
use crate::domain::chat;
use crate::domain::ids::{AddressId, InfluencerId};
use crate::domain::people::check::{self, Flaw};
use crate::domain::people::{
    Address, Influencer, NETWORKS_MAX, Network, PROPERTIES_MAX, PROPERTY_MAX, Person, TAGS_MAX,
};
use crate::domain::stage::Stages;
use crate::domain::words::{Channel, EventType};
use crate::hub::signal::{self, Signal};
use crate::hub::{matching, outreach, react};
use crate::store::Tx;

/// A network as it is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkGiven {
    /// Its name.
    pub network: String,
    /// Their handle there.
    pub handle: String,
    /// How many follow them.
    #[serde(default)]
    pub followers: Option<i64>,
}

/// A new influencer, as given; all but the handle may be left out.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewInfluencer {
    /// What the team calls them.
    pub handle: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Their email addresses, the primary one first.
    pub emails: Vec<String>,
    /// Their phone numbers, the primary one first.
    pub phones: Vec<String>,
    /// The users they are in Slack workspaces (`TEAM/USER`), the primary one first.
    pub slack: Vec<String>,
    /// Where numbers without a country's code are from (ISO 3166-1).
    #[serde(skip)]
    pub phone_region: Option<String>,
    /// Their IANA zone.
    pub timezone: Option<String>,
    /// The teammate who looks after them.
    pub owner: Option<String>,
    /// A declared stage; the start stage where none is given.
    pub stage: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Networks.
    pub networks: Vec<NetworkGiven>,
    /// Custom properties.
    pub properties: Map<String, Value>,
}

/// Changes to an influencer; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InfluencerChange {
    /// What the team calls them.
    pub handle: Option<String>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// The teammate; `Some(None)` (null) for nobody.
    #[serde(deserialize_with = "given")]
    pub owner: Option<Option<String>>,
    /// The IANA zone; `Some(None)` (null) for unknown.
    #[serde(deserialize_with = "given")]
    pub timezone: Option<Option<String>>,
    /// Properties to set; null takes one away; others stay.
    pub properties: Map<String, Value>,
    /// All tags there are to be.
    pub tags: Option<Vec<String>>,
    /// Networks to add or write anew.
    pub networks: Vec<NetworkGiven>,
    /// Email addresses to add.
    pub add_emails: Vec<String>,
    /// Phone numbers to add.
    pub add_phones: Vec<String>,
    /// Users of Slack workspaces (`TEAM/USER`) to add.
    pub add_slack: Vec<String>,
    /// Which of their addresses is written to first.
    pub primary_email: Option<String>,
    /// Which of their numbers is written to first.
    pub primary_phone: Option<String>,
    /// Where numbers without a country's code are from (ISO 3166-1).
    #[serde(skip)]
    pub phone_region: Option<String>,
    /// The version that was read, where nobody may have changed it meanwhile.
    pub version: Option<i64>,
}

/// Tells null from nothing.
#[allow(clippy::option_option, reason = "left out, null and a value are three different things here")]
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(d).map(Some)
}

/// Gathers flaws, so that all are told at once.
#[derive(Default)]
pub(super) struct Flaws(Vec<Flaw>);

impl Flaws {
    pub(super) fn take<T: Default>(&mut self, result: Result<T, Flaw>) -> T {
        result.unwrap_or_else(|flaw| {
            self.0.push(flaw);
            T::default()
        })
    }

    fn optional(&mut self, field: &str, given: Option<&String>) -> Option<String> {
        given.map(|g| self.take(check::name(field, g))).filter(|g| !g.is_empty())
    }

    fn zone(&mut self, given: Option<&String>) -> Option<String> {
        given.filter(|z| !z.trim().is_empty()).map(|z| self.take(check::zone(z)))
    }

    fn tags(&mut self, given: &[String]) -> Vec<String> {
        let mut tags: Vec<String> = given.iter().map(|t| self.take(check::name("tags", t))).collect();
        tags.retain(|t| !t.is_empty());
        tags.sort();
        tags.dedup();
        if tags.len() > TAGS_MAX {
            self.0.push(Flaw::new("tags", format!("there are more than {TAGS_MAX}")));
        }
        tags
    }

    fn networks(&mut self, given: &[NetworkGiven]) -> Vec<Network> {
        let mut networks: Vec<Network> = Vec::new();
        for n in given {
            let network = self.take(check::name("networks.network", n.network.to_lowercase().as_str()));
            let handle = self.take(check::name("networks.handle", &n.handle));
            if network.is_empty() || handle.is_empty() {
                self.0.push(Flaw::new("networks", "a network needs a name and a handle"));
            } else if networks.iter().any(|seen| seen.network == network) {
                self.0.push(Flaw::new("networks", format!("`{network}` is there twice")));
            }
            if n.followers.is_some_and(|f| f < 0) {
                self.0.push(Flaw::new("networks.followers", "a number of followers is not negative"));
            }
            networks.push(Network { network, handle, followers: n.followers });
        }
        if networks.len() > NETWORKS_MAX {
            self.0.push(Flaw::new("networks", format!("there are more than {NETWORKS_MAX}")));
        }
        networks
    }

    /// What is declared to be a number, a day or one of some choices is that.
    fn declared(&mut self, properties: &Map<String, Value>, stages: &Stages) {
        for (name, value) in properties {
            if let Err(reason) = stages.judge_property(name, value) {
                self.0.push(Flaw::new(&format!("properties.{name}"), reason));
            }
        }
    }

    fn properties(&mut self, properties: &Map<String, Value>) {
        for (name, value) in properties {
            if name.trim().is_empty() || check::name("properties", name).is_err() {
                self.0.push(Flaw::new("properties", "a property's name is empty, too long or has odd characters"));
            }
            if value.to_string().chars().count() > PROPERTY_MAX {
                let reason = format!("it is longer than {PROPERTY_MAX} characters");
                self.0.push(Flaw::new(&format!("properties.{name}"), reason));
            }
        }
        if properties.len() > PROPERTIES_MAX {
            self.0.push(Flaw::new("properties", format!("there are more than {PROPERTIES_MAX}")));
        }
    }

    /// Addresses as written and as looked up, each once.
    pub(super) fn emails(&mut self, given: &[String]) -> Vec<(String, String)> {
        let mut emails: Vec<(String, String)> = Vec::new();
        for email in given {
            let pair = self.take(check::email("emails", email));
            if !emails.iter().any(|(_, key)| *key == pair.1) {
                emails.push(pair);
            }
        }
        emails
    }

    /// Numbers, each once.
    fn phones(&mut self, field: &str, given: &[String], region: Option<&str>) -> Vec<(String, String)> {
        let mut phones: Vec<(String, String)> = Vec::new();
        for phone in given {
            let pair = self.take(check::phone(field, phone, region));
            if !phones.contains(&pair) {
                phones.push(pair);
            }
        }
        phones
    }

    /// Users of workspaces, each once.
    fn users(&mut self, field: &str, given: &[String]) -> Vec<(String, String)> {
        let mut users: Vec<(String, String)> = Vec::new();
        for user in given.iter().map(|user| user.trim().to_owned()) {
            if chat::workspace_parts(&user).is_none() {
                let why = "write the workspace and the user as Slack has them, as in T012AB3C4/U012AB3C4: \"Copy member ID\" in \
                     somebody's profile gives the second, `liaison account test NAME` shows the first of your own workspace";
                self.0.push(Flaw::new(field, why));
            } else if !users.iter().any(|(_, key)| *key == user) {
                users.push((user.clone(), user));
            }
        }
        users
    }

    pub(super) fn done(self) -> Result<(), PeopleError> {
        if self.0.is_empty() { Ok(()) } else { Err(PeopleError::Invalid(self.0)) }
    }
}

/// Refuses addresses that are somebody else's; gives those that `person` does not have yet.
pub(super) async fn free_addresses(
    tx: &mut Tx,
    clock: &Clock,
    person: Person,
    (channel, given): (Channel, Vec<(String, String)>),
    has_primary: bool,
) -> Result<Vec<Address>, PeopleError> {
    if given.is_empty() {
        return Ok(Vec::new());
    }
    let keys = given.iter().map(|(_, key)| key.clone()).collect();
    let owners = tx.find_addresses(channel, keys).await?;
    let mut free: Vec<Address> = Vec::new();
    for (value, value_key) in given {
        if let Some(owner) = owners.iter().find(|o| o.value_key == value_key) {
            let owner = match (owner.influencer_id, owner.agent_id) {
                (Some(id), _) => Person::Influencer(id),
                (None, Some(id)) => Person::Agent(id),
                (None, None) => continue,
            };
            if owner != person {
                return Err(PeopleError::AddressTaken { address: value, owner });
            }
            continue;
        }
        free.push(Address {
            id: AddressId(clock.new_id()),
            channel,
            value,
            value_key,
            person,
            is_primary: !has_primary && free.is_empty(),
            dead_at: None,
            dead_reason: None,
            created_at: clock.now(),
        });
    }
    Ok(free)
}

/// Refuses a handle that is somebody else's.
async fn free_handle(tx: &mut Tx, id: InfluencerId, handle: &str, key: &str) -> Result<(), PeopleError> {
    match tx.get_influencer_by_handle(key).await? {
        Some(other) if other.id != id => Err(PeopleError::HandleTaken { handle: handle.to_owned(), id: other.id }),
        _ => Ok(()),
    }
}

/// Creates an influencer, in the start stage where none is given. `by` says who did it, for the event.
///
/// # Errors
/// [`PeopleError::Invalid`] with every field that is wrong; `HandleTaken`, `AddressTaken`, `UnknownStage`.
pub async fn create_influencer(
    tx: &mut Tx,
    clock: &Clock,
    stages: &KnownStages,
    by: &str,
    new: NewInfluencer,
) -> Result<Influencer, PeopleError> {
    let mut flaws = Flaws::default();
    let (handle, key) = flaws.take(check::handle(&new.handle));
    let emails = flaws.emails(&new.emails);
    let phones = flaws.phones("phones", &new.phones, new.phone_region.as_deref());
    let users = flaws.users("slack", &new.slack);
    let tags = flaws.tags(&new.tags);
    let networks = flaws.networks(&new.networks);
    let declared = react::stages(tx).await?;
    flaws.properties(&new.properties);
    flaws.declared(&new.properties, &declared);
    let now = clock.now();
    let influencer = Influencer {
        id: InfluencerId(clock.new_id()),
        handle,
        first_name: flaws.take(check::name("first_name", &new.first_name)),
        last_name: flaws.take(check::name("last_name", &new.last_name)),
        stage: stages.check(new.stage.as_deref().unwrap_or(&stages.start))?,
        stage_pinned: false,
        stage_at: now,
        owner: flaws.optional("owner", new.owner.as_ref()),
        timezone: flaws.zone(new.timezone.as_ref()),
        properties: new.properties.into_iter().filter(|(_, v)| !v.is_null()).collect(),
        awaiting: None,
        last_message_at: None,
        held_until: None,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    flaws.done()?;
    let id = influencer.id;
    // First of all, as those do who store messages: their locks are taken in one order.
    tx.lock_conversations().await?;
    free_handle(tx, id, &influencer.handle, &key).await?;
    let mut addresses = free_addresses(tx, clock, Person::Influencer(id), (Channel::Email, emails), false).await?;
    for (channel, given) in [(Channel::Sms, phones), (Channel::Slack, users)] {
        addresses.extend(free_addresses(tx, clock, Person::Influencer(id), (channel, given), false).await?);
    }
    tx.insert_influencers(std::slice::from_ref(&influencer)).await?;
    tx.insert_addresses(&addresses).await?;
    tx.insert_tags(&tags.into_iter().map(|t| (id, t)).collect::<Vec<_>>()).await?;
    tx.upsert_networks(&networks.into_iter().map(|n| (id, n)).collect::<Vec<_>>()).await?;
    let data = Some(json!({"handle": influencer.handle, "by": by}));
    let created = Signal { what: EventType::InfluencerCreated, influencer: Some(id), message: None, at: now, data };
    tx.insert_events(vec![signal::event(clock, Some(&influencer.stage), created)]).await?;
    if matching::place_history(tx, clock, &addresses).await? > 0 {
        return tx.get_influencer(id).await?.ok_or_else(|| PeopleError::NoInfluencer(id.to_string()));
    }
    Ok(influencer)
}

/// Which fields a change touches, put into `influencer`.
fn apply(
    influencer: &mut Influencer,
    change: &InfluencerChange,
    (flaws, stages): (&mut Flaws, &Stages),
) -> Vec<&'static str> {
    let before = influencer.clone();
    if let Some(handle) = &change.handle {
        influencer.handle = flaws.take(check::handle(handle)).0;
    }
    if let Some(name) = &change.first_name {
        influencer.first_name = flaws.take(check::name("first_name", name));
    }
    if let Some(name) = &change.last_name {
        influencer.last_name = flaws.take(check::name("last_name", name));
    }
    if let Some(owner) = &change.owner {
        influencer.owner = flaws.optional("owner", owner.as_ref());
    }
    if let Some(zone) = &change.timezone {
        influencer.timezone = flaws.zone(zone.as_ref());
    }
    for (name, value) in &change.properties {
        if value.is_null() {
            influencer.properties.remove(name);
        } else {
            influencer.properties.insert(name.clone(), value.clone());
        }
    }
    flaws.properties(&influencer.properties);
    flaws.declared(&change.properties, stages);
    let i = influencer;
    [
        ("handle", before.handle != i.handle),
        ("first_name", before.first_name != i.first_name),
        ("last_name", before.last_name != i.last_name),
        ("owner", before.owner != i.owner),
        ("timezone", before.timezone != i.timezone),
        ("properties", before.properties != i.properties),
    ]
    .into_iter()
    .filter_map(|(field, changed)| changed.then_some(field))
    .collect()
}

/// Addresses of one channel, each as written and as it is looked up.
type Given = Vec<(String, String)>;

/// Gives them addresses and numbers that they do not have yet; those that are new.
async fn add_addresses(
    tx: &mut Tx,
    clock: &Clock,
    id: InfluencerId,
    given: [(Channel, Given); 3],
) -> Result<Vec<Address>, PeopleError> {
    let own = tx.list_addresses_of_influencers(vec![id]).await?;
    let has_primary = |channel| own.iter().any(|a| a.is_primary && a.channel == channel);
    let mut added = Vec::new();
    for (channel, given) in given {
        let person = Person::Influencer(id);
        added.extend(free_addresses(tx, clock, person, (channel, given), has_primary(channel)).await?);
    }
    tx.insert_addresses(&added).await?;
    Ok(added)
}

/// Changes an influencer; what was changed is in the event. Where nothing differs, nothing is written.
///
/// # Errors
/// [`PeopleError::Invalid`] with every field that is wrong; `NoInfluencer`, `HandleTaken`, `AddressTaken`, `Changed`.
pub async fn update_influencer(
    tx: &mut Tx,
    clock: &Clock,
    id: InfluencerId,
    by: &str,
    change: InfluencerChange,
) -> Result<Influencer, PeopleError> {
    if [&change.add_emails, &change.add_phones, &change.add_slack].iter().any(|given| !given.is_empty()) {
        tx.lock_conversations().await?;
    }
    let mut influencer = seen(tx, id, change.version).await?;
    let was = influencer.handle.clone();
    let mut flaws = Flaws::default();
    let stages = react::stages(tx).await?;
    let mut changed = apply(&mut influencer, &change, (&mut flaws, &stages));
    let emails = flaws.emails(&change.add_emails);
    let phones = flaws.phones("add_phones", &change.add_phones, change.phone_region.as_deref());
    let users = flaws.users("add_slack", &change.add_slack);
    let networks = flaws.networks(&change.networks);
    let tags = change.tags.as_ref().map(|tags| flaws.tags(tags));
    flaws.done()?;
    if changed.contains(&"handle") {
        let key = crate::domain::people::handle_key(&influencer.handle).unwrap_or_default();
        free_handle(tx, id, &influencer.handle, &key).await?;
    }
    let addresses =
        add_addresses(tx, clock, id, [(Channel::Email, emails), (Channel::Sms, phones), (Channel::Slack, users)])
            .await?;
    let region = change.phone_region.as_deref();
    let mut is_other = !addresses.is_empty();
    if let Some(primary) = &change.primary_email {
        is_other |= make_primary(tx, id, Named::email(primary)).await?;
    }
    if let Some(primary) = &change.primary_phone {
        is_other |= make_primary(tx, id, Named::phone(primary, region)).await?;
    }
    if is_other {
        changed.push("addresses");
    }
    if let Some(tags) = tags
        && replace_tags(tx, id, tags).await?
    {
        changed.push("tags");
    }
    if !networks.is_empty() {
        changed.push("networks");
        tx.upsert_networks(&networks.into_iter().map(|n| (id, n)).collect::<Vec<_>>()).await?;
    }
    if changed.is_empty() {
        return Ok(influencer);
    }
    influencer.updated_at = clock.now();
    if !tx.update_influencer(&influencer).await? {
        return Err(PeopleError::Changed(id));
    }
    influencer.version += 1;
    if changed.contains(&"handle") {
        note_former(tx, clock, &influencer, &was).await?;
    }
    let data = Some(json!({"changed": changed, "by": by}));
    let at = influencer.updated_at;
    let updated = Signal { what: EventType::InfluencerUpdated, influencer: Some(id), message: None, at, data };
    tx.insert_events(vec![signal::event(clock, Some(&influencer.stage), updated)]).await?;
    outreach::wake_stuck(tx, clock, vec![id]).await?;
    if matching::place_history(tx, clock, &addresses).await? > 0 {
        return tx.get_influencer(id).await?.ok_or_else(|| PeopleError::NoInfluencer(id.to_string()));
    }
    Ok(influencer)
}

/// Files under the handle somebody had before go on to mean them.
async fn note_former(tx: &mut Tx, clock: &Clock, who: &Influencer, was: &str) -> Result<(), PeopleError> {
    let key = |handle: &str| crate::domain::people::handle_key(handle).unwrap_or_default();
    let (old, new) = (key(was), key(&who.handle));
    tx.delete_former_handle(&new, who.id).await?;
    // Written otherwise, it may be the same.
    if old != new && !old.is_empty() {
        tx.put_former_handle(&old, who.id, clock.now()).await?;
    }
    Ok(())
}

async fn replace_tags(tx: &mut Tx, id: InfluencerId, tags: Vec<String>) -> Result<bool, PeopleError> {
    let now: Vec<String> = tx.list_tags(vec![id]).await?.into_iter().map(|(_, tag)| tag).collect();
    let gone: Vec<String> = now.iter().filter(|t| !tags.contains(t)).cloned().collect();
    let new: Vec<(InfluencerId, String)> = tags.into_iter().filter(|t| !now.contains(t)).map(|t| (id, t)).collect();
    let differs = !gone.is_empty() || !new.is_empty();
    if !gone.is_empty() {
        tx.delete_tags(id, gone).await?;
    }
    tx.insert_tags(&new).await?;
    Ok(differs)
}
