//! Mail of a sequence, from what stands in it to what becomes of a hit: on both databases, over the public routes.

use crate::outbox_bench::{Bench, address};
use crate::stores::{self, Fresh};
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode, header};
use liaison::clock::Clock;
use liaison::domain::hit::Books;
use liaison::domain::ids::{EnrollmentId, HitId, InfluencerId, MessageId};
use liaison::domain::time::Micros;
use liaison::domain::words::{Channel, EventType, HitKind, OutboxStatus, SuppressionReason, Verdict};
use liaison::http::{PublicState, public_router};
use liaison::hub::enqueue::{self, Counting, Outreach, Start};
use liaison::hub::{signing, unsubscribe};
use liaison::lifecycle::Stop;
use liaison::store::Place;
use liaison::store::tracking::{HitRow, MessageEvent};
use liaison::tracking;
use sqlx::Connection;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;

mod hostile;
mod said;

const BASE: &str = "https://go.brand.example";
const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
const HTML: &str = "<html><body><p>Hi, see <a href=\"https://shop.example/spring?a=1&amp;b=2\">the plan</a>, \
    <a href=\"http://brand.example/faq\">questions</a>, <a href=\"mailto:kim@brand.example\">mail</a> or \
    <a href=\"https://brand.example/x\">https://brand.example/x</a>.</p></body></html>";

/// A run of a sequence, of an influencer of its own.
pub async fn enrollment(fresh: &Fresh, clock: &Clock) -> EnrollmentId {
    let influencer = crate::seed::influencer(fresh, clock).await;
    let id = EnrollmentId(clock.new_id());
    let hash = id.0.simple();
    let sql =
        format!("INSERT INTO sequence_version (hash, sequence, body, published_at) VALUES ('{hash}', 'spring', '', 0)");
    crate::seed::run(fresh, &sql, &[]).await;
    let first = if fresh.name == "sqlite" { "1" } else { "TRUE" };
    let sql = format!(
        "INSERT INTO enrollment (id, sequence, version, influencer_id, run, account, state, phase, anchor_at, first, filled, \
         started_at, updated_at) VALUES ($1, 'spring', '{hash}', $2, 1, 'brand', 'active', 'send', 0, {first}, '{{}}', 0, 0)"
    );
    crate::seed::run(fresh, &sql, &[id.0, influencer.0]).await;
    id
}

/// The step of a run that a message is.
pub async fn step(fresh: &Fresh, enrollment: EnrollmentId, message: MessageId) {
    let sql = "INSERT INTO enrollment_step (enrollment_id, step, state, kind, message_id) VALUES ($1, 'intro', 'sent', 'email', $2)";
    crate::seed::run(fresh, sql, &[enrollment.0, message.0]).await;
}

/// When the step of a message was opened and clicked.
pub async fn read_at(fresh: &Fresh, message: MessageId) -> (Option<i64>, Option<i64>) {
    let sql = "SELECT opened_at, clicked_at FROM enrollment_step WHERE message_id = $1";
    match &fresh.place {
        Place::Sqlite { file } => {
            let mut c = sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
            sqlx::query_as(sql).bind(message.0).fetch_one(&mut c).await.unwrap()
        }
        Place::Postgres { url, .. } => {
            let mut c = sqlx::PgConnection::connect(url).await.unwrap();
            sqlx::query_as(sql).bind(message.0).fetch_one(&mut c).await.unwrap()
        }
    }
}

pub struct World {
    pub bench: Bench,
    pub books: Arc<Books>,
    pub router: axum::Router,
    writer: tokio::task::JoinHandle<()>,
}

/// A message that left.
pub struct Mail {
    pub id: MessageId,
    pub enrollment: EnrollmentId,
    pub influencer: InfluencerId,
    pub html: String,
    pub unsubscribe: String,
}

impl Mail {
    /// The paths of its links, in order; the hidden one comes last.
    pub fn links(&self) -> Vec<String> {
        let rest = self.html.split("https://go.brand.example/t/c/").skip(1);
        rest.map(|r| format!("/t/c/{}", r.split('"').next().unwrap())).collect()
    }

    pub fn pixel(&self) -> String {
        let rest = self.html.split("https://go.brand.example/t/o/").nth(1).unwrap();
        format!("/t/o/{}", rest.split('"').next().unwrap())
    }
}

