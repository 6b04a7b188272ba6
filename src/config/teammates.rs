//! `[teammates.ID]`: the people on our side.

use std::collections::BTreeMap;

use super::accounts::mail_address;
use super::reader::{Found, Reader, Section};
use super::source::Span;

/// `[teammates.ID]`: someone on the brand's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Teammate {
    /// The name in the configuration, by which influencers name their owner.
    pub id: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: Option<String>,
    /// Their own addresses, at least one; the first is the one we write to.
    pub emails: Vec<String>,
}

pub(super) fn read(root: &mut Section<'_>, r: &mut Reader) -> BTreeMap<String, Teammate> {
    let mut teammates = BTreeMap::new();
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    for (name, mut s) in root.named(r, "teammates") {
        let first_name = s.text(r, "first_name");
        let last_name = s.text(r, "last_name").map(|n| n.value);
        let emails = s.texts(r, "email");
        s.require(r, "first_name", "write first_name = \"…\"; mail is signed with it");
        s.require(r, "email", "write email = \"name@your-domain\", or a list of addresses");
        s.finish(r);
        let mut addresses = Vec::new();
        for email in emails {
            let Some(key) = mail_address(r, &email) else { continue };
            claim(r, &mut seen, &key, &email);
            addresses.push(email.value);
        }
        let Some(first_name) = first_name else { continue };
        let id = name.value;
        teammates.insert(id.clone(), Teammate { id, first_name: first_name.value, last_name, emails: addresses });
    }
    teammates
}

/// An address belongs to one account or teammate only.
pub(super) fn claim(r: &mut Reader, seen: &mut BTreeMap<String, Span>, key: &str, email: &Found<String>) {
    once(r, seen, (key, email), "an address belongs to one account or teammate: take it out of one");
}

/// An error where something of this key was seen before; `hint` says what to do.
pub(super) fn once(
    r: &mut Reader,
    seen: &mut BTreeMap<String, Span>,
    (key, found): (&str, &Found<String>),
    hint: &str,
) {
    match seen.get(key) {
        None => {
            seen.insert(key.to_owned(), found.span);
        }
        Some(first) => {
            let first = *first;
            r.error(found, format!("{} is there twice", found.value), hint);
            r.relate("first here", first);
        }
    }
}
