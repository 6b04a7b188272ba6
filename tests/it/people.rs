//! People: changed by hand, and imported from files that are right, wrong and contradictory.

mod addresses;
mod kept;
mod phones;
mod ways;

use crate::stores::{self, Fresh};
use liaison::clock::Clock;
use liaison::domain::people::InfluencerView;
use liaison::domain::words::{Channel, EventType, FolderRole, SuppressionReason};
use liaison::hub::import::{Asker, ImportError, ImportOptions, ImportReport, import_agents, import_influencers};
use liaison::hub::people::{
    AgentChange, InfluencerChange, KnownStages, NewAgent, NewInfluencer, NewSuppression, PeopleError, StageMove,
    add_note, create_agent, create_influencer, find_agent, find_influencer, lift_suppression, move_stage,
    suppress_address, update_agent, update_influencer,
};
use liaison::hub::roster::Roster;
use liaison::store::event::EventRow;
use liaison::store::people::list::{InfluencerFilter, InfluencerOrder};
use liaison::store::reading::Page;
use liaison::store::{Store, Tx};

fn stages() -> KnownStages {
    let ids = ["applicant", "prospect", "in_talks", "declined"].map(str::to_owned).to_vec();
    KnownStages { start: "prospect".into(), ids }
}

fn options() -> ImportOptions {
    let asker = Asker::Terminal;
    ImportOptions {
        phone_region: None,
        source: "people.csv".into(),
        mapping: Vec::new(),
        dry_run: false,
        stages: stages(),
        owners: None,
        asker,
    }
}

async fn import_with(store: &Store, text: &str, options: &ImportOptions) -> ImportReport {
    let clock = Clock::machine();
    import_influencers(store, &clock, text.as_bytes(), options, &mut |_| {}).await.unwrap()
}

pub async fn import(store: &Store, text: &str) -> ImportReport {
    import_with(store, text, &options()).await
}

fn counts(report: &ImportReport) -> (u64, u64, u64, usize) {
    (report.created, report.updated, report.unchanged, report.failed.len())
}

async fn views(store: &Store) -> Vec<InfluencerView> {
    let mut tx = store.read().await.unwrap();
    let page = tx.list_influencers(&InfluencerFilter::default(), InfluencerOrder::Added, None, 1_000).await.unwrap();
    tx.view_influencers(page).await.unwrap()
}

async fn events(store: &Store) -> Vec<EventRow> {
    let mut tx = store.begin("test.number").await.unwrap();
    tx.number_events(100_000).await.unwrap();
    tx.commit().await.unwrap();
    store.read().await.unwrap().list_events(0, 100_000).await.unwrap()
}