fn html_of(raw: &[u8]) -> String {
    let mail = mail_parser::MessageParser::new().parse(raw).unwrap();
    mail.body_html(0).unwrap().into_owned().replace("\r\n", "\n")
}

impl World {
    pub async fn new(fresh: Fresh) -> Self {
        let mut bench = Bench::on(fresh).await;
        bench.clock = Clock::stepped(crate::seed::at(0));
        let books = Arc::new(Books::shipped());
        let (store, clock) = (bench.fresh.store.clone(), bench.clock.clone());
        let (tracking, writer) =
            tracking::open(&store, &clock, Arc::clone(&books), tracking::Arrivals::default()).await.unwrap();
        let router = public_router(PublicState {
            store,
            clock,
            tracking,
            stored: Arc::default(),
            limits: liaison::http::limit::Limits::default(),
        });
        let writer = tokio::spawn(async move { writer.run(Stop::new()).await.unwrap() });
        Self { bench, books, router, writer }
    }

    pub async fn all() -> Vec<Self> {
        let mut worlds = Vec::new();
        for fresh in stores::both().await {
            worlds.push(Self::new(fresh).await);
        }
        worlds
    }

    pub async fn outreach(&self) -> Outreach {
        let enrollment_id = enrollment(&self.bench.fresh, &self.bench.clock).await;
        let mut tx = self.bench.begin().await;
        let reserved = enqueue::reserve(&mut tx, &self.bench.clock, Some("https://go.brand.example/")).await.unwrap();
        let influencer_id = tx.get_enrollment(enrollment_id).await.unwrap().unwrap().influencer_id;
        tx.commit().await.unwrap();
        Outreach {
            reserved,
            enrollment_id,
            influencer_id,
            step: "intro".into(),
            opens: Counting::On,
            clicks: Counting::On,
            start: Start::Queued,
        }
    }

    pub async fn enqueue(&self, to: &str, outreach: Option<Outreach>) -> MessageId {
        let order =
            enqueue::Order { html: Some(HTML.into()), file_copy: true, outreach, ..self.bench.order(&[to.to_owned()]) };
        let mut tx = self.bench.begin().await;
        let id = enqueue::enqueue(&mut tx, &self.bench.clock, order).await.unwrap().id;
        tx.commit().await.unwrap();
        id
    }

    /// A message of a sequence to someone new, which has just arrived.
    pub async fn mail(&self, n: usize) -> Mail {
        let influencer = self.bench.influencer(&format!("person{n}"), &address(n)).await;
        let outreach = self.outreach().await;
        let (enrollment, unsubscribe) = (outreach.enrollment_id, outreach.reserved.unsubscribe_url().unwrap());
        let id = self.enqueue(&address(n), Some(outreach)).await;
        step(&self.bench.fresh, enrollment, id).await;
        let now = self.bench.clock.now().0;
        let sql = format!(
            "UPDATE outbox SET status = 'confirmed', handed_over_at = {now}, finished_at = {now} WHERE id = $1"
        );
        crate::seed::run(&self.bench.fresh, &sql, &[id.0]).await;
        let html = html_of(&self.sent(id).await);
        Mail { id, enrollment, influencer, html, unsubscribe: unsubscribe.strip_prefix(BASE).unwrap().to_owned() }
    }

    pub async fn sent(&self, id: MessageId) -> Vec<u8> {
        let packed = self.bench.fresh.store.read().await.unwrap().get_raw(id).await.unwrap().unwrap();
        zstd::decode_all(packed.as_slice()).unwrap()
    }

