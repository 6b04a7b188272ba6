//! Rounds: one webhook under a lease, delivery after delivery.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Notify;
use tokio::time::Instant;
use url::Url;

use super::CurrentMeans;
use super::line;
use crate::clock::{Clock, machine_now};
use crate::connector::http::{Answer, Http, HttpError};
use crate::domain::ids::{RunId, WebhookDeliveryId, WebhookId};
use crate::domain::time::Micros;
use crate::domain::webhook::{self, Heard, Next, TRY_TIME_MAX};
use crate::domain::words::WebhookState;
use crate::hub::seal::SealError;
use crate::hub::webhook::secret_of_webhook;
use crate::store::again::{again, is_overtaken};
use crate::store::lease::Lease;
use crate::store::webhook::WebhookRow;
use crate::store::webhook::delivery::Attempt;
use crate::store::{Store, StoreError, Tx};
use crate::telemetry::metrics;
use crate::worker::{Stop, Taken, Wake, Work};

/// How long the lease of a webhook runs: several times as long as a try may take.
const LEASE_SECONDS: i64 = 60;
/// Tries of one round; then others have their turn.
const ROUND_TRIES: usize = 100;
/// Octets of an answer that are read.
const ANSWER_OCTETS_MAX: usize = 4 * webhook::ANSWER_CHARS_MAX;
/// The rest of a webhook whose secret can't be opened here.
const SEALED_REST: Duration = Duration::from_mins(1);
/// The rest after the database could not be used.
const RETRY: Duration = Duration::from_secs(1);

/// What is being worked on in this process.
pub(super) struct Hand {
    pub(super) held: HashSet<WebhookId>,
    /// In which round each was served last, so that all have their turn.
    pub(super) served: HashMap<WebhookId, u64>,
    pub(super) rounds: u64,
}

pub(super) struct Rounds {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) run: RunId,
    pub(super) means: CurrentMeans,
    pub(super) http: Result<Http, HttpError>,
    pub(super) stored: Arc<Notify>,
    pub(super) wake: Wake,
    pub(super) stop: Stop,
    pub(super) hand: Mutex<Hand>,
}

/// A webhook that is ours for a while.
pub(super) struct Piece {
    id: WebhookId,
    lease: Lease,
}

/// A request that is to leave: its row says that it has begun.
struct Errand {
    delivery: WebhookDeliveryId,
    /// Tries with this one.
    tried: i64,
    /// What is sent, or why it can't be.
    request: Result<Request, String>,
}

struct Request {
    url: Url,
    message_id: String,
    body: Vec<u8>,
    secrets: Vec<SecretString>,
}

/// What came of it.
#[derive(Clone)]
struct Tried {
    delivery: WebhookDeliveryId,
    /// Tries with this one.
    times: i64,
    heard: Heard,
    attempt: Attempt,
}

/// What a round does next.
enum Step {
    Send(Box<Errand>),
    /// Many events were looked at, and none of them is wanted; there are more.
    Look,
    Rest,
}

impl Work for Rounds {
    type Piece = Piece;

    async fn claim(&self, at_most: usize) -> Taken<Piece> {
        match self.claim_now(at_most).await {
            Ok((pieces, more)) => Taken { pieces, rest: None, more },
            Err(error) => {
                tracing::warn!(%error, "webhooks can't be looked at now");
                Taken { pieces: Vec::new(), rest: Some(RETRY), more: false }
            }
        }
    }

    async fn run(&self, piece: Piece) {
        let outcome = self.round(&piece).await;
        let released = async {
            let mut tx = self.store.begin("webhooks.release").await?;
            tx.release_lease(&lease_name(piece.id), piece.lease).await?;
            tx.commit().await
        };
        let released: Result<(), StoreError> = released.await;
        self.hand().held.remove(&piece.id);
        match outcome.and_then(|more| released.map(|()| more)) {
            Ok(true) => self.wake.wake(),
            Ok(false) => {}
            Err(error) => tracing::warn!(webhook = %piece.id, %error, "a webhook can't be told anything now"),
        }
    }
}

/// The word by which a try is counted.
fn result_of(heard: &Heard, times: i64) -> &'static str {
    match webhook::plan_next(heard, times) {
        Next::Delivered => "delivered",
        Next::Again(_) => "failed",
        Next::GiveUp | Next::Gone => "given_up",
    }
}

fn lease_name(id: WebhookId) -> String {
    format!("webhook:{id}")
}

impl Rounds {
    fn hand(&self) -> MutexGuard<'_, Hand> {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Webhooks with something to do, of which nobody else takes care; and whether there are more.
    async fn claim_now(&self, at_most: usize) -> Result<(Vec<Piece>, bool), StoreError> {
        let mut tx = self.store.read().await?;
        let now = tx.lease_now().await?;
        let mut due = tx.list_due_webhooks(now).await?;
        drop(tx);
        let more = {
            let hand = self.hand();
            due.retain(|id| !hand.held.contains(id));
            due.sort_by_key(|id| hand.served.get(id).copied().unwrap_or(0));
            let more = due.len() > at_most;
            due.truncate(at_most);
            more
        };
        if due.is_empty() {
            return Ok((Vec::new(), false));
        }
        let mut tx = self.store.begin("webhooks.claim").await?;
        let mut pieces = Vec::new();
        for id in due {
            if let Some(lease) = tx.acquire_lease(&lease_name(id), self.run, LEASE_SECONDS).await? {
                pieces.push(Piece { id, lease });
            }
        }
        tx.commit().await?;
        let mut hand = self.hand();
        hand.rounds = hand.rounds.saturating_add(1);
        let round = hand.rounds;
        for piece in &pieces {
            hand.held.insert(piece.id);
            hand.served.insert(piece.id, round);
        }
        Ok((pieces, more))
    }

