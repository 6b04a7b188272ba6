//! One person, one run, every channel: a mail of a sequence, an answer by text, words in Slack, and what was said elsewhere.

use serde_json::{Value, json};

use super::{Brand, on_both};
use crate::peers::fresh_user;
use crate::sms::THEIRS;
use crate::stores;

const SEQUENCE: &str = "account = \"hello\"\nsms_account = \"text\"\n\
    [schedule]\ntimezone = \"Europe/Lisbon\"\ndays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]\nhours = [\"00:00-24:00\"]\n\
    [[step]]\nid = \"intro\"\nemail = { subject = \"Autumn shoes\", text = \"May we send you a pair?\" }\n\
    [[step]]\nid = \"text\"\nafter = \"1 day\"\nsms = \"Did our mail reach you? Reply STOP to opt out\"\nelse = { task = \"Call them\" }\n";

async fn one_person_on_every_channel(fresh: stores::Fresh) {
    let Some(peer) = crate::peers::mail() else {
        return crate::peers::skip("mail server (LIAISON_TEST_MAIL)");
    };
    let (hello, ana) = (fresh_user("brand"), fresh_user("ana"));
    let brand = Brand::new(fresh, "").await;
    let installation = &brand.installation;
    installation.put("sequences/across/sequence.toml", SEQUENCE);
    installation.rewrite(|config| {
        let listen = format!("listen = \"127.0.0.1:{}\"\n", installation.port);
        let site = format!("{listen}base_url = \"http://127.0.0.1:{}\"\n", installation.port);
        format!(
            "{}[sender]\nname = \"Acme\"\naddress = \"1 Main St, Portland\"\n\
             [accounts.hello]\nkind = \"imap\"\naddress = \"{hello}\"\npassword = {{ file = \"password\" }}\n\
             imap = \"imap+plain://127.0.0.1:{}\"\nsmtp = \"smtp://127.0.0.1:{}\"\nca = \"{}\"\npoll_seconds = 1\n",
            config.replace(&listen, &site),
            peer.imap,
            peer.submission,
            peer.ca.display()
        )
    });
    let mut daemon = installation.start();
    installation.await_up(&mut daemon);
    brand.until("a socket", || (!brand.fake.state().sockets.is_empty()).then_some(()));
    let order =
        json!({ "handle": "ana", "first_name": "Ana", "emails": [ana], "phones": [THEIRS], "slack": ["T2/U9"] });
    let id = brand.asked("POST", "/v1/influencers", &order, 201)["id"].as_str().unwrap().to_owned();
    let (ok, told) = installation.command(&["sequence", "enroll", "across", "@ana"]);
    assert!(ok, "{told}");
    let timeline = || {
        let page = installation.get(&format!("/v1/influencers/{id}/timeline?limit=200"));
        let items = page["data"].as_array().unwrap().iter().filter(|item| item["type"] == "message").cloned();
        items.map(|item| item["message"].clone()).collect::<Vec<Value>>()
    };
    let has = |part: &str, status: &str| {
        timeline().iter().any(|m| m["status"] == status && m["text"].as_str().unwrap().contains(part)).then_some(())
    };
    brand.until("the mail is sent", || has("May we send you a pair?", "confirmed"));
    // Providers of text messages tell whole seconds.
    let sent = super::now();
    brand.until("the next second", || (super::now() > sent).then_some(()));
    brand.texts_us("Yes please! Size 39");
    brand.until("her text", || has("Size 39", "received"));
    let run = |wanted: &str| {
        let runs = installation.get(&format!("/v1/enrollments?influencer={id}"));
        (runs["data"][0]["state"] == wanted).then(|| runs["data"][0].clone())
    };
    let run = brand.until("the run is over", || run("exited"));
    assert!(run.to_string().contains("replied"), "{run}");
    let person = installation.get(&format!("/v1/influencers/{id}"));
    assert_eq!(person["stage"], "in_talks", "{person}");
    let said = json!({ "user": "U9", "user_team": "T2", "team": "T2", "text": "The draft is in our folder" });
    brand.says("DU9", said);
    brand.until("her words in Slack", || has("The draft is in our folder", "received"));
    let (ok, told) = installation.command(&["touch", "@ana", "Your story made my day!", "--place", "Instagram"]);
    assert!(ok, "{told}");
    // One timeline in the right order, over the API and for people.
    let seen: Vec<(String, String)> = timeline()
        .iter()
        .map(|m| (m["channel"].as_str().unwrap().to_owned(), m["direction"].as_str().unwrap().to_owned()))
        .collect();
    let expected = [("manual", "inbound"), ("slack", "inbound"), ("sms", "inbound"), ("email", "outbound")];
    assert_eq!(seen.iter().map(|(c, d)| (c.as_str(), d.as_str())).collect::<Vec<_>>(), expected);
    let (ok, shown) = installation.command(&["influencer", "show", "@ana"]);
    assert!(ok, "{shown}");
    let places: Vec<usize> = ["Your story made my day!", "The draft is in our folder", "Size 39", "Autumn shoes"]
        .iter()
        .map(|part| shown.find(part).unwrap())
        .collect();
    assert!(places.is_sorted(), "{shown}");
    let (ok, why) = installation.command(&["why", "@ana"]);
    assert!(ok && why.contains("replied"), "{why}");
    // Nothing of the sequence went by text; the team was shown each thing that came in, in one thread.
    assert_eq!(brand.sent(), [""; 0]);
    for part in ["sms by text", "slack by team", "manual by"] {
        let (_, thread, _) = brand.until_shown(part);
        assert_eq!(thread, Some(brand.root()), "{part}");
    }
    // And what followed.
    for part in ["The sequence across has stopped: replied", "Stage: contacted → in_talks"] {
        assert_eq!(brand.until_shown(part).1, Some(brand.root()), "{part}");
    }
}

on_both! {
    one_person_on_every_channel, one_person_on_sqlite, one_person_on_postgres;
}
