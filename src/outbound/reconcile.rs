//! What a dead holder left, and what nobody knows the outcome of.
//!
//! A claimed row goes back into the queue. One that was handed over is uncertain: the provider is asked for it by our token
//! and by its Message-ID. Presence settles. Absence settles only where the provider files what it sends by itself and was
//! seen to, after a stated delay on two clocks, and where the same search finds what is known to lie there; elsewhere a person
//! decides. Nothing is ever re-sent blindly.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::filing;
use super::{LedgerFactory, SendingSettings, SentCopy, SourceFactory, Tools};
use crate::clock::{self, Clock};
use crate::connector::{ConnectorError, Source};
use crate::domain::ids::{MessageId, RunId};
use crate::domain::retry::{AccountTrouble, account_rest};
use crate::domain::veil::without_addresses;
use crate::domain::words::{EventType, FolderRole, OutboxStatus};
use crate::hub::{outreach, settle, signal};
use crate::store::feed::{READING_REST_MAX, SeenRest};
use crate::store::lease::Lease;
use crate::store::outbox::outcome::{UncertainRow, UnfiledRow};
use crate::store::{StoreError, Tx};
use crate::telemetry::pulse;
use crate::worker::{Stop, Wake};

/// Rows of one look.
const BATCH: i64 = 50;
/// Mails that a search is tried with before it is believed to miss one. More than one, for people delete some.
const KNOWN: i64 = 3;
/// Seconds of the lease on looking into one account's mailbox.
const LEASE_SECONDS: i64 = 120;
/// The longest time between two looks for one message.
const LOOK_MAX: Duration = Duration::from_hours(1);
/// The longest time for which it is kept in mind since when an attempt is missing: far longer than any waits for that.
const MISSING_MAX: Duration = Duration::from_hours(30 * 24);
/// The longest time one visit to a mailbox may take.
const VISIT_MAX: Duration = Duration::from_secs(90);

/// What a sweep found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Claimed rows that went back into the queue.
    pub requeued: usize,
    /// Handed-over rows whose outcome is unknown now.
    pub uncertain: usize,
}

/// At the start on SQLite, where the process lock proves that no earlier run lives: ends every lease, and sweeps.
pub async fn recover(tx: &mut Tx, clock: &Clock) -> Result<Swept, StoreError> {
    tx.end_outbox_leases().await?;
    sweep_all(tx, clock).await
}

/// Takes up what a run held that is known to be gone, on a database that others may work on.
pub async fn take_over(tx: &mut Tx, clock: &Clock, gone: RunId) -> Result<Swept, StoreError> {
    tx.end_outbox_leases_of(gone).await?;
    sweep_all(tx, clock).await
}

async fn sweep_all(tx: &mut Tx, clock: &Clock) -> Result<Swept, StoreError> {
    let mut all = Swept::default();
    loop {
        let swept = sweep(tx, clock, Duration::ZERO).await?;
        if swept == Swept::default() {
            return Ok(all);
        }
        all.requeued += swept.requeued;
        all.uncertain += swept.uncertain;
    }
}

/// Takes rows from holders whose lease is over, a batch at a time.
pub async fn sweep(tx: &mut Tx, clock: &Clock, look_after: Duration) -> Result<Swept, StoreError> {
    // Runs before their mail, as everywhere: which those are is read first, and asked again under the locks.
    let near = tx.list_expired_outbox(BATCH).await?;
    tx.lock_runs_of(near).await?;
    let expired = tx.lock_expired_outbox(BATCH).await?;
    let of = |status| -> Vec<MessageId> { expired.iter().filter(|r| r.status == status).map(|r| r.id).collect() };
    let (claimed, handed_over) = (of(OutboxStatus::Claimed), of(OutboxStatus::HandedOver));
    let swept = Swept { requeued: claimed.len(), uncertain: handed_over.len() };
    if !claimed.is_empty() {
        tx.requeue_claimed(claimed).await?;
    }
    if !handed_over.is_empty() {
        let why = "the process that sent it ended before the answer came";
        tx.expire_handed_over(handed_over.clone(), clock.now().plus(look_after), why).await?;
        let known = settle::settle_known(tx, clock, handed_over.clone()).await?;
        for id in handed_over.into_iter().filter(|id| !known.contains(id)) {
            let data = serde_json::json!({"reason": why});
            signal::record_outcome(tx, clock, EventType::MessageUncertain, id, data).await?;
            outreach::step_stuck(tx, clock, id, outreach::UNSURE).await?;
        }
    }
    Ok(swept)
}

