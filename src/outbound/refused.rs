//! Who said no, written down beside the database: a database that is restored has forgotten what was said since its backup.
//!
//! The file `refused` in the state directory has a line for each suppression, appended within a second or so of its commit, whoever wrote it
//! (the page, one click, a mail, a teammate, another node). A line is the id of the suppression, its channel, scope and reason, and a
//! keyed hash of the address: no address stands in the file, so that erasing somebody leaves no more of them than the database
//! keeps. The key is in its first line, and is the one by which the database knows erased addresses, where it has one.
//!
//! Ids are ordered by time. A start that finds its database copied or restored takes every line that is newer than the newest event
//! there: whose address it is says no again, with all that follows from that; the hash of an address that is not there is kept as
//! that of an erased one, and holds should it come back. What was said before the backup is in the backup, and was lifted there
//! where it was lifted. One that was lifted since it was made is said again: the careful side, and a person can lift it again.
//!
//! On PostgreSQL every node has a file of its own, with what all of them wrote.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::str::FromStr as _;

use uuid::Uuid;

use crate::clock::{Clock, random_octets};
use crate::domain::erasure::Mark;
use crate::domain::ids::LedgerId;
use crate::domain::people::Suppression;
use crate::domain::words::{Channel, SuppressionReason, Word as _};
use crate::hub::people::{self, NewSuppression, PeopleError, is_no};
use crate::hub::unsubscribe::unsubscribe_by_hand;
use crate::store::people::erased::NewErasedAddress;
use crate::store::value::{hex, unhex};
use crate::store::{Store, StoreError, Tx};

/// Rows of one look.
const PAGE: i64 = 1_000;
/// How long a transaction may take from making an id to its commit, so that none is passed over. Milliseconds, machine time.
const LATE_MAX_MS: u64 = 120_000;

/// Why what was said could not be written down, or read.
#[derive(Debug, thiserror::Error)]
pub enum RefusedError {
    /// The file.
    #[error("the file of refusals: {0}")]
    File(#[from] io::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is written can't be done.
    #[error(transparent)]
    People(#[from] PeopleError),
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    id: LedgerId,
    channel: Channel,
    scope: String,
    reason: SuppressionReason,
    hash: Vec<u8>,
}

impl Line {
    fn of(s: &Suppression, key: &[u8]) -> Self {
        let hash = Mark::Address(s.channel.to_string(), s.value_key.clone()).hash(key);
        Self { id: s.id, channel: s.channel, scope: s.scope.clone(), reason: s.reason, hash }
    }

    /// `None` where it is none of ours.
    fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mut word = || words.next();
        Some(Self {
            id: LedgerId(Uuid::from_str(word()?).ok()?),
            channel: Channel::from_word(word()?)?,
            scope: word()?.to_owned(),
            reason: SuppressionReason::from_word(word()?)?,
            hash: unhex(word()?)?,
        })
    }

    fn written(&self) -> String {
        format!("{} {} {} {} {}\n", self.id.0, self.channel, self.scope, self.reason, hex(&self.hash))
    }
}

/// What a file says: its key, and its lines. A last line that was cut off counts for nothing.
fn read(file: &Path) -> io::Result<Option<(Vec<u8>, Vec<Line>)>> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    let key = whole.next().and_then(|head| head.strip_prefix("key ")).and_then(unhex);
    Ok(key.map(|key| (key, whole.filter_map(Line::read).collect())))
}

/// The smallest id of its millisecond, so much earlier.
fn earlier(id: LedgerId, ms: u64) -> LedgerId {
    let at = (id.0.as_u128() >> 80).saturating_sub(u128::from(ms));
    LedgerId(Uuid::from_u128(at << 80))
}

/// The file, as it is written on.
#[derive(Debug)]
pub struct Refused {
    key: Vec<u8>,
    out: File,
    newest: LedgerId,
    /// What of the last minutes is written.
    recent: BTreeSet<LedgerId>,
}

