//! Where an outbound message shows: a part on the timeline of each influencer it goes to, and a thread for each.

use std::collections::HashSet;

use super::Enqueued;
use super::ground::Ground;
use super::recipients::Recipient;
use crate::clock::Clock;
use crate::domain::ids::{AgentId, ConversationId, InfluencerId, MessageId, ThreadId};
use crate::domain::subject::base_subject;
use crate::domain::time::Micros;
use crate::domain::words::{Awaiting, Channel, Role};
use crate::store::message::NewParticipation;
use crate::store::outbox::AddressOwner;
use crate::store::thread::ThreadRow;

/// The message and where it belongs.
pub(super) struct Place<'a> {
    pub(super) message: MessageId,
    pub(super) conversation: ConversationId,
    pub(super) channel: Channel,
    pub(super) account: &'a str,
    pub(super) subject: &'a str,
    pub(super) at: Micros,
    /// The thread it was written in, where a person chose one.
    pub(super) thread: Option<(InfluencerId, ThreadId)>,
    /// Whom it is about, where it is the mail of a run: what goes to their agent concerns nobody else.
    pub(super) about: Option<InfluencerId>,
}

/// Someone on whose timeline it shows.
struct Part {
    influencer: InfluencerId,
    role: Role,
    agent: Option<AgentId>,
    assigned: bool,
}

/// A message that has its place.
pub(super) struct Placed {
    pub(super) enqueued: Enqueued,
    pub(super) parts: Vec<NewParticipation>,
    /// Those of its recipients who are on no timeline.
    pub(super) strangers: Vec<(String, MessageId, Role)>,
}

/// Gives a message its place, and notes what it leaves there so that the next one of this ground is placed after it.
pub(super) fn place_in(
    clock: &Clock,
    ground: &mut Ground,
    place: &Place<'_>,
    (envelope, owners): (&[Recipient], &[AddressOwner]),
    (internet_message_id, token): (String, String),
) -> Placed {
    let (threads, parts) = on_timelines(clock, place, (envelope, owners), ground.threads(place.conversation));
    ground.note(place.conversation, threads);
    let enqueued = Enqueued {
        id: place.message,
        conversation_id: place.conversation,
        threads: parts.iter().map(|p| (p.influencer_id, p.thread_id)).collect(),
        internet_message_id,
        token,
        due_at: place.at,
    };
    let is_strange = |r: &&Recipient| !owners.iter().any(|o| o.value_key == r.key && o.influencer_id.is_some());
    let strangers = envelope.iter().filter(is_strange).map(|r| (r.key.clone(), place.message, r.role)).collect();
    Placed { enqueued, parts, strangers }
}

/// The threads a message shows in, as it leaves them, and the parts it has there.
fn on_timelines(
    clock: &Clock,
    place: &Place<'_>,
    (envelope, owners): (&[Recipient], &[AddressOwner]),
    known: &[ThreadRow],
) -> (Vec<ThreadRow>, Vec<NewParticipation>) {
    let parts = choose_parts(place, envelope, owners, known);
    let threads: Vec<ThreadRow> = parts.iter().map(|p| thread_of(clock, place, p, known)).collect();
    let rows = parts
        .iter()
        .zip(&threads)
        .map(|(part, thread)| NewParticipation {
            message_id: place.message,
            influencer_id: thread.influencer_id,
            thread_id: thread.id,
            role: part.role,
            agent_id: part.agent,
            assigned: part.assigned,
            at: place.at,
        })
        .collect();
    (threads, rows)
}

/// Each influencer once. A mail to an agent shows with the influencers this conversation is about, else with all they
/// stand for, marked so that a person may look.
fn choose_parts(place: &Place<'_>, envelope: &[Recipient], owners: &[AddressOwner], known: &[ThreadRow]) -> Vec<Part> {
    let mut seen = HashSet::new();
    let mut parts = Vec::new();
    for recipient in envelope {
        let own: Vec<(InfluencerId, Option<AgentId>)> = owners
            .iter()
            .filter(|o| o.value_key == recipient.key)
            .filter_map(|o| Some((o.influencer_id?, o.agent_id)))
            .collect();
        let of_run = place.about.filter(|about| own.iter().any(|(id, agent)| agent.is_some() && id == about));
        let about = |id: InfluencerId| match of_run {
            Some(run) => run == id,
            None => known.iter().any(|t| t.influencer_id == id),
        };
        let is_told = own.iter().any(|(id, agent)| agent.is_some() && about(*id));
        let all = own.len();
        for (influencer, agent) in own {
            if is_told && !about(influencer) {
                continue;
            }
            let assigned = agent.is_none() || is_told || all == 1;
            if seen.insert(influencer) {
                parts.push(Part { influencer, role: recipient.role, agent, assigned });
            }
        }
    }
    if let Some((influencer, _)) = place.thread
        && seen.insert(influencer)
    {
        parts.push(Part { influencer, role: Role::Cc, agent: None, assigned: true });
    }
    parts
}

fn thread_of(clock: &Clock, place: &Place<'_>, part: &Part, known: &[ThreadRow]) -> ThreadRow {
    if let Some(thread) = known.iter().find(|t| t.influencer_id == part.influencer) {
        let mut thread = thread.clone();
        thread.message_count = thread.message_count.saturating_add(1);
        thread.last_message_at = thread.last_message_at.max(place.at);
        thread.awaiting = Some(Awaiting::Them);
        return thread;
    }
    ThreadRow {
        id: ThreadId(clock.new_id()),
        conversation_id: place.conversation,
        influencer_id: part.influencer,
        channel: place.channel,
        account: place.account.to_owned(),
        subject: place.subject.to_owned(),
        subject_key: base_subject(place.subject),
        message_count: 1,
        last_message_at: place.at,
        awaiting: Some(Awaiting::Them),
    }
}
