//! A store with one account and some people, mails put into its outbox, and a provider with a journal.

use crate::stores::{self, Fresh};
use futures_util::future::BoxFuture;
use liaison::clock::Clock;
use liaison::connector::{
    ConnectorError, FolderSeen, FolderStatus, HeaderItem, Offer, OfferError, Outgoing, RawItem, Reply, SendOutcome,
    Sender, Source, Wake,
};
use liaison::domain::ids::{InfluencerId, MessageId, RunId};
use liaison::domain::mail::Mailbox;
use liaison::domain::time::Micros;
use liaison::domain::words::{FolderRole, OutboxStatus};
use liaison::hub::enqueue::{self, AccountFrom, Order};
use liaison::outbound::{SendingSettings, SentCopy, Tools};
use liaison::store::{Place, Store, Tx};
use sqlx::Connection;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub struct Bench {
    pub fresh: Fresh,
    pub clock: Clock,
}

pub async fn both() -> Vec<Bench> {
    let mut benches = Vec::new();
    for fresh in stores::both().await {
        benches.push(Bench::on(fresh).await);
    }
    benches
}

/// The address of a person.
pub fn address(n: usize) -> String {
    format!("person{n}@example.org")
}

impl Bench {
    pub async fn on(fresh: Fresh) -> Self {
        let bench = Self { fresh, clock: Clock::machine() };
        let mut tx = bench.begin().await;
        tx.ensure_account("brand", "imap", "hello@brand.example", bench.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        bench
    }

    pub fn name(&self) -> &'static str {
        self.fresh.name
    }

    pub async fn begin(&self) -> Tx {
        self.fresh.store.begin("test").await.unwrap()
    }

    pub fn order(&self, to: &[String]) -> Order {
        Order {
            account: AccountFrom {
                name: "brand".into(),
                address: "hello@brand.example".into(),
                display_name: "Brand".into(),
            },
            to: to.iter().map(|a| Mailbox { name: String::new(), address: a.clone() }).collect(),
            cc: Vec::new(),
            subject: Some("A plan for spring".into()),
            text: "Hello, would you like to see it?".into(),
            html: None,
            attachments: Vec::new(),
            answers: None,
            due_at: self.clock.now(),
            file_copy: false,
            message_id_domain: "brand.example".into(),
            outreach: None,
        }
    }

    /// One mail to each of so many strangers, due now.
    pub async fn enqueue(&self, count: usize) -> Vec<MessageId> {
        let mut ids = Vec::new();
        let mut tx = self.begin().await;
        for n in 0..count {
            let order = self.order(&[address(n)]);
            ids.push(enqueue::enqueue(&mut tx, &self.clock, order).await.unwrap().id);
        }
        tx.commit().await.unwrap();
        ids
    }

    pub async fn status(&self, tx: &mut Tx, id: MessageId) -> OutboxStatus {
        tx.get_outbox(id).await.unwrap().unwrap().status
    }

    /// The status once every transaction that holds the row now has ended.
    pub async fn settled_status(&self, id: MessageId) -> OutboxStatus {
        let Place::Postgres { url, .. } = &self.fresh.place else {
            let mut tx = self.begin().await;
            return self.status(&mut tx, id).await;
        };
        let mut c = sqlx::PgConnection::connect(url).await.unwrap();
        let (status,): (String,) = sqlx::query_as("SELECT status FROM outbox WHERE id = $1 FOR UPDATE")
            .bind(id.0)
            .fetch_one(&mut c)
            .await
            .unwrap();
        c.close().await.unwrap();
        status.parse().unwrap()
    }

    /// Runs a statement that the store has no function for (yet): both databases understand it.
    pub async fn sql(&self, statement: &str) {
        run_sql(&self.fresh.place, statement).await;
    }

    pub async fn suppress(&self, address: &str) {
        let id = self.clock.new_id().simple().to_string();
        self.sql(&format!(
            "INSERT INTO suppression (id, channel, value_key, scope, reason, evidence, at) \
             VALUES ({}, 'email', '{address}', 'all', 'opted_out', 'a test', 1)",
            self.id_text(&id)
        ))
        .await;
    }

    fn id_text(&self, hex: &str) -> String {
        if self.name() == "sqlite" { format!("x'{hex}'") } else { format!("'{hex}'") }
    }

