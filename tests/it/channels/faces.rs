//! Who writes in a workspace and is nobody's yet: they have a name, and whose mail address is somebody's is suggested to be theirs.

use liaison::connector::slack::manifest::SCOPES;
use serde_json::{Value, json};

use super::workspaces::Brand;
use super::{asked, events, events_until, until};
use crate::slack::fake::Fault;
use crate::stores;

fn person(id: &str, name: &str, email: &str, more: &Value) -> Value {
    let mut person = json!({ "id": id, "team_id": "T1", "name": name.to_lowercase(), "is_bot": false, "deleted": false,
        "profile": { "real_name": name, "email": email } });
    person.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    person
}

fn waiting(brand: &Brand) -> Vec<Value> {
    brand.installation.get("/v1/unmatched")["data"].as_array().unwrap().clone()
}

/// What waits of somebody, once it is there.
fn until_waits(brand: &Brand, address: &str) -> Value {
    until(&brand.installation, address, || waiting(brand).into_iter().find(|row| row["address"] == address))
}

async fn people_have_names_and_are_suggested(fresh: stores::Fresh) {
    let brand = Brand::new(fresh).await;
    let (installation, fake) = (&brand.installation, &brand.fake);
    for (id, name, email, more) in [
        ("U5", "Kim", "kim@brand.example", json!({})),
        ("U6", "Ana Before", "ana@example.org", json!({ "deleted": true })),
        ("U7", "Ana Ruiz", "Ana@Example.org", json!({ "is_restricted": true })),
        ("U8", "Ana Bot", "ana@example.org", json!({ "is_bot": true })),
        ("U10", "Bob's brother", "bob@example.org", json!({})),
        ("U12", "Bob at Brand's", "bob@example.org", json!({ "is_restricted": true })),
    ] {
        fake.state().people.insert(id.to_owned(), person(id, name, email, &more));
    }
    let mut daemon = installation.start();
    installation.await_up(&mut daemon);
    until(installation, "a socket", || (!fake.state().sockets.is_empty()).then_some(()));
    let mail = |handle: &str| {
        let order = json!({ "handle": handle, "emails": [format!("{handle}@example.org")] });
        asked(installation, "POST", "/v1/influencers", &order, 201)["id"].as_str().unwrap().to_owned()
    };
    let (ana, bob) = (mail("ana"), mail("bob"));

    // A guest of another workspace shows no mail address: a name, and nobody to suggest. They are asked about once.
    for text in ["Hello?", "Anybody?"] {
        brand.hears("C7", json!({ "user": "U9", "user_team": "T2", "team": "T2", "text": text }));
    }
    until(installation, "both wait", || (waiting(&brand).len() == 2).then_some(()));
    let zoe = until_waits(&brand, "T2/U9");
    assert_eq!(
        (&zoe["name"], &zoe["reason"], &zoe["influencer_id"]),
        (&json!("Zoë"), &json!("unknown_sender"), &Value::Null)
    );
    let (ok, told) = installation.command(&["unmatched", "list"]);
    assert!(ok && told.contains("Zoë"), "{told}");
    assert_eq!(fake.calls("users.info").len(), 1);

    // Colleagues, programs and who left are nobody's, whatever their address.
    for user in ["U5", "U6", "U8"] {
        brand.hears("C7", json!({ "user": user, "team": "T1", "text": "Good morning" }));
    }
    // Somebody of our own workspace with the mail address of somebody we know is suggested, and not made.
    brand.hears("C7", json!({ "user": "U7", "team": "T1", "text": "Yes, gladly" }));
    let row = until_waits(&brand, "T1/U7");
    assert_eq!(
        (&row["name"], &row["reason"], &row["influencer_id"]),
        (&json!("Ana Ruiz"), &json!("alias_proposed"), &json!(ana))
    );
    assert_eq!(waiting(&brand).len(), 3);
    brand.until_says(&ana, "Yes, gladly");
    assert!(!installation.get(&format!("/v1/influencers/{ana}")).to_string().contains("T1/U7"));
    assert!(events(installation, "thread.replied").is_empty());
    let (ok, told) = installation.command(&["unmatched", "match", row["id"].as_str().unwrap(), "--influencer", "ana"]);
    assert!(ok, "{told}");
    assert!(installation.get(&format!("/v1/influencers/{ana}")).to_string().contains("T1/U7"));
    assert_eq!(events_until(installation, "thread.replied", 1)[0]["influencer_id"], json!(ana));
    assert_eq!(brand.texts(&ana), ["Yes, gladly"]);

    // Whoever it was not said of does not keep it.
    brand.hears("C7", json!({ "user": "U10", "team": "T1", "text": "I am his brother" }));
    let row = until_waits(&brand, "T1/U10");
    assert_eq!(row["influencer_id"], json!(bob));
    brand.until_says(&bob, "I am his brother");
    let (ok, told) =
        installation.command(&["unmatched", "match", row["id"].as_str().unwrap(), "--new-influencer", "carl"]);
    assert!(ok, "{told}");
    assert_eq!(brand.texts(&bob), [""; 0]);

    brand.hears("C7", json!({ "user": "U12", "team": "T1", "text": "Perhaps" }));
    assert_eq!(until_waits(&brand, "T1/U12")["influencer_id"], json!(bob));

    // Nothing that was said is lost where Slack does not answer, or does not let us ask; then nobody is asked for a while.
    let asked_so_far = fake.calls("users.info").len();
    fake.fail("users.info", [Fault::Code("missing_scope")]);
    for user in ["U20", "U21"] {
        brand.hears("C7", json!({ "user": user, "user_team": "T2", "team": "T2", "text": "Hi" }));
        assert_eq!(until_waits(&brand, &format!("T2/{user}"))["name"], "");
    }
    assert_eq!(fake.calls("users.info").len(), asked_so_far + 1);
    assert!(installation.last_words().contains("shown without their names"), "{}", installation.last_words());

    // What is only wanted is no problem, and is told.
    let needed = SCOPES.iter().map(|(scope, _)| *scope).filter(|scope| *scope != "users:read.email");
    fake.state().scopes = needed.collect::<Vec<_>>().join(",");
    let (ok, told) = installation.command(&["account", "test", "team"]);
    assert!(ok && told.contains("WARNING  scope users:read.email: the app lacks the scope users:read.email"), "{told}");
    let (ok, told) = installation.command(&["account", "add", "team"]);
    assert!(ok && told.contains("Reinstall to Workspace") && told.contains("team can be used"), "{told}");

    // Who may be somebody we know is no colleague where Slack says nothing of them, and whoever asks knows nothing.
    daemon.kill();
    fake.cut();
    fake.fail("users.info", [Fault::Code("missing_scope")]);
    let mut daemon = installation.start();
    installation.await_up(&mut daemon);
    until(installation, "a socket", || (!fake.state().sockets.is_empty()).then_some(()));
    brand.hears("C7", json!({ "user": "U12", "team": "T1", "text": "No thanks" }));
    until(installation, "it waits as well", || {
        let theirs = waiting(&brand).into_iter().filter(|row| row["address"] == "T1/U12");
        (theirs.count() == 2).then_some(())
    });
    assert_eq!(fake.state().too_early, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_have_names_and_are_suggested_on_sqlite() {
    people_have_names_and_are_suggested(stores::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_have_names_and_are_suggested_on_postgres() {
    match stores::postgres().await {
        Some(fresh) => people_have_names_and_are_suggested(fresh).await,
        None => crate::peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)"),
    }
}
