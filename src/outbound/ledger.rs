//! Asking a provider that is no mailbox what became of what was handed over and got no answer.

use std::time::Duration;

use super::reconcile::{Reconciler, VisitError};
use crate::connector::ConnectorError;
use crate::connector::feed::{Found, Ledger, Looked, Sought};
use crate::domain::chat::Words;
use crate::domain::ids::MessageId;
use crate::domain::time::Micros;
use crate::domain::veil::without_addresses;
use crate::domain::words::Progress;
use crate::hub::{fares, outreach, settle};
use crate::store::outbox::outcome::UncertainRow;
use crate::store::{StoreError, Tx};

/// How far a provider's clock may be from ours.
const SKEW: Duration = Duration::from_mins(5);
/// Questions in a row that may get no answer before no more are asked for now.
const UNANSWERED_MAX: usize = 2;
/// The longest time one question may take, with all pages that are read for it: within that of a visit, so that others have their turn.
const QUESTION_MAX: Duration = Duration::from_mins(1);

impl Reconciler {
    /// Asks for each; what is found is settled, and what is surely not there is sent again. One that can't be told keeps no others
    /// waiting.
    pub(super) async fn ask(&mut self, ledger: &mut dyn Ledger, uncertain: &[UncertainRow]) -> Result<(), VisitError> {
        let (mut is_answered, mut in_a_row, mut lost) = (false, 0, Vec::new());
        for row in uncertain {
            let Some(sought) = self.sought(row).await? else { continue };
            let Ok(looked) = tokio::time::timeout(QUESTION_MAX, ledger.find(&sought)).await else {
                self.doubt(row, "the provider was asked, and took too long to look through all that it has").await?;
                continue;
            };
            match looked {
                Ok(looked) => {
                    (is_answered, in_a_row) = (true, 0);
                    self.judge(row, looked).await?;
                }
                Err(error) if error.is_about_what_was_asked() => {
                    (is_answered, in_a_row) = (true, 0);
                    self.doubt(row, &error.to_string()).await?;
                }
                Err(error) => {
                    // It could not be asked for, and is as soon as somebody answers.
                    self.look_again(row, self.tools.clock.now().plus(self.settings.look_after), None).await?;
                    if !matches!(error, ConnectorError::Lost(_)) || in_a_row == UNANSWERED_MAX {
                        return Err(error.into());
                    }
                    in_a_row += 1;
                    lost.push((row, error));
                }
            }
        }
        if !is_answered && let Some((_, error)) = lost.pop() {
            // Nobody answers: the account rests as where many were asked.
            return Err(error.into());
        }
        // Others were told of: it may be the question, which keeps no others waiting then.
        for (row, error) in lost {
            self.doubt(row, &error.to_string()).await?;
        }
        Ok(())
    }

    /// What to ask for; nothing where it is known already what became of it. When it is looked for again is written first, so that
    /// others have their turn whatever becomes of this question.
    async fn sought(&self, row: &UncertainRow) -> Result<Option<Sought>, StoreError> {
        let mut tx = self.tools.store.begin("outbound.sought").await?;
        tx.lock_run_of(row.id).await?;
        let known = settle::settle_known(&mut tx, &self.tools.clock, vec![row.id]).await?;
        let sought = if known.is_empty() {
            tx.set_look_at(row.id, row.attempt, self.next_look(row), None).await?;
            self.describe(&mut tx, row).await?
        } else {
            None
        };
        tx.commit().await?;
        Ok(sought)
    }

    async fn describe(&self, tx: &mut Tx, row: &UncertainRow) -> Result<Option<Sought>, StoreError> {
        let Some(told) = tx.list_sought(vec![row.id]).await?.into_iter().next() else { return Ok(None) };
        // Where it was to go is only said there: without it, it would be looked for in the wrong place.
        let packed = tx.get_raw(row.id).await?;
        let words = packed.and_then(|packed| super::session::unpack(&packed).ok());
        let Some(words) = words.and_then(|words| serde_json::from_slice::<Words>(&words).ok()) else {
            tracing::warn!(message = %row.id, "the stored words can't be read, so nobody is asked what became of them");
            return Ok(None);
        };
        let handed_over = row.handed_over_at.unwrap_or_else(|| self.tools.clock.now());
        // Nothing leaves once the lease is over.
        let lease = Duration::from_secs(u64::from(self.settings.lease_seconds));
        Ok(Some(Sought {
            token: row.token.clone(),
            from: told.sender,
            to: told.address,
            text: words.text,
            thread: words.thread,
            place: words.place,
            after: handed_over.minus(SKEW),
            before: handed_over.plus(lease).plus(SKEW),
        }))
    }

