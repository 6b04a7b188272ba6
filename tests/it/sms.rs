//! Text messages: numbers, signatures, and both providers over loopback, where answers get lost.

mod handed;
mod listed;
pub mod openapi;
mod owned;
mod phones;
pub mod provider;
mod signed;
pub mod telnyx;
pub mod twilio;

use std::sync::Arc;

use liaison::clock::Clock;
use liaison::connector::feed::Words;
use liaison::connector::http::Http;
use liaison::connector::sms::{Line, Means, Settings, provider as provider_of};
use liaison::connector::{Offer, Outgoing, SendOutcome};
use liaison::domain::time::Micros;
use secrecy::SecretString;

pub const OURS: &str = "+14155550100";
pub const THEIRS: &str = "+14155550101";
pub const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
pub const TOKEN: &str = "a token of thirty-two characters";
/// 2026-11-20T12:00:00Z.
pub const NOON: i64 = 1_795_176_000;

/// A line at a provider, with the clock that it goes by.
pub fn line(name: &str, given: &[(&str, &str)], clock: &Clock) -> Arc<dyn Line> {
    let settings = Settings::new(given.iter().map(|(n, v)| ((*n).to_owned(), SecretString::from(*v))));
    let means = Means { http: Http::new(None).unwrap(), clock: clock.clone() };
    (provider_of(name).expect("a provider").line)(&settings, &means).expect("a line")
}

pub fn clock() -> Clock {
    Clock::stepped(Micros::from_seconds(NOON))
}

pub fn mail(to: &str, text: &str, callback: Option<&str>) -> Outgoing {
    let words = Words {
        text: text.to_owned(),
        token: "tok-1".to_owned(),
        thread: None,
        place: None,
        callback: callback.map(str::to_owned),
    };
    let content = serde_json::to_vec(&words).unwrap();
    Outgoing { from: OURS.to_owned(), recipients: vec![to.to_owned()], content }
}

/// Offers a message and hands it over, as the dispatcher does.
pub async fn send(line: &dyn Line, mail: &Outgoing) -> SendOutcome {
    let mut sender = line.sender();
    assert_eq!(sender.offer(mail).await, Ok(Offer::Ready { refused: vec![None] }));
    let outcome = sender.hand_over(mail).await;
    sender.close().await;
    outcome
}
