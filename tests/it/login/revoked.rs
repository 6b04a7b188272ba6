//! A sign-in that is taken back: the account waits, says so, loses nothing, and goes on when somebody signs in.

use liaison::app::{self, Parts};
use liaison::clock::Clock;
use liaison::domain::ids::RunId;
use liaison::domain::mail::Mailbox;
use liaison::domain::words::{AccountState, EventType, OutboxStatus};
use liaison::hub::enqueue::{self, AccountFrom, Order};
use liaison::lifecycle::{Asked, Lifecycle};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::{World, until, worlds};

/// Puts a mail to the brand itself into its outbox.
pub(super) async fn enqueue(world: &World, clock: &Clock) -> liaison::domain::ids::MessageId {
    let mut tx = world.fresh.store.begin("test.enqueue").await.unwrap();
    let order = Order {
        account: AccountFrom { name: "brand".into(), address: world.user.clone(), display_name: String::new() },
        to: vec![Mailbox { name: String::new(), address: world.user.clone() }],
        cc: Vec::new(),
        subject: Some("two".into()),
        text: "body".into(),
        html: None,
        attachments: Vec::new(),
        answers: None,
        due_at: clock.now(),
        file_copy: false,
        message_id_domain: "example.test".into(),
        outreach: None,
    };
    let id = enqueue::enqueue(&mut tx, clock, order).await.unwrap().id;
    tx.commit().await.unwrap();
    id
}

pub(super) async fn states(world: &World) -> (AccountState, AccountState, String) {
    let row = world.fresh.store.read().await.unwrap().get_account("brand").await.unwrap().unwrap();
    let detail = format!("{:?} {:?}", row.detail, row.sending_detail);
    (row.state, row.sending_state, detail)
}

pub(super) async fn count(world: &World, sql: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    match crate::stores::raw_connection(&world.fresh.place).await {
        crate::stores::Raw::Sqlite(mut c) => sqlx::query_scalar(sql).fetch_one(&mut c).await.unwrap(),
        crate::stores::Raw::Postgres(mut c) => sqlx::query_scalar(sql).fetch_one(&mut c).await.unwrap(),
    }
}

async fn events(world: &World, what: EventType, side: &str) -> usize {
    let sql = format!("SELECT COUNT(*) FROM event WHERE type = '{what}' AND CAST(data AS TEXT) LIKE '%{side}%'");
    usize::try_from(count(world, &sql).await).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoked_sign_in_stops_the_account_and_loses_nothing() {
    for world in worlds().await {
        let clock = Clock::machine();
        world.sign_in().await;
        // Every token ends at once, so each connection needs a renewal.
        world.control(&[("life", "0")]).await;
        world.peer.deliver(b"Subject: one\r\nMessage-ID: <one@example.test>\r\n\r\nbody\r\n", &world.user);
        let life = Lifecycle::new();
        let live = app::live_with(&world.config, &world.fresh.store);
        assert_eq!((live.accounts.len(), live.accounts[0].kind.as_str()), (1, "gmail"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let run = RunId(clock.new_id());
        let store = world.fresh.store.clone();
        let parts = Parts {
            store,
            clock: clock.clone(),
            run,
            live,
            listener,
            public: None,
            reload: None,
            watermark: liaison::outbound::Watermark::none(),
        };
        world.control(&[("revoke", "yes")]).await;
        // The token of the sign-in itself was good for an hour, so the first connection works; it is closed by what follows.
        let mut tx = world.fresh.store.begin("test.end").await.unwrap();
        let row = tx.get_login("brand").await.unwrap().unwrap();
        let tokens = liaison::store::login::LoginTokens {
            refresh_sealed: row.refresh_sealed,
            access_sealed: row.access_sealed.unwrap(),
            renew_at: clock.now(),
            expires_at: clock.now(),
            at: clock.now(),
        };
        assert!(tx.renew_login("brand", row.version, &tokens).await.unwrap());
        tx.commit().await.unwrap();
        app::start(parts, &life).await.unwrap();
        let (asked, told) = mpsc::channel(1);
        let ended = tokio::spawn(life.run(told));

        until("reading says that it needs a sign-in", async || match states(&world).await {
            (AccountState::NeedsLogin, _, detail) if detail.contains("liaison account add gmail brand") => Ok(()),
            other => Err(other),
        })
        .await;
        let id = enqueue(&world, &clock).await;
        until("sending says so too", async || match states(&world).await {
            (_, AccountState::NeedsLogin, _) => Ok(()),
            other => Err(other),
        })
        .await;
        let row = world.fresh.store.read().await.unwrap().get_outbox(id).await.unwrap().unwrap();
        assert!(matches!(row.status, OutboxStatus::Queued | OutboxStatus::Claimed), "{row:?}");
        assert_eq!(count(&world, "SELECT COUNT(*) FROM message WHERE direction = 'inbound'").await, 0);
        assert_eq!(events(&world, EventType::AccountDown, "reading").await, 1, "{}", world.fresh.name);
        assert_eq!(events(&world, EventType::AccountDown, "sending").await, 1);
        assert_eq!(events(&world, EventType::MessageRejected, "").await, 0);
        let asked_so_far = world.seen().await["asked"].clone();

        world.control(&[("life", "3600")]).await;
        world.sign_in().await;
        until("both halves work again", async || match states(&world).await {
            (AccountState::Up, AccountState::Up, _) => Ok(()),
            other => Err(other),
        })
        .await;
        until("what waited was sent, once, and read", async || {
            let status = world.fresh.store.read().await.unwrap().get_outbox(id).await.unwrap().unwrap().status;
            let read = count(&world, "SELECT COUNT(*) FROM message").await;
            if status == OutboxStatus::Confirmed && read == 2 { Ok(()) } else { Err((status, read)) }
        })
        .await;
        assert_eq!(events(&world, EventType::AccountUp, "reading").await, 1);
        assert_eq!(events(&world, EventType::AccountUp, "sending").await, 1);
        assert_eq!(world.seen().await["asked"], asked_so_far, "whoever waits for a person asks nobody");
        asked.send(Asked::Stop).await.unwrap();
        ended.await.unwrap();
    }
}
