//! `sequences`, `country` and `[sender]`: what outreach needs beside accounts.

use std::path::PathBuf;

use super::reader::{Found, Reader, Section};
use super::suggest::nearest;
use crate::domain::calendar::shipped_countries;

/// The settings of outreach.
#[derive(Debug, Clone)]
pub struct Outreach {
    /// The folder of the sequences; each has one of its own in it.
    pub sequences: PathBuf,
    /// Our side's country, lower case: whose holidays we keep.
    pub country: Option<String>,
    /// Who answers for sequence mail, for its footer.
    pub sender: Option<SenderInfo>,
}

/// `[sender]`: who answers for sequence mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderInfo {
    /// The name of the firm.
    pub name: String,
    /// Its postal address.
    pub address: String,
}

pub(super) fn read(root: &mut Section<'_>, r: &mut Reader) -> Outreach {
    let sequences = root.text(r, "sequences").map_or_else(|| "sequences".to_owned(), |s| s.value);
    let country = root.text(r, "country").and_then(|code| country(r, &code));
    let sender = root.section(r, "sender").and_then(|s| sender(s, r));
    Outreach { sequences: r.path(&sequences), country, sender }
}

/// A code of two letters, of a country or not: holidays are known only for those that are shipped.
fn country(r: &mut Reader, code: &Found<String>) -> Option<String> {
    let lower = code.value.to_ascii_lowercase();
    if shipped_countries().any(|known| known == lower) {
        return Some(lower);
    }
    let known: Vec<&str> = shipped_countries().collect();
    let shown: String = code.value.chars().take(60).collect();
    let hint = match nearest(&lower, &known).filter(|_| lower.len() == 2) {
        Some(near) => format!("did you mean \"{near}\"? There is {}", known.join(", ")),
        None => format!("one of {}", known.join(", ")),
    };
    r.error(code, format!("no holidays are known for `{shown}`"), &hint);
    None
}

fn sender(mut s: Section<'_>, r: &mut Reader) -> Option<SenderInfo> {
    let name = s.text(r, "name");
    let address = s.text(r, "address");
    s.require(r, "name", "write name = \"Your Brand\"");
    s.require(r, "address", "write address = \"1 Main St, Portland, OR 97201, USA\": mail to strangers must carry it");
    s.finish(r);
    Some(SenderInfo { name: name?.value, address: address?.value })
}
