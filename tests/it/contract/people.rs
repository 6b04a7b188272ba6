//! Influencers, agents, addresses, notes and the ledgers.

use crate::{seed, stores};
use liaison::clock::Clock;
use liaison::domain::ids::{AddressId, AgentId, InfluencerId, LedgerId, NoteId};
use liaison::domain::people::{
    Address, Agent, Consent, Influencer, Network, Note, Person, SCOPE_ALL, Suppression, handle_key,
};
use liaison::domain::time::Micros;
use liaison::domain::words::{Awaiting, Channel, Kind, Role, SuppressionReason};
use liaison::store::people::Touch;
use liaison::store::people::filter::{AudienceFilter, Compare, PropertyFilter, RunFilter};
use liaison::store::people::list::{InfluencerCursor, InfluencerFilter, InfluencerOrder, explain_text};
use liaison::store::reading::Page;
use liaison::store::reading::thread::ThreadFilter;
use liaison::store::{Store, StoreError, Tx};

const AT: Micros = Micros(1_772_355_600_000_000);

fn influencer(clock: &Clock, handle: &str, first: &str, last: &str) -> Influencer {
    Influencer {
        id: InfluencerId(clock.new_id()),
        handle: handle.into(),
        first_name: first.into(),
        last_name: last.into(),
        stage: "prospect".into(),
        stage_pinned: false,
        stage_at: AT,
        owner: None,
        timezone: Some("Europe/Lisbon".into()),
        properties: serde_json::Map::from_iter([("niche".to_owned(), serde_json::json!("running"))]),
        awaiting: None,
        last_message_at: None,
        held_until: None,
        created_at: AT,
        updated_at: AT,
        version: 1,
    }
}

fn agent(clock: &Clock, first: &str) -> Agent {
    let id = AgentId(clock.new_id());
    Agent { id, first_name: first.into(), last_name: String::new(), created_at: AT, updated_at: AT }
}

fn address(clock: &Clock, person: Person, email: &str) -> Address {
    Address {
        id: AddressId(clock.new_id()),
        channel: Channel::Email,
        value: email.into(),
        value_key: liaison::domain::address::key(email).unwrap(),
        person,
        is_primary: true,
        dead_at: None,
        dead_reason: None,
        created_at: AT,
    }
}

async fn added(store: &Store, influencers: &[Influencer]) {
    let mut tx = store.begin("test.people").await.unwrap();
    tx.insert_influencers(influencers).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn influencer_reads_back_by_id_and_handle_and_a_taken_handle_is_refused() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = influencer(&clock, "@AnaRuns", "Ana", "Silva");
        added(&fresh.store, std::slice::from_ref(&ana)).await;
        let mut tx = fresh.store.begin("test.get").await.unwrap();
        assert_eq!(tx.get_influencer(ana.id).await.unwrap().as_ref(), Some(&ana), "{}", fresh.name);
        assert_eq!(tx.lock_influencer(ana.id).await.unwrap().as_ref(), Some(&ana));
        let key = handle_key("anaruns").unwrap();
        assert_eq!(tx.get_influencer_by_handle(&key).await.unwrap(), Some(ana.clone()));
        assert_eq!(tx.get_influencer_by_handle("bo").await.unwrap(), None);
        assert_eq!(tx.get_influencers(vec![ana.id, InfluencerId(clock.new_id())]).await.unwrap().len(), 1);
        let stages = tx.influencer_stages(vec![ana.id]).await.unwrap();
        assert_eq!((stages[0].influencer_id, stages[0].stage.as_str(), stages[0].pinned), (ana.id, "prospect", false));
        let twin = influencer(&clock, "anaRUNS", "Other", "");
        let refused = tx.insert_influencers(&[influencer(&clock, "bo", "", ""), twin]).await;
        assert!(matches!(refused, Err(StoreError::Exists(_))), "{refused:?}");
        drop(tx);
        let mut tx = fresh.store.read().await.unwrap();
        assert_eq!(tx.get_influencer_by_handle("bo").await.unwrap(), None, "{}", fresh.name);
    }
}

#[tokio::test]
async fn update_of_an_influencer_needs_the_version_that_was_read() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let mut ana = influencer(&clock, "ana", "Ana", "Silva");
        added(&fresh.store, std::slice::from_ref(&ana)).await;
        let mut tx = fresh.store.begin("test.update").await.unwrap();
        ana.last_name = "Costa".into();
        ana.owner = Some("kim".into());
        ana.handle = "@anaswims".into();
        ana.held_until = Some(Micros(9));
        assert!(tx.update_influencer(&ana).await.unwrap());
        assert!(!tx.update_influencer(&ana).await.unwrap(), "{}", fresh.name);
        assert!(tx.set_influencer_stage(ana.id, "in_talks", true, Micros(7)).await.unwrap());
        let read = tx.get_influencer(ana.id).await.unwrap().unwrap();
        assert_eq!((read.version, read.last_name.as_str(), read.handle.as_str()), (3, "Costa", "@anaswims"));
        assert_eq!((read.stage.as_str(), read.stage_pinned, read.stage_at), ("in_talks", true, Micros(7)));
        assert_eq!(read.held_until, Some(Micros(9)));
        let mut found = async |q: &str| handles(&mut tx, &filter(q), InfluencerOrder::Added).await;
        assert_eq!(found("cos").await, ["@anaswims"]);
        assert_eq!(found("silva").await, Vec::<String>::new());
    }
}

