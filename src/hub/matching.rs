//! Messages that waited for a person find their place: an address became somebody's, or a late parent tied a conversation
//! to somebody. Nobody is ever merged with anybody without being asked.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::people::refused::spread_opt_out;
use super::{hold, signal};
use crate::clock::Clock;
use crate::domain::ids::{AgentId, ConversationId, InfluencerId, MessageId, ThreadId};
use crate::domain::people::{Address, Person};
use crate::domain::subject;
use crate::domain::threading::SHOWN_TO_MAX;
use crate::domain::time::Micros;
use crate::domain::words::{Awaiting, Direction, Kind, Role, UnmatchedReason};
use crate::store::message::{NewParticipation, StrangerRow, UnmatchedInConversation};
use crate::store::people::Touch;
use crate::store::thread::ThreadRow;
use crate::store::{StoreError, Tx};
use late::Late;

pub(in crate::hub) mod late;

/// How far the clock of whoever answers may be behind ours: machines answer at once.
const SKEW: Duration = Duration::from_mins(15);

/// Who an address turned out to belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Belongs {
    /// An influencer.
    Influencer(InfluencerId),
    /// An agent, who stands for these.
    Agent(AgentId, Vec<InfluencerId>),
}

impl Belongs {
    fn people(&self) -> Vec<InfluencerId> {
        match self {
            Self::Influencer(id) => vec![*id],
            Self::Agent(_, stands_for) => stands_for.clone(),
        }
    }
}

/// Places the history of addresses that have just become somebody's, and lets a no of theirs hold for all their addresses; how
/// many places on timelines were filled. What an agent wrote who stands for nobody goes on waiting. The caller has locked the conversations before it wrote anything else.
pub(in crate::hub) async fn place_history(
    tx: &mut Tx,
    clock: &Clock,
    addresses: &[Address],
) -> Result<usize, StoreError> {
    let mut agents: Vec<AgentId> = addresses.iter().filter_map(|a| a.person.agent()).collect();
    agents.sort_unstable();
    agents.dedup();
    let mut stands_for: HashMap<AgentId, Vec<InfluencerId>> = HashMap::new();
    if !agents.is_empty() {
        for (agent, influencer) in tx.influencers_of_agents(agents).await? {
            stands_for.entry(agent).or_default().push(influencer);
        }
    }
    let belongs = |address: &Address| match address.person {
        Person::Influencer(id) => (address.value_key.clone(), Belongs::Influencer(id)),
        Person::Agent(id) => {
            (address.value_key.clone(), Belongs::Agent(id, stands_for.get(&id).cloned().unwrap_or_default()))
        }
    };
    let owners: HashMap<String, Belongs> = addresses.iter().map(belongs).collect();
    if owners.is_empty() {
        return Ok(0);
    }
    let placed = Box::pin(rethread(tx, clock, &owners)).await?;
    spread_opt_out(tx, clock, addresses.iter().map(|address| address.person)).await?;
    let of_influencer = |address: &Address| address.person.influencer().map(|id| (address.value_key.clone(), id));
    let theirs: Vec<(String, InfluencerId)> = addresses.iter().filter_map(of_influencer).collect();
    hold::hold_writers(tx, clock, &theirs).await?;
    Ok(placed)
}

/// Puts every message in which these addresses stood as strangers onto the timelines where it belongs. What would have
/// followed from those that waited follows now; everything else is history and fires nothing.
#[allow(clippy::implicit_hasher, reason = "one caller's map is like another's")]
pub async fn rethread(tx: &mut Tx, clock: &Clock, owners: &HashMap<String, Belongs>) -> Result<usize, StoreError> {
    let keys: Vec<String> = owners.keys().cloned().collect();
    tx.lock_conversations().await?;
    let rows = tx.find_strangers(keys.clone()).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let mut placed = 0;
    let mut desk = Desk::load(tx, &rows).await?;
    let mut late = Late::load(tx, clock, &rows.iter().map(|row| row.message_id).collect::<Vec<_>>()).await?;
    // All that this may touch, in the order in which everybody locks them.
    tx.lock_influencers(owners.values().flat_map(Belongs::people).chain(late.shown()).collect()).await?;
    let mut settled = Vec::new();
    for row in &rows {
        let (whose, sure): (Vec<late::Whose>, bool) = match owners.get(&row.address_key) {
            Some(Belongs::Influencer(id)) => (vec![(*id, None)], true),
            Some(Belongs::Agent(agent, stands_for)) => {
                let tied = desk.tied(row.conversation_id, stands_for);
                let sure = !tied.is_empty() || stands_for.len() == 1;
                let chosen = if tied.is_empty() { stands_for.clone() } else { tied };
                if chosen.is_empty() && row.role == Role::Author {
                    late.wrote_for_nobody(row.message_id, *agent);
                }
                (chosen.into_iter().map(|influencer| (influencer, Some(*agent))).collect(), sure)
            }
            None => continue,
        };
        for (influencer, agent) in whose {
            placed += 1;
            desk.place(tx, clock, row, (influencer, agent, sure)).await?;
            match (row.direction, row.role) {
                (Direction::Inbound, Role::Author) => {
                    settled.extend(sure.then_some(row.message_id));
                    late.wrote(row.message_id, (influencer, agent), sure);
                }
                (Direction::Inbound, _) if sure => late.spoke_of(row.message_id, &row.address_key, influencer),
                (Direction::Inbound | Direction::Outbound, _) => {}
            }
        }
    }
    desk.write(tx, clock.now()).await?;
    // What an agent wrote who stands for nobody is placed when that is known.
    let is_placed = |key: &String| !matches!(owners.get(key), Some(Belongs::Agent(_, all)) if all.is_empty());
    tx.delete_strangers(keys.into_iter().filter(is_placed).collect()).await?;
    late.finish(tx, clock).await?;
    // What was said to be nobody's stays in the threads it stood in until it is known whose it is.
    tx.withdraw_settled(settled).await?;
    Ok(placed)
}

