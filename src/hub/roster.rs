//! Influencers as CSV: one row each, under the columns that an import takes.
//!
//! A cell that a spreadsheet may take for a formula begins with `'`; an import takes that away again.

use std::borrow::Cow;

use serde_json::Value;

use super::import::wants_guard;
use crate::domain::people::InfluencerView;
use crate::domain::words::{Channel, Word};
use crate::store::{StoreError, Tx};

/// Columns that are always there, before those of networks and properties.
const COLUMNS: [&str; 18] = [
    "id",
    "handle",
    "first_name",
    "last_name",
    "email",
    "suppressed",
    "consent.email.source",
    "consent.email.at",
    "phone",
    "phone_suppressed",
    "consent.sms.source",
    "consent.sms.at",
    "timezone",
    "agent_email",
    "agent_suppressed",
    "owner",
    "stage",
    "tags",
];

/// Names of networks, and of properties, that become columns: more than an import takes at once, for nothing is to be missing.
const NAMES_MAX: i64 = 1_000;

/// The columns of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    networks: Vec<String>,
    properties: Vec<String>,
}

impl Roster {
    /// The columns for everybody there is.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(tx: &mut Tx) -> Result<Self, StoreError> {
        let (networks, properties) = tx.list_attribute_names(NAMES_MAX).await?;
        Ok(Self { networks, properties })
    }

    /// The first line.
    pub fn header(&self) -> Vec<u8> {
        let networks =
            self.networks.iter().flat_map(|name| [format!("network.{name}"), format!("network.{name}.followers")]);
        let properties = self.properties.iter().map(|name| format!("property.{name}"));
        let names = COLUMNS.map(str::to_owned).into_iter().chain(networks).chain(properties);
        written([names.map(Cow::Owned).collect()])
    }

    /// A line for each of these.
    pub fn rows(&self, people: &[InfluencerView]) -> Vec<u8> {
        written(people.iter().map(|person| self.row(person)))
    }

    fn row<'a>(&self, person: &'a InfluencerView) -> Vec<Cow<'a, str>> {
        // The one that is written to first comes first.
        let first = |channel: Channel| person.addresses.iter().find(|a| a.channel == channel);
        let text = |given: Option<&'a str>| Cow::Borrowed(given.unwrap_or_default());
        let mut cells = vec![
            Cow::Owned(person.id.to_string()),
            Cow::Borrowed(person.handle.as_str()),
            Cow::Borrowed(person.first_name.as_str()),
            Cow::Borrowed(person.last_name.as_str()),
        ];
        for address in [first(Channel::Email), first(Channel::Sms)] {
            let consent = address.and_then(|a| a.consent.as_ref());
            cells.extend([
                text(address.map(|a| a.value.as_str())),
                text(address.and_then(|a| a.suppressed).map(Word::as_str)),
                text(consent.map(|c| c.source.as_str())),
                Cow::Owned(consent.map(|c| c.at.to_string()).unwrap_or_default()),
            ]);
        }
        cells.extend([
            text(person.timezone.as_deref()),
            text(person.agent.as_ref().and_then(|a| a.email.as_deref())),
            text(person.agent.as_ref().and_then(|a| a.suppressed).map(Word::as_str)),
            text(person.owner.as_deref()),
            Cow::Borrowed(person.stage.as_str()),
            Cow::Owned(person.tags.join("; ")),
        ]);
        for name in &self.networks {
            let there = person.networks.iter().find(|n| n.network == *name);
            cells.push(text(there.map(|n| n.handle.as_str())));
            cells.push(Cow::Owned(there.and_then(|n| n.followers).map(|n| n.to_string()).unwrap_or_default()));
        }
        cells.extend(self.properties.iter().map(|name| property(person.properties.get(name))));
        cells
    }
}

fn property(value: Option<&Value>) -> Cow<'_, str> {
    match value {
        None | Some(Value::Null) => Cow::Borrowed(""),
        Some(Value::String(text)) => Cow::Borrowed(text),
        Some(other) => Cow::Owned(other.to_string()),
    }
}

fn guarded(cell: Cow<'_, str>) -> Cow<'_, str> {
    if wants_guard(&cell) { Cow::Owned(format!("'{cell}")) } else { cell }
}

fn written<'a>(rows: impl IntoIterator<Item = Vec<Cow<'a, str>>>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let mut result = Ok(());
    for row in rows {
        let cells: Vec<Cow<'a, str>> = row.into_iter().map(guarded).collect();
        result = result.and_then(|()| writer.write_record(cells.iter().map(|cell| cell.as_bytes())));
    }
    // Writing to memory fails for nothing but a lack of it.
    debug_assert!(result.is_ok());
    writer.into_inner().unwrap_or_default()
}
