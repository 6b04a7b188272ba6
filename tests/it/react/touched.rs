//! What is said on Instagram, by phone, in person: written down by hand, it counts as if it had come through the hub.

use super::*;
use liaison::domain::words::{Awaiting, Direction, Meaning};
use liaison::hub::enqueue::{AccountFrom, Answers, EnqueueError, Order, enqueue};
use liaison::hub::people::InfluencerChange;
use liaison::hub::touch::{PLACE_MAX, TouchError, Touched, log_touch};
use liaison::store::reading::Page;
use liaison::store::reading::thread::ThreadFilter;
use liaison::store::reading::view::{ThreadView, TimelineItem};

/// What she said.
fn said(desk: &Desk, who: &str, place: &str, text: &str) -> Touched {
    Touched {
        influencer: desk.people[who],
        direction: Direction::Inbound,
        place: place.to_owned(),
        text: text.to_owned(),
        at: None,
        meaning: None,
        by: "kim".to_owned(),
    }
}

async fn log(desk: &Desk, touched: Touched) -> Result<(MessageId, Option<Meaning>), TouchError> {
    let mut tx = desk.fresh.store.begin("test.touch").await.unwrap();
    let entered = log_touch(&mut tx, &desk.clock, touched).await?;
    tx.commit().await.unwrap();
    Ok(entered)
}

fn answer(desk: &Desk, answers: Answers) -> Order {
    Order {
        account: AccountFrom { name: "brand".into(), address: "team@acme.example".into(), display_name: String::new() },
        to: Vec::new(),
        cc: Vec::new(),
        subject: None,
        text: "As we said.".into(),
        html: None,
        attachments: Vec::new(),
        answers: Some(answers),
        due_at: desk.clock.now(),
        file_copy: false,
        message_id_domain: "acme.example".into(),
        outreach: None,
    }
}

async fn threads(desk: &Desk, who: &str) -> Vec<ThreadView> {
    let mut tx = desk.fresh.store.read().await.unwrap();
    let filter = ThreadFilter { influencer: Some(desk.people[who]), ..ThreadFilter::default() };
    tx.list_threads(&filter, Page::newest(50)).await.unwrap().data
}

#[tokio::test]
async fn what_they_say_elsewhere_is_a_reply_and_stands_on_their_timeline() {
    for desk in both().await {
        let (id, meaning) = log(&desk, said(&desk, "ana", "Instagram", "Sounds great, tell me more!")).await.unwrap();
        assert_eq!(meaning, Some(Meaning::Neither), "{}", desk.fresh.name);
        assert_eq!(ended(&desk, "ana").await.as_deref(), Some("replied"), "{}", desk.fresh.name);
        assert_eq!(stage(&desk, "ana").await, "in_talks");
        assert_eq!((ended(&desk, "bo").await, stage(&desk, "bo").await), (None, "prospect".to_owned()));
        let replied = events(&desk, "ana", EventType::ThreadReplied).await;
        assert_eq!(
            (replied.len(), &replied[0]["data"]["channel"], &replied[0]["stage"]),
            (1, &json!("manual"), &json!("prospect"))
        );

        let mut tx = desk.fresh.store.read().await.unwrap();
        let line = tx.list_timeline(desk.people["ana"], desk.clock.now(), Page::newest(50)).await.unwrap().data;
        let found =
            line.iter().find_map(|e| if let TimelineItem::Message(m) = &e.item { Some(m.clone()) } else { None });
        let found = found.expect("a message");
        assert_eq!((found.id, found.channel, found.direction), (id, Channel::Manual, Direction::Inbound));
        assert_eq!((found.text.as_str(), found.subject.as_str()), ("Sounds great, tell me more!", "Instagram"));
        drop(tx);

        // What belongs together is one thread, whatever the case of the place; another place is another.
        log(&desk, said(&desk, "ana", " instagram ", "And when?")).await.unwrap();
        let ours = Touched { direction: Direction::Outbound, ..said(&desk, "ana", "phone", "I called: in May.") };
        assert_eq!(log(&desk, ours).await.unwrap().1, None);
        let all = threads(&desk, "ana").await;
        let of = |subject: &str| all.iter().find(|t| t.subject == subject).map(|t| (t.message_count, t.awaiting));
        assert_eq!(
            (all.len(), of("Instagram"), of("phone")),
            (2, Some((2, Some(Awaiting::Us))), Some((1, Some(Awaiting::Them))))
        );
        let mut tx = desk.fresh.store.read().await.unwrap();
        assert_eq!(tx.get_influencer(desk.people["ana"]).await.unwrap().unwrap().awaiting, Some(Awaiting::Them));
    }
}

