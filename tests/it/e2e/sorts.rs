//! Mails of every sort in one mailbox: each on the right timeline, in the right thread, of the right class; and after a
//! restart nothing is there twice.

use std::collections::{BTreeMap, BTreeSet};

use liaison::lifecycle::Outcome;
use serde_json::{Value, json};

use super::api::{Api, text, until};
use super::mails::{Letter, broken, fresh_id, large};
use super::people::People;
use super::world::{Kind, Setup, World};

/// What the 26 MB of the large mail are, before base64.
const LARGE: usize = 26_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn every_sort_of_mail_finds_its_place_on_sqlite() {
    every_sort(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sort_of_mail_finds_its_place_on_postgres() {
    every_sort(Kind::Postgres).await;
}

async fn every_sort(kind: Kind) {
    let Some(mut world) = World::start(Setup::new(kind)).await else { return };
    let people = People::import(&world).await;
    let case = Case::begin(&world, people).await;
    case.replies().await;
    case.known_and_unknown_addresses().await;
    case.agent().await;
    case.several_people().await;
    case.automatic().await;
    case.forward_and_teammate().await;
    case.late_parent().await;
    case.hijacked_and_same_id().await;
    case.large_and_broken().await;
    case.folders_and_copies().await;
    case.unmatched().await;
    let People { .. } = &case.people;
    let people = case.people;
    nothing_twice_after_a_restart(&mut world, &people).await;
}

struct Case<'a> {
    world: &'a World,
    api: &'a Api,
    brand: &'a str,
    people: People,
    /// By handle: the mail that the brand sent them first.
    sent: BTreeMap<&'static str, Value>,
}

impl<'a> Case<'a> {
    /// Writes to everybody who is to answer.
    async fn begin(world: &'a World, people: People) -> Self {
        let api = &world.api;
        let mut sent = BTreeMap::new();
        let handles = [
            "plain", "refs", "subject", "second", "alias", "client1", "holiday", "gone", "late", "hijack", "same-id",
            "broken", "robot",
        ];
        for handle in handles {
            let order = json!({
                "influencer_id": people.id(handle), "subject": format!("Spring with {handle}"), "text": "Would you like to run with us?",
            });
            sent.insert(handle, api.post("/messages", order).await);
        }
        for message in sent.values_mut() {
            *message = api.message_is(text(message, "id"), &["confirmed"]).await;
        }
        Self { world, api, brand: &world.brand, people, sent }
    }

    fn sent_id(&self, handle: &str) -> &str {
        text(&self.sent[handle], "internet_message_id")
    }

    fn letter(&self, handle: &str, subject: &str) -> Letter {
        Letter::new(handle, &format!("Zo <{}>", self.people.address(handle)), self.brand, subject)
    }

    async fn put(&self, letter: &Letter) {
        self.world.deliver(letter.octets(), "INBOX").await;
    }

    /// The message on someone's timeline, once it is there, as it must be: theirs, in the thread of what was sent to them.
    async fn in_thread_of(&self, handle: &str, letter: &Letter) -> Value {
        let message = self.api.message_on(self.people.id(handle), &letter.id).await;
        assert_eq!(message["thread_id"], self.sent[handle]["thread_id"], "{handle}: {message}");
        assert_eq!(message["influencer_id"], self.people.id(handle), "{handle}");
        assert_eq!((text(&message, "direction"), text(&message, "status")), ("inbound", "received"), "{handle}");
        message
    }

    async fn thread(&self, id: &Value) -> Value {
        self.api.get(&format!("/threads/{}", id.as_str().expect("a thread"))).await
    }

    async fn replies(&self) {
        let quoted = "Gladly! Zo\n\nOn Mon, 2 Mar 2026 at 09:00, Brand <x@brand.example> wrote:\n> Would you like to run with us?";
        let plain = self.letter("plain", "Re: Spring with plain").answering(&[self.sent_id("plain")]).body(quoted);
        let refs = self.letter("refs", "AW: Spring with refs").referring(&[&fresh_id("unseen"), self.sent_id("refs")]);
        let subject = self.letter("subject", "RE: Spring with subject");
        for letter in [&plain, &refs, &subject] {
            self.put(letter).await;
        }
        let message = self.in_thread_of("plain", &plain).await;
        assert_eq!(text(&message, "kind"), "human");
        assert_eq!(text(&message, "reply_text").trim(), "Gladly! Zo");
        assert!(text(&message, "text").contains("Would you like"), "{message}");
        let thread = self.thread(&message["thread_id"]).await;
        assert_eq!((&thread["message_count"], &thread["awaiting"]), (&json!(2), &json!("us")));
        assert_eq!(self.api.events_of(self.people.id("plain"), "thread.replied").await.len(), 1);
        let message = self.in_thread_of("refs", &refs).await;
        assert_eq!(message["participants"][0]["assigned"], true);
        // No header ties it: the subject and the writer suggest the thread, and it is marked so.
        let message = self.in_thread_of("subject", &subject).await;
        assert_eq!(message["participants"][0]["assigned"], false, "{message}");
    }

    async fn known_and_unknown_addresses(&self) {
        let second = Letter::new("second", self.people.second_address("second"), self.brand, "Re: Spring with second")
            .answering(&[self.sent_id("second")]);
        let alias = Letter::new("alias", "Alias <private-alias@home.example>", self.brand, "Re: Spring with alias")
            .answering(&[self.sent_id("alias")]);
        self.put(&second).await;
        self.put(&alias).await;
        let message = self.in_thread_of("second", &second).await;
        assert_eq!((&message["participants"][0]["role"], &message["kind"]), (&json!("author"), &json!("human")));
        let message = self.in_thread_of("alias", &alias).await;
        assert_eq!(message["participants"][0]["role"], "recipient", "not theirs until a person says so: {message}");
        assert_eq!(message["participants"][0]["assigned"], false);
    }

    async fn agent(&self) {
        let agent = format!("Max <{}>", self.people.agent);
        let tied =
            Letter::new("tied", &agent, self.brand, "Re: Spring with client1").answering(&[self.sent_id("client1")]);
        let untied = Letter::new("untied", &agent, self.brand, "New rates for all three");
        self.put(&tied).await;
        self.put(&untied).await;
        let message = self.in_thread_of("client1", &tied).await;
        let parts = message["participants"].as_array().unwrap();
        assert_eq!(parts.len(), 1, "about client1 alone: {message}");
        assert_eq!((&parts[0]["assigned"], &parts[0]["role"]), (&json!(true), &json!("author")));
        assert!(parts[0]["agent_id"].is_string());
        let mut threads = BTreeSet::new();
        for handle in ["client1", "client2", "client3"] {
            let message = self.api.message_on(self.people.id(handle), &untied.id).await;
            assert_eq!(text(&message, "kind"), "human");
            let parts = message["participants"].as_array().unwrap();
            assert!(parts.len() == 3 && parts.iter().all(|p| p["assigned"] == false), "{message}");
            threads.extend(parts.iter().map(|p| text(p, "thread_id").to_owned()));
        }
        assert_eq!(threads.len(), 3);
    }

    async fn several_people(&self) {
        let people = &self.people;
        let to = format!("{}, Also <{}>", self.brand, people.address("also-to"));
        let several = Letter::new("several", people.address("several"), &to, "We three")
            .header(&format!("Cc: {}", people.address("also-cc")));
        self.put(&several).await;
        for (handle, role) in [("several", "author"), ("also-to", "recipient"), ("also-cc", "cc")] {
            let message = self.api.message_on(people.id(handle), &several.id).await;
            assert_eq!(message["influencer_id"], people.id("several"), "the author's");
            let part =
                message["participants"].as_array().unwrap().iter().find(|p| p["influencer_id"] == people.id(handle));
            assert_eq!(part.expect("a part")["role"], role);
            let replied = self.api.events_of(people.id(handle), "thread.replied").await.len();
            assert_eq!(replied, usize::from(role == "author"), "{handle}");
        }
        // One mail to two, who answer each for themselves: two threads.
        let both = json!([
            {"name": "One", "address": people.address("blast1")}, {"name": "Two", "address": people.address("blast2")},
        ]);
        let order = json!({"to": both, "subject": "To both of you", "text": "Hello both"});
        let blast = self.api.post("/messages", order).await;
        let blast = self.api.message_is(text(&blast, "id"), &["confirmed"]).await;
        let mut threads = BTreeSet::new();
        for handle in ["blast1", "blast2"] {
            let answer = self.letter(handle, "Re: To both of you").answering(&[text(&blast, "internet_message_id")]);
            self.put(&answer).await;
            let message = self.api.message_on(people.id(handle), &answer.id).await;
            assert_eq!(message["participants"].as_array().unwrap().len(), 1, "{message}");
            let thread = self.thread(&message["thread_id"]).await;
            assert_eq!((&thread["influencer_id"], &thread["message_count"]), (&json!(people.id(handle)), &json!(2)));
            threads.insert(text(&thread, "id").to_owned());
        }
        assert_eq!(threads.len(), 2);
    }

    async fn automatic(&self) {
        let away = self
            .letter("holiday", "Automatic reply: Spring with holiday")
            .answering(&[self.sent_id("holiday")])
            .header("Auto-Submitted: auto-replied")
            .body("I am out of the office until Monday.");
        let robot = self
            .letter("robot", "We have received your message")
            .answering(&[self.sent_id("robot")])
            .header("Auto-Submitted: auto-generated")
            .body("A ticket was opened.");
        self.put(&away).await;
        self.put(&robot).await;
        assert_eq!(text(&self.in_thread_of("holiday", &away).await, "kind"), "out_of_office");
        assert_eq!(text(&self.in_thread_of("robot", &robot).await, "kind"), "automatic");
        for handle in ["holiday", "robot"] {
            assert!(self.api.events_of(self.people.id(handle), "thread.replied").await.is_empty(), "{handle}");
            let thread = self.thread(&self.sent[handle]["thread_id"]).await;
            assert_eq!(thread["awaiting"], "them", "an automatic answer leaves the turn: {thread}");
        }
        let gone = self.people.id("gone");
        let bounce = until("the bounce", || async {
            self.api.messages_of(gone).await.into_iter().find(|m| m["direction"] == "inbound")
        })
        .await;
        assert_eq!(text(&bounce, "kind"), "bounce");
        assert_eq!(bounce["thread_id"], self.sent["gone"]["thread_id"]);
        let bounced = self.api.events_of(gone, "message.bounced").await;
        assert_eq!(bounced.len(), 1);
        assert_eq!(bounced[0]["message_id"], self.sent["gone"]["id"]);
        assert_eq!((&bounced[0]["data"]["severity"], &bounced[0]["data"]["status"]), (&json!("hard"), &json!("5.1.1")));
        let influencer = self.api.get(&format!("/influencers/{gone}")).await;
        assert!(influencer["addresses"][0]["dead_at"].is_string(), "{influencer}");
    }

    async fn forward_and_teammate(&self) {
        let forward = self.letter("forward", "Fwd: An offer from another brand").body(
            "See below, can you match this?\n\n---------- Forwarded message ---------\nFrom: Other <other@rival.example>\n\
             Date: Mon, 2 Mar 2026\nSubject: An offer\nTo: Zo\n\nWe offer more.",
        );
        self.put(&forward).await;
        let message = self.api.message_on(self.people.id("forward"), &forward.id).await;
        assert_eq!((text(&message, "kind"), &message["participants"][0]["role"]), ("human", &json!("author")));
        assert_eq!(message["from"]["address"], self.people.address("forward"));
        let own = Letter::new("own", "Kim <kim@brand.example>", self.people.address("teammate"), "Lunch?");
        // From an alias that nobody told us of; it lies in our Sent folder, so it is ours.
        let alias =
            Letter::new("own-alias", "collabs@elsewhere.example", self.people.address("teammate"), "Re: Lunch?")
                .answering(&[&own.id]);
        self.world.deliver(own.octets(), "Sent").await;
        self.world.deliver(alias.octets(), "Sent").await;
        let answer = self.letter("teammate", "Re: Lunch?").answering(&[&own.id, &alias.id]);
        let first = self.api.message_on(self.people.id("teammate"), &own.id).await;
        let second = self.api.message_on(self.people.id("teammate"), &alias.id).await;
        self.put(&answer).await;
        let third = self.api.message_on(self.people.id("teammate"), &answer.id).await;
        assert_eq!((text(&first, "direction"), text(&second, "direction")), ("outbound", "outbound"));
        assert_eq!(text(&first, "status"), "confirmed");
        assert_eq!((&first["thread_id"], &first["thread_id"]), (&second["thread_id"], &third["thread_id"]));
        let thread = self.thread(&third["thread_id"]).await;
        assert_eq!((&thread["message_count"], &thread["awaiting"]), (&json!(3), &json!("us")));
    }

    async fn late_parent(&self) {
        let parent = self.letter("late", "Re: Spring with late").answering(&[self.sent_id("late")]);
        let child = self.letter("late", "A second thought").answering(&[&parent.id]);
        self.put(&child).await;
        let alone = self.api.message_on(self.people.id("late"), &child.id).await;
        assert_ne!(alone["thread_id"], self.sent["late"]["thread_id"], "nothing ties it yet");
        self.put(&parent).await;
        self.in_thread_of("late", &parent).await;
        self.in_thread_of("late", &child).await;
        assert_eq!(self.thread(&self.sent["late"]["thread_id"]).await["message_count"], 3);
        let threads = self.api.list(&format!("/threads?influencer={}", self.people.id("late"))).await;
        assert_eq!(threads.len(), 1, "{threads:?}");
    }

    async fn hijacked_and_same_id(&self) {
        let hijack = self.letter("hijack", "Invoice 4711").answering(&[self.sent_id("hijack")]);
        self.put(&hijack).await;
        let message = self.in_thread_of("hijack", &hijack).await;
        assert_eq!(text(&message, "subject"), "Invoice 4711");
        assert_eq!(self.thread(&message["thread_id"]).await["subject"], "Spring with hijack");
        let id = fresh_id("same");
        let one = self.letter("same-id", "Re: Spring with same-id").answering(&[self.sent_id("same-id")]).id(&id);
        let two =
            self.letter("same-id", "Something else").id(&id).body("Here is my address for the parcel: Main Street 1.");
        self.put(&one).await;
        self.put(&two).await;
        self.put(&one).await;
        let both = until("two messages with one Message-ID", || async {
            let all = self.api.messages_of(self.people.id("same-id")).await;
            let same: Vec<Value> = all.into_iter().filter(|m| m["internet_message_id"] == *id).collect();
            let seen: usize = same.iter().map(|m| m["deliveries"].as_array().unwrap().len()).sum();
            (seen == 3).then_some(same)
        })
        .await;
        let subjects: BTreeSet<&str> = both.iter().map(|m| text(m, "subject")).collect();
        assert_eq!((both.len(), subjects.len()), (2, 2), "two different mails, one of them seen twice: {both:?}");
        assert!(both.iter().all(|m| m["thread_id"] == self.sent["same-id"]["thread_id"]));
    }

    async fn large_and_broken(&self) {
        let (letter, content) = large(self.letter("large", "The raw cut"), LARGE);
        let raw = letter.octets();
        assert!(raw.len() > LARGE);
        self.world.deliver(raw, "INBOX").await;
        let id = fresh_id("broken");
        let raw = broken(&id, self.people.address("broken"), self.brand, self.sent_id("broken"));
        self.world.deliver(raw, "INBOX").await;
        let message = self.api.message_on(self.people.id("large"), &letter.id).await;
        assert!(message["size"].as_u64() > u64::try_from(LARGE).ok(), "{}", message["size"]);
        assert_eq!((text(&message, "kind"), text(&message, "text").trim()), ("human", "The raw cut is attached."));
        assert_eq!(
            (&message["attachments"][0]["name"], message["flaws"].as_array().map(Vec::len)),
            (&json!("cut.mp4"), Some(0))
        );
        let file = self.api.ask("GET", &format!("/messages/{}/attachments/0", text(&message, "id")), None).await;
        assert_eq!(file.status, 200);
        assert!(file.body == content, "the attachment comes out as it went in");
        let message = self.api.message_on(self.people.id("broken"), &id).await;
        assert_eq!(message["thread_id"], self.sent["broken"]["thread_id"], "{message}");
        assert_eq!((text(&message, "kind"), &message["participants"][0]["role"]), ("human", &json!("author")));
        assert!(!message["flaws"].as_array().unwrap().is_empty(), "it says what is wrong: {message}");
        assert!(text(&message, "text").contains("readable"), "{message}");
    }

    async fn folders_and_copies(&self) {
        let known = self.letter("junk", "In the wrong folder");
        let stranger = Letter::new("spam", "Spam <spam@spam.example>", self.brand, "Buy now");
        self.world.deliver(known.octets(), "Junk").await;
        self.world.deliver(stranger.octets(), "Junk").await;
        let copied = self.letter("copies", "Twice in the mailbox").octets();
        self.world.deliver(copied.clone(), "INBOX").await;
        self.world.deliver(copied, "Junk").await;
        let message = self.api.message_on(self.people.id("junk"), &known.id).await;
        assert_eq!(message["deliveries"][0]["role"], "junk");
        until("one message with two deliveries", || async {
            let all = self.api.messages_of(self.people.id("copies")).await;
            assert!(all.len() <= 1, "{all:?}");
            all.first().filter(|m| m["deliveries"].as_array().unwrap().len() == 2).map(|_| ())
        })
        .await;
        let found = self.api.get("/search?q=Buy").await;
        assert_eq!(found["messages"], json!([]), "a stranger's junk is left out");
    }

    /// Who waits, and what becomes of it when a person says whose it is.
    async fn unmatched(&self) {
        let stranger = "Newcomer <newcomer@home.example>";
        let own = Letter::new("to-stranger", self.brand, "newcomer@home.example", "You wrote on Instagram");
        let first = Letter::new("stranger", stranger, self.brand, "Re: You wrote on Instagram").answering(&[&own.id]);
        let second =
            Letter::new("stranger-again", stranger, self.brand, "Forgot this").referring(&[&own.id, &first.id]);
        self.world.deliver(own.octets(), "Sent").await;
        for letter in [&first, &second] {
            self.put(letter).await;
        }
        self.world.deliver(b"\r\nonly a body\r\n".to_vec(), "INBOX").await;
        let waiting =
            until("five that wait", || async { Some(self.api.list("/unmatched").await).filter(|w| w.len() >= 5) })
                .await;
        self.world.folders_in_step().await;
        assert_eq!(self.api.list("/unmatched").await.len(), waiting.len(), "no more of them came");
        let listed: BTreeSet<(&str, &str)> = waiting.iter().map(|w| (text(w, "reason"), text(w, "subject"))).collect();
        let expected = [
            ("alias_proposed", "Re: Spring with alias"),
            ("agent_unassigned", "New rates for all three"),
            ("unknown_sender", "Re: You wrote on Instagram"),
            ("unknown_sender", "Forgot this"),
            ("unknown_sender", ""),
        ];
        assert_eq!(listed, BTreeSet::from(expected));
        let wait_of = |subject: &str| {
            let found = waiting.iter().find(|w| w["subject"] == subject).expect("it waits");
            text(found, "id").to_owned()
        };
        let person = self.people.id("alias");
        let matched = self.matched(&wait_of("Re: Spring with alias"), json!({"influencer_id": person})).await;
        assert_eq!(
            (&matched["participants"][0]["role"], &matched["participants"][0]["assigned"]),
            (&json!("author"), &json!(true))
        );
        let addresses = self.api.get(&format!("/influencers/{person}")).await;
        assert!(addresses["addresses"].as_array().unwrap().iter().any(|a| a["value"] == "private-alias@home.example"));
        let matched = self
            .matched(&wait_of("New rates for all three"), json!({"influencer_id": self.people.id("client2")}))
            .await;
        assert_eq!(matched["participants"].as_array().unwrap().len(), 1, "{matched}");
        for (handle, count) in [("client1", 2), ("client2", 1), ("client3", 0)] {
            let seen = self.api.messages_of(self.people.id(handle)).await.len();
            assert_eq!(seen, count, "{handle}");
        }
        // Somebody new: the whole history of the address, what the brand wrote to it included, becomes one thread.
        let new = json!({"create": {"handle": "newcomer", "first_name": "Nova"}});
        let matched = self.matched(&wait_of("Re: You wrote on Instagram"), new).await;
        let newcomer = text(&matched, "influencer_id");
        let history = self.api.messages_of(newcomer).await;
        let ids: BTreeSet<&str> = history.iter().map(|m| text(m, "internet_message_id")).collect();
        assert_eq!(ids, BTreeSet::from([own.id.as_str(), first.id.as_str(), second.id.as_str()]));
        assert!(history.iter().all(|m| m["thread_id"] == matched["thread_id"]), "{history:?}");
        let thread = self.thread(&matched["thread_id"]).await;
        assert_eq!((&thread["message_count"], &thread["awaiting"]), (&json!(3), &json!("us")));
        let left = self.api.list("/unmatched").await;
        assert_eq!(left.iter().map(|w| text(w, "subject")).collect::<Vec<_>>(), [""]);
    }

    async fn matched(&self, id: &str, order: Value) -> Value {
        self.api.post(&format!("/unmatched/{id}/match"), order).await
    }
}

/// What is stored and what lies in the mailboxes, in a form that two moments can be compared by.
async fn picture(world: &World, people: &People) -> (BTreeMap<String, Vec<String>>, Vec<String>, Value) {
    let mut timelines = BTreeMap::new();
    for id in people.ids() {
        let messages = world.api.messages_of(id).await;
        let lines = messages.iter().map(|m| format!("{} {} {}", m["id"], m["thread_id"], m["status"]));
        timelines.insert(id.to_owned(), lines.collect());
    }
    let threads = world.api.list("/threads").await;
    let threads = threads.iter().map(|t| format!("{} {} {}", t["id"], t["message_count"], t["awaiting"])).collect();
    let places: Vec<String> =
        ["plain", "blast1", "blast2", "late"].iter().map(|h| format!("{}/INBOX", people.address(h))).collect();
    let own = ["INBOX", "Sent", "Junk"].iter().map(|f| format!("{}/{f}", world.brand));
    let places: Vec<String> = places.into_iter().chain(own).collect();
    (timelines, threads, world.look(true, &places).await)
}

async fn nothing_twice_after_a_restart(world: &mut World, people: &People) {
    let folders = world.folders_in_step().await;
    let before = picture(world, people).await;
    let synced = text(&world.api.get("/accounts").await["data"][0], "last_sync_at").to_owned();
    assert_eq!(world.down().await, Outcome::Clean);
    world.up().await;
    until("the mailbox was read again", || async {
        let now = world.api.get("/accounts").await;
        (text(&now["data"][0], "last_sync_at") > synced.as_str()).then_some(())
    })
    .await;
    assert_eq!(world.folders_in_step().await, folders);
    let after = picture(world, people).await;
    assert_eq!(before, after);
    // Each mail went out once, and lies in our Sent folder once.
    let sent = &after.2[format!("{}/Sent", world.brand)];
    let tokens: Vec<&Value> = sent.as_array().unwrap().iter().flat_map(|m| m["token"].as_array().unwrap()).collect();
    let once: BTreeSet<&str> = tokens.iter().map(|t| t.as_str().unwrap()).collect();
    assert_eq!((tokens.len(), once.len()), (14, 14), "{tokens:?}");
    for handle in ["plain", "blast1", "blast2", "late"] {
        let there = after.2[format!("{}/INBOX", people.address(handle))].as_array().unwrap().len();
        assert_eq!(there, 1, "{handle}");
    }
}
