//! One message through one session with the provider: offer, hand over, record.

use std::collections::HashSet;
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::account::{self, Breaker, Standing};
use super::claim::{self, Claimed};
use super::record::{self, Answer, insist};
use super::{SenderFactory, SendingSettings, Tools};
use crate::connector::{ConnectorError, Offer, OfferError, Outgoing, Reply, SendOutcome, Sender, not_before};
use crate::domain::chat::Words;
use crate::domain::ids::MessageId;
use crate::domain::retry::{AccountTrouble, Step};
use crate::domain::veil::without_addresses;
use crate::domain::words::{Channel, Word as _};
use crate::hub::enqueue::SIZE_MAX;
use crate::render::mail::with_date;
use crate::store::StoreError;
use crate::store::outbox::RecipientRow;
use crate::telemetry::metrics;
use crate::worker::{Stop, Taken, Wake, Work};

/// Lost answers in a row after which the account rests: a server that takes everything and answers nothing would make every
/// message uncertain.
const LOST_ANSWERS_MAX: u32 = 8;
/// How long a store that can't be read is left alone.
const STORE_REST: Duration = Duration::from_secs(1);

/// The sessions of one account.
pub(super) struct Sessions {
    pub(super) tools: Tools,
    pub(super) settings: SendingSettings,
    pub(super) senders: SenderFactory,
    pub(super) wake: Wake,
    pub(super) stop: Stop,
    pub(super) breaker: Breaker,
    pub(super) free: Semaphore,
    pub(super) idle: Mutex<Vec<Box<dyn Sender>>>,
    pub(super) in_hand: Mutex<HashSet<MessageId>>,
    pub(super) lost_answers: Mutex<u32>,
}

/// What is to become of the session after a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Keep,
    Leave,
}

/// A message is in hand for as long as this lives: its lease is renewed.
struct InHand<'a> {
    sessions: &'a Sessions,
    id: MessageId,
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.sessions.in_hand.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Work for Sessions {
    type Piece = Claimed;

    async fn claim(&self, at_most: usize) -> Taken<Claimed> {
        let nothing = |rest| Taken { pieces: Vec::new(), rest, more: false };
        let at_most = match self.breaker.standing() {
            Standing::Resting(left) => return nothing(Some(left)),
            Standing::Probe if !self.held().is_empty() => return nothing(None),
            Standing::Probe => 1,
            Standing::Well => at_most,
        };
        match claim::claim(&self.tools, &self.settings, at_most, self.breaker.login_refused()).await {
            Ok(found) => {
                let mut in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
                in_hand.extend(found.claimed.iter().map(|c| c.grip.id));
                let more = found.more && self.breaker.standing() == Standing::Well;
                Taken { pieces: found.claimed, rest: found.rest, more }
            }
            Err(StoreError::Conflict(_)) => nothing(Some(Duration::from_millis(20))),
            Err(error) => {
                tracing::warn!(account = self.settings.account, %error, "the outbox can't be read");
                nothing(Some(STORE_REST))
            }
        }
    }

    async fn run(&self, claimed: Claimed) {
        let _in_hand = InHand { sessions: self, id: claimed.grip.id };
        let room = tokio::select! {
            biased;
            () = self.stop.soft.cancelled() => None,
            // Whoever ends at once lets others have its room, and they must not begin.
            () = self.stop.hard.cancelled() => return,
            permit = self.free.acquire() => permit.ok(),
        };
        let resting = matches!(self.breaker.standing(), Standing::Resting(_));
        if room.is_none() || resting {
            self.give_back(&claimed, None).await;
            return;
        }
        self.send(&claimed).await;
    }
}

impl Sessions {
    /// What is in hand now.
    pub(super) fn held(&self) -> Vec<MessageId> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    async fn give_back(&self, claimed: &Claimed, why: Option<(AccountTrouble, &str)>) {
        insist("give back", || record::give_back(&self.tools, claimed, why)).await;
    }

    async fn send(&self, claimed: &Claimed) {
        let Some(content) = self.load(claimed).await else { return };
        let mail = Outgoing {
            from: claimed.sender.clone(),
            recipients: claimed.recipients.iter().map(|r| r.address.clone()).collect(),
            content,
        };
        loop {
            let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let is_kept = kept.is_some();
            let mut sender = kept.unwrap_or_else(|| (self.senders)());
            let offer = tokio::select! {
                biased;
                () = self.stop.soft.cancelled() => {
                    drop(sender);
                    return self.give_back(claimed, None).await;
                }
                offer = sender.offer(&mail) => offer,
            };
            let offer = match offer {
                // A kept session that was closed meanwhile says nothing about the provider: try a new one.
                Err(OfferError { error: ConnectorError::Lost(_), .. }) if is_kept => continue,
                Err(error) => return self.offer_failed(claimed, &error).await,
                Ok(offer) => offer,
            };
            if self.go_on(claimed, &mail, (&mut sender, offer)).await == After::Keep {
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
            }
            return;
        }
    }

