//! Everything that is kept about one person, for them to have: `person.json` with every row, each mail as it came, and the files
//! that were attached.
//!
//! It is given away as it is read, a page or a mail at a time, and nothing is held while whoever takes it is slow: it costs the memory
//! of one mail, however much there is. What comes meanwhile may be in it or not.

use serde_json::json;

use super::{PeopleError, survivor};
use crate::clock::Clock;
use crate::domain::archive::{Archive, ArchiveError};
use crate::domain::ids::{InfluencerId, MessageId};
use crate::domain::people::Influencer;
use crate::store::people::personal::{FoundBy, Rows, exported};
use crate::store::reading::Place;
use crate::store::{Store, StoreError, Tx};

/// Messages whose rows are looked at at once.
const AT_ONCE: usize = 20;
/// Characters of a file's name that are kept.
const NAME_MAX: usize = 100;

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is no such influencer, or not any more.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// It is larger than an archive can be.
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

/// Takes the octets of an archive, each piece once the one before it was taken.
pub trait Taker: Send {
    /// Takes some.
    ///
    /// # Errors
    /// Where it does not take more.
    fn take(&mut self, octets: Vec<u8>) -> impl Future<Output = std::io::Result<()>> + Send;
}

impl<W: std::io::Write + Send> Taker for W {
    async fn take(&mut self, octets: Vec<u8>) -> std::io::Result<()> {
        self.write_all(&octets)
    }
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

/// Whom an export is about, and by what everything about them is found.
pub struct Subject {
    influencer: Influencer,
    /// All records that were theirs.
    ids: Vec<InfluencerId>,
    keys: Vec<String>,
    messages: Vec<MessageId>,
}

impl Subject {
    /// Looks for somebody.
    ///
    /// # Errors
    /// [`ExportError::People`] where there is nobody.
    pub async fn find(tx: &mut Tx, id: InfluencerId) -> Result<Self, ExportError> {
        let id = survivor(tx, id).await?;
        let unknown = || PeopleError::NoInfluencer(id.to_string());
        let influencer = tx.get_influencer(id).await?.ok_or_else(unknown)?;
        let mut ids = vec![id];
        let mut last = ids.clone();
        while !last.is_empty() {
            last = tx.merged_into_any(last).await?.into_iter().filter(|other| !ids.contains(other)).collect();
            ids.extend(&last);
        }
        ids.sort_unstable();
        let addresses = tx.list_addresses_of_influencers(ids.clone()).await?;
        // What they said of everything stands under their id.
        let keys = addresses.into_iter().map(|a| a.value_key).chain(ids.iter().map(ToString::to_string)).collect();
        let messages = tx.list_message_ids_of(ids.clone()).await?;
        Ok(Self { influencer, ids, keys, messages })
    }
}

/// Gives the archive away.
///
/// # Errors
/// [`ExportError`]; what was taken by then is no whole archive.
pub async fn export<T: Taker>(
    (store, clock): (&Store, &Clock),
    subject: Subject,
    attachments: &Opener,
    taker: &mut T,
) -> Result<Exported, ExportError> {
    let id = subject.influencer.id;
    let mut writing = Writing { store, archive: Archive::default(), taker, files: 0 };
    writing.person(clock, &subject).await?;
    for message in &subject.messages {
        writing.mail(*message, attachments).await?;
        writing.files(*message).await?;
    }
    // Of whom was erased, joined or parted while it was read it is not whole.
    let now = Subject::find(&mut store.read().await?, id).await?;
    if (now.influencer.id, &now.ids) != (id, &subject.ids) {
        return Err(PeopleError::Changed(id).into());
    }
    let Writing { archive, taker, files, .. } = writing;
    taker.take(archive.finish()?).await?;
    Ok(Exported { influencer_id: id, handle: subject.influencer.handle, messages: subject.messages.len(), files })
}

/// An archive on its way.
struct Writing<'a, T> {
    store: &'a Store,
    archive: Archive,
    taker: &'a mut T,
    files: usize,
}

