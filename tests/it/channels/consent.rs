//! What a text says about wanting more of them: how far a stop goes, what takes it back, and what does not.

use liaison::clock::Clock;
use liaison::connector::feed::{ConsentWord, Party, Said, Told};
use liaison::domain::chat::{self, Harm};
use liaison::domain::ids::{EventId, InfluencerId, LedgerId, MessageId};
use liaison::domain::people::{SCOPE_ALL, Suppression};
use liaison::domain::time::Micros;
use liaison::domain::words::{Channel, Direction, EventType, SuppressionReason};
use liaison::hub::enqueue::Answers;
use liaison::hub::fares;
use liaison::hub::people::{self, InfluencerChange, KnownStages, NewInfluencer, NewSuppression};
use liaison::hub::talk::{self, TalkError, Wish};
use liaison::inbound::heard::{self, Context};
use serde_json::json;

use crate::stores::{self, Fresh};

const OURS: &str = "+14155550100";
const THEIRS: &str = "+14155550141";

fn context(fire_after: Option<Micros>) -> Context {
    Context {
        account: "text".to_owned(),
        channel: Channel::Sms,
        harm: |_| Harm::Passing,
        fire_after,
        lease: None,
        faces: liaison::inbound::faces::Faces::new(),
    }
}

fn party(address: &str) -> Party {
    Party { address: address.to_owned(), name: String::new() }
}

fn text(id: &str, words: &str, at: Micros) -> Told {
    Told::Said(Box::new(Said {
        id: id.to_owned(),
        direction: Direction::Inbound,
        conversation: chat::text_conversation(OURS, THEIRS),
        place: OURS.to_owned(),
        author: party(THEIRS),
        to: vec![party(OURS)],
        text: words.to_owned(),
        at,
        files: Vec::new(),
        by_machine: false,
        edited: false,
        mentions: false,
        is_history: false,
        token: None,
        consent: None,
        raw: Vec::new(),
    }))
}

async fn hear(fresh: &Fresh, clock: &Clock, fire_after: Option<Micros>, told: Told) {
    heard::take(&fresh.store, clock, &context(fire_after), (&[told], None)).await.unwrap();
}

async fn ana(fresh: &Fresh, clock: &Clock, phones: Vec<String>) -> InfluencerId {
    let mut tx = fresh.store.begin("test").await.unwrap();
    let stages = KnownStages { start: "prospect".to_owned(), ids: vec!["prospect".to_owned()] };
    let new = NewInfluencer {
        handle: "@ana".to_owned(),
        emails: vec!["ana@example.org".to_owned()],
        phones,
        ..NewInfluencer::default()
    };
    let id = people::create_influencer(&mut tx, clock, &stages, "test", new).await.unwrap().id;
    tx.commit().await.unwrap();
    id
}

/// Why nothing goes to the number, and whether they agree to texts.
async fn standing(fresh: &Fresh) -> (Vec<String>, bool) {
    let mut tx = fresh.store.read().await.unwrap();
    let stops = tx.suppressed(Channel::Sms, vec![THEIRS.to_owned()]).await.unwrap();
    let agreed = tx.list_consents(Channel::Sms, vec![THEIRS.to_owned()]).await.unwrap();
    (stops.into_iter().map(|stop| stop.evidence).collect(), agreed.iter().any(|one| one.withdrawn_at.is_none()))
}

async fn suppress_by(fresh: &Fresh, clock: &Clock, reason: SuppressionReason) {
    let new = NewSuppression { address: THEIRS.to_owned(), reason, evidence: "a teammate".to_owned() };
    let mut tx = fresh.store.begin("test").await.unwrap();
    assert!(people::suppress_address(&mut tx, clock, new).await.unwrap());
    tx.commit().await.unwrap();
}