fn filter(q: &str) -> InfluencerFilter {
    InfluencerFilter { q: Some(q.into()), ..InfluencerFilter::default() }
}

async fn handles(tx: &mut Tx, filter: &InfluencerFilter, order: InfluencerOrder) -> Vec<String> {
    tx.list_influencers(filter, order, None, 100).await.unwrap().into_iter().map(|i| i.handle).collect()
}

#[tokio::test]
async fn pages_of_influencers_show_everyone_once_newest_message_first() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let all: Vec<Influencer> = (0..25).map(|n| influencer(&clock, &format!("h{n}"), "", "")).collect();
        added(&fresh.store, &all).await;
        let mut tx = fresh.store.begin("test.touch").await.unwrap();
        // Five wrote, two of them at the same instant.
        let touch = |n: usize, at| Touch {
            influencer_id: all[n].id,
            last_message_at: Micros(at),
            awaiting: Some(Awaiting::Us),
        };
        tx.touch_influencers([(3, 30), (9, 90), (4, 40), (5, 40), (7, 70)].map(|(n, at)| touch(n, at)).to_vec())
            .await
            .unwrap();
        for (order, first) in [
            (InfluencerOrder::NewestMessage, vec!["h9", "h7", "h5", "h4", "h3", "h24", "h23"]),
            (InfluencerOrder::Added, vec!["h0", "h1", "h2", "h3"]),
        ] {
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let page = tx.list_influencers(&InfluencerFilter::default(), order, cursor, 4).await.unwrap();
                let Some(last) = page.last() else { break };
                cursor = Some(InfluencerCursor::after(last).to_string().parse().unwrap());
                seen.extend(page.into_iter().map(|i| i.handle));
            }
            assert_eq!(seen[..first.len()], first, "{}", fresh.name);
            assert_eq!(seen.len(), 25);
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), 25);
        }
        assert!("x".parse::<InfluencerCursor>().is_err());
    }
}

#[tokio::test]
async fn filters_of_influencers_all_hold_together() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let mut ana = influencer(&clock, "@AnaRuns", "Ana María", "da Silva");
        ana.owner = Some("kim".into());
        let mut bo = influencer(&clock, "bocooks", "Bo", "Ångström");
        bo.stage = "applicant".into();
        let cy = influencer(&clock, "sil_vie", "Cy", "");
        added(&fresh.store, &[ana.clone(), bo.clone(), cy.clone()]).await;
        let mut tx = fresh.store.begin("test.filter").await.unwrap();
        tx.insert_tags(&[(ana.id, "food".into()), (bo.id, "food".into())]).await.unwrap();
        for (q, expected) in [
            ("@ana", vec!["@AnaRuns"]),
            ("SIL", vec!["@AnaRuns", "sil_vie"]),
            ("da sil", vec!["@AnaRuns"]),
            ("ÅNG", vec!["bocooks"]),
            ("bo ång", vec!["bocooks"]),
            ("sil%", vec![]),
            ("zzz", vec![]),
            ("  ", vec!["@AnaRuns", "bocooks", "sil_vie"]),
        ] {
            assert_eq!(handles(&mut tx, &filter(q), InfluencerOrder::Added).await, expected, "{q} on {}", fresh.name);
        }
        let stage = InfluencerFilter { stage: Some("applicant".into()), ..InfluencerFilter::default() };
        assert_eq!(handles(&mut tx, &stage, InfluencerOrder::NewestMessage).await, ["bocooks"]);
        let tag = InfluencerFilter { tag: Some("food".into()), ..InfluencerFilter::default() };
        assert_eq!(handles(&mut tx, &tag, InfluencerOrder::Added).await, ["@AnaRuns", "bocooks"]);
        let owner = InfluencerFilter { owner: Some("kim".into()), ..tag };
        assert_eq!(handles(&mut tx, &owner, InfluencerOrder::NewestMessage).await, ["@AnaRuns"]);
        let all = InfluencerFilter { stage: Some("prospect".into()), q: Some("ana".into()), ..owner };
        assert_eq!(handles(&mut tx, &all, InfluencerOrder::NewestMessage).await, ["@AnaRuns"]);
        tx.delete_tags(ana.id, vec!["food".into(), "none".into()]).await.unwrap();
        assert_eq!(handles(&mut tx, &all, InfluencerOrder::Added).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn touches_keep_the_newest_and_never_go_back() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = influencer(&clock, "ana", "", "");
        added(&fresh.store, std::slice::from_ref(&ana)).await;
        let mut tx = fresh.store.begin("test.touch").await.unwrap();
        let touch = |at, awaiting| Touch { influencer_id: ana.id, last_message_at: Micros(at), awaiting };
        tx.touch_influencers(vec![]).await.unwrap();
        let (us, them) = (Some(Awaiting::Us), Some(Awaiting::Them));
        for (touches, expected) in [
            (vec![touch(50, us), touch(70, them), touch(60, us)], (70, them)),
            (vec![touch(10, us)], (70, them)),
            (vec![touch(80, None)], (80, them)),
            (vec![touch(90, us), touch(91, None)], (91, us)),
        ] {
            tx.touch_influencers(touches).await.unwrap();
            let read = tx.get_influencer(ana.id).await.unwrap().unwrap();
            assert_eq!((read.last_message_at, read.awaiting), (Some(Micros(expected.0)), expected.1), "{}", fresh.name);
            assert_eq!(read.version, 1);
        }
    }
}