impl Refused {
    /// The file to write on. It is begun anew where there is none, or where the database knows erased addresses by another key, unless
    /// that database is held: then the file knows more than the database does.
    ///
    /// # Errors
    /// Where the file or the database can't be read or written.
    pub async fn open(store: &Store, file: &Path, held: bool) -> Result<Self, RefusedError> {
        let theirs = store.read().await?.erasure_key().await?;
        let known = read(file)?.filter(|(key, _)| held || theirs.as_ref().is_none_or(|theirs| theirs == key));
        let options = || OpenOptions::new().create(true).append(true).mode(0o600).to_owned();
        let Some((key, lines)) = known else {
            let key = match theirs {
                Some(key) => key,
                None => random_octets::<32>().map_err(io::Error::other)?.to_vec(),
            };
            let draft = file.with_extension("new");
            let mut out = options().truncate(false).open(&draft)?;
            out.set_len(0)?;
            out.write_all(format!("key {}\n", hex(&key)).as_bytes())?;
            out.sync_all()?;
            std::fs::rename(&draft, file)?;
            return Ok(Self { key, out, newest: LedgerId(Uuid::nil()), recent: BTreeSet::new() });
        };
        let mut out = options().open(file)?;
        // A line that was cut off half-way must not swallow the next one.
        out.write_all(b"\n")?;
        let newest = lines.iter().map(|line| line.id).max().unwrap_or(LedgerId(Uuid::nil()));
        let from = earlier(newest, LATE_MAX_MS);
        let recent = lines.into_iter().map(|line| line.id).filter(|id| *id >= from).collect();
        Ok(Self { key, out, newest, recent })
    }

    /// Appends what is new in the database; durable when this returns. How many lines.
    ///
    /// # Errors
    /// Where the file can't be written, or the database not read.
    pub async fn keep_up(&mut self, store: &Store) -> Result<usize, RefusedError> {
        let from = earlier(self.newest, LATE_MAX_MS);
        let (mut after, mut count) = (from, 0);
        loop {
            let page = store.read().await?.list_suppressions(Some(after), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            let new: Vec<Line> =
                page.iter().filter(|s| !self.recent.contains(&s.id)).map(|s| Line::of(s, &self.key)).collect();
            if !new.is_empty() {
                let text: String = new.iter().map(Line::written).collect();
                self.out.write_all(text.as_bytes())?;
                self.out.sync_data()?;
                count += new.len();
                self.recent.extend(new.iter().map(|line| line.id));
                self.newest = self.newest.max(after);
            }
        }
        let from = earlier(self.newest, LATE_MAX_MS);
        self.recent.retain(|id| *id >= from);
        Ok(count)
    }
}

/// Says again, in a database that was copied or restored, what its state directory knows to have been said since; how often.
///
/// # Errors
/// Where the file or the database can't be read or written; then nothing was said.
pub async fn say_again(store: &Store, clock: &Clock, file: &Path) -> Result<usize, RefusedError> {
    let Some((key, lines)) = read(file)? else { return Ok(0) };
    let mut tx = store.begin("outbound.refused").await?;
    let newest = tx.newest_event().await?.map_or(Uuid::nil(), |id| id.0);
    // Of each address the last line counts.
    let since = lines.into_iter().filter(|line| line.id.0 > newest);
    let mut missing: HashMap<Vec<u8>, Line> = since.map(|line| (line.hash.clone(), line)).collect();
    if missing.is_empty() {
        return Ok(0);
    }
    tx.lock_conversations().await?;
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let page = tx.list_address_keys(Channel::Email, &after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(last);
        for address in page {
            let hash = Mark::Address(Channel::Email.to_string(), address.clone()).hash(&key);
            found.extend(missing.remove(&hash).map(|line| (address, line)));
        }
    }
    let mut said = 0;
    for (address, line) in found {
        let evidence = "said after the backup that was restored".to_owned();
        let new = NewSuppression { channel: line.channel, address: address.clone(), reason: line.reason, evidence };
        let added = if is_no(line.reason) {
            unsubscribe_by_hand(&mut tx, clock, &address, new.evidence).await?
        } else {
            people::suppress_address(&mut tx, clock, new).await?
        };
        said += usize::from(added);
    }
    said += keep_hashes(&mut tx, clock, (key, missing.into_values().collect())).await?;
    tx.commit().await?;
    Ok(said)
}

/// Addresses that the database does not know: their hashes are kept as those of erased ones.
async fn keep_hashes(tx: &mut Tx, clock: &Clock, (key, lines): (Vec<u8>, Vec<Line>)) -> Result<usize, StoreError> {
    if lines.is_empty() {
        return Ok(0);
    }
    let at = clock.now();
    if tx.ensure_erasure_key(key.clone(), at).await? != key {
        tracing::error!(
            count = lines.len(),
            "addresses that this database does not know said no after its backup, and it has another key: add them by hand"
        );
        return Ok(0);
    }
    let count = lines.len();
    let row = |line: Line| {
        let id = LedgerId(clock.new_id());
        NewErasedAddress { id, hash: line.hash, scope: line.scope, reason: line.reason, at }
    };
    tx.insert_erased_addresses(lines.into_iter().map(row).collect()).await?;
    Ok(count)
}
