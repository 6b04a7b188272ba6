//! Accounts as they are (their definition is the configuration), and how far each of their folders was read.

use super::lease::{READING, poll_lease};
use super::sql::statements;
use super::value::values;
use super::{StoreError, Tx};
use crate::domain::ids::FolderId;
use crate::domain::time::Micros;
use crate::domain::words::{AccountState, FolderRole};

/// An account's state.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct AccountRow {
    /// Its name in the configuration.
    pub name: String,
    /// Its kind there.
    pub kind: String,
    /// Its address.
    pub address: String,
    /// How reading it goes.
    pub state: AccountState,
    /// Why, where there is something to say.
    pub detail: Option<String>,
    /// How sending from it goes.
    pub sending_state: AccountState,
    /// Why, where there is something to say.
    pub sending_detail: Option<String>,
    /// When either last changed.
    pub changed_at: Micros,
    /// When its folders were last read to the end.
    pub last_sync_at: Option<Micros>,
    /// When its server was first seen to file a mail of ours by itself.
    pub filing_seen_at: Option<Micros>,
    /// When it was read for the first time: what its server got before is old mail.
    pub first_read_at: Option<Micros>,
    /// Until when its provider wants to be left alone by whoever sends.
    pub rest_until: Option<Micros>,
    /// The same by whoever reads.
    pub reading_rest_until: Option<Micros>,
}

/// Which half of an account a state speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Reading.
    Reading,
    /// Sending.
    Sending,
}

impl AccountRow {
    /// The worse of the two halves, and why: what one word can say of an account.
    pub fn overall(&self) -> (AccountState, Option<&str>) {
        let rank = |state: AccountState| match state {
            AccountState::Up => 0,
            AccountState::Down => 1,
            AccountState::NeedsLogin => 2,
            AccountState::Paused => 3,
        };
        if rank(self.sending_state) > rank(self.state) {
            (self.sending_state, self.sending_detail.as_deref())
        } else {
            (self.state, self.detail.as_deref())
        }
    }
}

/// How far a folder was read.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct FolderRow {
    /// Its id.
    pub id: FolderId,
    /// The account.
    pub account: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: FolderRole,
    /// The UIDVALIDITY that the uids below belong to.
    pub uid_validity: i64,
    /// Uids below this one are older than the backfill and left out.
    pub first_uid: i64,
    /// All uids up to this one were seen.
    pub last_uid: i64,
    /// Uids up to this one are old mail: they fire nothing.
    pub backfill_uid: i64,
    /// In a folder that is read anew because its UIDVALIDITY changed: what came before this instant fires nothing.
    pub fire_after: Option<Micros>,
    /// Messages at the server from `first_uid` on, when last counted.
    pub server_count: Option<i64>,
    /// Of those, stored (or left out for a stated reason).
    pub stored_count: Option<i64>,
    /// Of those, not seen yet.
    pub missing_count: Option<i64>,
    /// When that was counted.
    pub counted_at: Option<Micros>,
    /// When it was last read to the end.
    pub last_sync_at: Option<Micros>,
}

impl Tx {
    /// Makes the row of an account of the configuration, or brings its kind and address up to date.
    pub async fn ensure_account(
        &mut self,
        name: &str,
        kind: &str,
        address: &str,
        at: Micros,
    ) -> Result<(), StoreError> {
        self.exec(&ACCOUNT_ENSURE, values![name, kind, address, at]).await?;
        Ok(())
    }

    /// All accounts, by name.
    pub async fn list_accounts(&mut self) -> Result<Vec<AccountRow>, StoreError> {
        self.all(&ACCOUNTS, values![]).await
    }

    /// One account.
    pub async fn get_account(&mut self, name: &str) -> Result<Option<AccountRow>, StoreError> {
        self.opt(&ACCOUNT, values![name]).await
    }

    /// Sets how reading or sending goes; `true` where that is a change.
    pub async fn set_account_state(
        &mut self,
        name: &str,
        side: Side,
        (state, detail): (AccountState, Option<&str>),
        at: Micros,
    ) -> Result<bool, StoreError> {
        let (set_state, set_detail) = match side {
            Side::Reading => (&ACCOUNT_STATE, &ACCOUNT_DETAIL),
            Side::Sending => (&ACCOUNT_SENDING_STATE, &ACCOUNT_SENDING_DETAIL),
        };
        let changed = self.exec(set_state, values![name, state, detail, at]).await?;
        if changed == 0 {
            self.exec(set_detail, values![name, detail]).await?;
        }
        Ok(changed > 0)
    }

    /// Notes that all folders of an account were read to the end.
    pub async fn set_account_synced(&mut self, name: &str, at: Micros) -> Result<(), StoreError> {
        self.exec(&ACCOUNT_SYNCED, values![name, at]).await?;
        Ok(())
    }

    /// Notes that an account is read; the first time counts, and is what comes back.
    pub async fn set_first_read(&mut self, name: &str, at: Micros) -> Result<Option<Micros>, StoreError> {
        self.exec(&ACCOUNT_FIRST_READ, values![name, at]).await?;
        Ok(self.get_account(name).await?.and_then(|account| account.first_read_at))
    }

    /// Whether what came into the account's mailbox is known: reading it goes well, and whoever reads it now read it to its end
    /// since it took it over, and lately. Which node asks makes no difference.
    pub async fn is_mailbox_read(&mut self, name: &str) -> Result<bool, StoreError> {
        let account = self.get_account(name).await?;
        Ok(account.is_some_and(|a| a.state == AccountState::Up) && self.is_read_to_end(&poll_lease(name)).await?)
    }