#[tokio::test]
async fn influencer_is_created_and_changed_with_events_that_keep_the_stage_they_met() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let mut tx = fresh.store.begin("test.hub").await.unwrap();
        let new: NewInfluencer = serde_json::from_value(serde_json::json!({
            "handle": " @AnaRuns ", "first_name": "Ana", "emails": ["Ana@example.org", "ana@example.org"],
            "tags": ["b", "a", "b"], "networks": [{"network": "Instagram", "handle": "ana", "followers": 12}],
        }))
        .unwrap();
        let ana = create_influencer(&mut tx, &clock, &stages(), "kim", new).await.unwrap();
        let to = |to: &str, pinned| StageMove { influencer_id: ana.id, to: to.into(), pinned, cause: "kim".into() };
        assert!(move_stage(&mut tx, &clock, &stages(), to("in_talks", true)).await.unwrap());
        assert!(!move_stage(&mut tx, &clock, &stages(), to("in_talks", true)).await.unwrap());
        let unknown = move_stage(&mut tx, &clock, &stages(), to("nowhere", true)).await;
        assert!(matches!(unknown, Err(PeopleError::UnknownStage { .. })), "{unknown:?}");
        let change: InfluencerChange = serde_json::from_value(serde_json::json!({
            "owner": "kim", "timezone": "europe/lisbon", "tags": ["a", "c"], "properties": {"niche": "running"},
            "add_emails": ["two@example.org"], "version": 2,
        }))
        .unwrap();
        let changed = update_influencer(&mut tx, &clock, ana.id, "kim", change.clone()).await.unwrap();
        assert_eq!((changed.version, changed.timezone.as_deref()), (3, Some("Europe/Lisbon")));
        let stale = update_influencer(&mut tx, &clock, ana.id, "kim", change.clone()).await;
        assert!(matches!(stale, Err(PeopleError::Changed(_))), "{stale:?}");
        let same = InfluencerChange { version: None, ..change };
        assert_eq!(update_influencer(&mut tx, &clock, ana.id, "kim", same).await.unwrap().version, 3);
        let none: InfluencerChange = serde_json::from_value(serde_json::json!({"owner": null})).unwrap();
        assert_eq!(update_influencer(&mut tx, &clock, ana.id, "kim", none).await.unwrap().owner, None);
        tx.commit().await.unwrap();

        let view = &views(&fresh.store).await[0];
        assert_eq!((view.handle.as_str(), view.stage.as_str(), view.stage_pinned), ("@AnaRuns", "in_talks", true));
        assert_eq!(view.tags, ["a", "c"]);
        let addresses: Vec<_> = view.addresses.iter().map(|a| (a.value.as_str(), a.primary)).collect();
        assert_eq!(addresses, [("Ana@example.org", true), ("two@example.org", false)]);
        let events = events(&fresh.store).await;
        let seen: Vec<_> = events.iter().map(|e| (e.kind, e.stage.as_deref().unwrap())).collect();
        let expected = [
            (EventType::InfluencerCreated, "prospect"),
            (EventType::InfluencerStageChanged, "prospect"),
            (EventType::InfluencerUpdated, "in_talks"),
            (EventType::InfluencerUpdated, "in_talks"),
        ];
        assert_eq!(seen, expected, "{}", fresh.name);
        let moved = &events[1].data.as_ref().unwrap().0;
        let told = serde_json::json!({
            "from": "prospect", "to": "in_talks", "cause": "kim", "by": "kim", "message_id": null, "pinned": true, "stayed": 0,
        });
        assert_eq!(*moved, told);
    }
}

