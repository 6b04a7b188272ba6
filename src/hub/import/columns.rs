//! The header: which column holds what.

use super::Asker;
use crate::domain::people::{NETWORKS_MAX, PROPERTIES_MAX, check};
use crate::domain::words::{Channel, Word};

/// What a file lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// One influencer per row.
    Influencers,
    /// One agent per row.
    Agents,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Handle,
    FirstName,
    LastName,
    Email,
    Phone,
    Timezone,
    AgentEmail,
    Owner,
    Stage,
    Tags,
    /// Why the address must not be written to, where the file comes from.
    Suppressed,
    /// As [`Field::Suppressed`], of the number.
    PhoneSuppressed,
    /// As [`Field::Suppressed`], of the agent's address.
    AgentSuppressed,
    /// For whom an agent writes.
    Influencers,
    Network(String),
    Followers(String),
    Property(String),
    ConsentSource(Channel),
    ConsentAt(Channel),
    /// Known, and not for an import.
    LeftOut(&'static str),
    /// From a list of failed rows.
    OfReport,
}

/// The columns of a file.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    /// What each column holds; `None` where that is not known.
    pub(super) fields: Vec<Option<Field>>,
    /// What the user should know of them.
    pub(super) notes: Vec<String>,
}

/// What columns of other programs are called.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("e_mail", "email"),
    ("mail", "email"),
    ("email_address", "email"),
    ("e_mail_address", "email"),
    ("username", "handle"),
    ("user_name", "handle"),
    ("nickname", "handle"),
    ("account", "handle"),
    ("creator", "handle"),
    ("influencer", "handle"),
    ("name", "first_name"),
    ("firstname", "first_name"),
    ("given_name", "first_name"),
    ("lastname", "last_name"),
    ("surname", "last_name"),
    ("family_name", "last_name"),
    ("time_zone", "timezone"),
    ("tz", "timezone"),
    ("manager", "agent_email"),
    ("manager_email", "agent_email"),
    ("agent", "agent_email"),
    ("tag", "tags"),
    ("labels", "tags"),
    ("status", "stage"),
    ("mobile", "phone"),
    ("phone_number", "phone"),
    ("mobile_phone", "phone"),
    ("tel", "phone"),
    ("instagram", "network.instagram"),
    ("tiktok", "network.tiktok"),
    ("youtube", "network.youtube"),
    ("followers", "network.instagram.followers"),
];

/// A name in the form it is compared in.
fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}

