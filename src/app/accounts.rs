//! Runs the accounts: for each a poller, a dispatcher and a reconciler; all anew after a reload.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{AccountParts, Hub, LOOP_SILENCE_MAX, Live, Reading, Reload, Tools, installation};
use crate::config::{self, Config};
use crate::inbound::listener::Listener;
use crate::inbound::poller::{Poller, Shared};
use crate::lifecycle::{Lifecycle, Stop};
use crate::outbound::SendingSettings;
use crate::outbound::dispatcher::Dispatcher;
use crate::outbound::reconcile::Reconciler;
use crate::sequence::Trust;
use crate::store::StoreError;
use crate::worker;

/// How long a poller may be silent: one large mail over a slow line takes its time. Machine time.
const POLLER_SILENCE_MAX: Duration = Duration::from_mins(20);

/// Writes the accounts of the configuration into the store, and says which of the store's are not in it any more.
pub(super) async fn register(hub: &Hub) -> Result<(), StoreError> {
    let live = hub.live();
    let mut tx = hub.store.begin("app.accounts").await?;
    for account in &live.accounts {
        tx.ensure_account(&account.name, &account.kind, &account.address, hub.clock.now()).await?;
    }
    for row in tx.list_accounts().await? {
        if !live.accounts.iter().any(|a| a.name == row.name) {
            tracing::warn!(account = %row.name, "this account is not in the configuration any more: what it has queued waits");
        }
    }
    tx.commit().await
}

/// Runs all accounts until told to stop. A reload that fails keeps what runs and says why.
pub(super) async fn run(hub: Hub, life: Lifecycle, reload: Option<Reload>) -> Result<(), String> {
    let stop = life.stop();
    let mut reloads = life.reloads();
    let started = hub.live().config.clone();
    loop {
        let round = stop.child();
        let mut tasks = spawn_all(&hub, &life, &round);
        let again = loop {
            tokio::select! {
                () = stop.soft() => break false,
                () = reloads.next() => match reload.as_ref().map(|again| again()) {
                    Some(Ok(newer)) => match take_over(&hub, with_lease_of(started.as_deref(), newer)).await {
                        Ok(()) => {
                            tell_what_waits(started.as_deref(), &hub);
                            tracing::info!("configuration reloaded");
                            break true;
                        }
                        Err(why) => {
                            tracing::error!("the configuration was not reloaded, the old one stays: {why}");
                            life.ready("running; the last reload failed");
                        }
                    },
                    Some(Err(findings)) => {
                        tracing::error!("the configuration was not reloaded, the old one stays:\n{findings}");
                        life.ready("running; the last reload failed");
                    }
                    None => {}
                },
                Some(done) = tasks.join_next() => ended(done)?,
            }
        };
        round.ask();
        while let Some(done) = tasks.join_next().await {
            ended(done)?;
        }
        if !again {
            return Ok(());
        }
        life.ready("running");
    }
}

/// The lease stays that of the start: what the database lets a transaction wait follows it, and is said to it once.
fn with_lease_of(started: Option<&Config>, mut newer: Live) -> Live {
    if let Some(started) = started {
        newer.accounts.iter_mut().for_each(|parts| parts.set_lease(started.storage.lease));
    }
    newer
}

/// Puts what was read again in force. Where the store does not take it, what was in force is so again: a full disk, or a
/// database that is away, is to end no daemon that goes on by itself once there is room. What was published by then
/// stays published; the next reload goes over all of it.
async fn take_over(hub: &Hub, newer: Live) -> Result<(), String> {
    let before = hub.live();
    hub.set_live(Arc::new(newer));
    let taken = publish(hub).await;
    if taken.is_err() {
        hub.set_live(before);
    }
    taken
}

async fn publish(hub: &Hub) -> Result<(), String> {
    register(hub).await.map_err(|e| e.to_string())?;
    // Before the sequences, which may name a new one.
    if let Some(config) = &hub.live().config {
        let published = installation::publish_stages(&hub.store, &hub.clock, config).await;
        published.map_err(|e| format!("the stages can't be published: {e:#}"))?;
    }
    super::publish_sequences(hub, Trust::Whole).await.map_err(|e| e.to_string())
}

/// Some of a configuration is read once.
fn tell_what_waits(started: Option<&Config>, hub: &Hub) {
    let live = hub.live();
    let Some((started, now)) = started.zip(live.config.as_deref()) else { return };
    for key in config::waiting_for_restart(started, now) {
        tracing::warn!(key, "this was changed, and counts from a restart on");
    }
}

/// A task of an account that ends in trouble ends the process: systemd starts it again, and leases make that safe.
fn ended(done: Result<Result<(), String>, tokio::task::JoinError>) -> Result<(), String> {
    match done {
        Ok(result) => result,
        Err(error) => Err(error.to_string()),
    }
}

fn spawn_all(hub: &Hub, life: &Lifecycle, stop: &Stop) -> JoinSet<Result<(), String>> {
    let mut tasks = JoinSet::new();
    for account in &hub.live().accounts {
        spawn_account(hub, account.clone(), (life, stop), &mut tasks);
    }
    tasks
}

fn spawn_account(
    hub: &Hub,
    account: AccountParts,
    (life, stop): (&Lifecycle, &Stop),
    tasks: &mut JoinSet<Result<(), String>>,
) {
    let shared = Shared {
        store: hub.store.clone(),
        clock: hub.clock.clone(),
        run: hub.run,
        wake: hub.look.clone(),
        stored: hub.stored.clone(),
    };
    let tools = Tools {
        store: hub.store.clone(),
        clock: hub.clock.clone(),
        run: hub.run,
        desk: hub.desk.clone(),
        watermark: hub.watermark.clone(),
    };
    let wake = hub.wakes.of(&account.name);
    let named = |part: &str| format!("{part}:{}", account.name);
    let (poll, send, settle) = (named("poller"), named("dispatcher"), named("reconciler"));
    let source = account.source().cloned();
    // What came while nobody looked is read before a sequence says another word.
    let sending = SendingSettings { read_first: true, ..account.sending };
    let dispatcher = Dispatcher::new(tools.clone(), sending.clone(), account.sender, wake.clone());
    let reconciler = Reconciler::new(tools, sending, source, wake);
    let reconciler = match account.ledger {
        Some(ledger) => reconciler.with_ledger(ledger),
        None => reconciler,
    };
    let (soft, hard) = stop.tokens();
    let halt = worker::Stop { soft, hard };
    let (reads, sends) = (stop.clone(), halt.clone());
    match account.reading {
        Reading::Mailbox { settings, source } => {
            let poller = Poller::new(shared, settings, source);
            let reading = async move { poller.run(reads).await.map_err(|e| format!("poller: {e}")) };
            tasks.spawn(life.watched(poll, POLLER_SILENCE_MAX, reading));
        }
        Reading::Line { settings, line } => {
            let listener = Listener::new(shared, settings, Arc::new(move || line.feed()));
            let reading = async move { Box::pin(listener.run(reads)).await.map_err(|e| format!("listener: {e}")) };
            tasks.spawn(life.watched(poll, POLLER_SILENCE_MAX, reading));
        }
    }
    tasks.spawn(life.watched(send, LOOP_SILENCE_MAX, async move {
        dispatcher.run(sends).await.map_err(|e| format!("dispatcher: {e}"))
    }));
    tasks.spawn(life.watched(settle, LOOP_SILENCE_MAX, async move {
        reconciler.run(halt).await;
        Ok(())
    }));
}