/// Looks after one account's uncertain and unfiled messages, and sweeps.
pub struct Reconciler {
    pub(super) tools: Tools,
    pub(super) settings: SendingSettings,
    sources: Option<SourceFactory>,
    ledgers: Option<LedgerFactory>,
    pub(super) wake: Wake,
    /// Since when each attempt is missing, by the machine's clock.
    pub(super) missing: HashMap<(MessageId, i64), Instant>,
    /// Messages that can't be filed now, and until when they are left alone.
    pub(super) unfileable: HashMap<MessageId, Instant>,
    troubles: u32,
    rest_until: Option<Instant>,
    reading_rest: SeenRest,
}

/// The folders of a mailbox in which a sent message may lie.
pub(super) struct Places {
    pub(super) sent: Option<String>,
    all: Option<String>,
}

impl Reconciler {
    /// For an account; without `sources` it only sweeps. `wake` is the dispatcher's.
    pub fn new(tools: Tools, settings: SendingSettings, sources: Option<SourceFactory>, wake: Wake) -> Self {
        Self {
            tools,
            settings,
            sources,
            ledgers: None,
            wake,
            missing: HashMap::new(),
            unfileable: HashMap::new(),
            troubles: 0,
            rest_until: None,
            reading_rest: SeenRest::default(),
        }
    }

    /// The same, asking a provider that is no mailbox.
    #[must_use]
    pub fn with_ledger(mut self, ledgers: LedgerFactory) -> Self {
        self.ledgers = Some(ledgers);
        self
    }