impl<T: Taker> Writing<'_, T> {
    /// Every row, of one table after the other.
    async fn person(&mut self, clock: &Clock, subject: &Subject) -> Result<(), ExportError> {
        let views = self.store.read().await?.view_influencers(vec![subject.influencer.clone()]).await?;
        let head = self.archive.begin("person.json")?;
        self.taker.take(head).await?;
        let (influencer, made_at) = (json!(views.first()), json!(clock.now()));
        let about = "everything that is kept about one person";
        self.text(format!(
            "{{\"about\": \"{about}\",\n\"made_at\": {made_at},\n\"influencer\": {influencer},\n\"rows\": {{"
        ))
        .await?;
        for (n, (table, by)) in exported().into_iter().enumerate() {
            self.text(format!("{}\n\"{table}\": [", if n > 0 { "," } else { "" })).await?;
            self.table((table, by), subject).await?;
            self.text("]".to_owned()).await?;
        }
        self.text("}}\n".to_owned()).await?;
        let end = self.archive.end()?;
        self.taker.take(end).await?;
        self.files += 1;
        Ok(())
    }

    async fn table(&mut self, (table, by): (&str, FoundBy), subject: &Subject) -> Result<(), ExportError> {
        let mut any = false;
        match by {
            FoundBy::Person => {
                for id in &subject.ids {
                    let mut next = Some(Place::FIRST);
                    while let Some(after) = next {
                        let (rows, more) = self.store.read().await?.rows_of_person(table, *id, after).await?;
                        self.rows(&rows, &mut any).await?;
                        next = more;
                    }
                }
            }
            FoundBy::People => {
                let rows = self.store.read().await?.rows_of_people(table, subject.ids.clone()).await?;
                self.rows(&rows, &mut any).await?;
            }
            FoundBy::Address => {
                let rows = self.store.read().await?.rows_of_addresses(table, subject.keys.clone()).await?;
                self.rows(&rows, &mut any).await?;
            }
            FoundBy::Message => {
                for messages in subject.messages.chunks(AT_ONCE) {
                    let rows = self.store.read().await?.rows_of_messages(table, messages.to_vec()).await?;
                    self.rows(&rows, &mut any).await?;
                }
            }
        }
        Ok(())
    }

    async fn rows(&mut self, rows: &Rows, any: &mut bool) -> Result<(), ExportError> {
        let mut text = String::new();
        for row in rows {
            text.push_str(if std::mem::replace(any, true) { ",\n  " } else { "\n  " });
            text.push_str(&serde_json::to_string(row).map_err(|e| StoreError::Damaged(e.to_string()))?);
        }
        self.text(text).await
    }

    async fn text(&mut self, text: String) -> Result<(), ExportError> {
        self.archive.piece(text.as_bytes())?;
        if !text.is_empty() {
            self.taker.take(text.into_bytes()).await?;
        }
        Ok(())
    }

    /// A mail and what is attached to it.
    async fn mail(&mut self, message: MessageId, attachments: &Opener) -> Result<(), ExportError> {
        let Some(raw) = self.store.read().await?.get_raw_mail(message).await? else { return Ok(()) };
        let attached = attachments(&raw);
        self.file(&format!("messages/{message}.eml"), raw).await?;
        for (n, (name, content)) in attached.into_iter().enumerate() {
            self.file(&format!("attachments/{message}/{n}-{}", plain(&name)), content).await?;
        }
        Ok(())
    }

    /// What is kept beside a message that is no mail, piece by piece.
    async fn files(&mut self, message: MessageId) -> Result<(), ExportError> {
        let files = self.store.read().await?.list_files(message).await?;
        for (n, file) in files {
            let Some(hash) = file.hash else { continue };
            let head = self.archive.begin(&format!("attachments/{message}/{n}-{}", plain(&file.name)))?;
            self.taker.take(head).await?;
            for position in 0.. {
                let Some(piece) = self.store.read().await?.get_file_piece(&hash, position).await? else { break };
                let piece = piece.unpack()?;
                self.archive.piece(&piece)?;
                self.taker.take(piece).await?;
            }
            let end = self.archive.end()?;
            self.taker.take(end).await?;
            self.files += 1;
        }
        Ok(())
    }

    async fn file(&mut self, name: &str, content: Vec<u8>) -> Result<(), ExportError> {
        let head = self.archive.file(name, &content)?;
        self.taker.take(head).await?;
        self.taker.take(content).await?;
        self.files += 1;
        Ok(())
    }
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