async fn suppress(fresh: &Fresh, clock: &Clock, channel: Channel, key: &str, evidence: &str) {
    let mut tx = fresh.store.begin("test").await.unwrap();
    let row = Suppression {
        id: LedgerId(clock.new_id()),
        channel,
        value_key: key.to_owned(),
        scope: SCOPE_ALL.to_owned(),
        reason: SuppressionReason::OptedOut,
        evidence: evidence.to_owned(),
        at: clock.now(),
    };
    tx.insert_suppressions(&[row]).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_stop_from_before_the_account_was_read_holds_and_start_takes_it_back() {
    for fresh in stores::both().await {
        let (clock, name) = (Clock::machine(), fresh.name);
        ana(&fresh, &clock, vec![THEIRS.to_owned()]).await;
        let now = clock.now();
        let minutes = |n: i64| Micros(now.0 + n * 60_000_000);
        hear(&fresh, &clock, Some(now), text("SM1", "Stop", minutes(-30))).await;
        let (stops, agreed) = standing(&fresh).await;
        assert_eq!((stops.len(), agreed), (1, false), "{name}");
        // What was said before another stop takes nothing back, however late it is told.
        hear(&fresh, &clock, Some(now), text("SM1b", "STOP", minutes(-10))).await;
        hear(&fresh, &clock, Some(now), text("SM1a", "START", minutes(-20))).await;
        hear(&fresh, &clock, Some(now), text("SM0", "START", minutes(-40))).await;
        assert_eq!(standing(&fresh).await, (stops, false), "{name}");
        hear(&fresh, &clock, Some(now), text("SM2", "START", minutes(1))).await;
        assert_eq!(standing(&fresh).await, (Vec::new(), true), "{name}");
    }
}

#[tokio::test]
async fn start_takes_back_nothing_but_the_keyword_of_the_same_number() {
    for fresh in stores::both().await {
        let clock = Clock::machine();
        let who = ana(&fresh, &clock, vec![THEIRS.to_owned()]).await;
        let name = fresh.name;
        for (round, evidence) in
            ["a teammate was told", "they told the provider to stop (21610)"].into_iter().enumerate()
        {
            suppress(&fresh, &clock, Channel::Sms, THEIRS, evidence).await;
            hear(&fresh, &clock, None, text(&format!("SM{round}"), "START", clock.now())).await;
            assert_eq!(standing(&fresh).await, (vec![evidence.to_owned()], false), "{name}");
            let mut tx = fresh.store.begin("test").await.unwrap();
            tx.delete_suppressions(Channel::Sms, THEIRS).await.unwrap();
            tx.commit().await.unwrap();
        }
        // What a teammate was told, or decided, after a keyword stays as well.
        for (reason, is_new) in [(SuppressionReason::OptedOut, true), (SuppressionReason::ByHand, false)] {
            hear(&fresh, &clock, None, text(&format!("SM4{reason}"), "STOP", clock.now())).await;
            let (address, evidence) = (THEIRS.to_owned(), "a teammate was told".to_owned());
            let mut tx = fresh.store.begin("test").await.unwrap();
            let new = NewSuppression { address, reason, evidence };
            assert_eq!(people::suppress_address(&mut tx, &clock, new.clone()).await.unwrap(), is_new, "{name}");
            assert!(!people::suppress_address(&mut tx, &clock, new).await.unwrap(), "{name}: once");
            tx.commit().await.unwrap();
            hear(&fresh, &clock, None, text(&format!("SM5{reason}"), "START", clock.now())).await;
            let (stops, agreed) = standing(&fresh).await;
            assert!(stops.len() == 1 && stops[0].starts_with("a teammate was told (and before"), "{name}: {stops:?}");
            assert!(!agreed, "{name}");
            let mut tx = fresh.store.begin("test").await.unwrap();
            tx.delete_suppressions(Channel::Sms, THEIRS).await.unwrap();
            tx.commit().await.unwrap();
        }
        // What a teammate wrote down before the keyword stays with it.
        suppress_by(&fresh, &clock, SuppressionReason::ByHand).await;
        hear(&fresh, &clock, None, text("SM5a", "STOP", clock.now())).await;
        hear(&fresh, &clock, None, text("SM5b", "START", clock.now())).await;
        let (stops, agreed) = standing(&fresh).await;
        assert!(stops.len() == 1 && stops[0].ends_with("(and before, by hand: a teammate)"), "{name}: {stops:?}");
        assert!(!agreed, "{name}");
        let mut tx = fresh.store.begin("test").await.unwrap();
        tx.delete_suppressions(Channel::Sms, THEIRS).await.unwrap();
        tx.commit().await.unwrap();
        // Said of everything after a keyword, it takes nothing back at the number either.
        hear(&fresh, &clock, None, text("SM6a", "STOP", clock.now())).await;
        suppress(&fresh, &clock, Channel::Manual, &who.to_string(), "a teammate was told").await;
        hear(&fresh, &clock, None, text("SM6b", "START", clock.now())).await;
        let (stops, agreed) = standing(&fresh).await;
        assert_eq!((stops.len(), agreed), (1, false), "{name}: {stops:?}");
        let mut tx = fresh.store.begin("test").await.unwrap();
        tx.delete_suppressions(Channel::Sms, THEIRS).await.unwrap();
        tx.delete_suppressions(Channel::Manual, &who.to_string()).await.unwrap();
        tx.commit().await.unwrap();
        // Said of everything, under the person: their number is free, and yet they agree to nothing.
        suppress(&fresh, &clock, Channel::Manual, &who.to_string(), "a teammate was told").await;
        hear(&fresh, &clock, None, text("SM7", "START", clock.now())).await;
        assert_eq!(standing(&fresh).await, (Vec::new(), false), "{name}");
    }
}

#[tokio::test]
async fn a_stop_of_an_unknown_number_stays_one_of_texts_once_it_is_known_whose_it_is() {
    for fresh in stores::both().await {
        let clock = Clock::machine();
        let who = ana(&fresh, &clock, Vec::new()).await;
        hear(&fresh, &clock, None, text("SM1", "STOP", clock.now())).await;
        let mut tx = fresh.store.begin("test").await.unwrap();
        let change = InfluencerChange { add_phones: vec![THEIRS.to_owned()], ..InfluencerChange::default() };
        people::update_influencer(&mut tx, &clock, who, "test", change).await.unwrap();
        let events = tx.list_events_written(EventId(uuid::Uuid::nil()), 1_000).await.unwrap();
        let replied: Vec<_> = events.iter().filter(|event| event.kind == EventType::ThreadReplied).collect();
        assert_eq!(replied.len(), 1, "{}", fresh.name);
        let data = &replied[0].data.as_ref().unwrap().0;
        assert_eq!((&data["channel"], &data["consent"]), (&json!("sms"), &json!("stop")), "{data}");
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn what_they_told_the_provider_counts_as_a_stop() {
    for fresh in stores::both().await {
        let clock = Clock::machine();
        let who = ana(&fresh, &clock, vec![THEIRS.to_owned()]).await;
        for _ in 0..2 {
            let mut tx = fresh.store.begin("test").await.unwrap();
            let ours = MessageId(clock.new_id());
            fares::harm(&mut tx, &clock, THEIRS, (Harm::OptedOut, "21610"), ours).await.unwrap();
            tx.commit().await.unwrap();
        }
        let mut tx = fresh.store.read().await.unwrap();
        let events = tx.list_events_written(EventId(uuid::Uuid::nil()), 1_000).await.unwrap();
        let told: Vec<_> = events.iter().filter(|event| event.kind == EventType::InfluencerUnsubscribed).collect();
        assert_eq!(told.len(), 1, "{}", fresh.name);
        assert_eq!(told[0].influencer_id, Some(who));
        assert_eq!(told[0].data.as_ref().unwrap().0["how"], "provider");
    }
}

#[tokio::test]
async fn an_answer_goes_to_nobody_but_the_other_side() {
    for fresh in stores::both().await {
        let clock = Clock::machine();
        ana(&fresh, &clock, vec![THEIRS.to_owned()]).await;
        hear(&fresh, &clock, None, text("SM1", "Which size?", clock.now())).await;
        let mut tx = fresh.store.begin("test").await.unwrap();
        let said = tx.find_provider_messages("text", vec!["SM1".to_owned()]).await.unwrap()[0].message_id;
        let wish =
            |to: &str| Wish { to: Some(to.to_owned()), answers: Some(Answers::Message(said)), ..Wish::default() };
        let other = talk::choose(&mut tx, &[], Channel::Sms, &wish("+14155550199")).await;
        assert!(matches!(other, Err(TalkError::NotTheirs { .. })), "{other:?}");
        let same = talk::choose(&mut tx, &[], Channel::Sms, &wish(THEIRS)).await;
        assert!(matches!(same, Err(TalkError::WhichAccount(_))), "{same:?}");
    }
}

/// The same as the provider tells it that reads a keyword of its own in it.
fn read_there(told: Told, word: ConsentWord) -> Told {
    let Told::Said(said) = told else { panic!("{told:?}") };
    Told::Said(Box::new(Said { consent: Some(word), ..*said }))
}

async fn stops_told(fresh: &Fresh) -> usize {
    let mut tx = fresh.store.read().await.unwrap();
    let events = tx.list_events_written(EventId(uuid::Uuid::nil()), 1_000).await.unwrap();
    let is_stop = |data: &serde_json::Value| data["consent"] == "stop";
    events
        .iter()
        .filter(|e| e.kind == EventType::ThreadReplied && e.data.as_ref().is_some_and(|d| is_stop(&d.0)))
        .count()
}

#[tokio::test]
async fn a_keyword_that_only_the_provider_knows_counts_however_late_it_says_so() {
    for fresh in stores::both().await {
        let (clock, name) = (Clock::machine(), fresh.name);
        ana(&fresh, &clock, vec![THEIRS.to_owned()]).await;
        let now = clock.now();
        let seconds = |n: i64| Micros(now.0 + n * 1_000_000);
        let stop = || text("SM1", "ARRET", seconds(1));
        // The list brings plain words, and the hook says what they are: once, whatever comes again.
        hear(&fresh, &clock, Some(now), stop()).await;
        assert_eq!((standing(&fresh).await.0.len(), stops_told(&fresh).await), (0, 0), "{name}");
        for _ in 0..3 {
            hear(&fresh, &clock, Some(now), read_there(stop(), ConsentWord::Stop)).await;
            hear(&fresh, &clock, Some(now), stop()).await;
            assert_eq!((standing(&fresh).await.0.len(), stops_told(&fresh).await), (1, 1), "{name}");
        }
        // So does the keyword that takes it back; and what was taken back does not come again.
        let start = || text("SM2", "DEPART", seconds(2));
        hear(&fresh, &clock, Some(now), start()).await;
        assert_eq!(standing(&fresh).await.0.len(), 1, "{name}");
        hear(&fresh, &clock, Some(now), read_there(start(), ConsentWord::Start)).await;
        assert_eq!(standing(&fresh).await, (Vec::new(), true), "{name}");
        hear(&fresh, &clock, Some(now), read_there(stop(), ConsentWord::Stop)).await;
        assert_eq!(standing(&fresh).await, (Vec::new(), true), "{name}");
        // Nor does a stop from before that, of which the provider tells only now.
        hear(&fresh, &clock, Some(now), text("SM0", "FIN", seconds(1))).await;
        hear(&fresh, &clock, Some(now), read_there(text("SM0", "FIN", seconds(1)), ConsentWord::Stop)).await;
        assert_eq!((standing(&fresh).await, stops_told(&fresh).await), ((Vec::new(), true), 1), "{name}");
        // Known with it from the beginning, it is no news.
        hear(&fresh, &clock, Some(now), read_there(text("SM3", "ARRET", seconds(3)), ConsentWord::Stop)).await;
        assert_eq!((standing(&fresh).await.0.len(), stops_told(&fresh).await), (1, 2), "{name}");
        hear(&fresh, &clock, Some(now), read_there(text("SM3", "ARRET", seconds(3)), ConsentWord::Stop)).await;
        assert_eq!(stops_told(&fresh).await, 2, "{name}");
    }
}

#[tokio::test]
async fn a_late_keyword_counts_of_strangers_and_of_before_as_well() {
    for fresh in stores::both().await {
        let (clock, name) = (Clock::machine(), fresh.name);
        let now = clock.now();
        for (id, at) in [("SM1", now), ("SM2", Micros(now.0 - 3_600_000_000))] {
            let told = || text(id, "ARRET", at);
            hear(&fresh, &clock, Some(now), told()).await;
            assert_eq!(standing(&fresh).await.0.len(), 0, "{name} {id}");
            hear(&fresh, &clock, Some(now), read_there(told(), ConsentWord::Stop)).await;
            assert_eq!((standing(&fresh).await.0.len(), stops_told(&fresh).await), (1, 0), "{name} {id}");
            let mut tx = fresh.store.begin("test").await.unwrap();
            tx.delete_suppressions(Channel::Sms, THEIRS).await.unwrap();
            tx.commit().await.unwrap();
        }
        // Whoever turns out to have written it has said so.
        ana(&fresh, &clock, vec![THEIRS.to_owned()]).await;
        assert_eq!(stops_told(&fresh).await, 1, "{name}");
    }
}