    /// The octets to send; `None` where there is nothing to send, which is recorded.
    async fn load(&self, claimed: &Claimed) -> Option<Vec<u8>> {
        let packed = insist("load", || async {
            let mut tx = self.tools.store.read().await?;
            tx.get_raw(claimed.grip.id).await
        })
        .await?;
        let why = match packed.map(|p| unpack(&p)) {
            Some(Ok(raw)) if claimed.recipients.is_empty() => {
                drop(raw);
                "nobody is left to write to".to_owned()
            }
            Some(Ok(raw)) if self.settings.channel == Channel::Email => {
                return Some(with_date(&raw, self.tools.clock.now()));
            }
            Some(Ok(words)) => return Some(self.with_callback(words)),
            Some(Err(error)) => format!("the stored mail can't be read: {error}"),
            None => "the stored mail is gone".to_owned(),
        };
        insist("unsendable", || record::unsendable(&self.tools, claimed, &why)).await;
        None
    }

    /// Words that are about to go, with the address at which the provider is to tell how they fare.
    fn with_callback(&self, content: Vec<u8>) -> Vec<u8> {
        let Some(base) = &self.settings.callback else { return content };
        let Ok(mut words) = serde_json::from_slice::<Words>(&content) else { return content };
        words.callback = Some(format!("{base}/{}", words.token));
        serde_json::to_vec(&words).unwrap_or(content)
    }

    async fn offer_failed(&self, claimed: &Claimed, error: &OfferError) {
        let trouble = match error.error {
            ConnectorError::Login(_) => AccountTrouble::Login,
            ConnectorError::SignedOut(_) => AccountTrouble::SignedOut,
            ConnectorError::Insecure(_)
            | ConnectorError::Lost(_)
            | ConnectorError::Refused(_)
            | ConnectorError::Unreadable(_) => AccountTrouble::Unreachable,
        };
        let why = error.to_string();
        self.trouble(trouble, &why).await;
        let step = error.phase.step();
        if record::is_at_this_message(step, trouble) {
            insist("stopped", || record::stopped_at(&self.tools, claimed, (step, &[]), (trouble, why.clone()))).await;
        } else {
            self.give_back(claimed, Some((trouble, &why))).await;
        }
    }

    async fn go_on(&self, claimed: &Claimed, mail: &Outgoing, session: (&mut Box<dyn Sender>, Offer)) -> After {
        let (sender, offer) = session;
        let refused = match offer {
            Offer::Refused { phase, replies } => {
                let pairs = pair(&claimed.recipients, &replies);
                return self.refused(claimed, phase.step(), &pairs).await;
            }
            Offer::Ready { refused } => refused,
        };
        let answers: Vec<Answer<'_>> = claimed
            .recipients
            .iter()
            .enumerate()
            .map(|(n, recipient)| Answer { recipient, reply: refused.get(n).and_then(Option::as_ref) })
            .collect();
        let began = Instant::now();
        let marked = match self.mark(claimed, &answers).await {
            Ok(marked) => marked,
            Err(why) => {
                sender.withdraw().await;
                self.trouble(AccountTrouble::Unreachable, &why).await;
                self.give_back(claimed, Some((AccountTrouble::Unreachable, &why))).await;
                return After::Keep;
            }
        };
        // A process that slept between the commit and here may have lost its lease; nothing has left yet.
        let is_late = began.elapsed() >= Duration::from_secs(u64::from(self.settings.lease_seconds));
        if !marked || is_late {
            sender.withdraw().await;
            self.give_back(claimed, None).await;
            return After::Keep;
        }
        let outcome = sender.hand_over(mail).await;
        self.record(claimed, &answers, outcome).await
    }

