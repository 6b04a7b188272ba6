//! What is said on Instagram, by phone, in person: written down by hand, it counts as if it had come through the hub.

use super::*;
use liaison::domain::words::{Awaiting, Direction, Meaning};
use liaison::hub::enqueue::{AccountFrom, Answers, EnqueueError, Order, enqueue};
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
    assert!(entered.new);
    tx.commit().await.unwrap();
    Ok((entered.id, entered.meaning))
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
