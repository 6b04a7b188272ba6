//! What a teammate was told, and says with `--said-no`.

use super::*;
use crate::cli;
use liaison::domain::ids::EventId;
use liaison::store::reading::Page;

#[tokio::test]
async fn a_no_of_an_agent_is_told_once_holds_at_all_their_addresses_and_is_nobody_elses() {
    for desk in both().await {
        let mut tx = desk.fresh.store.begin("test.agent").await.unwrap();
        let agent = tx.find_addresses(Channel::Email, vec!["mgr@talent.example".into()]).await.unwrap()[0].agent_id;
        let second = Address {
            id: AddressId(desk.clock.new_id()),
            channel: Channel::Email,
            value: "max@talent.example".into(),
            value_key: "max@talent.example".into(),
            person: Person::Agent(agent.unwrap()),
            is_primary: false,
            dead_at: None,
            dead_reason: None,
            created_at: desk.clock.now(),
        };
        tx.insert_addresses(&[second]).await.unwrap();
        assert!(unsubscribe_by_hand(&mut tx, &desk.clock, "Mgr@talent.example", "kim".into()).await.unwrap());
        assert!(!unsubscribe_by_hand(&mut tx, &desk.clock, "mgr@talent.example", "kim".into()).await.unwrap());
        assert!(!unsubscribe_by_hand(&mut tx, &desk.clock, "max@talent.example", "kim".into()).await.unwrap());
        tx.commit().await.unwrap();
        let mut tx = desk.fresh.store.read().await.unwrap();
        let listed = tx.list_suppressions(None, 100).await.unwrap();
        let told = tx.list_events_written(EventId(uuid::Uuid::nil()), 1_000).await.unwrap();
        drop(tx);
        let mut keys: Vec<_> = listed.iter().map(|s| (s.value_key.as_str(), s.reason)).collect();
        keys.sort_unstable_by_key(|(key, _)| *key);
        let no = SuppressionReason::OptedOut;
        assert_eq!(keys, [("max@talent.example", no), ("mgr@talent.example", no)], "{}", desk.fresh.name);
        let told: Vec<_> = told.iter().filter(|e| e.kind == EventType::InfluencerUnsubscribed).collect();
        assert_eq!(told.len(), 1, "{}: once, however many they write for", desk.fresh.name);
        assert_eq!((told[0].influencer_id, told[0].message_id), (None, None));
        for who in ["ana", "bo", "cy"] {
            assert_eq!(events(&desk, who, EventType::InfluencerUnsubscribed).await.len(), 0, "{who}");
            assert_eq!((ended(&desk, who).await, stage(&desk, who).await.as_str()), (None, "prospect"), "{who}");
        }
        let asked = tasks(&desk).await;
        assert_eq!(asked.len(), 1, "{}: {asked:?}", desk.fresh.name);
        assert_eq!((asked[0].0, asked[0].1), (TaskKind::Answer, None));
        assert!(asked[0].2.contains("mgr@talent.example") && asked[0].2.contains("ana, bo, cy"), "{asked:?}");
    }
}

#[tokio::test]
async fn a_no_given_on_the_command_line_is_the_persons_with_all_that_follows() {
    for desk in both().await {
        let name = desk.fresh.name;
        let (_keep, dir) = cli::folder_for(&desk);
        let run = |args: &[&str]| cli::liaison(&dir, args);
        run(&["suppression", "add", "di@example.org"]).well().says(0, "nothing is written to it any more");
        assert_eq!((ended(&desk, "di").await, stage(&desk, "di").await.as_str()), (None, "prospect"), "{name}");
        let no = ["suppression", "add", "Ana@example.org", "--said-no", "--note", "on the phone", "--json"];
        let first = run(&no).well().json();
        assert_eq!((first["added"].as_bool(), run(&no).well().json()["added"].as_bool()), (Some(true), Some(false)));
        assert_eq!(events(&desk, "ana", EventType::InfluencerUnsubscribed).await.len(), 1, "{name}");
        crate::facts::fit_some(&desk.fresh.store, crate::facts::BY_READERS).await;
        assert_eq!(
            (ended(&desk, "ana").await.as_deref(), stage(&desk, "ana").await),
            (Some("opted out"), "opted_out".into())
        );
        run(&["suppression", "list", "ana@example.org"]).well().says(0, "on the phone");
        run(&["suppression", "add", "ana", "--said-no"]).says(1, "ana");
        // What may be a no is answered there as well.
        let made = learn_machines_no(&desk, "bo").await;
        run(&["task", "done", &made]).says(1, "`said_no`");
        assert!(held(&desk, "bo").await.is_some(), "{name}");
        run(&["task", "done", &made, "--answer", "go_on"]).well();
        assert_eq!(held(&desk, "bo").await, None, "{name}");
    }
}

/// A machine answers for somebody with what may be a no; the task that asks about it.
async fn learn_machines_no(desk: &Desk, who: &str) -> String {
    let sent = sent_to(&format!("{who}@example.org"), "s1");
    desk.drop_into(FolderRole::Sent, &[sent]).await;
    let machine = "In-Reply-To: <s1@acme.example>\nAuto-Submitted: auto-replied";
    let no = reply(&format!("{who}@example.org"), "p1", machine, "Please remove me from your list.");
    desk.drop_into(FolderRole::Inbox, &[no]).await;
    let filter = TaskFilter { kind: Some(TaskKind::Refusal), ..TaskFilter::default() };
    let mut tx = desk.fresh.store.read().await.unwrap();
    let all = tx.list_tasks(&filter, desk.clock.now(), Page::oldest(10)).await.unwrap().data;
    assert_eq!(all.len(), 1, "{}", desk.fresh.name);
    all[0].id.to_string()
}