#[tokio::test]
async fn address_belongs_to_one_person_and_says_whose_it_is() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = influencer(&clock, "ana", "", "");
        added(&fresh.store, std::slice::from_ref(&ana)).await;
        let mgr = agent(&clock, "Mia");
        let mut tx = fresh.store.begin("test.address").await.unwrap();
        tx.insert_agents(std::slice::from_ref(&mgr)).await.unwrap();
        let second = Address { is_primary: false, ..address(&clock, Person::Influencer(ana.id), "ana2@example.org") };
        let own = address(&clock, Person::Influencer(ana.id), "Ana@Example.org");
        let theirs = address(&clock, Person::Agent(mgr.id), "mia@talent.example");
        tx.insert_addresses(&[second.clone(), own.clone(), theirs.clone()]).await.unwrap();
        let keys = ["ana@example.org", "mia@talent.example", "nobody@example.org"].map(str::to_owned).to_vec();
        let mut owners = tx.find_addresses(Channel::Email, keys).await.unwrap();
        owners.sort_by(|a, b| a.value_key.cmp(&b.value_key));
        assert_eq!(owners.len(), 2, "{}", fresh.name);
        assert_eq!((owners[0].address_id, owners[0].influencer_id, owners[0].agent_id), (own.id, Some(ana.id), None));
        assert_eq!(
            (owners[1].address_id, owners[1].influencer_id, owners[1].agent_id),
            (theirs.id, None, Some(mgr.id))
        );
        assert_eq!(tx.list_addresses_of_influencers(vec![ana.id]).await.unwrap(), [own.clone(), second]);
        assert_eq!(tx.list_addresses_of_agents(vec![mgr.id]).await.unwrap(), [theirs]);
        let found = tx.get_influencer_by_address(Channel::Email, "ana@example.org").await.unwrap();
        assert_eq!(found.map(|i| i.id), Some(ana.id));
        assert!(tx.mark_address_dead(Channel::Email, "ana@example.org", "5.1.1", Micros(5)).await.unwrap());
        assert!(!tx.mark_address_dead(Channel::Email, "ana@example.org", "later", Micros(6)).await.unwrap());
        assert!(!tx.mark_address_dead(Channel::Email, "nobody@example.org", "x", Micros(6)).await.unwrap());
        let owner = tx.find_addresses(Channel::Email, vec!["ana@example.org".into()]).await.unwrap();
        assert_eq!(owner[0].dead_at, Some(Micros(5)));
        let taken = tx.insert_addresses(&[address(&clock, Person::Agent(mgr.id), "ANA@example.org")]).await;
        assert!(matches!(taken, Err(StoreError::Exists(_))), "{taken:?}");
    }
}

#[tokio::test]
async fn whose_an_address_is_is_known_by_its_form_whatever_channel_it_is_of() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = influencer(&clock, "ana", "", "");
        added(&fresh.store, std::slice::from_ref(&ana)).await;
        let mia = agent(&clock, "Mia");
        let mut tx = fresh.store.begin("test.address").await.unwrap();
        tx.insert_agents(std::slice::from_ref(&mia)).await.unwrap();
        let of = |channel, key: &str, person| Address {
            id: AddressId(clock.new_id()),
            channel,
            value: key.into(),
            value_key: key.into(),
            person,
            is_primary: true,
            dead_at: None,
            dead_reason: None,
            created_at: AT,
        };
        let (own, theirs) = (Person::Influencer(ana.id), Person::Agent(mia.id));
        let all = [
            of(Channel::Sms, "+14155550101", own),
            of(Channel::Slack, "T1/U2", theirs),
            of(Channel::Email, "ana@example.org", own),
        ];
        tx.insert_addresses(&all).await.unwrap();
        tx.mark_address_dead(Channel::Sms, "+14155550101", "30003", Micros(5)).await.unwrap();
        let keys = ["+14155550101", "T1/U2", "ana@example.org", "T1/U9"].map(str::to_owned).to_vec();
        let mut found = tx.find_owners(keys).await.unwrap();
        found.sort_by(|a, b| a.value_key.cmp(&b.value_key));
        let found: Vec<_> =
            found.into_iter().map(|o| (o.value_key, o.address_id, o.influencer_id, o.agent_id, o.dead_at)).collect();
        let expected = [
            ("+14155550101".to_owned(), all[0].id, Some(ana.id), None, Some(Micros(5))),
            ("T1/U2".to_owned(), all[1].id, None, Some(mia.id), None),
            ("ana@example.org".to_owned(), all[2].id, Some(ana.id), None, None),
        ];
        assert_eq!(found, expected, "{}", fresh.name);
        assert!(tx.find_owners(Vec::new()).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_former_handle_means_whoever_gave_it_up_last_until_it_is_theirs_again() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let (ana, bo) = (influencer(&clock, "ana", "", ""), influencer(&clock, "bo", "", ""));
        added(&fresh.store, &[ana.clone(), bo.clone()]).await;
        let mut tx = fresh.store.begin("test.former").await.unwrap();
        tx.put_former_handle("old", ana.id, Micros(1)).await.unwrap();
        tx.put_former_handle("older", ana.id, Micros(1)).await.unwrap();
        tx.put_former_handle("old", bo.id, Micros(2)).await.unwrap();
        tx.delete_former_handle("old", ana.id).await.unwrap();
        let keys = ["old", "older", "new"].map(str::to_owned).to_vec();
        let mut found = tx.find_former_handles(keys.clone()).await.unwrap();
        found.sort();
        assert_eq!(found, [("old".to_owned(), bo.id), ("older".to_owned(), ana.id)], "{}", fresh.name);
        tx.delete_former_handle("old", bo.id).await.unwrap();
        assert_eq!(tx.find_former_handles(keys).await.unwrap().len(), 1, "{}", fresh.name);
    }
}

