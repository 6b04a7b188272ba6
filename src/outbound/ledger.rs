//! Asking a provider that is no mailbox what became of what was handed over and got no answer.

use super::record::note_provider_id;
use super::reconcile::{Reconciler, VisitError};
use crate::connector::feed::{Found, Ledger, Sought};
use crate::domain::ids::MessageId;
use crate::domain::words::Progress;
use crate::hub::{outreach, settle};
use crate::store::StoreError;
use crate::store::outbox::outcome::UncertainRow;

impl Reconciler {
    /// Asks for each; what is found is settled, and what is surely not there is sent again.
    pub(super) async fn ask(&mut self, ledger: &mut dyn Ledger, uncertain: &[UncertainRow]) -> Result<(), VisitError> {
        for row in uncertain {
            let Some(sought) = self.sought(row).await? else { continue };
            let found = ledger.find(&sought).await?;
            match self.ours(row.id, found).await? {
                Some(found) => self.settle_told(row, &found).await?,
                None => self.absent(row).await?,
            }
        }
        Ok(())
    }

    async fn sought(&self, row: &UncertainRow) -> Result<Option<Sought>, StoreError> {
        let now = self.tools.clock.now();
        let mut tx = self.tools.store.read().await?;
        let told = tx.list_sought(vec![row.id]).await?.into_iter().next();
        let thread = match tx.get_raw(row.id).await?.and_then(|packed| super::session::unpack(&packed).ok()) {
            Some(words) => serde_json::from_slice::<crate::domain::chat::Words>(&words).ok().and_then(|w| w.thread),
            None => None,
        };
        Ok(told.map(|told| Sought {
            token: row.token.clone(),
            from: told.sender,
            to: told.address,
            text: told.text,
            thread,
            after: row.handed_over_at.unwrap_or(now),
            before: now,
        }))
    }

    /// The oldest of what was found that is no other message's: where a provider keeps no token of ours, the same words to the same
    /// number may have been sent before.
    async fn ours(&self, id: MessageId, found: Vec<Found>) -> Result<Option<Found>, StoreError> {
        let ids = found.iter().map(|found| found.id.clone()).collect();
        let known = self.tools.store.read().await?.find_provider_messages(&self.settings.account, ids).await?;
        let is_others =
            |found: &Found| known.iter().any(|row| row.provider_id == found.id && row.message_id != id);
        Ok(found.into_iter().find(|found| !is_others(found)))
    }

    async fn settle_told(&mut self, row: &UncertainRow, found: &Found) -> Result<(), StoreError> {
        self.missing.remove(&(row.id, row.attempt));
        let now = self.tools.clock.now();
        let mut tx = self.tools.store.begin("outbound.settle_told").await?;
        tx.lock_run_of(row.id).await?;
        note_provider_id(&mut tx, &self.settings.account, (&found.id, row.id)).await?;
        if !settle::settle_found(&mut tx, &self.tools.clock, row, "the provider has it").await? {
            tx.set_look_at(row.id, row.attempt, self.next_look(row)).await?;
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
        if row.accepted == 0 && waited >= self.settings.settle_after {
            let why = "the provider does not have it: sent again";
            if settle::settle_again(&mut tx, row, now, why).await? {
                outreach::step_again(&mut tx, &self.tools.clock, row.id).await?;
                self.missing.remove(&(row.id, row.attempt));
                self.wake.wake();
            }
        } else {
            let left = self.settings.settle_after.saturating_sub(waited);
            tx.set_look_at(row.id, row.attempt, now.plus(left.max(self.settings.look_after))).await?;
        }
        tx.commit().await
    }
}
