//! Who speaks: somebody outside, our account, a colleague of ours in the same house, or a program. And on whose timelines it shows.

use super::Context;
use crate::connector::feed::Said;
use crate::domain::ids::InfluencerId;
use crate::domain::threading::{Part, Placed, Waiting};
use crate::domain::words::{Direction, Kind, Role, UnmatchedReason};
use crate::domain::{address, chat};
use crate::hub::said;
use crate::store::{StoreError, Tx};

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Voice {
    /// Somebody outside, known or not.
    Theirs,
    /// Our account.
    Ours,
    /// Somebody of our own team who is nobody's address: what they say is said by us, by hand.
    Colleague,
    /// A program that is not ours.
    Machine,
}

impl Voice {
    pub(super) fn direction(self) -> Direction {
        match self {
            Self::Theirs | Self::Machine => Direction::Inbound,
            Self::Ours | Self::Colleague => Direction::Outbound,
        }
    }

    pub(super) fn kind(said: &Said) -> Kind {
        if said.by_machine { Kind::Automatic } else { Kind::Human }
    }

    /// Whether it is one of the two between whom a conversation of two is.
    pub(super) fn speaks_for_a_side(self) -> bool {
        matches!(self, Self::Theirs | Self::Ours)
    }
}

/// Who says it.
pub(super) async fn of(tx: &mut Tx, context: &Context, said: &Said) -> Result<Voice, StoreError> {
    match said.direction {
        Direction::Outbound => return Ok(Voice::Ours),
        Direction::Inbound if said.by_machine => return Ok(Voice::Machine),
        Direction::Inbound => {}
    }
    if !chat::is_of_house(&said.place, &said.author.address) {
        return Ok(Voice::Theirs);
    }
    // A guest of our workspace, say, who is somebody we know.
    let key: Vec<String> = chat::key(&said.author.address).into_iter().collect();
    let owners = tx.find_owners(key.clone()).await?;
    if !owners.is_empty() || suggested(tx, context, said).await?.is_some() {
        return Ok(Voice::Theirs);
    }
    // Or who was taken for one, and waits: whoever may be somebody we know does not become ours because their provider says nothing now.
    let waits = !tx.find_proposed(key).await?.is_empty();
    Ok(if waits { Voice::Theirs } else { Voice::Colleague })
}

/// Whose the mail address is that the provider has for a writer whom nobody knows: a person is asked whether they are the same.
async fn suggested(tx: &mut Tx, context: &Context, said: &Said) -> Result<Option<InfluencerId>, StoreError> {
    let face = context.faces.get(&said.author.address);
    let Some(key) = face.and_then(|face| address::key(face.email.as_deref()?)) else { return Ok(None) };
    let owners = tx.find_owners(vec![key]).await?;
    Ok(if let [one] = owners.as_slice() { one.influencer_id } else { None })
}

/// A writer who may be somebody we know is shown to them, as mail from another address in their thread is: until it is known, nothing
/// goes to them by itself.
async fn suggest(tx: &mut Tx, context: &Context, said: &Said, placed: &mut Placed) -> Result<(), StoreError> {
    let is_unknown = |waiting: &Waiting| waiting.reason != UnmatchedReason::AgentUnassigned;
    if !placed.waiting.as_ref().is_some_and(is_unknown) {
        return Ok(());
    }
    if let Some(influencer) = suggested(tx, context, said).await? {
        placed.add(Part { influencer, role: Role::Recipient, agent: None, assigned: false });
        placed.waiting =
            Some(Waiting { reason: UnmatchedReason::AliasProposed, influencer: Some(influencer), agent: None });
    }
    Ok(())
}

/// On whose timelines it shows; nothing where it is not kept. The caller has locked the conversations.
pub(super) async fn placed(
    tx: &mut Tx,
    context: &Context,
    said: &Said,
    voice: Voice,
) -> Result<Option<Placed>, StoreError> {
    let conversation = chat::conversation_key(&context.account, &said.conversation);
    let sort = (voice.direction(), Voice::kind(said));
    let author = chat::key(&said.author.address);
    let mut placed = match voice {
        // What is said to us is said to no one else, as far as that can be told.
        Voice::Theirs => said::whose(tx, sort, (author.as_deref(), &[]), &conversation).await?,
        Voice::Ours => {
            let to: Vec<String> = said.to.iter().filter_map(|to| chat::key(&to.address)).collect();
            said::whose(tx, sort, (None, &to), &conversation).await?
        }
        // What begins a thread answers nobody, whoever is found in it when it is told again.
        Voice::Colleague if said.id == said.conversation => return Ok(None),
        Voice::Colleague | Voice::Machine => said::whose(tx, sort, (None, &[]), &conversation).await?,
    };
    match voice {
        Voice::Theirs | Voice::Ours => {}
        // The talk of the house, and of its programs, is kept only where it is in somebody's thread; nobody is asked whose it is.
        Voice::Colleague | Voice::Machine if placed.parts.is_empty() => return Ok(None),
        Voice::Colleague | Voice::Machine => {
            placed.waiting = None;
            placed.strangers.clear();
        }
    }
    if said.is_history {
        placed.waiting = None;
    }
    suggest(tx, context, said, &mut placed).await?;
    Ok(Some(placed))
}