#[tokio::test]
async fn address_that_is_taken_away_is_known_by_its_event_and_mail_that_waits_for_it_is_found() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let (ana, bo) = (influencer(&clock, "ana", "", ""), influencer(&clock, "bo", "", ""));
        added(&fresh.store, &[ana.clone(), bo.clone()]).await;
        let (one, other) = ("ana@example.org", "bo@example.org");
        let thread = seed::thread(&fresh, &clock, ana.id, 1).await;
        let mail = seed::message_in(&fresh, &clock, &thread, 2).await;
        seed::outbox(&fresh, mail, "deferred").await;
        let mut tx = fresh.store.begin("test.address").await.unwrap();
        let own = address(&clock, Person::Influencer(ana.id), one);
        tx.insert_addresses(&[own.clone(), address(&clock, Person::Influencer(bo.id), other)]).await.unwrap();
        assert_eq!(tx.mail_waiting_for(one).await.unwrap(), None, "it was refused there");
        tx.commit().await.unwrap();
        seed::run(&fresh, "UPDATE outbox_recipient SET state = 'deferred' WHERE outbox_id = $1", &[mail.0]).await;
        let mut tx = fresh.store.begin("test.address").await.unwrap();
        assert_eq!(tx.mail_waiting_for(one).await.unwrap(), Some(mail), "{}", fresh.name);
        assert_eq!(tx.mail_waiting_for(other).await.unwrap(), None);
        tx.delete_address(own.id).await.unwrap();
        assert_eq!(tx.list_addresses_of_influencers(vec![ana.id]).await.unwrap(), []);
        assert_eq!(tx.list_addresses_of_influencers(vec![bo.id]).await.unwrap().len(), 1);
        let told = |who: &Influencer, data: serde_json::Value| liaison::store::event::NewEvent {
            id: liaison::domain::ids::EventId(clock.new_id()),
            kind: liaison::domain::words::EventType::InfluencerUpdated,
            at: AT,
            influencer_id: Some(who.id),
            stage: None,
            message_id: None,
            data: Some(data),
            enrollment_id: None,
            machine: None,
        };
        let gone = serde_json::json!({"changed": ["addresses"], "removed": one});
        let events = vec![
            told(&ana, gone.clone()),
            told(&ana, gone),
            told(&ana, serde_json::json!({"changed": ["owner"]})),
            told(&bo, serde_json::json!({"removed": other})),
        ];
        tx.insert_events(events).await.unwrap();
        assert_eq!(tx.removed_addresses(vec![ana.id]).await.unwrap(), [one], "{}", fresh.name);
        assert_eq!(tx.removed_addresses(vec![ana.id, bo.id]).await.unwrap(), [one, other]);
    }
}

#[tokio::test]
async fn agent_stands_for_many_influencers() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let all: Vec<Influencer> = (0..3).map(|n| influencer(&clock, &format!("h{n}"), "", "")).collect();
        added(&fresh.store, &all).await;
        let (mut mia, lou) = (agent(&clock, "Mia"), agent(&clock, "Lou"));
        let mut tx = fresh.store.begin("test.agent").await.unwrap();
        tx.insert_agents(&[mia.clone(), lou.clone()]).await.unwrap();
        let links = [(mia.id, all[0].id), (mia.id, all[2].id), (lou.id, all[2].id)];
        assert_eq!(tx.link_agents(&links).await.unwrap(), 3, "{}", fresh.name);
        assert_eq!(tx.link_agents(&links).await.unwrap(), 0);
        let mut expected = links.to_vec();
        expected.sort_unstable();
        assert_eq!(tx.influencers_of_agents(vec![mia.id, lou.id]).await.unwrap(), expected);
        assert_eq!(
            tx.agents_of_influencers(vec![all[2].id, all[1].id]).await.unwrap(),
            [(all[2].id, mia.id), (all[2].id, lou.id)]
        );
        mia.last_name = "Berg".into();
        assert!(tx.update_agent(&mia).await.unwrap());
        assert!(!tx.update_agent(&agent(&clock, "none")).await.unwrap());
        assert_eq!(tx.get_agent(mia.id).await.unwrap().as_ref(), Some(&mia));
        assert_eq!(tx.list_agents(None, 1).await.unwrap(), std::slice::from_ref(&mia));
        assert_eq!(tx.list_agents(Some(mia.id), 5).await.unwrap(), std::slice::from_ref(&lou));
        assert!(tx.unlink_agent(mia.id, all[0].id).await.unwrap());
        assert!(!tx.unlink_agent(mia.id, all[0].id).await.unwrap());
        let views = tx.view_agents(vec![lou, mia]).await.unwrap();
        assert_eq!(views[1].influencers.iter().map(|i| i.handle.as_str()).collect::<Vec<_>>(), ["h2"]);
    }
}

