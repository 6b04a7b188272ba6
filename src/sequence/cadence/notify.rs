//! A step that tells the team something.

use serde_json::json;

use super::Batch;
use super::look::{Kept, blank};
use crate::domain::sequence::{Step, StepKind};
use crate::domain::words::{EventType, StepState};
use crate::hub::outreach::{self, event_of};
use crate::hub::signal;
use crate::render::template::render_inline;
use crate::store::Tx;
use crate::store::outreach::enrollment::{EnrollmentRow, StepRow};

impl Batch<'_> {
    /// Tells the team something; whoever shows it to them goes by the event.
    pub(super) async fn notify(
        &mut self,
        tx: &mut Tx,
        run: EnrollmentRow,
        step: &Step,
        (kind, text): (&StepKind, &str),
    ) -> Kept {
        let now = self.now();
        let Some(context) = self.dossier.context(&self.house, &run, None) else {
            return Ok(Some(self.stuck(run, "the influencer is gone")));
        };
        let text = match render_inline(text, &context) {
            Ok(text) => text,
            Err(error) => return Ok(Some(self.stuck(run, &format!("the words of {}: {error}", step.id)))),
        };
        let row = StepRow {
            state: StepState::Done,
            planned_at: Some(now),
            completed_at: Some(now),
            ..blank(&run, step, kind)
        };
        tx.insert_steps(vec![row]).await?;
        let told = event_of(EventType::TeamNotified, &run, now, json!({"text": text}));
        signal::record(tx, self.clock, vec![told]).await?;
        outreach::step_done(tx, self.clock, run, now).await?;
        Ok(None)
    }
}