    /// An influencer with an email address.
    pub async fn influencer(&self, handle: &str, address: &str) -> InfluencerId {
        let id = InfluencerId(self.clock.new_id());
        let (key, address_id) = (self.id_text(&id.0.simple().to_string()), self.clock.new_id().simple().to_string());
        self.sql(&format!(
            "INSERT INTO influencer (id, handle, handle_key, first_name, last_name, stage, stage_at, properties, created_at, updated_at) \
             VALUES ({key}, '{handle}', '{handle}', 'Ana', 'Example', 'contacted', 1, '{{}}', 1, 1)"
        ))
        .await;
        self.sql(&format!(
            "INSERT INTO address (id, channel, value, value_key, influencer_id, is_primary, created_at) \
             VALUES ({}, 'email', '{address}', '{address}', {key}, {}, 1)",
            self.id_text(&address_id),
            if self.name() == "sqlite" { "1" } else { "TRUE" }
        ))
        .await;
        id
    }

    /// Gives the addresses of the first so many people to one influencer.
    pub async fn addresses_of(&self, owner: InfluencerId, count: usize) {
        let owner = self.id_text(&owner.0.simple().to_string());
        let no = if self.name() == "sqlite" { "0" } else { "FALSE" };
        let rows: Vec<String> = (0..count)
            .map(|n| {
                let id = self.id_text(&self.clock.new_id().simple().to_string());
                format!("({id}, 'email', '{0}', '{0}', {owner}, {no}, 1)", address(n))
            })
            .collect();
        self.sql(&format!(
            "INSERT INTO address (id, channel, value, value_key, influencer_id, is_primary, created_at) VALUES {}",
            rows.join(", ")
        ))
        .await;
    }

    pub fn tools(&self) -> Tools {
        self.tools_on(self.fresh.store.clone())
    }

    pub fn tools_on(&self, store: Store) -> Tools {
        Tools {
            store,
            clock: self.clock.clone(),
            run: RunId(self.clock.new_id()),
            desk: liaison::hub::outreach::house::Desk::default(),
            watermark: liaison::outbound::Watermark::none(),
        }
    }

    pub async fn count(&self, status: OutboxStatus) -> i64 {
        let mut tx = self.fresh.store.read().await.unwrap();
        tx.count_outbox("brand", &[status]).await.unwrap().first().map_or(0, |(_, n)| *n)
    }

    /// How many events of a sort there are.
    pub async fn events(&self, kind: liaison::domain::words::EventType) -> usize {
        let mut tx = self.begin().await;
        while tx.number_events(1_000).await.unwrap() > 0 {}
        tx.commit().await.unwrap();
        let mut tx = self.fresh.store.read().await.unwrap();
        tx.list_events(0, 100_000).await.unwrap().iter().filter(|e| e.kind == kind).count()
    }
}

async fn run_sql(place: &Place, statement: &str) {
    let sql = sqlx::AssertSqlSafe(statement.to_owned());
    match place {
        Place::Sqlite { file } => {
            let mut c = sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut c).await.unwrap();
            c.close().await.unwrap();
        }
        Place::Postgres { url, .. } => {
            let mut c = sqlx::PgConnection::connect(url).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut c).await.unwrap();
            c.close().await.unwrap();
        }
    }
}

/// Settings for tests: short waits, no jitter that matters.
pub fn settings() -> SendingSettings {
    SendingSettings {
        sessions: 4,
        lease_seconds: 30,
        settle_after: Duration::from_millis(30),
        look_after: Duration::from_millis(1),
        poll: Duration::from_millis(20),
        sent_copy: SentCopy::Server,
        ..SendingSettings::new("brand")
    }
}

/// What the provider does with one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// Takes it and says so.
    Takes,
    /// Takes it, and says the Message-ID that it gave it.
    Rewrites,
    /// Takes it; the answer is lost.
    TakesSilently,
    /// The connection is cut before it has the content.
    LosesContent,
    /// No connection.
    NoConnection,
    /// Refuses our sign-in.
    NoLogin,
    /// Refuses the sender, for now.
    SenderLater,
    /// Refuses every recipient, for now.
    RecipientLater,
    /// Refuses every recipient, for good.
    RecipientNever,
    /// Takes all recipients but the last, which it refuses for now.
    LastLater,
    /// Refuses after the content, for now.
    ContentLater,
    /// Refuses after the content, for good.
    ContentNever,
    /// The connection is cut at DATA, before the content.
    LostAtData,
    /// Refuses the sender for what it has against us.
    PolicyNever,
    /// Refuses the recipients for what it has against us, or them: nobody can tell.
    RecipientPolicy,
    /// Refuses the content for what it has against us, or it.
    ContentPolicy,
    /// Closes the session at the recipient.
    ClosesAtRecipient,
    /// The connection is cut at the recipient.
    LostAtRecipient,
    /// Refuses every recipient: the mailbox is full.
    MailboxFull,
}

type Script = Box<dyn Fn(usize) -> Does + Send + Sync>;

