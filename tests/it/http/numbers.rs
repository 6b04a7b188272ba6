//! Numbers by account, and how long answers took.

use super::*;
use liaison::domain::ids::EventId;
use liaison::domain::words::{Direction, EventType, Kind, Role};
use liaison::store::event::NewEvent;

#[tokio::test]
async fn people_are_found_by_reach_tier_network_agent_and_turn() {
    for fresh in stores::both().await {
        let api = super::described::daemon(fresh).await;
        let mut ids = std::collections::HashMap::new();
        for (handle, networks) in [
            ("small", json!([{"network": "Instagram", "handle": "s", "followers": 9_999}])),
            (
                "split",
                json!([{"network": "instagram", "handle": "s", "followers": 6_000},
                {"network": "youtube", "handle": "s", "followers": 4_000}]),
            ),
            ("large", json!([{"network": "youtube", "handle": "l", "followers": 2_000_000}])),
            ("unknown", json!([{"network": "tiktok", "handle": "u"}])),
        ] {
            let made = api.well("POST", "/v1/influencers", Some(json!({"handle": handle, "networks": networks}))).await;
            ids.insert(handle, made["id"].clone());
        }
        let agent =
            json!({"first_name": "Max", "emails": ["max@agency.example"], "influencers": [ids["split"], ids["large"]]});
        let agent = api.well("POST", "/v1/agents", Some(agent)).await["id"].as_str().unwrap().to_owned();
        for (filter, wanted) in [
            ("tier=micro".to_owned(), vec!["split"]),
            ("tier=nano".to_owned(), vec!["small"]),
            ("tier=mega".to_owned(), vec!["large"]),
            ("reach[gte]=9999".to_owned(), vec!["large", "small", "split"]),
            ("reach[gte]=9999&reach[lt]=10000".to_owned(), vec!["small"]),
            ("tier=micro&reach[gte]=10001".to_owned(), vec![]),
            ("network=YouTube".to_owned(), vec!["large", "split"]),
            ("network=tiktok".to_owned(), vec!["unknown"]),
            (format!("agent={agent}"), vec!["large", "split"]),
            (format!("agent={agent}&network=instagram&stage=prospect&q=s"), vec!["split"]),
            ("awaiting=us".to_owned(), vec![]),
        ] {
            let list = api.well("GET", &format!("/v1/influencers?{filter}"), None).await;
            let mut found: Vec<&str> =
                list["data"].as_array().unwrap().iter().map(|i| i["handle"].as_str().unwrap()).collect();
            found.sort_unstable();
            assert_eq!(found, wanted, "{}: {filter}", api.fresh.name);
        }
        for bad in ["tier=giga", "reach[gte]=many", "agent=inf_1", "awaiting=you"] {
            let (status, problem) = api.ask("GET", &format!("/v1/influencers?{bad}"), None).await;
            assert_eq!((status, &problem["code"]), (400, &json!("bad_query")), "{bad}");
        }
        // The same filters say who is enrolled.
        let order = json!({"filter": {"tier": "micro", "network": "youtube"}, "dry_run": true});
        let told = api.well("POST", "/v1/sequences/spring/enrollments", Some(order)).await;
        assert_eq!((&told["enrolled"], &told["runs"][0]["influencer_handle"]), (&json!(1), &json!("split")), "{told}");
        let order = json!({"filter": {"tier": "giga"}, "dry_run": true});
        let (status, problem) = api.ask("POST", "/v1/sequences/spring/enrollments", Some(&order)).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/filter/tier")));
        api.stop().await;
    }
}

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
        let brand = json!({"account": "brand", "received": 1, "sent": 1, "opens": 1, "machine_opens": 1, "clicks": 0,
            "replies": 1, "bounced": 1, "complained": 0});
        assert_eq!(told["data"], json!([brand]), "{}", api.fresh.name);
        let (_, none) = api.get(&format!("/v1/stats/accounts?since={}", seed::at(6))).await;
        assert_eq!(none["data"], json!([]));
    }
}