#[tokio::test]
async fn own_no_replaces_other_reasons_and_what_is_carried_over_replaces_nothing() {
    let clock = Clock::machine();
    let row = |reason, evidence: &str| Suppression {
        id: LedgerId(clock.new_id()),
        channel: Channel::Email,
        value_key: "a@example.org".into(),
        scope: SCOPE_ALL.into(),
        reason,
        evidence: evidence.into(),
        at: AT,
    };
    let carried = || row(SuppressionReason::OptedOut, "m1 (as b@example.org, the same person)");
    for fresh in stores::both().await {
        for (first, second, which) in [
            (row(SuppressionReason::ByHand, "e"), carried(), 0),
            (row(SuppressionReason::Complaint, "e"), row(SuppressionReason::OptedOut, "m2"), 1),
            (row(SuppressionReason::ByHand, "e"), row(SuppressionReason::Complaint, "m2"), 1),
            (row(SuppressionReason::Complaint, "m2"), row(SuppressionReason::ByHand, "e"), 0),
            (row(SuppressionReason::OptedOut, "m1"), row(SuppressionReason::Complaint, "m2"), 0),
            (carried(), row(SuppressionReason::OptedOut, "m2"), 1),
            (carried(), row(SuppressionReason::Complaint, "m2"), 1),
            (carried(), carried(), 0),
        ] {
            let mut tx = fresh.store.begin("test.ledger").await.unwrap();
            tx.insert_suppressions(std::slice::from_ref(&first)).await.unwrap();
            assert_eq!(tx.insert_suppressions(std::slice::from_ref(&second)).await.unwrap(), which, "{}", fresh.name);
            let kept = tx.suppressed(Channel::Email, vec!["a@example.org".into()]).await.unwrap();
            assert_eq!(kept, [if which == 1 { second } else { first }], "{}", fresh.name);
        }
    }
}

#[tokio::test]
async fn suppression_is_kept_once_and_consents_are_kept_all() {
    let clock = Clock::machine();
    let suppression = |key: &str, reason| Suppression {
        id: LedgerId(clock.new_id()),
        channel: Channel::Email,
        value_key: key.into(),
        scope: SCOPE_ALL.into(),
        reason,
        evidence: "e".into(),
        at: AT,
    };
    for fresh in stores::both().await {
        let mut tx = fresh.store.begin("test.ledger").await.unwrap();
        let first = suppression("a@example.org", SuppressionReason::Complaint);
        assert_eq!(tx.insert_suppressions(std::slice::from_ref(&first)).await.unwrap(), 1);
        let again = [
            suppression("a@example.org", SuppressionReason::ByHand),
            suppression("b@example.org", SuppressionReason::Bounced),
        ];
        assert_eq!(tx.insert_suppressions(&again).await.unwrap(), 1, "{}", fresh.name);
        let keys = vec!["a@example.org".to_owned(), "c@example.org".into()];
        assert_eq!(tx.suppressed(Channel::Email, keys.clone()).await.unwrap(), std::slice::from_ref(&first));
        assert_eq!(tx.list_suppressions(Some(first.id), 9).await.unwrap(), [again[1].clone()]);
        assert_eq!(tx.list_suppressions(None, 9).await.unwrap().len(), 2);
        assert_eq!(tx.delete_suppressions(Channel::Email, "a@example.org").await.unwrap(), 1);
        assert_eq!(tx.suppressed(Channel::Email, keys.clone()).await.unwrap(), []);
        let consent = |at| Consent {
            id: LedgerId(clock.new_id()),
            channel: Channel::Email,
            value_key: "a@example.org".into(),
            source: "form".into(),
            evidence: "row 2".into(),
            at: Micros(at),
            withdrawn_at: None,
        };
        let two = [consent(1), consent(2)];
        tx.insert_consents(&two).await.unwrap();
        assert_eq!(tx.list_consents(Channel::Email, keys.clone()).await.unwrap(), [two[1].clone(), two[0].clone()]);
        assert_eq!(tx.withdraw_consents(Channel::Email, "a@example.org", Micros(3)).await.unwrap(), 2);
        assert_eq!(tx.withdraw_consents(Channel::Email, "a@example.org", Micros(4)).await.unwrap(), 0);
        assert!(
            tx.list_consents(Channel::Email, keys).await.unwrap().iter().all(|c| c.withdrawn_at == Some(Micros(3)))
        );
    }
}

#[tokio::test]
async fn notes_are_read_newest_first_from_a_place_in_time() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let ana = influencer(&clock, "ana", "", "");
        added(&fresh.store, std::slice::from_ref(&ana)).await;
        let mut tx = fresh.store.begin("test.note").await.unwrap();
        let mut notes = Vec::new();
        for (n, at) in [10, 20, 20, 30].into_iter().enumerate() {
            let id = NoteId(clock.new_id());
            let note = Note { id, influencer_id: ana.id, author: "kim".into(), text: format!("n{n}"), at: Micros(at) };
            tx.insert_note(&note).await.unwrap();
            notes.push(note);
        }
        let texts = |notes: Vec<Note>| notes.into_iter().map(|n| n.text).collect::<Vec<_>>();
        let start = (Micros(i64::MAX), uuid::Uuid::max());
        assert_eq!(texts(tx.list_timeline_notes(ana.id, start, 2).await.unwrap()), ["n3", "n2"], "{}", fresh.name);
        let place = (notes[2].at, notes[2].id.0);
        assert_eq!(texts(tx.list_timeline_notes(ana.id, place, 9).await.unwrap()), ["n1", "n0"]);
    }
}