/// A provider: its journal says what it took, in order.
pub struct Provider {
    script: Script,
    tries: AtomicUsize,
    files: bool,
    /// What is done at the one who has this address, whatever the script says.
    pub at: Mutex<Option<(String, Does)>>,
    /// Whether its mailbox finds nothing, whatever is searched for.
    pub is_blind: AtomicBool,
    /// Pause inside the hand-over, so that others run meanwhile.
    pub pause: Duration,
    pub journal: Mutex<Vec<Taken>>,
    pub offers: Mutex<Vec<Outgoing>>,
    pub appended: Mutex<Vec<Vec<u8>>>,
}

#[derive(Debug, Clone)]
pub struct Taken {
    pub token: String,
    pub message_id: String,
    pub recipients: Vec<String>,
}

fn header(raw: &[u8], name: &str) -> String {
    let text = String::from_utf8_lossy(raw);
    let mut found = text.lines().take_while(|l| !l.is_empty()).filter_map(|l| l.split_once(": "));
    let value = found.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim().to_owned());
    value.unwrap_or_else(|| panic!("no {name} in {text}"))
}

impl Provider {
    pub fn new(files: bool, script: impl Fn(usize) -> Does + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            script: Box::new(script),
            tries: AtomicUsize::default(),
            files,
            at: Mutex::default(),
            is_blind: AtomicBool::default(),
            pause: Duration::ZERO,
            journal: Mutex::default(),
            offers: Mutex::default(),
            appended: Mutex::default(),
        })
    }

    pub fn slow(files: bool, pause: Duration, script: impl Fn(usize) -> Does + Send + Sync + 'static) -> Arc<Self> {
        let mut provider = Arc::try_unwrap(Self::new(files, script)).ok().unwrap();
        provider.pause = pause;
        Arc::new(provider)
    }

    pub fn senders(self: &Arc<Self>) -> liaison::outbound::SenderFactory {
        let provider = Arc::clone(self);
        Arc::new(move || Box::new(FakeSender { provider: Arc::clone(&provider), does: Does::Takes, left: Vec::new() }))
    }

    pub fn sources(self: &Arc<Self>) -> liaison::outbound::SourceFactory {
        let provider = Arc::clone(self);
        Arc::new(move || Box::new(FakeSource { provider: Arc::clone(&provider) }))
    }

    /// How often each message was taken.
    pub fn taken(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for taken in self.journal.lock().unwrap().iter() {
            *counts.entry(taken.token.clone()).or_default() += 1;
        }
        counts
    }

    fn take(&self, mail: &Outgoing, recipients: Vec<String>) {
        self.journal.lock().unwrap().push(Taken {
            token: header(&mail.content, "X-Liaison-Id"),
            message_id: header(&mail.content, "Message-ID"),
            recipients,
        });
    }
}

struct FakeSender {
    provider: Arc<Provider>,
    does: Does,
    left: Vec<String>,
}

fn reply(code: u16, enhanced: &str) -> Reply {
    Reply { code, enhanced: Some(enhanced.into()), text: "says the test".into() }
}

fn lost(phase: liaison::connector::Phase) -> OfferError {
    OfferError { phase, error: ConnectorError::Lost("cut by the test".into()) }
}

impl Sender for FakeSender {
    fn offer<'a>(&'a mut self, mail: &'a Outgoing) -> BoxFuture<'a, Result<Offer, OfferError>> {
        use liaison::connector::Phase;
        Box::pin(async move {
            let n = self.provider.tries.fetch_add(1, Ordering::SeqCst);
            self.does = (self.provider.script)(n);
            if let Some((address, does)) = &*self.provider.at.lock().unwrap()
                && mail.recipients.contains(address)
            {
                self.does = *does;
            }
            self.provider.offers.lock().unwrap().push(mail.clone());
            tokio::task::yield_now().await;
            let all = mail.recipients.len();
            self.left.clone_from(&mail.recipients);
            let refused =
                |phase, code, enhanced| Ok(Offer::Refused { phase, replies: vec![reply(code, enhanced); all] });
            match self.does {
                Does::NoConnection => Err(lost(Phase::Connect)),
                Does::NoLogin => {
                    Err(OfferError { phase: Phase::Login, error: ConnectorError::Login("535 5.7.8 no".into()) })
                }
                Does::LostAtData => Err(lost(Phase::Data)),
                Does::LostAtRecipient => Err(lost(Phase::Recipient)),
                Does::RecipientPolicy => refused(Phase::Recipient, 550, "5.7.133"),
                Does::ClosesAtRecipient => refused(Phase::Recipient, 421, "4.3.2"),
                Does::SenderLater => refused(Phase::Envelope, 451, "4.3.0"),
                Does::RecipientLater => refused(Phase::Recipient, 450, "4.2.0"),
                Does::RecipientNever => refused(Phase::Recipient, 550, "5.1.1"),
                Does::PolicyNever => refused(Phase::Envelope, 554, "5.7.1"),
                Does::MailboxFull => refused(Phase::Recipient, 552, "5.2.2"),
                Does::LastLater if all > 1 => {
                    self.left.pop();
                    let mut refused = vec![None; all];
                    refused[all - 1] = Some(reply(450, "4.2.0"));
                    Ok(Offer::Ready { refused })
                }
                Does::Takes
                | Does::Rewrites
                | Does::TakesSilently
                | Does::LosesContent
                | Does::LastLater
                | Does::ContentLater
                | Does::ContentPolicy
                | Does::ContentNever => Ok(Offer::Ready { refused: vec![None; all] }),
            }
        })
    }