    /// Marks it as handed over, in the database and then beside it. `false` where it may not be sent (any more); an error where
    /// it can't be remembered that it was, so that an older copy of the database would send it again.
    async fn mark(&self, claimed: &Claimed, answers: &[Answer<'_>]) -> Result<bool, String> {
        if self.stop.soft.is_cancelled() {
            return Ok(false);
        }
        let handed_over = match record::hand_over(&self.tools, claimed.grip, answers).await {
            Ok(Some(handed_over)) => handed_over,
            Ok(None) => {
                tracing::info!(message = %claimed.grip.id, "not handed over: it may not go out now, or is no longer this node's");
                return Ok(false);
            }
            Err(error) => {
                tracing::warn!(message = %claimed.grip.id, %error, "not handed over");
                return Ok(false);
            }
        };
        let reached = self.tools.watermark.reach(handed_over).await;
        reached.map(|()| true).map_err(|error| format!("the state directory can't be written: {error}"))
    }

    async fn record(&self, claimed: &Claimed, answers: &[Answer<'_>], outcome: SendOutcome) -> After {
        let after = self.write_outcome(claimed, answers, outcome).await;
        if self.settings.channel != Channel::Email {
            // What goes to the same address waited for this.
            self.wake.wake();
        }
        after
    }

    async fn write_outcome(&self, claimed: &Claimed, answers: &[Answer<'_>], outcome: SendOutcome) -> After {
        match outcome {
            SendOutcome::Accepted { reply, id } => {
                let by = (self.settings.account.as_str(), id.as_deref());
                insist("accepted", || record::accepted(&self.tools, claimed, &reply, by)).await;
                self.count("accepted");
                self.well().await;
                After::Keep
            }
            SendOutcome::Refused(reply) => {
                let pairs: Vec<(&RecipientRow, &Reply)> =
                    answers.iter().filter(|a| a.reply.is_none()).map(|a| (a.recipient, &reply)).collect();
                self.refused(claimed, Step::Content, &pairs).await
            }
            SendOutcome::Uncertain(why) => {
                let look_after = self.settings.look_after;
                insist("uncertain", || record::uncertain(&self.tools, claimed.grip, look_after, &why)).await;
                self.count("uncertain");
                self.lost_answer(&why).await;
                After::Leave
            }
        }
    }

    async fn refused(&self, claimed: &Claimed, step: Step, replies: &[(&RecipientRow, &Reply)]) -> After {
        if let Some((until, whole)) = replies.iter().find_map(|(_, reply)| not_before(reply)) {
            let why = replies.first().map(|(_, reply)| reply.text.as_str()).unwrap_or_default();
            let account = Some(self.settings.account.as_str()).filter(|_| whole);
            insist("wait", || record::wait(&self.tools, claimed, (until, why), account)).await;
            return After::Keep;
        }
        self.count("refused");
        let harm = self.settings.harm;
        let trouble = insist("refused", || record::refused_all(&self.tools, claimed, (step, harm), replies)).await;
        if let Some((trouble, why)) = trouble.flatten() {
            self.trouble(trouble, &why).await;
            return After::Leave;
        }
        self.well().await;
        After::Keep
    }

    fn count(&self, result: &str) {
        metrics::count(&metrics::MESSAGES_SENT, &[self.settings.channel.as_str(), &self.settings.account, result], 1);
    }

    async fn trouble(&self, trouble: AccountTrouble, why: &str) {
        let is_new = self.breaker.trouble(trouble);
        if is_new || trouble != AccountTrouble::Unreachable {
            // A server's words may name the recipient; who looks after the account sees them there.
            let shown = without_addresses(why);
            tracing::warn!(account = self.settings.account, ?trouble, why = shown, "sending is in trouble");
            insist("account down", || account::write_down(&self.tools, &self.settings.account, trouble, why)).await;
        }
    }

    async fn well(&self) {
        *self.lost_answers.lock().unwrap_or_else(PoisonError::into_inner) = 0;
        if self.breaker.well() {
            insist("account up", || account::write_up(&self.tools, &self.settings.account)).await;
            self.wake.wake();
        }
    }

    async fn lost_answer(&self, why: &str) {
        let too_many = {
            let mut lost = self.lost_answers.lock().unwrap_or_else(PoisonError::into_inner);
            *lost = lost.saturating_add(1);
            *lost >= LOST_ANSWERS_MAX
        };
        if too_many {
            self.trouble(AccountTrouble::Unreachable, why).await;
        }
    }
}

/// Each recipient with what was said of it; the last reply stands for those that have none of their own.
fn pair<'a>(recipients: &'a [RecipientRow], replies: &'a [Reply]) -> Vec<(&'a RecipientRow, &'a Reply)> {
    recipients.iter().enumerate().filter_map(|(n, r)| Some((r, replies.get(n).or(replies.last())?))).collect()
}

/// The raw mail, decompressed; no more than may ever have been stored.
pub(super) fn unpack(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    let most = u64::try_from(SIZE_MAX).unwrap_or(u64::MAX);
    zstd::Decoder::new(packed)?.take(most).read_to_end(&mut raw)?;
    Ok(raw)
}