    /// Tells one webhook what is due, and whether there is more.
    async fn round(&self, piece: &Piece) -> Result<bool, StoreError> {
        let mut done: Option<Tried> = None;
        let mut tries = 0;
        loop {
            let begins = tries < ROUND_TRIES && !self.stop.soft.is_cancelled();
            let last = done.take();
            match again(is_overtaken, || self.step(piece, last.clone(), begins)).await? {
                Step::Send(errand) => done = Some(self.send(*errand).await),
                Step::Look => {}
                Step::Rest => return Ok(!begins),
            }
            tries += 1;
        }
    }

    /// One transaction: writes what came of the last try, and takes what is next.
    async fn step(&self, piece: &Piece, last: Option<Tried>, begins: bool) -> Result<Step, StoreError> {
        let mut tx = self.store.begin("webhooks.step").await?;
        let lease = tx.acquire_lease(&lease_name(piece.id), self.run, LEASE_SECONDS).await?;
        if lease.is_none_or(|lease| lease.fence != piece.lease.fence) {
            tracing::warn!(webhook = %piece.id, "another node has taken a webhook over; a try of ours may be repeated there");
            return Ok(Step::Rest);
        }
        let Some(row) = tx.lock_webhook(piece.id).await? else { return Ok(Step::Rest) };
        let now = tx.lease_now().await?;
        let (mut disabled, mut result) = (false, None);
        if let Some(last) = last {
            let Tried { delivery, times, heard, attempt } = last;
            result = Some(result_of(&heard, times));
            let settled = line::settle(&mut tx, &self.clock, (&row, now), (delivery, times, &heard), attempt).await?;
            disabled = settled == line::Settled::Disabled;
        }
        let step = if begins { self.next(&mut tx, piece.id, now).await? } else { Step::Rest };
        tx.commit().await?;
        if let Some(result) = result {
            metrics::count(&metrics::WEBHOOK_DELIVERIES, &[result], 1);
        }
        if disabled {
            self.stored.notify_waiters();
        }
        Ok(step)
    }

    async fn next(&self, tx: &mut Tx, id: WebhookId, now: Micros) -> Result<Step, StoreError> {
        let Some(mut row) = tx.get_webhook(id).await? else { return Ok(Step::Rest) };
        if row.state != WebhookState::Enabled || row.rest_until > now {
            return Ok(Step::Rest);
        }
        let secrets = match self.secrets(&row, now) {
            Ok(secrets) => secrets,
            Err(error) => {
                tracing::error!(webhook = %id, %error, "the secret of a webhook can't be opened: it is told nothing");
                tx.rest_webhook(id, now.plus(SEALED_REST)).await?;
                return Ok(Step::Rest);
            }
        };
        for _ in 0..line::BATCHES_MAX {
            if let Some(due) = tx.take_webhook_delivery(id, now).await? {
                let (message_id, body) = line::say(tx, &row, &due).await?;
                let url = (self.means)().reach.check(&row.url);
                let request = url.map(|url| Request { url, message_id, body, secrets });
                let errand = Errand { delivery: due.id, tried: due.tried.saturating_add(1), request };
                return Ok(Step::Send(Box::new(errand)));
            }
            if !line::advance(tx, &self.clock, &mut row, now).await? {
                return Ok(Step::Rest);
            }
        }
        Ok(Step::Look)
    }

    /// What signs: the secret, and the one before while it holds.
    fn secrets(&self, row: &WebhookRow, now: Micros) -> Result<Vec<SecretString>, SealError> {
        let vault = (self.means)().vault?;
        let about = secret_of_webhook(row.id);
        let mut secrets = vec![vault.open(&about, &row.secret_sealed)?];
        if let (Some(old), Some(until)) = (&row.old_secret_sealed, row.old_secret_until)
            && now < until
        {
            match vault.open(&about, old) {
                Ok(secret) => secrets.push(secret),
                // Made before the master key was changed: the one that holds now signs alone.
                Err(error) => {
                    tracing::warn!(webhook = %row.id, %error, "the secret before can't be opened and signs no more");
                }
            }
        }
        Ok(secrets)
    }

    async fn send(&self, errand: Errand) -> Tried {
        let Errand { delivery, tried, request } = errand;
        let (at, begun) = (machine_now(), Instant::now());
        let answer = match request {
            Ok(request) => self.post(request, at).await,
            Err(why) => Err(why),
        };
        let took_ms = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        let (heard, status, error, answer) = match answer {
            Ok(Answer { status, retry_after, body }) => {
                let shown = webhook::brief(&String::from_utf8_lossy(&body));
                (Heard::Status { status, retry_after }, Some(i64::from(status)), None, Some(shown))
            }
            Err(why) => (Heard::Nothing, None, Some(webhook::brief(&why)), None),
        };
        tracing::debug!(%delivery, status, took_ms, "a webhook was told something");
        Tried { delivery, times: tried, heard, attempt: Attempt { at, took_ms, status, error, answer } }
    }

    async fn post(&self, request: Request, at: Micros) -> Result<Answer, String> {
        let http = self.http.as_ref().map_err(ToString::to_string)?;
        let Request { url, message_id, body, secrets } = request;
        let timestamp = at.seconds();
        let keys = secrets.iter().filter_map(|secret| webhook::key_of(secret.expose_secret()));
        let signatures: Vec<String> =
            keys.filter_map(|key| webhook::sign(&key, &message_id, timestamp, &body)).collect();
        let headers = [
            ("webhook-id", message_id),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", signatures.join(" ")),
        ];
        http.post_json(&url, &headers, body, (TRY_TIME_MAX, ANSWER_OCTETS_MAX)).await.map_err(|e| e.to_string())
    }
}