/// The threads that are being added to.
struct Desk {
    threads: HashMap<(ConversationId, InfluencerId), ThreadRow>,
    /// Who is surely meant by some message of a conversation.
    sure: HashSet<(ConversationId, InfluencerId)>,
    changed: HashSet<ThreadId>,
    touches: Vec<Touch>,
}

impl Desk {
    async fn load(tx: &mut Tx, rows: &[StrangerRow]) -> Result<Self, StoreError> {
        let conversations: HashSet<ConversationId> = rows.iter().map(|r| r.conversation_id).collect();
        let (mut threads, mut sure) = (HashMap::new(), HashSet::new());
        let list: Vec<ConversationId> = conversations.into_iter().collect();
        for piece in list.chunks(500) {
            for thread in tx.find_threads_in(piece.to_vec()).await? {
                threads.insert((thread.conversation_id, thread.influencer_id), thread);
            }
            sure.extend(tx.find_sure_in(piece.to_vec()).await?);
        }
        Ok(Self { threads, sure, changed: HashSet::new(), touches: Vec::new() })
    }

    fn tied(&self, conversation: ConversationId, stands_for: &[InfluencerId]) -> Vec<InfluencerId> {
        stands_for.iter().copied().filter(|id| self.sure.contains(&(conversation, *id))).collect()
    }

    async fn place(
        &mut self,
        tx: &mut Tx,
        clock: &Clock,
        row: &StrangerRow,
        (influencer, agent, assigned): (InfluencerId, Option<AgentId>, bool),
    ) -> Result<(), StoreError> {
        let key = (row.conversation_id, influencer);
        if assigned {
            self.sure.insert(key);
        }
        let turn = match (row.direction, row.kind) {
            (Direction::Outbound, _) => Some(Awaiting::Them),
            (Direction::Inbound, Kind::Human) => Some(Awaiting::Us),
            (Direction::Inbound, _) => None,
        };
        let thread = match self.threads.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let fresh = thread_for(clock, row, influencer);
                // Written at once: the participation below refers to it.
                tx.upsert_threads(vec![fresh.clone()], clock.now()).await?;
                place.insert(fresh)
            }
        };
        let part = NewParticipation {
            message_id: row.message_id,
            influencer_id: influencer,
            thread_id: thread.id,
            role: row.role,
            agent_id: agent,
            assigned,
            at: row.at,
        };
        if tx.insert_participations(vec![part]).await? > 0 {
            thread.message_count += 1;
            if row.at >= thread.last_message_at {
                thread.last_message_at = row.at;
                thread.awaiting = turn.or(thread.awaiting);
            }
            self.changed.insert(thread.id);
        } else if assigned && row.role == Role::Author {
            tx.set_author(row.message_id, influencer).await?;
        }
        self.touches.push(Touch { influencer_id: influencer, last_message_at: row.at, awaiting: turn });
        Ok(())
    }

    async fn write(self, tx: &mut Tx, now: Micros) -> Result<(), StoreError> {
        let changed = self.changed;
        tx.upsert_threads(self.threads.into_values().filter(|t| changed.contains(&t.id)).collect(), now).await?;
        tx.touch_influencers(self.touches).await
    }
}

/// Puts a message onto the timeline of somebody who was not shown it, as written by them or, where there is one, by their agent.
pub(in crate::hub) async fn show_to(
    tx: &mut Tx,
    clock: &Clock,
    message: MessageId,
    (influencer, agent): late::Whose,
) -> Result<(), StoreError> {
    let Some(row) = tx.get_as_strangers(message).await? else { return Ok(()) };
    let mut desk = Desk::load(tx, std::slice::from_ref(&row)).await?;
    desk.place(tx, clock, &row, (influencer, agent, true)).await?;
    desk.write(tx, clock.now()).await
}

