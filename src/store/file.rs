//! Files beside messages of channels that are no mail: which wait to be fetched, who has one in hand, and what is in those that are
//! kept.
//!
//! The content lies in pieces under the hash of the whole. Whoever writes or deletes some has locked the conversations, so that none is
//! deleted that somebody else is about to name.

use super::dialect::Many;
use super::sql::statements;
use super::value::{Value, values};
use super::{StoreError, Tx};
use crate::domain::ids::{MessageId, RunId};
use crate::domain::time::Micros;
use crate::domain::words::FileState;

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// The message.
    pub message_id: MessageId,
    /// Its place among the message's attachments.
    pub position: i64,
    /// The account that may ask for it.
    pub account: String,
    /// Where its provider keeps it.
    pub url: String,
    /// Its name; may be empty.
    pub name: String,
    /// Its media type as the provider says.
    pub mime: String,
    /// Its octets, where the provider says.
    pub size: Option<i64>,
    /// Why it is not fetched at all, where that is known.
    pub gone: Option<String>,
    /// When it is stored; not to be fetched before.
    pub at: Micros,
}

/// A file in hand: whoever has it may write what became of it, as long as nobody else took it since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileGrip {
    /// The message.
    pub message_id: MessageId,
    /// Its place.
    pub position: i64,
    /// Who has it.
    pub holder: RunId,
    /// How often it was taken in hand.
    pub tries: i64,
}

/// A file that was taken in hand to be fetched.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct FileDue {
    /// The message.
    pub message_id: MessageId,
    /// Its place among the message's attachments.
    pub position: i64,
    /// Where its provider keeps it.
    pub url: String,
    /// Its name.
    pub name: String,
    /// Its media type.
    pub mime: String,
    /// Its octets, where the provider says.
    pub size: Option<i64>,
    /// How often it was taken in hand, this time included.
    pub tries: i64,
    /// How often it could not be fetched.
    pub failures: i64,
    /// When it was stored.
    pub stored_at: Micros,
}

/// A file as it stands.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct FileRow {
    /// How it stands.
    pub state: FileState,
    /// Its name.
    pub name: String,
    /// Its media type as the provider says.
    pub mime: String,
    /// Its octets: as they are where it is kept, else as the provider says.
    pub size: Option<i64>,
    /// Why it is not there.
    pub reason: Option<String>,
    /// What its content is found by, where it is kept.
    pub hash: Option<Vec<u8>>,
}

/// A piece of a content, as it is kept: packed.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct FilePiece {
    size: i64,
    data: Vec<u8>,
}

impl std::fmt::Debug for FilePiece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FilePiece").field("size", &self.size).finish_non_exhaustive()
    }
}

impl FilePiece {
    /// A piece of these octets.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where there is no memory for it.
    pub fn pack(octets: &[u8]) -> Result<Self, StoreError> {
        let data = zstd::bulk::compress(octets, COMPRESSION)
            .map_err(|error| StoreError::Damaged(format!("a piece of a file can't be packed: {error}")))?;
        Ok(Self { size: i64::try_from(octets.len()).unwrap_or(i64::MAX), data })
    }

    /// Its octets.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where it is not what was stored.
    pub fn unpack(&self) -> Result<Vec<u8>, StoreError> {
        let size = usize::try_from(self.size).unwrap_or_default();
        zstd::bulk::decompress(&self.data, size)
            .map_err(|error| StoreError::Damaged(format!("a piece of a file can't be unpacked: {error}")))
    }
}

const FILES: Many = Many {
    head: "INSERT INTO message_file (message_id, position, account, url, name, mime, size, state, reason, due_at, stored_at)",
    columns: 11,
    tail: "ON CONFLICT (message_id, position) DO NOTHING",
};
/// The lightest: most files are pictures, which are packed already.
const COMPRESSION: i32 = 1;

impl Tx {
    /// Notes files beside messages; those that are noted already stay as they are.
    pub async fn insert_files(&mut self, rows: Vec<NewFile>) -> Result<u64, StoreError> {
        let values = |r: NewFile| {
            let state = if r.gone.is_some() { FileState::Gone } else { FileState::Waiting };
            values![r.message_id, r.position, r.account, r.url, r.name, r.mime, r.size, state, r.gone, r.at, r.at]
        };
        let rows: Vec<Value> = rows.into_iter().flat_map(values).collect();
        self.insert_many(&FILES, rows).await
    }