    fn hand_over<'a>(&'a mut self, mail: &'a Outgoing) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async move {
            let left = std::mem::take(&mut self.left);
            if !self.provider.pause.is_zero() {
                tokio::time::sleep(self.provider.pause).await;
            }
            match self.does {
                Does::LosesContent => SendOutcome::Uncertain("cut before the dot".into()),
                Does::TakesSilently => {
                    self.provider.take(mail, left);
                    SendOutcome::Uncertain("cut after the dot".into())
                }
                Does::ContentLater => SendOutcome::Refused(reply(451, "4.3.0")),
                Does::ContentNever => SendOutcome::Refused(reply(554, "5.6.0")),
                Does::ContentPolicy => SendOutcome::Refused(reply(554, "5.7.1")),
                Does::NoConnection
                | Does::NoLogin
                | Does::SenderLater
                | Does::RecipientLater
                | Does::RecipientNever
                | Does::PolicyNever
                | Does::RecipientPolicy
                | Does::ClosesAtRecipient
                | Does::LostAtRecipient
                | Does::MailboxFull
                | Does::LostAtData => panic!("content was handed over after a refusal"),
                Does::Rewrites => {
                    self.provider.take(mail, left);
                    let text = "OK <rewritten@x.prod.outlook.com> [Hostname=x]".to_owned();
                    SendOutcome::Accepted { reply: Reply { text, ..reply(250, "2.0.0") }, id: None }
                }
                Does::Takes | Does::LastLater => {
                    self.provider.take(mail, left);
                    SendOutcome::Accepted { reply: reply(250, "2.0.0"), id: None }
                }
            }
        })
    }

    fn withdraw(&mut self) -> BoxFuture<'_, ()> {
        self.left.clear();
        Box::pin(async {})
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

struct FakeSource {
    provider: Arc<Provider>,
}

impl Source for FakeSource {
    fn folders(&mut self) -> BoxFuture<'_, Result<Vec<FolderSeen>, ConnectorError>> {
        let folder = |name: &str, role| FolderSeen { name: name.into(), role };
        Box::pin(async move { Ok(vec![folder("INBOX", FolderRole::Inbox), folder("Sent", FolderRole::Sent)]) })
    }
    fn select<'a>(&'a mut self, folder: &'a str) -> BoxFuture<'a, Result<FolderStatus, ConnectorError>> {
        Box::pin(async move {
            assert_eq!(folder, "Sent");
            Ok(FolderStatus { uid_validity: 1, uid_next: 1, exists: 0 })
        })
    }
    fn uids(&mut self) -> BoxFuture<'_, Result<Vec<i64>, ConnectorError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn uids_since(&mut self, _: Micros) -> BoxFuture<'_, Result<Vec<i64>, ConnectorError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn fetch<'a>(&'a mut self, _: &'a [i64]) -> BoxFuture<'a, Result<Vec<RawItem>, ConnectorError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn fetch_headers<'a>(&'a mut self, _: &'a [i64]) -> BoxFuture<'a, Result<Vec<HeaderItem>, ConnectorError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn wait(&mut self, _: Duration) -> BoxFuture<'_, Result<Wake, ConnectorError>> {
        Box::pin(async { Ok(Wake::Elapsed) })
    }
    fn find<'a>(&'a mut self, id: &'a str, token: &'a str) -> BoxFuture<'a, Result<Option<i64>, ConnectorError>> {
        Box::pin(async move {
            assert!(!id.is_empty() && !token.is_empty());
            if self.provider.is_blind.load(Ordering::SeqCst) {
                return Ok(None);
            }
            let appended = self.provider.appended.lock().unwrap().iter().any(|m| header(m, "X-Liaison-Id") == token);
            let journal = self.provider.journal.lock().unwrap();
            let filed = self.provider.files && journal.iter().any(|t| t.token == token);
            Ok((filed || appended).then_some(1))
        })
    }
    fn append<'a>(&'a mut self, folder: &'a str, raw: &'a [u8]) -> BoxFuture<'a, Result<(), ConnectorError>> {
        Box::pin(async move {
            assert_eq!(folder, "Sent");
            self.provider.appended.lock().unwrap().push(raw.to_vec());
            Ok(())
        })
    }
    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}
