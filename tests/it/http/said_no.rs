//! A no that a teammate was told, over the API.

use super::*;
use crate::contract::desk as desk_rows;
use crate::outbox_bench::Bench;
use crate::tracking::enrollment;
use liaison::domain::ids::{AddressId, EventId};
use liaison::domain::people::{Address, Person};
use liaison::domain::words::{Channel, EnrollmentState, EventType, OutboxStatus, TaskKind};
use liaison::hub::enqueue::enqueue;
use liaison::store::task::TaskRow;

#[tokio::test]
async fn a_no_of_a_person_is_told_takes_back_what_waits_and_ends_what_runs() {
    for fresh in stores::both().await {
        let mut bench = Bench::on(fresh).await;
        bench.clock = Clock::stepped(seed::at(0));
        let run = enrollment(&bench.fresh, &bench.clock).await;
        let mut tx = bench.begin().await;
        let ana = tx.get_enrollment(run).await.unwrap().unwrap().influencer_id;
        let address = |value: &str| Address {
            id: AddressId(bench.clock.new_id()),
            channel: Channel::Email,
            value: value.into(),
            value_key: value.into(),
            person: Person::Influencer(ana),
            is_primary: false,
            dead_at: None,
            dead_reason: None,
            created_at: bench.clock.now(),
        };
        tx.insert_addresses(&[address("ana@example.org"), address("ana@studio.example")]).await.unwrap();
        let mut waiting = Vec::new();
        for to in ["ana@example.org", "ana@studio.example", "bo@example.org"] {
            waiting.push(enqueue(&mut tx, &bench.clock, bench.order(&[to.to_owned()])).await.unwrap().id);
        }
        tx.commit().await.unwrap();
        let api = Api::new(bench.fresh).await;
        let name = api.fresh.name;
        let told = async || {
            let mut tx = api.fresh.store.read().await.unwrap();
            let all = tx.list_events_written(EventId(uuid::Uuid::nil()), 1_000).await.unwrap();
            all.into_iter()
                .filter(|e| e.kind == EventType::InfluencerUnsubscribed)
                .map(|e| e.influencer_id)
                .collect::<Vec<_>>()
        };
        let nothing: Vec<Option<InfluencerId>> = Vec::new();
        // Of an address alone nothing else follows.
        let (status, made) = api.post("/v1/suppressions", &json!({"address": "ana@example.org"})).await;
        assert_eq!((status, &made["reason"]), (StatusCode::CREATED, &json!("by_hand")), "{name}: {made}");
        assert_eq!(told().await, nothing, "{name}");
        let no = json!({"address": "Ana@example.org", "said_no": true, "note": "on the phone"});
        for _ in 0..2 {
            let (status, made) = api.post("/v1/suppressions", &no).await;
            assert_eq!((status, &made["reason"]), (StatusCode::CREATED, &json!("opted_out")), "{name}: {made}");
            assert_eq!(made["evidence"], "token tests: on the phone", "{name}");
            assert_eq!(told().await, [Some(ana)], "{name}: once");
        }
        let (_, list) = api.get("/v1/suppressions").await;
        let mut keys: Vec<&str> =
            list["data"].as_array().unwrap().iter().map(|s| s["value_key"].as_str().unwrap()).collect();
        keys.sort_unstable();
        // And under the person, for what comes later.
        let under = ana.to_string();
        assert_eq!(keys, ["ana@example.org", "ana@studio.example", under.as_str()], "{name}");
        let mut tx = api.fresh.store.read().await.unwrap();
        let over = tx.get_enrollment(run).await.unwrap().unwrap();
        assert_eq!((over.state, over.exit_reason.as_deref()), (EnrollmentState::Exited, Some("opted out")), "{name}");
        let mut stand = Vec::new();
        for id in waiting {
            stand.push(tx.get_outbox(id).await.unwrap().unwrap().status);
        }
        assert_eq!(stand, [OutboxStatus::Cancelled, OutboxStatus::Cancelled, OutboxStatus::Queued], "{name}");
        let (status, problem) = api.post("/v1/suppressions", &json!({"address": "ana", "said_no": true})).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/address")));
    }
}

/// Over HTTP as on the command line: who only ticks it off is told what to answer.
#[tokio::test]
async fn a_task_that_asks_whether_something_was_a_no_is_done_with_an_answer_alone() {
    for fresh in stores::both().await {
        let ana = seed::influencer(&fresh, &Clock::machine()).await;
        let api = Api::new(fresh).await;
        let name = api.fresh.name;
        let thread = seed::thread(&api.fresh, &api.clock, ana, 1).await;
        let message = seed::message_in(&api.fresh, &api.clock, &thread, 2).await;
        let asks = TaskRow {
            kind: TaskKind::Refusal,
            message_id: Some(message),
            ..desk_rows::task(&api.clock, "was it a no?", Some(ana), None)
        };
        desk_rows::insert(&api.fresh.store, std::slice::from_ref(&asks)).await;
        let path = format!("/v1/tasks/{}", asks.id);
        for said in [json!({}), json!({"answer": "had a look"})] {
            let (status, problem) = api.post(&format!("{path}/complete"), &said).await;
            let pointer = &problem["errors"][0]["pointer"];
            assert_eq!((status, pointer), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/answer")), "{name}: {problem}");
            let detail = problem["errors"][0]["detail"].as_str().unwrap();
            assert!(detail.contains("`said_no`") && detail.contains("`go_on`"), "{name}: {detail}");
        }
        assert_eq!(api.post(&format!("{path}/cancel"), &json!({})).await.0, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        let (_, list) = api.get("/v1/tasks?kind=refusal").await;
        assert_eq!(list["data"][0]["id"], json!(asks.id), "{name}: {list}");
        let (status, done) = api.post(&format!("{path}/complete"), &json!({"answer": "go_on"})).await;
        assert_eq!(
            (status, &done["state"], &done["answer"]),
            (StatusCode::OK, &json!("done"), &json!("go_on")),
            "{name}"
        );
    }
}