#[tokio::test]
async fn view_of_an_influencer_has_all_that_hangs_on_them() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let (ana, bo) = (influencer(&clock, "ana", "Ana", ""), influencer(&clock, "bo", "", ""));
        added(&fresh.store, &[ana.clone(), bo.clone()]).await;
        let mia = agent(&clock, "Mia");
        let mut tx = fresh.store.begin("test.view").await.unwrap();
        tx.insert_agents(std::slice::from_ref(&mia)).await.unwrap();
        tx.link_agents(&[(mia.id, ana.id)]).await.unwrap();
        let (own, theirs) = (
            address(&clock, Person::Influencer(ana.id), "Ana@example.org"),
            address(&clock, Person::Agent(mia.id), "mia@talent.example"),
        );
        tx.insert_addresses(&[own, theirs]).await.unwrap();
        let network = |name: &str, followers| Network { network: name.into(), handle: "x".into(), followers };
        tx.upsert_networks(&[(ana.id, network("tiktok", Some(7_000))), (ana.id, network("instagram", Some(4_000)))])
            .await
            .unwrap();
        tx.upsert_networks(&[(ana.id, network("tiktok", None)), (ana.id, network("instagram", Some(5_000)))])
            .await
            .unwrap();
        assert_eq!(tx.insert_tags(&[(ana.id, "b".into()), (ana.id, "a".into())]).await.unwrap(), 2);
        assert_eq!(tx.insert_tags(&[(ana.id, "b".into())]).await.unwrap(), 0);
        let views = tx.view_influencers(vec![bo, ana.clone()]).await.unwrap();
        let shown = serde_json::to_value(&views[1]).unwrap();
        assert_eq!(shown["id"], ana.id.to_string(), "{}", fresh.name);
        assert_eq!(shown["tags"], serde_json::json!(["a", "b"]));
        assert_eq!((shown["reach"].as_i64(), shown["tier"].as_str()), (Some(12_000), Some("micro")));
        assert_eq!(shown["networks"][0]["network"], "instagram");
        let (networks, properties) = tx.list_attribute_names(100).await.unwrap();
        assert_eq!(networks, ["instagram", "tiktok"], "{}", fresh.name);
        assert_eq!(properties, ana.properties.keys().cloned().collect::<Vec<String>>(), "{}", fresh.name);
        assert_eq!(tx.list_attribute_names(1).await.unwrap().0, ["instagram"]);
        assert_eq!(shown["agent"]["email"], "mia@talent.example");
        assert_eq!(shown["addresses"][0]["value"], "Ana@example.org");
        assert_eq!(shown["addresses"][0]["primary"], true);
        assert_eq!(shown["properties"]["niche"], "running");
        assert_eq!((&views[0].agent, views[0].reach, views[0].addresses.len()), (&None, None, 0));
    }
}

/// Each wish alone, all of them, and every pair with a stage.
fn filters() -> Vec<(InfluencerFilter, InfluencerOrder)> {
    let of = InfluencerFilter::default;
    let property = |compare| PropertyFilter { name: "niche".into(), compare, value: "7".into() };
    let share = AudienceFilter { dimension: "country".into(), key: "us".into(), least: 0.4 };
    let run = RunFilter { sequence: Some("s".into()), step: Some("a".into()), state: None };
    let single = vec![
        of(),
        InfluencerFilter { stage: Some("s".into()), ..of() },
        InfluencerFilter { owner: Some("kim".into()), ..of() },
        InfluencerFilter { tag: Some("t".into()), ..of() },
        InfluencerFilter { q: Some("an".into()), ..of() },
        InfluencerFilter { awaiting: Some(Awaiting::Us), ..of() },
        InfluencerFilter { network: Some("n".into()), agent: Some(AgentId(uuid::Uuid::nil())), ..of() },
        InfluencerFilter { account: Some("a".into()), ..of() },
        InfluencerFilter { reach_from: Some(1), reach_below: Some(9), ..of() },
        InfluencerFilter { run: run.clone(), ..of() },
        InfluencerFilter { properties: vec![property(Compare::Is), property(Compare::From)], ..of() },
        InfluencerFilter { audience: vec![share.clone()], ..of() },
        InfluencerFilter { last_reply_before: Some(Micros(1)), last_reply_from: Some(Micros(0)), ..of() },
    ];
    let staged = single.iter().map(|f| InfluencerFilter { stage: Some("s".into()), ..f.clone() });
    let all = InfluencerFilter {
        tag: Some("t".into()),
        q: Some("an".into()),
        awaiting: Some(Awaiting::Us),
        account: Some("a".into()),
        run,
        properties: vec![property(Compare::Below)],
        audience: vec![share],
        last_reply_before: Some(Micros(1)),
        ..of()
    };
    let filters: Vec<InfluencerFilter> = single.iter().cloned().chain(staged).chain([all]).collect();
    let orders = [InfluencerOrder::NewestMessage, InfluencerOrder::Added];
    filters.into_iter().flat_map(|f| orders.map(|order| (f.clone(), order))).collect()
}

