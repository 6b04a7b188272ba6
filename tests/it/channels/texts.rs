//! A number at Twilio.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;

use super::{asked, post, until};
use crate::daemon::{Answer, Installation};
use crate::sms::provider::field;
use crate::sms::twilio::{Fate, Twilio};
use crate::sms::{ACCOUNT, OURS, THEIRS, TOKEN};
use crate::stores;

/// Nobody we know.
const STRANGER: &str = "+14155550177";

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// The signature that Twilio makes of a form (its own description: the address, then names and values in the order of the names).
fn sign(url: &str, fields: &[(&str, &str)]) -> String {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let mut mac = Hmac::<Sha1>::new_from_slice(TOKEN.as_bytes()).unwrap();
    mac.update(url.as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

pub(super) struct Brand {
    pub(super) installation: Installation,
    pub(super) twilio: Twilio,
}

impl Brand {
    pub(super) async fn new(fresh: stores::Fresh) -> Self {
        let twilio = Twilio::new();
        twilio.state.lock().unwrap().now = Some(now);
        let sections = format!(
            "[accounts.text]\nkind = \"twilio\"\naccount_sid = \"{ACCOUNT}\"\nauth_token = {{ file = \"token\" }}\n\
             number = \"{OURS}\"\nbase_url = \"{}\"\npoll_seconds = 1\nsettle_minutes = 1\n",
            twilio.server.url()
        );
        let installation = Installation::bare(fresh, &sections, &[("token", TOKEN)]).await;
        installation.rewrite(|config| {
            let listen = format!("listen = \"127.0.0.1:{}\"\n", installation.port);
            let site = format!("{listen}base_url = \"http://127.0.0.1:{}\"\n", installation.port);
            format!("phone_region = \"US\"\n{}", config.replace(&listen, &site))
        });
        Self { installation, twilio }
    }

    pub(super) fn post(&self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let port = self.installation.port;
        let signature = sign(&format!("http://127.0.0.1:{port}{path}"), fields);
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let kind = ("Content-Type", "application/x-www-form-urlencoded");
        post(port, path, &[kind, ("X-Twilio-Signature", &signature)], body.as_bytes())
    }

    fn say(&self, influencer: &str, text: &str, status: u16) -> Value {
        let order = json!({ "channel": "sms", "influencer_id": influencer, "text": text });
        asked(&self.installation, "POST", "/v1/messages", &order, status)
    }

    /// A message when it has come so far.
    fn until_status(&self, id: &str, status: &str) -> Value {
        until(&self.installation, status, || {
            let message = self.installation.get(&format!("/v1/messages/{id}"));
            (message["status"] == status).then_some(message)
        })
    }

    fn events(&self, sort: &str) -> Vec<Value> {
        super::events(&self.installation, sort)
    }

    /// Somebody with a number who agreed to text messages.
    pub(super) fn somebody(&self) -> String {
        let csv = format!(
            "handle,first_name,phone,consent.sms.source,consent.sms.at\nana,Ana,{THEIRS},a form,2026-01-05T10:00:00Z\n"
        );
        asked(&self.installation, "POST", "/v1/imports", &json!({ "csv": csv }), 200);
        let found = self.installation.get("/v1/influencers?q=ana");
        found["data"][0]["id"].as_str().unwrap().to_owned()
    }

    pub(super) fn timeline(&self, influencer: &str) -> Vec<(String, String, String)> {
        let page = self.installation.get(&format!("/v1/influencers/{influencer}/timeline"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let items = page["data"].as_array().unwrap().iter().filter(|item| item["type"] == "message");
        let told = |item: &Value| {
            let message = &item["message"];
            (text(&message["channel"]), text(&message["direction"]), text(&message["text"]))
        };
        items.map(told).collect()
    }
}

async fn a_number_talks(fresh: stores::Fresh) {
    let brand = Brand::new(fresh).await;
    let Brand { installation, twilio } = &brand;
    let mut daemon = installation.start();
    installation.await_up(&mut daemon);
    let ana = brand.somebody();
    until(installation, "the account is up", || {
        let accounts = installation.get("/v1/accounts");
        (accounts["data"][0]["state"] == "up").then_some(())
    });

    // Out: once, signed for a callback of its own.
    let said = brand.say(&ana, "Hi Ana, would you like to try our shoes?", 202);
    let id = said["id"].as_str().unwrap().to_owned();
    let sent = brand.until_status(&id, "confirmed");
    assert_eq!((&sent["channel"], &sent["account"]), (&json!("sms"), &json!("text")), "{sent}");
    let stored = twilio.messages();
    assert_eq!(stored.len(), 1);
    assert_eq!((stored[0].to.as_str(), stored[0].body.as_str()), (THEIRS, "Hi Ana, would you like to try our shoes?"));
    let request = twilio.server.journal().into_iter().find(|request| request.method == "POST").unwrap();
    let callback = field(&request.form(), "StatusCallback").unwrap().to_owned();
    let path = callback.strip_prefix(&format!("http://127.0.0.1:{}", installation.port)).unwrap().to_owned();
    assert!(path.starts_with("/hooks/text/status/") && path.len() > 40, "{path}");

    // How it fares, twice and out of order; only what is signed counts.
    let fares = |status: &'static str| {
        [("AccountSid", ACCOUNT), ("MessageSid", stored[0].sid.as_str()), ("MessageStatus", status), ("To", THEIRS)]
    };
    let (status, words) = post(installation.port, &path, &[("X-Twilio-Signature", "bm8=")], b"MessageStatus=delivered");
    assert_eq!(status, 403, "{words}");
    for status in ["delivered", "sent", "delivered"] {
        assert_eq!(brand.post(&path, &fares(status)).0, 200, "{status}");
    }
    let arrived = until(installation, "it arrived", || brand.events("message.delivered").into_iter().next());
    assert_eq!((&arrived["message_id"], &arrived["data"]["channel"]), (&json!(id), &json!("sms")), "{arrived}");

    // In, by the list; the same by the hook is the same.
    let sid = twilio.comes_in(THEIRS, "Sounds great, which sizes?", now());
    let replied = until(installation, "the answer", || brand.events("thread.replied").into_iter().next());
    assert_eq!((&replied["influencer_id"], &replied["data"]["channel"]), (&json!(ana), &json!("sms")), "{replied}");
    let same = [
        ("AccountSid", ACCOUNT),
        ("Body", "Sounds great, which sizes?"),
        ("From", THEIRS),
        ("MessageSid", sid.as_str()),
        ("NumMedia", "0"),
        ("To", OURS),
    ];
    assert_eq!(brand.post("/hooks/text", &same).0, 200);
    // And another one that only the hook tells, at once.
    let new = same.map(|(name, value)| match name {
        "MessageSid" => (name, "SM000000000000000000000000000000aa"),
        "Body" => (name, "I take 39"),
        _ => (name, value),
    });
    assert_eq!(brand.post("/hooks/text", &new).0, 200);
    let timeline = brand.timeline(&ana);
    let texts: Vec<&str> = timeline.iter().map(|(_, _, text)| text.as_str()).collect();
    assert_eq!(texts.len(), 3, "{timeline:?}");
    for text in ["Hi Ana, would you like to try our shoes?", "Sounds great, which sizes?", "I take 39"] {
        assert!(texts.contains(&text), "{timeline:?}");
    }
    assert!(timeline.iter().all(|(channel, ..)| channel == "sms"));
    let threads = installation.get(&format!("/v1/threads?influencer={ana}"));
    assert_eq!(threads["data"].as_array().unwrap().len(), 1, "{threads}");
    let person = installation.get(&format!("/v1/influencers/{ana}"));
    assert_eq!(person["stage"], "in_talks", "{person}");

    // An answer in the thread goes the way they came.
    let thread = threads["data"][0]["id"].as_str().unwrap();
    let answer =
        asked(installation, "POST", &format!("/v1/threads/{thread}/reply"), &json!({ "text": "39 it is!" }), 202);
    brand.until_status(answer["id"].as_str().unwrap(), "confirmed");
    assert_eq!(twilio.messages().last().unwrap().body, "39 it is!");

    // Stop holds at once, and only they take it back.
    twilio.comes_in(THEIRS, " stop. ", now());
    until(installation, "the stop", || {
        let found = installation.get("/v1/suppressions");
        found["data"]
            .as_array()
            .unwrap()
            .iter()
            .any(|s| s["value_key"] == THEIRS || s["address"] == THEIRS)
            .then_some(())
    });
    let refused = brand.say(&ana, "One more thing", 409);
    assert_eq!(refused["code"], "do_not_contact", "{refused}");
    twilio.comes_in(THEIRS, "START", now());
    until(installation, "the start", || {
        let found = installation.get("/v1/suppressions");
        found["data"].as_array().unwrap().is_empty().then_some(())
    });
    let again = brand.say(&ana, "Welcome back", 202);
    brand.until_status(again["id"].as_str().unwrap(), "confirmed");
    twilio.check();
    super::events_fit(installation, crate::facts::BY_NUMBERS);

    // As people see it: the channel, the words, and no subject that there is not.
    let (ok, told) = installation.command(&["influencer", "show", "ana"]);
    assert!(ok && told.contains("outbound sms confirmed: Welcome back"), "{told}");
    let (ok, told) = installation.command(&["thread", "show", "ana"]);
    assert!(ok && told.contains("[sms, received]") && told.contains("I take 39"), "{told}");
    assert!(!told.contains("Text messages"), "{told}");
    // An account that is configured is tried, and the address to enter at the provider is named.
    let (ok, told) = installation.command(&["account", "add", "text"]);
    let hook = format!("http://127.0.0.1:{}/hooks/text", installation.port);
    assert!(ok && told.contains("text can be used.") && told.contains(&hook), "{told}");
}

async fn strangers_and_consent(fresh: stores::Fresh) {
    let brand = Brand::new(fresh).await;
    let Brand { installation, twilio } = &brand;
    let mut daemon = installation.start();
    installation.await_up(&mut daemon);
    // Nobody agreed, and nobody wrote.
    let bea = json!({ "handle": "bea", "first_name": "Bea", "phones": ["(415) 555-0142"] });
    let bea = asked(installation, "POST", "/v1/influencers", &bea, 201);
    let bea = bea["id"].as_str().unwrap();
    let refused = brand.say(bea, "Hello", 409);
    assert_eq!(refused["code"], "no_consent", "{refused}");
    assert!(twilio.messages().is_empty());

    // Who writes from a number that nobody has waits to be matched; then it is theirs, with all that follows, and may be answered.
    twilio.comes_in(STRANGER, "Hi, Bea here, call me back", now());
    let waiting = until(installation, "the stranger", || {
        installation.get("/v1/unmatched")["data"].as_array().unwrap().first().cloned()
    });
    assert_eq!(waiting["address"], STRANGER, "{waiting}");
    let path = format!("/v1/unmatched/{}/match", waiting["id"].as_str().unwrap());
    let matched = installation.call("POST", &path, Some(&json!({ "influencer_id": bea })));
    assert!(matches!(matched, Answer::Said(200 | 204, _) | Answer::Lost), "{matched:?}");
    until(installation, "it is theirs", || (brand.timeline(bea).len() == 1).then_some(()));
    let person = installation.get(&format!("/v1/influencers/{bea}"));
    assert!(person["addresses"].to_string().contains(STRANGER), "{person}");
    let order = json!({ "to": [{ "name": "", "address": STRANGER }], "text": "Hi Bea!" });
    let said = asked(installation, "POST", "/v1/messages", &order, 202);
    brand.until_status(said["id"].as_str().unwrap(), "confirmed");
    // A number they never wrote from still has to agree.
    let order = json!({ "channel": "sms", "to": [{ "name": "", "address": "+14155550142" }], "text": "Hi Bea!" });
    asked(installation, "POST", "/v1/messages", &order, 409);

    // Where nobody says how, it goes as they wrote last, and it is said why.
    let (ok, told) = installation.command(&["send", "--to", "bea", "--text", "Which size?", "--now"]);
    assert!(ok && told.contains("By sms: they wrote so last. From text: they wrote to it last"), "{told}");
    until(installation, "it is sent", || twilio.messages().iter().any(|m| m.body == "Which size?").then_some(()));
    let (ok, told) = installation.command(&["send", "--to", "bea", "--text", "Hi", "--channel", "email"]);
    assert!(!ok && told.contains("--subject"), "{told}");

    // An answer that gets lost is looked for, and neither sent twice nor left open.
    twilio.will(&[Fate::TakenAndSilent]);
    let order = json!({ "channel": "sms", "to": [{ "name": "", "address": STRANGER }], "text": "Are you there?" });
    let said = asked(installation, "POST", "/v1/messages", &order, 202);
    brand.until_status(said["id"].as_str().unwrap(), "confirmed");
    let same = twilio.messages().iter().filter(|m| m.body == "Are you there?").count();
    assert_eq!(same, 1);
    // What the provider knows of a number for good is known here.
    twilio.will(&[Fate::Refused(400, 21_610, 0)]);
    let order = json!({ "channel": "sms", "to": [{ "name": "", "address": STRANGER }], "text": "Hello?" });
    let said = asked(installation, "POST", "/v1/messages", &order, 202);
    brand.until_status(said["id"].as_str().unwrap(), "rejected");
    let refused = asked(installation, "POST", "/v1/messages", &order, 409);
    assert_eq!(refused["code"], "do_not_contact", "{refused}");
    // The command says where a message goes, and why.
    let (ok, told) = installation.command(&["send", "--channel", "sms", "--to", "bea", "--text", "Hi"]);
    assert!(!ok && told.contains("opted_out"), "{told}");
    let (ok, told) = installation.command(&["account", "test", "text"]);
    assert!(ok && told.contains("Twilio"), "{told}");
    twilio.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_talks_on_sqlite() {
    a_number_talks(stores::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_talks_on_postgres() {
    match stores::postgres().await {
        Some(fresh) => a_number_talks(fresh).await,
        None => crate::peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_matched_and_nobody_gets_a_text_unasked_on_sqlite() {
    strangers_and_consent(stores::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_matched_and_nobody_gets_a_text_unasked_on_postgres() {
    match stores::postgres().await {
        Some(fresh) => strangers_and_consent(fresh).await,
        None => crate::peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)"),
    }
}
