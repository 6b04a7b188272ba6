//! Reads one account for as long as the process lives: folder after folder from the stored cursor, then waits for news.
//!
//! The network is here and the database is in [`super::ingest`]; between them lies a batch in memory, no more. One node
//! reads an account at a time, under a lease whose fence is checked in every transaction.

use std::sync::Arc;
use std::time::Duration;

use super::ingest::IngestError;
use super::tenure::{self, Ended, Reads, Tenure};
use crate::connector::{ConnectorError, Source, Wake};
use crate::domain::threading::Identity;
use crate::domain::words::{AccountState, FolderRole};
use crate::lifecycle::Stop;
use crate::store::StoreError;
use crate::store::lease::Lease;
use crate::telemetry::pulse;

pub use super::tenure::{Pace, Shared};

mod alone;
mod reconcile;
mod sync;

/// Makes a fresh, unconnected source.
pub type Connect = Arc<dyn Fn() -> Box<dyn Source> + Send + Sync>;

/// How far back the first reading goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Only what comes from now on.
    Nothing,
    /// What came within this time.
    Back(Duration),
    /// Everything.
    All,
}

/// What a poller must know of its account.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name.
    pub account: String,
    /// Who we are.
    pub identity: Arc<Identity>,
    /// How far back the first reading goes.
    pub reach: Reach,
    /// How often to look where there is no news by itself.
    pub poll: Duration,
    /// Whether the server is said to file what we send.
    pub server_files_sent: bool,
    /// How hard to try.
    pub pace: Pace,
}

/// Reads one account.
pub struct Poller {
    tenure: Tenure,
    settings: Settings,
    connect: Connect,
    /// Mails that the server refuses, by folder and uid, since when.
    refused: alone::Refused,
}

impl Poller {
    /// A poller for one account.
    pub fn new(shared: Shared, settings: Settings, connect: Connect) -> Self {
        let tenure = Tenure::new(shared, settings.account.clone(), settings.pace);
        Self { tenure, settings, connect, refused: alone::Refused::default() }
    }

    /// Reads until told to stop.
    ///
    /// # Errors
    /// Only where the database answers what it never should; the process ends then.
    pub async fn run(self, stop: Stop) -> Result<(), StoreError> {
        tenure::run(&self, stop).await
    }

    /// One connection: all folders to the end, then news, for ever.
    async fn rounds(&self, source: &mut dyn Source, lease: (&str, Lease), lost: &mut u32) -> Result<(), Ended> {
        let mut check = sync::Check::due();
        let mut told = None;
        loop {
            let mut folders = source.folders().await?;
            if check.is_due() {
                // Much may have gathered on both sides. What we wrote comes first: it tells whose the answers are.
                folders.sort_by_key(|folder| folder.role != FolderRole::Sent);
            }
            let mut inbox = None;
            let mut skipped = Vec::new();
            for folder in &folders {
                let needed = matches!(folder.role, FolderRole::Inbox | FolderRole::All);
                let status = match Box::pin(self.sync_folder(source, folder, lease, check)).await {
                    Ok(status) => status,
                    // One that can't be read stops no other; without the inbox there is nothing to go by.
                    Err(Ended::Connector(error)) if !needed && error.is_about_what_was_asked() => {
                        skipped.push(format!("`{}` ({error})", folder.name));
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                if needed && inbox.is_none() {
                    inbox = Some((folder, status));
                }
            }
            *lost = 0;
            let not_read = (!skipped.is_empty()).then(|| format!("not read: {}", skipped.join(", ")));
            if not_read != told {
                if let Some(not_read) = &not_read {
                    tracing::warn!(account = %self.settings.account, not_read, "folders that can't be read are left out");
                }
                told.clone_from(&not_read);
            }
            if !self.tenure.set_state(lease, AccountState::Up, not_read.as_deref()).await? {
                return Err(IngestError::LeaseLost.into());
            }
            // A folder that was left out may hold a no.
            self.tenure.synced(lease, (self.settings.poll, skipped.is_empty())).await?;
            check = check.after_a_round();
            let Some((inbox, read)) = inbox else {
                return Err(ConnectorError::Refused("the server lists no Inbox".into()).into());
            };
            let now = source.select(&inbox.name).await?;
            // What came while the other folders were read is no news to the server: it would not tell us in IDLE.
            if now.uid_next > read.uid_next || now.uid_validity != read.uid_validity {
                continue;
            }
            pulse::rest(self.settings.poll);
            tokio::select! {
                news = source.wait(self.settings.poll) => match news? {
                    Wake::News | Wake::Elapsed => {}
                },
                // Dropping the wait half-way makes the connection unusable: a new session begins.
                () = self.tenure.wake.notified() => return Ok(()),
            }
        }
    }
}

impl Reads for Poller {
    fn tenure(&self) -> &Tenure {
        &self.tenure
    }

    async fn session(&self, lease: (&str, Lease), lost: &mut u32) -> Result<(), Ended> {
        let mut source = (self.connect)();
        self.rounds(source.as_mut(), lease, lost).await
    }

    /// A mail has its files in it.
    async fn beside(&self, _: (&str, Lease)) -> Result<(), StoreError> {
        std::future::pending().await
    }
}