    pub async fn ask(&self, method: &str, path: &str, agent: &str) -> Response<Body> {
        let request = Request::builder().method(method).uri(path).header(header::USER_AGENT, agent);
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Response<Body> {
        self.ask("GET", path, CHROME).await
    }

    pub fn pass(&self, seconds: u64) {
        self.bench.clock.advance(Duration::from_secs(seconds));
    }

    pub async fn judge(&self) -> usize {
        tracking::judge_due(&self.bench.fresh.store, &self.bench.clock, &self.books).await.unwrap()
    }

    pub async fn told(&self, id: MessageId) -> Vec<MessageEvent> {
        self.bench.fresh.store.read().await.unwrap().list_reader_events(id).await.unwrap()
    }

    pub async fn hits(&self, id: MessageId) -> Vec<liaison::store::tracking::HitRow> {
        let mut tx = self.bench.begin().await;
        tx.file_hits(10_000).await.unwrap();
        let hits = tx.list_hits(id, Micros(0), 10_000).await.unwrap();
        tx.commit().await.unwrap();
        hits
    }

    /// Ends the writer, which then has written all it counted.
    async fn end(self) -> Bench {
        let Self { bench, router, writer, .. } = self;
        drop(router);
        writer.await.unwrap();
        bench
    }
}

async fn text_of(response: Response<Body>) -> String {
    String::from_utf8_lossy(&to_bytes(response.into_body(), usize::MAX).await.unwrap()).into_owned()
}

#[tokio::test]
async fn what_came_until_now_is_filed_and_what_comes_meanwhile_is_left() {
    for world in World::all().await {
        let mail = world.mail(1).await;
        world.get(&mail.pixel()).await;
        assert_eq!(world.judge().await, 0, "too young");
        let mut tx = world.bench.begin().await;
        assert_eq!(tx.list_hits(mail.id, Micros(0), 10).await.unwrap().len(), 1, "{}", world.bench.name());
        // As one that comes while others are filed.
        let open = tx.list_hits(mail.id, Micros(0), 10).await.unwrap().remove(0);
        let later = world.bench.clock.now().plus(Duration::from_secs(1));
        let late = HitRow { id: HitId(world.bench.clock.new_id()), at: later, ..open };
        tx.insert_hits(vec![late]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(world.judge().await, 0);
        let new = async || world.bench.fresh.store.read().await.unwrap().next_new_hit_at().await.unwrap();
        assert_eq!(new().await, Some(later), "{}: a flood must not keep what is due", world.bench.name());
        world.pass(30);
        assert_eq!((world.judge().await, new().await), (2, None));
    }
}

#[tokio::test]
async fn mail_of_a_sequence_is_counted_and_its_copy_is_clean() {
    for world in World::all().await {
        let mail = world.mail(1).await;
        let raw = world.sent(mail.id).await;
        let parsed = mail_parser::MessageParser::new().parse(&raw).unwrap();
        let header = |name: &str| parsed.header_raw(name).map(|v| v.trim().to_owned());
        let token = mail.unsubscribe.strip_prefix("/u/").unwrap();
        let wanted = format!("<{BASE}/u/{token}>,\r\n <mailto:hello@brand.example?subject=unsubscribe%20{token}>");
        assert_eq!(header("List-Unsubscribe"), Some(wanted));
        assert_eq!(header("List-Unsubscribe-Post").as_deref(), Some("List-Unsubscribe=One-Click"));
        assert!(raw.split(|b| *b == b'\n').all(|line| line.len() < 200 && line.is_ascii()));
        assert_eq!(mail.links().len(), 3, "{}", mail.html);
        assert!(
            !mail.html.contains("shop.example") && mail.html.contains("https://brand.example/x</a>"),
            "{}",
            mail.html
        );
        let mut tx = world.bench.fresh.store.read().await.unwrap();
        let clean = tx.get_raw_mail(mail.id).await.unwrap().unwrap();
        assert_eq!(zstd::decode_all(tx.get_clean_raw(mail.id).await.unwrap().unwrap().as_slice()).unwrap(), clean);
        let html = html_of(&clean);
        assert!(
            html.contains("https://shop.example/spring?a=1&amp;b=2") && !html.contains("go.brand.example"),
            "{html}"
        );
        let links: Vec<(String, String)> =
            tx.list_links(mail.id).await.unwrap().into_iter().map(|l| (l.url, l.label)).collect();
        let link = |url: &str, label: &str| (url.to_owned(), label.to_owned());
        assert_eq!(
            links,
            [link("https://shop.example/spring?a=1&b=2", "the plan"), link("http://brand.example/faq", "questions")]
        );
        let again = Outreach { enrollment_id: mail.enrollment, ..world.outreach().await };
        drop(tx);
        let order = enqueue::Order { outreach: Some(again), ..world.bench.order(&[address(9)]) };
        let mut tx = world.bench.begin().await;
        let twice = enqueue::enqueue(&mut tx, &world.bench.clock, order).await;
        assert!(
            matches!(&twice, Err(enqueue::EnqueueError::Store(liaison::store::StoreError::Exists(_)))),
            "{twice:?}"
        );
    }
}

#[tokio::test]
async fn mail_of_a_person_carries_nothing_and_review_waits() {
    for world in World::all().await {
        let id = world.enqueue(&address(1), None).await;
        let raw = String::from_utf8(world.sent(id).await).unwrap();
        assert!(
            !raw.contains("List-Unsubscribe") && !raw.contains("go.brand") && raw.contains("shop.example"),
            "{raw}"
        );
        let waiting = Outreach { start: Start::Review, ..world.outreach().await };
        let id = world.enqueue(&address(2), Some(waiting)).await;
        let mut tx = world.bench.begin().await;
        assert_eq!(world.bench.status(&mut tx, id).await, OutboxStatus::Review);
        let run = liaison::domain::ids::RunId(world.bench.clock.new_id());
        world.pass(1000);
        let claimed = tx.claim_due("brand", run, world.bench.clock.now(), (10, 60)).await.unwrap();
        assert!(claimed.iter().all(|c| c.id != id), "what waits for a person was claimed");
        drop(tx);
    }
}

#[tokio::test]
async fn person_who_opens_and_clicks_is_told_once_after_the_session_has_settled() {
    for world in World::all().await {
        let mail = world.mail(1).await;
        world.pass(600);
        let pixel = world.get(&mail.pixel()).await;
        assert_eq!(
            (pixel.status(), pixel.headers()[header::CONTENT_TYPE].to_str().unwrap()),
            (StatusCode::OK, "image/gif")
        );
        assert!(pixel.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("no-store"));
        let opened = world.bench.clock.now().0;
        world.pass(10);
        let click = world.get(&mail.links()[0]).await;
        assert_eq!(click.status(), StatusCode::FOUND);
        assert_eq!(click.headers()[header::LOCATION], "https://shop.example/spring?a=1&b=2");
        assert_eq!(click.headers()[header::REFERRER_POLICY], "no-referrer");
        world.get(&mail.links()[0]).await;
        let clicked = world.bench.clock.now().0;
        assert_eq!(world.judge().await, 0, "the session has not settled");
        let due = tracking::next_due(&world.bench.fresh.store).await.unwrap().unwrap();
        world.bench.clock.advance_to(due);
        assert_eq!(world.judge().await, 1, "{}: what may still come after the click counts too", world.bench.name());
        let due = tracking::next_due(&world.bench.fresh.store).await.unwrap().unwrap();
        world.bench.clock.advance_to(due);
        assert_eq!(world.judge().await, 2, "{}: the clicks", world.bench.name());
        assert_eq!((world.judge().await, tracking::next_due(&world.bench.fresh.store).await.unwrap()), (0, None));
        let told = world.told(mail.id).await;
        let kinds: Vec<EventType> = told.iter().map(|e| e.kind).collect();
        assert_eq!(kinds, [EventType::MessageOpened, EventType::MessageClicked]);
        assert!(told.iter().all(|e| e.machine == Some(false) && e.influencer_id == Some(mail.influencer)));
        let data = &told[1].data.as_ref().unwrap().0;
        assert_eq!(
            (&data["link"], data["url"].as_str().unwrap()),
            (&serde_json::json!(1), "https://shop.example/spring?a=1&b=2")
        );
        assert_eq!(
            (data["enrollment_id"].as_str(), data["step"].as_str()),
            (Some(mail.enrollment.to_string().as_str()), Some("intro"))
        );
        assert!(data["confidence"].as_f64().unwrap() >= 0.8 && !data["reasons"].as_array().unwrap().is_empty());
        assert_eq!(read_at(&world.bench.fresh, mail.id).await, (Some(opened), Some(clicked)));
        // Later hits: another open is no news, another link is.
        world.pass(4000);
        world.get(&mail.pixel()).await;
        world.get(&mail.links()[1]).await;
        world.pass(26);
        assert_eq!(world.judge().await, 2);
        let told = world.told(mail.id).await;
        assert_eq!(told.iter().filter(|e| e.kind == EventType::MessageOpened).count(), 1);
        assert_eq!(told.iter().filter(|e| e.kind == EventType::MessageClicked).count(), 2);
    }
}

#[tokio::test]
async fn machines_are_told_as_such_and_open_nothing() {
    for world in World::all().await {
        let mail = world.mail(1).await;
        world.pass(60);
        assert_eq!(world.ask("HEAD", &mail.links()[0], CHROME).await.status(), StatusCode::FOUND);
        for path in [mail.pixel()].into_iter().chain(mail.links()) {
            assert!(!world.get(&path).await.status().is_client_error());
        }
        world.pass(26);
        assert_eq!(world.judge().await, 5);
        let told = world.told(mail.id).await;
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().all(|e| e.machine == Some(true)));
        assert_eq!(told[1].data.as_ref().unwrap().0["links"], 2);
        assert_eq!(read_at(&world.bench.fresh, mail.id).await, (None, None));
        assert!(
            world.hits(mail.id).await.iter().all(|h| h.judged.as_ref().is_some_and(|j| j.verdict == Verdict::Machine))
        );
    }
}

#[tokio::test]
async fn clicks_of_one_session_are_told_once_though_they_are_judged_one_after_the_other() {
    for world in World::all().await {
        let (person, machine) = (world.mail(1).await, world.mail(2).await);
        world.pass(600);
        for n in [0, 0, 1] {
            world.get(&person.links()[n]).await;
            world.ask("GET", &machine.links()[n], "curl/8.5.0").await;
            world.pass(11);
            world.judge().await;
        }
        for _ in 0..4 {
            world.pass(12);
            world.judge().await;
        }
        let clicks = async |id| -> Vec<_> {
            let told = world.told(id).await;
            told.into_iter().filter(|e| e.kind == EventType::MessageClicked).collect()
        };
        let told = clicks(person.id).await;
        let links: Vec<_> = told.iter().map(|e| e.data.as_ref().unwrap().0["link"].clone()).collect();
        assert_eq!(links, [serde_json::json!(1), serde_json::json!(2)], "{}: {told:?}", world.bench.name());
        assert!(told.iter().all(|e| e.machine == Some(false)), "{told:?}");
        let told = clicks(machine.id).await;
        assert_eq!((told.len(), told[0].machine), (1, Some(true)), "{}: {told:?}", world.bench.name());
        assert_eq!(told[0].data.as_ref().unwrap().0["links"], 2);
    }
}

#[tokio::test]
async fn a_click_is_judged_again_with_what_came_before_it() {
    for world in World::all().await {
        let mail = world.mail(1).await;
        world.pass(600);
        // Somebody follows the link that people can't see, and eighteen seconds later another, as a browser.
        world.get(mail.links().last().unwrap()).await;
        world.pass(18);
        world.get(&mail.links()[0]).await;
        world.pass(26);
        world.judge().await;
        // The open of a person comes when the hidden link is more than a minute old, and the click is not.
        world.pass(26);
        world.get(&mail.pixel()).await;
        world.pass(26);
        world.judge().await;
        let told = world.told(mail.id).await;
        let clicks: Vec<_> = told.iter().filter(|e| e.kind == EventType::MessageClicked).map(|e| e.machine).collect();
        assert_eq!(clicks, [Some(true)], "{}: {told:?}", world.bench.name());
        assert_eq!(read_at(&world.bench.fresh, mail.id).await.1, None);
    }
}

#[tokio::test]
async fn later_hits_and_later_lists_correct_what_was_said() {
    for world in World::all().await {
        let (swept, odd, late) = (world.mail(1).await, world.mail(2).await, world.mail(3).await);
        let followed = world.mail(4).await;
        world.pass(600);
        world.ask("GET", &followed.links()[0], "NewReader/1.0").await;
        world.get(&swept.pixel()).await;
        world.ask("GET", &odd.pixel(), "NewReader/1.0").await;
        world.pass(18);
        world.get(&swept.links()[0]).await;
        world.get(&late.links()[0]).await;
        let clicked = world.bench.clock.now();
        world.pass(8);
        world.judge().await;
        let human = async |id| world.told(id).await.iter().filter(|e| e.machine == Some(false)).count();
        assert_eq!(human(swept.id).await, 1, "the click is eight seconds old: nothing is said of it yet");
        assert_eq!(world.told(odd.id).await[0].machine, Some(true));
        // Eleven seconds after the click somebody follows the link that people can't see.
        world.pass(3);
        assert_eq!(world.get(swept.links().last().unwrap()).await.status(), StatusCode::OK);
        world.pass(26);
        world.judge().await;
        let told = world.told(swept.id).await;
        let click = told.iter().find(|e| e.kind == EventType::MessageClicked).unwrap();
        assert_eq!(click.machine, Some(true));
        assert!(read_at(&world.bench.fresh, swept.id).await.0.is_some(), "the open half a minute before stands");
        assert_eq!(read_at(&world.bench.fresh, swept.id).await.1, None);
        // Another node kept such a hit at its time, and it comes to light only now.
        assert_eq!(human(late.id).await, 1);
        assert!(read_at(&world.bench.fresh, late.id).await.1.is_some());
        let hits = world.hits(swept.id).await;
        let hidden = hits.iter().find(|h| h.kind == HitKind::Hidden).unwrap().clone();
        let id = HitId(world.bench.clock.new_id());
        let at = clicked.plus(std::time::Duration::from_secs(11));
        let mut tx = world.bench.begin().await;
        tx.insert_hits(vec![HitRow { id, message_id: late.id, at, judged: None, ..hidden }]).await.unwrap();
        tx.commit().await.unwrap();
        world.judge().await;
        let told = world.told(late.id).await;
        let click = told.iter().find(|e| e.kind == EventType::MessageClicked).unwrap();
        assert_eq!(
            (click.machine, &click.data.as_ref().unwrap().0["rescored"]),
            (Some(true), &serde_json::json!(true))
        );
        assert_eq!(read_at(&world.bench.fresh, late.id).await, (None, None));
        // The operator's list learns of a mail program.
        let text =
            liaison::domain::hit::agents::SHIPPED.replace("\"airmail\", \"emclient\"", "\"airmail\", \"newreader/\"");
        let books = Books { agents: liaison::domain::hit::Agents::read(&text).unwrap(), ..Books::shipped() };
        let since = crate::seed::at(0);
        let done = tracking::rescore(&world.bench.fresh.store, &world.bench.clock, &books, since).await.unwrap();
        assert_eq!((done.now_human, done.now_machine), (2, 0), "{done:?}");
        let told = world.told(followed.id).await;
        let said: Vec<_> = told.iter().map(|e| (e.kind, e.machine)).collect();
        let clicked = EventType::MessageClicked;
        assert_eq!(said, [(clicked, Some(true)), (clicked, Some(false))], "a click is told anew as well");
        let told = world.told(odd.id).await;
        let human = told.iter().find(|e| e.machine == Some(false)).expect("raised late");
        assert_eq!(human.data.as_ref().unwrap().0["rescored"], true);
        assert!(read_at(&world.bench.fresh, odd.id).await.0.is_some());
        let again = tracking::rescore(&world.bench.fresh.store, &world.bench.clock, &books, since).await.unwrap();
        assert_eq!((again.now_human, again.now_machine), (0, 0));
        assert_eq!(world.told(odd.id).await.len(), 2);
    }
}

#[tokio::test]
async fn flood_of_hits_on_one_message_is_counted_and_not_kept() {
    for world in World::all().await {
        let (mail, other) = (world.mail(1).await, world.mail(2).await);
        for _ in 0..350 {
            assert_eq!(world.get(&mail.links()[0]).await.status(), StatusCode::FOUND);
        }
        assert_eq!(world.hits(mail.id).await.len(), 300, "{}", world.bench.name());
        world.get(&other.pixel()).await;
        assert_eq!(world.hits(other.id).await.len(), 1);
        world.pass(61);
        world.get(&mail.links()[0]).await;
        assert_eq!(world.hits(mail.id).await.len(), 301);
        let bench = world.end().await;
        let mut tx = bench.fresh.store.read().await.unwrap();
        assert_eq!(tx.get_hit_surplus(mail.id).await.unwrap(), 50);
    }
}

#[tokio::test]
async fn unsubscribe_asks_on_get_and_acts_on_post_once() {
    for world in World::all().await {
        let mail = world.mail(1).await;
        let queued = world.enqueue(&address(1), None).await;
        let ask = world.get(&mail.unsubscribe).await;
        assert_eq!(ask.status(), StatusCode::OK);
        let policy = ask.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(
            policy.contains("default-src 'none'")
                && ask.headers()["x-robots-tag"].to_str().unwrap().contains("noindex")
        );
        let page = text_of(ask).await;
        assert!(
            page.contains("<form method=\"post\">") && !page.contains("<script") && !page.contains(&address(1)),
            "{page}"
        );
        let suppressed = async || {
            let mut tx = world.bench.fresh.store.read().await.unwrap();
            tx.suppressed(Channel::Email, vec![address(1)]).await.unwrap()
        };
        assert!(suppressed().await.is_empty() && world.told(mail.id).await.is_empty(), "looking changed something");
        for body in ["List-Unsubscribe=One-Click", "", "List-Unsubscribe=One-Click"] {
            let request = Request::builder().method("POST").uri(&mail.unsubscribe);
            let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            let done = world.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
            assert_eq!(done.status(), StatusCode::OK);
        }
        let rows = suppressed().await;
        assert_eq!((rows.len(), rows[0].reason), (1, SuppressionReason::OptedOut));
        assert!(
            rows[0].evidence.contains("one_click") && rows[0].evidence.contains(&mail.id.to_string()),
            "{}",
            rows[0].evidence
        );
        let told = world.told(mail.id).await;
        assert_eq!(
            told.iter().map(|e| (e.kind, e.influencer_id)).collect::<Vec<_>>(),
            [(EventType::InfluencerUnsubscribed, Some(mail.influencer))]
        );
        assert_eq!(told[0].data.as_ref().unwrap().0["step"], "intro");
        let mut tx = world.bench.begin().await;
        assert_eq!(world.bench.status(&mut tx, queued).await, OutboxStatus::Cancelled);
        assert_eq!(world.bench.status(&mut tx, mail.id).await, OutboxStatus::Confirmed);
        drop(tx);
        let large =
            Request::builder().method("POST").uri(&mail.unsubscribe).body(Body::from(vec![b'x'; 20_000])).unwrap();
        assert_eq!(world.router.clone().oneshot(large).await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}

#[tokio::test]
async fn mail_to_unsubscribe_acts_by_its_token_and_by_nothing_else() {
    for world in World::all().await {
        let mail = world.mail(1).await;
        let mut tx = world.bench.begin().await;
        let keys = signing::keys(&mut tx, &world.bench.clock).await.unwrap();
        let subject = format!("Unsubscribe {}", mail.unsubscribe.strip_prefix("/u/").unwrap());
        let token = unsubscribe::token_in_subject(&subject).unwrap();
        assert_eq!(unsubscribe::token_in_subject(&format!("[EXTERNAL] {subject} [SCANNED]")), Some(token));
        assert_eq!(unsubscribe::token_in_subject(&format!("Re: {subject}")), None);
        assert_eq!(unsubscribe::token_in_subject("unsubscribe me please"), None);
        let how = unsubscribe::How::Mail;
        let click = mail.links()[0].strip_prefix("/t/c/").unwrap().to_owned();
        let by = unsubscribe::unsubscribe_by_token(&mut tx, &world.bench.clock, &keys, (&click, how)).await.unwrap();
        assert_eq!(by, None, "a link is no way to unsubscribe");
        let done =
            unsubscribe::unsubscribe_by_token(&mut tx, &world.bench.clock, &keys, (token, how)).await.unwrap().unwrap();
        assert_eq!((done.message, done.address, done.again), (mail.id, address(1), false));
        let done =
            unsubscribe::unsubscribe_by_token(&mut tx, &world.bench.clock, &keys, (token, how)).await.unwrap().unwrap();
        assert!(done.again);
        // A key made later signs from now on; what an older one signed still holds.
        let newer = signing::add_key(&mut tx, &world.bench.clock).await.unwrap();
        assert!(newer.read(token).is_some() && newer != keys);
        tx.commit().await.unwrap();
    }
}