/// How many single letters differ.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, (cb, pair)) in b.iter().zip(row.windows(2)).enumerate() {
            let [diagonal, above] = pair else { continue };
            let left = next.get(j).copied().unwrap_or(usize::MAX - 1);
            next.push((diagonal + usize::from(ca != *cb)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

impl Field {
    /// The field a name stands for.
    fn named(name: &str, sort: Sort) -> Option<Self> {
        let plain = plain(name);
        if ["line", "error"].contains(&plain.as_str()) {
            return Some(Self::OfReport);
        }
        match (plain.as_str(), sort) {
            ("email", _) => Some(Self::Email),
            ("first_name", _) => Some(Self::FirstName),
            ("last_name", _) => Some(Self::LastName),
            ("phone", Sort::Influencers) => Some(Self::Phone),
            ("phone", Sort::Agents) => Some(Self::LeftOut("an agent is known by a mail address")),
            ("id", Sort::Influencers) => Some(Self::LeftOut("the handle tells whose row it is")),
            ("suppressed", _) => Some(Self::Suppressed),
            ("phone_suppressed", Sort::Influencers) => Some(Self::PhoneSuppressed),
            ("agent_suppressed", Sort::Influencers) => Some(Self::AgentSuppressed),
            ("influencers", Sort::Agents) => Some(Self::Influencers),
            (_, Sort::Agents) => None,
            ("handle", _) => Some(Self::Handle),
            ("timezone", _) => Some(Self::Timezone),
            ("agent_email", _) => Some(Self::AgentEmail),
            ("owner", _) => Some(Self::Owner),
            ("stage", _) => Some(Self::Stage),
            ("tags", _) => Some(Self::Tags),
            _ => Self::dotted(name.trim(), &plain),
        }
    }

    fn dotted(name: &str, plain: &str) -> Option<Self> {
        let (kind, rest) = plain.split_once('.')?;
        if rest.is_empty() || check::name("column", rest).is_err() {
            return None;
        }
        match kind {
            // A property keeps its own spelling.
            "property" => name.split_once('.').map(|(_, own)| Self::Property(own.trim().to_owned())),
            // In lower case, and else as written: the name may have dots itself.
            "network" => {
                let own = name.split_once('.').map(|(_, own)| own.trim().to_lowercase())?;
                match own.strip_suffix(".followers") {
                    None => Some(Self::Network(own)),
                    Some("") => None,
                    Some(network) => Some(Self::Followers(network.to_owned())),
                }
            }
            "consent" => {
                let (channel, part) = rest.split_once('.')?;
                // Nobody agrees to what is written down by hand, nor is asked whether they may be talked to where they talk.
                let channel =
                    Channel::from_word(channel).filter(|channel| matches!(channel, Channel::Email | Channel::Sms));
                match (channel, part) {
                    (Some(channel), "source") => Some(Self::ConsentSource(channel)),
                    (Some(channel), "at") => Some(Self::ConsentAt(channel)),
                    (None, "source" | "at") => Some(Self::LeftOut("consent can be imported for email and sms")),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

fn fields_of(sort: Sort) -> &'static [&'static str] {
    match sort {
        Sort::Influencers => &[
            "handle",
            "first_name",
            "last_name",
            "email",
            "phone",
            "timezone",
            "agent_email",
            "owner",
            "stage",
            "tags",
        ],
        Sort::Agents => &["email", "first_name", "last_name", "influencers"],
    }
}

/// What a column that is not known was perhaps meant to be.
fn suggestion(name: &str, sort: Sort) -> String {
    let plain = plain(name);
    let known = fields_of(sort);
    if let Some((_, ours)) = OTHER_NAMES.iter().find(|(theirs, ours)| {
        *theirs == plain && (known.contains(ours) || (sort == Sort::Influencers && ours.contains('.')))
    }) {
        return (*ours).to_owned();
    }
    let near = known.iter().map(|ours| (distance(&plain, ours), *ours)).min();
    match near {
        // Two letters of five are a slip, two of four another word.
        Some((away, ours)) if away <= 2 && away * 3 <= plain.chars().count() + 1 => ours.to_owned(),
        _ if sort == Sort::Agents => "first_name".to_owned(),
        _ => format!("property.{plain}"),
    }
}

/// The fields that can be mapped to, in words.
fn choice(sort: Sort) -> String {
    let more = if sort == Sort::Influencers {
        ", network.NAME, network.NAME.followers, property.NAME, consent.email.source, consent.email.at, consent.sms.source, \
         consent.sms.at, suppressed, phone_suppressed, agent_suppressed"
    } else {
        ", suppressed"
    };
    format!("{}{more}", fields_of(sort).join(", "))
}

impl Columns {
    /// Reads a header; all that is wrong with it at once.
    pub(super) fn read(
        header: &[String],
        (mapping, asker): (&[(String, String)], Asker),
        sort: Sort,
    ) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let mut notes = Vec::new();
        for (theirs, ours) in mapping {
            if !header.iter().any(|name| name == theirs.trim()) {
                let (at, has) = (asker.mapping(), header.join(", "));
                wrong.push(format!("{at}: the file has no column \"{theirs}\"; it has: {has}"));
            }
            if Field::named(ours, sort).is_none() {
                wrong.push(format!("{}: `{ours}` is not a field; there are: {}", asker.mapping(), choice(sort)));
            }
        }
        let mut fields: Vec<Option<Field>> = Vec::with_capacity(header.len());
        for (n, name) in header.iter().enumerate() {
            let mapped = mapping.iter().find(|(theirs, _)| theirs.trim() == name).map(|(_, ours)| ours.as_str());
            let field = Field::named(mapped.unwrap_or(name), sort);
            match &field {
                None if mapped.is_some() || name.is_empty() => {}
                None => notes.push(format!(
                    "column \"{name}\" is not known and was left out; perhaps: {}",
                    asker.mapped(name, &suggestion(name, sort))
                )),
                Some(Field::LeftOut(why)) => notes.push(format!("column \"{name}\" was left out: {why}")),
                Some(Field::OfReport) => {}
                Some(known) => {
                    let twice = fields.iter().position(|f| f.as_ref() == Some(known));
                    if let Some(first) = twice.and_then(|first| header.get(first)) {
                        wrong.push(format!(
                            "columns \"{first}\" and \"{name}\" (number {}) both hold the same field; rename one",
                            n + 1
                        ));
                    }
                }
            }
            fields.push(field);
        }
        let many = |most: usize, sort: fn(&Field) -> bool| fields.iter().flatten().filter(|f| sort(f)).count() > most;
        if many(PROPERTIES_MAX, |f| matches!(f, Field::Property(_)))
            || many(NETWORKS_MAX, |f| matches!(f, Field::Network(_)))
        {
            wrong.push(format!("there are more than {PROPERTIES_MAX} properties or {NETWORKS_MAX} networks"));
        }
        let (needed, field) = match sort {
            Sort::Influencers => ("handle", Field::Handle),
            Sort::Agents => ("email", Field::Email),
        };
        if !fields.contains(&Some(field)) {
            wrong.push(format!(
                "there is no column `{needed}`; the file has: {}; say which it is with {}",
                header.join(", "),
                asker.mapped("THEIR COLUMN", needed)
            ));
        }
        if wrong.is_empty() { Ok(Self { fields, notes }) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &[&str], mapping: &[(&str, &str)]) -> Result<Columns, Vec<String>> {
        let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
        let mapping: Vec<_> = mapping.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Columns::read(&header, (&mapping, Asker::Terminal), Sort::Influencers)
    }

    #[test]
    fn columns_are_known_by_name_in_any_case_or_by_mapping() {
        let columns =
            read(&["Handle", "First Name", "E-Mail 2", "property.Shoe Size"], &[("E-Mail 2", "email")]).unwrap();
        let expected = [Field::Handle, Field::FirstName, Field::Email, Field::Property("Shoe Size".into())];
        assert_eq!(columns.fields, expected.map(Some));
        assert_eq!(columns.notes, Vec::<String>::new());
    }

    #[test]
    fn columns_that_are_not_known_are_told_with_a_suggestion() {
        let columns = read(&["handle", "E-Mail", "ownr", "Shoe", "Mobile", "consent.fax.at"], &[]).unwrap();
        for (note, part) in
            columns.notes.iter().zip(["=email\"", "=owner\"", "=property.shoe\"", "=phone\"", "email and sms"])
        {
            assert!(note.contains(part), "{note}");
        }
        assert_eq!(columns.notes.len(), 5);
    }

    #[test]
    fn header_that_can_not_serve_is_refused_with_every_reason() {
        let wrong = read(&["email", "E Mail", "Email"], &[("none", "email"), ("E Mail", "emial")]).unwrap_err();
        assert_eq!(wrong.len(), 4, "{wrong:?}");
    }
}
