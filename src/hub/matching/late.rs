//! What follows from messages that waited, once it is known whose they are: the same as if that had been known when they came.
//! Once: what is taken off the list does not wait any more, and where nobody is sure yet, it goes on waiting.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::{Value, json};

use crate::clock::Clock;
use crate::domain::consequence::Answer;
use crate::domain::ids::{AgentId, InfluencerId, MessageId};
use crate::domain::time::Micros;
use crate::domain::words::{Channel, EventType, HoldSource, Kind, Role, TaskKind, UnmatchedReason};
use crate::hub::hold;
use crate::hub::signal::{self, Signal};
use crate::hub::task::{self, NewTask};
use crate::store::message::WaitingRow;
use crate::store::{StoreError, Tx};

/// Who ends a task about a message that found its place by itself.
const BY: &str = "matching";

/// Whose a message turned out to be, and by which agent it came.
pub(in crate::hub) type Whose = (InfluencerId, Option<AgentId>);

/// Messages that waited, and what became known of them.
pub(super) struct Late {
    now: Micros,
    waiting: HashMap<MessageId, WaitingRow>,
    /// Who was shown them before.
    shown: HashSet<(MessageId, InfluencerId)>,
    signals: Vec<Signal>,
    placed: BTreeSet<MessageId>,
    unsure: BTreeMap<MessageId, AgentId>,
    /// Of these, what may be the no of somebody for whom an agent writes who stands for nobody yet.
    of_nobody: HashSet<MessageId>,
    dead: Vec<(String, String)>,
}

impl Late {
    pub(super) async fn load(tx: &mut Tx, clock: &Clock, messages: &[MessageId]) -> Result<Self, StoreError> {
        let (mut waiting, mut shown) = (HashMap::new(), HashSet::new());
        for piece in messages.chunks(500) {
            waiting.extend(tx.list_waiting(piece.to_vec()).await?.into_iter().map(|row| (row.message_id, row)));
        }
        let ids: Vec<MessageId> = waiting.keys().copied().collect();
        for piece in ids.chunks(500) {
            let parts = tx.find_participations(piece.to_vec()).await?;
            shown.extend(parts.into_iter().map(|(message, influencer, _)| (message, influencer)));
        }
        let (signals, placed, unsure, dead) = (Vec::new(), BTreeSet::new(), BTreeMap::new(), Vec::new());
        Ok(Self { now: clock.now(), waiting, shown, signals, placed, unsure, of_nobody: HashSet::new(), dead })
    }

    /// Who was shown any of them before.
    pub(super) fn shown(&self) -> Vec<InfluencerId> {
        self.shown.iter().map(|(_, influencer)| *influencer).collect()
    }

    /// The writer of a message is known now; `sure` where it is known as well about whom an agent writes.
    pub(super) fn wrote(&mut self, message: MessageId, (influencer, agent): Whose, sure: bool) {
        let Some(row) = self.waiting.get(&message) else { return };
        if let (false, Some(agent)) = (sure, agent) {
            self.unsure.insert(message, agent);
            let waiting = Some(UnmatchedReason::AgentUnassigned);
            self.signals.extend(received(row, (influencer, Some(agent)), self.now, waiting));
            return;
        }
        self.placed.insert(message);
        let was_shown = self.shown.contains(&(message, influencer));
        self.signals.extend(signals_of(row, (influencer, agent), self.now, was_shown));
    }

    /// An agent wrote it, who stands for nobody yet.
    pub(super) fn wrote_for_nobody(&mut self, message: MessageId, agent: AgentId) {
        let Some(row) = self.waiting.get(&message) else { return };
        self.unsure.insert(message, agent);
        if may_be_somebodys_no(row) {
            self.of_nobody.insert(message);
        }
    }

    /// An address that a message speaks of is known now: what a report says of it concerns them.
    pub(super) fn spoke_of(&mut self, message: MessageId, key: &str, influencer: InfluencerId) {
        let Some(row) = self.waiting.get(&message) else { return };
        let reports = row.facts.get("reports").and_then(Value::as_array);
        for report in reports.into_iter().flatten().filter(|r| text(r, "key") == Some(key)) {
            self.placed.insert(message);
            let data = report.get("data").cloned().unwrap_or_default();
            let severity = text(&data, "severity").unwrap_or_default().to_owned();
            if severity == "hard" {
                let status = text(&data, "status").unwrap_or_default();
                self.dead.push((key.to_owned(), format!("hard bounce {status}").trim_end().to_owned()));
            }
            // That they refuse us was told, and acted upon, when it came.
            if severity == "policy" {
                continue;
            }
            let what = text(report, "what").and_then(|what| what.parse::<EventType>().ok());
            let about = text(report, "message_id").and_then(|id| id.parse().ok());
            let (Some(what), at) = (what, self.now) else { continue };
            self.signals.push(Signal { what, influencer: Some(influencer), message: about, at, data: Some(data) });
        }
    }

    /// Whose thread it stands in keeps it; who was only thought to have written it, and did not, does not.
    async fn withdraw_proposed(&self, tx: &mut Tx, message: MessageId) -> Result<(), StoreError> {
        let Some(row) = tx.get_as_strangers(message).await? else { return Ok(()) };
        let sure = tx.find_sure_in(vec![row.conversation_id]).await?;
        let is_there = |who: &InfluencerId| sure.contains(&(row.conversation_id, *who));
        let shown = self.shown.iter().filter(|(shown, _)| *shown == message).map(|(_, who)| *who);
        tx.withdraw_proposed(message, shown.filter(|who| !is_there(who)).collect()).await
    }

