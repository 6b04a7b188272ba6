//! Tokens are kept fresh: by one at a time, stored before they are used, and lost by nobody who goes away.

use std::sync::Arc;
use std::time::Duration;

use liaison::connector::email::imap::{ImapSettings, ImapSource};
use liaison::connector::email::smtp::{SmtpSender, SmtpSettings, Timeouts};
use liaison::connector::email::tls::Security;
use liaison::connector::{ConnectorError, Outgoing, SendOutcome, Sender, Source, Tokens};
use liaison::hub::seal::Vault;
use secrecy::{ExposeSecret, SecretString};

use super::{MASTER_KEY, World, until, world, worlds};

fn imap(world: &World, tokens: Arc<dyn Tokens>) -> ImapSource {
    ImapSource::new(ImapSettings::of(world.config.accounts["brand"].imap().unwrap())).with_tokens(tokens)
}

fn smtp(world: &World, tokens: Arc<dyn Tokens>) -> SmtpSender {
    let settings = SmtpSettings {
        host: "127.0.0.1".into(),
        port: world.peer.smtps,
        security: Security::Tls,
        user: Some(world.user.clone()),
        password: None,
        ca_file_pem: Some(std::fs::read(&world.peer.ca).unwrap()),
        hello_name: "example.test".into(),
        timeouts: Timeouts::default(),
    };
    SmtpSender::new(settings).unwrap().with_tokens(tokens)
}

/// What renews the sign-in, as it stands in the store.
async fn stored_refresh(world: &World) -> String {
    let row = world.fresh.store.read().await.unwrap().get_login("brand").await.unwrap().unwrap();
    let vault = Vault::new(&SecretString::from(MASTER_KEY)).unwrap();
    let opened = vault.open("refresh token of account brand", &row.refresh_sealed).unwrap();
    assert!(!row.refresh_sealed.windows(8).any(|w| opened.expose_secret().as_bytes().starts_with(w)), "it is sealed");
    opened.expose_secret().to_owned()
}

