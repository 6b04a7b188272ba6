//! Placing is the same whatever the order of arrival, and shows a message only to those it concerns.

#![allow(clippy::unreachable, reason = "a test that gets there has failed")]

use super::books::{Books, Entry};
use super::*;
use crate::domain::ids::{ConversationId, ThreadId};
use crate::domain::time::Micros;
use proptest::prelude::*;
use uuid::Uuid;

fn inf(n: u128) -> InfluencerId {
    InfluencerId(Uuid::from_u128(n))
}

fn ask<'a>(author: &'a str, identity: &'a Identity, people: &'a People) -> Ask<'a> {
    Ask {
        direction: Direction::Inbound,
        kind: Kind::Human,
        author: Some(author),
        to: &[],
        cc: &[],
        reported: &[],
        in_conversation: &[],
        of_parent: &[],
        sure_in_conversation: &[],
        sure_of_parent: &[],
        identity,
        people,
    }
}

fn people() -> People {
    let agent = AgentId(Uuid::from_u128(90));
    People {
        owners: HashMap::from([
            ("ana@example.org".to_owned(), Owner::Influencer(inf(1))),
            ("bo@example.org".to_owned(), Owner::Influencer(inf(2))),
            ("mgr@talent.example".to_owned(), Owner::Agent(agent)),
        ]),
        stands_for: HashMap::from([(agent, vec![inf(1), inf(2), inf(3)])]),
    }
}

#[test]
fn agent_writes_for_those_the_conversation_is_about_and_else_for_all_marked() {
    let (identity, people) = (Identity::default(), people());
    let about = [inf(2), inf(7)];
    let by_agent = |ask: Ask<'_>| {
        let placed = choose_parts(&ask);
        (placed.parts.iter().map(|p| (p.influencer, p.assigned)).collect::<Vec<_>>(), placed.waiting.is_some())
    };
    let agent = || Ask { in_conversation: &about, ..ask("mgr@talent.example", &identity, &people) };
    assert_eq!(by_agent(Ask { sure_in_conversation: &about, ..agent() }), (vec![(inf(2), true)], false));
    // The message that is answered says more than the conversation it is in.
    let both = [inf(1), inf(2)];
    let nearer = Ask { sure_in_conversation: &both, sure_of_parent: &[inf(1)], ..agent() };
    assert_eq!(by_agent(nearer), (vec![(inf(1), true)], false));
    // A conversation that was shown to all for want of knowing better ties to nobody.
    let all = vec![(inf(1), false), (inf(2), false), (inf(3), false)];
    assert_eq!(by_agent(Ask { of_parent: &both, ..agent() }), (all, true));
    let placed = choose_parts(&ask("mgr@talent.example", &identity, &people));
    assert_eq!(placed.parts.len(), 3);
    assert!(placed.parts.iter().all(|p| !p.assigned && p.role == Role::Author));
    assert_eq!(placed.waiting.unwrap().reason, UnmatchedReason::AgentUnassigned);
}

#[test]
fn unknown_writer_in_a_known_thread_shows_there_as_a_proposal_and_is_never_the_author() {
    let (identity, people) = (Identity::default(), people());
    let placed = choose_parts(&Ask { in_conversation: &[inf(1)], ..ask("ana@private.example", &identity, &people) });
    assert_eq!(placed.parts[0].influencer, inf(1));
    assert_ne!(placed.parts[0].role, Role::Author);
    assert_eq!(placed.waiting.unwrap().reason, UnmatchedReason::AliasProposed);
    let many: Vec<InfluencerId> = (1..40).map(inf).collect();
    let placed = choose_parts(&Ask { in_conversation: &many, ..ask("x@private.example", &identity, &people) });
    assert!(placed.parts.is_empty(), "a mail to many tells nothing about who answered");
}

#[test]
fn all_known_recipients_see_the_message_and_unknown_ones_are_remembered() {
    let identity = Identity { domains: HashSet::from(["acme.example".to_owned()]), ..Identity::default() };
    let people = people();
    let to = ["bo@example.org".to_owned(), "hello@acme.example".to_owned(), "new@example.net".to_owned()];
    let placed = choose_parts(&Ask { to: &to, ..ask("ana@example.org", &identity, &people) });
    assert_eq!(
        placed.parts.iter().map(|p| (p.influencer, p.role)).collect::<Vec<_>>(),
        [(inf(1), Role::Author), (inf(2), Role::Recipient)]
    );
    assert_eq!(placed.strangers, [("new@example.net".to_owned(), Role::Recipient)]);
}

fn conversation_of(order: &[usize], mails: &[Vec<String>]) -> Vec<Vec<usize>> {
    let mut books = Books::default();
    let mut next = 0;
    let mut placed = vec![ConversationId(Uuid::nil()); mails.len()];
    for &i in order {
        placed[i] = books.place(&mails[i], None, || {
            next += 1;
            ConversationId(Uuid::from_u128(next))
        });
    }
    let mut groups: HashMap<ConversationId, Vec<usize>> = HashMap::new();
    for (i, id) in placed.iter().enumerate() {
        groups.entry(books.find(*id)).or_default().push(i);
    }
    let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
    groups.sort();
    groups
}

proptest! {
    #[test]
    fn conversations_do_not_depend_on_the_order_of_arrival(
        parents in proptest::collection::vec((any::<bool>(), any::<prop::sample::Index>(), any::<prop::sample::Index>()), 2..40),
        order in any::<u64>(),
    ) {
        let mails: Vec<Vec<String>> = parents.iter().enumerate().map(|(i, (root, a, b))| {
            let mut keys = vec![format!("id:{i}")];
            if !root && i > 0 { keys.push(format!("id:{}", a.index(i))); keys.push(format!("id:{}", b.index(i))); }
            keys
        }).collect();
        let straight: Vec<usize> = (0..mails.len()).collect();
        let mut mixed = straight.clone();
        let mut seed = order;
        for i in (1..mixed.len()).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            mixed.swap(i, usize::try_from(seed >> 33).unwrap() % (i + 1));
        }
        prop_assert_eq!(conversation_of(&straight, &mails), conversation_of(&mixed, &mails));
    }
}

#[test]
fn joining_two_conversations_joins_the_threads_of_one_person_and_moves_the_others() {
    let mut books = Books::default();
    let (a, b) = (ConversationId(Uuid::from_u128(1)), ConversationId(Uuid::from_u128(2)));
    let entry = |n: u128, count| Entry {
        id: ThreadId(Uuid::from_u128(n)),
        account: "a".into(),
        subject: "s".into(),
        subject_key: "s".into(),
        message_count: count,
        last_message_at: Micros(0),
        awaiting: None,
        changed: false,
    };
    books.know_ref("id:x".into(), a);
    books.know_ref("id:y".into(), b);
    books.know_thread(a, inf(1), entry(11, 2));
    books.know_thread(b, inf(1), entry(21, 3));
    books.know_thread(b, inf(2), entry(22, 1));
    let place = books.place(&["id:x".into(), "id:y".into(), "id:z".into()], None, || unreachable!());
    assert_eq!(place, a);
    assert_eq!(books.find(b), a);
    assert_eq!(books.influencers_in(a), [inf(1), inf(2)]);
    assert_eq!(books.thread(a, inf(1), || unreachable!()).message_count, 5);
    assert_eq!(books.moves().len(), 3);
    assert_eq!(books.new_refs(), [("id:z".to_owned(), a)]);
}