#[tokio::test]
async fn handles_and_addresses_of_others_are_refused_and_all_flaws_are_told() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        let mut tx = fresh.store.begin("test.hub").await.unwrap();
        let new = |handle: &str, email: &str| NewInfluencer {
            handle: handle.into(),
            emails: vec![email.into()],
            ..NewInfluencer::default()
        };
        let ana = create_influencer(&mut tx, &clock, &stages(), "t", new("ana", "ana@example.org")).await.unwrap();
        let taken = create_influencer(&mut tx, &clock, &stages(), "t", new("@ANA", "x@example.org")).await;
        assert!(matches!(taken, Err(PeopleError::HandleTaken { id, .. }) if id == ana.id), "{taken:?}");
        let taken = create_influencer(&mut tx, &clock, &stages(), "t", new("bo", "ANA@example.org")).await;
        assert!(matches!(taken, Err(PeopleError::AddressTaken { .. })), "{taken:?}");
        let agent = NewAgent { emails: vec!["ana@example.org".into()], ..NewAgent::default() };
        let taken = create_agent(&mut tx, &clock, agent).await;
        assert!(matches!(taken, Err(PeopleError::AddressTaken { .. })), "{taken:?}");
        let wrong = NewInfluencer { timezone: Some("Mars".into()), ..new("b o", "bo") };
        let Err(PeopleError::Invalid(flaws)) = create_influencer(&mut tx, &clock, &stages(), "t", wrong).await else {
            panic!("not refused")
        };
        let fields: Vec<_> = flaws.iter().map(|f| f.field.as_str()).collect();
        assert_eq!(fields, ["handle", "emails", "timezone"], "{}", fresh.name);
        // None of the refusals spoiled the transaction.
        let agent =
            NewAgent { emails: vec!["mia@talent.example".into()], influencers: vec![ana.id], ..NewAgent::default() };
        let mia = create_agent(&mut tx, &clock, agent).await.unwrap();
        let change =
            AgentChange { first_name: Some("Mia".into()), remove_influencers: vec![ana.id], ..AgentChange::default() };
        assert_eq!(update_agent(&mut tx, &clock, mia.id, change).await.unwrap().first_name, "Mia");
        assert_eq!(tx.influencers_of_agents(vec![mia.id]).await.unwrap(), []);
        for who in [ana.id.to_string().as_str(), "@ana", "Ana@example.org"] {
            assert_eq!(find_influencer(&mut tx, who).await.unwrap().id, ana.id);
        }
        assert!(matches!(find_influencer(&mut tx, "nobody").await, Err(PeopleError::NoInfluencer(_))));
        assert_eq!(find_agent(&mut tx, "mia@talent.example").await.unwrap(), mia.id);
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn notes_and_suppressions_by_hand() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        import(&fresh.store, "handle,email\nana,ana@example.org\n").await;
        let mut tx = fresh.store.begin("test.hub").await.unwrap();
        let ana = find_influencer(&mut tx, "ana").await.unwrap();
        let note = add_note(&mut tx, &clock, ana.id, "kim", " met at the fair ").await.unwrap();
        assert_eq!(note.text, "met at the fair");
        assert!(matches!(add_note(&mut tx, &clock, ana.id, "kim", "  ").await, Err(PeopleError::Invalid(_))));
        let new = || NewSuppression {
            address: "Ana@example.org".into(),
            reason: SuppressionReason::ByHand,
            evidence: "kim".into(),
        };
        assert!(suppress_address(&mut tx, &clock, new()).await.unwrap());
        assert!(!suppress_address(&mut tx, &clock, new()).await.unwrap());
        tx.commit().await.unwrap();
        // An import never lifts it.
        import(&fresh.store, "handle,email,first_name\nana,ana@example.org,Ana\n").await;
        assert_eq!(views(&fresh.store).await[0].addresses[0].suppressed, Some(SuppressionReason::ByHand));
        let mut tx = fresh.store.begin("test.hub").await.unwrap();
        let lift = async |tx: &mut Tx| lift_suppression(tx, &clock, "ana@example.org", "kim").await;
        assert_eq!(lift(&mut tx).await.unwrap(), ["ana@example.org"]);
        assert!(lift(&mut tx).await.unwrap().is_empty());
        tx.commit().await.unwrap();
        assert_eq!(views(&fresh.store).await[0].addresses[0].suppressed, None);
        let kinds: Vec<_> = events(&fresh.store).await.iter().map(|e| e.kind).collect();
        let (created, updated) = (EventType::InfluencerCreated, EventType::InfluencerUpdated);
        assert_eq!(kinds, [created, updated, updated, updated], "{}", fresh.name);
    }
}

/// Everybody as CSV.
async fn roster(store: &Store) -> String {
    let mut tx = store.survey().await.unwrap();
    let roster = Roster::of(&mut tx).await.unwrap();
    drop(tx);
    String::from_utf8([roster.header(), roster.rows(&views(store).await)].concat()).unwrap()
}

#[tokio::test]
async fn what_is_given_as_csv_is_imported_elsewhere_as_it_was_and_is_no_formula() {
    let (mut one, mut other) = (stores::both().await, stores::both().await);
    while let (Some(fresh), Some(elsewhere)) = (one.pop(), other.pop()) {
        import(&fresh.store, FULL).await;
        import(&fresh.store, "handle,first_name,property.phone\n@cy,\"=HYPERLINK(\"\"x\"\")\",+49 30 1\n").await;
        let given = roster(&fresh.store).await;
        let cy = given.lines().find(|line| line.contains("@cy")).unwrap();
        assert!(cy.contains("'@cy,\"'=HYPERLINK(\"\"x\"\")\"") && cy.contains(",'+49 30 1"), "{cy}");
        let again = import(&fresh.store, &given).await;
        assert_eq!(counts(&again), (0, 0, 3, 0), "{}: {:?}", fresh.name, again.failed);
        assert_eq!(again.notes.len(), 1, "the id stays out: {:?}", again.notes);
        assert_eq!(counts(&import(&elsewhere.store, &given).await), (3, 0, 0, 0), "{}", fresh.name);
        let without_ids = |text: String| -> Vec<String> {
            text.lines().map(|line| line.split_once(',').unwrap().1.to_owned()).collect()
        };
        assert_eq!(without_ids(roster(&elsewhere.store).await), without_ids(given), "{}", fresh.name);
    }
}