/// Whether few are left whom it lets pass, so that they may be sorted.
fn narrows(filter: &InfluencerFilter) -> bool {
    filter.stage.is_some() || filter.owner.is_some() || filter.tag.is_some() || filter.q.is_some()
}

/// Who there is, each known by something of their own.
async fn different(fresh: &stores::Fresh, clock: &Clock) -> Vec<Influencer> {
    let mut all: Vec<Influencer> = ["ana", "bo", "cy", "di"].map(|h| influencer(clock, h, "", "")).to_vec();
    use serde_json::json;
    for (n, (niche, fee, contract, vip)) in [
        (json!("running"), json!(5), json!("2026-05-01"), json!(true)),
        (json!("food"), json!("40"), json!("2026-07-01"), json!(false)),
        (json!("running"), json!(100.5), json!(""), json!("true")),
    ]
    .into_iter()
    .enumerate()
    {
        all[n].properties.clear();
        for (name, value) in [("niche", niche), ("fee", fee), ("contract", contract), ("vip", vip)] {
            all[n].properties.insert(name.into(), value);
        }
    }
    all[3].properties.clear();
    added(&fresh.store, &all).await;
    for (who, key, share) in [(0, "us", 0.5), (1, "us", 0.3), (1, "de", 0.6)] {
        let sql = format!(
            "INSERT INTO influencer_audience (influencer_id, dimension, key, share, at) VALUES ($1, 'country', '{key}', {share}, 0)"
        );
        seed::run(fresh, &sql, &[all[who].id.0]).await;
    }
    for (who, n, account) in [(0, 100, "brand"), (0, 200, "brand"), (1, 50, "brand"), (2, 300, "other")] {
        let mut thread = seed::thread(fresh, clock, all[who].id, n).await;
        if account != "brand" {
            let sql = format!("UPDATE thread SET account = '{account}' WHERE id = $1");
            seed::run(fresh, &sql, &[thread.id.0]).await;
            thread.account = account.into();
        }
        let mut message = seed::message(clock, thread.conversation_id, n);
        // The last of these is no reply of a person.
        if who == 2 {
            message.kind = Kind::OutOfOffice;
        }
        seed::put(fresh, message, vec![(all[who].id, thread.id, Role::Author)]).await;
    }
    all
}

#[tokio::test]
async fn properties_followers_replies_and_accounts_filter_alike_on_both_databases_and_in_every_list() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        different(&fresh, &clock).await;
        let mut tx = fresh.store.begin("test.filter").await.unwrap();
        let property = |name: &str, compare, value: &str| {
            let one = PropertyFilter { name: name.into(), compare, value: value.into() };
            InfluencerFilter { properties: vec![one], ..InfluencerFilter::default() }
        };
        let share = |key: &str, least| {
            let one = AudienceFilter { dimension: "country".into(), key: key.into(), least };
            InfluencerFilter { audience: vec![one], ..InfluencerFilter::default() }
        };
        let reply = |from: Option<i64>, before: Option<i64>| InfluencerFilter {
            last_reply_from: from.map(seed::at),
            last_reply_before: before.map(seed::at),
            ..InfluencerFilter::default()
        };
        let account = |name: &str| InfluencerFilter { account: Some(name.into()), ..InfluencerFilter::default() };
        for (filter, expected) in [
            (property("niche", Compare::Is, "running"), vec!["ana", "cy"]),
            (property("niche", Compare::Is, "x' OR '1'='1"), vec![]),
            (property("vip", Compare::Is, "true"), vec!["ana", "cy"]),
            (property("fee", Compare::From, "40"), vec!["bo", "cy"]),
            (property("fee", Compare::Below, "40"), vec!["ana"]),
            (property("fee", Compare::UpTo, "40"), vec!["ana", "bo"]),
            (property("fee", Compare::Above, "40"), vec!["cy"]),
            (property("niche", Compare::Above, "1"), vec![]),
            (property("contract", Compare::From, "2026-06-01"), vec!["bo"]),
            (property("contract", Compare::Above, "2025-01-01"), vec!["ana", "bo"]),
            (share("us", 0.4), vec!["ana"]),
            (share("us", 0.3), vec!["ana", "bo"]),
            (share("de", 0.7), vec![]),
            (reply(Some(200), None), vec!["ana"]),
            (reply(None, Some(200)), vec!["bo"]),
            (reply(Some(10), Some(201)), vec!["ana", "bo"]),
            (account("brand"), vec!["ana", "bo"]),
            (account("other"), vec!["cy"]),
        ] {
            assert_eq!(handles(&mut tx, &filter, InfluencerOrder::Added).await, expected, "{}: {filter:?}", fresh.name);
            let threads = ThreadFilter { of: filter.clone(), ..ThreadFilter::default() };
            let page = tx.list_threads(&threads, Page::newest(50)).await.unwrap();
            let mut of: Vec<String> = page.data.into_iter().map(|t| t.influencer_handle).collect();
            of.sort();
            of.dedup();
            assert_eq!(of, expected, "threads, {}: {filter:?}", fresh.name);
        }
        let one = ThreadFilter { of: property("niche", Compare::Is, "running"), ..ThreadFilter::default() };
        let first = tx.list_threads(&one, Page::newest(2)).await.unwrap();
        let rest = tx.list_threads(&one, Page::newest(2).after(first.next)).await.unwrap();
        assert_eq!((first.data.len(), rest.data.len(), rest.next), (2, 1, None), "{}", fresh.name);
        let mut old: Vec<_> = tx.list_threads(&one, Page::oldest(9)).await.unwrap().data;
        old.reverse();
        let new: Vec<_> = first.data.into_iter().chain(rest.data).collect();
        assert_eq!(old, new, "{}: the oldest first", fresh.name);
        let head = tx.list_threads(&ThreadFilter::default(), Page::oldest(1)).await.unwrap();
        let tail = tx.list_threads(&ThreadFilter::default(), Page::oldest(50).after(head.next)).await.unwrap();
        let times: Vec<_> = head.data.into_iter().chain(tail.data).map(|t| t.last_message_at).collect();
        assert!(times.len() > 3 && times.is_sorted(), "{}: {times:?}", fresh.name);
        let brand = ThreadFilter { account: Some("brand".into()), awaiting: Some(Awaiting::Us), ..one };
        assert_eq!(tx.list_threads(&brand, Page::newest(9)).await.unwrap().data.len(), 2, "{}", fresh.name);
    }
}