    /// Which of some accounts are read so, as one question, whatever their channel.
    pub async fn list_read_accounts(&mut self, names: Vec<String>) -> Result<Vec<String>, StoreError> {
        let now = self.lease_now().await?;
        let rows: Vec<(String,)> = self.all(&ACCOUNTS_READ, values![names, now.0, READING]).await?;
        Ok(rows.into_iter().map(|(name,)| name).collect())
    }

    /// Notes that the server files what we send by itself; the first time counts.
    pub async fn set_filing_seen(&mut self, name: &str, at: Micros) -> Result<(), StoreError> {
        self.exec(&ACCOUNT_FILING, values![name, at]).await?;
        Ok(())
    }

    /// A folder of an account.
    pub async fn get_folder(&mut self, account: &str, name: &str) -> Result<Option<FolderRow>, StoreError> {
        self.opt(&FOLDER, values![account, name]).await
    }

    /// All folders of an account.
    pub async fn list_folders(&mut self, account: &str) -> Result<Vec<FolderRow>, StoreError> {
        self.all(&FOLDERS, values![account]).await
    }

    /// Writes a folder that is read for the first time, or that got another UIDVALIDITY.
    pub async fn put_folder(&mut self, folder: &FolderRow) -> Result<(), StoreError> {
        let f = folder;
        self.exec(
            &FOLDER_PUT,
            values![
                f.id,
                f.account.as_str(),
                f.name.as_str(),
                f.role,
                f.uid_validity,
                f.first_uid,
                f.last_uid,
                f.backfill_uid,
                f.fire_after
            ],
        )
        .await?;
        Ok(())
    }

    /// Moves the cursor of a folder on, never back; nothing happens under another UIDVALIDITY.
    pub async fn advance_folder(&mut self, id: FolderId, uid_validity: i64, last_uid: i64) -> Result<(), StoreError> {
        self.exec(&FOLDER_ADVANCE, values![id, uid_validity, last_uid]).await?;
        Ok(())
    }

    /// Notes the outcome of a counted comparison with the server.
    pub async fn count_folder(&mut self, id: FolderId, counts: (i64, i64, i64), at: Micros) -> Result<(), StoreError> {
        let (server, stored, missing) = counts;
        self.exec(&FOLDER_COUNT, values![id, server, stored, missing, at]).await?;
        Ok(())
    }
}

statements! {
    #[hot] ACCOUNTS_READ = "SELECT a.name FROM account a JOIN lease l ON l.name = $3 || a.name \
        WHERE a.name = ANY($1::text[]) AND a.state = 'up' AND l.holder IS NOT NULL AND l.until >= $2 AND l.read_until >= $2";
    ACCOUNT_ENSURE = "INSERT INTO account (name, kind, address, state, changed_at) VALUES ($1, $2, $3, 'down', $4) \
        ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, \
        address = CASE WHEN excluded.address = '' THEN account.address ELSE excluded.address END";
    ACCOUNTS = "SELECT name, kind, address, state, detail, sending_state, sending_detail, changed_at, last_sync_at, filing_seen_at, first_read_at, rest_until, reading_rest_until FROM account ORDER BY name";
    #[hot] ACCOUNT = "SELECT name, kind, address, state, detail, sending_state, sending_detail, changed_at, last_sync_at, filing_seen_at, first_read_at, rest_until, reading_rest_until FROM account WHERE name = $1";
    #[hot] ACCOUNT_STATE = "UPDATE account SET state = $2, detail = $3, changed_at = $4 WHERE name = $1 AND state <> $2";
    #[hot] ACCOUNT_DETAIL = "UPDATE account SET detail = $2 WHERE name = $1 AND detail IS DISTINCT FROM $2";
    #[hot] ACCOUNT_SENDING_STATE = "UPDATE account SET sending_state = $2, sending_detail = $3, changed_at = $4 \
        WHERE name = $1 AND sending_state <> $2";
    #[hot] ACCOUNT_SENDING_DETAIL = "UPDATE account SET sending_detail = $2 WHERE name = $1 AND sending_detail IS DISTINCT FROM $2";
    #[hot] ACCOUNT_SYNCED = "UPDATE account SET last_sync_at = $2 WHERE name = $1";
    #[hot] ACCOUNT_FIRST_READ = "UPDATE account SET first_read_at = $2 WHERE name = $1 AND first_read_at IS NULL";
    #[hot] ACCOUNT_FILING = "UPDATE account SET filing_seen_at = $2 WHERE name = $1 AND filing_seen_at IS NULL";
    #[hot] FOLDER = "SELECT id, account, name, role, uid_validity, first_uid, last_uid, backfill_uid, fire_after, server_count, stored_count, \
        missing_count, counted_at, last_sync_at FROM folder WHERE account = $1 AND name = $2";
    #[hot] FOLDERS = "SELECT id, account, name, role, uid_validity, first_uid, last_uid, backfill_uid, fire_after, server_count, stored_count, \
        missing_count, counted_at, last_sync_at FROM folder WHERE account = $1 ORDER BY role, name";
    FOLDER_PUT = "INSERT INTO folder (id, account, name, role, uid_validity, first_uid, last_uid, backfill_uid, fire_after) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (account, name) DO UPDATE SET role = excluded.role, \
        uid_validity = excluded.uid_validity, first_uid = excluded.first_uid, last_uid = excluded.last_uid, \
        backfill_uid = excluded.backfill_uid, fire_after = excluded.fire_after";
    #[hot] FOLDER_ADVANCE = "UPDATE folder SET last_uid = $3 WHERE id = $1 AND uid_validity = $2 AND last_uid < $3";
    #[hot] FOLDER_COUNT = "UPDATE folder SET server_count = $2, stored_count = $3, missing_count = $4, counted_at = $5, \
        last_sync_at = $5 WHERE id = $1";
}