const FULL: &str = "handle,first_name,last_name,email,phone,timezone,agent_email,owner,stage,tags,network.instagram,\
network.instagram.followers,network.tiktok,network.tiktok.followers,property.niche,property.fit,consent.email.source,consent.email.at\n\
@anaruns,Ana,Silva,ana@example.org,+351912345678,Europe/Lisbon,mgr@talent.example,kim,in_talks,running;portugal,anaruns,82000,anaruns,41000,trail running,a,sign-up form,2026-03-01\n\
@bocooks,Bo,,bo@example.org,,America/Chicago,MGR@talent.example,kim,applicant,food,bocooks,\"4,100\",,,,b,,\n";

#[tokio::test]
async fn file_with_every_column_is_imported_and_a_second_time_nothing_changes() {
    for fresh in stores::both().await {
        let dry = import_with(&fresh.store, FULL, &ImportOptions { dry_run: true, ..options() }).await;
        assert_eq!(views(&fresh.store).await.len(), 0);
        let report = import(&fresh.store, FULL).await;
        assert_eq!(ImportReport { dry_run: true, ..report.clone() }, dry, "{}", fresh.name);
        assert_eq!(counts(&report), (2, 0, 0, 0), "{:?}", report.failed);
        assert_eq!(report.agents_created, 1);
        assert!(report.notes.is_empty(), "{:?}", report.notes);
        let views = views(&fresh.store).await;
        let ana = &views[0];
        assert_eq!(
            (ana.stage.as_str(), ana.owner.as_deref(), ana.reach, ana.tier),
            ("in_talks", Some("kim"), Some(123_000), Some("macro"))
        );
        assert_eq!(ana.tags, ["portugal", "running"]);
        assert_eq!(ana.properties["niche"], "trail running");
        assert_eq!(ana.addresses[0].consent.as_ref().unwrap().source, "sign-up form");
        assert_eq!((ana.addresses[1].channel, ana.addresses[1].value.as_str()), (Channel::Sms, "+351912345678"));
        assert_eq!(ana.agent.as_ref().unwrap().email.as_deref(), Some("mgr@talent.example"));
        assert_eq!(ana.agent, views[1].agent);
        assert_eq!(views[1].reach, Some(4_100));
        let again = import(&fresh.store, FULL).await;
        assert_eq!((counts(&again), again.agents_created), ((0, 0, 2, 0), 0), "{:?}", again.failed);
        let created = events(&fresh.store).await;
        assert_eq!(created.len(), 2);
        assert_eq!(created[0].stage.as_deref(), Some("in_talks"));
    }
}

#[tokio::test]
async fn columns_that_are_left_out_are_named_and_the_rest_is_imported() {
    let example = "id,handle,email,consent.fax.source,consent.manual.at\n9,@a,a@example.org,form,2026-03-01\n";
    let fresh = stores::sqlite().await;
    let report = import(&fresh.store, example).await;
    assert_eq!((counts(&report), report.notes.len()), ((1, 0, 0, 0), 3), "{:?}", report.notes);
}

