//! Tasks that ask something and hold somebody until it is answered: whose a message is, whether something was a no, which stage of
//! two records holds. Such a task is done only with its answer, and that ends the hold: who only ticks it off would leave them
//! held for ever, or let them go on after what may be their no.

use super::TaskError;
use crate::clock::Clock;
use crate::domain::chat;
use crate::domain::ids::{InfluencerId, MessageId, TaskId};
use crate::domain::words::{EventType, HoldSource, TaskKind};
use crate::hub::outreach::{self, Cause, ExitReason};
use crate::hub::people::{self, KnownStages, StageMove};
use crate::hub::{hold, react, unmatched, unsubscribe};
use crate::store::message::WaitingRow;
use crate::store::task::TaskRow;
use crate::store::{StoreError, Tx};

/// The answer that a message which waits for its person is nobody's.
const NOBODY: &str = "nobody";
/// The answer that it was a no.
const SAID_NO: &str = "said_no";
/// The answer that it was none.
const GO_ON: &str = "go_on";

/// What a task asks.
pub(super) enum Question {
    /// Whose this message is.
    Whose(Box<WaitingRow>),
    /// Whether a machine's answer is this one's no; without the message where that was erased since.
    Machine(InfluencerId, Option<MessageId>),
    /// Which of those who got this message complained.
    Among(MessageId),
    /// Which stage of two records that were joined is theirs.
    Stage(InfluencerId),
}

/// Whom an answer lets go, and from what.
pub(super) struct Held {
    source: HoldSource,
    ids: Vec<InfluencerId>,
}

/// Whoever answers takes the locks in the order in which those do who assign a message: conversations before tasks.
pub(super) async fn lock_first(tx: &mut Tx, id: TaskId) -> Result<(), StoreError> {
    if tx
        .task_kind(id)
        .await?
        .is_some_and(|kind| matches!(kind, TaskKind::Answer | TaskKind::Refusal | TaskKind::Stage))
    {
        tx.lock_conversations().await?;
    }
    Ok(())
}

/// What a task asks, where it asks something that somebody is held for.
pub(super) async fn asked(tx: &mut Tx, task: &TaskRow) -> Result<Option<Question>, StoreError> {
    Ok(match (task.kind, task.influencer_id, task.message_id) {
        (TaskKind::Answer, None, Some(message)) => {
            tx.list_waiting(vec![message]).await?.pop().map(|waiting| Question::Whose(Box::new(waiting)))
        }
        (TaskKind::Refusal, Some(id), message) => Some(Question::Machine(id, message)),
        (TaskKind::Refusal, None, Some(message)) => Some(Question::Among(message)),
        (TaskKind::Stage, Some(id), _) => {
            let cause = task.id.to_string();
            let mut holds = tx.list_hold_sources(vec![id]).await?.into_iter();
            holds
                .any(|hold| hold.source == HoldSource::Merge && hold.cause.as_ref() == Some(&cause))
                .then_some(Question::Stage(id))
        }
        _ => None,
    })
}

impl Question {
    /// What is asked and how that is answered.
    pub(super) fn unanswered(&self, task: &TaskRow) -> TaskError {
        let asks = match self {
            Self::Whose(waiting) => {
                let message = waiting.message_id;
                format!(
                    "asks whose message {message} is, and until that is said those it may be about are held: say it (liaison unmatched \
                     match {message} …), which ends the task; where it is nobody's of yours, answer `{NOBODY}`"
                )
            }
            Self::Machine(..) => format!(
                "asks whether that was a no, and until that is said nothing goes to them by itself: answer `{SAID_NO}` where it was one, \
                 and nothing goes to them any more; `{GO_ON}` where it was none, and they are let go"
            ),
            Self::Among(_) => format!(
                "asks who of several complained, and until that is said nothing goes to any of them by itself: answer `{SAID_NO} ADDRESS` \
                 with the address (or addresses) of whoever did, and the others are let go; `{GO_ON}` where it was none of them"
            ),
            Self::Stage(_) => "asks which stage holds of two records that were joined, and until that is said nothing goes to them by \
                               itself: answer the stage"
                .to_owned(),
        };
        TaskError::Question { id: task.id, asks }
    }

    /// Does what an answer says; who is to be let go when the task is done.
    pub(super) async fn answer(
        self,
        tx: &mut Tx,
        clock: &Clock,
        task: &TaskRow,
        (answer, by): (Option<&str>, &str),
    ) -> Result<Option<Held>, TaskError> {
        let given = answer.map(str::to_lowercase).unwrap_or_default();
        let words: Vec<&str> = given.split([' ', ',', '\n', '\t']).filter(|word| !word.is_empty()).collect();
        match (&self, words.as_slice()) {
            (Self::Whose(waiting), [NOBODY]) => {
                unmatched::is_nobodys(tx, clock, waiting).await?;
                Ok(None)
            }
            (Self::Machine(id, message), [word @ (SAID_NO | GO_ON)]) => {
                if *word == SAID_NO {
                    said_by(tx, clock, (*id, *message), by).await?;
                }
                Ok(Some(Held::machine(tx, *id, *message).await?))
            }
            (Self::Among(message), [GO_ON]) => Ok(Some(Held::among(tx, *message).await?)),
            (Self::Among(message), [SAID_NO, who @ ..]) if !who.is_empty() => {
                complained(tx, clock, (*message, who), by).await?;
                Ok(Some(Held::among(tx, *message).await?))
            }
            (Self::Stage(id), [_]) => {
                choose_stage(tx, clock, (*id, answer.unwrap_or_default().trim()), by).await?;
                Ok(Some(Held { source: HoldSource::Merge, ids: vec![*id] }))
            }
            _ => Err(self.unanswered(task)),
        }
    }
}