    /// Takes the next file of an account in hand that is due, for so many seconds.
    pub async fn claim_file(
        &mut self,
        account: &str,
        holder: RunId,
        now: Micros,
        seconds: i64,
    ) -> Result<Option<FileDue>, StoreError> {
        let lease_now = self.lease_now().await?;
        let next: Option<(MessageId, i64)> = self.opt(&NEXT, values![account, now, lease_now]).await?;
        let Some((message, position)) = next else { return Ok(None) };
        let until = lease_now.0.saturating_add(seconds.saturating_mul(1_000_000));
        self.opt(&CLAIM, values![message, position, holder, until]).await
    }

    /// Lets go of what whoever read the account before had in hand. The caller holds the lease of the account, so that nobody else can
    /// write what became of it.
    pub async fn free_files(&mut self, account: &str) -> Result<u64, StoreError> {
        self.exec(&FREE, values![account]).await
    }

    /// When the next file of an account is due.
    pub async fn next_due_file(&mut self, account: &str) -> Result<Option<Micros>, StoreError> {
        let row: Option<(Micros,)> = self.opt(&NEXT_DUE, values![account]).await?;
        Ok(row.map(|(at,)| at))
    }

    /// Keeps the piece of a content at this place in it. `false` where it is there already: that stays.
    pub async fn insert_file_piece(
        &mut self,
        hash: &[u8],
        position: i64,
        piece: FilePiece,
    ) -> Result<bool, StoreError> {
        Ok(self.exec(&PIECE_INSERT, values![hash.to_vec(), position, piece.size, piece.data]).await? == 1)
    }

    /// How many pieces of a content are kept.
    pub async fn count_file_pieces(&mut self, hash: &[u8]) -> Result<i64, StoreError> {
        let (count,): (i64,) = self.one(&PIECES_COUNT, values![hash.to_vec()]).await?;
        Ok(count)
    }

    /// Notes that a file in hand is kept, under the hash of its content. `false` where it is in hand no longer.
    pub async fn keep_file(&mut self, grip: FileGrip, (hash, size): (&[u8], i64)) -> Result<bool, StoreError> {
        let values = values![grip.message_id, grip.position, grip.holder, grip.tries, hash.to_vec(), size];
        Ok(self.exec(&KEEP, values).await? == 1)
    }

    /// Notes why a file in hand could not be fetched, whether that counts as a failure of its own, and when it is asked for again.
    /// `false` where it is in hand no longer.
    pub async fn defer_file(
        &mut self,
        grip: FileGrip,
        due_at: Micros,
        (reason, failed): (&str, bool),
    ) -> Result<bool, StoreError> {
        let failures = i64::from(failed);
        let values = values![grip.message_id, grip.position, grip.holder, grip.tries, due_at, reason, failures];
        Ok(self.exec(&DEFER, values).await? == 1)
    }

    /// Notes that a file in hand is given up, and why. `false` where it is in hand no longer.
    pub async fn lose_file(&mut self, grip: FileGrip, reason: &str) -> Result<bool, StoreError> {
        let values = values![grip.message_id, grip.position, grip.holder, grip.tries, reason];
        Ok(self.exec(&LOSE, values).await? == 1)
    }

    /// A file beside a message, without its content.
    pub async fn get_file(&mut self, message: MessageId, position: i64) -> Result<Option<FileRow>, StoreError> {
        self.opt(&GET, values![message, position]).await
    }

    /// The files beside a message, by their places.
    pub async fn list_files(&mut self, message: MessageId) -> Result<Vec<(i64, FileRow)>, StoreError> {
        #[derive(sqlx::FromRow)]
        struct Placed {
            position: i64,
            #[sqlx(flatten)]
            file: FileRow,
        }
        let rows: Vec<Placed> = self.all(&LIST, values![message]).await?;
        Ok(rows.into_iter().map(|row| (row.position, row.file)).collect())
    }

    /// A piece of a content; `None` behind its end.
    pub async fn get_file_piece(&mut self, hash: &[u8], position: i64) -> Result<Option<FilePiece>, StoreError> {
        self.opt(&PIECE, values![hash.to_vec(), position]).await
    }