    async fn judge(&mut self, row: &UncertainRow, looked: Looked) -> Result<(), StoreError> {
        let ours = self.ours(row.id, looked.found).await?;
        match (ours.iter().find(|found| found.alike), looked.doubt) {
            (Some(found), _) => self.settle_told(row, found).await,
            (None, None) if ours.is_empty() => self.absent(row).await,
            (None, Some(why)) => self.doubt(row, &why).await,
            (None, None) => {
                self.doubt(row, "the provider has other words to the same address at the time: a person has to look")
                    .await
            }
        }
    }

    /// Nobody can say yet what became of it, and why is shown with it.
    async fn doubt(&self, row: &UncertainRow, why: &str) -> Result<(), StoreError> {
        let why = without_addresses(why);
        tracing::warn!(message = %row.id, why, "the provider can't say what became of a message");
        self.look_again(row, self.next_look(row), Some(&why)).await
    }

    async fn look_again(&self, row: &UncertainRow, at: Micros, why: Option<&str>) -> Result<(), StoreError> {
        let mut tx = self.tools.store.begin("outbound.look_again").await?;
        tx.set_look_at(row.id, row.attempt, at, why).await?;
        tx.commit().await
    }

    /// What was found that is none of the others that were sent from here: where a provider keeps no token of ours, the same words to
    /// the same number may have been sent before. What was only read there stays: it may be this one, with words that the provider
    /// changed (a prefix on trial, say, or shorter links), so that it was taken for something said by hand.
    async fn ours(&self, id: MessageId, mut found: Vec<Found>) -> Result<Vec<Found>, StoreError> {
        let ids = found.iter().map(|found| found.id.clone()).collect();
        let mut tx = self.tools.store.read().await?;
        for row in tx.find_provider_messages(&self.settings.account, ids).await? {
            if row.message_id != id && tx.get_outbox(row.message_id).await?.is_some() {
                found.retain(|found| found.id != row.provider_id);
            }
        }
        Ok(found)
    }

    async fn settle_told(&mut self, row: &UncertainRow, found: &Found) -> Result<(), StoreError> {
        self.missing.remove(&(row.id, row.attempt));
        let now = self.tools.clock.now();
        let mut tx = self.tools.store.begin("outbound.settle_told").await?;
        tx.lock_run_of(row.id).await?;
        fares::note_id(&mut tx, &self.settings.account, (&found.id, row.id)).await?;
        if !settle::settle_found(&mut tx, &self.tools.clock, row, settle::HAS_IT).await? {
            tx.set_look_at(row.id, row.attempt, self.next_look(row), None).await?;
        }
        // How it fares beyond that is told by the feed, with what follows from it.
        if matches!(found.progress, Progress::Taken | Progress::Sent) {
            tx.set_progress(&self.settings.account, &found.id, (found.progress, None), now).await?;
        }
        tx.commit().await
    }

    /// The provider looked through all of the time, and has it not: after the stated time on two clocks it is sent again.
    async fn absent(&mut self, row: &UncertainRow) -> Result<(), StoreError> {
        let now = self.tools.clock.now();
        let waited = self.waited(row);
        let mut tx = self.tools.store.begin("outbound.settle_absent").await?;
        tx.lock_run_of(row.id).await?;
        if !settle::settle_known(&mut tx, &self.tools.clock, vec![row.id]).await?.is_empty() {
            // It was told while the provider was asked.
            self.missing.remove(&(row.id, row.attempt));
        } else if row.accepted == 0 && waited >= self.settings.settle_after {
            let why = "the provider does not have it: sent again";
            if settle::settle_again(&mut tx, row, now, why).await? {
                outreach::step_again(&mut tx, &self.tools.clock, row.id).await?;
                self.missing.remove(&(row.id, row.attempt));
                self.wake.wake();
            }
        } else {
            let left = self.settings.settle_after.saturating_sub(waited);
            tx.set_look_at(row.id, row.attempt, now.plus(left.max(self.settings.look_after)), None).await?;
        }
        tx.commit().await
    }
}