#[tokio::test]
async fn views_are_kept_by_name_and_not_overwritten_unseen() {
    use liaison::hub::view::{self, ViewChange, ViewError};
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let mut tx = fresh.store.begin("test.view").await.unwrap();
        let filters = |tag: &str| std::collections::BTreeMap::from([("tag".to_owned(), tag.to_owned())]);
        let made = view::create(&mut tx, &clock, ("runners".into(), " All who run "), filters("run"), "kim".into());
        let made = made.await.unwrap();
        assert_eq!((made.about.as_str(), made.version), ("All who run", 1));
        assert_eq!(tx.get_view("runners").await.unwrap(), Some(made.clone()), "{}", fresh.name);
        let taken = view::create(&mut tx, &clock, ("runners".into(), ""), filters("x"), "bo".into()).await;
        assert!(matches!(taken, Err(ViewError::Taken(_))), "{taken:?}");
        for wrong in ["", "Two Words", "a/b", &"x".repeat(65)] {
            let refused = view::create(&mut tx, &clock, (wrong.to_owned(), ""), filters("x"), "bo".into()).await;
            assert!(matches!(refused, Err(ViewError::Field { field: "name", .. })), "{wrong}: {refused:?}");
        }
        let change = |version| ViewChange { filters: Some(filters("walk")), version, ..ViewChange::default() };
        let second = view::change(&mut tx, &clock, "runners", change(Some(1)), "bo".into()).await.unwrap();
        assert_eq!((second.version, second.by.as_str(), second.about.as_str()), (2, "bo", "All who run"));
        let late = view::change(&mut tx, &clock, "runners", change(Some(1)), "kim".into()).await;
        assert!(matches!(late, Err(ViewError::Changed { version: 2, .. })), "{late:?}");
        assert_eq!(tx.list_views("", 10).await.unwrap(), vec![second]);
        assert!(matches!(view::delete(&mut tx, "runners", Some(1)).await, Err(ViewError::Changed { .. })));
        view::delete(&mut tx, "runners", Some(2)).await.unwrap();
        assert!(matches!(view::delete(&mut tx, "runners", None).await, Err(ViewError::Unknown(_))));
    }
}

#[tokio::test]
async fn pages_of_influencers_are_served_by_an_index_whatever_the_filter() {
    use liaison::store::Place;
    use sqlx::{Connection, Executor, Row};
    for fresh in stores::both().await {
        for (filter, order) in filters() {
            let (text, parameters) = explain_text(&filter, order, fresh.name == "sqlite");
            let steps: Vec<String> = match &fresh.place {
                Place::Sqlite { file } => {
                    let url = format!("sqlite://{}", file.display());
                    let mut c = sqlx::SqliteConnection::connect(&url).await.unwrap();
                    let plan = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
                    sqlx::query(plan).fetch_all(&mut c).await.unwrap().iter().map(|r| r.get("detail")).collect()
                }
                Place::Postgres { url, .. } => {
                    let mut c = sqlx::PgConnection::connect(url).await.unwrap();
                    let set =
                        "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_sort = off";
                    c.execute(set).await.unwrap();
                    c.execute(sqlx::AssertSqlSafe(format!("PREPARE s AS {text}"))).await.unwrap();
                    let call = format!("EXPLAIN EXECUTE s({})", vec!["NULL"; parameters].join(", "));
                    let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(call)).fetch_all(&mut c).await.unwrap();
                    rows.iter().map(|r| r.get(0)).collect()
                }
            };
            let bad = |step: &String| {
                step.contains("Seq Scan on")
                    || (step.starts_with("SCAN") && !step.contains("USING"))
                    || (step.contains("TEMP B-TREE FOR ORDER") && !narrows(&filter))
            };
            assert!(!steps.iter().any(bad), "{}: {steps:?}\n{text}", fresh.name);
        }
    }
}