#[tokio::test]
async fn a_no_that_is_said_elsewhere_is_a_no_and_whoever_heard_it_has_the_last_word() {
    for desk in both().await {
        let no = "I'm not interested, thank you.";
        assert_eq!(log(&desk, said(&desk, "ana", "", no)).await.unwrap().1, Some(Meaning::Refusal));
        assert_eq!(ended(&desk, "ana").await.as_deref(), Some("refused"), "{}", desk.fresh.name);
        assert_eq!(stage(&desk, "ana").await, "declined");

        let yes = Touched { meaning: Some(Meaning::Neither), ..said(&desk, "bo", "phone", no) };
        log(&desk, yes).await.unwrap();
        assert_eq!(
            (ended(&desk, "bo").await.as_deref(), stage(&desk, "bo").await.as_str()),
            (Some("replied"), "in_talks")
        );

        // No more messages: none of theirs is written to, by nobody.
        let out = Touched { meaning: Some(Meaning::OptOut), ..said(&desk, "di", "in person", "She asked us to stop.") };
        let (id, _) = log(&desk, out).await.unwrap();
        assert_eq!(ended(&desk, "di").await.as_deref(), Some("opted out"), "{}", desk.fresh.name);
        let mut tx = desk.fresh.store.begin("test.refused").await.unwrap();
        let own = tx.list_addresses_of_influencers(vec![desk.people["di"]]).await.unwrap();
        let keys: Vec<String> = own.into_iter().map(|a| a.value_key).collect();
        let listed = tx.suppressed(Channel::Email, keys.clone()).await.unwrap();
        assert!(!keys.is_empty() && listed.len() == keys.len(), "{}: {listed:?}", desk.fresh.name);
        assert!(listed.iter().all(|s| s.reason == SuppressionReason::OptedOut && s.evidence == id.to_string()));
    }
}

#[tokio::test]
async fn what_we_say_elsewhere_is_a_first_contact_and_stops_nothing() {
    for desk in both().await {
        let ours = Touched { direction: Direction::Outbound, ..said(&desk, "ana", "phone", "I left a message.") };
        log(&desk, ours).await.unwrap();
        assert_eq!((ended(&desk, "ana").await, stage(&desk, "ana").await.as_str()), (None, "contacted"));
        assert_eq!(events(&desk, "ana", EventType::ThreadReplied).await.len(), 0);

        // Written down later than it was said: the turn is whose it was since.
        let earlier = desk.clock.now().minus(Duration::from_hours(48));
        log(&desk, Touched { at: Some(earlier), ..said(&desk, "ana", "phone", "She had called before.") })
            .await
            .unwrap();
        let all = threads(&desk, "ana").await;
        assert_eq!((all[0].message_count, all[0].awaiting), (2, Some(Awaiting::Them)), "{}", desk.fresh.name);
        assert_eq!(ended(&desk, "ana").await.as_deref(), Some("replied"), "a late reply counts");
    }
}

#[tokio::test]
async fn what_can_not_have_been_said_is_refused_and_a_mail_answers_no_touch() {
    for desk in both().await {
        let (id, _) = log(&desk, said(&desk, "ana", "phone", "Hello")).await.unwrap();
        let future = desk.clock.now().plus(Duration::from_secs(1));
        let nobody = InfluencerId(uuid::Uuid::nil());
        let tried = |change: &dyn Fn(&mut Touched)| {
            let mut touched = said(&desk, "ana", "phone", "Hello");
            change(&mut touched);
            touched
        };
        let wrong = [
            (tried(&|t| t.text = "  ".into()), "the text is empty"),
            (tried(&|t| t.place = "x".repeat(PLACE_MAX + 1)), "the place is one line"),
            (tried(&|t| t.place = "a\nb".into()), "the place is one line"),
            (tried(&|t| t.at = Some(future)), "in the future"),
            (tried(&|t| t.influencer = nobody), "there is no influencer"),
            (
                tried(&|t| (t.direction, t.meaning) = (Direction::Outbound, Some(Meaning::Refusal))),
                "only what they said has an answer in it",
            ),
        ];
        for (touched, words) in wrong {
            let mut tx = desk.fresh.store.begin("test.touch").await.unwrap();
            let error = log_touch(&mut tx, &desk.clock, touched).await.unwrap_err().to_string();
            assert!(error.contains(words), "{}: {error}", desk.fresh.name);
        }
        let mut tx = desk.fresh.store.begin("test.answer").await.unwrap();
        let thread = threads(&desk, "ana").await[0].id;
        for answers in [Answers::Message(id), Answers::Thread(thread)] {
            let error = enqueue(&mut tx, &desk.clock, answer(&desk, answers)).await.unwrap_err();
            assert!(matches!(error, EnqueueError::NotMail(Channel::Manual)), "{}: {error}", desk.fresh.name);
        }
    }
}

