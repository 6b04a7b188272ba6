//! Numbers by account, and how long answers took.

use super::*;
use liaison::domain::ids::EventId;
use liaison::domain::words::{Direction, EventType, Kind, Role};
use liaison::store::event::NewEvent;

#[tokio::test]
async fn answers_are_timed_from_the_first_message_that_waited() {
    for fresh in stores::both().await {
        let api = Api::new(fresh).await;
        let ids = Clock::machine();
        let ana = seed::influencer(&api.fresh, &ids).await;
        let thread = seed::thread(&api.fresh, &ids, ana, 100_000).await;
        let said = |direction, kind, n| {
            let mut message = seed::message(&ids, thread.conversation_id, n);
            (message.direction, message.kind) = (direction, kind);
            message
        };
        let (inbound, outbound) = (Direction::Inbound, Direction::Outbound);
        // We begin; they answer after 100 s and add something; we answer 300 s after their first word.
        let mut sent = Vec::new();
        for (direction, kind, n) in [
            (outbound, Kind::Human, 0),
            (inbound, Kind::OutOfOffice, 50),
            (inbound, Kind::Human, 100),
            (inbound, Kind::Human, 150),
            (outbound, Kind::Human, 400),
            (inbound, Kind::Human, 1_000),
            (outbound, Kind::Human, 1_100),
        ] {
            let message = said(direction, kind, n);
            sent.push(message.id);
            seed::put(&api.fresh, message, vec![(ana, thread.id, Role::Author)]).await;
        }
        // What waits in the outbox is no answer yet.
        let waits = said(outbound, Kind::Human, 120);
        let id = waits.id;
        seed::put(&api.fresh, waits, vec![(ana, thread.id, Role::Author)]).await;
        seed::outbox(&api.fresh, id, "queued").await;
        let (status, told) = api.get("/v1/stats/response-times").await;
        assert_eq!(status, StatusCode::OK, "{told}");
        let theirs = json!({"account": "brand", "direction": "inbound", "answers": 2, "mean": 350.0, "median": 100});
        let ours = json!({"account": "brand", "direction": "outbound", "answers": 2, "mean": 200.0, "median": 100});
        assert_eq!(told["data"], json!([theirs, ours]), "{}", api.fresh.name);
        // In the stretch that holds our first answer only: it is timed from before that stretch.
        let within = format!("since={}&until={}", seed::at(300), seed::at(500));
        let (_, told) = api.get(&format!("/v1/stats/response-times?{within}")).await;
        assert_eq!((&told["data"][0]["answers"], &told["data"][0]["median"]), (&json!(1), &json!(300)), "{told}");

        let event = |kind, machine| NewEvent {
            id: EventId(ids.new_id()),
            kind,
            at: seed::at(5),
            influencer_id: Some(ana),
            stage: None,
            message_id: Some(sent[0]),
            data: None,
            enrollment_id: None,
            machine,
        };
        let mut tx = api.fresh.store.begin("test.events").await.unwrap();
        let opened = EventType::MessageOpened;
        let events = [
            event(EventType::MessageSent, None),
            event(opened, Some(true)),
            event(opened, Some(false)),
            event(opened, Some(true)),
            event(EventType::MessageClicked, Some(true)),
            event(EventType::ThreadReplied, None),
            event(EventType::MessageReceived, None),
            event(EventType::MessageBounced, None),
        ];
        tx.insert_events(events.into()).await.unwrap();
        tx.commit().await.unwrap();
        let (_, told) = api.get("/v1/stats/accounts").await;
        let brand = json!({"account": "brand", "received": 1, "sent": 1, "opens": 1, "machine_opens": 2, "clicks": 0,
            "replies": 1, "bounced": 1, "complained": 0});
        assert_eq!(told["data"], json!([brand]), "{}", api.fresh.name);
        let (_, none) = api.get(&format!("/v1/stats/accounts?since={}", seed::at(6))).await;
        assert_eq!(none["data"], json!([]));
    }
}
