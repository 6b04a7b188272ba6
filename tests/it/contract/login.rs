//! Sign-ins with OAuth: tokens change hands only from the row that was read; a sign-in that began is good once.

use std::time::Duration;

use liaison::domain::time::Micros;
use liaison::store::login::{LoginTokens, PendingLogin};

use crate::stores;

fn tokens(n: u8, at: Micros) -> LoginTokens {
    LoginTokens {
        refresh_sealed: vec![n, 0, 255],
        access_sealed: vec![n, 1],
        renew_at: at,
        expires_at: at.plus(Duration::from_hours(1)),
        at,
    }
}

#[tokio::test]
async fn tokens_are_renewed_or_refused_only_from_the_row_that_was_read() {
    for fresh in stores::both().await {
        let now = Micros::from_seconds(1_800_000_000);
        let mut tx = fresh.store.begin("test.login").await.unwrap();
        assert_eq!(tx.get_login("a").await.unwrap(), None);
        tx.put_login(("a", "gmail", "a@x.example"), &tokens(1, now)).await.unwrap();
        let first = tx.get_login("a").await.unwrap().unwrap();
        assert_eq!((first.version, first.refresh_sealed.as_slice(), first.refused_at), (1, &[1, 0, 255][..], None));
        assert!(!format!("{first:?}").contains("255"), "what is sealed is not printed");
        assert!(tx.renew_login("a", 1, &tokens(2, now)).await.unwrap());
        assert!(!tx.renew_login("a", 1, &tokens(3, now)).await.unwrap(), "{}", fresh.name);
        assert!(!tx.refuse_login("a", 1, ("late", now)).await.unwrap());
        assert!(tx.refuse_login("a", 2, ("taken back", now)).await.unwrap());
        let refused = tx.get_login("a").await.unwrap().unwrap();
        assert_eq!((refused.refused_at, refused.refused_why.as_deref()), (Some(now), Some("taken back")));
        assert_eq!((refused.version, refused.refresh_sealed), (3, vec![2, 0, 255]));
        tx.put_login(("a", "microsoft365", "b@x.example"), &tokens(4, now)).await.unwrap();
        let again = tx.list_logins().await.unwrap().remove(0);
        assert_eq!((again.version, again.refused_at, again.provider.as_str()), (4, None, "microsoft365"));
        assert_eq!((again.address.as_str(), again.access_sealed), ("b@x.example", Some(vec![4, 1])));
    }
}

#[tokio::test]
async fn sign_in_that_began_is_good_once_and_for_a_while() {
    for fresh in stores::both().await {
        let now = Micros::from_seconds(1_800_000_000);
        let (soon, later) = (now.plus(Duration::from_mins(1)), now.plus(Duration::from_hours(30)));
        let pending = |hash: u8| PendingLogin {
            state_hash: vec![hash; 32],
            account: "a".into(),
            provider: "gmail".into(),
            address: "a@x.example".into(),
            verifier_sealed: vec![7],
            redirect_uri: "http://127.0.0.1:1/".into(),
            expires_at: soon,
        };
        let mut tx = fresh.store.begin("test.pending").await.unwrap();
        for hash in [1, 2] {
            tx.insert_pending_login(&pending(hash), now).await.unwrap();
        }
        assert_eq!(tx.use_pending_login(vec![9; 32], now).await.unwrap(), None);
        let (one, two) = (vec![1; 32], vec![2; 32]);
        assert!(!tx.is_login_pending(vec![9; 32], now).await.unwrap());
        assert!(tx.is_login_pending(one.clone(), now).await.unwrap(), "{}", fresh.name);
        assert!(!tx.is_login_pending(two, soon).await.unwrap(), "its time is over");
        assert_eq!(tx.use_pending_login(vec![1; 32], now).await.unwrap(), Some(pending(1)), "{}", fresh.name);
        assert_eq!(tx.use_pending_login(vec![1; 32], now).await.unwrap(), None, "once");
        assert!(!tx.is_login_pending(one, now).await.unwrap(), "it was taken up");
        assert_eq!(tx.use_pending_login(vec![2; 32], soon).await.unwrap(), None, "its time is over");
        assert_eq!(tx.get_pending_outcome(vec![1; 32]).await.unwrap(), None);
        tx.finish_pending_login(vec![1; 32], Some("no"), now).await.unwrap();
        tx.finish_pending_login(vec![1; 32], None, now).await.unwrap();
        assert_eq!(tx.get_pending_outcome(vec![1; 32]).await.unwrap(), Some(Some("no".into())), "the first word holds");
        tx.insert_pending_login(&PendingLogin { expires_at: later, ..pending(3) }, later).await.unwrap();
        assert_eq!(tx.get_pending_outcome(vec![1; 32]).await.unwrap(), None, "forgotten after a day");
    }
}