/// An address or a number more.
async fn give(desk: &Desk, who: &str, change: Value) {
    let change: InfluencerChange = serde_json::from_value(change).unwrap();
    let mut tx = desk.fresh.store.begin("test.give").await.unwrap();
    people::update_influencer(&mut tx, &desk.clock, desk.people[who], "kim", change).await.unwrap();
    tx.commit().await.unwrap();
}

/// Which of these must not be written to.
async fn closed(desk: &Desk, addresses: &[&str]) -> Vec<String> {
    let mut tx = desk.fresh.store.read().await.unwrap();
    let mut found = Vec::new();
    for address in addresses {
        let (channel, key) = people::channel_of(address).unwrap();
        found.extend(tx.suppressed(channel, vec![key]).await.unwrap().into_iter().map(|s| s.value_key));
    }
    found
}

#[tokio::test]
async fn what_is_said_to_a_person_is_said_of_everything_also_of_what_comes_later() {
    for desk in both().await {
        // Somebody without any address says no; what they get later is closed from the first moment on.
        let new = people::NewInfluencer { handle: "@bare@home.example".into(), ..people::NewInfluencer::default() };
        let mut tx = desk.fresh.store.begin("test.bare").await.unwrap();
        let stages = KnownStages { start: "prospect".into(), ids: vec!["prospect".into()] };
        let bare = people::create_influencer(&mut tx, &desk.clock, &stages, "kim", new).await.unwrap().id;
        let out =
            Touched { influencer: bare, meaning: Some(Meaning::OptOut), ..said(&desk, "ana", "phone", "Never again.") };
        log_touch(&mut tx, &desk.clock, out.clone()).await.unwrap();
        let told = tx.list_timeline_events(bare, (Micros(i64::MAX), uuid::Uuid::max()), 10).await.unwrap();
        assert!(told.iter().any(|e| e.kind == EventType::InfluencerUnsubscribed), "{}: {told:?}", desk.fresh.name);
        let change: InfluencerChange =
            serde_json::from_value(json!({"add_emails": ["late@home.example"], "add_phones": ["+491701234567"]}))
                .unwrap();
        people::update_influencer(&mut tx, &desk.clock, bare, "kim", change).await.unwrap();
        tx.commit().await.unwrap();
        let both = ["late@home.example", "+491701234567"];
        assert_eq!(closed(&desk, &both).await, both, "{}", desk.fresh.name);
        // A handle is nobody's mail address, whatever it looks like.
        assert!(closed(&desk, &["bare@home.example", "@bare@home.example"]).await.is_empty());

        // A no by mail is one of mail; told to a person afterwards it is one of everything, once.
        desk.drop_into(FolderRole::Inbox, &[reply("ana@example.org", "no", "", "Please remove me from your list.")])
            .await;
        give(&desk, "ana", json!({"add_phones": ["+12015550123"]})).await;
        assert_eq!(closed(&desk, &["ana@example.org", "+12015550123"]).await, ["ana@example.org"]);
        for known in [true, false] {
            let mut tx = desk.fresh.store.begin("test.told").await.unwrap();
            assert_eq!(
                unsubscribe_by_hand(&mut tx, &desk.clock, "ana@example.org", "kim".into()).await.unwrap(),
                known
            );
            tx.commit().await.unwrap();
        }
        assert_eq!(closed(&desk, &["ana@example.org", "+12015550123"]).await.len(), 2, "{}", desk.fresh.name);

        // Joined with another record, it holds for the addresses of both; parted, for each as it was, but for what was said since.
        let (bo, di) = (desk.people["bo"], desk.people["di"]);
        let mut tx = desk.fresh.store.begin("test.join").await.unwrap();
        let out = Touched { influencer: di, ..out };
        log_touch(&mut tx, &desk.clock, out.clone()).await.unwrap();
        people::merge(&mut tx, &desk.clock, bo, di, "kim").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(closed(&desk, &["bo@example.org"]).await.len(), 1, "{}", desk.fresh.name);
        let mut tx = desk.fresh.store.begin("test.part").await.unwrap();
        people::unmerge(&mut tx, &desk.clock, di, "kim").await.unwrap();
        tx.commit().await.unwrap();
        assert!(closed(&desk, &["bo@example.org"]).await.is_empty(), "{}", desk.fresh.name);
        give(&desk, "di", json!({"add_phones": ["+12015550124"]})).await;
        assert_eq!(closed(&desk, &["+12015550124"]).await.len(), 1, "what Di said stays theirs");
        // Taken back by a person, it is taken back of everything to come.
        let mut tx = desk.fresh.store.begin("test.lift").await.unwrap();
        people::lift_suppression(&mut tx, &desk.clock, "late@home.example", "kim").await.unwrap();
        tx.commit().await.unwrap();
        let change: InfluencerChange = serde_json::from_value(json!({"add_emails": ["later@home.example"]})).unwrap();
        let mut tx = desk.fresh.store.begin("test.later").await.unwrap();
        people::update_influencer(&mut tx, &desk.clock, bare, "kim", change).await.unwrap();
        tx.commit().await.unwrap();
        assert!(closed(&desk, &["later@home.example"]).await.is_empty(), "{}", desk.fresh.name);
    }
}