    /// Runs until stopped; either stop ends it at once, for nothing it does can be lost.
    pub async fn run(mut self, stop: Stop) {
        loop {
            let pause = clock::jitter(self.settings.poll);
            pulse::rest(pause);
            tokio::select! {
                () = stop.soft.cancelled() => return,
                () = stop.hard.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            tokio::select! {
                () = stop.soft.cancelled() => return,
                () = stop.hard.cancelled() => return,
                result = self.look_once() => if let Err(error) = result {
                    tracing::warn!(account = self.settings.account, %error, "looking after the outbox");
                }
            }
        }
    }

    /// Sweeps once, and looks once for what is uncertain or unfiled and due.
    pub async fn look_once(&mut self) -> Result<(), StoreError> {
        let mut tx = self.tools.store.begin("outbound.sweep").await?;
        let swept = sweep(&mut tx, &self.tools.clock, self.settings.look_after).await?;
        tx.commit().await?;
        if swept.requeued > 0 {
            self.wake.wake();
        }
        if self.sources.is_none() && self.ledgers.is_none() {
            return Ok(());
        }
        if self.rest_until.is_some_and(|until| until > Instant::now()) {
            return Ok(());
        }
        let mut tx = self.tools.store.read().await?;
        let stored = tx.get_account(&self.settings.account).await?.and_then(|row| row.reading_rest_until);
        if self.reading_rest.until(stored, self.tools.clock.now()).is_some() {
            return Ok(());
        }
        let uncertain = tx.list_uncertain(&self.settings.account, self.tools.clock.now(), BATCH).await?;
        let unfiled = match self.settings.sent_copy {
            _ if self.sources.is_none() => Vec::new(),
            SentCopy::Hub => tx.list_unfiled(&self.settings.account, BATCH * 4).await?,
            SentCopy::Server | SentCopy::ServerSometime => Vec::new(),
        };
        drop(tx);
        // What a person or a mailbox settled is never looked for again.
        self.missing.retain(|_, since| since.elapsed() < MISSING_MAX);
        let unfiled: Vec<UnfiledRow> = unfiled.into_iter().filter(|r| !self.is_unfileable(r.id)).collect();
        if uncertain.is_empty() && unfiled.is_empty() {
            return Ok(());
        }
        let Some(lease) = self.take_lease().await? else { return Ok(()) };
        let visit = tokio::time::timeout(VISIT_MAX, self.look(&uncertain, &unfiled)).await;
        self.give_lease(lease).await?;
        match visit {
            Ok(Ok(())) => (self.troubles, self.rest_until) = (0, None),
            Ok(Err(VisitError::Store(error))) => return Err(error),
            Ok(Err(VisitError::Connector(error))) => self.rest(&error.to_string()),
            Err(_) => self.rest("the mailbox took too long"),
        }
        Ok(())
    }

    async fn look(&mut self, uncertain: &[UncertainRow], unfiled: &[UnfiledRow]) -> Result<(), VisitError> {
        if let Some(ledgers) = self.ledgers.clone() {
            let mut ledger = ledgers();
            let asked = self.ask(ledger.as_mut(), uncertain).await;
            if let Some(until) = ledger.rests_until() {
                let until = until.min(self.tools.clock.now().plus(READING_REST_MAX));
                let mut tx = self.tools.store.begin("outbound.reading_rest").await?;
                tx.rest_reading(&self.settings.account, until).await?;
                tx.commit().await?;
            }
            return asked;
        }
        let Some(sources) = self.sources.clone() else { return Ok(()) };
        let mut source = sources();
        let visited = self.visit(source.as_mut(), uncertain, unfiled).await;
        source.close().await;
        visited
    }

    fn rest(&mut self, why: &str) {
        self.troubles = self.troubles.saturating_add(1);
        let rest = clock::jitter(account_rest(AccountTrouble::Unreachable, self.troubles));
        self.rest_until = Some(Instant::now() + rest);
        let why = without_addresses(why);
        tracing::warn!(account = self.settings.account, why, "the mailbox can't be asked for sent mail");
    }

    fn is_unfileable(&self, id: MessageId) -> bool {
        self.unfileable.get(&id).is_some_and(|until| *until > Instant::now())
    }

    async fn take_lease(&self) -> Result<Option<Lease>, StoreError> {
        let mut tx = self.tools.store.begin("outbound.reconcile_lease").await?;
        let name = format!("reconcile:{}", self.settings.account);
        let lease = tx.acquire_lease(&name, self.tools.run, LEASE_SECONDS).await?;
        tx.commit().await?;
        Ok(lease)
    }

    async fn give_lease(&self, lease: Lease) -> Result<(), StoreError> {
        let mut tx = self.tools.store.begin("outbound.reconcile_lease").await?;
        tx.release_lease(&format!("reconcile:{}", self.settings.account), lease).await?;
        tx.commit().await
    }

    async fn visit(
        &mut self,
        source: &mut dyn Source,
        uncertain: &[UncertainRow],
        unfiled: &[UnfiledRow],
    ) -> Result<(), VisitError> {
        let folders = source.folders().await?;
        let of = |role| folders.iter().find(|f| f.role == role).map(|f| f.name.clone());
        let places = Places { sent: of(FolderRole::Sent), all: of(FolderRole::All) };
        let mut finds = None;
        for row in uncertain {
            let id = row.internet_message_id.as_deref().unwrap_or_default();
            if find(source, &places, (id, &row.token)).await? {
                self.found(row).await?;
                continue;
            }
            let finds = match finds {
                Some(known) => known,
                None => *finds.insert(self.finds_anything(source, &places).await?),
            };
            self.missed(row, finds).await?;
        }
        let tools = self.tools.clone();
        for row in unfiled {
            if !filing::file(&tools, source, &places, row).await? {
                self.unfileable.insert(row.id, Instant::now() + LOOK_MAX);
            }
        }
        Ok(())
    }

    /// Whether the search that missed a mail finds another that was sent before and has had the time to be filed. Some servers
    /// don't search in headers at all, and find nothing, whatever lies there.
    async fn finds_anything(&self, source: &mut dyn Source, places: &Places) -> Result<bool, VisitError> {
        let before = self.tools.clock.now().minus(self.settings.settle_after);
        let mut tx = self.tools.store.read().await?;
        let known = tx.list_sent_before(&self.settings.account, before, KNOWN).await?;
        drop(tx);
        for (token, message_id) in known {
            if find(source, places, (message_id.as_deref().unwrap_or_default(), &token)).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn found(&mut self, row: &UncertainRow) -> Result<(), StoreError> {
        self.missing.remove(&(row.id, row.attempt));
        let mut tx = self.tools.store.begin("outbound.settle_found").await?;
        tx.lock_run_of(row.id).await?;
        if !settle::settle_found(&mut tx, &self.tools.clock, row, "found in Sent").await? {
            tx.set_look_at(row.id, row.attempt, self.next_look(row), None).await?;
        }
        tx.commit().await
    }

    async fn missed(&mut self, row: &UncertainRow, finds: bool) -> Result<(), StoreError> {
        let now = self.tools.clock.now();
        let waited = self.waited(row);
        let mut tx = self.tools.store.begin("outbound.settle_missed").await?;
        tx.lock_run_of(row.id).await?;
        let files_itself = finds
            && self.settings.sent_copy == SentCopy::Server
            && tx.get_account(&self.settings.account).await?.is_some_and(|a| a.filing_seen_at.is_some());
        if files_itself && row.accepted == 0 && waited >= self.settings.settle_after {
            let why = "not in Sent, where the server files what it sends: sent again";
            if settle::settle_again(&mut tx, row, now, why).await? {
                outreach::step_again(&mut tx, &self.tools.clock, row.id).await?;
                self.missing.remove(&(row.id, row.attempt));
                self.wake.wake();
            }
        } else if files_itself && row.accepted == 0 {
            let wait = self.settings.settle_after.saturating_sub(waited).min(LOOK_MAX);
            tx.set_look_at(row.id, row.attempt, now.plus(wait.max(self.settings.look_after)), None).await?;
        } else {
            tx.set_look_at(row.id, row.attempt, self.next_look(row), None).await?;
        }
        tx.commit().await
    }

    /// How long an attempt has been missing, by the clock of business and by the machine's: the shorter of the two.
    pub(super) fn waited(&mut self, row: &UncertainRow) -> Duration {
        let since = *self.missing.entry((row.id, row.attempt)).or_insert_with(Instant::now);
        let now = self.tools.clock.now();
        now.since(row.handed_over_at.unwrap_or(now)).min(since.elapsed())
    }

    /// Later each time: as long again as it has been uncertain.
    pub(super) fn next_look(&self, row: &UncertainRow) -> crate::domain::time::Micros {
        let now = self.tools.clock.now();
        let so_far = now.since(row.handed_over_at.unwrap_or(now));
        now.plus(so_far.clamp(self.settings.look_after.min(LOOK_MAX), LOOK_MAX))
    }
}

/// Whether a message lies where sent mail lies.
pub(super) async fn find(source: &mut dyn Source, places: &Places, of: (&str, &str)) -> Result<bool, ConnectorError> {
    let (message_id, token) = of;
    for folder in [&places.sent, &places.all].into_iter().flatten() {
        source.select(folder).await?;
        if source.find(message_id, token).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Why a visit ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum VisitError {
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