fn thread_for(clock: &Clock, row: &StrangerRow, influencer: InfluencerId) -> ThreadRow {
    ThreadRow {
        id: ThreadId(clock.new_id()),
        conversation_id: row.conversation_id,
        influencer_id: influencer,
        channel: row.channel,
        account: row.account.clone(),
        subject: row.subject.clone(),
        subject_key: subject::base_subject(&row.subject),
        message_count: 0,
        last_message_at: row.at,
        awaiting: None,
    }
}

/// Looks again at messages of unknown senders in conversations that have just been tied to somebody: where that is one
/// person, the message shows on their timeline and the address is proposed as another of theirs; where it is a few, it shows on the
/// timelines of all, as it would have if the parent had come first. What shows on a timeline for want of knowing better stays there.
pub async fn place_waiting(tx: &mut Tx, clock: &Clock, conversations: Vec<ConversationId>) -> Result<(), StoreError> {
    if conversations.is_empty() {
        return Ok(());
    }
    let waiting = tx.find_unmatched_in(conversations.clone()).await?;
    if waiting.is_empty() {
        return Ok(());
    }
    let mut threads: HashMap<ConversationId, Vec<ThreadRow>> = HashMap::new();
    for thread in tx.find_threads_in(conversations).await? {
        threads.entry(thread.conversation_id).or_default().push(thread);
    }
    let ids = threads.values().flatten().map(|thread| thread.id).collect();
    let starts: HashMap<ThreadId, Micros> = tx.list_thread_starts(ids).await?.into_iter().collect();
    let messages: Vec<MessageId> = waiting.iter().map(|w| w.message_id).collect();
    let sure: HashSet<_> = tx.find_sure_participations(messages.clone()).await?.into_iter().collect();
    let shown: HashSet<_> = tx.find_participations(messages).await?.into_iter().map(|(m, who, _)| (m, who)).collect();
    let unsure: HashSet<MessageId> = shown.difference(&sure).map(|(message, _)| *message).collect();
    let mut changed: HashMap<ThreadId, ThreadRow> = HashMap::new();
    let mut signals = Vec::new();
    for message in waiting.iter().filter(|w| !unsure.contains(&w.message_id)) {
        let all = threads.get(&message.conversation_id).into_iter().flatten();
        // Who came into the conversation after it was written is not meant by it.
        // By our own clock where the writer's is behind: mail is read soon after it came.
        let known_at = message.at.max(message.stored_at);
        let was_there = |thread: &ThreadRow| starts.get(&thread.id).is_some_and(|start| *start <= known_at.plus(SKEW));
        let among: Vec<&ThreadRow> = all
            .filter(|thread| was_there(thread) && !shown.contains(&(message.message_id, thread.influencer_id)))
            .collect();
        let has_others = sure.iter().any(|(id, _)| *id == message.message_id);
        // A report of several is about one of them: whom it names.
        let is_report = matches!(message.kind, Kind::Bounce | Kind::Complaint);
        if among.is_empty() || among.len() > SHOWN_TO_MAX || (is_report && among.len() > 1) {
            continue;
        }
        let is_alias = among.len() == 1 && !has_others;
        let waits = if is_alias { UnmatchedReason::AliasProposed } else { UnmatchedReason::UnknownSender };
        for one in &among {
            show_in(changed.entry(one.id).or_insert_with(|| (*one).clone()), tx, message).await?;
            let whose = (message.message_id, one.influencer_id);
            signals.extend(late::proposed(whose, &message.facts, waits, clock.now()));
        }
        if let Some(only) = among.first().filter(|_| is_alias) {
            tx.propose_alias(message.message_id, only.influencer_id).await?;
        }
    }
    let rows: Vec<ThreadRow> = changed.into_values().collect();
    let now = rows.iter().map(|t| t.last_message_at).max().unwrap_or_default();
    tx.upsert_threads(rows, now).await?;
    signal::record(tx, clock, signals).await
}

/// Enters a message of an unknown sender into a thread.
async fn show_in(thread: &mut ThreadRow, tx: &mut Tx, message: &UnmatchedInConversation) -> Result<(), StoreError> {
    thread.message_count += 1;
    if message.at >= thread.last_message_at {
        thread.last_message_at = message.at;
        // What a machine says changes nobody's turn.
        thread.awaiting = if message.kind == Kind::Human { Some(Awaiting::Us) } else { thread.awaiting };
    }
    let part = NewParticipation {
        message_id: message.message_id,
        influencer_id: thread.influencer_id,
        thread_id: thread.id,
        role: Role::Recipient,
        agent_id: None,
        assigned: false,
        at: message.at,
    };
    tx.insert_participations(vec![part]).await?;
    Ok(())
}