#[tokio::test]
async fn import_fills_in_given_fields_and_takes_nothing_back() {
    for fresh in stores::both().await {
        import(&fresh.store, FULL).await;
        let text = "handle,email,first_name,last_name,stage,tags,network.instagram,network.instagram.followers,property.niche,owner\n\
            ANARUNS,Ana@Example.org,Anna,,declined,new,anaruns2,,,\n\
            @bocooks,,,Berg,,,,,baking,\n";
        let report = import(&fresh.store, text).await;
        assert_eq!(counts(&report), (0, 2, 0, 0), "{:?}", report.failed);
        assert!(report.notes.iter().any(|n| n.contains("1 rows name another stage")), "{:?}", report.notes);
        let views = views(&fresh.store).await;
        let (ana, bo) = (&views[0], &views[1]);
        assert_eq!(
            (ana.handle.as_str(), ana.first_name.as_str(), ana.last_name.as_str()),
            ("@anaruns", "Anna", "Silva")
        );
        assert_eq!((ana.stage.as_str(), ana.owner.as_deref()), ("in_talks", Some("kim")));
        assert_eq!(ana.tags, ["new", "portugal", "running"]);
        assert_eq!((ana.networks[0].handle.as_str(), ana.networks[0].followers), ("anaruns2", Some(82_000)));
        assert_eq!(ana.addresses.len(), 2);
        assert_eq!(
            (bo.last_name.as_str(), &bo.properties["niche"], &bo.properties["fit"]),
            ("Berg", &"baking".into(), &"b".into())
        );
        let last = events(&fresh.store).await.pop().unwrap();
        assert_eq!(last.data.unwrap().0["changed"], serde_json::json!(["last_name", "properties"]), "{}", fresh.name);
    }
}

#[tokio::test]
async fn withdrawn_consent_does_not_come_back_with_an_old_file() {
    for fresh in stores::both().await {
        import(&fresh.store, FULL).await;
        let mut tx = fresh.store.begin("test.withdraw").await.unwrap();
        tx.withdraw_consents(Channel::Email, "ana@example.org", Clock::machine().now()).await.unwrap();
        tx.commit().await.unwrap();
        let other = FULL.replace("sign-up form", "another form");
        assert_eq!(counts(&import(&fresh.store, &other).await), (0, 0, 2, 0));
        assert_eq!(views(&fresh.store).await[0].addresses[0].consent, None, "{}", fresh.name);
    }
}

#[tokio::test]
async fn wrong_rows_are_left_out_with_line_and_reason_and_the_others_go_on() {
    let text = "handle,email,timezone,stage,network.x,network.x.followers,consent.email.source,consent.email.at\r\n\
        ok1,ok1@example.org,,,,,,\r\n\
        bad1,bad1@,Nowhere/City,nowhere,x,many,,\r\n\
        \r\n\
        ,nohandle@example.org,,,,,,\r\n\
        bad2,bad2@example.org,,,,99,form,\r\n\
        \"bad 3\",b@example.org,,,,,,\r\n\
        short,short@example.org\r\n\
        long,long@example.org,,,,,,,extra\r\n\
        ,,,,,,,\r\n\
        ok2,\"ok2@example.org\",Europe/Berlin,,\"two\nlines\",,,\r\n\
        ok3,ok3@example.org,Europe/Berlin,applicant,x,7,,\r\n";
    for fresh in stores::both().await {
        let report = import(&fresh.store, text).await;
        assert_eq!(counts(&report), (2, 0, 0, 7), "{:#?}", report.failed);
        assert_eq!(report.rows, 9);
        let lines: Vec<u64> = report.failed.iter().map(|f| f.line).collect();
        assert_eq!(lines, [3, 5, 6, 7, 8, 9, 11], "{}", fresh.name);
        let first = &report.failed[0].reasons;
        assert_eq!(first.len(), 4, "{first:?}");
        for part in ["email: `bad1@`", "timezone: `Nowhere/City`", "stage: `nowhere`", "network.x.followers: `many`"] {
            assert!(first.iter().any(|r| r.starts_with(part)), "{part}: {first:?}");
        }
        assert_eq!(report.failed[2].reasons.len(), 2, "{:?}", report.failed[2]);
        assert!(report.notes.iter().any(|n| n.contains("1 empty rows")), "{:?}", report.notes);

        let csv = report.failed_csv();
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let header: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        assert_eq!(header[..3], ["line", "error", "handle"]);
        // Put right, it can be imported as it is.
        let right = "line,error,handle,email\n3,\"email: bad\",bad1,bad1@example.org\n";
        let report = import(&fresh.store, right).await;
        assert_eq!((counts(&report), report.notes.len()), ((1, 0, 0, 0), 0));
        assert!(!report.failed_csv().contains("line,error,line"));
    }
}