/// Somebody without any address.
async fn bare(desk: &Desk, handle: &str) -> InfluencerId {
    let mut tx = desk.fresh.store.begin("test.bare").await.unwrap();
    let id = bare_of(&mut tx, desk, handle).await;
    tx.commit().await.unwrap();
    id
}

async fn never_again(desk: &Desk, id: InfluencerId) {
    let out = Touched { influencer: id, meaning: Some(Meaning::OptOut), ..said(desk, "ana", "phone", "Never again.") };
    log(desk, out).await.unwrap();
}

async fn join(desk: &Desk, kept: InfluencerId, gone: InfluencerId) {
    let mut tx = desk.fresh.store.begin("test.join").await.unwrap();
    people::merge(&mut tx, &desk.clock, kept, gone, "kim").await.unwrap();
    tx.commit().await.unwrap();
}

async fn part(desk: &Desk, gone: InfluencerId) {
    let mut tx = desk.fresh.store.begin("test.part").await.unwrap();
    people::unmerge(&mut tx, &desk.clock, gone, "kim").await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_no_outlives_the_joining_it_was_said_in_and_that_of_others() {
    for desk in both().await {
        let (name, bo, di) = (desk.fresh.name, desk.people["bo"], desk.people["di"]);
        // Said before, and again while they were one: of both.
        let first = bare(&desk, "@first").await;
        never_again(&desk, first).await;
        join(&desk, bo, first).await;
        never_again(&desk, bo).await;
        part(&desk, first).await;
        assert_eq!(closed(&desk, &["bo@example.org"]).await.len(), 1, "{name}");
        give(&desk, "bo", json!({"add_phones": ["+12015550131"]})).await;
        assert_eq!(closed(&desk, &["+12015550131"]).await.len(), 1, "{name}");

        // Two said it; that the one is somebody else after all takes nothing from what the other said.
        let (second, third) = (bare(&desk, "@second").await, bare(&desk, "@third").await);
        for gone in [second, third] {
            never_again(&desk, gone).await;
            join(&desk, di, gone).await;
        }
        part(&desk, second).await;
        assert_eq!(closed(&desk, &["di@example.org"]).await.len(), 1, "{name}");
        assert!(ended(&desk, "di").await.is_some(), "{name}");

        // Nobody is written to for them over an agent either, in whatever stage they are.
        let agent = {
            let mut tx = desk.fresh.store.begin("test.agent").await.unwrap();
            let new = people::NewAgent {
                first_name: "Max".into(),
                emails: vec!["max@talent.example".into()],
                influencers: vec![bare_of(&mut tx, &desk, "@open").await],
                ..people::NewAgent::default()
            };
            people::create_agent(&mut tx, &desk.clock, new).await.unwrap();
            tx.commit().await.unwrap();
            let mut tx = desk.fresh.store.read().await.unwrap();
            let open = people::find_influencer(&mut tx, "@open").await.unwrap().id;
            (open, tx.list_reachable(vec![first, open]).await.unwrap())
        };
        let (open, reachable) = agent;
        let of = |id| reachable.iter().find(|who| who.id == id).map(|who| who.has_open_address);
        assert_eq!((of(open), of(first)), (Some(true), Some(false)), "{name}");
        never_again(&desk, open).await;
        let mut tx = desk.fresh.store.begin("test.reach").await.unwrap();
        let reachable = tx.list_reachable(vec![open]).await.unwrap();
        assert!(!reachable[0].has_open_address, "{name}");
        assert!(tx.list_places(vec![open]).await.unwrap().iter().all(|place| place.suppressed.is_some()), "{name}");

        // Taken back under their id, it is taken back everywhere.
        let lifted = people::lift_suppression(&mut tx, &desk.clock, &bo.to_string(), "kim").await.unwrap();
        assert!(
            lifted.contains(&"bo@example.org".to_owned()) && lifted.contains(&"+12015550131".to_owned()),
            "{lifted:?}"
        );
        tx.commit().await.unwrap();
        give(&desk, "bo", json!({"add_phones": ["+12015550132"]})).await;
        assert!(closed(&desk, &["bo@example.org", "+12015550132"]).await.is_empty(), "{name}");
    }
}

async fn bare_of(tx: &mut liaison::store::Tx, desk: &Desk, handle: &str) -> InfluencerId {
    let new = people::NewInfluencer { handle: handle.into(), ..people::NewInfluencer::default() };
    let stages = KnownStages { start: "prospect".into(), ids: vec!["prospect".into()] };
    people::create_influencer(tx, &desk.clock, &stages, "kim", new).await.unwrap().id
}
