//! Everything that is kept about one person, for them to have: `person.json` with every row, each mail as it came, and the files
//! that were attached.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{PeopleError, survivor};
use crate::clock::Clock;
use crate::domain::archive::{Archive, ArchiveError};
use crate::domain::ids::{InfluencerId, MessageId};
use crate::store::people::personal::Rows;
use crate::store::{StoreError, Tx};

/// Messages looked at at once.
const AT_ONCE: usize = 200;
/// Characters of a file's name that are kept.
const NAME_MAX: usize = 100;

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is no such influencer.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// It is larger than an archive can be, or than is given at once.
    #[error("the export can't be written: {0}")]
    Archive(#[from] ArchiveError),
    /// Whoever takes it does not take more.
    #[error("the export can't be written: {0}")]
    Output(#[from] std::io::Error),
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A file out of a mail: its name and content.
pub type Attached = (String, Vec<u8>);

/// Takes the files out of a raw mail.
pub type Opener = dyn Fn(&[u8]) -> Vec<Attached> + Send + Sync;
/// Where the octets of an archive go.
pub type Output = dyn std::io::Write + Send;

/// What an export goes by besides the store.
pub struct Means<'a> {
    /// Takes the files out of a raw mail.
    pub attachments: &'a Opener,
    /// Where the octets go.
    pub output: &'a mut Output,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Whom it is about.
    pub influencer_id: InfluencerId,
    /// Their handle.
    pub handle: String,
    /// Messages in it.
    pub messages: usize,
    /// Files in it.
    pub files: usize,
}

/// Writes the archive. The transaction should be a snapshot.
///
/// # Errors
/// [`ExportError`].
pub async fn export(tx: &mut Tx, clock: &Clock, id: InfluencerId, means: Means<'_>) -> Result<Exported, ExportError> {
    let id = survivor(tx, id).await?;
    let unknown = || PeopleError::NoInfluencer(id.to_string());
    let influencer = tx.get_influencer(id).await?.ok_or_else(unknown)?;
    let mut ids = vec![id];
    let mut last = ids.clone();
    while !last.is_empty() {
        last = tx.merged_into_any(last).await?.into_iter().filter(|other| !ids.contains(other)).collect();
        ids.extend(&last);
    }
    let addresses = tx.list_addresses_of_influencers(ids.clone()).await?;
    let keys = addresses.iter().map(|a| a.value_key.clone()).collect();
    let view = tx.view_influencers(vec![influencer.clone()]).await?.pop().ok_or_else(unknown)?;
    let mut tables: BTreeMap<&'static str, Rows> = tx.rows_of_people(ids.clone(), keys).await?.into_iter().collect();
    let messages = tx.list_message_ids_of(ids).await?;
    let mut archive = Archive::default();
    let mut files = 0;
    for messages in messages.chunks(AT_ONCE) {
        for (table, rows) in tx.rows_of_messages(messages.to_vec()).await? {
            tables.entry(table).or_default().extend(rows);
        }
        for message in messages {
            files += write_mail(tx, *message, &mut archive, (means.attachments, &mut *means.output)).await?;
        }
    }
    let person = person(clock, &json!(view), tables);
    let text = serde_json::to_vec_pretty(&person).map_err(|e| StoreError::Damaged(e.to_string()))?;
    means.output.write_all(&archive.file("person.json", &text)?)?;
    means.output.write_all(&archive.finish()?)?;
    Ok(Exported { influencer_id: id, handle: influencer.handle, messages: messages.len(), files: files + 1 })
}

fn person(clock: &Clock, influencer: &Value, tables: BTreeMap<&'static str, Rows>) -> Value {
    let tables: Map<String, Value> = tables.into_iter().map(|(table, rows)| (table.to_owned(), json!(rows))).collect();
    json!({"about": "everything that is kept about one person", "made_at": clock.now(), "influencer": influencer, "rows": tables})
}

/// A mail and what is attached to it; how many files that were.
async fn write_mail(
    tx: &mut Tx,
    message: MessageId,
    archive: &mut Archive,
    (attachments, output): (&Opener, &mut Output),
) -> Result<usize, ExportError> {
    let Some(raw) = tx.get_raw_mail(message).await? else { return Ok(0) };
    output.write_all(&archive.file(&format!("messages/{message}.eml"), &raw)?)?;
    let mut files = 1;
    for (n, (name, content)) in attachments(&raw).into_iter().enumerate() {
        let path = format!("attachments/{message}/{n}-{}", plain(&name));
        output.write_all(&archive.file(&path, &content)?)?;
        files += 1;
    }
    Ok(files)
}

/// A name that leads nowhere else when it is unpacked.
fn plain(name: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || "._- ".contains(c) { c } else { '_' };
    let name: String = name.chars().map(safe).take(NAME_MAX).collect();
    let name = name.trim_matches(['.', ' ']).to_owned();
    if name.is_empty() { "file".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn names_of_files_lead_nowhere_else() {
        for (given, kept) in
            [("../../etc/passwd", "_.._etc_passwd"), ("a b.pdf", "a b.pdf"), ("..", "file"), ("c:\\x\u{0}", "c__x_")]
        {
            assert_eq!(plain(given), kept);
        }
    }
}
