//! How the messages of steps were taken: answers, bounces, complaints and opt-outs, and the sums a sequence is judged by.

use crate::domain::ids::{EnrollmentId, InfluencerId, MessageId};
use crate::domain::time::Micros;
use crate::store::sql::statements;
use crate::store::value::values;
use crate::store::{StoreError, Tx};

/// A step whose message was sent.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SentStep {
    /// Its message.
    pub message_id: MessageId,
    /// The run.
    pub enrollment_id: EnrollmentId,
    /// Whose run.
    pub influencer_id: InfluencerId,
}

/// What went wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// It came back, or was refused for good.
    Bounced,
    /// They called it spam.
    Complained,
    /// They wanted no more of it.
    OptedOut,
}

/// How the sends of a sequence went since an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, sqlx::FromRow)]
pub struct HarmCount {
    /// Messages that were sent or refused.
    pub sends: i64,
    /// Of them, those that came back or were refused.
    pub bounced: i64,
    /// Those that were called spam.
    pub complained: i64,
    /// Those after which somebody wanted no more.
    pub opted_out: i64,
}

impl Tx {
    /// The steps of the live runs of these influencers that were sent, the newest first.
    pub async fn list_sent_steps(&mut self, influencers: Vec<InfluencerId>) -> Result<Vec<SentStep>, StoreError> {
        self.all(&SENT_LIVE, values![influencers]).await
    }

    /// Whose run a message belongs to, and which sequence.
    pub async fn run_of_message(&mut self, id: MessageId) -> Result<Option<(InfluencerId, String)>, StoreError> {
        self.opt(&RUN_OF, values![id]).await
    }

    /// Notes on the step of a message what went wrong with it; the first instant stays. `false` where it is no step's, or
    /// that was known.
    pub async fn mark_harm(&mut self, message: MessageId, harm: Harm, at: Micros) -> Result<bool, StoreError> {
        let sql = match harm {
            Harm::Bounced => &MARK_BOUNCED,
            Harm::Complained => &MARK_COMPLAINED,
            Harm::OptedOut => &MARK_OPTED_OUT,
        };
        Ok(self.exec(sql, values![message, at]).await? > 0)
    }

    /// How the sends of a sequence went since an instant. Costs as much as was sent since then.
    pub async fn measure_harm(&mut self, sequence: &str, since: Micros) -> Result<HarmCount, StoreError> {
        let sent: Option<HarmCount> = self.opt(&HARM_SENT, values![sequence, since]).await?;
        let refused: Option<(i64,)> = self.opt(&HARM_REFUSED, values![sequence, since]).await?;
        let (sent, refused) = (sent.unwrap_or_default(), refused.map_or(0, |(n,)| n));
        Ok(HarmCount { sends: sent.sends + refused, bounced: sent.bounced + refused, ..sent })
    }
}

statements! {
    #[hot] SENT_LIVE = "SELECT s.message_id, s.enrollment_id, e.influencer_id FROM enrollment e JOIN enrollment_step s ON s.enrollment_id = e.id \
        WHERE e.influencer_id = ANY($1::uuid[]) AND e.state IN ('active', 'held', 'paused') AND s.state = 'sent' AND s.message_id IS NOT NULL \
        ORDER BY s.completed_at DESC, s.message_id DESC";
    #[hot] RUN_OF = "SELECT e.influencer_id, e.sequence FROM enrollment_step s JOIN enrollment e ON e.id = s.enrollment_id WHERE s.message_id = $1";
    #[hot] MARK_BOUNCED = "UPDATE enrollment_step SET bounced_at = $2 WHERE message_id = $1 AND bounced_at IS NULL";
    #[hot] MARK_COMPLAINED = "UPDATE enrollment_step SET complained_at = $2 WHERE message_id = $1 AND complained_at IS NULL";
    #[hot] MARK_OPTED_OUT = "UPDATE enrollment_step SET opted_out_at = $2 WHERE message_id = $1 AND opted_out_at IS NULL";
    #[hot] HARM_SENT = "SELECT COUNT(*) AS sends, COUNT(s.bounced_at) AS bounced, COUNT(s.complained_at) AS complained, \
        COUNT(s.opted_out_at) AS opted_out FROM enrollment_step s JOIN enrollment e ON e.id = s.enrollment_id \
        WHERE s.state = 'sent' AND s.completed_at >= $2 AND e.sequence = $1";
    #[hot] HARM_REFUSED = "SELECT COUNT(*) FROM enrollment_step s JOIN enrollment e ON e.id = s.enrollment_id \
        WHERE s.bounced_at IS NOT NULL AND s.bounced_at >= $2 AND s.state <> 'sent' AND e.sequence = $1";
}