#[tokio::test]
async fn contradictions_are_told_and_nobody_is_merged() {
    let first = "handle,email,agent_email\nana,ana@example.org,mia@talent.example\nbo,bo@example.org,\ncy,,\n";
    let second = "handle,email,agent_email\n\
        ana,other@example.org,\n\
        new1,BO@example.org,\n\
        new2,mia@talent.example,\n\
        new3,new3@example.org,bo@example.org\n\
        new4,same@example.org,same@example.org\n\
        new5,new5@example.org,agent5@talent.example\n\
        NEW5,new6@example.org,\n\
        new7,new5@example.org,\n\
        new8,agent5@talent.example,\n\
        new9,new9@example.org,new5@example.org\n\
        cy,cy@example.org,\n\
        ana,ana@example.org,\n";
    for fresh in stores::both().await {
        assert_eq!(counts(&import(&fresh.store, first).await), (3, 0, 0, 0));
        let dry = import_with(&fresh.store, second, &ImportOptions { dry_run: true, ..options() }).await;
        let report = import(&fresh.store, second).await;
        assert_eq!(dry.failed, report.failed);
        let told: Vec<(u64, &str)> = report.failed.iter().map(|f| (f.line, f.reasons[0].as_str())).collect();
        let expected = [
            (2, "email: ana is there already with the address ana@example.org"),
            (3, "email: BO@example.org belongs to bo (inf_"),
            (4, "email: mia@talent.example is the address of an agent (agt_"),
            (5, "agent_email: bo@example.org is the own address of bo"),
            (6, "agent_email: it is the influencer's own address"),
            (8, "handle: NEW5 is in line 7 already"),
            (9, "email: new5@example.org is in line 7 already"),
            (10, "email: agent5@talent.example is the address of an agent in line 7"),
            (11, "agent_email: new5@example.org is an influencer's own address in line 7"),
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for ((line, reason), (expected_line, part)) in told.iter().zip(expected) {
            assert_eq!(*line, expected_line, "{reason}");
            assert!(reason.starts_with(part), "{reason}");
        }
        // New5 came, cy got an address, ana is as she was.
        assert_eq!(counts(&report), (1, 1, 1, 9), "{}", fresh.name);
        assert_eq!(views(&fresh.store).await.len(), 4);
    }
}

#[tokio::test]
async fn marks_delimiters_and_mappings_are_understood() {
    for (text, mapping) in [
        ("\u{feff}handle;email;tags\nana;ana@example.org;\"a;b\"\n", vec![]),
        ("handle\temail\ttags\nana\tana@example.org\ta;b", vec![]),
        (
            "Creator,Contact Mail,Labels\r\nana,ana@example.org,a;b\r\n",
            vec![("Creator", "handle"), ("Contact Mail", "email"), ("Labels", "tags")],
        ),
    ] {
        let fresh = stores::sqlite().await;
        let mapping = mapping.into_iter().map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
        let report = import_with(&fresh.store, text, &ImportOptions { mapping, ..options() }).await;
        assert_eq!((counts(&report), report.notes.len()), ((1, 0, 0, 0), 0), "{text}: {report:?}");
        let view = &views(&fresh.store).await[0];
        assert_eq!((view.handle.as_str(), view.tags.len(), view.addresses.len()), ("ana", 2, 1));
    }
}

#[tokio::test]
async fn file_that_can_not_be_read_is_refused_whole_with_the_line() {
    let fresh = stores::sqlite().await;
    let clock = Clock::machine();
    let many = (0..1_000).fold("handle\n".to_owned(), |text, n| text + &format!("h{n}\n"));
    let unclosed = format!("{many}\"never closed,\nx,y\n");
    for (text, line, part) in [
        (b"handle,first_name\na,Ana\nb,Jos\xe9\n".as_slice(), 3, "'é' in Latin-1"),
        (b"\xff\xfeh\0a\0", 1, "UTF-16"),
        (b"handle\na\0b\n", 2, "NUL"),
        (b"", 1, "empty"),
        (unclosed.as_bytes(), 1_002, "never closed"),
    ] {
        match import_influencers(&fresh.store, &clock, text, &options(), &mut |_| {}).await {
            Err(ImportError::File { line: at, reason }) => {
                assert_eq!(at, line, "{reason}");
                assert!(reason.contains(part), "{reason}");
            }
            other => panic!("{part}: {other:?}"),
        }
    }
    let wrong = import_influencers(&fresh.store, &clock, b"name,email\nx,y\n", &options(), &mut |_| {}).await;
    assert!(matches!(&wrong, Err(ImportError::Columns(reasons)) if reasons[0].contains("handle")), "{wrong:?}");
    assert_eq!(views(&fresh.store).await.len(), 0);
    let owners = Some(vec!["kim".to_owned()]);
    let report =
        import_with(&fresh.store, "handle,owner\na,kim\nb,bob\n", &ImportOptions { owners, ..options() }).await;
    assert_eq!(counts(&report), (1, 0, 0, 1));
}

#[tokio::test]
async fn agents_are_imported_with_those_they_write_for() {
    let clock = Clock::machine();
    for fresh in stores::both().await {
        import(&fresh.store, "handle,email,agent_email\nana,ana@example.org,mia@talent.example\nbo,,\n").await;
        let text = "email,first_name,last_name,influencers\n\
            MIA@talent.example,Mia,Berg,@ana;bo\n\
            lou@talent.example,Lou,,bo\n\
            ana@example.org,Ana,,\n\
            lou@talent.example,Twice,,\n\
            max@talent.example,Max,,nobody\n\
            no address,Max,,\n";
        for expected in [(1, 1, 0, 4), (0, 0, 2, 4)] {
            let mut last = None;
            let report = import_agents(&fresh.store, &clock, text.as_bytes(), &options(), &mut |p| last = Some(p))
                .await
                .unwrap();
            assert_eq!(counts(&report), expected, "{}: {:#?}", fresh.name, report.failed);
            let lines: Vec<u64> = report.failed.iter().map(|f| f.line).collect();
            assert_eq!(lines, [4, 5, 6, 7]);
            assert_eq!(
                last.map(|p| (p.rows, p.octets, p.octets_total)),
                Some((6, text.len() as u64, text.len() as u64))
            );
        }
        let mut tx = fresh.store.read().await.unwrap();
        let agents = tx.list_agents(None, 10).await.unwrap();
        let agents = tx.view_agents(agents).await.unwrap();
        let names: Vec<_> = agents.iter().map(|a| (a.first_name.as_str(), a.influencers.len())).collect();
        assert_eq!(names, [("Mia", 2), ("Lou", 1)]);
    }
}

/// Rows of the large file; one in a thousand is wrong.
const ROWS: u64 = 10_000;
const WRONG: usize = 10;

#[tokio::test]
async fn ten_thousand_rows_are_imported_with_the_wrong_ones_told() {
    let mut text =
        "handle,first_name,last_name,email,agent_email,tags,network.instagram,network.instagram.followers\n".to_owned();
    for n in 0..ROWS {
        let email = if n % 1_000 == 999 { "not an address".to_owned() } else { format!("p{n}@example.org") };
        text.extend([format!(
            "@h{n},First{n},Last{n},{email},agent{}@talent.example,t{};all,h{n},{}\n",
            n % 50,
            n % 7,
            n * 10
        )]);
    }
    for fresh in stores::both().await {
        let mut steps = 0;
        let clock = Clock::machine();
        let report =
            import_influencers(&fresh.store, &clock, text.as_bytes(), &options(), &mut |_| steps += 1).await.unwrap();
        assert_eq!(
            (counts(&report), report.agents_created, steps),
            ((ROWS - ROWS / 1_000, 0, 0, WRONG), 50, ROWS / 500),
            "{}",
            fresh.name
        );
        assert_eq!(report.failed[0].line, 1_001);
        let again = import(&fresh.store, &text).await;
        assert_eq!((counts(&again), again.agents_created), ((0, 0, ROWS - ROWS / 1_000, WRONG), 0));
        let mut tx = fresh.store.read().await.unwrap();
        let filter =
            InfluencerFilter { q: Some("last4321".into()), tag: Some("all".into()), ..InfluencerFilter::default() };
        let found = tx.list_influencers(&filter, InfluencerOrder::NewestMessage, None, 10).await.unwrap();
        assert_eq!(found.iter().map(|i| i.handle.as_str()).collect::<Vec<_>>(), ["@h4321"]);
        let agent = find_agent(&mut tx, "agent7@talent.example").await.unwrap();
        assert_eq!(tx.influencers_of_agents(vec![agent]).await.unwrap().len(), usize::try_from(ROWS / 50).unwrap());
    }
}

/// A mail to the team about this.
fn letter(from: &str, subject: &str) -> Vec<u8> {
    let id = subject.replace(' ', ".");
    let head = format!(
        "From: {from}\nTo: team@acme.example\nSubject: {subject}\nMessage-ID: <{id}@example.net>\n\
         Date: Sun, 1 Mar 2026 12:00:00 +0000"
    );
    crate::ingest::mail(&head, "Hello")
}

#[tokio::test]
async fn whoever_becomes_known_brings_their_history_along() {
    for fresh in stores::both().await {
        let desk = crate::ingest::Desk::new(fresh).await;
        let (store, clock) = (&desk.fresh.store, &desk.clock);
        let letters = [
            letter("eve@new.example", "from eve"),
            letter("fay@new.example", "from fay"),
            letter("gus@agency.example", "for fay"),
            letter("hal@agency.example", "for ana"),
            letter("bo.two@example.net", "from bo"),
        ];
        desk.drop_into(FolderRole::Inbox, &letters).await;
        let waiting = async || store.read().await.unwrap().list_unmatched(Page::newest(50)).await.unwrap().data.len();
        assert_eq!(waiting().await, 5);

        let mut tx = store.begin("test").await.unwrap();
        let new = NewInfluencer { handle: "@eve".into(), emails: vec!["eve@new.example".into()], ..Default::default() };
        let eve = create_influencer(&mut tx, clock, &stages(), "test", new).await.unwrap();
        let change = InfluencerChange { add_emails: vec!["bo.two@example.net".into()], ..Default::default() };
        let bo = update_influencer(&mut tx, clock, desk.people["bo"], "test", change).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!((desk.one("from eve").await.who(), desk.one("from bo").await.who()), (vec![eve.id], vec![bo.id]));
        assert!(eve.last_message_at.is_some() && bo.last_message_at.is_some() && waiting().await == 3);

        let report = import(store, "handle,email,agent_email\n@fay,fay@new.example,gus@agency.example\n").await;
        assert_eq!(counts(&report), (1, 0, 0, 0));
        let fay = find_influencer(&mut store.read().await.unwrap(), "@fay").await.unwrap();
        assert_eq!((desk.one("from fay").await.who(), desk.one("for fay").await.who()), (vec![fay.id], vec![fay.id]));
        assert_eq!(waiting().await, 1);

        // An agent who stands for nobody yet: the mail waits until it is known for whom they write, the next one too.
        let mut tx = store.begin("test").await.unwrap();
        let new = NewAgent { emails: vec!["hal@agency.example".into()], ..Default::default() };
        let hal = create_agent(&mut tx, clock, new).await.unwrap();
        tx.commit().await.unwrap();
        desk.drop_into(FolderRole::Inbox, &[letter("hal@agency.example", "again for ana")]).await;
        assert_eq!(waiting().await, 2);
        let mut tx = store.begin("test").await.unwrap();
        let change = AgentChange { add_influencers: vec![desk.people["ana"]], ..Default::default() };
        update_agent(&mut tx, clock, hal.id, change).await.unwrap();
        tx.commit().await.unwrap();
        let ana = vec![desk.people["ana"]];
        assert_eq!((desk.one("for ana").await.who(), desk.one("again for ana").await.who()), (ana.clone(), ana));
        assert_eq!(waiting().await, 0, "{}", desk.fresh.name);
    }
}