    /// The contents of the files beside these messages.
    pub async fn list_file_hashes(&mut self, messages: Vec<MessageId>) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows: Vec<(Vec<u8>,)> = self.all(&HASHES, values![messages]).await?;
        Ok(rows.into_iter().map(|(hash,)| hash).collect())
    }

    /// Lets the contents of the files beside these messages go, and gives those up that still wait; how many.
    pub async fn let_files_go(&mut self, messages: Vec<MessageId>, reason: &str) -> Result<u64, StoreError> {
        let hashes = self.list_file_hashes(messages.clone()).await?;
        let gone = self.exec(&LET_GO, values![messages, reason]).await?;
        self.delete_file_pieces(hashes).await?;
        Ok(gone)
    }

    /// The same of some files beside one message, by their places.
    pub async fn let_some_files_go(
        &mut self,
        message: MessageId,
        positions: Vec<i64>,
        reason: &str,
    ) -> Result<u64, StoreError> {
        if positions.is_empty() {
            return Ok(0);
        }
        let hashes = self.list_file_hashes(vec![message]).await?;
        let gone = self.exec(&LET_SOME_GO, values![message, positions, reason]).await?;
        self.delete_file_pieces(hashes).await?;
        Ok(gone)
    }

    /// Deletes contents that no file names any more; how many pieces.
    pub async fn delete_file_pieces(&mut self, hashes: Vec<Vec<u8>>) -> Result<u64, StoreError> {
        if hashes.is_empty() {
            return Ok(0);
        }
        self.exec(&PIECES_DELETE, values![hashes]).await
    }
}

statements! {
    #[hot] NEXT = "SELECT message_id, position FROM message_file WHERE account = $1 AND state = 'waiting' AND due_at <= $2 \
        AND (lease_until IS NULL OR lease_until < $3) ORDER BY due_at, message_id, position LIMIT 1 FOR UPDATE SKIP LOCKED";
    #[hot] CLAIM = "UPDATE message_file SET tries = tries + 1, lease_holder = $3, lease_until = $4 \
        WHERE message_id = $1 AND position = $2 AND state = 'waiting' \
        RETURNING message_id, position, url, name, mime, size, tries, failures, stored_at";
    #[hot] FREE = "UPDATE message_file SET lease_holder = NULL, lease_until = NULL \
        WHERE account = $1 AND state = 'waiting' AND lease_until IS NOT NULL";
    #[hot] NEXT_DUE = "SELECT due_at FROM message_file WHERE account = $1 AND state = 'waiting' ORDER BY due_at, message_id, position LIMIT 1";
    #[hot] PIECE_INSERT = "INSERT INTO file_piece (hash, position, size, data) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (hash, position) DO NOTHING";
    #[hot] PIECES_COUNT = "SELECT COUNT(*) FROM file_piece WHERE hash = $1";
    #[hot] KEEP = "UPDATE message_file SET state = 'kept', hash = $5, size = $6, reason = NULL, lease_holder = NULL, lease_until = NULL \
        WHERE message_id = $1 AND position = $2 AND lease_holder = $3 AND tries = $4 AND state = 'waiting'";
    #[hot] DEFER = "UPDATE message_file SET due_at = $5, reason = $6, failures = failures + $7, lease_holder = NULL, lease_until = NULL \
        WHERE message_id = $1 AND position = $2 AND lease_holder = $3 AND tries = $4 AND state = 'waiting'";
    #[hot] LOSE = "UPDATE message_file SET state = 'gone', reason = $5, lease_holder = NULL, lease_until = NULL \
        WHERE message_id = $1 AND position = $2 AND lease_holder = $3 AND tries = $4 AND state = 'waiting'";
    #[hot] GET = "SELECT state, name, mime, size, reason, hash FROM message_file WHERE message_id = $1 AND position = $2";
    #[hot] LIST = "SELECT position, state, name, mime, size, reason, hash FROM message_file WHERE message_id = $1 ORDER BY position";
    #[hot] PIECE = "SELECT size, data FROM file_piece WHERE hash = $1 AND position = $2";
    #[hot] HASHES = "SELECT DISTINCT hash FROM message_file WHERE message_id = ANY($1::uuid[]) AND hash IS NOT NULL";
    #[hot] LET_GO = "UPDATE message_file SET state = 'gone', hash = NULL, reason = $2, lease_holder = NULL, lease_until = NULL \
        WHERE message_id = ANY($1::uuid[]) AND state <> 'gone'";
    #[hot] LET_SOME_GO = "UPDATE message_file SET state = 'gone', hash = NULL, reason = $3, lease_holder = NULL, lease_until = NULL \
        WHERE message_id = $1 AND position = ANY($2::bigint[]) AND state <> 'gone'";
    #[hot] PIECES_DELETE = "DELETE FROM file_piece WHERE hash = ANY($1::bytea[]) \
        AND NOT EXISTS (SELECT 1 FROM message_file f WHERE f.hash = file_piece.hash)";
}

/// Multi-row texts of this file, for the tests.
pub(super) static MANY: &[&Many] = &[&FILES];
