//! One row of influencers: cells to checked values.

use serde_json::Value;

use super::ImportOptions;
use super::columns::{Columns, Field};
use super::file::Record;
use crate::domain::people::check::{self, Flaw};
use crate::domain::people::{Network, PROPERTY_MAX, TAGS_MAX};
use crate::domain::stage::Stages;
use crate::domain::time::Micros;
use crate::domain::words::Channel;

/// An address as written, and as it is looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mail {
    pub(super) value: String,
    pub(super) key: String,
}

/// A row that is well formed; empty texts are "not given".
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Row {
    pub(super) handle: String,
    pub(super) handle_key: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) email: Option<Mail>,
    pub(super) phone: Option<Mail>,
    pub(super) timezone: Option<String>,
    pub(super) agent: Option<Mail>,
    pub(super) owner: Option<String>,
    pub(super) stage: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) networks: Vec<Network>,
    pub(super) properties: Vec<(String, Value)>,
    /// Where and when they agreed to be written to, by channel.
    pub(super) consents: Vec<(Channel, String, Micros)>,
    /// Why they are not written to where the file comes from.
    pub(super) suppressed: Option<String>,
    /// Why their number is not.
    pub(super) phone_suppressed: Option<String>,
    /// Why their agent is not.
    pub(super) agent_suppressed: Option<String>,
}

/// What is gathered while the cells of a row are read.
#[derive(Default)]
struct Reading {
    row: Row,
    flaws: Vec<Flaw>,
    followers: Vec<(String, i64)>,
    sources: Vec<(Channel, String)>,
    instants: Vec<(Channel, Micros)>,
}

/// Whether a row has as many cells as the header names.
pub(super) fn width(columns: &Columns, record: &Record) -> Result<(), String> {
    let (named, there) = (columns.fields.len(), record.cells.len());
    let extra = record.cells.get(named..).unwrap_or_default();
    if there < named {
        return Err(format!(
            "the row has {there} cells, the header names {named}; a delimiter or a quotation mark is missing"
        ));
    }
    if extra.iter().any(|cell| !cell.trim().is_empty()) {
        return Err(format!(
            "the row has {there} cells, the header names {named}; put values with a delimiter into quotation marks"
        ));
    }
    Ok(())
}

/// The parts of a list cell.
pub(super) fn list(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(';').map(str::trim).filter(|part| !part.is_empty())
}

/// A cell without the `'` that keeps spreadsheets from taking it for a formula, see [`crate::hub::roster`].
pub(super) fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| wants_guard(rest)).unwrap_or(cell)
}

/// Whether a spreadsheet may take a cell for a formula (OWASP, CSV injection), or it looks like one that is guarded.
pub(in crate::hub) fn wants_guard(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r'])
}

impl Row {
    /// Reads a row; everything that is wrong with it at once.
    pub(super) fn read(
        columns: &Columns,
        record: &Record,
        (options, declared): (&ImportOptions, &Stages),
    ) -> Result<Self, Vec<String>> {
        width(columns, record).map_err(|reason| vec![reason])?;
        let mut reading = Reading::default();
        for (field, cell) in columns.fields.iter().zip(&record.cells) {
            let cell = unguarded(cell.trim());
            if let Some(field) = field
                && !cell.is_empty()
                && let Err(flaw) = reading.cell(field, cell, (options, declared))
            {
                reading.flaws.push(flaw);
            }
        }
        if reading.row.handle.is_empty() && !reading.flaws.iter().any(|f| f.field == "handle") {
            reading.flaws.extend(check::handle("").err());
        }
        reading.finish()
    }
}

fn mail(field: &str, cell: &str) -> Result<Option<Mail>, Flaw> {
    check::email(field, cell).map(|(value, key)| Some(Mail { value, key }))
}