/// Makes the access token in hand useless, as time would.
async fn let_it_end(world: &World, keeper: &impl Tokens) {
    world.control(&[("life", "0")]).await;
    let token = keeper.access(None).await.unwrap();
    keeper.access(Some(&token)).await.unwrap();
    world.control(&[("life", "3600")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_that_ends_between_reconnects_is_renewed_for_reading_and_sending() {
    for world in worlds().await {
        world.sign_in().await;
        let keeper = Arc::new(world.keeper());
        world.peer.deliver(b"Subject: one\r\n\r\nbody\r\n", &world.user);
        let mut source = imap(&world, keeper.clone());
        source.folders().await.unwrap();
        assert_eq!(source.select("INBOX").await.unwrap().exists, 1);
        assert_eq!(world.seen().await["refreshes"], 0, "the token of the sign-in is used as long as it holds");
        Box::new(source).close().await;
        // The token in hand is one that the server does not take any more, and says nothing of it.
        let_it_end(&world, keeper.as_ref()).await;
        let mut source = imap(&world, keeper.clone());
        source.folders().await.unwrap();
        assert_eq!(world.seen().await["refreshes"], 2);
        let_it_end(&world, keeper.as_ref()).await;
        let mut sender = smtp(&world, keeper.clone());
        let mail = Outgoing {
            from: world.user.clone(),
            recipients: vec![world.user.clone()],
            content: b"Subject: two\r\nMessage-ID: <two@example.test>\r\n\r\nbody\r\n".to_vec(),
        };
        sender.offer(&mail).await.unwrap();
        assert!(matches!(sender.hand_over(&mail).await, SendOutcome::Accepted { .. }));
        assert_eq!(world.seen().await["refreshes"], 4);
        let arrived = async || {
            let exists = source.select("INBOX").await.unwrap().exists;
            if exists == 2 { Ok(()) } else { Err(exists) }
        };
        until("the mail that was sent", arrived).await;
        Box::new(sender).close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_who_need_a_token_at_once_cause_one_renewal_among_processes() {
    for world in worlds().await {
        world.sign_in().await;
        let keepers = [Arc::new(world.keeper()), Arc::new(world.keeper()), Arc::new(world.keeper())];
        let ended = keepers[0].access(None).await.unwrap();
        // Long enough that all have asked before the answer comes.
        world.control(&[("delay", "0.5"), ("rotate", "yes")]).await;
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..200 {
            let (keeper, ended) = (keepers[n % 3].clone(), ended.clone());
            tasks.spawn(async move { keeper.access(Some(&ended)).await.unwrap().expose_secret().to_owned() });
        }
        let tokens: std::collections::BTreeSet<String> = tasks.join_all().await.into_iter().collect();
        assert_eq!(tokens.len(), 1, "{}: all got the same token", world.fresh.name);
        let seen = world.seen().await;
        assert_eq!((&seen["refreshes"], &seen["asked"]), (&1.into(), &1.into()), "{}", world.fresh.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotated_token_is_stored_before_the_new_one_is_used_even_where_who_asked_is_gone() {
    for world in worlds().await {
        world.sign_in().await;
        world.control(&[("rotate", "yes")]).await;
        let keeper = world.keeper();
        let first = keeper.access(None).await.unwrap();
        let second = keeper.access(Some(&first)).await.unwrap();
        assert_eq!(world.seen().await["given"], serde_json::json!([stored_refresh(&world).await]));
        // Who asked goes away while the provider answers: the only token that is good must not go with them.
        world.control(&[("delay", "0.3")]).await;
        let before = stored_refresh(&world).await;
        let asking = tokio::time::timeout(Duration::from_millis(50), keeper.access(Some(&second)));
        assert!(asking.await.is_err(), "the provider takes longer");
        drop(keeper);
        let kept = async || {
            let now = stored_refresh(&world).await;
            if now == before { Err(now) } else { Ok(now) }
        };
        let kept = until("the rotated token in the store", kept).await;
        assert_eq!(world.seen().await["given"], serde_json::json!([kept]), "{}", world.fresh.name);
        // Another process goes on from there.
        let next = world.keeper();
        let token = next.access(None).await.unwrap();
        let mut source = imap(&world, Arc::new(next));
        source.folders().await.unwrap();
        assert_ne!(token.expose_secret(), second.expose_secret());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_of_the_token_endpoint_is_no_end_of_the_sign_in() {
    let Some(world) = world().await else { return };
    world.sign_in().await;
    let keeper = world.keeper();
    let token = keeper.access(None).await.unwrap();
    for status in ["503", "500", "429"] {
        world.control(&[("fail", &format!("1:{status}"))]).await;
        let refused = keeper.access(Some(&token)).await;
        assert!(matches!(refused, Err(ConnectorError::Lost(_))), "{status}: {refused:?}");
        let row = world.fresh.store.read().await.unwrap().get_login("brand").await.unwrap().unwrap();
        assert_eq!(row.refused_at, None, "{status}");
        // Left alone for a moment, and then asked again; who holds a token that is good is not kept waiting.
        assert_eq!(keeper.access(None).await.unwrap().expose_secret(), token.expose_secret());
    }
    let asked = world.seen().await["asked"].as_i64().unwrap();
    assert!((1..=3).contains(&asked), "resting means that nobody asks: {asked}");
    let fresh = until("a token", async || keeper.access(Some(&token)).await).await;
    assert_ne!(fresh.expose_secret(), token.expose_secret());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answer_cut_off_after_the_provider_rotated_needs_a_person_and_says_so() {
    for world in worlds().await {
        world.sign_in().await;
        world.control(&[("rotate", "yes"), ("cut", "1")]).await;
        let keeper = world.keeper();
        let token = keeper.access(None).await.unwrap();
        let lost = keeper.access(Some(&token)).await;
        assert!(matches!(lost, Err(ConnectorError::Lost(_))), "a lost answer may be anything: {lost:?}");
        // The provider took the old token back, and nobody has the new one.
        let out = until("the provider's word", async || match keeper.access(Some(&token)).await {
            Err(ConnectorError::SignedOut(why)) => Ok(why),
            other => Err(format!("{other:?}")),
        });
        let why = out.await;
        assert!(why.contains("invalid_grant") && why.contains("liaison account add gmail brand"), "{why}");
        // From now on nobody asks.
        let asked = world.seen().await["asked"].clone();
        assert!(matches!(world.keeper().access(None).await, Err(ConnectorError::SignedOut(_))));
        assert_eq!(world.seen().await["asked"], asked);
        // Somebody signs in, and the same keeper goes on.
        world.sign_in().await;
        assert_ne!(keeper.access(Some(&token)).await.unwrap().expose_secret(), token.expose_secret());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_master_key_opens_nothing_and_asks_nobody() {
    let Some(world) = world().await else { return };
    world.sign_in().await;
    let mut oauth = world.config.oauth.clone();
    if let Some(key) = &mut oauth.master_key {
        key.value = "another key, also of more than 32 characters".into();
    }
    let provider = world.config.accounts["brand"].provider().unwrap();
    let keeper = liaison::login::Keeper::new(world.fresh.store.clone(), "brand", provider, &oauth);
    let refused = keeper.access(None).await.unwrap_err();
    assert!(refused.to_string().contains("another master key"), "{refused}");
    assert_eq!(world.seen().await["asked"], 0);
}