    /// Writes what follows.
    pub(super) async fn finish(self, tx: &mut Tx, clock: &Clock) -> Result<(), StoreError> {
        for (message, agent) in &self.unsure {
            tx.wait_for_assignment(*message, *agent).await?;
            if self.of_nobody.contains(message) {
                ask_about_whom(tx, clock, *message).await?;
            }
        }
        let placed: Vec<MessageId> = self.placed.iter().copied().collect();
        if !placed.is_empty() {
            tx.resolve_unmatched(placed.clone(), self.now).await?;
        }
        for (key, reason) in &self.dead {
            tx.mark_address_dead(Channel::Email, key, reason, self.now).await?;
        }
        for message in &placed {
            end_tasks(tx, clock, *message, BY).await?;
            // Whoever was shown it for want of knowing better is not concerned.
            match self.waiting.get(message).map(|row| row.reason) {
                None => {}
                Some(UnmatchedReason::AliasProposed) => self.withdraw_proposed(tx, *message).await?,
                Some(_) => tx.withdraw_unassigned(*message).await?,
            }
        }
        signal::record(tx, clock, self.signals).await?;
        let held = self.shown.iter().filter(|(message, _)| self.placed.contains(message)).map(|(_, who)| *who);
        hold::release_answered(tx, clock, held.collect(), &[HoldSource::Unassigned]).await
    }
}

/// Whether what an agent wrote who stands for nobody may be the no of whom they turn out to write for.
pub(in crate::hub) fn may_be_somebodys_no(row: &WaitingRow) -> bool {
    let answer = Answer::read(Some(&row.facts));
    answer.is_no() || (row.kind == Kind::Human && answer.may_be_no())
}

/// Asks about whom a message is, unless that is asked already.
pub(in crate::hub) async fn ask_about_whom(tx: &mut Tx, clock: &Clock, message: MessageId) -> Result<(), StoreError> {
    if tx.has_open_task_about(message, TaskKind::Answer, None).await? {
        return Ok(());
    }
    let text = "Say about whom this message of an agent is (liaison unmatched list), or link the agent to whom they write for: it may be a no";
    let new =
        NewTask { kind: TaskKind::Answer, text: text.to_owned(), message_id: Some(message), ..NewTask::default() };
    task::create_by_rule(tx, clock, new).await?;
    Ok(())
}

/// Ends the tasks that asked whose a message is.
pub(in crate::hub) async fn end_tasks(
    tx: &mut Tx,
    clock: &Clock,
    message: MessageId,
    by: &str,
) -> Result<(), StoreError> {
    for task in tx.lock_tasks_about(message, TaskKind::Answer).await? {
        task::complete(tx, clock, task, (Some("assigned"), by)).await?;
    }
    Ok(())
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str()
}

/// What follows where somebody turned out to have written a message. `was_shown` where its coming was told them before.
pub(in crate::hub) fn signals_of(
    row: &WaitingRow,
    (influencer, agent): Whose,
    at: Micros,
    was_shown: bool,
) -> Vec<Signal> {
    let facts = &row.facts;
    if facts.is_null() {
        return Vec::new();
    }
    let mut signals = Vec::new();
    let has_token = facts.pointer("/received/unsubscribe_token").is_some();
    if row.kind != Kind::Human || has_token || !was_shown {
        signals.extend(received(row, (influencer, agent), at, None));
    }
    if row.kind == Kind::Human {
        let mut data = json!({
            "account": facts.pointer("/received/account"), "by_agent": agent, "answer": facts.get("answer"),
            "answers": facts.get("answers"),
        });
        // Where it was said, and that it was a keyword, decide how far a no goes.
        for name in ["channel", "consent"] {
            if let (Some(data), Some(value)) = (data.as_object_mut(), facts.pointer(&format!("/received/{name}"))) {
                data.insert(name.to_owned(), value.clone());
            }
        }
        let what = EventType::ThreadReplied;
        let message = Some(row.message_id);
        signals.push(Signal { what, influencer: Some(influencer), message, at, data: Some(data) });
    }
    signals
}

fn received(
    row: &WaitingRow,
    (influencer, agent): Whose,
    at: Micros,
    waiting: Option<UnmatchedReason>,
) -> Option<Signal> {
    let facts = &row.facts;
    let mut data = facts.get("received")?.as_object()?.clone();
    data.insert("role".to_owned(), json!(Role::Author));
    data.insert("by_agent".to_owned(), json!(agent));
    data.insert("waiting".to_owned(), json!(waiting));
    // What a machine says may be a no as well.
    if waiting.is_some() || row.kind == Kind::Automatic {
        data.insert("answer".to_owned(), json!(facts.get("answer")));
    }
    let what = EventType::MessageReceived;
    let message = Some(row.message_id);
    Some(Signal { what, influencer: Some(influencer), message, at, data: Some(Value::Object(data)) })
}

/// What follows where a message of an unknown address found its place in somebody's thread; `waiting` tells whether in theirs alone.
pub(super) fn proposed(
    (message, influencer): (MessageId, InfluencerId),
    facts: &Value,
    waiting: UnmatchedReason,
    at: Micros,
) -> Option<Signal> {
    let mut data = facts.get("received")?.as_object()?.clone();
    data.insert("role".to_owned(), json!(Role::Recipient));
    data.insert("by_agent".to_owned(), Value::Null);
    data.insert("waiting".to_owned(), json!(waiting));
    data.insert("answer".to_owned(), json!(facts.get("answer")));
    let what = EventType::MessageReceived;
    Some(Signal { what, influencer: Some(influencer), message: Some(message), at, data: Some(Value::Object(data)) })
}