impl Reading {
    fn cell(&mut self, field: &Field, cell: &str, (options, declared): (&ImportOptions, &Stages)) -> Result<(), Flaw> {
        let row = &mut self.row;
        match field {
            Field::Handle => (row.handle, row.handle_key) = check::handle(cell)?,
            Field::FirstName => row.first_name = check::name("first_name", cell)?,
            Field::LastName => row.last_name = check::name("last_name", cell)?,
            Field::Email => row.email = mail("email", cell)?,
            Field::Phone => {
                let (value, key) = check::phone("phone", cell, options.phone_region.as_deref())?;
                row.phone = Some(Mail { value, key });
            }
            Field::AgentEmail => row.agent = mail("agent_email", cell)?,
            Field::Timezone => row.timezone = Some(check::zone(cell)?),
            Field::Owner => row.owner = Some(owner(cell, options)?),
            Field::Stage => row.stage = Some(stage(cell, options)?),
            Field::Tags => row.tags = tags(cell)?,
            Field::Network(network) => {
                let handle = check::name(&format!("network.{network}"), cell)?;
                row.networks.push(Network { network: network.clone(), handle, followers: None });
            }
            Field::Followers(network) => {
                let count = check::followers(&format!("network.{network}.followers"), cell)?;
                self.followers.push((network.clone(), count));
            }
            Field::Property(name) => {
                if cell.chars().count() > PROPERTY_MAX {
                    let reason = format!("it is longer than {PROPERTY_MAX} characters");
                    return Err(Flaw::new(&format!("property.{name}"), reason));
                }
                let value = Value::String(cell.to_owned());
                let flaw = |reason| Flaw::new(&format!("property.{name}"), reason);
                declared.judge_property(name, &value).map_err(flaw)?;
                row.properties.push((name.clone(), value));
            }
            Field::Suppressed => row.suppressed = Some(check::name("suppressed", cell)?),
            Field::PhoneSuppressed => row.phone_suppressed = Some(check::name("phone_suppressed", cell)?),
            Field::AgentSuppressed => row.agent_suppressed = Some(check::name("agent_suppressed", cell)?),
            Field::ConsentSource(channel) => {
                self.sources.push((*channel, check::name(&format!("consent.{channel}.source"), cell)?));
            }
            Field::ConsentAt(channel) => {
                self.instants.push((*channel, check::instant(&format!("consent.{channel}.at"), cell)?));
            }
            Field::Influencers | Field::LeftOut(_) | Field::OfReport => {}
        }
        Ok(())
    }

    /// A consent is whole with a source and an instant, and is for an address of its channel.
    fn consent(&mut self, channel: Channel) {
        let name = |part: &str| format!("consent.{channel}.{part}");
        let (source_field, at_field) = (name("source"), name("at"));
        let source = self.sources.iter().find(|(of, _)| *of == channel).map(|(_, source)| source.clone());
        let at = self.instants.iter().find(|(of, _)| *of == channel).map(|(_, at)| *at);
        let at_fault = |name: &str| self.flaws.iter().any(|f| f.field == name);
        let flaw = match (source, at) {
            (Some(source), Some(at)) => {
                let (address, field, what) = match channel {
                    Channel::Sms => (&self.row.phone, "phone", "phone number"),
                    Channel::Email | Channel::Slack | Channel::Manual => (&self.row.email, "email", "email address"),
                };
                let missing = address.is_none() && !at_fault(field);
                self.row.consents.push((channel, source, at));
                missing.then(|| Flaw::new(&source_field, format!("there is a consent, but no {what} it is for")))
            }
            (Some(_), None) if !at_fault(&at_field) => Some(Flaw::new(&at_field, "it is not said when")),
            (None, Some(_)) if !at_fault(&source_field) => Some(Flaw::new(&source_field, "it is not said where")),
            _ => None,
        };
        self.flaws.extend(flaw);
    }

    fn finish(mut self) -> Result<Row, Vec<String>> {
        let row = &mut self.row;
        for (network, count) in std::mem::take(&mut self.followers) {
            match row.networks.iter_mut().find(|n| n.network == network) {
                Some(found) => found.followers = Some(count),
                None => self.flaws.push(Flaw::new(
                    &format!("network.{network}.followers"),
                    format!("there are followers, but no handle in network.{network}"),
                )),
            }
        }
        // Nobody is asked whether they may be talked to where they talk.
        for channel in [Channel::Email, Channel::Sms] {
            self.consent(channel);
        }
        let row = &mut self.row;
        if let (Some(email), Some(agent)) = (&row.email, &row.agent)
            && email.key == agent.key
        {
            let reason = "it is the influencer's own address, too; an address is either theirs or their agent's";
            self.flaws.push(Flaw::new("agent_email", reason));
        }
        if self.flaws.is_empty() { Ok(self.row) } else { Err(self.flaws.iter().map(ToString::to_string).collect()) }
    }
}

fn owner(cell: &str, options: &ImportOptions) -> Result<String, Flaw> {
    let owner = check::name("owner", cell)?;
    match &options.owners {
        Some(known) if !known.contains(&owner) => {
            Err(Flaw::new("owner", format!("`{owner}` is not a teammate; there are: {}", known.join(", "))))
        }
        _ => Ok(owner),
    }
}

fn stage(cell: &str, options: &ImportOptions) -> Result<String, Flaw> {
    options.stages.check(cell).map_err(|error| Flaw::new("stage", error.to_string()))
}

fn tags(cell: &str) -> Result<Vec<String>, Flaw> {
    let mut tags = list(cell).map(|tag| check::name("tags", tag)).collect::<Result<Vec<_>, _>>()?;
    tags.sort();
    tags.dedup();
    if tags.len() > TAGS_MAX {
        return Err(Flaw::new("tags", format!("there are more than {TAGS_MAX}")));
    }
    Ok(tags)
}