/// The address that a message was written from, and whose it is, where it is an influencer's.
async fn writers(tx: &mut Tx, message: MessageId) -> Result<(Option<String>, Option<InfluencerId>, bool), StoreError> {
    let key = tx.message_origin(message).await?.and_then(|(author, _)| chat::key(&author));
    let owners = tx.find_owners(key.clone().into_iter().collect()).await?;
    let influencer = owners.iter().find_map(|owner| owner.influencer_id);
    Ok((key, influencer, owners.iter().any(|owner| owner.agent_id.is_some())))
}

/// A machine's answer was a no: of whoever it answered for, the agent alone where that is an agent's address. It holds for the address
/// it was said at as well, whoever's that is: the thread may be another's by now.
async fn said_by(
    tx: &mut Tx,
    clock: &Clock,
    (id, message): (InfluencerId, Option<MessageId>),
    by: &str,
) -> Result<(), TaskError> {
    let Some(message) = message else {
        return Ok(unsubscribe::influencer_said_no(tx, clock, id, (None, by)).await?);
    };
    let (key, owner, is_agents) = writers(tx, message).await?;
    if let Some(key) = key.filter(|_| owner.is_none()) {
        let evidence = format!("{by}, who read {message}");
        unsubscribe::unsubscribe_by_hand(tx, clock, &key, evidence).await?;
    }
    if is_agents {
        // As where the agent wrote it themselves: it says nothing of what the influencer wants, and nothing goes on by itself.
        let cause = Cause { what: EventType::TaskCompleted, message: Some(message) };
        outreach::stop_runs(tx, clock, &[id], (&ExitReason::Refused, Some(cause))).await?;
        return Ok(());
    }
    unsubscribe::influencer_said_no(tx, clock, id, (Some(message), by)).await?;
    if let Some(owner) = owner.filter(|owner| *owner != id) {
        unsubscribe::influencer_said_no(tx, clock, owner, (Some(message), by)).await?;
    }
    Ok(())
}

/// These complained about a message that went to several.
async fn complained(
    tx: &mut Tx,
    clock: &Clock,
    (message, who): (MessageId, &[&str]),
    by: &str,
) -> Result<(), TaskError> {
    let got: Vec<String> = hold::sent_to(tx, vec![message]).await?.into_iter().map(|(_, key)| key).collect();
    let mut keys = Vec::new();
    for given in who {
        let Some(key) = chat::key(given).filter(|key| got.is_empty() || got.contains(key)) else {
            let reason = format!("`{given}` did not get that mail; it went to {}", got.join(", "));
            return Err(TaskError::Text { field: "answer", reason });
        };
        keys.push(key);
    }
    for key in keys {
        let evidence = format!("{by}, of a complaint about {message}");
        unsubscribe::unsubscribe_by_hand(tx, clock, &key, evidence).await?;
    }
    Ok(())
}

async fn choose_stage(
    tx: &mut Tx,
    clock: &Clock,
    (id, stage): (InfluencerId, &str),
    by: &str,
) -> Result<(), TaskError> {
    let stages = react::stages(tx).await?;
    let ids: Vec<String> = stages.all().iter().map(|stage| stage.id.0.clone()).collect();
    if !ids.iter().any(|id| id == stage) {
        let reason = format!("`{stage}` is no stage; there are: {}", ids.join(", "));
        return Err(TaskError::Text { field: "answer", reason });
    }
    let Some(who) = tx.lock_influencer(id).await? else { return Ok(()) };
    let known = KnownStages { start: stages.start().0.clone(), ids };
    let step = StageMove { influencer_id: id, to: stage.to_owned(), pinned: who.stage_pinned, cause: by.to_owned() };
    people::move_stage(tx, clock, &known, step).await?;
    Ok(())
}

impl Held {
    /// Of whom a machine's answer may have been the no: whose it was taken for, and at whose address it was said.
    async fn machine(tx: &mut Tx, id: InfluencerId, message: Option<MessageId>) -> Result<Self, StoreError> {
        let mut ids = vec![id];
        if let Some(message) = message {
            ids.extend(writers(tx, message).await?.1);
        }
        Ok(Self { source: HoldSource::Machine, ids })
    }

    /// Everybody a mail went to.
    async fn among(tx: &mut Tx, message: MessageId) -> Result<Self, StoreError> {
        let mut ids: Vec<InfluencerId> =
            tx.find_participations(vec![message]).await?.into_iter().map(|(_, influencer, _)| influencer).collect();
        let keys = hold::sent_to(tx, vec![message]).await?.into_iter().map(|(_, key)| key).collect();
        ids.extend(tx.find_owners(keys).await?.into_iter().filter_map(|owner| owner.influencer_id));
        Ok(Self { source: HoldSource::Complaint, ids })
    }

    /// Lets them go, unless another task asks the same of them.
    pub(super) async fn let_go(self, tx: &mut Tx, clock: &Clock) -> Result<(), StoreError> {
        if self.source == HoldSource::Merge {
            return hold::release_for(tx, clock, self.ids, self.source).await;
        }
        hold::release_answered(tx, clock, self.ids, &[self.source]).await
    }
}
